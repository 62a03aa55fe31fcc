"""A real engine behind the house: llama.cpp's own server with a model of two layers, which tokenises, streams and counts for itself."""

import json

import anthropic
import httpx
import openai
import psycopg
import pytest

from engine import KEY, MODEL, Engine
from house import House
from shop import files, model, run_of

ASKED = [{"role": "system", "content": "You keep a bar."}, {"role": "user", "content": "今夜は静かですね"}]
MOOD = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"], "additionalProperties": False}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = Engine(tmp_path_factory.mktemp("engine"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, engine):
    counting = model("counting", ("engine", MODEL)).replace("rank = 0", 'usage = "timings"')
    models = {"bar": model("bar", ("engine", MODEL)), "counting": counting}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("shop"), models), **engine.env())
    yield made
    assert KEY not in made.log(), "the engine's key stands in the log"
    made.stop()


@pytest.fixture(scope="module")
def direct(engine):
    """The engine without the house."""
    return openai.OpenAI(base_url=engine.url, api_key=KEY, max_retries=0)


def billed(shop: House, secret: str, run: str) -> tuple[int, int]:
    """What a run cost in tokens by its usage row, which the run itself must agree with."""
    known = run_of(shop, secret, run)
    with psycopg.connect(shop.database) as database:
        row = database.execute("select tokens_in, tokens_out from entitlement.usage where ref = %s", [run]).fetchone()
    assert row == (known["tokens_in"], known["tokens_out"])
    return row


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_what_the_engine_says_is_what_is_answered_and_what_it_counted_is_what_is_billed(shop, secret, gpt, direct, streams):
    wish = {"messages": ASKED, "temperature": 0, "max_tokens": 24}
    own = direct.chat.completions.create(model=MODEL, **wish)
    said = own.choices[0].message.content
    assert said.strip() and own.usage.completion_tokens == 24
    if streams:
        answer = gpt.chat.completions.with_raw_response.create(model="bar", stream=True, stream_options={"include_usage": True}, **wish)
        chunks = list(answer.parse())
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        reason, usage = next(c.choices[0].finish_reason for c in reversed(chunks) if c.choices), chunks[-1].usage
        # the words of a run's first moment are told together, and this engine is over in little more
        assert len(chunks) > 2, "its words come as they are made"
    else:
        answer = gpt.chat.completions.with_raw_response.create(model="bar", **wish)
        whole = answer.parse()
        text, reason, usage = whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage
    assert (text, reason) == (said, "length")
    counted = (own.usage.prompt_tokens, own.usage.completion_tokens)
    assert (usage.prompt_tokens, usage.completion_tokens) == counted
    assert billed(shop, secret, answer.headers["x-noren-run"]) == counted


@pytest.mark.parametrize("others", [None, 3])
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_how_likely_each_token_was_is_told_as_the_engine_tells_it(gpt, direct, streams, others):
    wish = {"messages": ASKED, "temperature": 0, "max_tokens": 12, "logprobs": True} | ({"top_logprobs": others} if others else {})
    own = direct.chat.completions.create(model=MODEL, **wish).choices[0]
    if streams:
        choices = [chunk.choices[0] for chunk in gpt.chat.completions.create(model="bar", stream=True, **wish)]
        said = "".join(choice.delta.content or "" for choice in choices)
        tokens = [token for choice in choices if choice.logprobs for token in choice.logprobs.content]
    else:
        choice = gpt.chat.completions.create(model="bar", **wish).choices[0]
        said, tokens = choice.message.content, choice.logprobs.content

    assert said == own.message.content and len(tokens) == 12
    for told, known in zip(tokens, own.logprobs.content, strict=True):
        # the engine reckons a question that it still knows a little differently
        assert (told.token, told.bytes, told.logprob) == (known.token, known.bytes, pytest.approx(known.logprob, abs=1e-4))
        likely, likeliest = ([(one.token, one.bytes, one.logprob) for one in token.top_logprobs] for token in (told, known))
        assert len(likely) == len(likeliest) == (others or len(likeliest))
        assert likely[0] == (told.token, told.bytes, told.logprob), "the likeliest is chosen without a temperature"
        assert [one[2] for one in likely] == pytest.approx([one[2] for one in likeliest], abs=1e-4)


