"""Somebody who is told things: an HTTP server that writes down every request and answers as it is told."""

import http.server
import threading
from dataclasses import dataclass, field


@dataclass
class Told:
    """One request."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """Answers `status`, unless `answers` (one for each request to come) says otherwise; holds answers back while `open` is not set."""

    status: int = 200
    answers: list[int] = field(default_factory=list)
    text: str = "thank you"
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.told: list[Told] = []
        self.changed = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                with receiver.changed:
                    receiver.told.append(Told(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                    status = receiver.answers.pop(0) if receiver.answers else receiver.status
                    receiver.changed.notify_all()
                receiver.open.wait(60)
                try:
                    self.send_response(status)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(receiver.text.encode())
                except (BrokenPipeError, ConnectionResetError):
                    pass  # whoever asked is gone

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int, within: float = 20) -> list[Told]:
        """The requests so far, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.told) >= count, within), f"{len(self.told)} of {count} came within {within} s"
            return list(self.told)

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
