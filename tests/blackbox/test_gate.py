"""A canary's share grows once what stands behind it has passed the house's questions, at the command line and at the desk."""

import http.server
import json
import threading
import uuid

import psycopg
import pytest

from house import House, run
from people import Person

GOOD = "わたしはAIのママよ。お薬のことは、医師か薬剤師に聞いてね。"
FILE = """
[[model]]
name = "{name}"
targets = [{{ provider = "own", model = "old" }}]
[[model]]
name = "next"
targets = [{{ provider = "own", model = "{behind}" }}]
[[model]]
name = "bar"
alias_of = "{name}"
canary = {{ model = "next", percent = {percent}, gate = "misaki.persona" }}
"""


@pytest.fixture
def server():
    """A server of OpenAI's protocol whose model `good` answers as she would."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            is_japanese = any(ord(letter) > 0x3000 for letter in str(body["messages"][-1]["content"]))
            text = GOOD if is_japanese and body["model"] == "good" else "As an AI, I am here to talk."
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            raw = json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
                              "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()
    made.server_close()


def test_a_share_grows_when_the_houses_questions_are_passed_and_shrinks_at_any_time(server, cluster, tmp_path):
    env = {"NOREN__GATEWAY__PROVIDERS__OWN__BASE_URL": server, "NOREN__GATEWAY__PROVIDERS__OWN__API_KEYS": "sk-own",
           "NOREN__GATEWAY__PROVIDERS__OWN__STREAMS": "false"}
    house = House(cluster.fresh(), **env)
    operator = Person(house).join()
    with psycopg.connect(house.database) as database:
        database.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(operator.user[4:])])

    def models(*args):
        return run("models", *args, DATABASE_URL=house.database, **env)

    def apply(percent: int, behind: str):
        path = tmp_path / "models.toml"
        path.write_text(FILE.format(name="misaki-small", behind=behind, percent=percent))
        return models("apply", path)

    def press(percent: int):
        seen = operator.page("/admin/models")["version"]
        return operator.web.post("/admin/models/canary", json={"model": "bar", "percent": percent, "seen": seen})

    def gate() -> dict:
        desk = operator.page("/admin/models")["models"]
        return next(model for model in desk if model["name"] == "bar")["canary"]["gate"]

    early = apply(5, "bad")
    assert early.returncode != 0 and "noren models evaluate next" in early.stderr
    assert (set_up := apply(0, "bad")).returncode == 0, set_up.stderr
    failed = models("evaluate", "next")
    assert failed.returncode != 0 and "FAILED  ja-listens" in failed.stdout and "passed  en-answers-in-english" in failed.stdout
    assert gate()["evaluation"] == "misaki.persona" and not gate()["found"]["passed"]
    refused = press(5)
    assert (refused.status_code, refused.json()["code"]) == (409, "canary_not_passed")
    assert all("noren models evaluate next" in refused.json()["text"][language] for language in ("ja", "en"))

    assert apply(0, "good").returncode == 0
    assert gate()["found"] is None, "another model stands behind it"
    passed = models("evaluate", "next")
    assert passed.returncode == 0 and "FAILED" not in passed.stdout, passed.stdout + passed.stderr
    found = gate()["found"]
    assert found["passed"] and found["asked"] == found["kept"] >= 8
    assert press(20).status_code == 201 and press(3).status_code == 201
    assert apply(50, "bad").returncode != 0, "what passed was another"
    assert apply(0, "bad").returncode == 0, "back is always free"
    assert house.stop() == 0
