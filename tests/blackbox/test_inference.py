"""The house's own door: a run is durable before the 202, and ends whatever becomes of its house."""

import concurrent.futures
import time

import httpx
import psycopg
import pytest

from house import REPOSITORY, House
from house import run as command
from people import Person
from visitor import parse

PLANS = """
[[plan]]
storefront = "genai"
id = "free"
default_for = "user"
title = { ja = "無料", en = "Free" }
price_yen = 0
limits = { per_minute = 5000, concurrent = 100 }
grants = [{ unit = "genai.chat", amount = 5000, every = "day" }]
routes = { "genai.chat" = "genai-small" }
models = ["genai-medium"]
"""
HELLO = {"prompt": "ひと言ください、短い話を"}


def genai_house(cluster, tmp_path_factory, **env: str) -> House:
    """A demo house whose plan at GenAI has room for many calls."""
    others, genai, _ = (REPOSITORY / "plans/default.toml").read_text().partition('[[plan]]\nstorefront = "genai"')
    assert genai
    path = tmp_path_factory.mktemp("plans") / "plans.toml"
    path.write_text(others + PLANS)
    return House(cluster.fresh(), NOREN__PLANS__FILE=str(path), NOREN__GATEWAY__SILENCE_SECONDS="3", **env)


class Developer:
    """Somebody with a key, who calls the door."""

    def __init__(self, house: House):
        self.house, self.person = house, Person(house).join().prove_address()
        made = self.person.key()
        self.key_id, self.headers = made["key"]["id"], {"x-api-key": made["secret"]}

    def start(self, body: dict, wait: int | None = None, **headers: str) -> httpx.Response:
        headers = self.headers | headers | ({"prefer": f"wait={wait}"} if wait is not None else {})
        return httpx.post(f"{self.house.inference}/inference", json=body, headers=headers, timeout=70)

    def get(self, path: str, **more) -> httpx.Response:
        return httpx.get(f"{self.house.inference}{path}", headers=self.headers, timeout=40, **more)

    def ended(self, id: str, within: float = 60) -> dict:
        deadline = time.monotonic() + within
        while not (view := self.get(f"/inference/{id}").json()).get("completed_at"):
            assert time.monotonic() < deadline, view
            time.sleep(0.05)  # a program that polls
        return view

    def events(self, id: str, after: int = 0) -> list:
        with httpx.stream("GET", f"{self.house.inference}/inference/{id}/events", headers=self.headers, params={"starting_after": after},
                          timeout=30) as answer:
            return list(parse(answer.iter_lines()))


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    made = genai_house(cluster, tmp_path_factory)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def developer(shop):
    return Developer(shop)


def test_a_run_is_started_asked_for_and_fetched(developer):
    started = developer.start(HELLO | {"tags": ["朝", "b", "b"]})
    assert started.status_code == 202 and started.headers["retry-after"] == "1"
    view = started.json()
    assert started.headers["location"] == f"/inference/{view['id']}" and view["id"].startswith("run_")
    assert (view["door"], view["model"], sorted(view["tags"])) == ("native", "genai-small", ["b", "朝"])
    ended = developer.ended(view["id"])
    assert (ended["status"], ended["error"], ended["queue_position"]) == ("completed", None, None)
    assert ended["model_used"] == "sandbox-small" and ended["tokens"]["output"] > 0 and ended["cost_nano_usd"] > 0
    assert ended["created_at"] <= ended["started_at"] <= ended["completed_at"] and ended["processing_time_ms"] >= 0
    result = developer.get(f"/inference/{view['id']}/result")
    assert result.status_code == 200 and result.json()["finish_reason"] == "stop"
    events = developer.events(view["id"])
    assert result.json()["text"] == "".join(event.data["text"] for event in events if event.name == "delta") != ""
    assert [event.id for event in events] == list(range(1, ended["last_event_id"] + 1))
    half = len(events) // 2
    assert developer.events(view["id"], after=half) == events[half:], "it can be read again from anywhere"


def test_whoever_waits_gets_the_result_or_where_it_stands(developer):
    whole = developer.start(HELLO, wait=30)
    assert whole.status_code == 200 and whole.json()["text"] and whole.json()["status"] == "completed"
    late = developer.start({"prompt": "[slow] ゆっくり"}, wait=1)
    assert late.status_code == 202 and late.json()["status"] in ("queued", "processing")
    under_way = developer.get(f"/inference/{late.json()['id']}/result")
    assert under_way.status_code == 202 and under_way.headers["retry-after"] == "1"
    httpx.post(f"{developer.house.inference}/inference/{late.json()['id']}/cancel", headers=developer.headers)


def test_a_failure_is_told_with_its_code(developer):
    failed = developer.start({"prompt": "[fail]"}, wait=30)
    assert (failed.status_code, failed.json()["code"]) == (502, "upstream_failed")
    id = failed.headers["location"].rpartition("/")[2]
    view = developer.ended(id)
    assert view["status"] == "failed" and view["error"]["code"] == "upstream_failed" and view["error"]["title"]["ja"]
    assert developer.get(f"/inference/{id}/result").json()["code"] == "upstream_failed"


def test_a_run_is_cancelled_once_and_keeps_its_words(developer):
    id = developer.start({"prompt": "[slow] ゆっくり聞かせて"}).json()["id"]
    stream = httpx.stream("GET", f"{developer.house.inference}/inference/{id}/events", headers=developer.headers, timeout=30)
    with stream as answer:
        events = parse(answer.iter_lines())
        for _ in range(4):
            next(events)
        for _ in range(2):
            cancelled = httpx.post(f"{developer.house.inference}/inference/{id}/cancel", headers=developer.headers)
            assert cancelled.status_code == 200 and cancelled.json()["id"] == id
    view = developer.ended(id)
    assert view["status"] == "cancelled" and view["error"] is None
    result = developer.get(f"/inference/{id}/result").json()
    assert result["text"] and result["finish_reason"] is None


