"""Half, four fifths and all of a period's units: told once each, whichever process counts."""

import json
import pathlib
import time

import psycopg
import pytest
from standardwebhooks import Webhook

from house import House
from people import Person, letters
from receiver import Receiver
from visitor import Visitor

PLANS = pathlib.Path(__file__).parents[2] / "plans/default.toml"


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def houses(cluster, receiver, tmp_path_factory):
    """Two processes on one database; members have four messages a day, guests two."""
    text = PLANS.read_text()
    for amount, less in ((30, 4), (10, 2)):
        grant = 'unit = "misaki.chat", amount = {}, every = "day"'
        assert grant.format(amount) in text
        text = text.replace(grant.format(amount), grant.format(less))
    plans = tmp_path_factory.mktemp("plans") / "plans.toml"
    plans.write_text(text)
    database = cluster.fresh()
    env = {"NOREN__PLANS__FILE": str(plans), "NOREN__HOOKS__DEMO_ORIGINS": receiver.origin}
    first = House(database, **env)
    # one folder, so that each shows the letters that either sent
    made = [first, House(database, data=first.data, **env)]
    yield made
    for house in reversed(made):
        house.stop()


def noted(house: House, tenant: str, until: int) -> list[int]:
    """The shares that are noted of a tenant, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        with psycopg.connect(house.database) as database:
            rows = database.execute("select percent from entitlement.threshold where tenant_id = %s::uuid order by percent",
                                    [tenant.removeprefix("tnt_")]).fetchall()
        if len(rows) >= until:
            return [percent for (percent,) in rows]
        assert time.monotonic() < deadline, rows
        time.sleep(0.1)  # a round tells nobody that it was there


def notices(house: House, person: Person, until: int) -> list:
    """The letters about usage, oldest first, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        found = [letter for letter in letters(house, person.email) if any("/plans/misaki" in link for link in letter.links)]
        if len(found) >= until:
            return found[::-1]
        assert time.monotonic() < deadline, [letter.subject for letter in letters(house, person.email)]
        time.sleep(0.1)  # a mailbox tells nobody when a letter comes


def ask(person: Visitor) -> None:
    """One message, to its end."""
    started = person.start()
    assert person.events(started["run_id"])[-1].data["state"] == "completed"


def test_each_share_is_told_once_over_two_processes(houses, receiver):
    person = Person(houses[0]).join().prove_address()
    answer = person.web.post("/hooks", json={"url": f"{receiver.origin}/told", "event_types": ["usage.threshold_reached"]})
    assert answer.status_code == 201, answer.text
    ask(person)
    ask(person)
    assert noted(houses[0], person.tenant, 1) == [50]
    assert "50" in notices(houses[0], person, 1)[0].subject
    ask(person)
    ask(person)
    assert noted(houses[0], person.tenant, 3) == [50, 80, 100]
    assert person.post("もう一つだけ、聞いてもらえますか").status_code == 402
    half, full = notices(houses[0], person, 2)
    assert "misaki.chat" in full.subject and "4" in full.text
    told = [Webhook(answer.json()["secret"]).verify(told.body, told.headers) for told in receiver.wait(3)]
    assert sorted(body["data"]["percent"] for body in told) == [50, 80, 100]
    assert all(body["type"] == "usage.threshold_reached" and body["data"]["granted"] == 4 for body in told)
    # several rounds of both processes later nothing was told again
    other = Person(houses[0]).join().prove_address()
    ask(other)
    ask(other)
    notices(houses[0], other, 1)
    assert len(notices(houses[0], person, 2)) == 2 and len(receiver.told) == 3
    assert person.email not in json.dumps(told)


def test_guests_are_not_noted(houses):
    guest, person = Visitor(houses[0]).guest(), Person(houses[0]).join()
    for _ in range(2):
        ask(guest)
    for _ in range(2):
        ask(person)
    # a round that saw the person saw the guest
    noted(houses[0], person.tenant, 1)
    with psycopg.connect(houses[0].database) as database:
        [(count,)] = database.execute("select count(*) from entitlement.threshold t where not exists "
                                      "(select from identity.membership m where m.tenant_id = t.tenant_id)").fetchall()
    assert count == 0
