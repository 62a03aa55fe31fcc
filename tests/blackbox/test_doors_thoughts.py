"""What models think: told at the doors that ask for it, brought back by agents, and gone with the words."""

import json

import httpx
import openai
import psycopg
import pytest

import visitor
from house import House
from shop import files, run_of
from talker import CLOSED, FORECAST, MIND, PLAIN, seal

THOUGHT, WORDS = "".join(MIND), "".join(PLAIN)
HELLO = [{"role": "user", "content": "hello"}]
PRICES = 'prices = [{ from = "2025-01-01", input = 1000, output = 2000 }]'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
CLAUDES_TOOL = {"name": "get_weather", "description": "asks", "input_schema": PARAMETERS}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "asks", "parameters": PARAMETERS}}
RESPONSES_TOOL = {"type": "function", "name": "get_weather", "description": "asks", "parameters": PARAMETERS, "strict": False}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}
ways = pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])


def model(name: str, *targets: str) -> str:
    listed = ", ".join(f'{{ model = "{name}", rank = {rank}, {target} }}' for rank, target in enumerate(targets))
    return f'[[model]]\nname = "{name}"\n{PRICES}\ntargets = [{listed}]\n'


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    sol, opus = 'provider = "gpt", api = "responses", effort = "low"', 'provider = "claude", effort = "low", sampling = false'
    models = {name: model(name, *targets) for name, targets in {
        "plain": ['provider = "gpt"'], "deep": ['provider = "gpt", thoughts = "reasoning_content"'],
        "opus": [opus], "older": ['provider = "claude"'], "sol": [sol], "two": [sol, opus]}.items()}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("thoughts"), models), **talker.env())
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def minds(talker):
    talker.thinks, talker.reads = True, {"deep"}
    yield
    talker.thinks, talker.breaks, talker.reads = False, "", set()
    talker.thought, talker.counts = 0, "in"


def chat(gpt, streams: bool, **ask):
    """(the message with its thoughts, its run)"""
    raw = gpt.chat.completions.with_raw_response.create(stream=streams, **ask)
    if not streams:
        return raw.parse().choices[0].message, raw.headers["x-noren-run"]
    deltas = [chunk.choices[0].delta for chunk in raw.parse() if chunk.choices]
    said = "".join(delta.content or "" for delta in deltas)
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    order = ["thought" if getattr(delta, "reasoning_content", None) else "said" for delta in deltas if delta.content or hasattr(delta, "reasoning_content")]
    assert order == sorted(order, reverse=True), "thoughts come before the words"
    made = openai.types.chat.ChatCompletionMessage(role="assistant", content=said, **({"reasoning_content": thought} if thought else {}))
    return made, raw.headers["x-noren-run"]


def message(claude, streams: bool, **ask):
    ask = {"max_tokens": 500, "messages": HELLO} | ask
    if not streams:
        return claude.messages.create(**ask)
    with claude.messages.stream(**ask) as stream:
        return stream.get_final_message()


def response(gpt, streams: bool, **ask):
    if not streams:
        return gpt.responses.create(**ask)
    with gpt.responses.stream(**ask) as stream:
        return stream.get_final_response()


def kinds(content) -> list[str]:
    return [block.type for block in content]


def events_of(shop, secret, run: str, after: int = 0) -> list[visitor.Event]:
    with httpx.stream("GET", f"{shop.inference}/inference/{run}/events?starting_after={after}", headers={"x-api-key": secret}, timeout=20) as answer:
        return list(visitor.parse(answer.iter_lines()))


@ways
@pytest.mark.parametrize("name", ["plain", "opus", "sol"])
def test_openais_client_reads_thoughts_beside_the_words(shop, secret, gpt, talker, name, streams):
    asked = {} if name == "plain" else {"extra_body": {"include_reasoning": True}}
    said, run = chat(gpt, streams, model=name, messages=HELLO, **asked)
    assert (said.content, said.reasoning_content) == (WORDS, THOUGHT)
    known = run_of(shop, secret, run)
    assert (known["output"], known["tokens_in"], known["tokens_out"]) == (WORDS, *talker.claimed[-1]), "no part of the answer, and no other bill"
    said, _ = chat(gpt, streams, model=name, messages=HELLO, extra_body={"include_reasoning": False})
    assert said.content == WORDS and "reasoning_content" not in said.model_dump()
    said, _ = chat(gpt, streams, model=name, messages=HELLO)
    told = said.model_dump().get("reasoning_content")
    assert told == {"plain": THOUGHT, "opus": None, "sol": "hm"}[name], "what is told unasked is passed on, and nobody is asked to"


