"""Model providers whose judges and pens are their own libraries: OpenAI's, Anthropic's, and AWS's for Bedrock.

A request must be one that the library could have sent, signature and all; an answer is made of the library's objects. With
tools it calls them, with their results it reads them out, with a schema it answers in it, and it says how many pictures it
was shown and what the PDFs are called that it was given. It counts every call and every token that it claims, so that a bill can be held against it.
"""

import base64
import functools
import http.server
import itertools
import json
import re
import struct
import threading
import time
import urllib.parse
import zlib

import anthropic.types as claude
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.validate
import openai.types as gpt
import pydantic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming
from openai.types.responses import response_create_params, response_input_item_param, response_input_param

from double import adapter

KEY = "sk-canary-7d20b1"
FORECAST = "晴れ、21度です。"
# the pieces of a call's arguments: cut within a letter's escape and within a word
ARGUMENTS = ['{"ci', 'ty": "\\u6771', '京", "days"', ": 2}"]
MIND = ("Let me", " think. ", "考え中…")
CLOSED = "gAAAA-closed"  # what OpenAI's models think, as it is told to whoever keeps it for them
CALLS = [("call_1", "get_weather", ARGUMENTS), ("call_2", "get_time", ['{"zone": "', 'Asia/Tokyo"}'])]
# what Gemini tells beside a call of tools and wants to have back
SIGNED = {"google": {"thought_signature": "c2VhbA=="}}
PLAIN = ["こんばんは。", "今夜は", " take", " your time", " 🍶"]

# the versions of Anthropic's protocol, and what the older one takes that the library of today no longer knows
VERSIONS = {"2023-06-01": {"temperature", "top_p", "top_k"}, "2026-10-21": set()}

_turns = pydantic.TypeAdapter(list[claude.MessageParam])
_tools = pydantic.TypeAdapter(list[claude.ToolUnionParam])
_messages = pydantic.TypeAdapter(list[ChatCompletionMessageParam])
_items = pydantic.TypeAdapter(response_input_param.ResponseInputParam)
_told = pydantic.TypeAdapter(gpt.responses.ResponseStreamEvent)


def tokens_of(text: str) -> int:
    """What this provider would count; any rule does, if it counts the same each time."""
    return len(text.encode()) // 3 + 1


def known(kind: type) -> set[str]:
    return {key for base in kind.__mro__ for key in getattr(base, "__annotations__", {})}


def only(body: dict, kind: type) -> None:
    unknown = set(body) - known(kind)
    if unknown:
        raise ValueError(f"the official library knows no {sorted(unknown)}")


class Asked:
    """A request, free of its dialect."""

    # how much of it was in the provider's cache, and how much was put there
    kept = (0, 0)
    # how much of what was written was thought, and whether that is counted in it, beside it, or beside it without a word
    thought, counts = 0, "in"
    # what is thought before, where that is told, and whether it is told closed as well
    mind: tuple[str, ...] = ()
    is_kept_closed = False
    # how calls are told by OpenAI's protocol: as itself does, as Gemini does, or by turns
    calling = ""

    def __init__(self, texts: list[str], results: list[str], tools: list[str], schema: dict | None, pictures: int, stream: bool,
                 documents: list[tuple[str, str]] = ()):
        self.texts, self.results, self.tools, self.schema, self.pictures, self.stream = texts, results, tools, schema, pictures, stream
        self.documents = [given(name, data) for name, data in documents]

    @property
    def calls(self) -> list:
        """The calls that this is answered with."""
        if self.results or not self.tools:
            return []
        return [call for call in CALLS if call[1] in self.tools]

    @property
    def pieces(self) -> list[str]:
        """The words that this is answered with."""
        if self.calls:
            return []
        if self.results:
            return ["聞いてきました。", *self.results, *self.documents]
        if self.schema:
            return [json.dumps({name: 1 for name in self.schema.get("properties", {})})]
        if self.documents:
            return ["; ".join(self.documents)]
        if self.pictures:
            return [f"{self.pictures} picture(s)"]
        return PLAIN

    @property
    def usage(self) -> tuple[int, int]:
        said = "".join(self.pieces) + "".join("".join(arguments) for _, _, arguments in self.calls)
        return sum(map(tokens_of, self.texts + self.results)), tokens_of(said)


