"""The doors of other vendors, driven by the vendors' own clients unchanged."""

import concurrent.futures
import json
import re
import time

import anthropic
import httpx
import openai
import psycopg
import pytest
import runpod

from house import REPOSITORY, House, metrics
from house import run as command
from people import Person
from shop import run_of
from visitor import parse, text_of

# Plans with room for many calls; the free one lacks what the paid one has.
PLANS = """
[[plan]]
storefront = "genai"
id = "free"
default_for = "user"
title = { ja = "無料", en = "Free" }
price_yen = 0
limits = { per_minute = 5000, concurrent = 50 }
grants = [{ unit = "genai.chat", amount = 3000, every = "day" }]
routes = { "genai.chat" = "small" }
models = ["relayed", "cheapest", "counting", "narrow", "fallback", "outage", "cut", "zero", "drip", "busy", "hang", "continued"]

[[plan]]
storefront = "genai"
id = "pro"
title = { ja = "プロ", en = "Pro" }
price_yen = 4980
limits = { per_minute = 5000, concurrent = 50 }
grants = [{ unit = "genai.chat", amount = 3000, every = "month" }]
routes = { "genai.chat" = "small" }
models = ["large", "other-large"]

[[plan]]
storefront = "genai"
id = "tight"
title = { ja = "少し", en = "Tight" }
price_yen = 0
limits = { per_minute = 3, concurrent = 1 }
grants = [{ unit = "genai.chat", amount = 2, every = "month" }]
routes = { "genai.chat" = "small" }
"""


def model(name: str, *targets: str, more: str = "") -> str:
    listed = ", ".join(f'{{ provider = "sandbox", model = "sandbox-{target}", rank = {rank} }}' for rank, target in enumerate(targets))
    return f'[[model]]\nname = "{name}"\nprices = [{{ from = "2025-01-01", input = 1000, output = 2000 }}]\ntargets = [{listed}]\n{more}\n'


MODELS = "".join([
    model("small", "small"), model("large", "large"), model("other-large", "large"),
    model("fallback", "fault-500", "fault-reset", "small"), model("outage", "fault-500"), model("cut", "fault-half"),
    model("zero", "fault-zero"), model("drip", "fault-drip"), model("busy", "fault-429"), model("hang", "fault-hang", "small"),
    model("continued", "fault-half", "small", more='after_break = "continue"'),
])
# the same stand-in, asked to count in each chunk
COUNTING = """[[model]]
name = "counting"
prices = [{ from = "2025-01-01", input = 1000, output = 2000 }]
targets = [{ provider = "sandbox", model = "sandbox-small", usage = "chunks" }]
"""
# one that is free and never answers, one for long questions, one for long answers, and one at the model's own price
CHEAPEST = """[[model]]
name = "cheapest"
choose = "cheap"
prices = [{ from = "2025-01-01", input = 1000, output = 1000 }]
targets = [
    { provider = "sandbox", model = "sandbox-large" },
    { provider = "sandbox", model = "sandbox-obedient", prices = [{ from = "2025-01-01", input = 9000, output = 10 }] },
    { provider = "sandbox", model = "sandbox-small", prices = [{ from = "2025-01-01", input = 10, output = 9000 }] },
    { provider = "sandbox", model = "sandbox-fault-500", prices = [{ from = "2025-01-01", input = 0, output = 0 }] },
]
"""
# begun by one that has its price and breaks off, ended by one that is free
RELAYED = """[[model]]
name = "relayed"
after_break = "continue"
targets = [
    { provider = "sandbox", model = "sandbox-fault-half", usage = "chunks", prices = [{ from = "2025-01-01", input = 1000, output = 2000000 }] },
    { provider = "sandbox", model = "sandbox-small", rank = 1 },
]
"""
NARROW = """[[model]]
name = "narrow"
targets = [{ provider = "sandbox", model = "sandbox-medium", concurrent = 1, waiting = 1 }]
"""
PAID = ("large", "other-large")


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    """A house whose stand-in fails as its models are named."""
    folder = tmp_path_factory.mktemp("doors")
    paths = {}
    others, genai, _ = (REPOSITORY / "plans/default.toml").read_text().partition('[[plan]]\nstorefront = "genai"')
    assert genai
    for name, text in (("plans", others + PLANS), ("models", MODELS + CHEAPEST + RELAYED + COUNTING + NARROW)):
        paths[name] = folder / f"{name}.toml"
        paths[name].write_text(text)
    made = House(cluster.fresh(), NOREN__PLANS__FILE=str(paths["plans"]), NOREN__GATEWAY__MODELS_FILE=str(paths["models"]),
                 NOREN__GATEWAY__SILENCE_SECONDS="2")
    yield made
    made.stop()


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def rows(shop) -> int:
    with psycopg.connect(shop.database) as database:
        return database.execute("select count(*) from gateway.run").fetchone()[0]


