"""What the log never holds, however much of it was asked for."""

import json
import time
import uuid

import httpx
import pytest
import stripe

from house import SEAL_KEY, House
from people import Person, await_letter
from visitor import Visitor


class Secrets(dict):
    """What was sent or given out, by what it is; each long enough to be nobody else's."""

    def add(self, what: str, secret: str) -> str:
        assert len(secret) >= 12, (what, secret)
        self[what] = secret
        return secret


def drive(house: House) -> Secrets:
    """Signs in, asks, is told, and is refused, with secrets of every kind."""
    secrets = Secrets()
    new = lambda what: secrets.add(what, f"{what.replace(' ', '')}{uuid.uuid4().hex}")  # noqa: E731
    person = Person(house).join().prove_address()
    secrets.add("address", person.email)
    secrets.add("password", person.password)
    for name, value in person.web.cookies.items():
        secrets.add(f"cookie {name}", value)
    secrets.add("link", await_letter(house, person.email, "verify").token("verify"))
    person.web.post("/auth/login", json={"email": person.email, "password": new("wrong password")})
    person.web.post("/auth/login", json={"email": f"{new('stranger')}@example.test", "password": new("a guess")})
    person.web.post("/auth/login", content=b'{"email":"' + new("broken body").encode())
    tokens = person.tokens()
    secrets.add("access token", tokens["access_token"])
    secrets.add("refresh token", tokens["refresh_token"])
    person.web.post("/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
    key = secrets.add("key", person.key()["secret"])
    hook = person.web.post("/hooks", json={"url": f"https://hooks.example.test/{new('hook path')}", "events": ["*"]})
    if hook.status_code == 201:
        secrets.add("hook secret", hook.json()["secret"])

    guest = Visitor(house).guest()
    token = secrets.add("inference token", guest.plan()["inference"]["token"])
    run = guest.start(f"{new('message')} のことを聞いてもらえますか")["run_id"]
    guest.events(run)
    ask = {"model": "genai-small", "messages": [{"role": "system", "content": new("system prompt")}, {"role": "user", "content": new("prompt")}]}
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer nrn_{new('wrong key')}"}):
        for stream in (False, True):
            httpx.post(f"{house.inference}/v1/chat/completions", json=ask | {"stream": stream}, headers=headers, timeout=30)
    broken = ask["messages"] + [{"role": "user", "content": f"[fail after 3] {new('prompt that fails')}"}]
    httpx.post(f"{house.inference}/v1/chat/completions", json=ask | {"messages": broken}, headers={"x-api-key": key}, timeout=30)
    httpx.post(f"{house.inference}/v1/messages", content=new("no json").encode(), headers={"x-api-key": key})

    query = {"token": new("token in a query"), "code": new("code in a query"), "q": new("search in a query")}
    for url in (f"{house.account}/auth/callback", f"{house.account}/nowhere", f"{house.account}/api/misaki/search", f"{house.inference}/inference"):
        person.web.get(url, params=query, headers={"accept": "application/json"})
    odd = {"cookie": f"noren_session={new('false session')}; x={new('another cookie')}", "proxy-authorization": f"Basic {new('basic')}"}
    httpx.get(f"{house.account}/auth/me", headers=odd)
    signature = f"t={int(time.time())},v1={new('signature')}"
    event = json.dumps({"id": "evt_1", "object": "event", "secret": new("event body")})
    httpx.post(f"{house.account}/webhooks/stripe", content=event, headers={"content-type": "application/json", "stripe-signature": signature})
    page = person.web.post("/billing/checkout-session", json={"storefront": "misaki", "plan": "paid"}).json()["url"]
    kept = json.loads((house.data / "sandbox-stripe.json").read_text())
    secrets.add("Stripe's key", kept["key"])
    stripe.StripeClient(kept["key"], base_addresses={"api": str(httpx.URL(page).copy_with(path="/")).rstrip("/")}).v1.customers.list()
    return secrets


@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_secret_and_no_word_of_anybody_is_in_the_log_at_its_most_verbose(cluster, form):
    house = House(cluster.fresh(), NOREN__LOG__FILTER="trace", NOREN__LOG__FORMAT=form)
    secrets = drive(house)
    secrets.add("the seal's key", SEAL_KEY)
    assert len(secrets) >= 25
    house.terminate()
    house.process.wait(60)
    log = house.log()
    try:
        assert "DEBUG" in log and log.count("answered") > 30 and "req_" in log, "it is verbose, and says what happened"
        found = [what for what, secret in secrets.items() if secret in log]
        assert not found, [next(line[:400] for line in log.splitlines() if secrets[what] in line) for what in found]
        if form == "json":
            lines = [line for line in log.splitlines() if line.startswith("{")]
            assert len(lines) > 100 and all(json.loads(line)["level"] for line in lines), "a line that was redacted can be read still"
    finally:
        house.stop()

