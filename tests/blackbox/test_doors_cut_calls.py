"""Answers that ask for tools, cut off or counted by nobody: they cost what was produced, as words do. And targets that fail
after they have read, and before they have said anything."""

import json
import time

import httpx
import psycopg
import pytest

from house import House
from shop import files, run_of
from talker import PLAIN, sse

HELLO = [{"role": "user", "content": "How is the weather in Tokyo?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "asks", "parameters": {"type": "object"}}}
RESULT = "晴れ、21度です。" * 500


def model(name: str, *targets: str) -> str:
    listed = ", ".join(f'{{ model = "{name}", rank = {rank}, {target} }}' for rank, target in enumerate(targets))
    prices = '[{ from = "2025-01-01", input = 1000000, output = 5000000 }]'
    return f'[[model]]\nname = "{name}"\nprices = {prices}\ntargets = [{listed}]\n'


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    gpt, opus = 'provider = "gpt"', 'provider = "claude", effort = "low", sampling = false'
    models = {name: model(name, *targets) for name, targets in {"plain": [gpt], "claude": ['provider = "claude"'], "two": [opus, gpt], "deep": [opus]}.items()}
    made = House(cluster.fresh(), NOREN__GATEWAY__SILENCE_SECONDS="1", **files(tmp_path_factory.mktemp("calls"), models), **talker.env())
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def well(talker):
    yield
    talker.pace, talker.instead, talker.thoughts = 0.0, [], []


def amount_of(shop, run: dict) -> int:
    with psycopg.connect(shop.database) as database:
        return database.execute("select amount from entitlement.usage where ref = %s", [run["id"]]).fetchone()[0]


def cut(shop, secret: str, ask: dict, after: str) -> dict:
    """The run of who hung up on having heard something, for which it stops."""
    with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret, "x-noren-disconnect": "abort"}, timeout=30,
                      json={"messages": HELLO, "stream": True} | ask) as answer:
        heard = ""
        for line in answer.iter_lines():
            heard += line
            if after in heard:
                break
        assert after in heard
    return run_of(shop, secret, answer.headers["x-noren-run"])


@pytest.mark.parametrize("name", ["plain", "claude"])
def test_a_call_that_is_cut_off_costs_what_was_produced_of_it(shop, secret, talker, name):
    talker.pace = 0.3
    known = cut(shop, secret, {"model": name, "tools": [TOOL]}, "days")
    assert known["state"] == "cancelled"
    # get, weather, their line, and the pieces of the arguments
    assert 8 <= known["tokens_out"] <= 40 and known["tokens_in"] >= 10, known
    assert known["cost_nano_usd"] == 1000 * known["tokens_in"] + 5000 * known["tokens_out"]
    assert amount_of(shop, known) == 1, "as an answer in words"


def test_what_tools_gave_is_part_of_what_was_read(shop, secret, talker):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    turns = [*HELLO, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": RESULT}]
    talker.pace = 0.3
    known = cut(shop, secret, {"model": "plain", "messages": turns}, "聞いてきました")
    assert known["tokens_in"] > len(RESULT) // 2


def test_pieces_of_arguments_are_few_rows(shop, secret, talker):
    pieces = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]
    pieces += [{"index": 0, "function": {"arguments": piece}} for piece in ['{"a": "', *["x"] * 3000, '"}']]
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}]} for piece in pieces]
    chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]
    talker.instead = [b"".join(sse(json.dumps(chunk)) for chunk in chunks) + sse("[DONE]")]
    made = httpx.post(f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret}, json={"model": "plain", "messages": HELLO, "tools": [TOOL]}, timeout=30)
    [call] = made.json()["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": "x" * 3000}
    known = run_of(shop, secret, made.headers["x-noren-run"])
    assert known["tokens_out"] >= 700, "nobody has counted, so that it is estimated"
    with psycopg.connect(shop.database) as database:
        [rows] = database.execute("select count(*) from gateway.run_event where run_id = %s", [known["id"].removeprefix("run_")]).fetchone()
    assert rows < 300, rows


START = sse(json.dumps({"type": "message_start", "message": {
    "id": "msg_t", "type": "message", "role": "assistant", "model": "talker", "content": [], "stop_reason": None, "stop_sequence": None,
    "usage": {"input_tokens": 700, "output_tokens": 1}}}), "message_start")
BUSY = sse('{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "error")


def test_who_fails_before_the_first_word_is_replaced_even_if_it_has_read(shop, secret, talker):
    talker.instead = [START, sse('{"type": "ping"}', "ping"), BUSY]
    before = len(talker.requests)
    made = httpx.post(f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret}, json={"model": "two", "messages": HELLO, "stream": True}, timeout=30)
    assert made.status_code == 200 and PLAIN[0] in made.text
    assert [path for path, _ in talker.requests[before:]] == ["/anthropic/v1/messages", "/openai/v1/chat/completions"]
    known = run_of(shop, secret, made.headers["x-noren-run"])
    assert (known["state"], known["tokens_in"]) == ("completed", talker.claimed[-1][0]), "what failed has cost nothing"


def test_a_model_that_thinks_in_silence_after_it_has_read_is_waited_for(shop, secret, talker):
    # two seconds of silence after the start, where one is much for a model that does not think
    talker.thoughts = [START, b"", b"", b"", b"", b""]
    begun = time.monotonic()
    made = httpx.post(f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret}, json={"model": "deep", "messages": HELLO, "stream": True}, timeout=30)
    assert made.status_code == 200 and "upstream_stalled" not in made.text and time.monotonic() - begun > 2
    assert run_of(shop, secret, made.headers["x-noren-run"])["state"] == "completed"


def test_who_stops_a_model_that_has_only_read_pays_for_that(shop, secret, talker):
    talker.thoughts = [START] + [b""] * 40
    with httpx.Client(timeout=30) as client:
        made = client.post(f"{shop.inference}/inference", headers={"x-api-key": secret}, json={"model": "deep", "prompt": "hello"})
        run = made.json()["id"]
        deadline = time.monotonic() + 20
        while talker.now == 0 and time.monotonic() < deadline:
            time.sleep(0.05)  # until it is asked
        time.sleep(1)  # until it has told that it has read
        client.post(f"{shop.inference}/inference/{run}/cancel", headers={"x-api-key": secret})
    known = run_of(shop, secret, run)
    assert (known["state"], known["tokens_in"], known["tokens_out"], known["cost_nano_usd"]) == ("cancelled", 700, 0, 700_000)
    assert amount_of(shop, known) == 0


def samples(shop) -> dict[str, float]:
    """What /metrics says, with the labels."""
    lines = httpx.get(f"{shop.account}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line.startswith("gateway_"))}


def test_metrics_say_which_target_failed_and_what_each_has_cost(shop, secret, talker):
    talker.instead = [START, BUSY]
    before = samples(shop)
    made = httpx.post(f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret}, json={"model": "two", "messages": HELLO, "stream": True}, timeout=30)
    known = run_of(shop, secret, made.headers["x-noren-run"])
    after = samples(shop)
    more = {name: after[name] - before.get(name, 0) for name in after}
    assert more['gateway_upstream_failures_total{target="claude/two",reason="upstream_busy"}'] >= 1
    target = 'target="gpt/two"'
    assert more[f'gateway_tokens_total{{{target},kind="input"}}'] == known["tokens_in"] > 0
    assert more[f'gateway_tokens_total{{{target},kind="output"}}'] == known["tokens_out"] > 0
    assert more[f"gateway_cost_nano_usd_total{{{target}}}"] == known["cost_nano_usd"]
    assert more['gateway_runs_ended_total{state="completed",reason="none",model="two"}'] == 1