# --- the two clients ---------------------------------------------------------------------------------------------


def test_openais_client_chats_and_streams(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="small", messages=ask("Tell me about rain"))
    answer = whole.parse()
    assert answer.model == "small" and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert known["output"] == answer.choices[0].message.content
    assert (known["tokens_in"], known["tokens_out"]) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert known["cost_nano_usd"] > 0
    chunks = list(gpt.chat.completions.create(model="small", messages=ask("Tell me about rain"), stream=True,
                                              stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == known["output"]
    assert chunks[-1].choices == [] and chunks[-1].usage == answer.usage


def test_anthropics_client_chats_streams_and_counts(shop, secret, claude):
    answer = claude.messages.create(model="small", max_tokens=1000, messages=ask("Tell me about rain"))
    assert answer.model == "small" and answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0
    with claude.messages.stream(model="small", max_tokens=1000, messages=ask("Tell me about rain")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == answer.content[0].text == final.content[0].text
    assert final.usage.output_tokens == answer.usage.output_tokens
    assert claude.messages.count_tokens(model="small", messages=ask("Tell me about rain")).input_tokens > 0


def test_runpods_client_runs_waits_and_cancels(shop, secret, monkeypatch):
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{shop.inference}/v2")
    endpoint = runpod.Endpoint("small", api_key=secret)
    said = endpoint.run_sync({"input": {"text": "Tell me about rain"}}, timeout=30)
    assert said["text"] and said["usage"]["output"] > 0
    job = endpoint.run({"input": {"text": "Tell me about rain"}})
    assert job.output(timeout=30) == said and job.status() == "COMPLETED"
    slow = runpod.Endpoint("drip", api_key=secret).run({"input": {"prompt": "[long 300] talk"}})
    assert slow.cancel()["status"] == "CANCELLED" and slow.status() == "CANCELLED"
    with pytest.raises(RuntimeError):
        runpod.Endpoint("small", api_key="nrn_nothing").run({"input": {"text": "hello"}})


def test_runpods_door_takes_a_key_with_or_without_bearer(shop, secret):
    ask = {"input": {"text": "Tell me about rain"}}
    for header in (secret, f"Bearer {secret}"):
        answer = httpx.post(f"{shop.inference}/v2/small/runsync", headers={"authorization": header}, json=ask)
        assert answer.status_code == 200 and answer.json()["status"] == "COMPLETED", answer.text
    for header in ("nrn_nothing", f"Basic {secret}", f"{secret} {secret}"):
        assert httpx.post(f"{shop.inference}/v2/small/run", headers={"authorization": header}, json=ask).status_code == 401


def test_a_token_limit_is_told_by_both(gpt, claude):
    assert gpt.chat.completions.create(model="small", messages=ask("hello"), max_tokens=5).choices[0].finish_reason == "length"
    assert claude.messages.create(model="small", messages=ask("hello"), max_tokens=5).stop_reason == "max_tokens"


def test_models_are_those_of_the_plan(gpt):
    names = [model.id for model in gpt.models.list()]
    assert names[0] == "small" and "fallback" in names and not set(PAID) & set(names)
    assert gpt.models.retrieve("small").id == "small"
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("large")


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAID)
def test_a_free_key_reaches_no_paid_model_by_any_door(shop, secret, gpt, claude, name):
    before = rows(shop)
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as refused:
            gpt.chat.completions.create(model=name, messages=ask("hello"), stream=stream)
        assert refused.value.status_code == 402 and refused.value.code == "model_not_in_plan"
        assert refused.value.body["suggestion"]["plan"] == "pro"
        with pytest.raises(anthropic.APIStatusError) as refused:
            claude.messages.create(model=name, max_tokens=10, messages=ask("hello"), stream=stream)
        assert refused.value.status_code == 402 and refused.value.body["error"]["type"] == "billing_error"
    for path in ("run", "runsync"):
        answer = httpx.post(f"{shop.inference}/v2/{name}/{path}", json={"input": {"text": "hello"}}, headers={"x-api-key": secret})
        assert (answer.status_code, answer.json()["code"]) == (402, "model_not_in_plan") and answer.json()["error"]
    native = httpx.post(f"{shop.inference}/inference", headers={"x-api-key": secret},
                        json={"route": "genai.chat", "model": name, "messages": ask("hello")})
    assert (native.status_code, native.json()["code"]) == (402, "model_not_in_plan")
    assert rows(shop) == before, "nothing was started, so nothing was asked"


def test_whoever_is_nobody_is_told_so_in_the_doors_words(shop):
    for key in ("nrn_" + "0" * 49, "sk-nothing"):
        with pytest.raises(openai.AuthenticationError) as refused:
            openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=key, max_retries=0).models.list()
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(anthropic.AuthenticationError) as refused:
            anthropic.Anthropic(base_url=shop.inference, api_key=key, max_retries=0).messages.create(
                model="small", max_tokens=5, messages=ask("hello"))
        assert refused.value.body["error"]["type"] == "authentication_error"


BAD = {
    "unknown model": {"model": "nothing"}, "no messages": {"messages": []}, "wrong role": {"messages": [{"role": "king", "content": "x"}]},
    "negative": {"max_tokens": -1}, "huge": {"max_tokens": 10_000_000}, "above ours": {"max_tokens": 500_000}, "text as number": {"max_tokens": "many"},
    "bad tool": {"tools": [{"type": "function", "function": {"name": "no good name!", "parameters": {}}}]},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_by_both_and_starts_nothing(shop, secret, wrong):
    before = rows(shop)
    body = {"model": "small", "max_tokens": 10, "messages": ask("hello")} | wrong
    for path, kinds in (("chat/completions", {"invalid_request_error"}), ("messages", {"invalid_request_error", "not_found_error"})):
        answer = httpx.post(f"{shop.inference}/v1/{path}", json=body, headers={"x-api-key": secret, "anthropic-version": "2023-06-01"})
        assert answer.status_code == (404 if body["model"] == "nothing" else 400), answer.text
        assert answer.json()["error"]["type"] in kinds, answer.text
    assert rows(shop) == before


RAW = {
    "not json": b"{", "deep": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "twice": b'{"model":"small","model":"large","messages":[]}',
    "not utf-8": b'{"model":"\xff"}', "empty": b"", "a list": b"[]", "too large": b'{"model":"' + b"a" * (21 * 1024 * 1024) + b'"}',
}


@pytest.mark.parametrize("body", RAW.values(), ids=RAW.keys())
def test_what_is_no_good_json_is_refused_by_both(shop, secret, body):
    for path in ("chat/completions", "messages"):
        answer = httpx.post(f"{shop.inference}/v1/{path}", content=body, timeout=30,
                            headers={"x-api-key": secret, "anthropic-version": "2023-06-01", "content-type": "application/json"})
        assert answer.status_code in (400, 413), answer.text
        assert answer.json()["error"]["message"]


def test_what_the_plan_has_no_more_of_is_402_and_not_429(shop):
    person = Person(shop).join().prove_address()
    secret = person.key()["secret"]
    done = command("plans", "assign", person.tenant, "genai", "tight", DATABASE_URL=shop.database)
    assert done.returncode == 0, done.stdout + done.stderr
    client = openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0)
    for _ in range(2):
        client.chat.completions.create(model="small", messages=ask("hello"))
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="small", messages=ask("hello"))
    assert (refused.value.status_code, refused.value.code) == (402, "quota_exhausted")
    assert refused.value.response.headers["x-should-retry"] == "false"


