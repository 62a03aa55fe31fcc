"""Tools, answers in a schema, and pictures: from each official client to each provider's dialect, streamed and whole.

The providers are judged by their own libraries (talker.py); what they answer has to arrive as it would from themselves.
"""

import datetime
import json

import anthropic
import boto3
import httpx
import openai
import pytest

import talker as double
from house import House
from house import run as command
from people import Person
from shop import files, model, run_of
from talker import AWS_ID, AWS_SECRET, FORECAST, PLAIN, REGION, Talker

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SCHEMA = {"type": "object", "properties": {"price": {"type": "integer"}, "seats": {"type": "integer"}}, "required": ["price", "seats"],
          "additionalProperties": False}
ARGUMENTS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
GPT_TOOLS = [{"type": "function", "function": {"name": name, "description": "asks", "parameters": schema}}
             for name, schema in (("get_weather", ARGUMENTS), ("get_time", ZONE))]
CLAUDE_TOOLS = [{"name": name, "description": "asks", "input_schema": schema} for name, schema in (("get_weather", ARGUMENTS), ("get_time", ZONE))]
WANTED = [("get_weather", {"city": "東京", "days": 2}), ("get_time", {"zone": "Asia/Tokyo"})]
QUESTION = [{"role": "user", "content": "東京の天気と時刻は？"}]

# sol is OpenAI's too, asked by the Responses API
providers = pytest.mark.parametrize("name", ["gpt", "sol", "claude", "aws"])
ways = pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    # a name with a colon: it stands in the path at AWS, and is signed
    models = {name: model(name, (name, "anthropic.talker-v1:0")) for name in ("gpt", "claude", "aws")}
    models["sol"] = model("sol", ("gpt", "sol")).replace('"sol", rank', '"sol", api = "responses", rank')
    models["logged"] = model("logged", ("aws", "anthropic.logged-v1:0"))
    models |= {name: model(name, ("gpt", target)) for name, target in (("gemini", "gemini-3-pro"), ("turns", "turns"), ("full", "full"))}
    models["narrow"] = model("narrow", ("gpt", "small")).replace('"small"', '"small", window = 4096')
    told = files(tmp_path_factory.mktemp("tools"), models)
    made = House(cluster.fresh(), **told, **talker.env())
    made.models = told["NOREN__GATEWAY__MODELS_FILE"]
    yield made
    for secret in (double.KEY, AWS_SECRET):
        assert secret not in made.log(), "a provider's key stands in the log"
    made.stop()


def by_gpt(gpt, streams: bool, **ask):
    """The message, the reason to stop, and the usage."""
    if not streams:
        answer = gpt.chat.completions.create(**ask)
        return answer.choices[0].message, answer.choices[0].finish_reason, answer.usage
    with gpt.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        answer = stream.get_final_completion()
    return answer.choices[0].message, answer.choices[0].finish_reason, answer.usage


def by_claude(claude, streams: bool, **ask):
    if not streams:
        return claude.messages.create(max_tokens=500, **ask)
    with claude.messages.stream(max_tokens=500, **ask) as stream:
        return stream.get_final_message()


def test_a_stopped_answer_of_anthropics_costs_what_it_said_it_had_read_and_what_was_heard(shop, secret, talker):
    question = "tea " * 60
    talker.pace = 0.3  # between the events of a stream
    try:
        with httpx.stream("POST", f"{shop.inference}/v1/chat/completions", headers={"x-api-key": secret, "x-noren-disconnect": "abort"}, timeout=30,
                          json={"model": "claude", "stream": True, "messages": [{"role": "user", "content": question}]}) as answer:
            assert any(PLAIN[0] in line for line in answer.iter_lines())
        known = run_of(shop, secret, answer.headers["x-noren-run"])
    finally:
        talker.pace = 0.0
    assert (known["state"], known["output"][:len(PLAIN[0])]) == ("cancelled", PLAIN[0]) and known["output"] != "".join(PLAIN)
    # it counts an absent system prompt too, and had said that it wrote one token
    assert known["tokens_in"] == double.tokens_of(question) + double.tokens_of("") and known["tokens_out"] > 2


