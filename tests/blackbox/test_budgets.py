"""A tenant's own limit by the month: told at its amounts, stopped at its end, on again with one raise."""

import httpx
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
    for body in ({"monthly": -1}, {"monthly": 1, "alerts": [0]}, {"monthly": 1, "alerts": [1, 2, 3, 4, 5, 6]}, {"monthly": 10**16}, {"monthly": "5"}, {"more": 1}):
        assert person.web.put(UNIT, json=body).status_code in (400, 422), body
    assert person.web.put("/billing/budgets/No-Unit", json={"monthly": 1}).status_code == 404
    assert person.web.get("/billing/budgets").json()["items"] == []


def test_what_might_cost_more_than_the_limit_is_not_begun(house):
    person = Person(house).join().prove_address()
    ask(person)
    spent = next(row["cost_nano_usd"] for row in person.web.get("/billing/usage?storefront=misaki").json()["items"])
    assert spent > 0
    limit = person.web.put("/billing/budgets/misaki.cost", json={"monthly": spent + 1, "alerts": []})
    assert (limit.json()["used"], limit.json()["stopped"]) == (spent, False), limit.text
    refused = person.post("もう一つだけ、聞いてもらえますか")
    assert (refused.status_code, refused.json()["code"]) == (402, "cost_limit_reached"), refused.text
    assert refused.json()["violated-policies"] == ["misaki.cost"]
    assert person.web.get("/billing/budgets").json()["items"][0]["stopped"]
    assert until(lambda: len(notices(person)) == 1, 20), notices(person)
    assert person.web.put("/billing/budgets/misaki.cost", json={"monthly": 10**9, "alerts": []}).json()["stopped"] is False
    ask(person)


def test_a_key_has_a_limit_of_cost_of_its_own(house):
    person = Person(house).join().prove_address()
    kept = person.key("cheap", daily_cost_nano_usd=1)
    free = person.key("free")
    assert (kept["key"]["daily_cost_nano_usd"], free["key"]["daily_cost_nano_usd"]) == (1, None)

    listed = httpx.get(f"{house.inference}/v1/models", headers={"authorization": f"Bearer {free['secret']}"}, timeout=30)
    model = next(one["id"] for one in listed.json()["data"] if "embed" not in one["id"])

    def call(key: dict):
        body = {"model": model, "messages": [{"role": "user", "content": "こんばんは"}], "max_tokens": 50}
        return httpx.post(f"{house.inference}/v1/chat/completions", json=body, timeout=30, headers={"authorization": f"Bearer {key['secret']}"})

    refused = call(kept)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0, refused.text
    assert "$0.000000001" in refused.text
    assert call(free).status_code == 200
    path = f"/keys/{kept['key']['id']}"
    assert person.web.patch(path, json={"daily_cost_nano_usd": 10**9}).json()["daily_cost_nano_usd"] == 10**9
    assert until(lambda: call(kept).status_code == 200, 10)


def test_a_member_stops_at_their_own_limit_by_whatever_they_use(house):
    owner, mate = (Person(house).join(display_name=name).prove_address() for name in ("Boss", "Mate"))
    owner.found("team", "a team").invite(mate, "admin")
    mate.act_for(owner.tenant)
    keys = {person.me["user"]["id"]: person.key()["secret"] for person in (owner, mate)}

    def call(person: Person, by: str) -> httpx.Response:
        token = keys[person.user] if by == "key" else person.web.get("/billing/plan?storefront=genai").json()["inference"]["token"]
        return httpx.post(f"{house.inference}/inference", json={"prompt": "ひと言ください"}, timeout=70,
                          headers={"authorization": f"Bearer {token}", "prefer": "wait=60", "origin": house.account})

    def seen(person: Person) -> dict:
        items = person.web.get("/billing/members").json()["items"]
        return {(one["user"], one["unit"]): (one["used"], one["monthly"]) for one in items}

    limit = f"/billing/members/{mate.user}/budgets/genai.chat"
    set_ = owner.web.put(limit, json={"monthly": 2})
    assert (set_.status_code, set_.json()["used"], set_.json()["monthly"]) == (200, 0, 2), set_.text
    assert call(mate, "key").is_success and call(mate, "session").is_success
    for by in ("key", "session"):
        refused = call(mate, by)
        assert (refused.status_code, refused.json()["code"], refused.json()["violated-policies"]) == (402, "member_budget_reached", ["genai.chat"]), by
        assert int(refused.headers["retry-after"]) > 1
    assert call(owner, "key").is_success, "the others go on"
    assert seen(owner)[mate.user, "genai.chat"] == (2, 2) and seen(owner)[owner.user, "genai.chat"] == (1, None)
    assert seen(owner)[mate.user, "genai.cost"][0] > 0

    # nobody widens what was set for them from above, and whoever manages nothing sees themselves alone
    assert mate.web.put(limit, json={"monthly": 9}).status_code == 403
    assert owner.web.patch(f"/members/{mate.user}", json={"role": "member"}).status_code == 200
    assert {user for user, _ in seen(mate)} == {mate.user}
    spent = seen(owner)[mate.user, "genai.cost"][0]
    assert owner.web.put(f"/billing/members/{mate.user}/budgets/genai.cost", json={"monthly": spent + 1}).status_code == 200
    assert owner.web.delete(limit).status_code == 204
    refused = call(mate, "session")
    assert (refused.status_code, refused.json()["code"]) == (402, "member_cost_reached"), refused.text
    assert owner.web.delete(f"/billing/members/{mate.user}/budgets/genai.cost").status_code == 204
    assert call(mate, "session").is_success
    assert owner.web.delete(limit).json()["code"] == "budget_not_found"
    nobody = f"/billing/members/usr_{'0' * 32}/budgets/genai.chat"
    assert owner.web.put(nobody, json={"monthly": 1}).status_code == 404
    assert [line["action"] for line in owner.all("/audit")].count("member_budget.change") == 4
