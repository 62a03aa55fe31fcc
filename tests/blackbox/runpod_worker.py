"""A worker of RunPod's own, as its documents say how to write one: the engine's words in the batches of its vLLM worker, or plain."""

import os
import sys

import openai
import runpod

engine = openai.AsyncOpenAI(base_url=os.environ["ENGINE_URL"], api_key=os.environ["ENGINE_KEY"], max_retries=0)


def asked(given: dict) -> dict:
    messages = given.get("messages") or [{"role": "user", "content": given.get("text") or given["prompt"]}]
    return {"model": os.environ["ENGINE_MODEL"], "messages": messages, "stream": True, "stream_options": {"include_usage": True}}


async def batches(job: dict):
    """Piece by piece."""
    async for chunk in await engine.chat.completions.create(**asked(job["input"])):
        if chunk.usage:
            yield {"choices": [{"tokens": [""]}], "usage": {"input": chunk.usage.prompt_tokens, "output": chunk.usage.completion_tokens}}
        elif chunk.choices and chunk.choices[0].delta.content:
            yield {"choices": [{"tokens": [chunk.choices[0].delta.content]}]}


async def plain(job: dict) -> dict:
    """All at once."""
    answer = {"text": "", "model": os.environ["ENGINE_MODEL"], "version": os.environ["MODEL_VERSION"]}
    async for chunk in await engine.chat.completions.create(**asked(job["input"])):
        if chunk.usage:
            answer["usage"] = {"input": chunk.usage.prompt_tokens, "output": chunk.usage.completion_tokens}
        elif chunk.choices:
            answer["text"] += chunk.choices[0].delta.content or ""
    return answer


handler = {"batches": batches, "plain": plain}[sys.argv.pop()]
runpod.serverless.start({"handler": handler, "return_aggregate_stream": True, "concurrency_modifier": lambda _: 4})
