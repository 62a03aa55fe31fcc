"""Work in line: it outlives its process, is done once for all nodes, and no late word counts."""

import signal
import time
import uuid

import psycopg
import pytest

from cluster import Cluster
from house import House, metrics, run
from people import Person
from receiver import Receiver
from visitor import Visitor

# a lease, a look, and what a busy machine adds
RESCUED_WITHIN = 45


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


def rows(url: str, statement: str, *values) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as database:
        return database.execute(statement, values).fetchall()


def await_rows(url: str, statement: str, wanted: list[tuple], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while (found := rows(url, statement)) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.1)  # the database tells nobody


def test_killed_and_frozen_nodes_lose_nothing_and_a_late_result_is_refused(cluster, receiver):
    url, settings = cluster.fresh(), {"NOREN__HOOKS__DEMO_ORIGINS": receiver.origin}
    frozen = House(url, **settings)
    houses = [frozen]
    try:
        owner = Person(frozen).join()
        made = owner.web.post("/hooks", json={"url": receiver.origin}).json()["hook"]
        receiver.open.clear()
        for _ in range(4):
            owner.web.post(f"/hooks/{made['id']}/test")
        receiver.wait(4)
        frozen.process.send_signal(signal.SIGSTOP)
        stopped_at = time.monotonic()

        killed = House(url, **settings)
        houses.append(killed)
        other = owner.web.cookies  # the same person at another node
        for _ in range(4):
            answer = killed_post(killed, other, made)
            assert answer.status_code == 202, answer.text
        receiver.wait(8)
        killed.kill()
        killed_at = time.monotonic()

        receiver.open.set()
        rescuer = House(url, **settings)
        houses.append(rescuer)
        await_rows(url, "select count(*) from jobs.job where kind = 'hooks.deliver' and state = 'done'", [(8,)], within=RESCUED_WITHIN)
        assert time.monotonic() - killed_at <= RESCUED_WITHIN
        assert time.monotonic() - stopped_at > 20, "no lease was broken"
        assert metrics(rescuer.account)["jobs_rescued_total"] == 8

        frozen.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 10
        while metrics(frozen.account).get("jobs_late_total", 0) < 4:
            assert time.monotonic() < deadline, metrics(frozen.account)
            time.sleep(0.1)  # it wakes up by itself
        assert rows(url, "select count(*), count(distinct delivery_id), min(number), max(number) from hooks.attempt") == [(8, 8, 1, 1)]
        assert rows(url, "select state, attempt, count(*) from audit.jobs where kind = 'hooks.deliver' group by 1, 2") == [("done", 2, 8)]
    finally:
        receiver.open.set()
        if frozen.process.poll() is None:
            frozen.process.send_signal(signal.SIGCONT)
        for one in houses:
            one.stop()


def put_in_line(url: str, made: dict, count: int) -> None:
    """Events for an endpoint, with their deliveries and jobs, as one transaction of the house's would write them."""
    with psycopg.connect(url) as database:
        database.execute("""
            with event as (
                insert into hooks.event (id, tenant_id, type, payload, created_at)
                select gen_random_uuid(), p.tenant_id, 'test.ping', '{}', now()
                from hooks.endpoint p, generate_series(1, %(count)s) where p.id = %(hook)s returning id, tenant_id
            ), delivery as (
                insert into hooks.delivery (id, tenant_id, event_id, endpoint_id, created_at)
                select gen_random_uuid(), tenant_id, id, %(hook)s, now() from event returning 'dlv_' || replace(id::text, '-', '') as id
            )
            insert into jobs.job (id, kind, payload, dedupe_key, max_attempts, run_at, created_at)
            select gen_random_uuid(), 'hooks.deliver', jsonb_build_object('delivery', id), id, 8, now(), now() from delivery""",
                         {"count": count, "hook": uuid.UUID(made["id"][4:])})


# what a node has in its hands at once
AT_ONCE = 16


def all_told_once(url: str, receiver: Receiver, count: int, deaths: int) -> None:
    """Every event came, none without need twice, and each counts once."""
    ids = [told.headers["webhook-id"] for told in receiver.told]
    assert len(set(ids)) == count
    assert len(ids) - count <= deaths * AT_ONCE, "only what was under way when its node died is told again"
    assert rows(url, "select state, count(*) from hooks.delivery group by 1") == [("delivered", count)]
    assert rows(url, "select count(*), count(distinct delivery_id) from hooks.attempt where status = 200") == [(count, count)]


def test_a_thousand_jobs_in_line_outlive_three_kills(cluster):
    receiver = Receiver()
    url, settings = cluster.fresh(), {"NOREN__HOOKS__DEMO_ORIGINS": receiver.origin}
    house = House(url, **settings)
    try:
        owner = Person(house).join()
        made = owner.web.post("/hooks", json={"url": receiver.origin}).json()["hook"]
        put_in_line(url, made, 1000)
        for told in (100, 400, 700):
            receiver.wait(told, within=60)
            house.kill()
            house = House(url, **settings)
        restarted = time.monotonic()
        await_rows(url, "select state, count(*) from jobs.job where kind = 'hooks.deliver' group by 1", [("done", 1000)], within=60)
        assert time.monotonic() - restarted <= 60
        all_told_once(url, receiver, 1000, deaths=3)
    finally:
        receiver.close()
        house.stop()


