"""A double of RunPod's serverless platform with both of its sides: clients bring jobs, workers take them.

The clients' side is documented at https://docs.runpod.io/serverless/endpoints/operation-reference; the workers' side is what RunPod's own
worker calls (`runpod.serverless` of its Python package), which `test_worker.py` runs against this double.
"""

import http.server
import json
import threading
import urllib.parse
import uuid

KEY = "rpa_canary_7c1e"
# how long a question may be held open until there is something to say, in seconds
HOLD = 1.0
FINAL = ("COMPLETED", "FAILED", "CANCELLED")


class Job:
    def __init__(self, body: dict):
        self.id = f"{uuid.uuid4()}-e1"
        self.body, self.status, self.output, self.error = body, "IN_QUEUE", None, None
        self.pieces: list = []
        self.told = 0
        self.streamed: bool | None = None

    def card(self) -> dict:
        card = {"id": self.id, "status": self.status}
        return card | ({"output": self.output} if self.output is not None else {}) | ({"error": self.error} if self.error else {})


class Plane:
    """The platform and what it saw."""

    def __init__(self):
        self.jobs: dict[str, Job] = {}
        self.queue: list[Job] = []
        self.stops: list[str] = []
        self.pings: list[str] = []
        self.takes: list[dict] = []
        self.complaints: list[str] = []
        self.news = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def say(self, status: int, body=None):
                raw = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                if body is not None:
                    self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_GET(self):
                self.serve(None)

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                self.serve(json.loads(raw) if raw and raw != b"null" else {})

            def serve(self, body):
                place = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(place.query))
                _, _, _, what, *rest = place.path.split("/")
                # workers say their key as it is, clients as a bearer's
                expected = KEY if what.startswith(("job-", "ping")) else f"Bearer {KEY}"
                if self.headers["authorization"] != expected:
                    outer.complaints.append(f"key of {self.path}")
                    return self.say(401, {})
                with outer.news:
                    getattr(self, f"on_{what.replace('-', '_')}")(body, query, *rest)
                    outer.news.notify_all()

            def on_job_take(self, _, query, worker):
                self.on_job_take_batch(_, query | {"batch_size": "1"}, worker, one=True)

            def on_job_take_batch(self, _, query, worker, one=False):
                outer.takes.append(query | {"worker": worker})
                if not outer.news.wait_for(lambda: outer.queue, HOLD):
                    return self.say(204)
                taken = [outer.queue.pop(0) for _ in range(min(int(query["batch_size"]), len(outer.queue)))]
                for job in taken:
                    job.status = "IN_PROGRESS"
                told = [{"id": job.id, "input": job.body["input"]} for job in taken]
                self.say(200, told[0] if one else told)

            def on_job_stop(self, _, query, worker):
                if not outer.news.wait_for(lambda: outer.stops, HOLD):
                    return self.say(204)
                told, outer.stops = outer.stops, []
                self.say(200, {"jobsToStop": told})

            def on_job_stream(self, body, query, worker, job):
                self.judged(job)
                outer.jobs[job].pieces.append(body["output"])
                self.say(200, {})

            def on_job_done(self, body, query, worker, job):
                self.judged(job)
                found = outer.jobs[job]
                found.streamed = {"true": True, "false": False}[query["isStream"]]
                if found.status == "IN_PROGRESS":
                    found.output, found.error = body.get("output"), body.get("error")
                    found.status = "FAILED" if found.error else "COMPLETED"
                self.say(200, {})

            def judged(self, job: str):
                if self.headers.get_content_type() != "application/x-www-form-urlencoded" or self.headers["x-request-id"] != job:
                    outer.complaints.append(f"headers of {self.path}")

            def on_ping(self, _, query, worker):
                outer.pings.append(query.get("job_id", ""))
                self.say(200, {})

            def on_run(self, body, query):
                job = Job(body)
                outer.jobs[job.id] = job
                outer.queue.append(job)
                self.say(200, job.card())

            def on_status(self, _, query, job):
                self.say(200, outer.jobs[job].card())

            def on_stream(self, _, query, job):
                found = outer.jobs[job]
                outer.news.wait_for(lambda: found.told < len(found.pieces) or found.status in FINAL, HOLD)
                told = [{"output": piece} for piece in found.pieces[found.told:]]
                found.told = len(found.pieces)
                self.say(200, {"status": found.status, "stream": told})

            def on_cancel(self, _, query, job):
                found = outer.jobs[job]
                if found.status not in FINAL:
                    outer.stops.append(job)
                    outer.queue[:] = [other for other in outer.queue if other is not found]
                    found.status = "CANCELLED"
                self.say(200, found.card())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # whoever asked is gone
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def env(self, worker: str) -> dict[str, str]:
        """What RunPod puts into a worker's environment."""
        base = f"{self.url}/phi3"
        return {"RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none", "RUNPOD_POD_ID": worker, "RUNPOD_AI_API_KEY": KEY,
                "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none", "RUNPOD_PING_INTERVAL": "1000",
                "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
                "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none"}

    def bring(self, **given) -> Job:
        """A job in the queue."""
        with self.news:
            job = Job({"input": given})
            self.jobs[job.id] = job
            self.queue.append(job)
            self.news.notify_all()
        return job

    def stop(self, job: Job) -> None:
        with self.news:
            self.stops.append(job.id)
            self.news.notify_all()

    def until(self, true, within: float = 30) -> None:
        with self.news:
            assert self.news.wait_for(true, within), [job.card() for job in self.jobs.values()]

    def ended(self, job: Job) -> Job:
        self.until(lambda: job.status in FINAL)
        return job

    def close(self) -> None:
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()


