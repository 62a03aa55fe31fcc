"""The kits that people build with, and requests as coding agents send them: each drives the doors as it would its vendor's."""

import asyncio
import json

import anthropic
import httpx
import openai
import pydantic
import pytest
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, SQLiteSession, function_tool, set_tracing_disabled
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic_ai import Agent as Pydantic
from pydantic_ai import BinaryContent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel as PydanticResponses
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from house import House
from people import Person
from shop import files, model
from talker import CALLS, FORECAST, PLAIN, seal

QUESTION = "東京の天気と時刻は？"
SAID = "".join(PLAIN)
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478da63f8cfc0000003010100c9fe92ef0000000049454e44ae426082")
# as coding agents describe their tools
BASH = {"name": "Bash", "description": "Runs a command. " * 40, "cache_control": {"type": "ephemeral"}, "eager_input_streaming": True,
        "input_schema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"command": {"type": "string"}},
                         "required": ["command"], "additionalProperties": False}}
kits = pytest.mark.parametrize("kit", ["chat", "responses", "stored", "messages"])


class Trip(pydantic.BaseModel):
    """What a trip costs."""

    price: int
    seats: int


def get_weather(city: str, days: int = 1) -> str:
    """Asks for the weather."""
    return f"{FORECAST} {city} {days}"


def get_time(zone: str) -> str:
    """Asks for the time."""
    return f"12:00 {zone}"


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {name: model(name, (name, "talker")) for name in ("gpt", "claude")}
    models |= {"vectors": model("vectors", ("sandbox", "sandbox-embedding"), more='type = "embedding"'),
               "broken": model("broken", ("sandbox", "sandbox-fault-500"))}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("clients"), models), **talker.env())
    yield made
    made.stop()


@pytest.fixture
def chain(shop, secret):
    """LangChain's models, by the protocol that they speak."""
    def made(kit: str, name: str = "", key: str = secret):
        if kit == "messages":
            return ChatAnthropic(model=name or "claude", base_url=shop.inference, api_key=key, max_retries=0)
        more = {"use_responses_api": kit != "chat", "use_previous_response_id": kit == "stored"}
        return ChatOpenAI(model=name or "gpt", base_url=f"{shop.inference}/v1", api_key=key, max_retries=0, stream_usage=True, **more)
    return made


def gathered(chunks):
    """The message that the pieces of a stream make."""
    whole = next(chunks)
    for chunk in chunks:
        whole += chunk
    return whole


@kits
def test_langchain_hears_the_same_whole_and_streamed_and_has_its_tools_called(chain, kit):
    plain = chain(kit)
    whole, streamed = plain.invoke("hello"), gathered(plain.stream("hello"))
    assert whole.text == streamed.text == SAID
    assert whole.usage_metadata["output_tokens"] == streamed.usage_metadata["output_tokens"] > 0
    armed = plain.bind_tools([get_weather, get_time])
    for asks in (armed.invoke, lambda turns: gathered(armed.stream(turns))):
        turns = [HumanMessage(QUESTION)]
        turns.append(asks(turns))
        calls = turns[-1].tool_calls
        assert [(call["name"], call["args"]) for call in calls] == [(name, json.loads("".join(pieces))) for _, name, pieces in CALLS]
        turns += [ToolMessage(f"{FORECAST} {call['name']}", tool_call_id=call["id"]) for call in calls]
        answer = asks(turns)
        assert f"{FORECAST} get_weather" in answer.text and f"{FORECAST} get_time" in answer.text
    assert plain.with_structured_output(Trip, method="json_schema").invoke(QUESTION) == Trip(price=1, seats=1)


@kits
def test_langchain_tells_a_failure_by_its_own_exceptions(chain, kit):
    errors = anthropic if kit == "messages" else openai
    for name, key, kind in (("nothing", None, errors.NotFoundError), ("", "nrn_wrong", errors.AuthenticationError), ("broken", None, errors.InternalServerError)):
        with pytest.raises(kind) as failed:
            chain(kit, name, **({"key": key} if key else {})).invoke("hello")
        assert failed.value.request_id.startswith("req_")