# --- an upstream that fails --------------------------------------------------------------------------------------


def test_a_target_that_fails_before_its_first_word_is_replaced_unseen(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="fallback", messages=ask("Tell me about snow"))
    straight = gpt.chat.completions.create(model="small", messages=ask("Tell me about snow"))
    assert whole.parse().choices[0].message.content == straight.choices[0].message.content
    assert run_of(shop, secret, whole.headers["x-noren-run"])["model"] == "sandbox-small"


def test_a_silent_target_is_replaced_too(gpt):
    assert gpt.chat.completions.create(model="hang", messages=ask("hello")).choices[0].message.content


@pytest.mark.parametrize(("name", "status", "code"), [("busy", 503, "upstream_busy"), ("cut", 502, "upstream_failed")])
def test_a_failure_without_a_way_out_has_a_stable_code(gpt, name, status, code):
    with pytest.raises(openai.InternalServerError) as failed:
        gpt.chat.completions.create(model=name, messages=ask("hello"))
    assert (failed.value.status_code, failed.value.code) == (status, code)


def test_after_the_first_word_a_failure_is_an_event_and_nobody_takes_over(gpt, claude):
    said = []
    with pytest.raises(openai.APIError) as failed:
        for chunk in gpt.chat.completions.create(model="cut", messages=ask("hello"), stream=True):
            said.append(chunk.choices[0].delta.content or "")
    assert "".join(said) and failed.value.code == "upstream_failed"
    with pytest.raises(anthropic.APIStatusError):
        list(claude.messages.create(model="cut", max_tokens=100, messages=ask("hello"), stream=True))


