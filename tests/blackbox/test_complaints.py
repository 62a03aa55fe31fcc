"""What a provider complains of: what it means to who asked, and how much of it the log has."""

import anthropic
import openai
import pytest

from house import House
from shop import files

HELLO = [{"role": "user", "content": "How is the weather in Tokyo?"}]
DIAGNOSIS = "昨日の検査で、診断の結果があまり良くなかったのです。"
TOO_LONG = {"openai": {"error": {"message": "Your input exceeds the context window.", "type": "invalid_request_error", "code": "context_length_exceeded", "param": None}},
            "vllm": {"object": "error", "message": "This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens.",
                     "type": "BadRequestError", "param": None, "code": 400},
            "anthropic": {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 200012 tokens > 200000 maximum"}}}


def model(name: str, *providers: str) -> str:
    listed = ", ".join(f'{{ model = "{name}", rank = {rank}, provider = "{provider}" }}' for rank, provider in enumerate(providers))
    return f'[[model]]\nname = "{name}"\nprices = [{{ from = "2025-01-01", input = 1000000, output = 5000000 }}]\ntargets = [{listed}]\n'


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    models = {name: model(name, *providers) for name, providers in {"gpt": ["gpt"], "opus": ["claude"], "both": ["claude", "gpt"], "gone": ["gone"]}.items()}
    gone = {"NOREN__GATEWAY__PROVIDERS__GONE__BASE_URL": "http://me:canary-in-address@127.0.0.1:1/v1", "NOREN__GATEWAY__PROVIDERS__GONE__API_KEYS": "sk-none"}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("complaints"), models), **talker.env(), **gone)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def well(talker):
    yield
    talker.complains = {}


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("name", "path", "told"), [("gpt", "/openai", "openai"), ("gpt", "/openai", "vllm"), ("opus", "/anthropic", "anthropic")],
                         ids=["openai", "vllm", "anthropic"])
def test_who_asks_too_much_is_told_so_in_the_words_that_clients_look_for(gpt, claude, talker, name, path, told, streams):
    talker.complains = {path: (400, TOO_LONG[told])}
    with pytest.raises(openai.BadRequestError) as refused:
        list(gpt.chat.completions.create(model=name, messages=HELLO, stream=streams))
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(model=name, messages=HELLO, max_tokens=50, stream=streams)
    assert "prompt is too long" in refused.value.message


def test_what_is_too_long_for_one_target_is_asked_of_the_next_and_no_target_is_blamed(gpt, talker):
    talker.complains = {"/anthropic": (400, TOO_LONG["anthropic"])}
    for _ in range(10):
        before = len(talker.requests)
        assert gpt.chat.completions.create(model="both", messages=HELLO).choices[0].message.content
        assert [path for path, _ in talker.requests[before:]] == ["/anthropic/v1/messages", "/openai/v1/chat/completions"]


def test_the_log_has_a_providers_words_and_not_those_that_it_quotes(shop, gpt, talker):
    own = "Unsupported parameter: 'max_tokens' is not supported with this model."
    ask = [{"role": "user", "content": DIAGNOSIS}]
    for message in [own, f"[{{'msg': 'should be a string', 'input': '{DIAGNOSIS}'}}]", "first line\n2026-11-24 INFO forged\x1b[31m" + "x" * 9_000]:
        talker.complains = {"/openai": (400, {"error": {"message": message, "type": "invalid_request_error", "code": None}})}
        with pytest.raises(openai.BadRequestError):
            gpt.chat.completions.create(model="gpt", messages=ask)
    log = shop.log()
    assert own in log and "quotes what was asked" in log
    assert DIAGNOSIS[5:15] not in log and "\\u8a3a" not in log
    assert "first line 2026" in log and "\x1b[31m" not in log and max(map(len, log.splitlines())) < 3_000


def test_the_log_says_why_nobody_was_reached_and_not_where(shop, gpt):
    with pytest.raises(openai.InternalServerError):
        gpt.chat.completions.create(model="gone", messages=HELLO)
    assert "Connection refused" in shop.log() and "canary-in-address" not in shop.log()
