"""An OpenTelemetry collector that keeps what it is sent, read by OpenTelemetry's own protocol buffers."""

import http.server
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """The server and what it was sent."""

    def __init__(self):
        self.raw: list[bytes] = []
        self.paths: set[str] = set()
        self.keys: set[str | None] = set()
        self.changed = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.changed:
                    outer.raw.append(body)
                    outer.paths.add(self.path)
                    outer.keys.add(self.headers["x-collector-key"])
                    outer.changed.notify_all()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self, trace: str) -> list[Span]:
        """The spans of one trace so far."""
        return [span for body in self.raw for resource in ExportTraceServiceRequest.FromString(body).resource_spans
                for scope in resource.scope_spans for span in scope.spans if span.trace_id.hex() == trace]

    def wait(self, trace: str, count: int, within: float = 60) -> list[Span]:
        """The spans of one trace, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.spans(trace)) >= count, within), [s.name for s in self.spans(trace)]
            return self.spans(trace)

    def close(self) -> None:
        """Stops listening."""
        self.server.shutdown()
        self.server.server_close()


def attributes(span: Span) -> dict[str, str | int | float | bool]:
    """What a span says of itself."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