def test_where_the_route_says_so_another_target_takes_the_answer_up(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="continued", messages=ask("Tell me about wind"))
    answer = whole.parse()
    assert answer.choices[0].finish_reason == "stop"
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert known["state"] == "completed" and known["model"] == "sandbox-small"
    assert known["output"] == answer.choices[0].message.content


@pytest.mark.parametrize(("words", "most", "chosen", "price"),
                         [(1, 2000, "sandbox-obedient", (9000, 10)), (2000, 2, "sandbox-small", (10, 9000))], ids=["long answer", "long question"])
def test_whoever_is_cheapest_for_this_call_answers_and_is_billed_at_its_own_price(shop, secret, gpt, words, most, chosen, price):
    for _ in range(3):
        whole = gpt.chat.completions.with_raw_response.create(model="cheapest", messages=ask("tea " * words), max_tokens=most)
        counted, known = whole.parse().usage, run_of(shop, secret, whole.headers["x-noren-run"])
        assert known["model"] == chosen
        # what 1,000 tokens cost, and no part of a billionth
        read, written = (-(-tokens * of // 1000) for tokens, of in zip((counted.prompt_tokens, counted.completion_tokens), price, strict=True))
        assert abs(known["cost_nano_usd"] - read - written) <= 2 and known["cost_nano_usd"] > 0


def test_each_target_of_an_answer_is_billed_at_its_own_price(shop, secret, gpt):
    wish = {"messages": ask("Tell me about wind"), "max_tokens": 1024}
    whole = gpt.chat.completions.with_raw_response.create(model="relayed", **wish)
    _, begun = chunks_of(shop, wish | {"model": "sandbox-fault-half"})[-1]
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert (known["state"], known["model"]) == ("completed", "sandbox-small") and known["tokens_out"] > begun["completion_tokens"] > 0
    assert known["cost_nano_usd"] == begun["prompt_tokens"] + 2000 * begun["completion_tokens"]


def test_an_explicit_zero_stays_zero(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="zero", messages=ask("hello"))
    assert whole.parse().usage.total_tokens == 0
    known = run_of(shop, secret, whole.headers["x-noren-run"])
    assert known["output"] and (known["tokens_in"], known["tokens_out"], known["cost_nano_usd"]) == (0, 0, 0)


# --- hang-ups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["openai", "anthropic"])
def test_whoever_hangs_up_at_any_chunk_pays_what_was_produced_and_finds_the_whole_text(shop, secret, door):
    body = {"model": "small", "max_tokens": 4000, "messages": ask("[long 40] talk"), "stream": True}
    path = "chat/completions" if door == "openai" else "messages"
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01"}

    def words_of(data: str) -> str:
        event = {} if data == "[DONE]" else json.loads(data)
        return event["choices"][0]["delta"].get("content") or "" if event.get("choices") else event.get("delta", {}).get("text", "")

    def hang_up_at(cut: int) -> tuple[str, str]:
        """Hears so many chunks, hangs up, and reads what came after them at the house's own door."""
        last, text, chunks = 0, "", 0
        with httpx.stream("POST", f"{shop.inference}/v1/{path}", json=body, headers=headers, timeout=30) as answer:
            assert answer.status_code == 200, answer.read()
            id, lines = answer.headers["x-noren-run"], answer.iter_lines()
            while chunks < cut and (line := next(lines, None)) is not None:
                if line.startswith("id:"):
                    number = int(line[3:])
                elif line.startswith("data:") and (words := words_of(line[5:].strip())):
                    last, text, chunks = number, text + words, chunks + 1
        rest = httpx.get(f"{shop.inference}/inference/{id}/events", headers={"x-api-key": secret, "last-event-id": str(last)}, timeout=60)
        return id, text + text_of(list(parse(iter(rest.text.split("\n")))))

    with concurrent.futures.ThreadPoolExecutor(21) as pool:
        ids, texts = zip(*pool.map(hang_up_at, range(41)))
    runs = [run_of(shop, secret, id) for id in ids]
    assert {found["state"] for found in runs} == {"completed"}
    assert len({(found["output"], found["tokens_in"], found["tokens_out"]) for found in runs}) == 1, "all paid the same whole"
    assert set(texts) == {runs[0]["output"]} != {""}, "what was heard before and after the cut is the whole text"
    with psycopg.connect(shop.database) as database:
        billed = database.execute("select tokens_in, tokens_out, cost_nano_usd from entitlement.usage where ref = any(%s)",
                                  [list(ids)]).fetchall()
    assert billed == [(runs[0]["tokens_in"], runs[0]["tokens_out"], runs[0]["cost_nano_usd"])] * 41


def test_who_asks_for_it_stops_the_run_by_hanging_up(shop, secret):
    body = {"model": "drip", "messages": ask("[long 200] talk"), "stream": True}
    headers = {"x-api-key": secret, "x-noren-disconnect": "abort"}
    with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", json=body, headers=headers, timeout=30) as answer:
        id = answer.headers["x-noren-run"]
        for line in answer.iter_lines():
            if "content" in line and json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content"):
                break
    found = run_of(shop, secret, id)
    assert (found["state"], found["reason"]) == ("cancelled", "stopped") and found["output"]
    assert found["tokens_out"] > 0


QUESTION = "[slow][long 6] talk"
# of each door that gives an answer in one piece, or waits for one
IN_ONE_PIECE = [
    ("/v1/chat/completions", {"model": "small", "messages": ask(QUESTION)}),
    ("/v1/chat/completions", {"model": "small", "messages": ask(QUESTION), "n": 2}),
    ("/v1/completions", {"model": "small", "prompt": QUESTION, "max_tokens": 500}),
    ("/v1/messages", {"model": "small", "messages": ask(QUESTION), "max_tokens": 500}),
    ("/v1/responses", {"model": "small", "input": QUESTION}),
    ("/inference", {"model": "small", "prompt": QUESTION}),
    ("/v2/small/runsync", {"input": {"prompt": QUESTION}}),
]


@pytest.mark.parametrize(("aborts", "state"), [(False, "completed"), (True, "cancelled")])
@pytest.mark.parametrize(("path", "body"), IN_ONE_PIECE)
def test_who_hangs_up_before_an_answer_in_one_piece_stops_it_only_where_that_was_asked(shop, secret, path, body, aborts, state):
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01", "prefer": "wait=30"}
    headers |= {"x-noren-disconnect": "Abort"} if aborts else {}
    with psycopg.connect(shop.database) as database:
        [before] = database.execute("select coalesce(max(created_at), 'epoch') from gateway.run").fetchone()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{shop.inference}{path}", json=body, headers=headers, timeout=0.7)
        begun = database.execute("select id from gateway.run where created_at > %s", [before]).fetchall()
    assert len(begun) == body.get("n", 1)
    runs = [run_of(shop, secret, f"run_{id.hex}") for [id] in begun]
    assert {known["state"] for known in runs} == {state}, runs
    assert all(known["tokens_out"] > 0 for known in runs), "what was said is paid"


def test_who_has_waited_as_long_as_it_would_has_not_hung_up(shop, secret):
    headers = {"x-api-key": secret, "prefer": "wait=1", "x-noren-disconnect": "abort"}
    answer = httpx.post(f"{shop.inference}/inference", json={"model": "small", "prompt": QUESTION}, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    assert run_of(shop, secret, answer.headers["x-noren-run"])["state"] == "completed"


def chunks_of(shop, body: dict, until: str | None = None) -> list[tuple[str, dict]]:
    """What the stand-in says to this itself: the answer after each of its chunks, and what it had counted by then; at most until it has
    said so much."""
    stand_in = re.search(r"http://127\.0\.0\.1:\d+/v1", shop.log()).group()
    counting = {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    text, said = "", []
    with httpx.stream("POST", f"{stand_in}/chat/completions", json=body | counting, timeout=30) as answer:
        try:
            for line in answer.iter_lines():
                chunk = json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else {}
                text += chunk["choices"][0]["delta"].get("content", "") if chunk.get("choices") else ""
                said += [(text, chunk["usage"])] if chunk.get("usage") else []
                if text == until:
                    break
        except httpx.RemoteProtocolError:
            pass  # it breaks off where it is told to
    return said


def billed(shop, id: str) -> tuple:
    with psycopg.connect(shop.database) as database:
        return database.execute("select tokens_in, tokens_out, cost_nano_usd from entitlement.usage where ref = %s", [id]).fetchone()


def test_whoever_stops_at_any_chunk_pays_what_the_upstream_had_counted_by_then(shop, secret):
    # 70 tokens are counted and never said: no estimate of what was received could know of them
    wish = {"max_tokens": 4000, "messages": ask("[think 70][long 40] talk")}
    counted = {text: (usage["prompt_tokens"], usage["completion_tokens"]) for text, usage in
               chunks_of(shop, wish | {"model": "sandbox-small"})}
    headers = {"x-api-key": secret, "x-noren-disconnect": "abort"}

    def hang_up_at(cut: int) -> str:
        heard = 0
        with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", json=wish | {"model": "counting", "stream": True},
                          headers=headers, timeout=30) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                heard += '"content":"' in line and '"content":""' not in line
                if heard == cut:
                    break
        return answer.headers["x-noren-run"]

    with concurrent.futures.ThreadPoolExecutor(13) as pool:
        ids = list(pool.map(hang_up_at, range(1, 40, 3)))
    runs = [run_of(shop, secret, id) for id in ids]
    stopped = [known for known in runs if known["state"] == "cancelled"]
    assert len(stopped) >= 8 and len({known["output"] for known in stopped}) >= 5, [known["state"] for known in runs]
    for id, known in zip(ids, runs, strict=True):
        read, written = counted[known["output"]]
        assert written > 70
        assert (known["tokens_in"], known["tokens_out"]) == (read, written), known["output"]
        assert billed(shop, id) == (read, written, read + 2 * written)


@pytest.mark.parametrize("tell", ["[fail after 6]", "[garble]", "[stall]"])
def test_what_breaks_off_is_billed_by_what_the_upstream_had_counted(shop, secret, tell):
    wish = {"messages": ask(f"[think 70]{tell} talk"), "max_tokens": 4000}
    broken = httpx.post(f"{shop.inference}/v1/chat/completions", json=wish | {"model": "counting", "stream": True},
                        headers={"x-api-key": secret}, timeout=30)
    known = run_of(shop, secret, broken.headers["x-noren-run"])
    assert known["state"] == "failed" and known["output"]
    text, counted = chunks_of(shop, wish | {"model": "sandbox-small"}, until=known["output"])[-1]
    assert text == known["output"] and counted["completion_tokens"] > 70
    assert billed(shop, known["id"])[:2] == (counted["prompt_tokens"], counted["completion_tokens"])


# --- the same run by another door --------------------------------------------------------------------------------


def test_a_run_of_one_door_is_read_by_another_from_any_event(shop, secret, gpt):
    whole = gpt.chat.completions.with_raw_response.create(model="small", messages=ask("Tell me about the sea"))
    id, text = whole.headers["x-noren-run"], whole.parse().choices[0].message.content
    for after in (0, 3):
        events = httpx.get(f"{shop.inference}/inference/{id}/events", params={"starting_after": after}, headers={"x-api-key": secret}).text
        numbers = [int(line[3:]) for line in events.splitlines() if line.startswith("id:")]
        assert numbers == list(range(after + 1, numbers[-1] + 1))
    result = httpx.get(f"{shop.inference}/inference/{id}/result", headers={"x-api-key": secret})
    assert result.status_code == 200 and result.json()["text"] == text


def test_the_same_key_twice_is_one_run_at_every_door(shop, secret, gpt):
    headers = {"idempotency-key": "only once"}
    first, second = (gpt.chat.completions.with_raw_response.create(model="small", messages=ask("once"), extra_headers=headers)
                     for _ in range(2))
    assert first.headers["x-noren-run"] == second.headers["x-noren-run"]
    assert first.parse().choices == second.parse().choices
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="small", messages=ask("twice"), extra_headers=headers)
    assert refused.value.code == "idempotency_key_reused"


def test_who_asks_for_it_gets_the_same_answer_again_for_nothing(shop, secret, gpt, claude):
    headers = {"x-noren-cache": "on; max-age=600"}
    told = ask("Tell me about a cache")
    first, second = (gpt.chat.completions.with_raw_response.create(model="small", messages=told, extra_headers=headers) for _ in range(2))
    assert [answer.headers["x-noren-cache"] for answer in (first, second)] == ["miss", "hit"]
    text = first.parse().choices[0].message.content
    assert second.parse().choices[0].message.content == text and second.parse().usage.total_tokens == 0
    streamed = gpt.chat.completions.with_raw_response.create(model="small", messages=told, stream=True, extra_headers=headers)
    assert streamed.headers["x-noren-cache"] == "hit"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed.parse() if chunk.choices) == text
    known = httpx.get(f"{shop.inference}/inference/{second.headers['x-noren-run']}", headers={"x-api-key": secret}).json()
    assert (known["is_cached"], known["cost_nano_usd"], known["tokens"]["output"]) == (True, 0, 0)
    once, again = (claude.messages.with_raw_response.create(model="small", max_tokens=500, messages=told, extra_headers=headers) for _ in range(2))
    assert again.headers["x-noren-cache"] == "hit" and again.parse().content[0].text == once.parse().content[0].text
    native = httpx.post(f"{shop.inference}/inference", json={"messages": told, "model": "small"}, timeout=40,
                        headers=headers | {"x-api-key": secret, "prefer": "wait=30"})
    assert native.headers["x-noren-cache"] == "hit" and native.json()["text"] == text and native.json()["is_cached"]
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="small", messages=told, extra_headers={"x-noren-cache": "perhaps"})
    assert refused.value.code == "cache_use_invalid"