def test_jobs_outlive_the_death_of_their_database():
    receiver, server = Receiver(), Cluster()
    url = server.fresh()
    house = House(url, NOREN__HOOKS__DEMO_ORIGINS=receiver.origin)
    try:
        owner = Person(house).join()
        made = owner.web.post("/hooks", json={"url": receiver.origin}).json()["hook"]
        put_in_line(url, made, 300)
        receiver.wait(60, within=60)
        server.stop("immediate")
        server.start()
        await_rows(url, "select state, count(*) from jobs.job where kind = 'hooks.deliver' group by 1", [("done", 300)], within=60)
        all_told_once(url, receiver, 300, deaths=1)
        assert run("verify", DATABASE_URL=url).returncode == 0
    finally:
        receiver.close()
        house.stop()
        server.remove()


def killed_post(house: House, cookies, made: dict):
    import httpx

    return httpx.post(f"{house.account}/hooks/{made['id']}/test", cookies=dict(cookies), headers={"origin": house.account}, timeout=20)


def test_two_nodes_do_what_the_schedule_says_once_and_wrong_books_are_a_dead_letter(cluster):
    url = cluster.fresh()
    houses = [House(url), House(url)]
    try:
        await_rows(url, "select count(*) from jobs.cron where name = 'house.verify_books'", [(1,)])
        missed = "update jobs.cron set last_tick = last_tick - interval '3 days' where name = 'house.verify_books' returning 1"
        verified = "select state, attempt from jobs.job where kind = 'house.verify_books' order by created_at"
        rows(url, missed)
        await_rows(url, verified, [("done", 1)])
        visitor = Visitor(houses[0]).guest()
        visitor.events(visitor.start()["run_id"])
        with psycopg.connect(url) as owner:
            # whoever has locked a lot's row and is about to write it goes first: the trigger's lock alone would let both wait
            # for each other
            owner.execute("lock table ledger.lot in access exclusive mode")
            owner.execute("alter table ledger.lot disable trigger all")
            spoilt = owner.execute("update ledger.lot set available = available - 1, spent = spent + 1 where available > 0")
            assert spoilt.rowcount > 0, "all that there is may be set aside in an open block"
        rows(url, missed)
        await_rows(url, verified, [("done", 1), ("dead", 1)])
        said = run("jobs", "dead", DATABASE_URL=url)
        assert "house.verify_books" in said.stdout and "don't agree" in said.stdout, said
        [(job,)] = rows(url, "select id from jobs.job where state = 'dead'")
        assert run("jobs", "retry", f"job_{job.hex}", DATABASE_URL=url).returncode == 0
        assert rows(url, "select target, actor from identity.audit where action = 'job.retry'") == [(f"job_{job.hex}", "operator")]
        await_rows(url, verified, [("done", 1), ("dead", 1)])
        assert "house.verify_books" in run("jobs", "statistics", DATABASE_URL=url).stdout
    finally:
        for one in houses:
            one.stop()


def test_the_operator_sees_jobs_and_schedules_and_nobody_else_does(house):
    operator = Person(house).join()
    refused = operator.web.get("/admin/jobs")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    rows(house.database, "update identity.app_user set operator = true where id = %s returning 1", uuid.UUID(operator.user[4:]))
    job = uuid.uuid4()
    rows(house.database, """insert into jobs.job (id, kind, payload, max_attempts, run_at, created_at, state, closed_at, last_error)
        values (%s, 'house.unknown_work', '{}', 1, now(), now(), 'dead', now(), 'it broke') returning 1""", job)
    page = operator.web.get("/admin/jobs", params={"state": "dead", "kind": "house.unknown_work"}).json()
    assert page["items"][0]["last_error"] == "it broke" and page["has_more"] is False and page["next_cursor"] is None
    assert operator.web.post(f"/admin/jobs/job_{job.hex}/retry").status_code == 202
    [counted] = [one for one in operator.web.get("/admin/jobs/statistics").json()["items"] if one["kind"] == "house.unknown_work"]
    assert (counted["ready"], counted["dead"]) == (1, 0)
    assert operator.web.delete(f"/admin/jobs/job_{job.hex}").status_code == 204
    assert operator.web.delete(f"/admin/jobs/job_{job.hex}").status_code == 404
    crons = {cron["name"]: cron for cron in operator.web.get("/admin/crons").json()["items"]}
    nightly = crons["house.verify_books"]
    assert (nightly["schedule"], nightly["zone"], nightly["catch_up"]) == ("30 3 * * *", "Asia/Tokyo", "run_once")
    assert nightly["next_run_at"][11:16] == "18:30"
    assert {"billing.reconcile", "hooks.tidy", "jobs.tidy"} <= crons.keys()
