"""Models that think, and what providers charge for beside plain tokens: their caches and long questions."""

import json

import anthropic
import httpx
import openai
import pytest

from house import House
from shop import files, run_of
from talker import PLAIN
from test_doors_batches import begin, ended, results, upload

QUESTION = [{"role": "user", "content": "tea " * 30}]
PRICES = 'prices = [{ from = "2025-01-01", input = 1000000, cached = 100000, written = 1250000, output = 5000000, ' \
         'long = { over = 1000, input = 2000000, cached = 200000, output = 7000000 } }]'


def model(name: str, provider: str, options: str = "") -> str:
    return f'[[model]]\nname = "{name}"\n{PRICES}\ntargets = [{{ provider = "{provider}", model = "{name}"{options} }}]\n'


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {
        "plain": model("plain", "gpt"),
        "silent": model("silent", "gpt", ', effort = "none"'),
        "deep": model("deep", "gpt", ', effort = "low"'),
        "calm": model("calm", "claude", ', effort = "medium", sampling = false'),
        "older": model("older", "claude"),
        "anthropic.cloud": model("anthropic.cloud", "aws"),
        "cloudy": model("cloudy", "aws", ', effort = "low", sampling = false'),
    }
    # a second of silence is much, except from a model that thinks
    made = House(cluster.fresh(), NOREN__GATEWAY__SILENCE_SECONDS="1", **files(tmp_path_factory.mktemp("thinking"), models), **talker.env())
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def nothing_kept(talker):
    yield
    talker.kept, talker.thought, talker.thoughts = (0, 0), 0, []


def told(talker, *names: str) -> dict:
    """Of these fields, those that the provider was told in the last request."""
    body = talker.requests[-1][1]
    return {name: body[name] for name in names if name in body}


