"""`metering.durability = "async"`: a run's end waits for no disk, and a row is lost only with the database server's last moment."""

import time

import pytest

from cluster import Cluster
from house import House, run
from test_faults import status, wait_for
from visitor import Visitor, check_books

# three rounds of the server's log writer, of 200 ms each, and as much again for a busy machine
A_MOMENT = 1.2


@pytest.fixture
def own_cluster():
    made = Cluster()
    yield made
    made.remove()


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
        assert again.stop() == 0
    assert run("verify", DATABASE_URL=database).returncode == 0


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
    assert run("verify", DATABASE_URL=database).returncode == 0
    assert house.stop() == 0


def test_anything_else_is_refused_at_the_start(cluster):
    refused = run("check", DATABASE_URL=cluster.fresh(), NOREN__METERING__DURABILITY="never")
    assert refused.returncode != 0 and "durability" in refused.stderr + refused.stdout
