"""Midnight of a leap day in Japan, lived through by two processes whose clock libfaketime sets: each period grants once, each
lot expires once, and what was used before midnight is not charged to the new month."""

import concurrent.futures
import datetime
import pathlib
import time

import psycopg
import pytest

from house import House, run
from visitor import UNIT, Visitor

TOKYO = datetime.timezone(datetime.timedelta(hours=9))
MIDNIGHT = datetime.datetime(2028, 3, 1, tzinfo=TOKYO)
# enough for two houses to start and for some messages before midnight
BEFORE = datetime.timedelta(seconds=25)


def library() -> str:
    """libfaketime for programs with threads."""
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "faketime is not installed"
    return str(found[0])


class Clock:
    """A clock that is some time ahead of ours, the same for every process that is given it."""

    def __init__(self, now: datetime.datetime):
        self.ahead = round(now.timestamp() - time.time())

    def now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(time.time() + self.ahead, TOKYO)

    def env(self) -> dict[str, str]:
        # timers run on the monotonic clock, which stays as it is
        return {"LD_PRELOAD": library(), "FAKETIME": f"+{self.ahead}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture(scope="module")
def midnight(cluster):
    """Two houses on one database, shortly before midnight."""
    clock = Clock(MIDNIGHT - BEFORE)
    database = cluster.fresh()
    first = House(database, **clock.env())
    houses = [first, House(database, data=first.data, **clock.env())]
    yield clock, houses, database
    for house in houses:
        assert house.stop() == 0
    verified = run("verify", DATABASE_URL=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def grants(database: str, unit: str) -> list[tuple]:
    """Every grant of a unit: tenant, lot, amount."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "select tenant_id, lot_id, sum(amount) from audit.entries where unit = %s and kind = 'grant' and amount > 0"
            " group by tenant_id, lot_id, transfer_id", [unit]).fetchall()


def expiries(database: str, unit: str) -> list[tuple]:
    """Every expiry of a unit: tenant, lot, amount."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "select tenant_id, lot_id, sum(amount) from audit.entries where unit = %s and kind = 'expire' and amount > 0"
            " group by tenant_id, lot_id, transfer_id", [unit]).fetchall()


def test_midnight_of_a_leap_day_grants_once_and_expires_once(midnight):
    clock, houses, database = midnight
    guest, regular = Visitor(houses[0]).guest(), Visitor(houses[1]).demo("paid")
    for visitor, used in ((guest, 2), (regular, 3)):
        assert clock.now() < MIDNIGHT, "the machine was too slow for this test"
        for _ in range(used):
            visitor.events(visitor.start()["run_id"])
        quota = visitor.quota()
        assert quota["used"] == used
        assert datetime.datetime.fromisoformat(quota["resets_at"]) == MIDNIGHT, "the leap day is the end of both day and month"
    before = len(grants(database, UNIT))
    assert before == 2
    left = (MIDNIGHT - clock.now()).total_seconds()
    time.sleep(max(0.0, left))  # the event awaited is midnight itself

    def at_once(n: int) -> dict:
        visitor = (guest, regular)[n % 2]
        return visitor.plan()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(at_once, range(32)))
    for visitor, ends in ((guest, MIDNIGHT + datetime.timedelta(days=1)), (regular, datetime.datetime(2028, 4, 1, tzinfo=TOKYO))):
        quota = visitor.quota()
        assert quota["available"] == quota["granted"] and quota["used"] == quota["held"] == 0, quota
        assert datetime.datetime.fromisoformat(quota["resets_at"]) == ends
        visitor.events(visitor.start()["run_id"])
        assert visitor.quota()["used"] == 1
    by_lot = grants(database, UNIT)
    assert len(by_lot) == before + 2 and len({lot for _, lot, _ in by_lot}) == before + 2

    deadline = time.monotonic() + 20
    while len(expired := expiries(database, UNIT)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # the sweep of either house tells nobody but the books
    assert sorted(amount for _, _, amount in expired) == [10 - 2, 1000 - 3]
    assert len({lot for _, lot, _ in expired}) == 2
