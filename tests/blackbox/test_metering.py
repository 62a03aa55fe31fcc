"""`metering.durability = "async"`: an answer waits for no write. What was accepted is written before it is asked, as ever; of what
somebody waits for, a killed process takes its last moment along, and so does a database server that dies."""

import concurrent.futures
import contextlib
import time

import httpx
import psycopg

from house import House, metrics, run
from shop import files, model, run_of
from talker import PLAIN, Talker
from test_faults import status, wait_for
from test_written import Door
from visitor import Visitor, check_books

# three rounds of the server's log writer, of 200 ms each, and as much again for a busy machine
A_MOMENT = 1.2


def opened(database: str, tmp_path, talker: Talker) -> Door:
    """A house that answers first, of whose calls the first is written; one call at a time is in its plan."""
    settings = files(tmp_path, {"judged": model("judged", ("gpt", "talker"))}, concurrent=1)
    door = Door(House(database, NOREN__METERING__DURABILITY="async", **settings, **talker.env()))
    assert door.ask().status_code == 200
    wait_for(lambda: billed(database) == 1, 20)
    return door


def billed(database: str) -> int:
    """The usage rows that cost something; each is of one call."""
    with psycopg.connect(database, autocommit=True) as connection:
        [rows, units] = connection.execute("select count(*), coalesce(sum(amount), 0) from entitlement.usage where amount > 0").fetchone()
    assert rows == units
    return rows


@contextlib.contextmanager
def nothing_written(database: str):
    """While this lasts, whoever writes usage waits."""
    with psycopg.connect(database) as connection:
        connection.execute("lock table entitlement.usage in share mode")
        yield
        with contextlib.suppress(psycopg.OperationalError):
            connection.rollback()


def stops_with_books_whole(house: House, database: str) -> None:
    assert house.stop() == 0
    assert run("verify", DATABASE_URL=database).returncode == 0


def text_of(answer: httpx.Response) -> str:
    return answer.json()["choices"][0]["message"]["content"]


def ask(visitor: Visitor) -> None:
    """One message, to its end."""
    assert visitor.events(visitor.start()["run_id"])[-1].data["state"] == "completed"


def test_after_a_stop_and_after_a_kill_every_call_has_its_row(cluster):
    database = cluster.fresh()
    for end in ("stop", "kill"):
        house = House(database, NOREN__METERING__DURABILITY="async")
        visitor = Visitor(house).guest()
        for _ in range(5):
            ask(visitor)
        getattr(house, end)()
        again = House(database, NOREN__METERING__DURABILITY="async")
        visitor.house, visitor.web.base_url = again, again.account
        visitor.web.headers["origin"] = again.account
        assert len(visitor.usage()) == 5, end
        wait_for(lambda visitor=visitor: visitor.quota()["held"] == 0, 45)
        check_books(visitor)
        stops_with_books_whole(again, database)


def test_a_server_that_dies_takes_no_more_than_its_last_moment_along(own_cluster):
    database = own_cluster.fresh()
    house = House(database, NOREN__METERING__DURABILITY="async")
    visitor = Visitor(house).guest()
    for _ in range(3):
        ask(visitor)
    time.sleep(A_MOMENT)  # what is older than a moment is on the disk
    for _ in range(2):
        ask(visitor)
    own_cluster.stop("immediate")
    own_cluster.start()
    wait_for(lambda: status(f"{house.inference}/ready") == 200, 5)
    wait_for(lambda: visitor.quota()["held"] == 0, 60, 0.5)
    assert 3 <= len(visitor.usage()) <= 5
    check_books(visitor)
    stops_with_books_whole(house, database)


def test_an_answer_waits_for_no_write_and_keeps_no_place(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with nothing_written(database):
            answer = door.ask()
            assert text_of(answer) == "".join(PLAIN)
            looked = pool.submit(run_of, door.house, door.key, answer.headers["x-noren-run"])
            second = pool.submit(door.ask)
            wait_for(lambda: len(own_talker.requests) == 3, 20)  # it has the one place
            assert billed(database) == 1
            assert not looked.done(), "whoever asks for a run waits until it is there"
        assert looked.result()["state"] == "completed"
        assert text_of(second.result()) == "".join(PLAIN)
    wait_for(lambda: billed(database) == 3, 20)
    stops_with_books_whole(door.house, database)


def test_a_stream_ends_before_its_end_is_written_and_can_be_read_again(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    own_talker.pace = 0.05
    with nothing_written(database):
        answer = door.ask(stream=True)
        assert answer.text.endswith("data: [DONE]\n\n")
        assert billed(database) == 1
    run_id = answer.headers["x-noren-run"]
    assert run_of(door.house, door.key, run_id)["output"] == "".join(PLAIN)
    assert billed(database) == 2
    assert door.house.stop() == 0


def test_a_stop_writes_what_was_answered(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    with nothing_written(database):
        assert door.ask().status_code == 200
        door.house.terminate()
        wait_for(lambda: "stopping" in door.house.log(), 20)
        assert billed(database) == 1
    assert door.house.stop() == 0
    assert billed(database) == 2
    assert run("verify", DATABASE_URL=database).returncode == 0


def test_a_kill_takes_its_last_moment_along_and_leaves_the_books_whole(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    with nothing_written(database):
        assert door.ask().status_code == 200
        door.house.kill()
    again = House(database, NOREN__METERING__DURABILITY="async")
    with psycopg.connect(database, autocommit=True) as connection:
        left = "select (select count(*) from gateway.run where ended_at is null) + (select count(*) from entitlement.reservation where state = 'open')"
        wait_for(lambda: connection.execute(left).fetchone() == (0,), 60)
    assert 1 <= billed(database) <= 2
    stops_with_books_whole(again, database)


def test_what_was_answered_is_billed_when_the_database_is_back(own_cluster, tmp_path, own_talker):
    database = own_cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    with nothing_written(database):
        assert door.ask().status_code == 200
        own_cluster.stop("fast")
    codes = [door.ask().status_code for _ in range(4)]
    asked = len(own_talker.requests)
    codes += [door.ask().status_code for _ in range(3)]
    assert codes[-3:] == [503] * 3 and len(own_talker.requests) == asked, "nobody is asked while nothing can be written"
    own_cluster.start()
    wait_for(lambda: billed(database) == 2 + codes.count(200), 60, 0.3)
    stops_with_books_whole(door.house, database)


def test_what_was_answered_and_can_not_be_billed_is_counted(cluster, tmp_path, own_talker):
    database = cluster.fresh()
    door = opened(database, tmp_path, own_talker)
    own_talker.pace = 0.05  # so that the run is written before its end
    with nothing_written(database):
        assert door.ask(stream=True).text.endswith("data: [DONE]\n\n")
        with psycopg.connect(database, autocommit=True) as another_node:
            ended = another_node.execute("update gateway.run set state = 'failed', reason = 'node_lost', ended_at = now() where ended_at is null")
            assert ended.rowcount == 1
    wait_for(lambda: metrics(door.house.inference).get("gateway_answers_unbilled_total") == 1, 20)
    assert billed(database) == 1


def test_anything_else_is_refused_at_the_start(cluster):
    refused = run("check", DATABASE_URL=cluster.fresh(), NOREN__METERING__DURABILITY="never")
    assert refused.returncode != 0 and "durability" in refused.stderr + refused.stdout