def test_a_providers_export_is_compared_at_the_command_line(shop, tmp_path):
    export = tmp_path / "usage.csv"

    def compare(tokens: int):
        export.write_text(f"start_time_iso,model,num_model_requests,input_tokens,output_tokens\n2020-01-01T00:00:00+00:00,sandbox-small,1,{tokens},0\n")
        return command("providers", "reconcile", "sandbox", export, DATABASE_URL=shop.database)

    assert (same := compare(0)).returncode == 0, same.stderr
    assert (other := compare(7)).returncode != 0 and "2020-01-01 sandbox-small" in other.stdout


def test_the_native_door_answers_at_once_or_waits_as_told(shop, secret):
    body = {"route": "genai.chat", "messages": ask("Tell me about tea")}
    started = httpx.post(f"{shop.inference}/inference", json=body, headers={"x-api-key": secret, "idempotency-key": '"tea"'})
    assert started.status_code == 202 and started.headers["retry-after"] == "1"
    assert started.headers["location"] == f"/inference/{started.json()['id']}"
    again = httpx.post(f"{shop.inference}/inference", json=body, headers={"x-api-key": secret, "idempotency-key": "tea", "prefer": "wait=30"}, timeout=40)
    assert again.status_code == 200 and again.json()["id"] == started.json()["id"] and again.json()["status"] == "completed"
    failed = httpx.post(f"{shop.inference}/inference", json=body | {"model": "cut"}, headers={"x-api-key": secret, "prefer": "wait=30"}, timeout=40)
    assert (failed.status_code, failed.json()["code"]) == (502, "upstream_failed")
    result = httpx.get(f"{shop.inference}{failed.headers['location']}/result", headers={"x-api-key": secret})
    assert (result.status_code, result.json()["code"]) == (502, "upstream_failed")


