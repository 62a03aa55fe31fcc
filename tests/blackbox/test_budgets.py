"""A tenant's own limit by the month: told at its amounts, stopped at its end, on again with one raise."""

import pytest
from standardwebhooks import Webhook

from house import House
from people import Person, letters
from receiver import Receiver
from test_thresholds import ask
from test_billing import until

UNIT = "/billing/budgets/misaki.chat"


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(cluster, receiver):
    made = House(cluster.fresh(), NOREN__HOOKS__DEMO_ORIGINS=receiver.origin)
    yield made
    made.stop()


def notices(person: Person) -> list[str]:
    """The subjects of the letters about the budget, oldest first."""
    found = [letter for letter in letters(person.house, person.email) if any("/account/plan?storefront=misaki" in link for link in letter.links)]
    return [letter.subject for letter in found[::-1]]


def test_use_stops_at_ones_own_limit_and_goes_on_when_it_is_raised(house, receiver):
    person = Person(house).join().prove_address()
    made = person.web.post("/hooks", json={"url": receiver.origin, "event_types": ["usage.threshold_reached"]}).json()
    answer = person.web.put(UNIT, json={"monthly": 2, "alerts": [1]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["monthly"], answer.json()["alerts"], answer.json()["used"]) == (2, [1], 0)
    ask(person)
    assert until(lambda: len(notices(person)) == 1, 20), notices(person)
    ask(person)
    refused = person.post("もう一つだけ、聞いてもらえますか")
    assert (refused.status_code, refused.json()["code"]) == (402, "budget_reached")
    assert int(refused.headers["retry-after"]) > 0
    assert until(lambda: len(notices(person)) == 2, 20), notices(person)
    told = [Webhook(made["secret"]).verify(one.body, one.headers)["data"] for one in receiver.wait(2)]
    assert sorted((one["amount"], one["stopped"]) for one in told) == [(1, False), (2, True)]

    assert person.web.put(UNIT, json={"monthly": 3, "alerts": [1]}).json()["used"] == 2
    ask(person)
    assert person.post("もう一つだけ、聞いてもらえますか").status_code == 402
    assert person.web.delete(UNIT).status_code == 204
    ask(person)
    assert person.web.get("/billing/budgets").json()["items"] == []
    assert person.web.delete(UNIT).json()["code"] == "budget_not_found"
    lines = [line["action"] for line in person.all("/audit")]
    assert lines.count("budget.change") == 3


def test_what_is_no_budget_is_refused(house):
    person = Person(house).join()
    for body in ({"monthly": -1}, {"monthly": 1, "alerts": [0]}, {"monthly": 1, "alerts": [1, 2, 3, 4, 5, 6]}, {"monthly": 10**13}, {"monthly": "5"}, {"more": 1}):
        assert person.web.put(UNIT, json=body).status_code in (400, 422), body
    assert person.web.put("/billing/budgets/No-Unit", json={"monthly": 1}).status_code == 404
    assert person.web.get("/billing/budgets").json()["items"] == []
