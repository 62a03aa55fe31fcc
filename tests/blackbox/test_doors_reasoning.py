"""A model of OpenAI's that is asked by the Responses API, through the doors of both vendors' own clients.

Its server is judged by OpenAI's own types (talker.py); tools, schemas and pictures pass there as at the other providers, see
test_doors_tools.py.
"""

import httpx
import openai
import psycopg
import pytest

from house import House
from house import run as command
from shop import files, model, run_of
from talker import ARGUMENTS as PIECES
from talker import FORECAST, KEY, PLAIN, tokens_of

TOOL = {"type": "function", "name": "get_weather", "description": "asks", "strict": None,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}
HELLO = [{"role": "user", "content": "hello"}]
ways = pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])


def by_responses(text: str, name: str = "sol") -> str:
    """A model file's text whose targets of a name are asked by the Responses API."""
    return text.replace(f'model = "{name}"', f'model = "{name}", api = "responses"')


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {"sol": by_responses(model("sol", ("gpt", "sol"))).replace("output = 2000", "output = 2000, cached = 0, written = 10000"),
              "taken-up": by_responses(model("taken-up", ("gpt", "sol"), ("claude", "spare"), more='after_break = "continue"'))}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("reasoning"), models), **talker.env())
    yield made
    assert KEY not in made.log(), "the provider's key stands in the log"
    made.stop()


@pytest.fixture(autouse=True)
def well(talker):
    yield
    talker.breaks, talker.status, talker.kept = "", 0, (0, 0)


def bill_of(shop, id: str) -> tuple:
    with psycopg.connect(shop.database) as database:
        return database.execute("select tokens_in, tokens_out, cost_nano_usd, outcome, amount from entitlement.usage where ref = %s", [id]).fetchone()


def newest(shop) -> str:
    """The run of whoever was told of a failure alone."""
    with psycopg.connect(shop.database) as database:
        [ref] = database.execute("select ref from entitlement.usage order by at desc limit 1").fetchone()
    return ref


def said(gpt, streams: bool, **ask) -> tuple[str, str, str]:
    """The words, why they end, and the run."""
    raw = gpt.chat.completions.with_raw_response.create(model="sol", messages=HELLO, stream=streams, **ask)
    if not streams:
        [choice] = raw.parse().choices
        return choice.message.content, choice.finish_reason, raw.headers["x-noren-run"]
    chunks = [chunk for chunk in raw.parse() if chunk.choices]
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks), chunks[-1].choices[0].finish_reason, raw.headers["x-noren-run"]


@ways
def test_nothing_is_kept_there_and_its_count_is_the_bill(shop, secret, gpt, talker, streams):
    talker.kept = (1, 1)
    text, finish, id = said(gpt, streams, seed=7)
    assert (text, finish) == ("".join(PLAIN), "stop"), "without what was thought"
    path, body = talker.requests[-1]
    assert path == "/openai/v1/responses" and body["store"] is False and not {"seed", "stop", "include", "previous_response_id"} & set(body)
    read, written = talker.claimed[-1]
    assert talker.known_as[-1] == (id, (read, written))
    known = run_of(shop, secret, id)
    assert (known["tokens_in"], known["tokens_out"]) == (read, written)
    assert bill_of(shop, id) == (read, written, read + 8 + 2 * written, "completed", 1), "one was cached, which is free here, and one put there for ten"


