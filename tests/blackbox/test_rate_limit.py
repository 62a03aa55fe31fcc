"""What is left of every limit: the list, the fields on the answers, and that they agree, also over two processes."""

import datetime
import re
import uuid

import httpx
import psycopg
import pytest

from house import House
from people import Person
from visitor import FREE_QUESTION, UNIT, Visitor

POLICY = '"permin";q=6;w=60, "concurrent";q=1;qu="concurrent-requests"'


@pytest.fixture(scope="module")
def two_houses(cluster):
    database = cluster.fresh()
    first = House(database)
    houses = first, House(database, data=first.data)
    yield (*houses, database)
    for house in houses:
        assert house.stop() == 0


def limits(visitor: Visitor, at: str | None = None) -> dict[str, dict]:
    """By name; both listeners have to say the same, but for a second that may pass between the two."""
    own = httpx.get(f"{at or visitor.house.inference}/rate-limit", headers=visitor.bearer(), timeout=20)
    assert own.status_code == 200, own.text
    other = visitor.page("/rate-limit", storefront="misaki")
    names = [policy["name"] for policy in own.json()["policies"]]
    assert names == ["permin", "concurrent", UNIT] and other["storefront"] == own.json()["storefront"] == "misaki"
    for one, two in zip(own.json()["policies"], other["policies"], strict=True):
        assert {**one, "reset_secs": None} == {**two, "reset_secs": None}
    return {policy["name"]: policy for policy in other["policies"]}


def said(answer: httpx.Response) -> dict[str, tuple[int, int | None]]:
    """What the field says: by name, what is left and when more comes."""
    items = re.findall(r'"([^"]+)";r=(\d+)(?:;t=(\d+))?', answer.headers["ratelimit"])
    return {name: (int(left), int(reset) if reset else None) for name, left, reset in items}


def test_the_fields_and_the_list_agree_at_two_processes(two_houses):
    first, second, _ = two_houses
    visitor = Visitor(first).guest()
    fresh = limits(visitor)
    assert (fresh["permin"]["quota"], fresh["permin"]["remaining"], fresh["permin"]["reset_secs"]) == (6, 6, None)
    assert fresh["permin"]["window_secs"] == 60 and fresh["concurrent"]["unit"] is None
    assert (fresh[UNIT]["quota"], fresh[UNIT]["remaining"], fresh[UNIT]["window_secs"], fresh[UNIT]["unit"]) == (10, 10, 86_400, UNIT)
    for sent in range(1, 7):
        house = (first, second)[sent % 2]
        answer = visitor.post(f"{FREE_QUESTION} {sent}", at=house.inference)
        assert answer.status_code == 202, answer.text
        assert answer.headers["ratelimit-policy"] == POLICY
        left, reset = said(answer)["permin"]
        assert visitor.events(answer.json()["run_id"])[-1].data["state"] == "completed"
        now = limits(visitor, second.inference)
        assert left == now["permin"]["remaining"] == 6 - sent
        assert 0 <= reset - now["permin"]["reset_secs"] <= 5 and reset <= 60
        assert now["concurrent"]["remaining"] == 1 and now[UNIT]["remaining"] == 10 - sent
    refused = visitor.post(f"{FREE_QUESTION} 7")
    assert refused.status_code == 429 and refused.json()["violated-policies"] == ["permin"]
    left, reset = said(refused)["permin"]
    assert left == 0 and int(refused.headers["retry-after"]) >= reset > 0
    assert refused.headers["ratelimit-policy"] == POLICY and limits(visitor)["permin"]["remaining"] == 0
    canned = visitor.post("こんばんは")
    assert canned.status_code == 200 and said(canned)["permin"][0] == 0


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
    ("/v1/completions", {"prompt": "hello"}),
    ("/v1/messages", {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}),
    ("/v1/responses", {"input": "hello"}),
    ("/v1/embeddings", {"input": "hello"}),
    ("/inference", {"prompt": "hello"}),
    ("/v2/{model}/run", {"input": {"prompt": "hello"}}),
    ("/v2/{model}/runsync", {"input": {"prompt": "hello"}}),
])
def test_every_door_tells_what_is_left(two_houses, path, body):
    house = two_houses[0]
    key = {"authorization": f"Bearer {Person(house).join().key()['secret']}"} | ({"anthropic-version": "2023-06-01"} if path == "/v1/messages" else {})
    listed = httpx.get(f"{house.inference}/v1/models", headers=key).json()["data"]
    names = [model["id"] for model in listed]
    name = next(name for name in names if ("embed" in name) == path.endswith("embeddings"))
    body = body if "{model}" in path else {"model": name, **body}
    answer = httpx.post(house.inference + path.format(model=name), json=body, headers=key, timeout=60)
    assert answer.is_success, answer.text
    quota = int(re.match(r'"permin";q=(\d+);w=60', answer.headers["ratelimit-policy"])[1])
    assert said(answer)["permin"][0] == quota - 1


def test_a_place_that_is_taken_is_told_and_pages_may_read_the_fields(two_houses):
    first, _, _ = two_houses
    visitor = Visitor(first).guest()
    slow = visitor.post("[slow] ゆっくり聞かせてください")
    assert slow.status_code == 202 and said(slow)["concurrent"] == (0, None)
    assert limits(visitor)["concurrent"]["remaining"] == 0
    refused = visitor.post(FREE_QUESTION)
    assert refused.status_code == 429 and refused.json()["violated-policies"] == ["concurrent"]
    assert said(refused) == {"concurrent": (0, None)}
    exposed = refused.headers["access-control-expose-headers"].lower()
    assert "ratelimit-policy" in exposed and "ratelimit," in exposed
    assert visitor.cancel(slow.json()["run_id"]).status_code == 200
    assert visitor.events(slow.json()["run_id"])[-1].data["state"] == "cancelled"


def test_an_operator_reads_what_everybody_used_in_a_month(two_houses):
    first, _, database = two_houses
    visitor = Visitor(first).guest()
    assert visitor.events(visitor.start()["run_id"])[-1].data["state"] == "completed"
    made = Person(first).join()
    with psycopg.connect(database, autocommit=True) as rows:
        rows.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(made.user[4:])])
        tenant = rows.execute("select tenant_id from entitlement.usage order by at desc limit 1").fetchone()[0]
        total = rows.execute("select count(*), sum(amount) from entitlement.usage").fetchone()
    operator = made.again()
    month = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=9))).strftime("%Y-%m")
    lines, cursor = [], None
    while True:
        query = {"month": month, "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = operator.page("/admin/usage", **query)
        assert len(page["items"]) <= 1
        lines += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (sum(line["requests"] for line in lines), sum(line["amount"] for line in lines)) == total
    [own] = [line for line in lines if line["tenant_id"].endswith(tenant.hex) or line["tenant_id"].endswith(str(tenant))]
    assert (own["storefront"], own["unit"], own["requests"], own["amount"]) == ("misaki", UNIT, 1, 1)
    assert own["tenant_name"] == "" and own["tokens_out"] > 0
    assert operator.page("/admin/usage", month="2020-01")["items"] == []
    for wrong in ({"month": "2020-13"}, {"month": month, "cursor": "x"}):
        assert operator.web.get("/admin/usage", params=wrong).status_code == 422, wrong
    assert visitor.web.get("/admin/usage", params={"month": month}).status_code == 403
