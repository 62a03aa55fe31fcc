"""OpenAI's Responses protocol by OpenAI's own client: whole, streamed, in the background, resumed, cancelled, deleted."""

import concurrent.futures
import time

import httpx
import openai
import psycopg
import pytest
from openai.types.responses import Response

from house import House
from people import Person
from shop import files, model, run_of
from talker import CALLS, FORECAST

TOOL = {"type": "function", "name": "get_weather", "description": "the weather of a city", "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {
        "small": model("small", ("sandbox", "sandbox-small")), "drip": model("drip", ("sandbox", "sandbox-fault-drip")),
        "cut": model("cut", ("sandbox", "sandbox-fault-half")), "judged": model("judged", ("gpt", "talker")),
        "claude": model("claude", ("claude", "talker")),
    }
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("responses"), models), **talker.env(), NOREN__GATEWAY__SILENCE_SECONDS="5")
    yield made
    made.stop()


def until(gpt, id: str, done, within: float = 30) -> Response:
    deadline = time.monotonic() + within
    while not done(found := gpt.responses.retrieve(id)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)  # a poll is what this protocol offers
    return found


def test_a_response_is_whole_and_can_be_fetched_again(shop, secret, gpt):
    whole = gpt.responses.with_raw_response.create(model="small", input="Tell me about rain", instructions="Be kind.", metadata={"k": "v"})
    made = whole.parse()
    assert made.status == "completed" and made.model == "small" and made.output_text
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    assert made.instructions == "Be kind." and made.metadata == {"k": "v"}
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert (known["output"], known["tokens_in"], known["tokens_out"]) == (made.output_text, made.usage.input_tokens, made.usage.output_tokens)
    assert gpt.responses.retrieve(made.id) == made


