"""What the database itself keeps, asked as the roles that the house uses."""

import contextlib
import json
import re

import httpx
import psycopg
import pytest

from visitor import Visitor


@pytest.fixture(scope="module")
def lived_in(house):
    """Two guests who have chatted."""
    visitors = [Visitor(house).guest() for _ in range(2)]
    for visitor in visitors:
        visitor.events(visitor.start()["run_id"])
        visitor.post("こんばんは")
    return visitors


@pytest.fixture
def owner(house, lived_in):
    with psycopg.connect(house.database, autocommit=True) as connection:
        yield connection


def tenant_tables(owner) -> list[str]:
    """Found in the catalog, not in a list."""
    return [row[0] for row in owner.execute("""
        select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
          and (exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
               or (n.nspname, c.relname) in (('identity', 'tenant'), ('identity', 'app_user')))""")]


@contextlib.contextmanager
def acting(owner, role: str, tenant: str | None = None):
    """A transaction as a role of the application, with or without a tenant."""
    with owner.transaction(force_rollback=True):
        owner.execute(f"set local role {role}")
        if tenant:
            claims = json.dumps({"tenant_id": tenant, "role": role})
            owner.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        yield


def tenants(lived_in) -> list[str]:
    return [re.sub(r"^tnt_", "", v.web.get("/auth/me").json()["tenant"]["id"]) for v in lived_in]


def test_every_table_with_a_tenant_has_forced_row_level_security(owner):
    assert len(tenant_tables(owner)) >= 10
    loose = owner.execute("""
        select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and format('%%I.%%I', n.nspname, c.relname) = any(%s)
          and not (c.relrowsecurity and c.relforcerowsecurity)""", [tenant_tables(owner)]).fetchall()
    assert loose == []


def test_the_roles_of_the_application_own_nothing_and_bypass_nothing(owner):
    rows = owner.execute("""select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles
        where rolname in ('anon', 'authenticated', 'service_role', 'auditor', 'noren_app')""").fetchall()
    assert {row[0] for row in rows} >= {"anon", "authenticated", "service_role", "auditor"}
    assert all(not any(row[1:]) for row in rows), rows
    owned = owner.execute("""select count(*) from pg_class c join pg_roles r on r.oid = c.relowner
        where r.rolname in ('anon', 'authenticated', 'service_role', 'auditor', 'noren_app')""").fetchone()
    assert owned == (0,)


def test_the_connections_of_the_house_are_not_the_owners(owner):
    users = owner.execute("""select distinct usename from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'""").fetchall()
    assert users and ("noren_owner",) not in users, users


def test_a_tenant_sees_its_own_rows_and_without_a_tenant_there_are_none(owner, lived_in):
    mine, other = tenants(lived_in)
    seen = 0
    for table in tenant_tables(owner):
        column = {"identity.tenant": "id", "identity.app_user": "null::uuid"}.get(table, "tenant_id")
        for tenant in (mine, None):
            with acting(owner, "authenticated", tenant):
                try:
                    rows = owner.execute(f"select {column}::text from {table}").fetchall()
                except psycopg.errors.InsufficientPrivilege:
                    continue  # not even to be asked
                owners = {row[0].replace("-", "") for row in rows if row[0]}
                assert owners <= ({mine} if tenant else set()), (table, tenant)
                seen += len(rows)
    assert seen > 10 and other


@pytest.mark.parametrize("statement", ["update ledger.entry set amount = amount + 1", "delete from ledger.entry", "truncate ledger.entry",
                                       "update ledger.transfer set amount = amount + 1", "delete from ledger.transfer",
                                       "update ledger.lot set available = 1000000", "update ledger.hold set amount = 0",
                                       "delete from ledger.lot", "delete from entitlement.usage", "update entitlement.usage set amount = 0",
                                       "delete from gateway.run_event", "update gateway.run_event set data = '{}'"])
@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "auditor"])
def test_no_role_of_the_application_can_change_the_past(owner, lived_in, statement, role):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(owner, role, tenants(lived_in)[0]):
        owner.execute(statement)


def test_not_even_the_owner_changes_an_entry(owner):
    for statement in ("update ledger.entry set amount = amount + 1", "delete from ledger.entry", "truncate ledger.entry cascade"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement)


def test_an_auditor_reads_the_books_and_they_sum_to_zero(owner):
    with acting(owner, "auditor"):
        assert owner.execute("select count(*) > 0 from audit.entries").fetchone() == (True,)
        assert owner.execute("select transfer_id from audit.entries group by transfer_id having sum(amount) <> 0").fetchall() == []
        assert owner.execute("select unit from audit.balances group by unit having sum(balance) <> 0").fetchall() == []
        assert owner.execute("select account_id from audit.balances where balance < floor").fetchall() == []
        assert owner.execute("select id from audit.holds where state = 'open' and expires_at < now()").fetchall() == []
        assert owner.execute("select count(*) > 0 from audit.inference").fetchone() == (True,)
        columns = {row[0] for row in owner.execute(
            "select column_name from information_schema.columns where table_schema = 'audit' and table_name = 'sessions'")}
        assert "token_hash" not in columns and "id" in columns
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("insert into audit.holds default values")


def test_no_secret_is_stored_as_it_is(house, owner, lived_in):
    cookie = next(iter(dict(lived_in[0].web.cookies).values()))
    visitor = Visitor(house)
    visitor.register("stored@example.test", "an unusual passphrase")
    for table in ("identity.session", "identity.app_user", "identity.audit"):
        rows = str(owner.execute(f"select to_jsonb(t)::text from {table} t").fetchall())
        assert cookie not in rows and "an unusual passphrase" not in rows, table
    [(stored,)] = owner.execute("select password_hash from identity.app_user where email = 'stored@example.test'").fetchall()
    assert stored.startswith("$argon2id$")


def test_coming_in_and_leaving_is_on_record(house, owner):
    visitor = Visitor(house)
    visitor.register("recorded@example.test")
    visitor.web.post("/auth/logout")
    answer = visitor.web.post("/auth/login", json={"email": "recorded@example.test", "password": "wrong horse"})
    assert answer.status_code == 401
    user = visitor.web.post("/auth/login", json={"email": "recorded@example.test", "password": "correct horse"}).json()
    tenant = user["tenant"]["id"].removeprefix("tnt_")
    rows = owner.execute("select action, request_id from identity.audit where tenant_id = %s::uuid order by at", [tenant]).fetchall()
    assert len(rows) >= 3 and all(request.startswith("req_") for _, request in rows), rows


def test_crash_safety_is_not_switched_off(owner):
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert owner.execute(f"show {name}").fetchone() == ("on",), name


def test_no_transaction_is_left_open(house, owner):
    for _ in range(40):
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(f"{house.account}/auth/guest", headers={"origin": house.account}, timeout=0.002)
    idle = owner.execute("""select count(*) from pg_stat_activity where datname = current_database()
        and state like 'idle in transaction%' and now() - state_change > interval '1 second'""").fetchone()
    assert idle == (0,)