def seal(thought: str) -> str:
    """What Anthropic's models know their own thoughts by."""
    return f"seal-{zlib.crc32(thought.encode()):08x}"


def check_seals(blocks: list[dict]) -> None:
    """Raises unless the thoughts that are brought back are those that were told, each before the call that it led to."""
    for block in blocks:
        if block["type"] == "thinking" and block["signature"] not in (seal(block["thinking"]), seal("".join(MIND))):
            raise ValueError("Invalid `signature` in `thinking` block")


def given(name: str, data: str) -> str:
    """How a PDF is told that was given as base64; raises unless it is one."""
    if not base64.b64decode(data, validate=True).startswith(b"%PDF-"):
        raise ValueError("this is no PDF")
    return f"{name}: {zlib.crc32(data.encode()):08x}"


def flat(content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def by_openai(body: dict) -> Asked:
    kind = CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming
    adapter(kind).validate_python(body)
    _messages.validate_python(body["messages"])
    only(body, kind)
    if body.get("stream") and not body.get("stream_options", {}).get("include_usage"):
        raise ValueError("a stream without usage can't be billed")
    parts = [part for message in body["messages"] if isinstance(message.get("content"), list) for part in message["content"]]
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return Asked([flat(m.get("content")) for m in body["messages"] if m["role"] != "tool"],
                 [flat(m["content"]) for m in body["messages"] if m["role"] == "tool"],
                 [tool["function"]["name"] for tool in body.get("tools", [])], schema,
                 sum(part["type"] == "image_url" for part in parts), body.get("stream", False),
                 [(part["file"]["filename"], part["file"]["file_data"].removeprefix("data:application/pdf;base64,"))
                  for part in parts if part["type"] == "file"])


ITEMS = {"message": gpt.responses.EasyInputMessageParam, "function_call": gpt.responses.ResponseFunctionToolCallParam,
         "function_call_output": response_input_item_param.FunctionCallOutput, "reasoning": gpt.responses.ResponseReasoningItemParam}


def by_responses(body: dict) -> Asked:
    stream = body.get("stream", False)
    kind = response_create_params.ResponseCreateParamsStreaming if stream else response_create_params.ResponseCreateParamsNonStreaming
    adapter(kind).validate_python(body)
    _items.validate_python(body["input"])
    only(body, kind)
    for item in body["input"]:
        only(item, ITEMS[item.get("type", "message")])
    for tool in body.get("tools", []):
        adapter(gpt.responses.FunctionToolParam).validate_python(tool)
        only(tool, gpt.responses.FunctionToolParam)
    for item, after in zip(body["input"], [*body["input"][1:], {}]):
        if item.get("type") != "reasoning":
            continue
        if item.get("id") != "rs_t" or item.get("encrypted_content") != CLOSED:
            raise ValueError("the encrypted content could not be verified")
        if after.get("type") not in ("reasoning", "function_call") and after.get("role") != "assistant":
            raise ValueError("Item 'rs_t' of type 'reasoning' was provided without its required following item.")
    if body.get("store") is not False:
        raise ValueError("it would keep what was said")
    if body.get("max_output_tokens", 16) < 16:
        raise ValueError("integer below minimum value")
    said = [item for item in body["input"] if item.get("type", "message") == "message"]
    results = [item for item in body["input"] if item.get("type") == "function_call_output"]
    if unknown := {item["call_id"] for item in results} - {item["call_id"] for item in body["input"] if item.get("type") == "function_call"}:
        raise ValueError(f"no tool call found for {unknown}")
    contents = [item["content"] for item in said] + [item["output"] for item in results]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return Asked([flat(item["content"]) for item in said], [flat(item["output"]) for item in results],
                 [tool["name"] for tool in body.get("tools", [])], body.get("text", {}).get("format", {}).get("schema"),
                 sum(part["type"] == "input_image" for part in parts), stream,
                 [(part["filename"], part["file_data"].removeprefix("data:application/pdf;base64,")) if "file_data" in part
                  else ("-", fetched(part["file_url"])) for part in parts if part["type"] == "input_file"])


def check_said(turns: list[dict], texts: list[str], stops: list[str]) -> None:
    """Raises where Claude refuses what OpenAI takes."""
    if not turns:
        raise ValueError("messages: at least one message is required")
    roles = [turn["role"] for turn in turns]
    if any(one == two for one, two in zip(roles, roles[1:])):
        raise ValueError("two turns of one side")
    if not all(text.strip() for text in texts):
        raise ValueError("text content blocks must contain non-whitespace text")
    if not all(stop.strip() for stop in stops):
        raise ValueError("each stop sequence must contain non-whitespace")


def by_anthropic(body: dict, removed: set[str]) -> Asked:
    kind = MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming
    adapter(kind).validate_python(body)
    _turns.validate_python(body["messages"])
    _tools.validate_python(body.get("tools", []))
    only({name: value for name, value in body.items() if name not in removed}, kind)
    blocks = [block for turn in body["messages"] for block in ([{"type": "text", "text": turn["content"]}]
                                                              if isinstance(turn["content"], str) else turn["content"])]
    everything = blocks + [inner for block in blocks if block["type"] == "tool_result" and isinstance(block["content"], list) for inner in block["content"]]
    check_seals(blocks)
    check_said(body["messages"], [block["text"] for block in blocks if block["type"] == "text"], body.get("stop_sequences", []))
    if body["messages"][-1]["role"] == "assistant":
        raise ValueError("This model does not support assistant message prefill.")  # as Claude since 4.6
    if not body.get("tools") and any(block["type"] in ("tool_use", "tool_result") for block in blocks):
        raise ValueError("Requests which include `tool_use` or `tool_result` blocks must define tools.")
    schema = (body.get("output_config") or {}).get("format", {}).get("schema")
    return Asked([block["text"] for block in blocks if block["type"] == "text"] + [flat(body.get("system", ""))],
                 [flat(block["content"]) for block in blocks if block["type"] == "tool_result"],
                 [tool["name"] for tool in body.get("tools", []) if body.get("tool_choice") != {"type": "none"}], schema,
                 sum(block["type"] == "image" for block in blocks), body.get("stream", False),
                 [(block.get("title", "-"), block["source"]["data"] if block["source"]["type"] == "base64" else fetched(block["source"]["url"]))
                  for block in everything if block["type"] == "document"])


def fetched(url: str) -> str:
    """What a provider would find there, as base64."""
    return base64.b64encode(f"%PDF-1.4 {url}".encode()).decode()


def sse(data: str, event: str = "") -> bytes:
    return ((f"event: {event}\n" if event else "") + f"data: {data}\n\n").encode()


def openai_answer(asked: Asked) -> list[bytes]:
    read, written = asked.usage
    said = written if asked.counts == "in" else written - asked.thought
    usage = {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + written}
    if asked.thought and asked.counts != "unsaid":
        usage["completion_tokens_details"] = {"reasoning_tokens": asked.thought}
    if any(asked.kept):
        usage["prompt_tokens_details"] = dict(zip(("cached_tokens", "cache_write_tokens"), asked.kept))
    finish = "tool_calls" if asked.calls and asked.calling != "gemini" else "stop"
    signed = {"extra_content": SIGNED} if asked.calling == "gemini" else {}
    whole = [{"id": id, "type": "function", "function": {"name": name, "arguments": "".join(pieces)}} | signed for id, name, pieces in asked.calls]
    if not asked.stream:
        calls = whole
        message = {"role": "assistant", "content": "".join(asked.pieces) or None, "tool_calls": calls or None}
        if asked.mind:
            message["reasoning_content"] = "".join(asked.mind)
        made = ChatCompletion.model_validate({"id": "chatcmpl-t", "object": "chat.completion", "created": 1767225600, "model": "talker",
                                              "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}], "usage": usage})
        return [made.model_dump_json(exclude_none=True).encode()]

    def chunk(delta: dict | None, finish: str | None = None, usage: dict | None = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        made = ChatCompletionChunk.model_validate({"id": "chatcmpl-t", "object": "chat.completion.chunk", "created": 1767225600, "model": "talker",
                                                   "choices": choices, "usage": usage})
        return sse(made.model_dump_json(exclude_unset=True))

    out = [chunk({"role": "assistant", "content": ""})]
    # as vLLM of these months, by the old name and the new
    out += [chunk({"reasoning_content": piece, "reasoning": piece}) for piece in asked.mind]
    out += [chunk({"content": piece}) for piece in asked.pieces]
    heads = [[chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]})]
             for index, (id, name, _) in enumerate(asked.calls)]
    rests = [[chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}) for piece in pieces]
             for index, (_, _, pieces) in enumerate(asked.calls)]
    if asked.calling == "gemini":
        # no library of OpenAI's writes a call without its index
        out += [sse(json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})) for call in whole]
    elif asked.calling == "by turns":
        out += sum(heads, [])
        out += [piece for turn in itertools.zip_longest(*rests) for piece in turn if piece]
    else:
        out += [piece for head, rest in zip(heads, rests) for piece in head + rest]
    return [*out, chunk({}, finish), chunk(None, usage=usage), b"data: [DONE]\n\n"]