def test_a_stream_tells_each_step_and_ends_with_the_whole(gpt):
    with gpt.responses.stream(model="small", input=[{"role": "user", "content": "Tell me about rain"}]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == final.output_text
    assert gpt.responses.retrieve(final.id).output_text == final.output_text


def test_in_the_background_nobody_waits_and_a_stream_is_taken_up_at_any_event(gpt):
    begun = gpt.responses.create(model="small", input="[slow][long 12] talk", background=True)
    assert begun.status in ("queued", "in_progress") and begun.background and begun.output_text == ""
    first = list(gpt.responses.retrieve(begun.id, stream=True))
    assert first[-1].type == "response.completed"
    assert until(gpt, begun.id, lambda found: found.status == "completed").output_text == first[-1].response.output_text
    for after in (0, 3, len(first) - 2):
        rest = list(gpt.responses.retrieve(begun.id, stream=True, starting_after=after))
        assert rest == first[after + 1:], "the numbers are the same for whoever comes again"
    assert list(gpt.responses.retrieve(begun.id, stream=True, starting_after=len(first))) == []


def test_a_stream_in_the_background_outlives_its_reader(gpt):
    stream = gpt.responses.create(model="small", input="[slow][long 10] talk", background=True, stream=True)
    for event in stream:
        if event.type == "response.created":
            id = event.response.id
        if event.type == "response.output_text.delta":
            break
    seen = event.sequence_number
    stream.close()
    rest = list(gpt.responses.retrieve(id, stream=True, starting_after=seen))
    assert rest[0].sequence_number == seen + 1 and rest[-1].type == "response.completed"


def test_what_is_in_the_background_can_be_cancelled_and_nothing_else(gpt):
    begun = gpt.responses.create(model="drip", input="[long 200] talk", background=True)
    until(gpt, begun.id, lambda found: found.output_text)
    assert gpt.responses.cancel(begun.id).status == "cancelled"
    kept = gpt.responses.retrieve(begun.id)
    assert kept.status == "cancelled" and kept.output_text and kept.usage.output_tokens > 0
    assert gpt.responses.cancel(begun.id).status == "cancelled", "once more changes nothing"
    plain = gpt.responses.create(model="small", input="hello")
    with pytest.raises(openai.BadRequestError):
        gpt.responses.cancel(plain.id)


def test_a_failure_is_an_error_to_who_waits_and_a_state_to_who_does_not(gpt):
    with pytest.raises(openai.InternalServerError) as failed:
        gpt.responses.create(model="cut", input="hello")
    assert failed.value.code == "upstream_failed"
    begun = gpt.responses.create(model="cut", input="hello", background=True)
    ended = until(gpt, begun.id, lambda found: found.status not in ("queued", "in_progress"))
    # the vendor's own word for it, and ours where it has a place
    assert ended.status == "failed" and ended.error.code == "server_error" and "(upstream_failed)" in ended.error.message
    events = list(gpt.responses.create(model="cut", input="hello", stream=True))
    assert events[-1].type == "response.failed" and events[-1].response.error.code == "server_error"


def test_what_is_deleted_is_gone_with_its_words_and_stays_paid(shop, gpt):
    whole = gpt.responses.with_raw_response.create(model="small", input="Tell me about rain")
    made = whole.parse()
    gpt.responses.delete(made.id)
    for call in (gpt.responses.retrieve, gpt.responses.delete, gpt.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    for what in ("result", "events"):
        asked = httpx.get(f"{shop.inference}/inference/{whole.headers['x-noren-run']}/{what}", headers={"authorization": f"Bearer {gpt.api_key}"})
        assert (asked.status_code, asked.json()["code"]) == (410, "text_deleted")
    with psycopg.connect(shop.database) as database:
        run = whole.headers["x-noren-run"].removeprefix("run_")
        assert database.execute("select output, sealed_output, tokens_out > 0 from gateway.run where id = %s", [run]).fetchone() == ("", None, True)
        assert database.execute("select (select count(*) from gateway.run_event where run_id = %(run)s) + (select count(*) from gateway.run_text where run_id = %(run)s)", {"run": run}).fetchone() == (0,)
        assert database.execute("select amount from entitlement.usage where ref = %s", [f"run_{run}"]).fetchone() == (1,)


def test_what_is_not_to_be_kept_is_not_kept(gpt):
    made = gpt.responses.create(model="small", input="hello", store=False)
    assert made.output_text and made.store is False
    with pytest.raises(openai.NotFoundError):
        gpt.responses.retrieve(made.id)


def test_nobody_else_reads_stops_or_deletes_a_response(shop, gpt):
    made = gpt.responses.create(model="small", input="hello")
    stranger = openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=Person(shop).join().prove_address().key()["secret"], max_retries=0)
    for call in (stranger.responses.retrieve, stranger.responses.delete, stranger.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made.id)
    assert gpt.responses.retrieve(made.id) == made


def test_the_same_key_many_times_at_once_is_one_response(shop, secret):
    body = {"model": "small", "input": "once", "background": True}
    headers = {"x-api-key": secret, "idempotency-key": "one response"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{shop.inference}/v1/responses", json=body, headers=headers, timeout=30), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({(answer.json()["id"], answer.json()["created_at"]) for answer in answers}) == 1


@pytest.mark.parametrize("name", ["judged", "claude"])
@pytest.mark.parametrize("streams", [False, True])
def test_tools_are_called_and_their_results_read(gpt, name, streams):
    def ask(input: list) -> Response:
        if not streams:
            return gpt.responses.create(model=name, input=input, tools=[TOOL])
        with gpt.responses.stream(model=name, input=input, tools=[TOOL]) as stream:
            return stream.get_final_response()

    turns = [{"role": "user", "content": "東京の天気は？"}]
    [call] = [item for item in ask(turns).output if item.type == "function_call"]
    assert (call.call_id, call.name, call.arguments) == (CALLS[0][0], "get_weather", call.arguments)
    assert call.arguments in ("".join(CALLS[0][2]), '{"city": "東京", "days": 2}', '{"city":"東京","days":2}')
    turns += [{"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
              {"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}]
    assert FORECAST in ask(turns).output_text


def test_a_response_goes_on_from_another_and_brings_its_own_instructions(gpt, talker):
    first = gpt.responses.create(model="judged", input="東京の天気は？", instructions="Be kind.", tools=[TOOL])
    [call] = [item for item in first.output if item.type == "function_call"]
    said = [{"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}]
    second = gpt.responses.create(model="judged", input=said, previous_response_id=first.id, tools=[TOOL])
    assert FORECAST in second.output_text and second.previous_response_id == first.id
    third = gpt.responses.create(model="judged", input="thank you", previous_response_id=second.id, instructions="Be brief.")
    heard = talker.requests[-1][1]["messages"]
    assert [message["role"] for message in heard] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert heard[0]["content"] == "Be brief." and heard[4]["content"] == second.output_text
    assert third.usage.input_tokens > second.usage.input_tokens > first.usage.input_tokens, "what came before is read and billed again"
    assert gpt.responses.retrieve(third.id).previous_response_id == second.id


def test_nothing_goes_on_from_what_is_not_kept_or_not_ones_own(shop, gpt, talker):
    other = openai.OpenAI(base_url=gpt.base_url, api_key=Person(shop).join().prove_address().key()["secret"], max_retries=0)
    theirs = other.responses.create(model="judged", input="hello").id
    untraced = gpt.responses.create(model="judged", input="hello", extra_headers={"x-noren-store": "false"}).id
    unstored = gpt.responses.create(model="judged", input="hello", store=False).id
    deleted = gpt.responses.create(model="judged", input="hello").id
    gpt.responses.delete(deleted)
    before = len(talker.requests)
    for id in ("resp_0", theirs, untraced, unstored, deleted):
        with pytest.raises(openai.BadRequestError) as refused:
            gpt.responses.create(model="judged", input="and then?", previous_response_id=id)
        assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "/previous_response_id"), id
    begun = gpt.responses.create(model="drip", input="[long 200] talk", background=True)
    with pytest.raises(openai.BadRequestError, match="not been completed"):
        gpt.responses.create(model="judged", input="and then?", previous_response_id=begun.id)
    gpt.responses.cancel(begun.id)
    assert len(talker.requests) == before


BAD = {
    "unknown model": ({"model": "nothing"}, 404), "no input": ({"input": None}, 400), "empty": ({"input": []}, 400), "huge": ({"max_output_tokens": 10_000_000}, 400),
    "what came before": ({"previous_response_id": "resp_0"}, 400), "a conversation": ({"conversation": "c"}, 400), "not kept": ({"background": True, "store": False}, 400),
    "bad tool": ({"tools": [{"type": "function", "name": "no good name!"}]}, 400), "hosted tool": ({"tools": [{"type": "code_interpreter"}]}, 400),
}


@pytest.mark.parametrize(("wrong", "status"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_and_starts_nothing(shop, secret, talker, wrong, status):
    before = len(talker.requests)
    answer = httpx.post(f"{shop.inference}/v1/responses", headers={"x-api-key": secret}, json={"model": "judged", "input": "hello"} | wrong)
    assert answer.status_code == status and answer.json()["error"]["message"], answer.text
    assert len(talker.requests) == before


def test_a_bad_number_or_id_is_refused(shop, secret):
    for path, status in (("resp_x", 404), (f"resp_{'0' * 32}", 404), (f"resp_{'0' * 32}?stream=maybe", 400), (f"resp_{'0' * 32}?stream=true&starting_after=-1", 400)):
        answer = httpx.get(f"{shop.inference}/v1/responses/{path}", headers={"x-api-key": secret})
        assert answer.status_code == status, answer.text
