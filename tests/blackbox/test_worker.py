"""Our worker for RunPod beside RunPod's own: the same jobs, the same queue, the same engine; the queue must see no difference."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

import pytest
import runpod

import double
import runpod_plane
from engine import KEY, MODEL, Engine
from house import REPOSITORY, House
from visitor import Visitor, check_books, text_of

HERE = pathlib.Path(__file__).parent
OURS = [str(REPOSITORY / "target/debug/runpod-worker")]
USAGE = {"input": double.USAGE["prompt_tokens"], "output": double.USAGE["completion_tokens"]}


class Worker:
    """A worker at its work, with a RunPod and an engine of its own: what waits for a dead worker must not meet the next."""

    def __init__(self, command: list[str], **env: str):
        self.plane, self.engine, self.log = runpod_plane.Plane(), double.Upstream(), tempfile.NamedTemporaryFile()
        known = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ENGINE_URL": self.engine.url, "ENGINE_KEY": double.KEY,
                 "ENGINE_MODEL": double.MODEL, "MODEL_VERSION": "7", "CONCURRENCY": "4",
                 # RunPod's own goes before its first job where there is little memory or disk or no way to the internet
                 "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
        # RunPod's own gives its signs of life from a second process, which must end with it
        self.process = subprocess.Popen(command, env=known | self.plane.env("pod1") | env, stdout=subprocess.DEVNULL, stderr=self.log,
                                        start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        self.engine.close()
        self.plane.close()
        assert self.plane.complaints == []

    def said(self) -> str:
        """The log so far."""
        return pathlib.Path(self.log.name).read_text()


def theirs(kind: str) -> list[str]:
    return [sys.executable, str(HERE / "runpod_worker.py"), kind]


def words(batches: list) -> str:
    return "".join(token for batch in batches for token in batch["choices"][0]["tokens"])


def question(text: str) -> dict:
    return {"messages": [{"role": "user", "content": text}], "sampling_params": {"max_tokens": 99}, "stream": True}


def test_a_streamed_job_is_told_as_runpods_own_worker_tells_it():
    seen = []
    for command in (OURS, theirs("batches")):
        with Worker(command) as worker:
            job = worker.plane.ended(worker.plane.bring(**question("good evening")))
        assert job.status == "COMPLETED" and job.pieces == job.output
        assert words(job.pieces) == double.TEXT and job.pieces[-1]["usage"] == USAGE
        assert worker.engine.complaints == []
        seen.append((job.streamed, words(job.output), job.output[-1]["usage"]))
    assert seen[0] == seen[1]


def test_a_plain_job_is_answered_as_the_seed_has_it():
    seen = []
    for command in (OURS, theirs("plain")):
        with Worker(command) as worker:
            job = worker.plane.ended(worker.plane.bring(text="こんばんは"))
        assert command is not OURS or worker.engine.requests[0]["max_tokens"] == 1024, "an engine's own limit may be 16"
        seen.append((job.status, job.streamed, job.pieces, job.output))
    assert seen[0] == seen[1] == ("COMPLETED", False, [], {"text": double.TEXT, "model": double.MODEL, "version": "7", "usage": USAGE})


def test_a_real_engine_is_heard_through_our_worker(tmp_path):
    engine = Engine(tmp_path)
    try:
        asked = {"messages": [{"role": "user", "content": "今夜は静かですね"}], "sampling_params": {"max_tokens": 20, "temperature": 0}}
        with Worker(OURS, ENGINE_URL=engine.url, ENGINE_KEY=KEY, ENGINE_MODEL=MODEL) as worker:
            whole, told = (worker.plane.ended(worker.plane.bring(**asked, stream=streams)) for streams in (False, True))
    finally:
        engine.stop()
    assert (whole.status, told.status) == ("COMPLETED", "COMPLETED")
    assert len(told.pieces) > 1 and words(told.pieces) == words(whole.output) != "", "word for word, whether told as it comes or at its end"
    assert told.pieces[-1]["usage"]["output"] == whole.output[-1]["usage"]["output"] == 20


@pytest.mark.parametrize("kind", ["batches", "plain"])
def test_an_engine_that_fails_fails_the_job_and_not_the_worker(kind):
    for command in (OURS, theirs(kind)):
        with Worker(command) as worker:
            given = question("mode:broken") if kind == "batches" else {"text": "mode:broken"}
            failed = worker.plane.ended(worker.plane.bring(**given))
            assert failed.status == "FAILED" and failed.error and failed.output in (None, [])
            good = question("again") if kind == "batches" else {"text": "again"}
            assert worker.plane.ended(worker.plane.bring(**good)).status == "COMPLETED"


def test_several_jobs_are_done_at_once_and_a_stop_ends_one_of_them():
    for command in (OURS, theirs("batches")):
        with Worker(command) as worker:
            held = [worker.plane.bring(**question("mode:slow")) for _ in range(4)]
            plane, ids = worker.plane, {job.id for job in held}
            plane.until(lambda held=held: all(job.pieces for job in held))
            waiting = plane.bring(**question("and me"))
            plane.until(lambda plane=plane, ids=ids: any(set(ping.split(",")) >= ids for ping in plane.pings))
            assert waiting.status == "IN_QUEUE", "more than there are places for"
            worker.plane.stop(held[0])
            assert words(worker.plane.ended(waiting).output) == double.TEXT, "the place of the stopped job is free"
            worker.engine.release.set()
            for job in held[1:]:
                assert words(worker.plane.ended(job).output) == double.TEXT
            assert held[0].status == "IN_PROGRESS" and held[0].output is None, "a stopped job hands in nothing"


def test_what_can_not_be_meant_is_an_error_that_says_where():
    with Worker(OURS, ADAPTERS="bar,street") as worker:
        bad = {"input": {}, "/input/text": {"text": ""}, "/input/adapter": {"text": "x", "adapter": "other"},
               "/input/sampling_params/max_tokens": {"prompt": "x", "sampling_params": {"max_tokens": -1}}}
        for place, given in bad.items():
            job = worker.plane.ended(worker.plane.bring(**given))
            assert job.status == "FAILED" and place in job.error, job.error
        assert worker.engine.requests == []
        assert worker.plane.ended(worker.plane.bring(text="x", adapter="street")).status == "COMPLETED"
    assert worker.engine.requests[0]["model"] == "street"


def test_a_worker_that_is_asked_to_go_ends_its_jobs_first():
    with Worker(OURS) as worker:
        job = worker.plane.bring(**question("mode:slow"))
        worker.plane.until(lambda: job.pieces)
        worker.process.send_signal(signal.SIGTERM)
        worker.engine.release.set()
        assert words(worker.plane.ended(job).output) == double.TEXT
        assert worker.process.wait(timeout=20) == 0


def test_the_engine_is_waited_for_and_its_end_is_the_workers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as place:
        health = f"127.0.0.1:{place.getsockname()[1]}"
    mark = tmp_path / "go"
    script = f"while [ ! -e {mark} ]; do sleep 0.05; done; exit 3"
    with Worker([*OURS, "--", "sh", "-c", script], HEALTH_ADDRESS=health) as worker:
        assert worker.plane.ended(worker.plane.bring(text="x")).status == "COMPLETED"
        assert urllib.request.urlopen(f"http://{health}/ping", timeout=10).status == 200
        mark.touch()
        assert worker.process.wait(timeout=10) == 1
    assert "the engine ended" in worker.said()
    with Worker(OURS, ENGINE_URL="http://127.0.0.1:9/v1", HEALTH_ADDRESS=health) as worker:
        job = worker.plane.bring(text="x")
        worker.plane.until(lambda: len(worker.plane.pings) > 2)
        assert urllib.request.urlopen(f"http://{health}/ping", timeout=10).status == 204
        assert job.status == "IN_QUEUE", "taken by a worker that can do nothing"


def test_no_log_of_the_worker_says_what_was_said_or_a_key():
    with Worker(OURS, RUST_LOG="info") as worker:
        worker.plane.ended(worker.plane.bring(text="a canary sang"))
        worker.plane.ended(worker.plane.bring(text="mode:broken a canary sang"))
    log = worker.said()
    assert "done" in log
    for secret in ("canary", double.PIECES[0], runpod_plane.KEY, double.KEY):
        assert secret not in log


@pytest.mark.parametrize("command", [OURS, theirs("batches")], ids=["ours", "theirs"])
def test_a_message_at_misaki_is_answered_by_a_worker_behind_the_queue(cluster, tmp_path, monkeypatch, command):
    path = tmp_path / "models.toml"
    path.write_text('[[model]]\nname = "misaki-small"\nprices = [{ from = "2025-01-01", input = 1000, output = 2000 }]\n'
                    'targets = [{ provider = "runpod", model = "phi3" }]\n')
    with Worker(command) as worker:
        house = House(cluster.fresh(), NOREN__GATEWAY__MODELS_FILE=str(path), NOREN__GATEWAY__PROVIDERS__RUNPOD__BASE_URL=worker.plane.url,
                      NOREN__GATEWAY__PROVIDERS__RUNPOD__API_KEYS=runpod_plane.KEY)
        try:
            visitor = Visitor(house).guest()
            sent = visitor.start("少し聞いてもらえますか")
            assert text_of(visitor.events(sent["run_id"])) == double.TEXT
            used = visitor.usage()[0]
            assert (used["tokens_in"], used["tokens_out"]) == (USAGE["input"], USAGE["output"]), used
            check_books(visitor)
        finally:
            house.stop()
        monkeypatch.setattr(runpod, "endpoint_url_base", worker.plane.url)
        answer = runpod.Endpoint("phi3", api_key=runpod_plane.KEY).run({"input": question("directly")}).output(timeout=20)
        assert words(answer) == double.TEXT


def test_a_template_and_an_endpoint_are_made_by_one_command(tmp_path):
    asked = []

    class Rest(runpod_plane.http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, self.headers["authorization"], body))
            raw = json.dumps(body | {"id": f"id{len(asked)}"}).encode()
            self.send_response(201)
            self.end_headers()
            self.wfile.write(raw)

    server = runpod_plane.http.server.HTTPServer(("127.0.0.1", 0), Rest)
    runpod_plane.threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("phi-3-mini", "mistral-7b"):
        asked.clear()
        said = subprocess.run([REPOSITORY / "deploy/runpod/create", name, "registry.example/worker:1"], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "RUNPOD_API_KEY": "k", "RUNPOD_REST_URL": f"http://127.0.0.1:{server.server_port}"})
        assert (said.returncode, said.stdout) == (0, "id2\n"), said.stderr
        (first, key, template), (second, _, endpoint) = asked
        assert (first, second, key) == ("/templates", "/endpoints", "Bearer k")
        assert template["imageName"] == "registry.example/worker:1" and template["isServerless"] and endpoint["templateId"] == "id1"
        assert template["env"]["ENGINE_MODEL"] == template["dockerStartCmd"][3]
    server.shutdown()
    server.server_close()