@ways
@pytest.mark.parametrize(("name", "counts"), [("plain", "in"), ("plain", "beside"), ("plain", "unsaid"), ("opus", "in"), ("sol", "in")])
def test_thoughts_are_billed_once_and_told_by_number_at_every_door(shop, secret, gpt, claude, talker, name, counts, streams):
    talker.thought, talker.counts = 2, counts  # as OpenAI counts, as xAI does, and as Gemini does
    options = {"stream_options": {"include_usage": True}} if streams else {}
    raw = gpt.chat.completions.with_raw_response.create(model=name, messages=HELLO, stream=streams, **options)
    told = list(raw.parse())[-1].usage if streams else raw.parse().usage
    read, written = talker.claimed[-1]
    assert (told.prompt_tokens, told.completion_tokens, told.completion_tokens_details.reasoning_tokens) == (read, written, 2)
    run = raw.headers["x-noren-run"]
    known = run_of(shop, secret, run)
    assert (known["tokens_out"], known["cost_nano_usd"]) == (written, read + 2 * written)
    assert httpx.get(f"{shop.inference}/inference/{run}", headers={"x-api-key": secret}).json()["tokens"] == {
        "input": read, "output": written, "cached": 0, "written": 0, "thought": 2}
    assert events_of(shop, secret, run)[-1].data["tokens_thought"] == 2, "also where the events are read again"
    told = response(gpt, streams, model=name, input="hello").usage
    assert (told.output_tokens, told.output_tokens_details.reasoning_tokens) == (talker.claimed[-1][1], 2)
    told = message(claude, streams, model=name).usage
    assert (told.output_tokens, told.output_tokens_details.thinking_tokens) == (talker.claimed[-1][1], 2)


@ways
def test_anthropics_client_reads_thoughts_in_blocks_where_it_asks(claude, talker, streams):
    asked = message(claude, streams, model="opus", thinking=ADAPTIVE)
    assert kinds(asked.content) == ["thinking", "redacted_thinking", "text"] and talker.requests[-1][1]["thinking"] == ADAPTIVE
    assert (asked.content[0].thinking, asked.content[0].signature, asked.content[1].data) == (THOUGHT, seal(THOUGHT), "closed")
    budget = message(claude, streams, model="opus", max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024})
    assert budget.content == asked.content and talker.requests[-1][1]["thinking"] == ADAPTIVE, "as the models of today take it"
    other = message(claude, streams, model="plain", thinking=ADAPTIVE)
    assert kinds(other.content) == ["thinking", "text"] and (other.content[0].thinking, other.content[0].signature) == (THOUGHT, "")
    omitted = message(claude, streams, model="opus", thinking={"type": "adaptive", "display": "omitted"})
    assert (omitted.content[0].thinking, omitted.content[0].signature) == ("", seal(THOUGHT)) and omitted.content[-1].text == WORDS
    for name, more in [("opus", {}), ("plain", {}), ("opus", {"thinking": {"type": "disabled"}}), ("older", {"thinking": ADAPTIVE})]:
        silent = message(claude, streams, model=name, **more)
        assert kinds(silent.content) == ["text"], (name, more)
        assert "thinking" not in talker.requests[-1][1]


