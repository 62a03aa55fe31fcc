"""A second opinion on subscriptions and invoices: localstripe, which others wrote, and our stand-in are told the same story by
Stripe's own library, and agree in the fields that are read of them.

localstripe knows no checkout and no prices (a plan is both), so there the subscription is made by a call; and it prorates
nothing by time: a change of plan takes back all that was paid, and is billed when somebody asks for it.
"""

import pathlib
import subprocess
import sys

import httpx
import pytest
import stripe

from test_billing import press

# the shape in which both can speak
VERSION = "2024-06-20"
CHEAP, DEAR = ("price_sandbox_misaki_paid", 980), ("price_sandbox_misaki_vip", 2980)


@pytest.fixture(scope="module")
def localstripe():
    """Stripe's own library at a localstripe that sells what the stand-in sells."""
    script = pathlib.Path(__file__).with_name("localstripe_server.py")
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = process.stdout.readline().strip()
    client = stripe.StripeClient("sk_test_of_a_test", base_addresses={"api": f"http://127.0.0.1:{port}"}, stripe_version=VERSION)
    for price, amount in (CHEAP, DEAR):
        client.v1.plans.create({"id": price, "amount": amount, "currency": "jpy", "interval": "month", "product": {"name": price}})
    yield client
    process.terminate()
    process.wait(60)


def by_call(client: stripe.StripeClient, customer: str) -> str:
    """A subscription that is made and paid with a card at localstripe."""
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": card.id}})
    return client.v1.subscriptions.create({"customer": customer, "items": [{"plan": CHEAP[0]}]}).id


def by_checkout(client: stripe.StripeClient, customer: str) -> str:
    """A subscription that is paid on a page of the stand-in's."""
    session = client.v1.checkout.sessions.create({
        "mode": "subscription", "customer": customer, "line_items": [{"price": CHEAP[0], "quantity": 1}],
        "success_url": "https://noren.example/", "cancel_url": "https://noren.example/"})
    assert press(session.url, "Pay").status_code == 303
    return client.v1.checkout.sessions.retrieve(session.id).subscription


def price_of(item) -> str:
    return (item.price if hasattr(item, "price") else item.plan).id


def sold(subscription, customer: str) -> dict:
    """What is read of a subscription."""
    [item] = subscription["items"]["data"]
    return {
        "status": subscription.status, "livemode": subscription.livemode, "own": subscription.customer == customer,
        "price": price_of(item), "ends": subscription.cancel_at_period_end, "cancel_at": subscription.cancel_at,
        "ended": subscription.ended_at is not None,
    }


def paid(invoice, subscription, customer: str) -> dict:
    """What is read of an invoice."""
    [line] = invoice.lines.data
    return {
        "status": invoice.status, "livemode": invoice.livemode, "own": invoice.customer == customer,
        "for": invoice.subscription == subscription.id, "amounts": (invoice.amount_due, invoice.amount_paid, invoice.currency),
        "paid at": invoice.status_transitions.paid_at >= invoice.created > 0, "intent": invoice.payment_intent.startswith("pi_"),
        "line": (line.amount, line.proration, price_of(line)), "period": line.period.end - line.period.start,
        "of the period": (line.period.start, line.period.end) == (subscription.current_period_start, subscription.current_period_end),
    }


def story(client: stripe.StripeClient, subscribe) -> list[dict]:
    """A customer who subscribes, gets some money back, means to leave, stays, moves to a dearer plan, and leaves."""
    made = client.v1.customers.create({"email": "chidori@example.test", "name": "千鳥", "metadata": {"tenant": "tnt_of_a_test"}})
    customer = client.v1.customers.retrieve(made.id)
    told = [{"email": customer.email, "name": customer.name, "tenant": customer.metadata["tenant"], "livemode": customer.livemode}]
    id = subscribe(client, customer.id)
    subscription = client.v1.subscriptions.retrieve(id)
    told.append(sold(subscription, customer.id))
    assert [one.id for one in client.v1.subscriptions.list({"customer": customer.id}).data] == [id]
    invoice = client.v1.invoices.retrieve(subscription.latest_invoice)
    told.append(paid(invoice, subscription, customer.id))
    refund = client.v1.refunds.create({"payment_intent": invoice.payment_intent, "amount": 100})
    told.append({"refund": (refund.amount, refund.currency, refund.status)})
    for leaves in (True, False):
        client.v1.subscriptions.update(id, {"cancel_at_period_end": leaves})
        found = client.v1.subscriptions.retrieve(id)
        # our stand-in also says when that is, as Stripe does
        assert found.cancel_at in (None, found.current_period_end if leaves else None)
        told.append(sold(found, customer.id) | {"cancel_at": None})
    [item] = subscription["items"]["data"]
    named = "price" if hasattr(item, "price") else "plan"
    client.v1.subscriptions.update(id, {"items": [{"id": item.id, named: DEAR[0]}]})
    told.append(sold(client.v1.subscriptions.retrieve(id), customer.id))
    client.v1.subscriptions.cancel(id)
    told.append(sold(client.v1.subscriptions.retrieve(id), customer.id))
    assert client.v1.subscriptions.list({"customer": customer.id}).data == []
    return told


def test_localstripe_and_our_stand_in_tell_the_same_story(shop, localstripe):
    address = shop._requestor._options.base_addresses["api"]
    ours = stripe.StripeClient(shop._requestor._options.api_key, base_addresses={"api": address}, stripe_version=VERSION)
    theirs, own = story(localstripe, by_call), story(ours, by_checkout)
    assert theirs == own
    assert own[2]["amounts"] == (980, 980, "jpy") and own[2]["line"] == (980, False, CHEAP[0])
    assert [one["status"] for one in own if "price" in one] == ["active", "active", "active", "active", "canceled"]
    assert [one["price"] for one in own if "price" in one][-2:] == [DEAR[0], DEAR[0]]


def test_neither_knows_what_there_is_not(shop, localstripe):
    for client in (shop, localstripe):
        for get in (client.v1.customers.retrieve, client.v1.subscriptions.retrieve, client.v1.invoices.retrieve):
            with pytest.raises(stripe.InvalidRequestError) as refused:
                get("cus_nobody")
            assert refused.value.http_status == 404
    assert httpx.get(f"{localstripe._requestor._options.base_addresses['api']}/v1/customers/cus_nobody").status_code == 401
