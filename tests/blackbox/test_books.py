"""A balance explained: every lot behind it and every movement of it, for its owner and for an operator."""

import uuid
from datetime import datetime, timedelta

import psycopg
import pytest

from house import REPOSITORY, run
from people import Person
from visitor import UNIT

FREE = "今日の仕事のことを、少し聞いてもらえますか"


@pytest.fixture(scope="module")
def person(house):
    """Somebody who used three messages."""
    made = Person(house).join()
    for _ in range(3):
        made.events(made.start(FREE)["run_id"])
    return made


@pytest.fixture(scope="module")
def operator(house):
    made = Person(house).join()
    with psycopg.connect(house.database, autocommit=True) as database:
        database.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(made.user[4:])])
    return made.look()


def test_a_balance_expands_to_lots_and_movements_that_add_up(person):
    lots, balances = person.all(f"/billing/ledger/{UNIT}/lots"), person.balances()
    assert {(lot["source"], lot["reason"], lot["reference"]) for lot in lots} == {("free", "misaki/free", None)}
    for lot in lots:
        assert lot["granted"] == lot["used"] + lot["held"] + lot["expired"] + lot["reversed"] + lot["left"], lot
    assert sum(lot["left"] for lot in lots) == balances["available"]
    assert sum(lot["used"] for lot in lots) == balances["spent"] == 3
    told = person.all(f"/billing/ledger/{UNIT}/movements")
    assert sum(one["amount"] for one in told) == balances["available"] == told[0]["balance_after"]
    assert sum(one["used"] for one in told) == 3 and all(one["balance_after"] >= 0 for one in told)
    before = 0
    for one in reversed(told):
        assert one["balance_after"] == before + one["amount"], one
        before = one["balance_after"]
    assert told[-1]["kind"] == "grant"
    usage, blocks = person.usage(), {one["reference"] for one in told}
    assert len(usage) == 3 and {row["block_id"] for row in usage} <= blocks, "what was used leads to the movement, and back"


def test_the_movements_of_one_lot_are_its_own(person):
    [lot] = person.page(f"/billing/ledger/{UNIT}/lots")["items"]
    told = person.all(f"/billing/ledger/{UNIT}/movements", lot=lot["id"])
    assert {one["lot_id"] for one in told} == {lot["id"]} and told[0]["balance_after"] == lot["left"]
    for unknown in (f"lot_{uuid.uuid4().hex}", "rubbish"):
        answer = person.web.get(f"/billing/ledger/{UNIT}/movements", params={"lot": unknown})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert person.page("/billing/ledger/misaki.nothing/lots")["items"] == []
    assert person.web.get("/billing/ledger/MISAKI/lots").status_code == 404
    assert person.web.get("/billing/ledger/a%00b/lots").status_code == 404


