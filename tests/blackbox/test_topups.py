"""Units that are bought once: by the stand-in's pages, asked for by Stripe's own library too."""

import httpx
import pytest
import stripe

from people import Person
from test_billing import press, until


def lots(person: Person) -> list[dict]:
    return [lot for lot in person.page("/billing/ledger/misaki.chat/lots")["items"] if lot["reason"] == "misaki/hundred"]


def bought(person: Person) -> dict:
    """Orders a top-up and pays for it."""
    answer = person.web.post("/billing/topup-orders", json={"storefront": "misaki", "topup": "hundred"})
    assert answer.status_code == 201, answer.text
    order = answer.json()
    answer = person.web.post("/billing/checkout-session", json={"order": order["id"]})
    assert answer.status_code == 201, answer.text
    page = answer.json()["url"]
    assert "once" in httpx.get(page).text
    assert "declined" in press(page, "declined").text
    assert press(page, "Pay").status_code == 303
    assert until(lambda: person.page(f"/billing/topup-orders/{order['id']}")["paid"])
    return order


def test_a_person_buys_a_hundred_more_beside_their_plan(house):
    offers = httpx.get(f"{house.account}/billing/topups", params={"storefront": "misaki"}).json()["items"]
    assert [(offer["id"], offer["for_sale"]) for offer in offers] == [("hundred", True), ("thousand", True)]
    person = Person(house).join()
    before = person.quota()["available"]
    order = bought(person)
    assert len(order["items"]) == 6 and order["total_yen"] == 300
    assert person.quota()["available"] == before + 100
    [lot] = lots(person)
    assert (lot["source"], lot["granted"], lot["left"]) == ("paid", 100, 100)
    # what expires first is used first: the day's own
    sent = person.start()
    assert person.events(sent["run_id"])[-1].data["state"] == "completed"
    assert [lot["left"] for lot in lots(person)] == [100]
    bought(person)
    assert [lot["left"] for lot in lots(person)] == [100, 100]
    receipts = person.page("/billing/receipts")["items"]
    assert [(one["total_yen"], one["plan_title"]["en"]) for one in receipts] == [(300, "100 messages")] * 2


def test_stripes_own_library_sells_once_and_pays_back(shop):
    customer = shop.v1.customers.create({"metadata": {"tenant": "of a test"}})
    wish = {"mode": "payment", "customer": customer.id, "line_items": [{"price": "price_sandbox_misaki_topup_hundred", "quantity": 1}],
            "invoice_creation": {"enabled": True, "invoice_data": {"metadata": {"order": "of a test"}}},
            "success_url": "https://noren.example/", "cancel_url": "https://noren.example/"}
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.checkout.sessions.create(wish | {"mode": "subscription"})
    session = shop.v1.checkout.sessions.create(wish)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert press(session.url, "Pay").status_code == 303
    session = shop.v1.checkout.sessions.retrieve(session.id)
    assert (session.status, session.payment_status) == ("complete", "paid")
    invoice = shop.v1.invoices.retrieve(session.invoice)
    assert (invoice.status, invoice.amount_paid, invoice.metadata["order"], invoice.parent) == ("paid", 300, "of a test", None)
    assert [line.pricing.price_details.price for line in invoice.lines.data] == ["price_sandbox_misaki_topup_hundred"]
    intent = invoice.payments.data[0].payment.payment_intent
    refund = shop.v1.refunds.create({"payment_intent": intent, "amount": 100})
    assert (refund.amount, refund.status) == (100, "succeeded")


def test_stripes_own_library_writes_an_invoice_and_finds_no_card_for_it(shop):
    customer = shop.v1.customers.create({"metadata": {"tenant": "of a test"}})
    assert shop.v1.customers.payment_methods.list(customer.id).data == []
    invoice = shop.v1.invoices.create({"customer": customer.id, "collection_method": "charge_automatically", "auto_advance": False,
                                       "pending_invoice_items_behavior": "exclude", "metadata": {"order": "of a test"}})
    assert (invoice.status, invoice.amount_due) == ("draft", 0)
    shop.v1.invoice_items.create({"customer": customer.id, "invoice": invoice.id, "quantity": 1,
                                  "pricing": {"price": "price_sandbox_misaki_topup_hundred"}})
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.pay(invoice.id, {"off_session": True})
    invoice = shop.v1.invoices.finalize_invoice(invoice.id, {"auto_advance": False})
    assert (invoice.status, invoice.amount_due) == ("open", 300)
    with pytest.raises(stripe.StripeError) as declined:
        shop.v1.invoices.pay(invoice.id, {"off_session": True})
    assert declined.value.http_status == 402
    assert shop.v1.invoices.void_invoice(invoice.id).status == "void"


def test_a_customers_test_clock_is_its_own(shop):
    clock = shop.v1.test_helpers.test_clocks.create({"frozen_time": 1_900_000_000, "name": "of a test"})
    ahead = shop.v1.customers.create({"test_clock": clock.id})
    other = shop.v1.customers.create({})
    shop.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_900_086_400})
    assert shop.v1.test_helpers.test_clocks.retrieve(clock.id).frozen_time == 1_900_086_400
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_900_000_000})
    told = [shop.v1.invoices.create({"customer": customer.id, "auto_advance": False}).created for customer in (ahead, other)]
    assert told[0] >= 1_900_086_400 > told[1]