def test_nothing_is_told_of_tokens_unasked(gpt):
    assert gpt.chat.completions.create(model="bar", messages=ASKED, max_tokens=5).choices[0].logprobs is None


def test_a_grammar_of_the_engine_keeps_to_the_schema_that_was_asked_for(gpt):
    wanted = {"type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": MOOD}}
    answer = gpt.chat.completions.create(model="bar", messages=ASKED, temperature=0, max_tokens=60, response_format=wanted)
    assert answer.choices[0].finish_reason == "stop"
    assert json.loads(answer.choices[0].message.content)["mood"] in ("good", "bad"), "weights drawn by lot speak no JSON by themselves"


def test_anthropics_client_talks_to_the_same_engine(shop, secret, direct):
    client = anthropic.Anthropic(base_url=shop.inference, api_key=secret, max_retries=0)
    answer = client.messages.create(model="bar", max_tokens=12, system=ASKED[0]["content"], messages=ASKED[1:],
                                    extra_body={"temperature": 0})
    own = direct.chat.completions.create(model=MODEL, messages=ASKED, temperature=0, max_tokens=12)
    assert (answer.content[0].text, answer.stop_reason) == (own.choices[0].message.content, "max_tokens")
    # what the engine still knew of the same question counts by itself in this dialect
    read = answer.usage.input_tokens + answer.usage.cache_read_input_tokens
    assert (read, answer.usage.output_tokens) == (own.usage.prompt_tokens, own.usage.completion_tokens)


def test_a_run_that_is_stopped_frees_the_engine_and_is_billed_for_what_it_said(shop, secret):
    headers = {"x-api-key": secret}
    for _ in range(3):  # the engine has two places: the third waits for ever if one was not given back
        started = httpx.post(f"{shop.inference}/inference", headers=headers, timeout=20,
                             json={"model": "bar", "messages": ASKED, "max_tokens": 1900, "temperature": 0})
        assert started.status_code == 202, started.text
        id = started.json()["id"]
        with httpx.stream("GET", f"{shop.inference}/inference/{id}/events", headers=headers, timeout=30) as events:
            next(line for line in events.iter_lines() if '"text"' in line)
        httpx.post(f"{shop.inference}/inference/{id}/cancel", headers=headers, timeout=20).raise_for_status()
        known = run_of(shop, secret, id)
        assert known["state"] in ("cancelled", "completed") and 0 < known["tokens_out"] <= 1900, known
        assert known["tokens_out"] == billed(shop, secret, id)[1]


def test_a_run_that_is_stopped_is_billed_to_the_token_by_what_the_engine_had_counted(shop, secret, direct, engine):
    wish = {"messages": ASKED, "max_tokens": 1900, "temperature": 0}
    headers = {"x-api-key": secret, "x-noren-disconnect": "abort"}
    stopped = []
    for words in (1, 7, 20):
        heard = 0
        with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", json=wish | {"model": "counting", "stream": True},
                          headers=headers, timeout=30) as answer:
            for line in answer.iter_lines():
                heard += '"content":"' in line and '"content":""' not in line
                if heard == words:
                    break
        stopped.append(run_of(shop, secret, answer.headers["x-noren-run"]))
    # the engine's own account of the same answer: the text after each of its chunks, and what it had counted by then
    said, text, longest = {}, "", max(len(known["output"]) for known in stopped)
    for chunk in direct.chat.completions.create(model=MODEL, stream=True, extra_body={"timings_per_token": True}, **wish):
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        if counted := getattr(chunk, "timings", None):
            said.setdefault(text, set()).add((counted["cache_n"] + counted["prompt_n"], counted["predicted_n"]))
        if len(text) > longest:
            break
    assert {known["state"] for known in stopped} == {"cancelled"}, "it had 1,900 tokens to say"
    for known in stopped:
        assert billed(shop, secret, known["id"]) in said[known["output"]], known


def test_more_than_the_engine_can_hold_is_the_callers_fault_and_costs_nothing(shop, gpt):
    def books() -> tuple:
        with psycopg.connect(shop.database) as database:
            return database.execute("select sum(amount), sum(tokens_in), sum(tokens_out), sum(cost_nano_usd) from entitlement.usage").fetchone()

    before = books()
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="bar", messages=[{"role": "user", "content": "長い" * 3000}], max_tokens=5)
    assert books() == before