def test_a_key_names_one_run_however_often_and_from_however_many_at_once(developer):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: developer.start(HELLO, **{"idempotency-key": "twelve"}), range(12)))
    assert {answer.status_code for answer in answers} <= {200, 202} and len({answer.json()["id"] for answer in answers}) == 1
    other = developer.start({"prompt": "something else"}, **{"idempotency-key": "twelve"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    with psycopg.connect(developer.house.database) as database:
        [id] = {answer.json()["id"] for answer in answers}
        developer.ended(id)
        assert database.execute("select count(*), sum(amount) from entitlement.usage where ref = %s", [id]).fetchone() == (1, 1)


def test_a_quote_is_an_upper_bound_and_sets_nothing_aside(developer):
    def rows():
        with psycopg.connect(developer.house.database) as database:
            return database.execute("select count(*) from gateway.run").fetchone()

    before = rows()
    body = {"messages": [{"role": "user", "content": "お茶の話をしてください。" * 20}], "max_tokens": 200}
    quoted = httpx.post(f"{developer.house.inference}/inference/quote", json=body, headers=developer.headers)
    assert quoted.status_code == 200, quoted.text
    quote = quoted.json()
    assert rows() == before
    assert (quote["model"], quote["target_model"], quote["max_output_tokens"]) == ("genai-small", "sandbox-small", 200)
    assert quote["units"] == {"unit": "genai.chat", "amount": 1}
    ended = developer.start(body, wait=30).json()
    assert 0 < ended["cost_nano_usd"] <= quote["cost_upper_bound_nano_usd"]
    exact = developer.start(body | {"max_cost_nano_usd": quote["cost_upper_bound_nano_usd"]}, wait=30)
    assert exact.status_code == 200
    refused = developer.start(body | {"max_cost_nano_usd": quote["cost_upper_bound_nano_usd"] - 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "cost_above_limit")
    open_end = developer.start({"prompt": "[long 400] 話して", "max_cost_nano_usd": 60_000}, wait=30).json()
    assert open_end["cost_nano_usd"] <= 60_000 and open_end["finish_reason"] == "length"


def test_a_deadline_ends_the_run(developer):
    failed = developer.start({"prompt": "[slow] ゆっくり", "deadline_seconds": 1}, wait=30)
    assert (failed.status_code, failed.json()["code"]) == (504, "deadline")


@pytest.mark.parametrize("body", [
    {}, {"prompt": ""}, {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, {"messages": []},
    {"prompt": "a", "max_tokens": 0}, {"prompt": "a", "temperature": 9}, {"prompt": "a", "deadline_seconds": 0},
    {"prompt": "a", "max_cost_nano_usd": -1}, {"prompt": "a", "tags": ["x" * 51]}, {"prompt": "a", "tags": ["x\n"]},
    {"prompt": "a", "tools": [{"type": "function", "function": {"name": "no good name!"}}]}, {"prompt": "a", "response_format": {"type": "poem"}},
])
def test_what_can_not_be_meant_is_refused_with_the_place(developer, body):
    refused = developer.start(body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), refused.text
    assert refused.json()["errors"][0]["pointer"]


def test_each_caller_reads_its_own_runs_only(shop, developer):
    id = developer.start(HELLO, wait=30).json()["id"]
    other = Developer(shop)
    for path in (f"/inference/{id}", f"/inference/{id}/result", f"/inference/{id}/events"):
        assert other.get(path).status_code == 404


# last, since it kills the house
def test_what_was_accepted_ends_after_a_kill(cluster, tmp_path_factory):
    house = genai_house(cluster, tmp_path_factory)
    developer = Developer(house)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: developer.start({"prompt": f"[long 60] {n}"}), range(24)))
    house.kill()
    assert {answer.status_code for answer in answers} == {202}
    again = House(house.database, NOREN__GATEWAY__SILENCE_SECONDS="3")
    developer.house = again
    views = [developer.ended(answer.json()["id"], 45) for answer in answers]
    assert {view["status"] for view in views} <= {"completed", "failed"}
    assert {view["error"]["code"] for view in views if view["error"]} <= {"node_lost"}
    with psycopg.connect(again.database) as database:
        assert database.execute("select count(*) from gateway.run where ended_at is null").fetchone() == (0,)
    assert command("verify", DATABASE_URL=again.database).returncode == 0
    again.stop()


def test_a_run_of_one_process_is_read_cancelled_and_repeated_at_another(cluster, tmp_path_factory):
    first = genai_house(cluster, tmp_path_factory)
    second = House(first.database, data=first.data)
    developer = Developer(first)
    id = developer.start({"prompt": "[slow] ゆっくり"}, **{"idempotency-key": "both"}).json()["id"]
    developer.house = second
    assert developer.start({"prompt": "[slow] ゆっくり"}, **{"idempotency-key": "both"}).json()["id"] == id
    with httpx.stream("GET", f"{second.inference}/inference/{id}/events", headers=developer.headers, timeout=30) as answer:
        events = parse(answer.iter_lines())
        assert next(events).name == "started"
        httpx.post(f"{second.inference}/inference/{id}/cancel", headers=developer.headers)
        assert list(events)[-1].data["state"] == "cancelled"
    second.stop()
    first.stop()