def test_langchains_older_class_completes_whole_streamed_and_many_at_once(shop, secret, talker):
    completes = OpenAI(model="gpt", base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0, seed=7, n=2)
    alone = OpenAI(model="gpt", base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0)
    assert alone.invoke("hello") == "".join(alone.stream("hello")) == SAID
    made = completes.generate([f"hello {number}" for number in range(3)])
    assert [[one.text for one in each] for each in made.generations] == [[SAID] * 2] * 3
    assert made.llm_output["token_usage"]["completion_tokens"] > 0
    asked = sorted((sent["messages"][0]["content"], sent["seed"]) for _, sent in talker.requests[-6:])
    assert asked == [(f"hello {number}", seed) for number in range(3) for seed in (7, 8)], "with one seed all answers were alike"
    assert alone.batch([f"hello {number}" for number in range(20)]) == [SAID] * 20
    with pytest.raises(openai.NotFoundError):
        OpenAI(model="nothing", base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0).invoke("hello")


def test_langchain_has_texts_placed(shop, secret):
    """Words, not tokens: LangChain would count those by OpenAI's vocabulary, whoever's model it is."""
    placed = OpenAIEmbeddings(model="vectors", base_url=f"{shop.inference}/v1", api_key=secret, check_embedding_ctx_length=False)
    one, two = placed.embed_documents(["a bird", "a bird in the hand"])
    assert len(one) == len(two) == 256 and placed.embed_query("a bird") == one


@pytest.mark.parametrize("kind", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
def test_openais_agents_run_their_tools_streamed_and_whole_and_remember(shop, secret, kind):
    set_tracing_disabled(True)

    async def talk():
        client = openai.AsyncOpenAI(base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0)
        spoken = kind(model="gpt", openai_client=client)
        settings = ModelSettings(parallel_tool_calls=True, store=False, truncation="auto", include_usage=True)
        agent = Agent(name="a", instructions="kind", model=spoken, tools=[function_tool(get_weather), function_tool(get_time)], model_settings=settings)
        whole = (await Runner.run(agent, QUESTION)).final_output
        streamed = Runner.run_streamed(agent, QUESTION)
        assert [event async for event in streamed.stream_events()]
        session = SQLiteSession("one")
        await Runner.run(agent, QUESTION, session=session)
        again = await Runner.run(agent, "もう一度", session=session)
        shaped = await Runner.run(Agent(name="b", model=spoken, output_type=Trip), QUESTION)
        return whole, streamed.final_output, again.final_output, shaped.final_output

    *said, shaped = asyncio.run(talk())
    assert all(FORECAST in one and "12:00 Asia/Tokyo" in one for one in said) and shaped == Trip(price=1, seats=1)


@pytest.mark.parametrize("kind", ["chat", "responses", "messages"])
def test_pydantics_agents_run_their_tools_and_see_pictures(shop, secret, kind):
    ours = OpenAIProvider(base_url=f"{shop.inference}/v1", api_key=secret)
    spoken = {"chat": lambda: OpenAIChatModel("gpt", provider=ours), "responses": lambda: PydanticResponses("gpt", provider=ours),
              "messages": lambda: AnthropicModel("claude", provider=AnthropicProvider(base_url=shop.inference, api_key=secret))}[kind]()
    armed = Pydantic(spoken, tools=[get_weather, get_time], system_prompt="kind")

    async def talk():
        whole = await armed.run(QUESTION)
        again = await armed.run("もう一度", message_history=whole.all_messages())
        async with armed.run_stream(QUESTION) as answer:
            streamed = "".join([piece async for piece in answer.stream_text(delta=True)])
        shown = await Pydantic(spoken).run(["look", BinaryContent(PIXEL, media_type="image/png")])
        if kind != "messages":  # which of Anthropic's models can is on a list of its own
            assert (await Pydantic(spoken, output_type=NativeOutput(Trip)).run(QUESTION)).output == Trip(price=1, seats=1)
        return whole.output, again.output, streamed, shown.output

    *said, shown = asyncio.run(talk())
    assert all(FORECAST in one and "12:00 Asia/Tokyo" in one for one in said) and shown == "1 picture(s)"


# --- as coding agents and other kits ask ---------------------------------------------------------------------------


def weather(**more) -> dict:
    return {"type": "function", "name": "get_weather", "description": "asks", "strict": False,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}} | more


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_items_of_a_stored_response_stand_for_what_they_said(gpt, talker, streams):
    """Vercel's AI SDK names them so, by default, in each turn that follows."""
    question = {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}
    ask = {"model": "gpt", "input": [question], "tools": [weather()]}
    if streams:
        *_, last = gpt.responses.create(**ask, stream=True)
        made = last.response
    else:
        made = gpt.responses.create(**ask)
    [call] = made.output
    done = [question, {"type": "item_reference", "id": call.id}, {"type": "function_call_output", "call_id": call.call_id, "output": FORECAST}]
    answer = gpt.responses.create(model="gpt", input=done, tools=[weather()])
    assert FORECAST in answer.output_text
    _, sent = talker.requests[-1]
    assert sent["messages"][1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": "".join(CALLS[0][2])}
    more = [*done, {"type": "item_reference", "id": answer.output[0].id}, {"role": "user", "content": "thanks"}]
    gpt.responses.create(model="gpt", input=more)
    assert talker.requests[-1][1]["messages"][-2] == {"role": "assistant", "content": answer.output_text}


def test_an_item_that_is_not_kept_or_not_ones_own_is_not_known(shop, gpt):
    other = Person(shop).join().prove_address().key()["secret"]
    theirs = openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=other, max_retries=0).responses.create(model="gpt", input="hello")
    unstored = gpt.responses.create(model="gpt", input="hello", store=False)
    gone = gpt.responses.create(model="gpt", input="hello")
    gpt.responses.delete(gone.id)
    for id in (theirs.output[0].id, unstored.output[0].id, gone.output[0].id, "msg_x_0", "rs_1"):
        with pytest.raises(openai.NotFoundError) as failed:
            gpt.responses.create(model="gpt", input=[{"type": "item_reference", "id": id}, {"role": "user", "content": "thanks"}])
        assert failed.value.param == "/input/0/id"


