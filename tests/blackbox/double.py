"""An OpenAI-compatible server whose judge and pen is OpenAI's own library.

Requests must fit the library's types; answers are made of the library's objects, so that their shape is not ours.
A word in the last user message says how it behaves: `mode:busy` and so on.
"""

import collections
import functools
import http.server
import json
import threading

import pydantic
from openai.pagination import SyncPage
from openai.types import Model
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming

MODEL = "double-1"
KEY = "sk-canary-4f1d6c0e"
THOUGHT = "まず客の望みを考える。"
PIECES = ["こんばんは。", "**今夜**は", "静かね。", " Take", " your", " time", " 🍶", "。\n\n- 一杯\n- もう一杯"]
TEXT = "".join(PIECES)
USAGE = {"prompt_tokens": 123, "completion_tokens": 45, "total_tokens": 168}

# made once of each kind, which takes longer than a call may go unwritten
adapter = functools.cache(pydantic.TypeAdapter)
_messages = pydantic.TypeAdapter(list[ChatCompletionMessageParam])


def judge(body: dict) -> None:
    """Raises unless the official library could have sent this body."""
    kind = CompletionCreateParamsStreaming if body.get("stream") else CompletionCreateParamsNonStreaming
    adapter(kind).validate_python(body)
    # the library types messages as a lazy iterable, so they are judged by themselves
    _messages.validate_python(body["messages"])
    known = set(kind.__annotations__) | {key for base in kind.__mro__ for key in getattr(base, "__annotations__", {})}
    unknown = set(body) - known
    if unknown:
        raise ValueError(f"the official library knows no {sorted(unknown)}")


def chunk(delta: dict | None, finish: str | None = None, usage: dict | None = None) -> bytes:
    """One event of a stream, written by the official library."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    made = ChatCompletionChunk.model_validate({
        "id": "chatcmpl-double", "object": "chat.completion.chunk", "created": 1767225600, "model": MODEL,
        "choices": choices, "usage": usage,
    })
    return b"data: " + made.model_dump_json().encode() + b"\n\n"


class Upstream:
    """The server and what it saw."""

    def __init__(self):
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.complaints: list[str] = []
        # keys that it knows, how often each came, and those that it refuses
        self.keys, self.used, self.revoked = {KEY}, collections.Counter(), set()
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                if self.path != "/v1/models" or self.headers["authorization"] != f"Bearer {KEY}":
                    return self.refuse(404, "invalid_request_error", "not_found")
                models = SyncPage[Model](object="list", data=[Model(id=MODEL, created=0, object="model", owned_by="double")])
                body = models.model_dump_json().encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                try:
                    body = json.loads(raw)
                    judge(body)
                    if self.path != "/v1/chat/completions":
                        raise ValueError(f"path {self.path}")
                    key = str(self.headers["authorization"]).removeprefix("Bearer ")
                    if key not in outer.keys:
                        raise ValueError("the key is not one of the configuration")
                    if self.headers.get_content_type() != "application/json":
                        raise ValueError(f"content type {self.headers['content-type']}")
                except (ValueError, pydantic.ValidationError) as error:
                    outer.complaints.append(str(error))
                    return self.refuse(400, "invalid_request_error", "bad_request")
                outer.used[key] += 1
                if key in outer.revoked:
                    return self.mode_key()
                outer.requests.append(body)
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                question = str(body["messages"][-1]["content"])
                mode = question.partition("mode:")[2].split()[0] if "mode:" in question else "plain"
                getattr(self, f"mode_{mode}", self.mode_plain)()

            def refuse(self, status: int, kind: str, code: str, **headers: str):
                body = json.dumps({"error": {"message": "as asked", "type": kind, "param": None, "code": code}}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def begin(self):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream; charset=utf-8")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True

            def say(self, data: bytes):
                self.wfile.write(data)
                self.wfile.flush()

            def mode_plain(self):
                self.begin()
                self.say(chunk({"role": "assistant", "content": ""}))
                for piece in PIECES:
                    self.say(chunk({"content": piece}))
                self.say(chunk({}, "stop"))
                self.say(chunk(None, usage=USAGE))
                self.say(b"data: [DONE]\n\n")

            def mode_thoughtful(self):
                """The same, with what the model thought before and between."""
                self.begin()
                for piece in PIECES:
                    self.say(chunk({"reasoning_content": THOUGHT, "reasoning": THOUGHT}))
                    self.say(chunk({"content": piece}))
                self.say(chunk({}, "stop"))
                self.say(chunk(None, usage=USAGE))
                self.say(b"data: [DONE]\n\n")

            def mode_bytes(self):
                """The same, in writes of three bytes: nothing ends where a write does."""
                self.begin()
                whole = b"".join([chunk({"role": "assistant", "content": ""}), *(chunk({"content": p}) for p in PIECES),
                                  chunk({}, "stop"), chunk(None, usage=USAGE), b"data: [DONE]\n\n"])
                for at in range(0, len(whole), 3):
                    self.say(whole[at:at + 3])

            def mode_busy(self):
                self.refuse(429, "rate_limit_error", "rate_limit_exceeded", retry_after="1")

            def mode_broken(self):
                self.refuse(500, "server_error", "server_error")

            def mode_key(self):
                self.refuse(401, "invalid_request_error", "invalid_api_key")

            def mode_half(self):
                self.begin()
                for piece in PIECES[:3]:
                    self.say(chunk({"content": piece}))
                self.wfile.write(b'data: {"id":"chatcmpl-dou')

            def mode_garbage(self):
                self.begin()
                self.say(chunk({"content": PIECES[0]}))
                self.say(b"data: {not json at all\n\n")
                self.say(b"<html>a proxy's error page</html>\n\n")

            def mode_html(self):
                body = b"<html><h1>502 Bad Gateway</h1></html>"
                self.send_response(502)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def mode_slow(self):
                """Holds the answer in the middle until the test lets go."""
                self.begin()
                for piece in PIECES[:2]:
                    self.say(chunk({"content": piece}))
                outer.release.wait(60)
                for piece in PIECES[2:]:
                    self.say(chunk({"content": piece}))
                self.say(chunk({}, "stop"))
                self.say(chunk(None, usage=USAGE))
                self.say(b"data: [DONE]\n\n")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def env(self) -> dict[str, str]:
        """The two variables that name this server as the upstream; its model it tells itself."""
        return {"NOREN__GATEWAY__OPENAI__BASE_URL": self.url, "NOREN__GATEWAY__OPENAI__API_KEY": KEY}

    def close(self) -> None:
        """Stops answering."""
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