def responses_answer(asked: Asked, breaks: str = "") -> list[bytes]:
    """With what it thought before; `breaks` says how it ends after its first words: cut, error, failed or incomplete."""
    read, written = asked.usage
    details = dict(zip(("cached_tokens", "cache_write_tokens"), asked.kept))
    usage = {"input_tokens": read, "input_tokens_details": details, "output_tokens": written, "output_tokens_details": {"reasoning_tokens": asked.thought},
             "total_tokens": read + written}
    frame = {"id": "resp_t", "object": "response", "created_at": 1767225600, "model": "talker", "error": None, "incomplete_details": None,
             "instructions": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0}
    out: list[bytes] = []

    def tell(kind: str, **fields) -> None:
        body = {"type": kind, "sequence_number": len(out), **fields}
        _told.validate_python(body)
        out.append(sse(json.dumps(body), kind))

    def end(state: str, **fields) -> dict:
        whole = frame | {"status": state, "output": items, "usage": usage} | fields
        gpt.responses.Response.model_validate(whole)
        return whole

    items: list[dict] = []
    for kind in ("created", "in_progress"):
        tell(f"response.{kind}", response=frame | {"status": "in_progress", "output": [], "usage": None})

    def item(begun: dict, deltas: list[tuple[str, dict]], done: dict) -> None:
        at = len(items)
        tell("response.output_item.added", output_index=at, item=begun)
        for kind, fields in deltas:
            tell(kind, output_index=at, item_id=begun["id"], **fields)
        items.append(begun | done)
        tell("response.output_item.done", output_index=at, item=items[-1])

    mind = asked.mind or ("hm",)
    item({"id": "rs_t", "type": "reasoning", "summary": []},
         [("response.reasoning_summary_text.delta", {"summary_index": 0, "delta": piece}) for piece in mind],
         {"summary": [{"type": "summary_text", "text": "".join(mind)}]} | ({"encrypted_content": CLOSED} if asked.is_kept_closed else {}))
    if breaks == "thinking":
        return out
    if asked.pieces:
        text = "".join(asked.pieces)
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        pieces = asked.pieces[:1] if breaks else asked.pieces
        deltas = [("response.output_text.delta", {"content_index": 0, "delta": piece, "logprobs": [], "obfuscation": "x7"}) for piece in pieces]
        deltas = [("response.content_part.added", {"content_index": 0, "part": part | {"text": ""}}), *deltas,
                  ("response.output_text.done", {"content_index": 0, "text": text, "logprobs": []})]
        item({"id": "msg_t", "type": "message", "role": "assistant", "status": "in_progress", "content": []}, deltas[:-1] if breaks else deltas,
             {"status": "completed", "content": [part | {"text": "".join(pieces)}]})
    for id, name, pieces in asked.calls:
        deltas = [("response.function_call_arguments.delta", {"delta": piece, "obfuscation": "q"}) for piece in pieces]
        item({"id": f"fc_{id}", "type": "function_call", "status": "in_progress", "call_id": id, "name": name, "arguments": ""},
             [*deltas, ("response.function_call_arguments.done", {"arguments": "".join(pieces)})], {"status": "completed", "arguments": "".join(pieces)})
    if breaks == "cut":
        return out
    if breaks == "error":
        tell("error", code="rate_limit_exceeded", message="as asked", param=None)
        return out
    ended = {"failed": {"error": {"code": "server_error", "message": "as asked"}},
             "incomplete": {"incomplete_details": {"reason": "max_output_tokens"}}}.get(breaks, {})
    state = breaks or "completed"
    whole = end(state, **ended)
    if not asked.stream:
        return [json.dumps(whole).encode()]
    tell(f"response.{state}", response=whole)
    return out


