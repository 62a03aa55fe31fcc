"""Two nodes behind nginx, on a primary with a streaming replica: what one node does the other shows, and nobody sees less than they wrote."""

import concurrent.futures
import itertools
import re
import threading
import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import psycopg
import pytest

from balancer import Balancer
from cluster import Cluster
from house import REPOSITORY, House, data_folder, remove, run
from test_inference import HELLO, PLANS, Developer
from test_limits import WIDE, fire
from people import Person
from visitor import Event, Visitor, check_books, parse

PATIENCE = 60


class Street:
    """The nodes, what is in front of them, and what is behind."""

    def __init__(self, folder):
        plans = (REPOSITORY / "plans/default.toml").read_text().partition('[[plan]]\nstorefront = "genai"')[0] + PLANS
        (folder / "plans.toml").write_text(plans.replace(WIDE, "limits = { per_minute = 1000, concurrent = 100 }"))
        self.primary = Cluster()
        self.replica = self.primary.replica()
        self.database = self.primary.fresh()
        self.data = data_folder()
        self.nginx = Balancer()
        place = self.database.replace(str(self.primary.socket).replace("/", "%2F"), str(self.replica.socket).replace("/", "%2F"))
        assert place != self.database
        env = {"READ_DATABASE_URL": place, "NOREN__PLANS__FILE": str(folder / "plans.toml"), "NOREN__SERVER__TRUSTED_PROXIES": "127.0.0.1",
               "NOREN__SERVER__ACCOUNT_URL": self.nginx.account, "NOREN__SERVER__INFERENCE_URL": self.nginx.inference}
        self.nodes = [House(self.database, data=self.data, **env) for _ in range(2)]
        self.nginx.start(self.nodes)
        # what a visitor takes for a house
        self.front = SimpleNamespace(account=self.nginx.account, inference=self.nginx.inference, public=self.nginx.account, database=self.database, data=self.data)

    def reads(self, at: str) -> float:
        """How many reads of all living nodes were served there."""
        texts = [httpx.get(f"{node.account}/metrics").text for node in self.nodes if node.process.poll() is None]
        return sum(float(found) for text in texts for found in re.findall(rf'^database_reads_total{{at="{at}"}} (\S+)$', text, re.M))

    def who_answered(self, path: str) -> set[str]:
        """Which nodes have answered requests that are over."""
        return {line["node"] for line in self.nginx.log() if line["path"] == path}

    def at_replica(self, statement: str):
        """One value that the replica gives."""
        with psycopg.connect(self.replica.url("postgres"), autocommit=True) as connection:
            return connection.execute(statement).fetchone()[0]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    made = Street(tmp_path_factory.mktemp("street"))
    yield made
    made.nginx.stop()
    for node in made.nodes:
        node.stop()
    verified = run("verify", DATABASE_URL=made.database)
    made.replica.remove()
    made.primary.remove()
    remove(made.data)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture(scope="module")
def developer(street):
    return Developer(street.front)


def reading(developer: Developer, id: str, after: int = 0) -> Iterator[Event]:
    """Events of a run after one, by way of nginx, to the end; as a reader does that was cut off, it comes back for the rest."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            headers = developer.headers | {"last-event-id": str(after)}
            with httpx.stream("GET", f"{developer.house.inference}/inference/{id}/events", headers=headers, timeout=30) as answer:
                assert answer.status_code == 200, answer.read()
                for event in parse(answer.iter_lines()):
                    after = event.id
                    yield event
                    if event.name == "ended":
                        return
        except httpx.TransportError:
            pass
    raise AssertionError("it has no end")


def heard(developer: Developer, id: str, most: int, after: int = 0) -> list[Event]:
    """So many events of a run after one; then the reader hangs up."""
    return list(itertools.islice(reading(developer, id, after), most))


def post(developer: Developer, path: str, body: dict, key: str) -> httpx.Response:
    """A POST by a caller who repeats it with its key when nobody can say what became of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = httpx.post(f"{developer.house.inference}{path}", json=body, headers=developer.headers | {"idempotency-key": key}, timeout=30)
            if answer.status_code < 500:
                return answer
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "no node took it"
        time.sleep(0.05)  # nobody tells when a node can take it