def test_a_model_that_thinks_is_told_how_long_and_no_sampling(gpt, talker):
    fields = ("reasoning_effort", "temperature", "top_p")
    free = {"temperature": 0.5, "top_p": 0.9}
    for name, asked, seen in [
        ("plain", free, free),
        ("plain", free | {"reasoning_effort": "high"}, free),
        ("silent", free, free | {"reasoning_effort": "none"}),
        ("silent", free | {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ("deep", free, {"reasoning_effort": "low"}),
        ("deep", free | {"reasoning_effort": "none"}, free | {"reasoning_effort": "none"}),
    ]:
        gpt.chat.completions.create(model=name, messages=QUESTION, **asked)
        assert told(talker, *fields) == seen, (name, asked)
    gpt.responses.create(model="deep", input="tea", reasoning={"effort": "xhigh"}, temperature=0.5)
    assert told(talker, *fields) == {"reasoning_effort": "xhigh"}


def test_claude_is_told_in_its_own_words(claude, gpt, talker):
    fields = ("output_config", "thinking", "temperature", "top_p")
    for name, asked, seen in [
        ("calm", {}, {"output_config": {"effort": "medium"}}),
        ("calm", {"output_config": {"effort": "max"}}, {"output_config": {"effort": "max"}}),
        ("calm", {"thinking": {"type": "disabled"}}, {"output_config": {"effort": "low"}}),
        ("older", {"output_config": {"effort": "max"}}, {}),
    ]:
        claude.messages.create(model=name, max_tokens=100, messages=QUESTION, **asked)
        assert told(talker, *fields) == seen, (name, asked)
    gpt.chat.completions.create(model="calm", messages=QUESTION, temperature=0.5, top_p=0.9)
    assert told(talker, *fields) == {"output_config": {"effort": "medium"}}
    gpt.chat.completions.create(model="older", messages=QUESTION, temperature=0.5, top_p=0.9)
    assert told(talker, *fields) == {"temperature": 0.5}
    gpt.chat.completions.create(model="cloudy", messages=QUESTION, max_tokens=50, temperature=0.5, reasoning_effort="high")
    seen = {"additionalModelRequestFields": {"output_config": {"effort": "high"}}, "inferenceConfig": {"maxTokens": 50}}
    assert told(talker, *seen) == seen


def test_an_effort_that_does_not_exist_is_refused_before_anybody_is_asked(shop, secret, talker):
    before = len(talker.requests)
    headers = {"authorization": f"Bearer {secret}", "anthropic-version": "2023-06-01"}
    for path, body, place in [
        ("/v1/chat/completions", {"messages": QUESTION, "reasoning_effort": "much"}, "reasoning_effort"),
        ("/v1/responses", {"input": "tea", "reasoning": {"effort": 3}}, "reasoning.effort"),
    ]:
        refused = httpx.post(shop.inference + path, headers=headers, json={"model": "deep"} | body)
        assert refused.status_code == 400 and place in refused.json()["error"]["param"].replace("/", "."), refused.text
    body = {"model": "calm", "max_tokens": 9, "messages": QUESTION, "output_config": {"effort": "much"}}
    refused = httpx.post(shop.inference + "/v1/messages", headers=headers, json=body)
    assert refused.status_code == 400 and "none, minimal, low" in refused.json()["error"]["message"], refused.text
    assert len(talker.requests) == before


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["plain", "older"])
def test_what_is_kept_by_the_provider_and_long_questions_cost_what_they_cost(shop, secret, gpt, talker, name, streams):
    for question, kept in [("tea " * 30, (0, 0)), ("tea " * 30, (10, 20)), ("tea " * 1000, (0, 0)), ("tea " * 1000, (400, 600))]:
        talker.kept = kept
        asked = {"model": name, "messages": [{"role": "user", "content": question}], "stream": streams}
        asked |= {"stream_options": {"include_usage": True}} if streams else {}
        answer = gpt.chat.completions.with_raw_response.create(**asked)
        told = list(answer.parse())[-1].usage if streams else answer.parse().usage
        read, written = talker.claimed[-1]
        cached, stored = kept
        found = run_of(shop, secret, answer.headers["x-noren-run"])
        assert (found["tokens_in"], found["tokens_out"]) == (read, written)
        assert (told.prompt_tokens, told.prompt_tokens_details.cached_tokens, told.completion_tokens) == (read, cached, written)
        assert told.prompt_tokens_details.cache_write_tokens == stored
        # long questions have no price of their own for what is put into the cache: it is other input
        prices = (1000, 100, 1250, 5000) if read <= 1000 else (2000, 200, 2000, 7000)
        amounts = (read - cached - stored, cached, stored, written)
        assert found["cost_nano_usd"] == sum(price * amount for price, amount in zip(prices, amounts)), (question[:9], kept)


def test_what_is_to_be_kept_is_marked_for_claude_wherever_it_is_asked(shop, secret, gpt, claude, talker):
    mark, point = {"type": "ephemeral"}, {"cachePoint": {"type": "default"}}
    rules, question = {"type": "text", "text": "rules " * 30}, {"type": "text", "text": "tea?"}
    marked, turn = rules | {"cache_control": mark}, [{"role": "user", "content": [question | {"cache_control": mark}]}]
    hour = [rules | {"cache_control": mark | {"ttl": "1h"}}]
    seen = {"system": [marked], "messages": turn}
    claude.messages.create(model="older", max_tokens=50, system=hour, messages=turn)
    assert told(talker, *seen) == seen
    claude.messages.create(model="older", max_tokens=50, messages=QUESTION, cache_control=mark)
    assert told(talker, "cache_control") == {"cache_control": mark}
    gpt.chat.completions.create(model="older", messages=[{"role": "system", "content": [marked]}, *turn])
    assert told(talker, *seen) == seen
    claude.messages.create(model="anthropic.cloud", max_tokens=50, system=hour, messages=turn)
    seen = {"system": [{"text": rules["text"]}, point], "messages": [{"role": "user", "content": [{"text": "tea?"}, point]}]}
    assert told(talker, *seen) == seen
    claude.messages.create(model="plain", max_tokens=50, system=hour, messages=turn)
    assert told(talker, "messages") == {"messages": [{"role": "system", "content": rules["text"]}, {"role": "user", "content": "tea?"}]}
    before = len(talker.requests)
    for ask in (lambda: claude.messages.create(model="older", max_tokens=50, messages=[{"role": "user", "content": [marked] * 5}]),
                lambda: claude.messages.create(model="older", max_tokens=50, messages=QUESTION, cache_control={"type": "for ever"})):
        with pytest.raises(anthropic.BadRequestError, match="cache_control|ephemeral"):
            ask()
    assert len(talker.requests) == before


@pytest.mark.parametrize(("name", "thought"), [
    ("plain", {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}),
    ("older", {"type": "ping"}),
], ids=["thoughts", "pings"])
def test_a_model_that_is_heard_to_think_is_not_given_up(gpt, talker, name, thought):
    talker.thoughts = [f"data: {json.dumps(thought)}\n\n".encode()] * 6
    answer = gpt.chat.completions.create(model=name, messages=QUESTION)
    assert answer.choices[0].message.content == "".join(PLAIN)


def test_a_model_that_thinks_may_be_silent_before_its_first_word_and_others_may_not(gpt, talker):
    talker.thoughts = [b""] * 6
    for name in ("deep", "calm"):
        answer = gpt.chat.completions.create(model=name, messages=QUESTION)
        assert answer.choices[0].message.content == "".join(PLAIN), name
    for name in ("plain", "silent"):
        with pytest.raises(openai.APIStatusError) as refused:
            gpt.chat.completions.create(model=name, messages=QUESTION)
        assert refused.value.status_code >= 500, name


def test_a_batchs_totals_tell_what_was_kept_and_what_was_thought(gpt, talker):
    body = {"model": "plain", "messages": QUESTION}
    lines = [{"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(2)]
    talker.kept, talker.thought = (10, 0), 3
    done = ended(gpt, begin(gpt, upload(gpt, *lines)))
    bodies = [line["response"]["body"]["usage"] for line in results(gpt, done.output_file_id)]
    assert len(bodies) == 2 and done.usage.input_tokens == sum(one["prompt_tokens"] for one in bodies)
    assert done.usage.input_tokens_details.cached_tokens == 20
    assert done.usage.output_tokens_details.reasoning_tokens == 6