def test_who_finds_no_place_waits_in_line_and_whom_the_line_has_no_room_for_is_told_when_to_come_back(shop, secret, gpt, claude):
    key = {"x-api-key": secret}
    native = {"route": "genai.chat", "model": "narrow"}

    def stands(run: str, *wanted: str) -> dict:
        for _ in range(600):
            found = httpx.get(f"{shop.inference}/inference/{run}", headers=key).json()
            if found["status"] in wanted:
                return found
            time.sleep(0.1)
        raise AssertionError(found)

    # it has the only place for longer than all of this takes
    first = httpx.post(f"{shop.inference}/inference", json=native | {"prompt": "[slow] [long 2000]"}, headers=key).json()["id"]
    stands(first, "processing")
    second = httpx.post(f"{shop.inference}/inference", json=native | {"prompt": "Tell me about tea", "priority": "low"}, headers=key).json()["id"]
    for _ in range(600):
        if (found := stands(second, "queued"))["queue_position"] == 1:
            break
        time.sleep(0.1)
    assert (found["queue_position"], found["started_at"]) == (1, None)
    with pytest.raises(openai.InternalServerError) as full:
        gpt.chat.completions.create(model="narrow", messages=ask("hello"))
    assert (full.value.status_code, full.value.code, full.value.response.headers["retry-after"]) == (503, "line_full", "5")
    with pytest.raises(anthropic.InternalServerError) as full:
        claude.messages.create(model="narrow", max_tokens=100, messages=ask("hello"))
    assert full.value.response.headers["retry-after"] == "5"
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="narrow", messages=ask("hello"), extra_headers={"x-noren-priority": "urgent"})
    assert refused.value.code == "priority_invalid"
    assert metrics(shop.inference)["gateway_line_waiting"] == 1
    httpx.post(f"{shop.inference}/inference/{first}/cancel", headers=key)
    assert stands(second, "completed", "failed")["status"] == "completed"
    flexible = gpt.chat.completions.create(model="narrow", messages=ask("Tell me about tea"), service_tier="flex")
    assert flexible.choices[0].message.content


