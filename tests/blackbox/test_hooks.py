"""What tenants are told: signed as Standard Webhooks says, judged by its own library; and nothing is sent inside."""

import contextlib
import json
import time

import psycopg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from house import House
from people import Person
from receiver import Receiver
from test_billing import press
from test_inference import Developer
from test_till_orders import order


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


@pytest.fixture
def owner(house, receiver):
    receiver.told.clear()
    receiver.answers, receiver.status, receiver.headers = [], 200, {}
    return Person(house).join()


def hook(owner: Person, receiver: Receiver, **more) -> tuple[dict, str]:
    """A new endpoint and its secret."""
    answer = owner.web.post("/hooks", json={"url": f"{receiver.origin}/told"} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()["hook"], answer.json()["secret"]


def ping(owner: Person, made: dict) -> str:
    answer = owner.web.post(f"/hooks/{made['id']}/test")
    assert answer.status_code == 202, answer.text
    return answer.json()["delivery"]


def delivery(owner: Person, made: dict, until: str | None = None, tries: int = 0) -> dict:
    """The newest delivery, once it stands as asked."""
    deadline = time.monotonic() + 20
    while True:
        newest = owner.page(f"/hooks/{made['id']}/deliveries")["items"][0]
        if newest["state"] == (until or newest["state"]) and len(newest["attempts"]) >= tries:
            return newest
        assert time.monotonic() < deadline, newest
        time.sleep(0.1)  # nobody tells us how a delivery went


def test_a_test_is_delivered_and_the_official_library_believes_it(owner, receiver):
    made, secret = hook(owner, receiver)
    assert secret.startswith("whsec_")
    ping(owner, made)
    told = receiver.wait(1)[0]
    said = Webhook(secret).verify(told.body, told.headers)
    assert said["type"] == "test.ping" and said["data"] == {"hook": made["id"]} and said["timestamp"]
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(told.body.replace("ping", "pong"), told.headers)
    done = delivery(owner, made, "delivered")
    [attempt] = done["attempts"]
    assert attempt["status"] == 200 and attempt["answer"] == "thank you" and attempt["milliseconds"] >= 0
    assert told.headers["webhook-id"] == done["event"]
    assert secret not in json.dumps(owner.page("/hooks"))


def test_a_failed_try_is_repeated_under_the_same_id_and_a_replay_too(owner, receiver):
    made, secret = hook(owner, receiver)
    receiver.answers = [500]
    sent = ping(owner, made)
    first, second = receiver.wait(2)[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
    Webhook(secret).verify(second.body, second.headers)
    assert [attempt["status"] for attempt in delivery(owner, made, "delivered")["attempts"]] == [500, 200]
    assert owner.web.post(f"/hooks/deliveries/{sent}/replay").status_code == 202
    third = receiver.wait(3)[2]
    assert third.headers["webhook-id"] == first.headers["webhook-id"] and third.body == first.body
    assert len(delivery(owner, made, "delivered", tries=3)["attempts"]) == 3


def test_after_a_rollover_both_secrets_are_good_for_a_while(owner, receiver):
    made, old = hook(owner, receiver)
    answer = owner.web.post(f"/hooks/{made['id']}/secret", json={"grace_hours": 1})
    assert answer.status_code == 201, answer.text
    new = answer.json()["secret"]
    ping(owner, made)
    told = receiver.wait(1)[0]
    assert len(told.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        Webhook(secret).verify(told.body, told.headers)
    owner.web.post(f"/hooks/{made['id']}/secret", json={"grace_hours": 0})
    ping(owner, made)
    told = receiver.wait(2)[1]
    for secret in (old, new):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(told.body, told.headers)


def test_a_redirect_is_a_failure_and_is_not_followed(owner, receiver):
    made, _ = hook(owner, receiver)
    receiver.status, receiver.headers = 302, {"location": f"{receiver.origin}/elsewhere"}
    ping(owner, made)
    receiver.wait(1)
    assert delivery(owner, made, "waiting", tries=1)["attempts"][0]["status"] == 302
    assert {told.path for told in receiver.told} == {"/told"}


def test_an_endpoint_that_is_gone_is_switched_off_and_can_be_switched_on(owner, receiver):
    made, _ = hook(owner, receiver)
    receiver.status = 410
    ping(owner, made)
    delivery(owner, made, "dead")
    [seen] = owner.page("/hooks")["items"]
    assert not seen["enabled"] and seen["off_reason"] == "gone"
    assert owner.web.post(f"/hooks/{made['id']}/test").json()["code"] == "hook_off"
    receiver.status = 200
    answer = owner.web.patch(f"/hooks/{made['id']}", json={"enabled": True})
    assert answer.status_code == 200 and answer.json()["enabled"], answer.text
    ping(owner, made)
    delivery(owner, made, "delivered")


def test_nothing_can_be_sent_inside(owner, receiver):
    port = receiver.server.server_port
    for url in ("http://example.com/", f"http://localhost:{port}/", f"http://127.0.0.1:{port + 1}/", "https://127.0.0.1/",
                "https://10.0.0.1/", "https://[::1]/", "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a00:1]/",
                "https://100.64.0.1/", "https://0x7f000001/", "https://2130706433/", "https://user:word@example.com/"):
        answer = owner.web.post("/hooks", json={"url": url})
        assert (answer.status_code, answer.json().get("code")) == (422, "hook_url_refused"), url
    assert owner.page("/hooks")["items"] == []


def test_another_tenants_endpoint_is_not_there(house, owner, receiver):
    made, _ = hook(owner, receiver)
    sent = ping(owner, made)
    delivery(owner, made, "delivered")
    stranger = Person(house).join()
    for answer in (stranger.web.patch(f"/hooks/{made['id']}", json={"enabled": False}), stranger.web.delete(f"/hooks/{made['id']}"),
                   stranger.web.post(f"/hooks/{made['id']}/secret", json={}), stranger.web.post(f"/hooks/{made['id']}/test"),
                   stranger.web.get(f"/hooks/{made['id']}/deliveries"), stranger.web.post(f"/hooks/deliveries/{sent}/replay")):
        assert answer.status_code == 404, answer.text
    assert owner.web.delete(f"/hooks/{made['id']}").status_code == 204
    assert owner.page("/hooks")["items"] == []


def test_secrets_are_sealed_in_the_database(house, owner, receiver):
    import base64

    made, secret = hook(owner, receiver)
    with psycopg.connect(house.database) as database:
        [(sealed,)] = database.execute("select secret from hooks.endpoint where id = %s::uuid", [made["id"][4:]]).fetchall()
    assert base64.b64decode(secret.removeprefix("whsec_")) not in bytes(sealed)


def test_outside_of_a_demo_the_list_of_origins_is_without_effect(cluster, receiver):
    made = House(cluster.fresh(), demo=False, NOREN__HOOKS__DEMO_ORIGINS=receiver.origin)
    try:
        answer = Person(made).join().web.post("/hooks", json={"url": receiver.origin})
        assert answer.json()["code"] == "hook_url_refused"
    finally:
        made.stop()


def facts(receiver: Receiver, secret: str, *types: str) -> list[dict]:
    """What was told so far, once there is something of each of these types."""
    deadline = time.monotonic() + 20
    while True:
        bodies = []
        for told in list(receiver.told):
            with contextlib.suppress(WebhookVerificationError):  # a straggler for an endpoint of an earlier test
                bodies.append(Webhook(secret).verify(told.body, told.headers))
        if set(types) <= {body["type"] for body in bodies}:
            return bodies
        assert time.monotonic() < deadline, bodies
        with receiver.changed:
            receiver.changed.wait(1)


def test_the_ends_of_runs_are_told_without_what_was_said(owner, receiver):
    _, secret = hook(owner, receiver, event_types=["run.completed", "run.failed"])
    good, bad = owner.start("今日の秘密の相談です"), owner.start("[fail] これは駄目")
    told = facts(receiver, secret, "run.completed", "run.failed")
    assert len(told) == 2
    by_type = {body["type"]: body["data"] for body in told}
    assert by_type["run.completed"]["id"] == good["run_id"] and by_type["run.failed"]["id"] == bad["run_id"]
    assert by_type["run.completed"]["state"] == "completed" and by_type["run.completed"]["tokens_out"] > 0
    assert (by_type["run.failed"]["state"], by_type["run.failed"]["reason"]) == ("failed", "upstream_failed")
    assert "秘密" not in json.dumps(told, ensure_ascii=False)


def test_only_what_was_asked_for_is_told(owner, receiver):
    made, secret = hook(owner, receiver, event_types=["run.failed"])
    owner.start("今日のことを聞いて")
    owner.start("[fail] これは駄目")
    assert [body["type"] for body in facts(receiver, secret, "run.failed")] == ["run.failed"]
    assert [one["event_type"] for one in owner.page(f"/hooks/{made['id']}/deliveries")["items"]] == ["run.failed"]


def test_a_subscription_and_its_payment_are_told(owner, receiver):
    owner.prove_address()
    _, secret = hook(owner, receiver)
    answer = owner.web.post("/billing/checkout-session", json={"order": order(owner, "paid")["id"]})
    assert answer.status_code == 201, answer.text
    assert press(answer.json()["url"], "Pay").status_code == 303
    told = facts(receiver, secret, "subscription.changed", "payment.succeeded")
    [paid] = [body["data"] for body in told if body["type"] == "payment.succeeded"]
    assert (paid["amount"], paid["currency"]) == (980, "jpy")
    assert {"storefront": "misaki", "plan": "paid", "status": "active"}.items() <= \
        [body["data"] for body in told if body["type"] == "subscription.changed"][-1].items()
    assert owner.email not in json.dumps(told)


# --- the address of one run's own ----------------------------------------------------------------------------------


def told_of(developer: Developer, id: str, state: str) -> dict:
    """What a run's detail says of its address, once its newest delivery stands so."""
    deadline = time.monotonic() + 60
    while True:
        named = developer.person.page(f"/history/{id}")["webhook"]
        if named["deliveries"] and named["deliveries"][0]["state"] == state:
            return named
        assert time.monotonic() < deadline, named
        time.sleep(0.1)  # nobody tells us how a delivery went


def test_an_address_of_a_runs_own_is_told_of_its_end_signed_and_tried_again(house, receiver, owner):
    developer = Developer(house)
    secret = developer.person.web.post("/hooks/runs/secret", json={"grace_hours": 0}).json()["secret"]
    receiver.answers = [500]
    started = developer.start({"prompt": "今日の秘密の相談です", "webhook": f"{receiver.origin}/mine?run=1"})
    assert started.status_code == 202, started.text
    first, second = receiver.wait(2, within=60)
    assert first.path == second.path == "/mine?run=1" and first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    said = Webhook(secret).verify(second.body, second.headers)
    run = started.json()["id"]
    assert (said["type"], said["data"]["id"], said["data"]["state"]) == ("run.completed", run, "completed")
    assert said["data"]["tokens_out"] > 0 and "秘密" not in second.body
    named = told_of(developer, run, "delivered")
    assert (named["url"], named["events"]) == (f"{receiver.origin}/mine?run=1", [])
    assert [attempt["status"] for attempt in named["deliveries"][0]["attempts"]] == [500, 200]
    [endpoint] = developer.person.page("/hooks")["items"]
    assert endpoint["url"] is None and endpoint["enabled"]
    replayed = developer.person.web.post(f"/hooks/deliveries/{named['deliveries'][0]['id']}/replay")
    assert replayed.status_code == 202 and receiver.wait(3, within=60)[2].path == "/mine?run=1"


def test_a_runs_own_address_is_told_of_the_ends_that_it_asked_for_and_may_be_gone(house, receiver, owner):
    developer = Developer(house)
    receiver.status = 410
    only_failures = {"webhook": f"{receiver.origin}/failures", "webhook_events_filter": ["run.failed"]}
    good = developer.start({"prompt": "ひと言"} | only_failures, wait=30).json()["id"]
    bad = developer.start({"prompt": "[fail] だめ"} | only_failures).headers["location"].rpartition("/")[2]
    [told] = receiver.wait(1, within=60)
    body = json.loads(told.body)
    assert (body["type"], body["data"]["id"]) == ("run.failed", bad)
    assert [attempt["status"] for attempt in told_of(developer, bad, "dead")["deliveries"][0]["attempts"]] == [410]
    assert developer.person.page(f"/history/{good}")["webhook"]["deliveries"] == []
    [endpoint] = developer.person.page("/hooks")["items"]
    assert endpoint["enabled"], "one address that is gone says nothing of the next"
    assert len(receiver.told) == 1


def test_a_runs_own_address_is_judged_before_anything_is_begun(house, receiver):
    developer = Developer(house)
    for url in ("https://127.0.0.1/", "https://169.254.169.254/latest", "http://example.com/", "ftp://a.example/", "nonsense"):
        refused = developer.start({"prompt": "ひと言", "webhook": url})
        assert (refused.status_code, refused.json()["code"]) == (422, "hook_url_refused"), url
    for body in ({"webhook": ""}, {"webhook_events_filter": ["run.completed"]},
                 {"webhook": receiver.origin, "webhook_events_filter": ["test.ping"]}):
        refused = developer.start({"prompt": "ひと言"} | body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), body
    assert developer.person.page("/history")["items"] == []
    plan = developer.person.page("/billing/plan", storefront="genai")
    assert {quota["used"] for quota in plan["quotas"]} == {0}