def anthropic_answer(asked: Asked) -> list[bytes]:
    read, written = asked.usage
    reason = "tool_use" if asked.calls else "end_turn"
    count = {"input_tokens": read - sum(asked.kept)}
    if any(asked.kept):
        count |= dict(zip(("cache_read_input_tokens", "cache_creation_input_tokens"), asked.kept))
    wrote = {"output_tokens": written} | ({"output_tokens_details": {"thinking_tokens": asked.thought}} if asked.thought else {})
    frame = {"id": "msg_t", "type": "message", "role": "assistant", "model": "talker", "stop_sequence": None}
    thought = "".join(asked.mind)
    blocks = [{"type": "thinking", "thinking": thought, "signature": seal("".join(MIND))}] if asked.mind else []
    blocks += [{"type": "redacted_thinking", "data": "closed"}] if thought else []
    blocks += [{"type": "text", "text": "".join(asked.pieces), "citations": None}] if asked.pieces else []
    blocks += [{"type": "tool_use", "id": id, "name": name, "input": json.loads("".join(pieces))} for id, name, pieces in asked.calls]
    if not asked.stream:
        made = claude.Message.model_validate(frame | {"content": blocks, "stop_reason": reason,
                                                      "usage": count | wrote})
        return [made.model_dump_json(exclude_none=True).encode()]

    def event(kind: type[pydantic.BaseModel], body: dict) -> bytes:
        made = kind.model_validate(body)
        return sse(made.model_dump_json(exclude_unset=True), body["type"])

    out = [event(claude.RawMessageStartEvent, {"type": "message_start", "message": frame | {
        "content": [], "stop_reason": None, "usage": count | {"output_tokens": 1}}}), sse('{"type": "ping"}', "ping")]
    for index, block in enumerate(blocks):
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
        begun = block | empty.get(block["type"], {})
        out.append(event(claude.RawContentBlockStartEvent, {"type": "content_block_start", "index": index, "content_block": begun}))
        if block["type"] == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in asked.pieces]
        elif block["type"] == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in asked.mind if piece]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}]
        elif block["type"] == "redacted_thinking":
            deltas = []
        else:
            [pieces] = [pieces for id, _, pieces in asked.calls if id == block["id"]]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        out += [event(claude.RawContentBlockDeltaEvent, {"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        out.append(event(claude.RawContentBlockStopEvent, {"type": "content_block_stop", "index": index}))
    out.append(event(claude.RawMessageDeltaEvent, {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None},
                                                   "usage": wrote}))
    return [*out, event(claude.RawMessageStopEvent, {"type": "message_stop"})]


def vectors(body: dict) -> tuple[bytes, int]:
    from openai.types.embedding_create_params import EmbeddingCreateParams
    adapter(EmbeddingCreateParams).validate_python(body)
    only(body, EmbeddingCreateParams)
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    read = sum(tokens_of(str(text)) for text in texts)
    data = [{"object": "embedding", "index": at, "embedding": [zlib.crc32(f"{text}{n}".encode()) / 2**32 for n in range(body.get("dimensions", 8))]}
            for at, text in enumerate(texts)]
    made = gpt.CreateEmbeddingResponse.model_validate({"object": "list", "data": data, "model": body["model"],
                                                       "usage": {"prompt_tokens": read, "total_tokens": read}})
    return made.model_dump_json().encode(), read


class Talker:
    """The server, what it saw, and what it claims to have cost."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests: list[tuple[str, dict]] = []
        self.complaints: list[str] = []
        self.claimed: list[tuple[int, int]] = []
        self.done: list[tuple[dict, tuple[int, int]]] = []  # the requests that were answered to the end, with what they cost
        self.arrived: list[float] = []
        self.known_as: list[tuple[str, tuple[int, int]]] = []  # the ids that it was told, with what was claimed for each
        self.now = self.most = 0  # requests under way
        self.status = 0  # answers with this instead, if it is one
        self.complains: dict[str, tuple[int, dict]] = {}  # what is answered instead below a path
        self.breaks = ""  # how a response ends after its first words, if not as it should
        self.pace = 0.0
        self.kept = (0, 0)
        self.thought, self.counts = 0, "in"
        self.thinks = False  # whether it thinks, and tells so as its protocol has it
        self.reads: set[str] = set()  # the models that are to be brought what they thought before they called tools
        # what is heard before the first word of a stream, one each 0.4 s; an empty one is silence
        self.thoughts: list[bytes] = []
        self.instead: list[bytes] = []  # what the next stream is instead of an answer, once
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                with outer.lock:
                    outer.requests.append((self.path, json.loads(raw)))
                    outer.arrived.append(time.monotonic())
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                try:
                    self.serve(raw)
                finally:
                    with outer.lock:
                        outer.now -= 1

            def serve(self, raw: bytes):
                for path, (status, complaint) in outer.complains.items():
                    if self.path.startswith(path):
                        return self.whole(status, json.dumps(complaint).encode())
                if outer.status:
                    return self.whole(outer.status, b'{"error": {"type": "api_error", "message": "as asked", "code": "server_error"}}')
                try:
                    kind, answer, usage = outer.answer(self, raw)
                except (ValueError, KeyError, pydantic.ValidationError) as error:
                    outer.complaints.append(f"{self.path}: {error!r}")
                    return self.whole(400, b'{"type": "error", "error": {"type": "invalid_request_error", "message": "judged", "code": "judged"}}')
                if kind == "application/json":
                    time.sleep(outer.pace)
                    outer.claim(raw, usage, self.headers["x-client-request-id"])
                    return self.whole(200, answer[0])
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                if outer.instead:
                    answer, outer.instead = outer.instead, []
                for thought in outer.thoughts:
                    time.sleep(0.4)
                    self.wfile.write(thought)
                    self.wfile.flush()
                for piece in answer:
                    time.sleep(outer.pace)
                    self.wfile.write(piece)
                    self.wfile.flush()
                outer.claim(raw, usage, self.headers["x-client-request-id"])

            def whole(self, status: int, body: bytes):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a caller that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def claim(self, raw: bytes, usage: tuple[int, int], known_as: str | None) -> None:
        known_as = known_as or json.loads(raw).get("requestMetadata", {}).get("noren_run")
        with self.lock:
            self.claimed.append(usage)
            self.known_as += [(known_as, usage)] if known_as else []
            self.done.append((json.loads(raw), usage))

    def counted(self, asked: Asked) -> Asked:
        asked.kept, asked.thought, asked.counts = self.kept, self.thought, self.counts
        return asked

    def answer(self, request, raw: bytes) -> tuple[str, list[bytes], tuple[int, int]]:
        """(content type, pieces, what it costs) of a request that is good."""
        body, path = json.loads(raw), request.path
        if path.startswith("/model/"):
            return bedrock(request, raw, body)
        if path.startswith("/openai/"):
            if request.headers["authorization"] != f"Bearer {KEY}":
                raise ValueError("not the key of the configuration")
            if path == "/openai/v1/embeddings":
                made, read = vectors(body)
                return "application/json", [made], (read, 0)
            if path == "/openai/v1/responses":
                asked = self.counted(by_responses(body))
                asked.mind = MIND if self.thinks and body.get("reasoning", {}).get("summary") else ()
                asked.is_kept_closed = "reasoning.encrypted_content" in body.get("include", [])
                answer = responses_answer(asked, self.breaks)
            elif path == "/openai/v1/chat/completions":
                asked = self.counted(by_openai(body))
                if body["model"] == "full":
                    # what it can't read it says in one piece, with a status as if all were well
                    return "application/json", [b'{"error": {"message": "as asked", "code": "context_length_exceeded"}}'], (0, 0)
                asked.calling = {"gemini-3-pro": "gemini", "turns": "by turns"}.get(body["model"], "")
                for call in [call for said in body["messages"] for call in said.get("tool_calls") or []]:
                    if call.get("extra_content") != (SIGNED if asked.calling == "gemini" else None):
                        raise ValueError("missing a thought_signature, or an unknown parameter")
                for said in body["messages"]:
                    if body["model"] not in self.reads and {"reasoning_content", "reasoning"} & set(said):
                        raise ValueError("Additional properties are not allowed")
                    if body["model"] in self.reads and said.get("tool_calls") and not said.get("reasoning_content"):
                        raise ValueError("The `reasoning_content` in the thinking mode must be passed back to the API.")
                asked.mind = MIND if self.thinks else ()
                answer = openai_answer(asked)
            else:
                raise ValueError("no such path")
        elif path == "/anthropic/v1/messages":
            if KEY not in (request.headers["x-api-key"], (request.headers["authorization"] or "").removeprefix("Bearer ")):
                raise ValueError("not the key of the configuration")
            version = request.headers["anthropic-version"]
            if version not in VERSIONS:
                raise ValueError(f"there is no version {version}")
            asked = self.counted(by_anthropic(body, VERSIONS[version]))
            if self.thinks and body.get("thinking", {}).get("type") == "adaptive":
                asked.mind = MIND if body["thinking"]["display"] == "summarized" else ("",)
            answer = anthropic_answer(asked)
        else:
            raise ValueError("no such path")
        return "text/event-stream" if asked.stream else "application/json", answer, asked.usage

    def env(self) -> dict[str, str]:
        """Three providers: gpt, claude and aws."""
        prefix = "NOREN__GATEWAY__PROVIDERS__"
        return {f"{prefix}GPT__BASE_URL": f"{self.url}/openai/v1", f"{prefix}GPT__API_KEYS": KEY,
                f"{prefix}CLAUDE__KIND": "anthropic", f"{prefix}CLAUDE__BASE_URL": f"{self.url}/anthropic", f"{prefix}CLAUDE__API_KEYS": KEY,
                f"{prefix}AWS__KIND": "bedrock", f"{prefix}AWS__BASE_URL": self.url, f"{prefix}AWS__REGION": REGION,
                f"{prefix}AWS__API_KEYS": f"{AWS_ID}:{AWS_SECRET}"}

    def close(self) -> None:
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()


# --- AWS -----------------------------------------------------------------------------------------------------------

AWS_ID, AWS_SECRET, REGION = "canary-7d20b1-id", "canary/secret+7d20b1=", "ap-northeast-1"


@functools.cache
def converse() -> botocore.model.OperationModel:
    """What Bedrock takes, by the library's own description of it."""
    loaded = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    return botocore.model.ServiceModel(loaded).operation_model("Converse")


def check_signature(request, raw: bytes) -> None:
    """Raises unless the library would have signed this request the same way."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    stamp = request.headers["x-amz-date"]
    if scheme != "AWS4-HMAC-SHA256" or parts["Credential"] != f"{AWS_ID}/{stamp[:8]}/{REGION}/bedrock/aws4_request":
        raise ValueError("signed for something else")
    signed = {name: request.headers[name] for name in parts["SignedHeaders"].split(";")}
    if not {"host", "x-amz-date", "content-type"} <= set(signed):
        raise ValueError("too little is signed")
    again = botocore.awsrequest.AWSRequest(method="POST", url=f"http://{request.headers['host']}{request.path}", data=raw, headers=signed)
    again.context["timestamp"] = stamp
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(AWS_ID, AWS_SECRET), "bedrock", REGION)
    if auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again) != parts["Signature"]:
        raise ValueError("the signature is wrong")


def documents_of(messages: list[dict]) -> list[tuple[str, str]]:
    """The documents by their names. What the library's description says of them in words alone is held to as well."""
    found = []
    for turn in messages:
        blocks = turn["content"] + [inner for block in turn["content"] for inner in block.get("toolResult", {}).get("content", [])]
        documents = [block["document"] for block in blocks if "document" in block]
        if len(documents) > 5 or documents and (turn["role"] != "user" or not any("text" in block for block in blocks)):
            raise ValueError("documents stand with text, five at most, in a user's turn")
        found += [(document["name"], document["source"]["bytes"]) for document in documents]
    names = [name for name, _ in found]
    if len({name.lower() for name in names}) < len(names) or not all(re.fullmatch(r"(?!.* {2})[A-Za-z0-9 ()\[\]-]{1,200}", name) for name in names):
        raise ValueError(f"names that can't be: {names}")
    return found


def by_bedrock(body: dict, model: str, stream: bool) -> Asked:
    # pictures travel as base64 and are bytes to the library
    plain = json.loads(json.dumps(body), object_hook=lambda found: found | {"bytes": base64.b64decode(found["bytes"])} if "bytes" in found else found)
    report = botocore.validate.ParamValidator().validate(plain | {"modelId": model}, converse().input_shape)
    if report.has_errors():
        raise ValueError(report.generate_report())
    unknown = set(body) - set(converse().input_shape.members)
    if unknown:
        raise ValueError(f"the official library knows no {sorted(unknown)}")
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    check_said(body["messages"], [block["text"] for block in blocks if "text" in block], body.get("inferenceConfig", {}).get("stopSequences", []))
    if body["messages"][0]["role"] != "user":
        raise ValueError("A conversation must start with a user message.")
    if "toolConfig" not in body and any({"toolUse", "toolResult"} & set(block) for block in blocks):
        raise ValueError("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    schema = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {}).get("schema")
    return Asked([block["text"] for block in blocks + body.get("system", []) if "text" in block],
                 [flat(block["toolResult"]["content"]) for block in blocks if "toolResult" in block],
                 [tool["toolSpec"]["name"] for tool in body.get("toolConfig", {}).get("tools", [])],
                 json.loads(schema) if schema else None, sum("image" in block for block in blocks), stream,
                 documents_of(body["messages"]))


def frame(kind: str, body: dict) -> bytes:
    """A message of AWS's binary event stream."""
    headers = b"".join(bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode() for name, value in (
        (":event-type", kind), (":content-type", "application/json"), (":message-type", "event")))
    payload = json.dumps(body).encode()
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def bedrock(request, raw: bytes, body: dict) -> tuple[str, list[bytes], tuple[int, int]]:
    check_signature(request, raw)
    _, _, model, verb = urllib.parse.unquote(request.path).split("/")
    asked = by_bedrock(body, model, verb == "converse-stream")
    read, written = asked.usage
    usage = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    reason = "tool_use" if asked.calls else "end_turn"
    blocks = [{"text": "".join(asked.pieces)}] if asked.pieces else []
    blocks += [{"toolUse": {"toolUseId": id, "name": name, "input": json.loads("".join(pieces))}} for id, name, pieces in asked.calls]
    if not asked.stream:
        whole = {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": reason, "usage": usage, "metrics": {"latencyMs": 1}}
        return "application/json", [json.dumps(whole).encode()], asked.usage
    out = [frame("messageStart", {"role": "assistant"})]
    # a block of words has no start of its own there
    for index, block in enumerate(blocks):
        if "toolUse" in block:
            tool = block["toolUse"]
            out.append(frame("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}}))
            [pieces] = [pieces for id, _, pieces in asked.calls if id == tool["toolUseId"]]
            deltas = [{"toolUse": {"input": piece}} for piece in pieces]
        else:
            deltas = [{"text": piece} for piece in asked.pieces]
        out += [frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        out.append(frame("contentBlockStop", {"contentBlockIndex": index}))
    out += [frame("messageStop", {"stopReason": reason}), frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    return "application/vnd.amazon.eventstream", out, asked.usage
