"""The double itself, asked by the official client: what judges us must be right first."""

import openai
import pytest

import double


def client(upstream) -> openai.OpenAI:
    return openai.OpenAI(base_url=upstream.url, api_key=double.KEY, max_retries=0)


def ask(upstream, text: str):
    return client(upstream).chat.completions.create(
        model=double.MODEL, stream=True, stream_options={"include_usage": True},
        messages=[{"role": "user", "content": text}])


def test_the_official_client_reads_the_double(upstream):
    chunks = list(ask(upstream, "hello"))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == double.TEXT
    assert chunks[-1].usage.completion_tokens == double.USAGE["completion_tokens"]
    assert upstream.complaints == []


def test_the_official_client_knows_the_doubles_errors(upstream):
    with pytest.raises(openai.RateLimitError):
        ask(upstream, "mode:busy ")
    with pytest.raises(openai.InternalServerError):
        ask(upstream, "mode:broken ")


@pytest.mark.parametrize("body", [
    {"model": "m", "messages": [{"role": "keeper", "content": "a"}], "stream": True},
    {"model": "m", "messages": [{"role": "user", "text": "a"}], "stream": True},
    {"model": "m", "messages": [], "stream": True, "max_tokns": 3},
    {"messages": [], "stream": True},
])
def test_a_body_that_the_official_client_could_not_send_is_refused(body):
    with pytest.raises(ValueError):
        double.judge(body)
