"""Documents: from each official client to each provider's dialect, to those that read them alone, and refused where they are none.

The providers are judged by their own libraries (talker.py), and tell which PDF they were given.
"""

import base64
import time
import zlib

import anthropic
import httpx
import openai
import psycopg
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent as Pydantic
from pydantic_ai import BinaryContent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from house import House
from people import Person
from shop import files, model
from talker import fetched, flat
from test_doors_batches import begin, ended, results, upload
from test_doors_tools import CLAUDE_TOOLS, by_claude, by_gpt, ways

PAGES = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>endobj\n" \
        b"3 0 obj<</Type/Page/Parent 2 0 R>>endobj\n4 0 obj<</Type/Page/Parent 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
PDF = base64.b64encode(PAGES).decode()
DATA_URL = f"data:application/pdf;base64,{PDF}"
URL = "https://example.test/a.pdf"
# sol is OpenAI's too, asked by the Responses API
providers = pytest.mark.parametrize("name", ["gpt", "sol", "claude", "aws"])


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    def reads(name: str, *targets: tuple[str, str], only: tuple[str, ...] = ()) -> str:
        made = model(name, *targets)
        for provider, _ in targets:
            if not only or provider in only:
                made = made.replace(f'provider = "{provider}"', f'provider = "{provider}", pdf = true')
        return made

    models = {name: reads(name, (name, "anthropic.talker-v1:0")) for name in ("gpt", "claude", "aws")}
    models["sol"] = reads("sol", ("gpt", "sol")).replace("pdf = true", 'pdf = true, api = "responses"')
    models |= {"blind": model("blind", ("gpt", "blind")), "either": reads("either", ("gpt", "blind"), ("claude", "sighted"), only=("claude",)),
               "all": reads("all", ("gpt", "a"), ("aws", "b"), ("claude", "c")), "stand-in": reads("stand-in", ("sandbox", "sandbox-obedient")),
               "shown": model("shown", ("gpt", "shown"), more='shadow = { model = "blind", percent = 100 }').replace('"gpt"', '"gpt", pdf = true')}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("documents"), models), **talker.env())
    yield made
    made.stop()


def given(name: str, data: str = PDF) -> str:
    """How a provider tells of a PDF that it was given."""
    return f"{name}: {zlib.crc32(data.encode()):08x}"


def block(title: str | None = None, **more) -> dict:
    made = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}} | more
    return made | {"title": title} if title else made


def part(name: str = "a.pdf", data: str = DATA_URL) -> dict:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def turn(*parts: dict, text: str = "text") -> list[dict]:
    return [{"role": "user", "content": [*parts, {"type": text, "text": "what is in it?"}]}]


@providers
@ways
def test_a_pdf_arrives_whole_from_each_client(gpt, claude, name, streams):
    called = {"gpt": "a.pdf", "sol": "a.pdf", "claude": "a.pdf", "aws": "a"}[name]
    message, _, usage = by_gpt(gpt, streams, model=name, messages=turn(part()))
    assert message.content == given(called) and usage.prompt_tokens > 0
    answer = by_claude(claude, streams, model=name, messages=turn(block("a.pdf", cache_control={"type": "ephemeral"}, citations={"enabled": False})))
    assert answer.content[0].text == given(called)
    ask = {"model": name, "input": turn({"type": "input_file", "filename": "a.pdf", "file_data": DATA_URL}, text="input_text")}
    if streams:
        with gpt.responses.stream(**ask) as stream:
            assert stream.get_final_response().output_text == given(called)
    else:
        assert gpt.responses.create(**ask).output_text == given(called)


@providers
def test_several_are_told_apart_though_they_are_called_the_same(gpt, claude, name):
    both = {"gpt": ["見積.pdf", "見積.pdf"], "sol": ["見積.pdf", "見積.pdf"], "claude": ["見積.pdf", "見積.pdf"], "aws": ["document", "document (2)"]}[name]
    message, _, _ = by_gpt(gpt, False, model=name, messages=turn(part("見積.pdf"), part("見積.pdf")))
    assert message.content == "; ".join(map(given, both))
    none = {"gpt": "document.pdf", "sol": "document.pdf", "claude": "-", "aws": "document"}[name]
    assert by_claude(claude, False, model=name, messages=[{"role": "user", "content": [block()]}]).content[0].text == given(none)


@providers
def test_a_tool_gives_one_to_read(gpt, claude, name):
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {"zone": "UTC"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "here it is"}, block("a.pdf")]}
    said = by_claude(claude, False, model=name, tools=CLAUDE_TOOLS, messages=[
        {"role": "user", "content": "go"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]).content[0].text
    called = "a" if name == "aws" else "a.pdf"
    assert "here it is" in said and said.endswith(given(called))
    items = [{"role": "user", "content": "go"}, {"type": "function_call", "call_id": "c", "name": "get_time", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "here it is"},
                                                                         {"type": "input_file", "filename": "a.pdf", "file_data": DATA_URL}]}]
    tool = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}, "strict": False}
    assert gpt.responses.create(model=name, input=items, tools=[tool]).output_text.endswith(given(called))


