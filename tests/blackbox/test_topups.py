"""Units that are bought once: by the stand-in's pages, asked for by Stripe's own library too."""

import datetime
import uuid

import httpx
import psycopg
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


def test_an_operator_reads_who_came_what_was_used_and_what_it_brought_side_by_side(house, shop):
    person = Person(house).join()
    bought(person)
    for sent in (person.start(), person.start("[fail] これは駄目")):
        person.events(sent["run_id"])
    with psycopg.connect(house.database, autocommit=True) as rows:
        rows.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(person.user[4:])])
        [intent] = rows.execute("""select payment_intent from billing.payment where tenant_id =
            (select tenant_id from identity.membership where user_id = %s)""", [uuid.UUID(person.user[4:])]).fetchone()
    shop.v1.refunds.create({"payment_intent": intent, "amount": 100})
    operator = person.again()
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=9)))
    month, day, year = (today.strftime(shape) for shape in ("%Y-%m", "%Y-%m-%d", "%Y"))

    def money(figures: dict) -> dict:
        misaki = next(one for one in figures["storefronts"] if one["storefront"] == "misaki")
        return {one["currency"]: (one["paid"], one["refunded"], one["net"]) for one in misaki["revenue"]}

    figures = until(lambda: (told := operator.page("/admin/figures", of=month))["total"]["storefronts"] and money(told["total"])["jpy"][1] and told, 60)
    assert figures, "the refund never came"
    with psycopg.connect(house.database) as rows:
        paid, refunded = rows.execute("select sum(amount), sum(refunded) from billing.payment where currency = 'jpy'").fetchone()
        came = rows.execute("""select (select count(*) from identity.app_user),
            (select count(*) from identity.audit where action = 'session.start' and actor like 'usr%%')""").fetchone()
        used = rows.execute("""select count(*), count(*) filter (where outcome = 'completed'), count(*) filter (where outcome = 'failed'),
            sum(tokens_in), sum(tokens_out), sum(cost_nano_usd) from entitlement.usage where storefront = 'misaki'""").fetchone()
    assert money(figures["total"]) == {"jpy": (paid, refunded, paid - refunded)} and refunded == 100
    misaki = next(one for one in figures["total"]["storefronts"] if one["storefront"] == "misaki")
    names = ("requests", "completed", "failed", "tokens_in", "tokens_out", "cost_nano_usd")
    assert tuple(misaki[name] for name in names) == used and misaki["failed"] > 0
    assert (figures["total"]["sign_ups"], figures["total"]["sign_ins"]) == came and figures["zone"] == "Asia/Tokyo"
    assert [one["period"] for one in figures["items"]] == [day]
    by_month = operator.page("/admin/figures", of=year)
    assert [one["period"] for one in by_month["items"]] == [month] and money(by_month["total"]) == money(figures["total"])
    assert operator.page("/admin/figures", of="2020-01")["items"] == []
    for wrong in ("2026-13", "2026-11-22", "now"):
        assert operator.web.get("/admin/figures", params={"of": wrong}).status_code == 422, wrong
    assert Person(house).join().web.get("/admin/figures", params={"of": month}).status_code == 403