@ways
def test_a_response_has_a_summary_where_it_is_asked_for(gpt, talker, streams):
    made = response(gpt, streams, model="sol", input="hello", reasoning={"effort": "low", "summary": "auto"})
    assert talker.requests[-1][1]["reasoning"] == {"effort": "low", "summary": "auto"}
    thought, said = made.output
    assert (thought.type, [part.text for part in thought.summary], made.output_text, made.reasoning.summary) == ("reasoning", [THOUGHT], WORDS, "auto")
    kept = gpt.responses.retrieve(made.id)
    assert kept.output[0].summary == thought.summary and kept.output_text == WORDS
    again = list(gpt.responses.retrieve(made.id, stream=True))
    rest = list(gpt.responses.retrieve(made.id, stream=True, starting_after=3))
    assert rest == again[4:] and sum(event.type == "response.reasoning_summary_text.delta" for event in again) > 0
    turn = response(gpt, streams, model="sol", input=[{"type": "item_reference", "id": thought.id}, {"type": "item_reference", "id": said.id}, *HELLO])
    assert turn.output_text == WORDS and kinds(turn.output) == ["message"], "who did not ask is told nothing"
    body = talker.requests[-1][1]
    assert [item.get("role", "thought") for item in body["input"]] == ["thought", "assistant", "user"] and "summary" not in body["reasoning"]