def test_awss_own_client_reads_the_double(talker):
    client = boto3.client("bedrock-runtime", endpoint_url=talker.url, region_name=REGION, aws_access_key_id=AWS_ID, aws_secret_access_key=AWS_SECRET)
    ask = {"modelId": "anthropic.talker-v1:0", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    assert client.converse(**ask)["output"]["message"]["content"] == [{"text": "".join(PLAIN)}]
    events = list(client.converse_stream(**ask)["stream"])
    assert "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event) == "".join(PLAIN)


@pytest.mark.parametrize("wrong", ["secret", "region"])
def test_the_double_refuses_what_is_signed_wrongly(wrong):
    made = Talker()
    client = boto3.client("bedrock-runtime", endpoint_url=made.url, region_name="us-east-1" if wrong == "region" else REGION,
                          aws_access_key_id=AWS_ID, aws_secret_access_key="other" if wrong == "secret" else AWS_SECRET)
    with pytest.raises(client.exceptions.ClientError):
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hello"}]}])
    assert made.complaints
    made.close()


def test_awss_log_of_invocations_is_compared_one_by_one(shop, gpt, talker, tmp_path):
    before = len(talker.known_as)
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    for streams in (False, True):
        by_gpt(gpt, streams, model="logged", messages=QUESTION)
    calls = talker.known_as[before:]
    assert [id[:4] for id, _ in calls] == ["run_"] * 2, "it is told the id of each"
    log = tmp_path / "invocations.json"

    def compare(more: int):
        lines = [{"schemaType": "ModelInvocationLog", "timestamp": (began + datetime.timedelta(minutes=n)).isoformat(), "requestId": f"a-{n}",
                  "operation": "Converse", "modelId": "anthropic.logged-v1:0", "requestMetadata": {"noren_run": id},
                  "input": {"inputTokenCount": read + more, "inputBodyJson": {"messages": [{"role": "user", "content": [{"text": "x"}]}]}},
                  "output": {"outputTokenCount": written, "outputBodyJson": {"usage": {"inputTokens": 1, "outputTokens": 1}}}}
                 for n, (id, (read, written)) in enumerate(calls)]
        log.write_text("\n".join(json.dumps(line) for line in lines))
        return command("providers", "reconcile", "aws", log, DATABASE_URL=shop.database, NOREN__GATEWAY__MODELS_FILE=shop.models)

    same, other = compare(0), compare(1)
    assert same.returncode == 0 and "agree" in same.stdout, same.stdout + same.stderr
    assert other.returncode != 0 and all(id in other.stdout for id, _ in calls), other.stdout + other.stderr


def test_an_answer_whose_length_nobody_names_gets_what_the_question_leaves_of_the_window(gpt, talker):
    asked = []
    for model_name, question in (("gpt", "tea " * 2000), ("narrow", "tea"), ("narrow", "tea " * 2000)):
        gpt.chat.completions.create(model=model_name, messages=[{"role": "user", "content": question}])
        body = talker.requests[-1][1]
        asked.append(body.get("max_tokens") or body["max_completion_tokens"])
    wide, short, long = asked
    assert (wide, 4000 < short < 4096, 256 <= long <= 2096) == (4096, True, True), asked


@providers
@ways
def test_words_arrive_and_the_providers_count_is_what_is_billed(shop, secret, gpt, claude, talker, name, streams):
    before = len(talker.claimed)
    message, finish, usage = by_gpt(gpt, streams, model=name, messages=[{"role": "system", "content": "kind"}, *QUESTION], temperature=0.5)
    assert (message.content, finish) == ("".join(PLAIN), "stop")
    answer = by_claude(claude, streams, model=name, system="kind", messages=QUESTION)
    assert (answer.content[0].text, answer.stop_reason) == ("".join(PLAIN), "end_turn")
    one, two = talker.claimed[before:]
    assert one == two == (usage.prompt_tokens, usage.completion_tokens)
    assert answer.usage.output_tokens == two[1]
    whole = gpt.chat.completions.with_raw_response.create(model=name, messages=QUESTION)
    found = run_of(shop, secret, whole.headers["x-noren-run"])
    assert (found["tokens_in"], found["tokens_out"]) == talker.claimed[-1]


@providers
@ways
def test_openais_client_has_tools_called_and_their_results_read(gpt, name, streams):
    message, finish, _ = by_gpt(gpt, streams, model=name, messages=QUESTION, tools=GPT_TOOLS, parallel_tool_calls=True)
    assert finish == "tool_calls" and not message.content
    assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == WANTED
    assert [call.id for call in message.tool_calls] == ["call_1", "call_2"]
    turns = [*QUESTION, {"role": "assistant", "tool_calls": [call.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}})
                                                             for call in message.tool_calls]},
             {"role": "tool", "tool_call_id": "call_1", "content": FORECAST}, {"role": "tool", "tool_call_id": "call_2", "content": "12:00"}]
    message, finish, _ = by_gpt(gpt, streams, model=name, messages=turns, tools=GPT_TOOLS)
    assert finish == "stop" and FORECAST in message.content and "12:00" in message.content