@ways
def test_a_response_here_is_a_response_there(gpt, talker, streams):
    asked = {"model": "sol", "instructions": "kind", "tools": [TOOL], "store": True}
    if streams:
        with gpt.responses.stream(input="東京の天気は？", **asked) as stream:
            answer = stream.get_final_response()
    else:
        answer = gpt.responses.create(input="東京の天気は？", **asked)
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert (call.name, call.arguments) == ("get_weather", "".join(PIECES))
    assert talker.requests[-1][1]["tools"][0]["strict"] is False, "left out it would mean strict there"
    answer = gpt.responses.create(input=[{"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}],
                                  previous_response_id=answer.id, **asked)
    assert FORECAST in answer.output_text
    kinds = [item.get("type", item.get("role")) for item in talker.requests[-1][1]["input"]]
    assert kinds == ["system", "user", "function_call", "function_call_output"]


@ways
def test_an_answer_that_reached_its_limit_says_so(gpt, talker, streams):
    talker.breaks = "incomplete"
    text, finish, _ = said(gpt, streams, max_completion_tokens=3)
    assert (text, finish) == (PLAIN[0], "length")
    assert talker.requests[-1][1]["max_output_tokens"] == 16, "the least that is taken there"


@ways
def test_an_answer_ends_where_it_was_asked_to_stop_and_what_was_made_is_paid(shop, secret, gpt, claude, talker, streams):
    text, finish, id = said(gpt, streams, stop=["夜は ta"])
    assert (text, finish) == ("こんばんは。今", "stop")
    known = run_of(shop, secret, id)
    assert (known["state"], known["tokens_in"], known["tokens_out"]) == ("completed", *talker.claimed[-1])
    answer = claude.messages.create(model="sol", max_tokens=50, messages=HELLO, stop_sequences=["今夜", "ばん"])
    assert answer.content[0].text == "こん" and answer.usage.output_tokens == talker.claimed[-1][1]


@ways
@pytest.mark.parametrize(("breaks", "reason"), [("cut", "upstream_failed"), ("error", "upstream_busy"), ("failed", "upstream_failed")])
def test_what_breaks_off_is_billed_as_far_as_it_was_made(shop, secret, talker, breaks, reason, streams):
    talker.breaks = breaks
    answer = httpx.post(f"{shop.inference}/v1/chat/completions", json={"model": "sol", "messages": HELLO, "stream": streams},
                        headers={"x-api-key": secret}, timeout=30)
    known = run_of(shop, secret, answer.headers.get("x-noren-run") or newest(shop))
    assert (known["state"], known["reason"], known["output"]) == ("failed", reason, PLAIN[0])
    assert "as asked" not in answer.text, "the provider's words are the operator's"
    read, written, cost, outcome, _ = bill_of(shop, known["id"])
    assert (outcome, cost) == ("failed", read + 2 * written)
    if breaks == "failed":
        assert (read, written) == talker.claimed[-1], "it said so itself"
    else:
        assert 0 < read < 20 and 0 < written < tokens_of("".join(PLAIN))


def test_who_hangs_up_pays_what_was_heard(shop, secret, talker):
    talker.pace = 0.2  # between the events of a stream
    try:
        with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret, "x-noren-disconnect": "abort"}, timeout=30,
                          json={"model": "sol", "stream": True, "messages": HELLO}) as answer:
            assert any(PLAIN[0] in line for line in answer.iter_lines())
        known = run_of(shop, secret, answer.headers["x-noren-run"])
    finally:
        talker.pace = 0.0
    assert known["state"] == "cancelled" and known["output"].startswith(PLAIN[0]) and known["output"] != "".join(PLAIN)
    assert 0 < known["tokens_out"] < tokens_of("".join(PLAIN))


def test_a_failure_is_told_and_another_target_takes_up_what_broke_off(gpt, talker):
    talker.status = 500
    before = len(talker.requests)
    with pytest.raises(openai.InternalServerError) as failed:
        gpt.chat.completions.create(model="sol", messages=HELLO)
    assert failed.value.code == "upstream_failed" and {path for path, _ in talker.requests[before:]} == {"/openai/v1/responses"}
    talker.status, talker.breaks = 0, "cut"
    raw = gpt.chat.completions.with_raw_response.create(model="taken-up", messages=HELLO)
    assert raw.parse().choices[0].message.content == PLAIN[0] + "".join(PLAIN)
    paths = [path for path, _ in talker.requests[-2:]]
    assert paths == ["/openai/v1/responses", "/anthropic/v1/messages"]
    *_, said, asked = talker.requests[-1][1]["messages"]
    assert said["role"] == "assistant" and PLAIN[0] in str(said), "what was said before"
    assert asked["role"] == "user" and "続き" in str(asked), "in the language of the answer"


BAD = {"no messages": {"messages": []}, "no length": {"max_tokens": 0}, "too warm": {"temperature": 9}, "an endless stop": {"stop": ["a"] * 99},
       "a choice among nothing": {"tool_choice": "required"}}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_bad_input_goes_nowhere_and_costs_nothing(shop, gpt, talker, wrong):
    before, bills = len(talker.requests), count(shop)
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(**({"model": "sol", "messages": HELLO} | wrong))
    assert refused.value.param and (len(talker.requests), count(shop)) == (before, bills)


def count(shop) -> tuple:
    with psycopg.connect(shop.database) as database:
        return database.execute("select (select count(*) from entitlement.usage), (select count(*) from gateway.run)").fetchone()


@pytest.mark.parametrize(("kind", "more"), [("anthropic", ""), ("openai", 'type = "embedding"')])
def test_a_file_that_asks_another_provider_so_is_refused_with_its_place(tmp_path, kind, more):
    (tmp_path / "models.toml").write_text(by_responses(model("sol", ("own", "sol"), more=more)))
    own = {"NOREN__GATEWAY__PROVIDERS__OWN__KIND": kind, "NOREN__GATEWAY__PROVIDERS__OWN__BASE_URL": "http://127.0.0.1:9",
           "NOREN__GATEWAY__PROVIDERS__OWN__API_KEYS": "none"}
    checked = command("models", "check", tmp_path / "models.toml", **own)
    assert checked.returncode != 0 and "/model/0/targets/0/api" in checked.stderr and "OpenAI's protocol" in checked.stderr
