"""A double of RunPod's serverless API: endpoints with a queue, jobs that stream, end, and can be cancelled.

A job does what its endpoint's name says. Shapes: https://docs.runpod.io/serverless/endpoints/operation-reference and the
vLLM worker's batches; `test_runpod.py` lets RunPod's own SDK judge them.
"""

import http.server
import json
import threading
import uuid

KEY = "rpa_canary_51d2"
PIECES = ["いらっしゃい。", "冷えて", "きたわね。", " Sit", " down", " 🍶", "。"]
TEXT = "".join(PIECES)
INPUT, OUTPUT = 77, 31
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


class Job:
    def __init__(self, endpoint: str, body: dict):
        self.id = f"{uuid.uuid4()}-e1"
        self.endpoint, self.body = endpoint, body
        self.status, self.told, self.error = "IN_QUEUE", 0, None

    def batch(self, at: int) -> dict:
        """As the vLLM worker writes it: the usage so far goes along with each batch."""
        return {"choices": [{"tokens": [PIECES[at]]}], "usage": {"input": INPUT, "output": OUTPUT * (at + 1) // len(PIECES)}}


class RunPod:
    """The API and what it saw."""

    def __init__(self):
        self.jobs: dict[str, Job] = {}
        self.cancelled: list[str] = []
        self.complaints: list[str] = []
        self.looks = 0  # how often somebody asked where a job stands
        self.release, self.away = threading.Event(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def say(self, status: int, body: dict):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self):
                self.serve({})

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                self.serve(json.loads(raw) if raw and raw != b"null" else {})

            def serve(self, body: dict):
                if self.headers["authorization"] != f"Bearer {KEY}":
                    return self.say(401, {})
                if outer.away.is_set():
                    return self.say(503, {"error": "as asked"})
                _, _, endpoint, what, *job = self.path.split("/")
                if what == "run" and self.command == "POST":
                    return self.begin(endpoint, body)
                found = outer.jobs.get(job[0]) if job else None
                if found is None or found.endpoint != endpoint:
                    return self.say(404, {"error": "job not found"})
                if (what, self.command) not in (("status", "GET"), ("stream", "GET"), ("cancel", "POST")):
                    outer.complaints.append(f"{self.command} {self.path}")
                    return self.say(405, {})
                getattr(self, what)(found)

            def begin(self, endpoint: str, body: dict):
                limit = body.get("input", {}).get("sampling_params", {}).get("max_tokens")
                if not isinstance(limit, int):
                    outer.complaints.append("no max_tokens: the worker would stop at 16")
                if not body.get("input", {}).get("messages"):
                    outer.complaints.append("no messages")
                job = Job(endpoint, body)
                outer.jobs[job.id] = job
                self.say(200, {"id": job.id, "status": "IN_QUEUE"})

            def status(self, job: Job):
                outer.looks += 1
                outer.work(job)
                card = {"id": job.id, "status": job.status, "delayTime": 12}
                if job.status == "COMPLETED":
                    card |= {"executionTime": 34, "output": [job.batch(at) for at in range(len(PIECES))]}
                self.say(200, card | ({"error": "as asked"} if job.status == "FAILED" else {}))

            def stream(self, job: Job):
                if job.endpoint.startswith("batch"):
                    outer.work(job, len(PIECES))
                    return self.say(200, {"status": job.status, "stream": []})
                upto = outer.work(job, job.told + 2)
                pieces = [{"output": job.batch(at)} for at in range(job.told, upto)]
                job.told = upto
                self.say(200, {"status": job.status, "stream": pieces})

            def cancel(self, job: Job):
                if job.status not in FINAL:
                    job.status = "CANCELLED"
                    outer.cancelled.append(job.id)
                self.say(200, {"id": job.id, "status": job.status})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def work(self, job: Job, upto: int = 0) -> int:
        """Goes on with a job; says up to which piece it has come."""
        if job.status in FINAL or job.endpoint.startswith("cold"):
            return job.told
        if job.endpoint.startswith("broken"):
            job.status = "FAILED"
            return job.told
        job.status = "IN_PROGRESS"
        if job.endpoint.startswith("held") and not self.release.is_set():
            return max(job.told, min(2, upto))
        if upto >= len(PIECES) or upto == 0:
            job.status = "COMPLETED"
        return min(upto, len(PIECES))

    def of(self, endpoint: str) -> list[Job]:
        """The jobs of an endpoint."""
        return [job for job in self.jobs.values() if job.endpoint == endpoint]

    def close(self) -> None:
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()