@ways
@pytest.mark.parametrize("name", ["sol", "opus"])
def test_who_keeps_a_response_by_itself_brings_back_closed_what_its_model_thought(gpt, talker, name, streams):
    ask = {"model": name, "tools": [RESPONSES_TOOL], "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}}
    called = response(gpt, streams, input=HELLO, **ask)
    thought, call = called.output
    assert (thought.type, thought.summary, call.type) == ("reasoning", [], "function_call") and thought.encrypted_content
    turns = [*HELLO, *(item.model_dump(exclude_none=True) for item in called.output), {"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}]
    assert FORECAST in response(gpt, streams, input=turns, **ask).output_text
    body = talker.requests[-1][1]
    if name == "sol":
        assert [item.get("type") for item in body["input"]] == [None, "reasoning", "function_call", "function_call_output"]
        assert body["input"][1] == {"type": "reasoning", "id": "rs_t", "summary": [], "encrypted_content": CLOSED}, "to the letter"
    else:
        assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "", "signature": seal(THOUGHT)}
    # the other vendor's model goes on without, which it would refuse
    other = {"sol": "opus", "opus": "sol"}[name]
    assert FORECAST in response(gpt, streams, input=turns, **ask | {"model": other}).output_text
    assert "reasoning" not in str(talker.requests[-1][1].get("input")) and "thinking'" not in str(talker.requests[-1][1].get("messages"))
    # with a summary, and what is kept here is brought along by itself
    kept = ask | {"store": True, "reasoning": {"effort": "low", "summary": "auto"}}
    called = response(gpt, streams, input=HELLO, **kept)
    assert called.output[0].summary[0].text == THOUGHT and called.output[0].encrypted_content
    shown = {"parsed_arguments"}  # of the client's own making, in a stream
    assert [item.model_dump() for item in gpt.responses.retrieve(called.id).output] == [item.model_dump(exclude=shown) for item in called.output]
    result = [{"type": "function_call_output", "call_id": called.output[-1].call_id, "output": FORECAST}]
    assert FORECAST in response(gpt, streams, input=result, previous_response_id=called.id, **kept).output_text
    brought = talker.requests[-1][1]
    assert [item.get("type") for item in brought["input"]][1:3] == ["reasoning", "function_call"] if name == "sol" else brought["messages"][1]["content"][0]["thinking"] == THOUGHT


def test_a_thought_that_was_told_elsewhere_is_left_out(gpt, talker):
    foreign = {"type": "reasoning", "id": "rs_elsewhere", "summary": [], "encrypted_content": "gAAAA-elsewhere"}
    turns = [*HELLO, foreign, {"role": "assistant", "content": "hi"}, foreign, *HELLO]
    for name in ("sol", "opus"):
        assert response(gpt, False, model=name, input=turns).output_text == WORDS
    assert [item["role"] for item in talker.requests[-2][1]["input"]] == ["user", "assistant", "user"]


@ways
def test_claude_is_brought_what_it_thought_before_it_called_a_tool(claude, talker, streams):
    ask = {"model": "opus", "tools": [CLAUDES_TOOL], "thinking": ADAPTIVE}
    called = message(claude, streams, **ask)
    assert kinds(called.content) == ["thinking", "redacted_thinking", "tool_use"]
    turns = [*HELLO, {"role": "assistant", "content": called.content},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": called.content[-1].id, "content": FORECAST}]}]
    answer = message(claude, streams, **ask, messages=turns)
    assert FORECAST in answer.content[-1].text
    brought = talker.requests[-1][1]["messages"][1]["content"]
    assert [block["type"] for block in brought] == ["thinking", "redacted_thinking", "tool_use"]
    assert brought[0] == {"type": "thinking", "thinking": THOUGHT, "signature": seal(THOUGHT)}, "to the letter: it refuses what is not its own"
    # the same talk goes on with a model that can't read them
    for name in ("plain", "sol"):
        answer = message(claude, streams, **ask | {"model": name}, messages=turns)
        assert FORECAST in answer.content[-1].text and THOUGHT not in json.dumps(talker.requests[-1][1]["messages" if name == "plain" else "input"])


@ways
def test_a_chat_brings_thoughts_to_servers_that_ask_for_them(gpt, claude, talker, streams):
    first = gpt.chat.completions.create(model="deep", messages=HELLO, tools=[TOOL]).choices[0].message
    assert first.reasoning_content == THOUGHT
    [call] = first.tool_calls
    turns = [*HELLO, first.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": FORECAST}]
    for name, brought in [("deep", THOUGHT), ("plain", None), ("opus", None), ("sol", None)]:
        said, _ = chat(gpt, streams, model=name, messages=turns, tools=[TOOL])
        assert FORECAST in said.content, name
        body = talker.requests[-1][1]
        assert body.get("messages", [{}, {}])[1].get("reasoning_content") == brought
        assert (THOUGHT in json.dumps(body, ensure_ascii=False)) == bool(brought), name
    # through the other door the same, by blocks that nobody signed
    called = message(claude, streams, model="deep", tools=[CLAUDES_TOOL], thinking=ADAPTIVE)
    results = [{"type": "tool_result", "tool_use_id": called.content[-1].id, "content": FORECAST}]
    turns = [*HELLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    for name in ("deep", "opus"):
        assert FORECAST in message(claude, streams, model=name, tools=[CLAUDES_TOOL], messages=turns).content[-1].text
    assert [block["type"] for block in talker.requests[-1][1]["messages"][1]["content"]] == ["tool_use"]


def test_bad_input_is_refused_at_its_place_and_nobody_is_asked(shop, secret, talker):
    before = len(talker.requests)
    headers = {"authorization": f"Bearer {secret}", "anthropic-version": "2023-06-01"}
    said = {"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": 7}]}
    for body, place in [
        ({"thinking": {"type": "maybe"}}, "thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "all"}}, "thinking.display"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking.budget_tokens"),
        ({"messages": [*HELLO, said]}, "messages.1.content.0.signature"),
        ({"messages": [*HELLO, said | {"content": [{"type": "redacted_thinking"}]}]}, "messages.1.content.0.data"),
    ]:
        refused = httpx.post(f"{shop.inference}/v1/messages", headers=headers, json={"model": "opus", "max_tokens": 9, "messages": HELLO} | body)
        told = refused.json()
        assert refused.status_code == 400 and place in told["error"]["message"].replace("/", "."), refused.text
        assert told["request_id"] == refused.headers["request-id"], "the same as in the header"
    for path, body, place in [
        ("chat/completions", {"messages": [{"role": "assistant", "content": "a", "reasoning_content": ["b"]}]}, "messages.0.reasoning_content"),
        ("chat/completions", {"messages": HELLO, "include_reasoning": "yes"}, "include_reasoning"),
        ("responses", {"input": "a", "reasoning": {"summary": "all"}}, "reasoning.summary"),
        ("responses", {"input": [{"type": "reasoning", "summary": [], "encrypted_content": 7}]}, "input.0.encrypted_content"),
        ("responses", {"input": [{"type": "reasoning", "summary": [{"text": 7}]}]}, "input.0.summary.0.text"),
    ]:
        refused = httpx.post(f"{shop.inference}/v1/{path}", headers=headers, json={"model": "sol"} | body)
        param = refused.json()["error"]["param"].replace("/", ".").replace("[", ".").replace("]", "")
        assert refused.status_code == 400 and place in param, refused.text
    assert len(talker.requests) == before
    with psycopg.connect(shop.database) as database:
        assert database.execute("select count(*) from entitlement.reservation where state = 'open'").fetchone() == (0,)


@ways
def test_who_breaks_off_while_thinking_is_replaced_and_what_it_thought_is_no_answer(shop, secret, gpt, talker, streams):
    talker.breaks = "thinking"
    said, run = chat(gpt, streams, model="two", messages=HELLO, extra_body={"include_reasoning": True})
    assert (said.content, said.reasoning_content) == (WORDS, f"{THOUGHT}\n\n{THOUGHT}")
    path, body = talker.requests[-1]
    assert path.endswith("/messages") and [turn["role"] for turn in body["messages"]] == ["user"], "there is nothing to go on from"
    known = run_of(shop, secret, run)
    assert (known["state"], known["output"]) == ("completed", WORDS)


def test_events_have_thoughts_apart_and_are_taken_up_at_any_of_them(shop, secret, gpt):
    said, run = chat(gpt, True, model="plain", messages=HELLO)
    told = events_of(shop, secret, run)
    deltas = [event.data for event in told if event.name == "delta"]
    assert all(data["text"] == "" for data in deltas if "thought" in data), "who knows no thoughts reads none"
    assert "".join(data.get("thought", {}).get("text", "") for data in deltas) == THOUGHT and "".join(data["text"] for data in deltas) == WORDS
    for event in told:
        assert events_of(shop, secret, run, event.id) == told[event.id:]
    result = httpx.get(f"{shop.inference}/inference/{run}/result", headers={"x-api-key": secret})
    assert result.json()["text"] == WORDS and MIND[0] not in result.text


def test_thoughts_lie_sealed_and_are_gone_with_the_words(shop, secret, gpt):
    made = gpt.responses.with_raw_response.create(model="sol", input="hello", reasoning={"effort": "low", "summary": "auto"})
    run = made.headers["x-noren-run"]

    def kept() -> str:
        with psycopg.connect(shop.database) as database:
            return str(database.execute("select kind, data, sealed from gateway.run_event where run_id = %s order by seq", [run.removeprefix("run_")]).fetchall())

    lines = kept()
    assert lines.count("'delta'") >= 2 and MIND[0] not in lines and "'thought'" not in lines
    gpt.responses.delete(made.parse().id)
    assert "delta" not in kept()
    assert not any(word in str(events_of(shop, secret, run)) for word in (MIND[0], PLAIN[0]))


@ways
def test_an_answer_that_is_given_again_is_given_without_how_it_came_about(gpt, talker, streams):
    ask = {"model": "plain", "messages": [{"role": "user", "content": f"again {streams}"}], "extra_headers": {"x-noren-cache": "on"}}
    first, _ = chat(gpt, streams, **ask)
    asked = len(talker.requests)
    again, _ = chat(gpt, streams, **ask)
    assert (first.reasoning_content, len(talker.requests)) == (THOUGHT, asked)
    assert again.content == first.content == WORDS and "reasoning_content" not in again.model_dump()


def test_who_stops_a_model_that_thinks_pays_what_was_heard(shop, secret, talker):
    talker.pace = 0.4  # between the events of a stream
    try:
        with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret, "x-noren-disconnect": "abort"}, timeout=30,
                          json={"model": "plain", "stream": True, "messages": HELLO}) as answer:
            assert any(MIND[0] in line for line in answer.iter_lines())
        known = run_of(shop, secret, answer.headers["x-noren-run"])
    finally:
        talker.pace = 0.0
    assert (known["state"], known["output"]) == ("cancelled", "") and known["tokens_in"] > 0 and known["tokens_out"] > 0
    with psycopg.connect(shop.database) as database:
        [amount] = database.execute("select amount from entitlement.usage where ref = %s", [known["id"]]).fetchone()
    assert amount == 0, "nothing was said that would cost a unit"