def test_a_run_of_one_node_is_streamed_as_it_is_made_and_stopped_at_the_other(street, developer):
    # two minutes of answer: had nginx kept it back, it would be whole when its first words come
    id = developer.start({"prompt": "[slow][long 300] ゆっくり"}).json()["id"]
    events = heard(developer, id, 3)
    assert developer.get(f"/inference/{id}").json()["status"] == "processing"
    deadline = time.monotonic() + PATIENCE
    # one of the two is not the one that makes it
    while len(street.who_answered(f"/inference/{id}/events")) < 2:
        assert time.monotonic() < deadline, "nginx asks but one"
        again = heard(developer, id, 3)
        assert again == events, "both say the same"
    events += heard(developer, id, 2, after=events[-1].id)
    assert httpx.post(f"{street.front.inference}/inference/{id}/cancel", headers=developer.headers, timeout=20).status_code == 200
    events += reading(developer, id, after=events[-1].id)
    assert [event.id for event in events] == list(range(1, len(events) + 1)), "none twice and none left out"
    assert events[-1].data["state"] == "cancelled"


def test_models_that_are_applied_are_used_by_both_nodes_and_taken_back_without_a_restart(street, developer):
    operator = Person(street.front).join()
    with psycopg.connect(street.database) as database:
        database.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(operator.user[4:])])

    def told_by(node: House) -> str:
        answer = httpx.post(f"{node.inference}/inference", json=HELLO, headers=developer.headers | {"prefer": "wait=30"}, timeout=40)
        assert answer.is_success, answer.text
        return answer.json()["model_used"]

    def until_both_tell(model: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while {told_by(node) for node in street.nodes} != {model}:
            assert time.monotonic() < deadline, f"not followed: {model}"
            time.sleep(0.2)  # a node tells nobody which models it knows

    until_both_tell("sandbox-small")
    text = """[[model]]
name = "genai-small"
targets = [{ provider = "sandbox", model = "sandbox-large" }]
"""
    refused = operator.web.post("/admin/models/versions", json={"text": text.replace('"sandbox"', '"nobody"'), "seen": 0})
    assert refused.status_code == 422 and refused.json()["code"] == "models_refused", refused.text
    assert [wrong["pointer"] for wrong in refused.json()["errors"]] == ["/model/0/targets/0/provider"]
    applied = operator.web.post("/admin/models/versions", json={"text": text, "seen": 0, "note": "a larger one"})
    assert applied.status_code == 201 and applied.json()["version"] == 1, applied.text
    until_both_tell("sandbox-large")
    shown = {}

    def asked() -> int:
        nonlocal shown
        shown = operator.page("/admin/models")
        small = next(model for model in shown["models"] if model["name"] == "genai-small")
        return sum(target["pulse"]["calls"] for target in small["targets"] if target["pulse"] and target["model"] == "sandbox-large")

    deadline = time.monotonic() + PATIENCE
    while asked() < 2:
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)  # nodes write down what they counted every few seconds
    assert shown["version"] == 1 and [one["pulse"]["failed"] for one in shown["providers"] if one["provider"] == "sandbox"] == [0]

    at_command_line = {"DATABASE_URL": street.database}
    assert "a larger one" in run("models", "list", **at_command_line).stdout
    taken_back = run("models", "rollback", **at_command_line)
    assert taken_back.returncode == 0, taken_back.stderr
    until_both_tell("sandbox-small")


def test_limits_stay_exact_over_both(street):
    visitor = Visitor(street.front).guest()
    answers = fire(visitor, 64, [street.front.inference])
    codes = [answer.status_code for answer in answers]
    assert codes.count(202) == 10 and set(codes) == {202, 402}, codes
    for answer in answers:
        if answer.status_code == 202:
            assert visitor.events(answer.json()["run_id"])[-1].data["state"] == "completed"
    check_books(visitor)
    assert len(street.who_answered("/misaki/messages")) == 2


