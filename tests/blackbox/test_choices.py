"""Legacy completions, and several answers to one request: each is a run of its own, and all of them begin or none."""

import collections
import json
import re

import httpx
import openai
import psycopg
import pytest

from house import House
from house import run as command
from people import Person
from shop import files, model, run_of

RAIN = "Tell me about rain"
# what the second plan has is less than a request may ask for
SMALL = """
[[plan]]
storefront = "genai"
id = "{id}"
title = {{ ja = "少し", en = "Small" }}
price_yen = 0
limits = {{ per_minute = 100, concurrent = {concurrent} }}
grants = [{{ unit = "genai.chat", amount = 3, every = "month" }}]
routes = {{ "genai.chat" = "small" }}
"""


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("choices")
    paid = model("paid", ("sandbox", "sandbox-large"))
    models = {name: model(name, ("sandbox", f"sandbox-{of}")) for name, of in (("small", "small"), ("cut", "fault-half"), ("broken", "fault-500"))}
    settings = files(folder, models)
    with open(folder / "plans.toml", "a") as plans:
        plans.write(SMALL.format(id="few", concurrent=10) + SMALL.format(id="narrow", concurrent=2) + 'models = ["paid"]\n')
    with open(folder / "models.toml", "a") as listed:
        listed.write(paid)
    made = House(cluster.fresh(), **settings)
    yield made
    made.stop()


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def on_plan(shop, plan: str) -> openai.OpenAI:
    """OpenAI's client of somebody with this plan."""
    person = Person(shop).join().prove_address()
    done = command("plans", "assign", person.tenant, "genai", plan, DATABASE_URL=shop.database)
    assert done.returncode == 0, done.stdout + done.stderr
    return openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=person.key()["secret"], max_retries=0)


def fetch(shop, query: str, *values) -> list[tuple]:
    with psycopg.connect(shop.database) as database:
        return database.execute(query, values).fetchall()


def so_far(shop) -> tuple:
    """What was begun, what is set aside, and how often a model was asked."""
    stand_in = re.search(r"http://127\.0\.0\.1:\d+", shop.log()).group()
    [[runs, reserved]] = fetch(shop, "select (select count(*) from gateway.run), (select count(*) from entitlement.reservation)")
    return runs, reserved, httpx.get(f"{stand_in}/sandbox/counters").json()["requests"]


def names_of(answer) -> list[str]:
    return answer.headers["x-noren-runs"].split(",")


# --- legacy completions ------------------------------------------------------------------------------------------