def test_a_request_goes_only_where_it_says_in_each_doors_words(shop, secret, gpt, claude):
    there, elsewhere = {"x-noren-providers": "sandbox, openai"}, {"x-noren-providers": "bedrock"}
    answered = gpt.chat.completions.with_raw_response.create(model="small", messages=ask("Tell me about rain"), extra_headers=there)
    assert run_of(shop, secret, answered.headers["x-noren-run"])["state"] == "completed"
    before = rows(shop)
    for headers, code in ((elsewhere, "data_policy_unmet"), ({"x-noren-regions": "eu"}, "data_policy_unmet"), ({"x-noren-regions": ","}, "data_policy_invalid")):
        with pytest.raises(openai.BadRequestError) as refused:
            gpt.chat.completions.create(model="small", messages=ask("Tell me about rain"), extra_headers=headers)
        assert refused.value.code == code
        native = httpx.post(f"{shop.inference}/inference", json={"prompt": "Tell me about rain"}, headers=headers | {"x-api-key": secret})
        assert (native.status_code, native.json()["code"]) == (422, code)
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(model="small", max_tokens=100, messages=ask("Tell me about rain"), extra_headers=elsewhere)
    assert "allow" in refused.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.responses.create(model="small", input="Tell me about rain", extra_headers=elsewhere)
    assert refused.value.code == "data_policy_unmet"
    job = httpx.post(f"{shop.inference}/v2/small/run", json={"input": {"text": "rain"}}, headers=elsewhere | {"authorization": f"Bearer {secret}"})
    assert (job.status_code, job.json()["code"]) == (400, "data_policy_unmet")
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.batches.create(input_file_id="file_1", endpoint="/v1/chat/completions", completion_window="24h", extra_headers=elsewhere)
    assert refused.value.code == "data_policy_unsupported"
    assert rows(shop) == before


# last, since it leaves its target resting
def test_in_a_full_outage_hardly_a_call_goes_up(gpt):
    codes = []
    for _ in range(60):
        with pytest.raises(openai.InternalServerError) as failed:
            gpt.chat.completions.create(model="outage", messages=ask("hello"))
        codes.append(failed.value.code)
    assert set(codes) == {"upstream_failed", "upstream_unavailable"}
    assert codes.count("upstream_unavailable") > 30, "two calls at most for each of the others: below 1.2 for each asked"
