"""How a call at a door is written: once where it is over at once, never later than its words, and not asked where nothing can be."""

import concurrent.futures
import threading
import time

import httpx
import psycopg
import pytest

from house import House, metrics
from people import Person
from shop import files, model
from talker import Talker

# one transaction wrote both, and nothing else: xmin is the transaction that made a row, and an update would leave another
WRITTEN = """select r.xmin::text = u.xmin::text, r.state,
                    (select count(*) from gateway.run_event e where e.run_id = r.id)
                    + (select count(*) from entitlement.reservation h where h.id = r.reservation_id)
             from gateway.run r join entitlement.usage u using (reservation_id) where r.id = %s"""


class Door:
    """OpenAI's door of a house, for a person with a key."""

    def __init__(self, house: House):
        self.house = house
        self.key = Person(house).join().prove_address().key()["secret"]

    def ask(self, stream: bool = False) -> httpx.Response:
        body = {"model": "judged", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
        return httpx.post(f"{self.house.inference}/v1/chat/completions", json=body, headers={"x-api-key": self.key}, timeout=60)


def opened(database: str, tmp_path, talker: Talker) -> Door:
    return Door(House(database, **files(tmp_path, {"judged": model("judged", ("gpt", "talker"))}), **talker.env()))


def test_a_call_that_is_over_at_once_is_written_in_one_piece(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    door.ask()  # the first of a house has connections to open
    rows = []
    deadline = time.monotonic() + 60
    with psycopg.connect(database, autocommit=True) as connection:
        # a busy machine may take longer than the moment that a run goes unwritten
        while (True, "completed", 0) not in rows and time.monotonic() < deadline:
            run = door.ask().headers["x-noren-run"].removeprefix("run_")
            rows.append(connection.execute(WRITTEN, [run]).fetchone())
    assert rows[-1] == (True, "completed", 0) and {state for _, state, _ in rows} == {"completed"}, rows
    assert len(own_talker.done) == 1 + len(rows)
    door.house.stop()


def test_a_stream_names_its_run_only_when_it_is_there(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    own_talker.pace = 0.3
    body = {"model": "judged", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    with httpx.stream("POST", f"{door.house.inference}/v1/chat/completions", json=body, headers={"x-api-key": door.key}, timeout=60) as answer:
        run = answer.headers["x-noren-run"].removeprefix("run_")
        with psycopg.connect(database, autocommit=True) as connection:
            assert connection.execute("select ended_at is null from gateway.run where id = %s", [run]).fetchone() == (True,)
        assert answer.read().endswith(b"data: [DONE]\n\n")
    door.house.stop()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_while_the_database_is_away_no_call_goes_up(own_cluster, tmp_path, own_talker, mode):
    door = opened(own_cluster.fresh(), tmp_path, own_talker)
    assert door.ask().status_code == 200
    own_cluster.stop(mode)
    before = len(own_talker.requests)
    for _ in range(6):
        answer = door.ask()
        assert answer.status_code == 503 and "x-noren-run" not in answer.headers, answer.text
    assert len(own_talker.requests) == before
    own_cluster.start()
    while door.ask().status_code == 503:
        pass  # each try is a call that waits for the database
    with psycopg.connect(door.house.database, autocommit=True) as connection:
        open_ones = "select (select count(*) from gateway.run where ended_at is null) + (select count(*) from entitlement.reservation where state = 'open')"
        assert connection.execute(open_ones).fetchone() == (0,)
    door.house.stop()


def test_a_plan_that_changes_while_a_call_is_under_way_has_it_admitted_anew(cluster, tmp_path, own_talker):
    """What a change of the plan marks, marked all the time: a call that was admitted by what was known before is admitted again."""
    door = opened(cluster.fresh(), tmp_path, own_talker)
    assert door.ask().status_code == 200
    over = threading.Event()

    def change() -> None:
        with psycopg.connect(door.house.database, autocommit=True) as connection:
            while not over.is_set():
                connection.execute("update entitlement.lease set stale = true")
                over.wait(0.01)

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        changing = pool.submit(change)
        try:
            deadline = time.monotonic() + 60
            codes = []
            while not metrics(door.house.inference).get("gateway_runs_admitted_again_total"):
                assert time.monotonic() < deadline, f"none of {len(codes)} was admitted again"
                codes += list(pool.map(lambda _: door.ask().status_code, range(16)))
        finally:
            over.set()
        changing.result()
    # who finds no quiet moment in five tries is told to come again
    assert set(codes) <= {200, 503} and codes.count(200) > len(codes) / 2
    with psycopg.connect(door.house.database, autocommit=True) as connection:
        bills = connection.execute("select count(*), sum(amount) from entitlement.usage").fetchone()
        left = connection.execute("select count(*) from entitlement.reservation where state = 'open'").fetchone()
    assert bills == (codes.count(200) + 1,) * 2 and left == (0,), "each that was answered is billed once, and no other"
    door.house.stop()