def test_a_coding_agents_tools_of_free_text_and_of_namespaces_are_called(gpt, talker):
    tools = [{"type": "custom", "name": "get_weather", "description": "asks", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
             {"type": "namespace", "name": "mcp__files", "description": "d", "tools": [weather(name="read", defer_loading=True)]},
             {"type": "web_search", "external_web_access": False}]
    ask = {"model": "gpt", "instructions": "You code.", "tools": tools, "tool_choice": "auto", "parallel_tool_calls": True, "store": False,
           "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k", "reasoning": {"effort": "medium", "summary": "auto"},
           "text": {"verbosity": "low"}, "extra_body": {"client_metadata": {"a": "b"}}}
    turn = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]}
    events = list(gpt.responses.create(**ask, input=[turn], stream=True))
    assert [tool["function"]["name"] for tool in talker.requests[-1][1]["tools"]] == ["get_weather", "mcp__files__read"]
    [call] = events[-1].response.output
    assert (call.type, call.name, call.input) == ("custom_tool_call", "get_weather", "".join(CALLS[0][2]))
    assert [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"] == [call.input]
    assert [tool.type for tool in events[-1].response.tools] == ["custom", "namespace"], "what no model was told of is not in force"
    done = [turn, {"type": "reasoning", "summary": [], "encrypted_content": "x"}, call.model_dump(exclude_none=True),
            {"type": "custom_tool_call_output", "call_id": call.call_id, "output": FORECAST}]
    assert FORECAST in gpt.responses.create(**ask, input=done).output_text


@pytest.mark.parametrize("tool", [{"type": "local_shell"}, {"type": "file_search", "vector_store_ids": ["v"]}, {"type": "mcp", "server_label": "a"}])
def test_what_would_have_to_run_at_the_vendor_is_refused(gpt, tool):
    with pytest.raises(openai.BadRequestError) as failed:
        gpt.responses.create(model="gpt", input="hello", tools=[tool])
    assert failed.value.param == "/tools/0/type"


def agents_turn(**more) -> dict:
    """A request as Claude Code sends it."""
    return {"model": "claude", "max_tokens": 64_000, "temperature": 1, "metadata": {"user_id": "user_1"}, "tools": [BASH],
            "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "context_management": {"edits": []},
            "system": [{"type": "text", "text": "You code.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}]}]} | more


@pytest.mark.parametrize("name", ["claude", "gpt"])
def test_a_coding_agents_messages_are_answered(shop, secret, name):
    headers = {"authorization": f"Bearer {secret}", "anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219,context-management-2025-06-27"}
    done = [{"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": seal("hm")},
                                              {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": False, "content": [
                {"type": "text", "text": FORECAST}, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a page"}}]}]}]
    for turns in ({}, {"messages": done}):
        answer = httpx.post(f"{shop.inference}/v1/messages?beta=true", headers=headers, json=agents_turn(model=name, **turns), timeout=20)
        assert answer.status_code == 200, answer.text
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert FORECAST in answer.text and "a page" in answer.text


def test_a_document_that_is_no_pdf_is_refused_in_words(claude):
    file = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGVsbG8="}}
    with pytest.raises(anthropic.BadRequestError, match="PDF"):
        claude.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": [file]}])


def test_tools_count_where_tokens_are_counted(claude):
    turns = [{"role": "user", "content": "hello"}]
    bare, armed = (claude.messages.count_tokens(model="claude", messages=turns, **more).input_tokens for more in ({}, {"tools": [BASH]}))
    assert bare < 20 and armed > bare + 100


def test_models_are_listed_in_the_words_of_whoever_asks(shop, gpt, claude):
    names = [card.id for card in gpt.models.list()]
    pages = claude.models.list(limit=2)
    assert len(pages.data) == 2 and pages.has_more
    assert [card.id for card in pages] == names and {card.type for card in pages} == {"model"}
    assert claude.models.retrieve("gpt").display_name == "gpt" and gpt.models.retrieve("gpt").object == "model"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nothing")
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="nrn_wrong").models.list()
    with pytest.raises(anthropic.BadRequestError):
        claude.models.list(limit=0)


def test_what_is_not_here_is_said_in_the_vendors_words(shop, gpt, claude):
    with pytest.raises(openai.NotFoundError) as failed:
        gpt.moderations.create(input="hello")
    assert failed.value.code == "unknown_url" and "POST /v1/moderations" in failed.value.message
    with pytest.raises(anthropic.NotFoundError) as failed:
        claude.messages.batches.list()
    assert failed.value.body["error"]["type"] == "not_found_error"
    wrong = httpx.get(f"{shop.inference}/v1/chat/completions")
    assert (wrong.status_code, wrong.json()["error"]["code"], wrong.headers["allow"]) == (405, "method_not_supported", "POST")
    assert httpx.head(shop.inference).status_code == 404


@pytest.mark.parametrize(("asked", "said"), [("*", "There is no model"), ("fr", "There is no model"),
                                             ("zh-CN,zh;q=0.9", "There is no model"), ("fr, ja;q=0.5", "モデルはありません"), ("ja", "モデルはありません")])
def test_a_client_that_takes_any_language_reads_english(gpt, asked, said):
    """As `fetch` of Node.js says by itself; and who names none of the house's languages."""
    with pytest.raises(openai.NotFoundError, match=said):
        gpt.chat.completions.create(model="nothing", messages=[{"role": "user", "content": "hello"}], extra_headers={"accept-language": asked})


def test_an_answer_whose_length_is_left_open_has_room(gpt, talker):
    gpt.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hello"}])
    gpt.responses.create(model="gpt", input="hello")
    assert [sent["max_tokens"] for _, sent in talker.requests[-2:]] == [4096, 4096]