@providers
@ways
def test_anthropics_client_has_tools_called_and_their_results_read(claude, name, streams):
    answer = by_claude(claude, streams, model=name, messages=QUESTION, tools=CLAUDE_TOOLS)
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use" and [(call.name, call.input) for call in calls] == WANTED
    turns = [*QUESTION, {"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": calls[0].id, "content": FORECAST},
                                          {"type": "tool_result", "tool_use_id": calls[1].id, "content": [{"type": "text", "text": "12:00"}]}]}]
    answer = by_claude(claude, streams, model=name, messages=turns, tools=CLAUDE_TOOLS)
    assert answer.stop_reason == "end_turn" and FORECAST in answer.content[0].text and "12:00" in answer.content[0].text


@ways
def test_gemini_calls_tools_without_numbers_and_has_back_what_it_signed(gpt, claude, streams):
    """It tells calls without an index, says `stop` after them, and refuses a call without the signature that it gave it."""
    message, finish, _ = by_gpt(gpt, streams, model="gemini", messages=QUESTION, tools=GPT_TOOLS)
    assert finish == "tool_calls" and [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == WANTED
    calls = [call.model_dump(include={"id": True, "type": True, "function": {"name", "arguments"}, "extra_content": True}) for call in message.tool_calls]
    assert [(call["id"], call["extra_content"]) for call in calls] == [("call_1", double.SIGNED), ("call_2", double.SIGNED)]
    turns = [*QUESTION, {"role": "assistant", "tool_calls": calls},
             {"role": "tool", "tool_call_id": "call_1", "content": FORECAST}, {"role": "tool", "tool_call_id": "call_2", "content": "12:00"}]
    message, finish, _ = by_gpt(gpt, streams, model="gemini", messages=turns, tools=GPT_TOOLS)
    assert finish == "stop" and FORECAST in message.content
    # another vendor's server, which knows no such field, is not told of it
    message, _, _ = by_gpt(gpt, streams, model="gpt", messages=turns, tools=GPT_TOOLS)
    assert FORECAST in message.content
    answer = by_claude(claude, streams, model="gemini", messages=QUESTION, tools=CLAUDE_TOOLS)
    called = [(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use" and called == [("call_1", *WANTED[0]), ("call_2", *WANTED[1])]


def test_a_response_that_goes_on_from_gemini_brings_what_it_signed(gpt):
    tools = [{"type": "function", "strict": False, **tool["function"]} for tool in GPT_TOOLS]
    first = gpt.responses.create(model="gemini", input="東京の天気と時刻は？", tools=tools)
    assert [item.call_id for item in first.output] == ["call_1", "call_2"]
    results = [{"type": "function_call_output", "call_id": "call_1", "output": FORECAST}, {"type": "function_call_output", "call_id": "call_2", "output": "12:00"}]
    then = gpt.responses.create(model="gemini", previous_response_id=first.id, input=results, tools=tools)
    assert FORECAST in then.output_text


def test_calls_that_come_by_turns_are_told_one_after_the_other(gpt, claude):
    tools = [{"type": "function", "strict": False, **tool["function"]} for tool in GPT_TOOLS]
    open, done = [], []
    for event in gpt.responses.create(model="turns", input="東京の天気と時刻は？", tools=tools, stream=True):
        if event.type == "response.output_item.added":
            assert not open, "the one before it is over"
            open.append(event.output_index)
        elif event.type == "response.function_call_arguments.delta":
            assert open == [event.output_index]
        elif event.type == "response.output_item.done":
            assert open.pop() == event.output_index
            done.append((event.item.name, json.loads(event.item.arguments)))
    assert done == WANTED and not open
    for event in claude.messages.create(model="turns", max_tokens=500, messages=QUESTION, tools=CLAUDE_TOOLS, stream=True):
        if event.type == "content_block_start":
            assert not open
            open.append(event.index)
        elif event.type == "content_block_delta":
            assert open == [event.index]
        elif event.type == "content_block_stop":
            assert open.pop() == event.index
    message, finish, _ = by_gpt(gpt, True, model="turns", messages=QUESTION, tools=GPT_TOOLS)
    assert finish == "tool_calls" and [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == WANTED


@ways
def test_a_refusal_is_heard_that_comes_in_one_piece_as_if_all_were_well(gpt, streams):
    with pytest.raises(openai.BadRequestError) as refused:
        by_gpt(gpt, streams, model="full", messages=QUESTION)
    assert refused.value.code == "context_length_exceeded"


def choice_at(talker, name: str):
    """How the last request said which tool has to be called."""
    body = talker.requests[-1][1]
    return body["toolConfig"]["toolChoice"] if name == "aws" else body["tool_choice"]


@pytest.mark.parametrize(("name", "forced", "any"), [
    ("gpt", {"type": "function", "function": {"name": "get_time"}}, "required"), ("sol", {"type": "function", "name": "get_time"}, "required"),
    ("claude", {"type": "tool", "name": "get_time"}, {"type": "any"}), ("aws", {"tool": {"name": "get_time"}}, {"any": {}})])
def test_which_tool_has_to_be_called_is_said_in_the_providers_words(gpt, claude, talker, name, forced, any):
    gpt.chat.completions.create(model=name, messages=QUESTION, tools=GPT_TOOLS, tool_choice={"type": "function", "function": {"name": "get_time"}})
    assert choice_at(talker, name) == forced
    claude.messages.create(model=name, max_tokens=9, messages=QUESTION, tools=CLAUDE_TOOLS, tool_choice={"type": "any"})
    assert choice_at(talker, name) == any


@providers
@ways
def test_an_answer_keeps_the_schema_that_was_asked_for(gpt, talker, name, streams):
    wish = {"type": "json_schema", "json_schema": {"name": "lesson", "schema": SCHEMA, "strict": True}}
    message, finish, _ = by_gpt(gpt, streams, model=name, messages=QUESTION, response_format=wish)
    assert finish == "stop" and json.loads(message.content) == {"price": 1, "seats": 1}
    body = talker.requests[-1][1]
    sent = {"gpt": lambda: body["response_format"]["json_schema"]["schema"], "sol": lambda: body["text"]["format"]["schema"], "claude": lambda: body["output_config"]["format"]["schema"],
            "aws": lambda: json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])}[name]()
    assert sent == SCHEMA


@providers
@ways
def test_pictures_arrive_whole(gpt, claude, talker, name, streams):
    shown = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    message, _, _ = by_gpt(gpt, streams, model=name, messages=[{"role": "user", "content": shown}])
    assert message.content == "1 picture(s)" and PIXEL in json.dumps(talker.requests[-1][1])
    shown = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}] * 2 + [{"type": "text", "text": "and these?"}]
    answer = by_claude(claude, streams, model=name, messages=[{"role": "user", "content": shown}])
    assert answer.content[0].text == "2 picture(s)"