def test_the_next_turn_still_has_it(gpt):
    ask = turn({"type": "input_file", "filename": "a.pdf", "file_data": DATA_URL}, text="input_text")
    first = gpt.responses.create(model="claude", input=ask)
    assert gpt.responses.create(model="claude", input="and now?", previous_response_id=first.id).output_text == given("a.pdf")


def test_text_is_words_to_every_model(gpt, claude, talker):
    data = base64.b64encode("# 見出し".encode()).decode()
    by_gpt(gpt, False, model="blind", messages=turn(part("a.md", f"data:text/markdown;base64,{data}")))
    assert flat(talker.requests[-1][1]["messages"][0]["content"]).startswith("a.md\n# 見出し")
    source = {"type": "text", "media_type": "text/plain", "data": "# 見出し"}
    by_claude(claude, False, model="blind", messages=turn(block("a.md", source=source)))
    assert flat(talker.requests[-1][1]["messages"][0]["content"]).startswith("a.md\n# 見出し")


def test_only_those_that_read_it_are_asked(gpt, claude, talker):
    assert by_gpt(gpt, False, model="either", messages=turn(part()))[0].content == given("a.pdf")
    assert talker.requests[-1][0] == "/anthropic/v1/messages" and talker.requests[-1][1]["model"] == "sighted"
    by_gpt(gpt, False, model="either", messages=turn())
    assert talker.requests[-1][0] == "/openai/v1/chat/completions", "without one the first is asked as before"
    # of an address the others know nothing
    at = {"type": "document", "source": {"type": "url", "url": URL}}
    for said in (by_claude(claude, False, model="all", messages=turn(at)).content[0].text,
                 gpt.responses.create(model="all", input=turn({"type": "input_file", "file_url": URL}, text="input_text")).output_text):
        assert said == given("-", fetched(URL)) and talker.requests[-1][1]["model"] == "c"
    many = turn(*(part(f"{n}.pdf") for n in range(6)))
    by_gpt(gpt, False, model="all", messages=many)
    assert talker.requests[-1][1]["model"] == "a"
    before = len(talker.requests)
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="aws", messages=many)
    assert len(talker.requests) == before, "AWS takes five"


def test_the_shadow_of_a_model_hears_of_no_pdf_that_it_cannot_read(gpt, talker):
    by_gpt(gpt, False, model="shown", messages=turn(part()))
    by_gpt(gpt, False, model="shown", messages=[{"role": "user", "content": "shadowed"}])
    deadline = time.monotonic() + 20
    while not (asked := [body for _, body in talker.requests if body.get("model") == "blind" and "shadowed" in str(body)]):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # until the shadow was asked, of which nobody is told
    assert not any(PDF in str(body) for _, body in talker.requests if body.get("model") == "blind"), asked


def test_a_job_may_have_one(shop, secret, talker):
    def ask(name: str) -> httpx.Response:
        return httpx.post(f"{shop.inference}/v2/{name}/runsync", headers={"authorization": secret}, json={"input": {"messages": turn(part())}}, timeout=30)

    assert ask("claude").json()["status"] == "COMPLETED" and given("a.pdf") in ask("claude").text
    before = len(talker.requests)
    refused = ask("blind")
    assert (refused.status_code, refused.json()["code"], len(talker.requests)) == (400, "documents_unreadable", before)


