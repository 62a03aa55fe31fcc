"""Paying at the counter: by the stand-in in a demo, and events signed by Stripe's own library."""

import gzip
import json
import os
import re
import signal
import socket
import time

import httpx
import psycopg
import pytest
import stripe

from house import House
from visitor import Visitor

OLD, NEW = "whsec_the_old_secret_0", "whsec_the_new_secret_1"


def until(right, within: float = 10):
    """Waits until a look at the house says what it should."""
    deadline = time.monotonic() + within
    while True:
        found = right()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)  # the house tells nobody here when an event was worked on


def plan(visitor: Visitor) -> dict:
    return visitor.web.get("/billing/plan", params={"storefront": "misaki"}).json()


def press(page: str, label: str) -> httpx.Response:
    """Presses the button of a hosted page whose label contains a word."""
    html = httpx.get(page).text
    assert "SANDBOX" in html
    form = re.search(rf'<form method="post" action="([^"]+)"><button name="of" value="([^"]*)">[^<]*{label}', html)
    assert form, html
    return httpx.post(httpx.URL(page).join(form[1]), data={"of": form[2]})


def test_a_person_subscribes_cancels_and_is_told_so(house):
    member = Visitor(house).demo("free")
    assert plan(member)["plan"]["id"] == "free"
    answer = member.web.post("/billing/checkout-session", json={"storefront": "misaki", "plan": "paid"})
    assert answer.status_code == 201, answer.text
    page = answer.json()["url"]

    declined = press(page, "declined")
    assert declined.status_code == 200 and 'role="alert"' in declined.text
    assert plan(member)["plan"]["id"] == "free"

    paid = press(page, "Pay")
    assert paid.status_code == 303 and paid.headers["location"].startswith(house.public)
    assert until(lambda: plan(member)["plan"]["id"] == "paid")
    now = plan(member)
    assert now["status"] == "active" and now["expires_at"]
    [known] = member.web.get("/billing/subscriptions").json()["items"]
    assert (known["storefront"], known["plan"], known["status"], known["cancel_at"]) == ("misaki", "paid", "active", None)
    again = member.web.post("/billing/checkout-session", json={"storefront": "misaki", "plan": "vip"})
    assert (again.status_code, again.json()["code"]) == (409, "already_subscribed")

    answer = member.web.post("/billing/portal-session")
    assert answer.status_code == 201, answer.text
    assert press(answer.json()["url"], "Cancel").status_code == 303
    assert until(lambda: plan(member)["status"] == "canceled")
    assert plan(member)["plan"]["id"] == "paid"


def test_whoever_may_not_pay_is_refused_and_prices_are_not_the_callers(house, guest):
    body = {"storefront": "misaki", "plan": "paid"}
    assert guest.web.post("/billing/checkout-session", json=body).status_code == 403
    assert httpx.post(f"{house.account}/billing/checkout-session", json=body).status_code == 401
    vip = Visitor(house).demo("vip")
    tampered = vip.web.post("/billing/checkout-session", json=body | {"price_yen": 1})
    assert tampered.status_code in (400, 422), tampered.text
    assert vip.web.post("/billing/portal-session").json()["code"] == "nothing_bought"


@pytest.fixture
def database(cluster):
    return cluster.fresh()


def configured(database: str) -> House:
    """A house whose Stripe is away, so that what it is told stays in line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{free.getsockname()[1]}"
    return House(database, demo=False, NOREN__BILLING__STRIPE__SECRET_KEY="sk_test_of_a_test",
                 NOREN__BILLING__STRIPE__WEBHOOK_SECRETS=f"{OLD},{NEW}", NOREN__BILLING__STRIPE__API_URL=away)


def event(name: str) -> str:
    # written with spaces, as no library would write it anew
    return json.dumps({"id": name, "object": "event", "type": "customer.subscription.updated", "livemode": False,
                       "api_version": stripe.api_version, "created": int(time.time()),
                       "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1"}}}, indent=2)


def signed(body: str, secret: str, at: int | None = None, scheme: str = "v1") -> str:
    """The header that Stripe's own library computes."""
    at = at or int(time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{at}.{body}", secret)
    header = f"t={at},{scheme}={signature}"
    if scheme == "v1" and abs(time.time() - at) < 200:
        assert stripe.Webhook.construct_event(body, header, secret)["id"]
    return header


def rows(database: str) -> dict[str, str]:
    with psycopg.connect(database) as owner:
        return dict(owner.execute("select event_id, state from audit.webhooks").fetchall())


def send(house: House, body: str, header: str | None) -> int:
    headers = {"content-type": "application/json"} | ({"stripe-signature": header} if header else {})
    return httpx.post(f"{house.account}/webhooks/stripe", content=body, headers=headers).status_code


def test_stripes_own_signatures_pass_and_nothing_else_leaves_a_row(database):
    house = configured(database)
    body, now = event("evt_1"), int(time.time())
    for header in [None, "", signed(body, "whsec_somebody_elses_0"), signed(body, NEW, scheme="v0"), signed(body, NEW, now - 310),
                   signed(body, NEW, now + 310)]:
        assert send(house, body, header) == 400, header
    assert send(house, json.dumps(json.loads(body)), signed(body, NEW)) == 400
    folded = {"content-type": "application/json", "content-encoding": "gzip", "stripe-signature": signed(body, NEW)}
    assert httpx.post(f"{house.account}/webhooks/stripe", content=gzip.compress(body.encode()), headers=folded).status_code == 400, "not its bytes"
    assert rows(database) == {}
    assert send(house, body, signed(body, OLD)) == 200
    assert send(house, body, signed(body, NEW)) == 200, "the same event once more"
    both = signed(event("evt_2"), "whsec_somebody_elses_0") + "," + signed(event("evt_2"), NEW).split(",")[1]
    assert send(house, event("evt_2"), both) == 200
    assert set(rows(database)) == {"evt_1", "evt_2"}
    assert house.stop() == 0


def test_what_was_answered_outlives_a_kill(database):
    house = configured(database)
    names = [f"evt_{n}" for n in range(50)]
    for name in names:
        body = event(name)
        assert send(house, body, signed(body, NEW)) == 200
    os.kill(house.process.pid, signal.SIGKILL)
    house.process.wait(10)
    assert set(rows(database)) == set(names)
    house = configured(database)
    # each is tried, fails since Stripe is away, and stays in line
    def tried() -> bool:
        with psycopg.connect(database) as owner:
            return owner.execute("select count(*) from audit.webhooks where attempts > 0 and note like '%can''t be reached%'").fetchone()[0] == 50
    assert until(tried, 150)
    assert house.stop() == 0