BAD_TOOLS = {
    "no good name": [{"type": "function", "function": {"name": "no good name!", "parameters": {}}}],
    "twice": [GPT_TOOLS[0], GPT_TOOLS[0]], "no object": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}],
    "parameters as text": [{"type": "function", "function": {"name": "a", "parameters": "city"}}], "too many": [
        {"type": "function", "function": {"name": f"tool_{n}", "parameters": ARGUMENTS}} for n in range(1001)],
}


@pytest.mark.parametrize("tools", BAD_TOOLS.values(), ids=BAD_TOOLS.keys())
def test_bad_tools_are_refused_by_both_and_nothing_is_asked(gpt, claude, talker, tools):
    before = len(talker.requests)
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="gpt", messages=QUESTION, tools=tools)
    theirs = [{"name": tool["function"]["name"], "input_schema": tool["function"]["parameters"]} for tool in tools]
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="claude", max_tokens=9, messages=QUESTION, tools=theirs)
    assert len(talker.requests) == before


def test_a_provider_that_does_not_know_us_is_the_operators_affair(cluster, tmp_path, talker):
    """Each provider refuses a wrong key; the caller hears that it is not theirs to mend."""
    wrong = {f"NOREN__GATEWAY__PROVIDERS__{name}__API_KEYS": "wrong:wrong" for name in ("GPT", "CLAUDE", "AWS")}
    made = Talker()
    models = {name: model(name, (name, "talker")) for name in ("gpt", "claude", "aws")}
    house = House(cluster.fresh(), **files(tmp_path, models), **(made.env() | wrong))
    client = openai.OpenAI(base_url=f"{house.inference}/v1", api_key=Person(house).join().prove_address().key()["secret"], max_retries=0)
    made.status = 403
    for name in models:
        with pytest.raises(openai.InternalServerError) as failed:
            client.chat.completions.create(model=name, messages=QUESTION)
        assert (failed.value.status_code, failed.value.code) == (502, "upstream_denied")
        assert "wrong" not in str(failed.value)
    house.stop()
    made.close()