def test_a_line_of_a_batch_may_have_one(gpt):
    lines = [{"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {"model": name, "messages": turn(part())}} for name in ("gpt", "blind")]
    done = ended(gpt, begin(gpt, upload(gpt, *lines)))
    [answer], [error] = results(gpt, done.output_file_id), results(gpt, done.error_file_id)
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == given("a.pdf")
    assert error["custom_id"] == "blind" and "documents_unreadable" in str(error)


kits = pytest.mark.parametrize("kit", ["chat", "responses", "messages"])


@kits
def test_langchain_sends_one(shop, secret, kit):
    spoken = ChatAnthropic(model="claude", base_url=shop.inference, api_key=secret, max_retries=0) if kit == "messages" else \
        ChatOpenAI(model="gpt", base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0, use_responses_api=kit == "responses")
    file = {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"}
    said = spoken.invoke([HumanMessage([file, {"type": "text", "text": "what is in it?"}])]).text
    assert said.endswith(given("a.pdf").rpartition(":")[2])


@kits
def test_pydantics_agents_send_one(shop, secret, kit):
    ours = OpenAIProvider(base_url=f"{shop.inference}/v1", api_key=secret)
    spoken = {"chat": lambda: OpenAIChatModel("gpt", provider=ours), "responses": lambda: OpenAIResponsesModel("gpt", provider=ours),
              "messages": lambda: AnthropicModel("claude", provider=AnthropicProvider(base_url=shop.inference, api_key=secret))}[kit]()
    shown = Pydantic(spoken).run_sync(["what is in it?", BinaryContent(PAGES, media_type="application/pdf")])
    assert shown.output.endswith(given("a.pdf").rpartition(":")[2])


def taken(shop) -> tuple:
    """What the database knows of runs and of what is set aside."""
    with psycopg.connect(shop.database) as database:
        return database.execute("select (select count(*) from gateway.run), (select count(*) from entitlement.reservation where state = 'open')").fetchone()


def test_a_model_that_tells_nothing_of_its_tokens_refuses_to_be_asked(shop, secret, gpt, talker):
    before = len(talker.requests), taken(shop)
    asked = {"messages": [{"role": "user", "content": "hello"}], "logprobs": True}
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="claude", **asked)
    assert (refused.value.code, refused.value.type) == ("logprobs_untold", "invalid_request_error") and "logprobs" in str(refused.value)
    for wrong, place in [({"top_logprobs": 21}, "top_logprobs"), ({"logprobs": False, "top_logprobs": 2}, "top_logprobs"), ({"logprobs": 5}, "logprobs")]:
        with pytest.raises(openai.BadRequestError) as refused:
            gpt.chat.completions.create(model="gpt", **(asked | wrong))
        assert place in refused.value.param, wrong
    assert (len(talker.requests), taken(shop)) == before


def test_a_model_that_reads_none_refuses_it_in_the_words_of_each_door(shop, gpt, claude, talker):
    before = len(talker.requests), taken(shop)
    for ask in (lambda: gpt.chat.completions.create(model="blind", messages=turn(part())),
                lambda: gpt.responses.create(model="blind", input=turn({"type": "input_file", "file_data": DATA_URL}, text="input_text"))):
        with pytest.raises(openai.BadRequestError) as refused:
            ask()
        assert (refused.value.code, refused.value.type) == ("documents_unreadable", "invalid_request_error") and "PDF" in str(refused.value)
    with pytest.raises(anthropic.BadRequestError, match="PDF") as said:
        claude.messages.create(model="blind", max_tokens=9, messages=turn(block()))
    assert said.value.body["error"]["type"] == "invalid_request_error"
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="gpt", messages=turn({"type": "file", "file": {"file_id": URL}}))
    assert (len(talker.requests), taken(shop)) == before


BAD = {
    "no base64": "%%%", "no pdf": base64.b64encode(b"PK\3\4 zip").decode(), "empty": "", "cut": PDF[:-1],
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_no_document_is_refused_at_its_place_and_nothing_is_asked(shop, gpt, claude, talker, data):
    before = len(talker.requests), taken(shop)
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="gpt", messages=turn(part(data=f"data:application/pdf;base64,{data}")))
    assert refused.value.param == "/messages/0/content/0/file/file_data"
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.responses.create(model="gpt", input=turn({"type": "input_file", "file_data": f"data:application/pdf;base64,{data}"}, text="input_text"))
    assert refused.value.param == "/input/0/content/0/file_data"
    with pytest.raises(anthropic.BadRequestError, match="/messages/0/content/0/source/data"):
        claude.messages.create(model="claude", max_tokens=9, messages=turn(block(source={"type": "base64", "media_type": "application/pdf", "data": data})))
    assert (len(talker.requests), taken(shop)) == before


def test_what_cannot_be_had_is_said(gpt, claude, talker):
    before = len(talker.requests)
    for file in ({"file_id": "file-1"}, {"file_data": f"data:application/zip;base64,{PDF}"}, {"filename": "a.pdf"}):
        with pytest.raises(openai.BadRequestError):
            gpt.chat.completions.create(model="gpt", messages=turn({"type": "file", "file": file}))
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="gpt", messages=turn(*[part()] * 101))
    for wrong, word in ((block(citations={"enabled": True}), "Citations"), (block(source={"type": "file", "file_id": "file_1"}), "sent before")):
        with pytest.raises(anthropic.BadRequestError, match=word):
            claude.messages.create(model="claude", max_tokens=9, messages=turn(wrong))
    with pytest.raises(openai.APIStatusError) as large:
        gpt.chat.completions.create(model="gpt", messages=turn(part(data="data:application/pdf;base64," + PDF[:4] * (5 << 20))))
    assert large.value.status_code == 413
    assert len(talker.requests) == before


def test_pages_count_where_tokens_are_counted(claude):
    bare, with_one, at = (claude.messages.count_tokens(model="claude", messages=turn(*blocks)).input_tokens for blocks in (
        [], [block()], [{"type": "document", "source": {"type": "url", "url": URL}}]))
    assert (with_one - bare, at - bare) == (6_000, 300_000)


def test_that_there_was_one_is_kept_and_nothing_of_it(shop, talker):
    person = Person(shop).join().prove_address()
    client = openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=person.key()["secret"], max_retries=0)
    answer = client.chat.completions.with_raw_response.create(model="gpt", messages=turn(part("極秘.pdf"), part("b.pdf")))
    detail = person.page(f"/history/{answer.headers['x-noren-run']}")
    [message] = detail["messages"]
    assert (message["documents"], message["images"], message["text"]) == (2, 0, "what is in it?")
    assert PDF not in str(detail["messages"]) and "極秘" not in str(detail["messages"])


def test_the_stand_in_tells_what_it_was_given(gpt):
    message, _, _ = by_gpt(gpt, False, model="stand-in", messages=[{"role": "user", "content": [part(), {"type": "text", "text": "[files]"}]}])
    assert message.content == f"a.pdf application/pdf {len(PAGES)}"
