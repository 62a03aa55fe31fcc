"""From the final confirmation to the receipt, by the stand-in's pages."""

import httpx

from test_billing import plan, press, until
from visitor import Visitor


def order(visitor: Visitor, wanted: str) -> dict:
    answer = visitor.web.post("/billing/orders", json={"storefront": "misaki", "plan": wanted})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_person_orders_upgrades_downgrades_and_ends_it(house):
    member = Visitor(house).demo("free")
    shown = order(member, "paid")
    assert (shown["kind"], len(shown["items"]), shown["due_now_yen"]) == ("new", 6, shown["plan"]["price_yen"])
    answer = member.web.post("/billing/checkout-session", json={"order": shown["id"]})
    assert answer.status_code == 201, answer.text
    page = answer.json()["url"]
    # a wrong card, then the bank asks, then it is paid
    assert "declined" in press(page, "declined").text
    asked = press(page, "Pay with 3-D Secure")
    assert "3-D Secure" in asked.text and "SANDBOX" in asked.text
    assert httpx.post(f"{page}/pay").status_code == 303
    assert until(lambda: plan(member)["plan"]["id"] == "paid")
    [receipt] = until(lambda: member.web.get("/billing/receipts").json()["items"])
    whole = member.web.get(f"/billing/receipts/{receipt['id']}").json()
    assert whole["issuer"]["registration_number"] is None, "not called a qualified invoice"
    assert whole["tax"][0]["base_yen"] + whole["tax"][0]["tax_yen"] == whole["total_yen"] == shown["total_yen"]

    upgrade = order(member, "vip")
    assert (upgrade["kind"], upgrade["current"]["id"]) == ("upgrade", "paid")
    change = f"/billing/subscriptions/{upgrade['subscription']}"
    changed = member.web.post(f"{change}/change", json={"order": upgrade["id"]})
    assert changed.status_code == 200, changed.text
    assert plan(member)["plan"]["id"] == "vip"
    paid = until(lambda: (found := member.web.get("/billing/receipts").json()["items"]) and len(found) == 2 and found)
    assert paid[0]["total_yen"] == upgrade["due_now_yen"]

    downgrade = order(member, "paid")
    assert (downgrade["kind"], downgrade["due_now_yen"]) == ("downgrade", 0)
    changed = member.web.post(f"{change}/change", json={"order": downgrade["id"]}).json()
    assert (changed["plan"], changed["changes_to"]["plan"]) == ("vip", "paid")
    assert member.web.post(f"{change}/cancel").json()["status"] == "canceled"
    assert member.web.post(f"{change}/resume").json()["status"] == "active"
    kept = member.web.get("/account/export").json()["billing"]
    assert len(kept["receipts"]) == 2 and {"new", "upgrade", "downgrade"} == {one["kind"] for one in kept["orders"]}
