"""Conversations that OpenAI takes and Claude refuses as they are: who moves here with them is answered by each of its vendors.

The doubles refuse what Anthropic and Bedrock refuse (talker.py).
"""

import json

import openai
import psycopg
import pytest

from house import House
from shop import files, model, run_of
from talker import FORECAST, PLAIN
from test_doors_tools import GPT_TOOLS, QUESTION, by_gpt, ways

SAID = "".join(PLAIN)
SYSTEM = {"role": "system", "content": "挨拶して"}
EMPTY, SPEECHLESS = {"role": "user", "content": ""}, {"role": "assistant", "content": ""}
providers = pytest.mark.parametrize("name", ["gpt", "sol", "claude", "aws"])


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {name: model(name, (name, "anthropic.talker-v1:0")) for name in ("gpt", "claude", "aws")}
    models["sol"] = model("sol", ("gpt", "sol")).replace('"sol", rank', '"sol", api = "responses", rank')
    models["all"] = model("all", ("claude", "a"), ("aws", "b"), ("gpt", "c"))
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("turns"), models), **talker.env())
    yield made
    made.stop()


@providers
@ways
@pytest.mark.parametrize("tools", [{}, {"tools": GPT_TOOLS, "tool_choice": "none"}], ids=["without tools", "with none to call"])
def test_an_agent_that_may_call_no_more_has_its_results_summed_up(gpt, talker, name, streams, tools):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "東京"}'}}]
    turns = [*QUESTION, {"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "call_1", "content": FORECAST},
             {"role": "user", "content": "まとめて"}]
    message, finish, _ = by_gpt(gpt, streams, model=name, messages=turns, **tools)
    assert finish == "stop" and message.content and not message.tool_calls
    asked = json.dumps(talker.requests[-1][1], ensure_ascii=False)
    assert "get_weather" in asked and FORECAST in asked, "it is told what was called and said"


TURNS = {"a system message alone": [SYSTEM], "an empty question": [SYSTEM, EMPTY], "an empty answer": [*QUESTION, SPEECHLESS, *QUESTION],
         "an empty end": [*QUESTION, {"role": "user", "content": " \n"}], "a greeting": [{"role": "assistant", "content": "いらっしゃい"}, *QUESTION],
         "a greeting after nothing": [EMPTY, {"role": "assistant", "content": "いらっしゃい"}, *QUESTION]}


@providers
@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS.keys())
def test_turns_as_openai_takes_them_are_answered_by_all(gpt, name, turns):
    message, finish, _ = by_gpt(gpt, False, model=name, messages=turns)
    assert (message.content, finish) == (SAID, "stop")


def test_where_nothing_is_said_claude_is_not_asked_and_the_caller_is_told(shop, gpt, talker):
    def count() -> tuple:
        with psycopg.connect(shop.database) as database:
            return database.execute("select (select count(*) from entitlement.usage), (select count(*) from gateway.run)").fetchone()

    before = len(talker.requests), count()
    for name in ("claude", "aws"):
        with pytest.raises(openai.BadRequestError) as refused:
            gpt.chat.completions.create(model=name, messages=[{"role": "system", "content": " "}, EMPTY])
        assert refused.value.code == "nothing_said" and "messages" in str(refused.value)
    assert (len(talker.requests), count()) == before
    assert by_gpt(gpt, False, model="all", messages=[EMPTY])[0].content == SAID
    assert [path for path, _ in talker.requests[before[0]:]] == ["/openai/v1/chat/completions"]


@providers
@ways
def test_an_answer_ends_at_white_space_where_it_was_asked_to(shop, secret, gpt, talker, name, streams):
    message, finish, _ = by_gpt(gpt, streams, model=name, messages=QUESTION, stop=["\n", "\nQ:"])
    assert (message.content, finish) == (SAID, "stop"), "there is none in it"
    if name == "gpt":
        return  # its protocol has a place for all of them, and the double stops at none
    raw = gpt.chat.completions.with_raw_response.create(model=name, messages=QUESTION, stop=[" "], stream=streams)
    answer = raw.parse()
    said = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) if streams else answer.choices[0].message.content
    assert said == PLAIN[0] + PLAIN[1]
    known = run_of(shop, secret, raw.headers["x-noren-run"])
    assert (known["state"], known["tokens_in"], known["tokens_out"]) == ("completed", *talker.claimed[-1]), "what was made is paid"