def write_and_read(developer: Developer) -> None:
    """Has something answered and looks for it at once, in everything that a replica may serve."""
    before = developer.person.page("/statistics")["totals"]["requests"]
    id = developer.start({"prompt": "書いたものは見える"}, wait=30).json()["id"]
    ended = developer.ended(id)
    newest = developer.person.page("/history", limit=1)["items"][0]
    assert (newest["id"], newest["status"]) == (id, "completed")
    detail = developer.person.page(f"/history/{id}")
    assert detail["text"] and detail["tokens"] == ended["tokens"]
    assert developer.person.page("/statistics")["totals"]["requests"] == before + 1
    used = developer.person.page("/billing/usage", storefront="genai", limit=1)["items"][0]
    assert used["run_id"] == id, used
    assert developer.person.web.delete(f"/history/{id}").status_code == 204
    assert developer.person.page(f"/history/{id}")["text"] is None, "what was deleted is not shown again"


def until_replica_serves(street: Street, developer: Developer) -> None:
    before, deadline = street.reads("replica"), time.monotonic() + PATIENCE
    while street.reads("replica") == before:
        assert time.monotonic() < deadline, "the replica is not used"
        write_and_read(developer)


def test_nobody_sees_less_than_they_wrote_whatever_the_replica_does(street, developer):
    until_replica_serves(street, developer)
    for _ in range(2):
        write_and_read(developer)

    street.at_replica("select pg_wal_replay_pause() is null")
    deadline = time.monotonic() + PATIENCE
    while street.at_replica("select pg_get_wal_replay_pause_state()") != "paused":
        assert time.monotonic() < deadline
    # something that the replica does not have, so that it can't serve any more
    developer.start({"prompt": "まだ届かない"}, wait=30)
    before = street.reads("replica"), street.reads("primary")
    for _ in range(2):
        write_and_read(developer)
    after = street.reads("replica"), street.reads("primary")
    assert after[0] == before[0] and after[1] > before[1], "the primary served"
    street.at_replica("select pg_wal_replay_resume() is null")
    until_replica_serves(street, developer)

    street.replica.stop("immediate")
    for _ in range(2):
        write_and_read(developer)
    street.replica.start()
    until_replica_serves(street, developer)


def test_a_killed_node_fails_no_request_that_is_repeated_and_leaves_a_whole_history(street, developer):
    slow = [developer.start({"prompt": "[slow][long 300] 倒れる前から"}).json()["id"] for _ in range(4)]
    keys = [str(uuid.uuid4()) for _ in range(40)]
    over, codes = threading.Event(), []

    def look() -> None:
        while not over.is_set():
            codes.append(developer.person.web.get("/history", params={"limit": 5}).status_code)

    def follow(id: str) -> list:
        """Reads on until it has heard something of after the kill; of a run of the dead node that is its end."""
        events = []
        for event in reading(developer, id):
            events.append(event)
            if len(events) == 3:
                first.release()
            if gone.is_set() and len(events) > 3:
                return events

    def start(key: str) -> str:
        answer = post(developer, "/inference", {"prompt": f"倒れるあいだに {key}"}, key)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()["id"]

    first, gone = threading.Semaphore(0), threading.Event()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        following = [pool.submit(follow, id) for id in slow]
        for _ in slow:
            assert first.acquire(timeout=PATIENCE)
        starting = [pool.submit(start, key) for key in keys]
        starting[5].result()
        street.nodes[0].kill()
        gone.set()
        started = [future.result() for future in starting]
        for future in following:
            events = future.result()
            assert [event.id for event in events] == list(range(1, len(events) + 1)), "none twice and none left out"
        over.set()
        for future in looking:
            future.result()
    assert set(codes) == {200}, "nginx asked the other node"
    assert len(set(started)) == len(keys), "each key named one run"
    assert [start(key) for key in keys] == started, "and still names it"
    listed = [item["id"] for item in developer.person.all("/history")]
    assert len(listed) == len(set(listed)) and set(started) | set(slow) <= set(listed)
    for id in slow:
        cancelled = httpx.post(f"{street.front.inference}/inference/{id}/cancel", headers=developer.headers, timeout=20)
        assert cancelled.status_code < 500, cancelled.text
    after = developer.start({"prompt": "残った者が答える"}, wait=30).json()
    assert developer.ended(after["id"])["status"] == "completed"
    ends = [developer.ended(id, within=PATIENCE) for id in started + slow]
    assert {(end["status"], (end["error"] or {}).get("code")) for end in ends} <= {
        ("completed", None), ("cancelled", None), ("failed", "node_lost")}, "each has an end"