def test_another_tenants_lot_is_as_unknown_as_none(house, person):
    [lot] = person.page(f"/billing/ledger/{UNIT}/lots")["items"]
    other = Person(house).join()
    other.plan()
    answer = other.web.get(f"/billing/ledger/{UNIT}/movements", params={"lot": lot["id"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_operator_finds_a_tenant_and_reads_the_same_books(house, person, operator):
    for q in (person.email, person.email.upper(), person.tenant):
        [found] = operator.page("/admin/tenants", q=q)["items"]
        assert (found["id"], found["kind"], found["email"], found["plans"]) == (person.tenant, "person", person.email, {})
    assert operator.page("/admin/tenants", q="nobody has this name")["items"] == []
    everybody = [tenant["id"] for tenant in operator.all("/admin/tenants")]
    assert person.tenant in everybody and len(everybody) == len(set(everybody))
    books = f"/admin/tenants/{person.tenant}/ledger"
    balances = person.balances()
    [unit] = operator.page(books)["items"]
    assert unit == {"unit": UNIT, "available": balances["available"], "held": balances["held"], "used": 3, "expired": 0}
    for part in ("lots", "movements"):
        assert operator.page(f"{books}/{UNIT}/{part}", limit=100) == person.page(f"/billing/ledger/{UNIT}/{part}", limit=100)
    ghost = f"/admin/tenants/tnt_{uuid.uuid4().hex}/ledger"
    for path in (ghost, f"{ghost}/{UNIT}/lots", f"{ghost}/{UNIT}/movements", "/admin/tenants/rubbish/ledger"):
        assert operator.web.get(path).status_code == 404, path


def test_an_operator_sees_every_version_of_every_plan_and_who_is_on_it(house, person, operator):
    said = run("plans", "assign", person.tenant, "misaki", "vip", DATABASE_URL=house.database)
    assert said.returncode == 0, said.stderr
    [found] = operator.page("/admin/tenants", q=person.tenant)["items"]
    assert found["plans"] == {"misaki": {"plan": "vip", "version": 1, "status": "active"}}
    plans = {(plan["storefront"], plan["plan"]): plan for plan in operator.page("/admin/plans")["items"]}
    assert {storefront for storefront, _ in plans} == {"misaki", "webgpt", "genai", "narai"}
    vip = plans["misaki", "vip"]
    with psycopg.connect(house.database) as database:
        [(count,)] = database.execute("""select count(*) from entitlement.enrolment e join entitlement.plan_version v
            on v.id = e.plan_version_id where v.storefront = 'misaki' and v.plan = 'vip'""").fetchall()
    assert vip["customers"] == count >= 1 and vip["version"] == 1
    lines = [line for line in person.page("/audit", limit=100)["items"] if line["action"] == "plan.assign"]
    assert [(line["actor"], line["target"]) for line in lines] == [("operator", "misaki/vip")]


def test_an_operator_gives_units_beside_a_plan_and_takes_the_rest_back(house, operator):
    person = Person(house).join()
    person.plan()
    before, grants = person.balances()["available"], f"/admin/tenants/{person.tenant}/grants"
    wish = {"unit": UNIT, "amount": 7, "reason": "昨日の障害のお詫び"}
    given, again = (operator.web.post(grants, json=wish, headers={"idempotency-key": "sorry-for-yesterday"}) for _ in range(2))
    assert given.status_code == again.status_code == 201 and given.json() == again.json(), given.text
    assert person.balances()["available"] == before + 7
    [lot] = [lot for lot in person.page(f"/billing/ledger/{UNIT}/lots")["items"] if lot["reason"].startswith("operator")]
    assert (lot["source"], lot["reason"], lot["reference"]) == ("free", f"operator/{operator.user}", "昨日の障害のお詫び")
    for wrong, field in (({"amount": 0}, "/amount"), ({"amount": 10**9 + 1}, "/amount"), ({"unit": "misaki.sake"}, "/unit"),
                         ({"reason": " "}, "/reason"), ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at")):
        refused = operator.web.post(grants, json=wish | wrong)
        assert (refused.status_code, [one["pointer"] for one in refused.json()["errors"]]) == (422, [field]), refused.text
    assert person.web.post(grants, json=wish).status_code == 403

    at_the_terminal = ["grants", "give", person.tenant, UNIT, "3", "--reason", "お礼", "--key", "thanks"]
    first, second = (run(*at_the_terminal, DATABASE_URL=house.database) for _ in range(2))
    assert first.returncode == 0 and first.stdout == second.stdout, first.stderr
    assert run("grants", "give", person.tenant, UNIT, "3", "--reason", "\n", DATABASE_URL=house.database).returncode != 0
    grant = first.stdout.split()[0]
    listed = [(one["id"], one["amount"], one["left"], one["given_by"]) for one in operator.page(grants)["items"]]
    assert listed == [(grant, 3, 3, "operator"), (given.json()["id"], 7, 7, operator.user)]
    taken = operator.web.post(f"{grants}/{grant}/revoke", json={"reason": "人違い"})
    assert (taken.status_code, taken.json()["left"], taken.json()["revoked_by"]) == (200, 0, operator.user), taken.text
    back = run("grants", "revoke", person.tenant, given.json()["id"], "--reason", "人違い", DATABASE_URL=house.database)
    assert back.returncode == 0 and "0 left" in back.stdout, back.stderr
    assert person.balances()["available"] == before
    told = [(line["action"], line["actor"], line["before"]["available"], line["after"]["available"])
            for line in person.page("/audit", limit=100)["items"] if line["action"].startswith("grant.")]
    assert told == [("grant.revoke", "operator", before + 7, before), ("grant.revoke", operator.user, before + 10, before + 7),
                    ("grant.give", "operator", before + 7, before + 10), ("grant.give", operator.user, before, before + 7)]


def test_what_the_house_allows_a_tenant_holds_whatever_it_allows_itself(house, operator):
    person = Person(house).join()
    caps = f"/admin/tenants/{person.tenant}/caps"
    assert person.web.put(f"{caps}/{UNIT}", json={"monthly": 5}).status_code == 403
    assert operator.web.put(f"{caps}/{UNIT}", json={"monthly": -1}).status_code == 422
    set_ = operator.web.put(f"{caps}/{UNIT}", json={"monthly": 0})
    assert (set_.status_code, set_.json()["monthly"], set_.json()["set_by"]) == (200, 0, operator.user), set_.text
    assert person.web.put(f"/billing/budgets/{UNIT}", json={"monthly": 100}).json()["house_cap"] == 0
    refused = person.post("一つだけ、聞いてもらえますか")
    assert (refused.status_code, refused.json()["code"]) == (402, "house_cap_reached"), refused.text
    assert person.web.delete(f"/billing/budgets/{UNIT}").status_code == 204
    [own] = person.web.get("/billing/budgets").json()["items"]
    assert (own["monthly"], own["house_cap"]) == (None, 0)

    at_the_terminal = run("caps", "set", person.tenant, "misaki.cost", "7", DATABASE_URL=house.database)
    assert at_the_terminal.returncode == 0 and "of 7 a month" in at_the_terminal.stdout, at_the_terminal.stderr
    listed = [(one["unit"], one["monthly"], one["used"], one["set_by"]) for one in operator.web.get(caps).json()["items"]]
    assert listed == [(UNIT, 0, 0, operator.user), ("misaki.cost", 7, 0, "operator")]
    assert operator.web.delete(f"{caps}/{UNIT}").status_code == 204
    refused = person.post("一つだけ、聞いてもらえますか")
    assert (refused.status_code, refused.json()["code"]) == (402, "house_cost_cap_reached"), refused.text
    assert run("caps", "remove", person.tenant, "misaki.cost", DATABASE_URL=house.database).returncode == 0
    assert person.post("一つだけ、聞いてもらえますか").is_success
    assert operator.web.delete(f"{caps}/{UNIT}").json()["code"] == "budget_not_found"
    told = [(line["action"], line["target"], line["actor"]) for line in person.page("/audit", limit=100)["items"] if line["action"] == "cap.change"]
    assert told == [("cap.change", "misaki.cost", "operator"), ("cap.change", UNIT, operator.user)] * 2


def test_the_public_plans_carry_features_and_lines_for_a_comparison(house, person):
    for storefront, ids in {"webgpt": ["starter", "pro", "enterprise"], "genai": ["free", "pro", "enterprise"],
                            "narai": ["visitor", "light", "standard", "family"]}.items():
        offers = person.page("/billing/plans", storefront=storefront)["items"]
        assert [offer["id"] for offer in offers] == ids, "cheapest first"
        assert all(line["ja"] and line["en"] for offer in offers for line in offer["highlights"])
    mine = person.page("/billing/plan", storefront="webgpt")
    assert mine["features"]["embed"] is True and mine["features"]["sites"] == 1
    assert {quota["unit"] for quota in mine["quotas"]} == {"webgpt.chat", "webgpt.embedding_token"}


def test_what_a_plan_file_would_change_is_shown_before_it_does(house, person, tmp_path):
    text = (REPOSITORY / "plans/default.toml").read_text()
    newer = tmp_path / "plans.toml"
    newer.write_text(text.replace("amount = 3000, every", "amount = 2500, every", 1).replace("price_yen = 2980", "price_yen = 2480", 1))
    shown = run("plans", "diff", newer, DATABASE_URL=house.database)
    assert shown.returncode == 0, shown.stderr
    assert "lose: grants.misaki.chat.month 3000 -> 2500" in shown.stdout and "gain: price_yen 2980 -> 2480" in shown.stdout
    refused = run("plans", "migrate", "misaki/vip", DATABASE_URL=house.database)
    assert refused.returncode != 0 and "--to-newest" in refused.stderr
    nobody = run("plans", "migrate", "misaki/vip", "--to-newest", "--dry-run", DATABASE_URL=house.database)
    assert (nobody.returncode, nobody.stdout) == (0, "nobody is on an older version\n")


def test_the_usage_pages_sums_are_the_books(house, person):
    rows = person.all("/billing/usage", storefront="misaki")
    months = {(datetime.fromisoformat(row["at"]) + timedelta(hours=9)).strftime("%Y-%m") for row in rows}
    pages = [person.page("/billing/usage/days", storefront="misaki", month=month) for month in months]
    for page in pages:
        for name in ("requests", "tokens_in", "tokens_out", "cost_nano_usd"):
            assert sum(day[name] for day in page["days"]) == page["totals"][name]
    told = [sum(page["totals"][name] for page in pages) for name in ("requests", "tokens_in", "tokens_out", "cost_nano_usd")]
    assert told == [len(rows)] + [sum(row[name] for row in rows) for name in ("tokens_in", "tokens_out", "cost_nano_usd")]
    used = sum(page["totals"]["units"][UNIT] for page in pages)
    with psycopg.connect(house.database, autocommit=True) as database:
        [(spent,)] = database.execute(
            """select sum(e.amount) from ledger.entry e join ledger.account a on a.id = e.account_id
               where a.kind = 'spent' and a.unit = %s and a.tenant_id = %s""", [UNIT, uuid.UUID(person.tenant[4:])]).fetchall()
    assert used == spent == person.balances()["spent"] == 3