def test_openais_client_completes_whole_and_streamed(shop, secret, gpt):
    whole = gpt.completions.with_raw_response.create(model="small", prompt=RAIN, max_tokens=1000)
    answer = whole.parse()
    [choice] = answer.choices
    assert (answer.object, answer.model, choice.index, choice.finish_reason, choice.logprobs) == ("text_completion", "small", 0, "stop", None)
    assert answer.id.startswith("cmpl-") and whole.headers["x-noren-run"].endswith(answer.id.removeprefix("cmpl-"))
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert (known["output"], known["tokens_in"], known["tokens_out"]) == (choice.text, answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert known["cost_nano_usd"] > 0 and "x-noren-runs" not in whole.headers
    chat = gpt.chat.completions.create(model="small", messages=ask(RAIN), max_tokens=1000)
    assert choice.text == chat.choices[0].message.content and answer.usage == chat.usage, "the prompt is what the person says"
    chunks = list(gpt.completions.create(model="small", prompt=[RAIN], max_tokens=1000, stream=True, stream_options={"include_usage": True}))
    assert {chunk.object for chunk in chunks} == {"text_completion"} and len(chunks) > 3
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == choice.text
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage == answer.usage
    assert all(chunk.usage is None for chunk in gpt.completions.create(model="small", prompt=RAIN, stream=True))


def test_a_prompt_is_said_before_its_answer_where_that_is_asked_for(gpt):
    wish = {"model": "small", "prompt": RAIN, "max_tokens": 1000}
    text = gpt.completions.create(**wish).choices[0].text
    assert gpt.completions.create(**wish, echo=True).choices[0].text == RAIN + text
    said = [chunk.choices[0].text for chunk in gpt.completions.create(**wish, echo=True, stream=True)]
    assert said[0] == RAIN and "".join(said) == RAIN + text


def test_an_answer_whose_length_nobody_names_is_as_short_as_at_the_vendor(gpt):
    short, named, whole = (gpt.completions.create(model="small", prompt="[long 40] talk", **most) for most in ({}, {"max_tokens": 16}, {"max_tokens": 500}))
    assert short.choices == named.choices and short.choices[0].finish_reason == "length" != whole.choices[0].finish_reason


def test_a_failure_is_told_by_openais_own_exceptions(shop, gpt):
    for stream in (False, True):
        for name, kind, code in (("nothing", openai.NotFoundError, "model_not_found"), ("broken", openai.InternalServerError, None)):
            with pytest.raises(kind) as failed:
                gpt.completions.create(model=name, prompt="hello", stream=stream)
            assert failed.value.code == code or not code
        with pytest.raises(openai.APIStatusError) as failed:
            gpt.completions.create(model="paid", prompt="hello", stream=stream)
        assert (failed.value.status_code, failed.value.code) == (402, "model_not_in_plan")
    said = []
    with pytest.raises(openai.APIError) as failed:
        for chunk in gpt.completions.create(model="cut", prompt="hello", max_tokens=500, stream=True):
            said.append(chunk.choices[0].text)
    assert "".join(said) and failed.value.code == "upstream_failed"
    with pytest.raises(openai.AuthenticationError):
        gpt.with_options(api_key="nrn_wrong").completions.create(model="small", prompt="hello")


BAD = {
    "no prompt": ({"prompt": None}, "/prompt"), "nothing": ({"prompt": ""}, "/prompt"), "token ids": ({"prompt": [1, 2]}, "/prompt"),
    "lists of ids": ({"prompt": [[1], [2]]}, "/prompt"), "too many": ({"prompt": ["a"] * 21}, "/prompt"), "times n": ({"prompt": ["a"] * 3, "n": 8}, "/prompt"),
    "a wrong one": ({"prompt": ["a", 5]}, "/prompt/1"), "suffix": ({"suffix": "}"}, "/suffix"), "logprobs": ({"logprobs": 5}, "/logprobs"),
    "best of": ({"best_of": 3}, "/best_of"), "too long": ({"max_tokens": 500_000}, "/max_tokens"), "hot": ({"temperature": 3}, "/temperature"),
    "none": ({"n": 0}, "/n"), "nine": ({"n": 9}, "/n"),
}


@pytest.mark.parametrize(("wrong", "place"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_at_its_place_and_starts_nothing(shop, gpt, wrong, place):
    before = so_far(shop)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            gpt.completions.create(**{"model": "small", "prompt": "hello", "stream": stream} | wrong)
        assert (refused.value.param, refused.value.type) == (place, "invalid_request_error")
        assert refused.value.response.headers["x-should-retry"] == "false"
        if place == "/n":
            with pytest.raises(openai.BadRequestError) as refused:
                gpt.chat.completions.create(model="small", messages=ask("hello"), stream=stream, **wrong)
            assert refused.value.param == place
    assert so_far(shop) == before


# --- several answers ---------------------------------------------------------------------------------------------


def test_each_answer_is_a_run_of_its_own_with_a_bill_of_its_own(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="small", messages=ask(RAIN), n=3, max_tokens=500)
    answer, ids = whole.parse(), names_of(whole)
    assert [choice.index for choice in answer.choices] == [0, 1, 2] and len(set(ids)) == 3
    assert whole.headers["x-noren-run"] == ids[0] and ids[0].endswith(answer.id.removeprefix("chatcmpl-"))
    runs = [run_of(shop, secret, id) for id in ids]
    assert [known["output"] for known in runs] == [choice.message.content for choice in answer.choices]
    assert sum(known["tokens_in"] for known in runs) == answer.usage.prompt_tokens
    assert sum(known["tokens_out"] for known in runs) == answer.usage.completion_tokens > 0
    bills = fetch(shop, "select ref, amount, tokens_in, tokens_out, cost_nano_usd from entitlement.usage where ref = any(%s) order by ref", ids)
    assert bills == sorted((known["id"], 1, known["tokens_in"], known["tokens_out"], known["cost_nano_usd"]) for known in runs)


def test_each_prompt_has_its_answers_in_their_order(gpt):
    prompts = [f"[long {count}] talk" for count in (9, 3, 6)]
    alone = [gpt.completions.create(model="small", prompt=prompt, max_tokens=500).choices[0].text for prompt in prompts]
    assert len(set(alone)) == 3
    wish = {"model": "small", "prompt": prompts, "max_tokens": 500, "n": 2, "best_of": 2}
    answer = gpt.completions.create(**wish)
    assert [choice.index for choice in answer.choices] == list(range(6))
    assert [choice.text for choice in answer.choices] == [text for text in alone for _ in range(2)]
    echoed = gpt.completions.create(**wish, echo=True)
    assert [choice.text for choice in echoed.choices] == [prompt + text for prompt, text in zip(prompts, alone) for _ in range(2)]


@pytest.mark.parametrize("door", ["chat", "text"])
def test_a_stream_tells_the_answers_by_turns_and_counts_once(shop, secret, gpt, door):
    counting = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 500, "n": 3}
    if door == "chat":
        whole = gpt.chat.completions.with_raw_response.create(model="small", messages=ask("[slow][long 4] talk"), **counting)
    else:
        whole = gpt.completions.with_raw_response.create(model="small", prompt="[slow][long 4] talk", **counting)
    texts, order, ends = collections.defaultdict(str), [], {}
    *chunks, counted = whole.parse()
    for chunk in chunks:
        [choice] = chunk.choices
        assert chunk.usage is None and choice.index not in ends, "nothing follows an end"
        words = choice.text if door == "text" else choice.delta.content or ""
        texts[choice.index] += words
        order += [choice.index] if words else []
        if choice.finish_reason:
            ends[choice.index] = choice.finish_reason
    assert ends == {0: "stop", 1: "stop", 2: "stop"}
    assert order != sorted(order), "none waits for another"
    runs = [run_of(shop, secret, id) for id in names_of(whole)]
    assert [texts[index] for index in range(3)] == [known["output"] for known in runs]
    assert counted.choices == [] and counted.usage.completion_tokens == sum(known["tokens_out"] for known in runs)


def test_all_begin_or_none_and_what_was_refused_is_not_counted(shop):
    few = on_plan(shop, "few")
    before = so_far(shop)
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as refused:
            few.chat.completions.create(model="small", messages=ask("hello"), n=4, stream=stream)
        assert (refused.value.status_code, refused.value.code) == (402, "quota_exhausted")
    assert so_far(shop) == before
    assert len(few.chat.completions.create(model="small", messages=ask("hello"), n=3).choices) == 3, "all that the plan has is still there"
    with pytest.raises(openai.APIStatusError) as refused:
        few.completions.create(model="small", prompt="hello")
    assert refused.value.code == "quota_exhausted", "each of them was counted"


def test_each_answer_counts_against_a_keys_cap(shop):
    capped = Person(shop).join().prove_address().key(daily_cap=2)["secret"]
    client = openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=capped, max_retries=0)
    before = so_far(shop)
    with pytest.raises(openai.APIStatusError) as refused:
        client.completions.create(model="small", prompt="hello", n=3)
    assert refused.value.code == "key_cap_reached"
    assert so_far(shop) == before
    assert len(client.completions.create(model="small", prompt="hello", n=2).choices) == 2
    with pytest.raises(openai.APIStatusError):
        client.completions.create(model="small", prompt="hello")


def test_whose_plan_never_has_so_many_places_is_not_told_to_try_again(shop):
    narrow = on_plan(shop, "narrow")
    before = so_far(shop)
    for wish in (lambda: narrow.chat.completions.create(model="small", messages=ask("hello"), n=3),
                 lambda: narrow.completions.create(model="small", prompt=["a", "b", "c"])):
        with pytest.raises(openai.BadRequestError, match="room for 2 at once") as refused:
            wish()
        assert (refused.value.code, refused.value.param) == ("too_many_choices", "/n")
        assert refused.value.response.headers["x-should-retry"] == "false"
    assert so_far(shop) == before
    assert len(narrow.completions.create(model="small", prompt=["a", "b"]).choices) == 2


def test_the_same_key_twice_finds_the_same_runs(shop, gpt):
    wish = {"model": "small", "messages": ask(RAIN), "n": 3, "extra_headers": {"idempotency-key": "three of them"}}
    first, second = (gpt.chat.completions.with_raw_response.create(**wish) for _ in range(2))
    assert names_of(first) == names_of(second) and len(set(names_of(first))) == 3
    assert first.parse().choices == second.parse().choices and first.parse().id == second.parse().id
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(**wish | {"n": 2})
    assert refused.value.code == "idempotency_key_reused"


def test_one_answer_of_several_may_be_had_again(gpt):
    wish = {"model": "small", "prompt": ["[long 3] talk", "[long 5] talk"], "extra_headers": {"x-noren-cache": "on"}}
    told = [gpt.completions.with_raw_response.create(**wish | more) for more in ({}, {}, {"n": 2})]
    assert [answer.headers["x-noren-cache"] for answer in told] == ["miss", "hit", "partial"]
    texts = [[choice.text for choice in answer.parse().choices] for answer in told]
    assert texts[0] == texts[1] and texts[2] == [text for text in texts[0] for _ in range(2)]
    assert told[1].parse().usage.total_tokens == 0
    assert told[2].parse().usage == told[0].parse().usage, "one of two is paid"


# --- ends before the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("aborts", "state"), [(False, "completed"), (True, "cancelled")])
def test_whoever_hangs_up_does_so_for_all_of_them(shop, secret, aborts, state):
    body = {"model": "small", "messages": ask("[slow][long 12] talk"), "n": 3, "stream": True}
    headers = {"x-api-key": secret} | ({"x-noren-disconnect": "abort"} if aborts else {})
    with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", json=body, headers=headers, timeout=30) as answer:
        heard = set()
        for line in answer.iter_lines():
            assert not line.startswith("id:"), "there is no one number to go on from"
            if line.startswith("data: {") and (choice := json.loads(line[6:])["choices"][0])["delta"].get("content"):
                heard.add(choice["index"])
            if len(heard) == 3:
                break
    runs = [run_of(shop, secret, id) for id in names_of(answer)]
    assert {known["state"] for known in runs} == {state}
    assert all(known["output"] and known["tokens_out"] > 0 for known in runs), "what was said is paid"
    [[left]] = fetch(shop, "select count(*) from entitlement.reservation where closed_at is null")
    assert left == 0


@pytest.mark.parametrize("stream", [False, True])
def test_when_one_fails_the_others_are_stopped_and_the_request_fails(shop, secret, gpt, stream):
    [[before]] = fetch(shop, "select coalesce(max(created_at), 'epoch') from gateway.run")
    wish = {"model": "small", "prompt": ["[slow][long 300] talk", "[slow][fail after 3] talk"], "max_tokens": 500, "stream": stream}
    with pytest.raises(openai.APIError) as failed:
        for _ in gpt.completions.create(**wish):
            pass
    assert failed.value.code == "upstream_failed"
    ids = fetch(shop, "select id from gateway.run where created_at > %s order by id", before)
    runs = [run_of(shop, secret, f"run_{id.hex}") for [id] in ids]
    assert [known["state"] for known in runs] == ["cancelled", "failed"]


def test_one_answer_is_stopped_by_its_own_name_and_the_others_go_on(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="small", messages=ask("[slow][long 6] talk"), n=2, stream=True)
    first, second = names_of(whole)
    assert httpx.post(f"{shop.inference}/inference/{first}/cancel", headers={"x-api-key": secret}).status_code == 200
    texts = collections.defaultdict(str)
    for chunk in whole.parse():
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    stopped, whole = run_of(shop, secret, first), run_of(shop, secret, second)
    assert (stopped["state"], whole["state"]) == ("cancelled", "completed")
    assert (texts[0], texts[1]) == (stopped["output"], whole["output"]) and texts[1].startswith(texts[0])
