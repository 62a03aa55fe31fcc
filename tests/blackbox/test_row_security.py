"""Row-level security: judged by pgTAP and rlsautotest, which nobody here wrote, and by reading every table as every role.

The copies are bare: without keys, checks and triggers, and with every right granted to every role, so that the policies
alone decide. The rights that the roles really have are asked separately, on an untouched copy.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sysconfig
import tomllib
import urllib.parse
import uuid

import psycopg
import pytest

from house import REPOSITORY, House, run
from visitor import Visitor

REVIEWED = tomllib.loads((REPOSITORY / "tests/database/row-security.toml").read_text())
CALLERS = ("anon", "authenticated", "service_role", "auditor")
COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")
SCHEMAS = "nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
# what a person would not want to see in somebody else's hands, by the names that columns have
SECRET = re.compile(r"hash|secret|password|token(?!s_)|credential|challenge")
PERSONAL = re.compile(r"email|display_name|login_name|^text$|^data$|^title$|user_agent|network|^input$|birth")
CHAIN = {("identity.audit", "hash"), ("audit.log", "hash")}


@pytest.fixture(scope="module")
def lived_in(cluster):
    """(a database with what two tenants did in it, the ids of the first, the ids of the second); nobody is connected."""
    house = House(cluster.fresh())
    people = []
    for _ in range(2):
        visitor = Visitor(house).guest()
        visitor.events(visitor.start()["run_id"])
        visitor.post("こんばんは")
        assert visitor.register().status_code == 201
        me = visitor.web.get("/auth/me").json()
        people.append({"tenant": bare_id(me["tenant"]["id"]), "user": bare_id(me["user"]["id"])})
    assert house.stop() == 0
    return house.database, *people


@pytest.fixture(scope="module")
def migrated(cluster):
    """A database as the migrations make it."""
    url = cluster.fresh()
    made = run("migrate", DATABASE_URL=url)
    assert made.returncode == 0, made.stderr
    return url


def bare_id(public: str) -> str:
    return str(uuid.UUID(public.split("_", 1)[1]))


def tables(db) -> list[str]:
    return [name for (name,) in db.execute(f"""select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and {SCHEMAS} order by 1""")]


def columns(db, table: str) -> list[str]:
    return [name for (name,) in db.execute("""select attname from pg_attribute where attrelid = %s::regclass and attnum > 0
        and not attisdropped and attgenerated = '' and attidentity = ''""", [table])]


def make_bare(url: str) -> None:
    """Takes everything from a copy that could stand in front of a policy."""
    with psycopg.connect(url, autocommit=True) as db:
        for kind in "fcup":
            for table, name in db.execute(f"""select conrelid::regclass::text, quote_ident(conname) from pg_constraint
                    join pg_namespace n on n.oid = connamespace where contype = '{kind}' and conrelid <> 0 and {SCHEMAS}""").fetchall():
                db.execute(f"alter table {table} drop constraint {name} cascade")
        for (index,) in db.execute(f"""select indexrelid::regclass::text from pg_index join pg_class c on c.oid = indexrelid
                join pg_namespace n on n.oid = c.relnamespace where indisunique and {SCHEMAS}""").fetchall():
            db.execute(f"drop index {index}")
        for table in tables(db):
            db.execute(f"alter table {table} disable trigger user")
        for (schema,) in db.execute(f"select nspname from pg_namespace where {SCHEMAS}").fetchall():
            roles = ", ".join((*CALLERS, "noren_app"))
            db.execute(f"revoke all on all tables in schema {schema} from {roles}")
            db.execute(f"grant usage on schema {schema} to {roles}")
            db.execute(f"grant all on all tables in schema {schema} to {roles}")


def test_the_catalog_says_of_every_table_view_function_and_key_what_it_must(cluster, lived_in):
    url = cluster.fresh(lived_in[0])
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("create extension pgtap")
    place = urllib.parse.urlsplit(url)
    rooms = re.findall(r"^\| \d \| `(\w+)` \|", (REPOSITORY / "ARCHITECTURE.md").read_text(), re.M)
    definer = ";".join(REVIEWED["definer"]).replace(" ", "\\ ")  # names of types have spaces
    options = f"-c noren.floors={','.join(rooms)} -c noren.definer={definer}"
    env = {"PATH": os.environ["PATH"], "PGHOST": urllib.parse.parse_qs(place.query)["host"][0], "PGUSER": place.username,
           "PGDATABASE": place.path[1:], "PGOPTIONS": options}
    files = sorted((REPOSITORY / "tests/database").glob("*.sql"))
    said = subprocess.run(["pg_prove", "--verbose", *files], env=env, capture_output=True, text=True)
    assert said.returncode == 0 and "Result: PASS" in said.stdout, said.stdout + said.stderr


# --- rlsautotest ---------------------------------------------------------------------------------------------------


def translated(cluster, like: str) -> str:
    """A copy in the words that rlsautotest knows: auth.tenant_id() is replaced by what it says, a claim of auth.jwt()."""
    url = cluster.fresh(like)
    make_bare(url)
    with psycopg.connect(url, autocommit=True) as db:
        [(body,)] = db.execute("select pg_get_function_sqlbody('auth.tenant_id()'::regprocedure)").fetchall()
        assert body == "RETURN ((auth.claims() ->> 'tenant_id'::text))::uuid", "else the translation below is no longer true"
        db.execute("create function auth.jwt() returns jsonb language sql stable return auth.claims()")
        db.execute("grant execute on function auth.jwt() to public")
        ours, theirs = "( SELECT auth.tenant_id() AS tenant_id)", "((auth.jwt() ->> 'tenant_id')::uuid)"
        for schema, table, policy, qual, check in db.execute("select schemaname, tablename, policyname, qual, with_check from pg_policies").fetchall():
            if ours in (qual or ""):
                db.execute(f"alter policy {policy} on {schema}.{table} using ({qual.replace(ours, theirs)}) with check ({check.replace(ours, theirs)})")
    return url


def report(url: str, schema: str, folder: pathlib.Path, *more: str) -> dict:
    """What rlsautotest finds in a schema."""
    found = folder / f"{schema}.json"
    tool = pathlib.Path(sysconfig.get_path("scripts")) / "rlsautotest"
    said = subprocess.run([tool, "--db-url", url, "--schema", schema, "--report", "--report-json", found, "--no-fail", *more],
                          cwd=folder, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0 and found.exists(), said.stdout[-2000:] + said.stderr[-2000:]
    return json.loads(found.read_text())


def reports(url: str, schemas: list[str], folder: pathlib.Path, *more: str) -> list[tuple[str, dict]]:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(zip(schemas, pool.map(lambda schema: report(url, schema, folder, *more), schemas), strict=True))


def complaints(schema: str, table: dict) -> list[str]:
    """What is wrong with a table by rlsautotest's report."""
    name = f"{schema}.{table['table']}"
    found = []
    if table["exposed"] or not table["rls_enabled"]:
        return [f"{name} is exposed"]
    for word in ("unreliable_cells", "leak_cells", "transition_leaks", "multi_findings", "partial"):
        found += [f"{name} {word}: {cell}" for cell in table[word]]
    for command in COMMANDS:
        cells = table["idgrid"].get(command, {})
        for identity in ("authorized", "other", "anon", "role:auditor"):
            cell = cells.get(identity)
            if cell is None:
                if f"{name} {command} {identity}" not in REVIEWED["untested"]:
                    found.append(f"{name} {command} {identity} is untested")
            elif not cell["pass"]:
                found.append(f"{name} {command} {identity} is a hole, or shut by mistake")
            elif cell["exp"] and identity == "anon":
                found.append(f"{name} {command}: a policy lets strangers in")
            elif cell["exp"] and identity == "other" and not {name, f"{name} {command}"} & REVIEWED["same_for_all"].keys():
                found.append(f"{name} {command}: a policy lets another tenant in")
            elif cell["exp"] and identity == "role:auditor" and command != "SELECT":
                found.append(f"{name} {command}: a policy lets the auditor write")
    return found


def judged(url: str, folder: pathlib.Path) -> tuple[set[str], list[str]]:
    """(the tables that rlsautotest tested, what it complains of)."""
    with psycopg.connect(url) as db:
        schemas = sorted({name.split(".")[0] for name in tables(db)})
    tested, wrong = set(), []
    for schema, said in reports(url, schemas, folder):
        for table in said["tables"]:
            tested.add(f"{schema}.{table['table']}")
            wrong += complaints(schema, table)
    return tested, wrong


def test_rlsautotest_finds_no_exposed_table_no_hole_and_nothing_unreliable(cluster, migrated, tmp_path):
    url = translated(cluster, migrated)
    tested, wrong = judged(url, tmp_path)
    assert wrong == []
    with psycopg.connect(url) as db:
        assert tested == set(tables(db)), "every table was tested"


def test_the_judge_sees_a_table_without_row_level_security_and_a_policy_that_lets_all_in(cluster, migrated, tmp_path):
    url = translated(cluster, migrated)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("alter table misaki.message disable row level security")
        db.execute("create policy mistake on misaki.chat to authenticated using (true)")
    found = "\n".join(line for table in report(url, "misaki", tmp_path)["tables"] for line in complaints("misaki", table))
    assert "misaki.message is exposed" in found and re.search(r"misaki\.chat (SELECT|DELETE).*another tenant in", found), found


def test_no_right_and_no_function_leads_around_the_policies(cluster, migrated, tmp_path):
    url = cluster.fresh(migrated)
    with psycopg.connect(url) as db:
        schemas = sorted({name.split(".")[0] for name in tables(db)})
    wrong = []
    for schema, said in reports(url, schemas, tmp_path, "--no-probe"):
        wrong += [f"{schema}: {surface['object']}: {surface['why']}" for surface in said["bypass_surfaces"]
                  if not {f"{schema}: {surface['object']}", f"*: {surface['object']}"} & REVIEWED["bypass"].keys()]
        for table in said["tables"]:
            wrong += [f"{schema}.{table['table']}: {role} {command} reaches {cell['leaked']}"
                      for role, cells in table["column_security"]["cells"].items() for command, cell in cells.items() if cell["leaked"]]
    assert wrong == []


# --- every table, every role ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(cluster, lived_in):
    """A bare copy in which both tenants have rows in every table: what they did, and a made-up row where they did nothing."""
    source, *people = lived_in
    url = cluster.fresh(source)
    make_bare(url)
    with psycopg.connect(url, autocommit=True) as db:
        for table in tables(db):
            names = columns(db, table)
            for name in names:
                db.execute(f'alter table {table} alter column "{name}" drop not null')
            for person in people:
                known = {"tenant_id": person["tenant"], "user_id": person["user"]}
                if not db.execute(f"select from {table} t where to_jsonb(t)::text ~ any(%s) limit 1", [list(person.values())]).fetchall():
                    mine = {name: value for name, value in known.items() if name in names}
                    if mine:
                        db.execute(f"insert into {table} ({', '.join(mine)}) values ({', '.join(['%s'] * len(mine))})", list(mine.values()))
                    else:
                        db.execute(f"insert into {table} default values")
        yield db


def become(db, role: str, claims: dict | None = None) -> None:
    db.execute(f"set local role {role}")
    if claims is not None:
        db.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])


def claims_of(person: dict) -> dict:
    return {"role": "authenticated", "tenant_id": person["tenant"], "sub": person["user"]}


def seen(db, table: str, role: str, claims: dict | None = None) -> list[str]:
    """Every row of a table, without any condition, as text."""
    with db.transaction(force_rollback=True):
        become(db, role, claims)
        return [row for (row,) in db.execute(f"select to_jsonb(t)::text from {table} t")]


def test_a_caller_reads_own_rows_of_every_table_and_not_one_of_another_tenant(bare, lived_in):
    _, first, second = lived_in
    foreign, own = [], 0
    for table in tables(bare):
        for me, other in ((first, second), (second, first)):
            rows = seen(bare, table, "authenticated", claims_of(me))
            own += len(rows)
            if table in REVIEWED["same_for_all"]:
                continue
            foreign += [(table, row) for row in rows if not any(id in row for id in me.values()) or any(id in row for id in other.values())]
    assert foreign == []
    assert own >= 30, "and there was something to see"


@pytest.mark.parametrize("role,claims", [("anon", None), ("anon", "claims"), ("authenticated", None), ("authenticated", "none"),
                                         ("authenticated", "ghost")], ids=str)
def test_who_says_nothing_or_is_nobody_reads_no_row_of_any_table(bare, lived_in, role, claims):
    said = {None: None, "none": {}, "claims": claims_of(lived_in[1]),
            "ghost": {"tenant_id": str(uuid.uuid4()), "sub": str(uuid.uuid4())}}[claims]
    found = {table: len(seen(bare, table, role, said)) for table in tables(bare)}
    allowed = REVIEWED["same_for_all"] if role == "authenticated" else ()
    assert {table: rows for table, rows in found.items() if rows and table not in allowed} == {}
    assert len(found) >= 18


def test_a_session_of_the_application_reads_nothing_before_it_takes_a_role(bare):
    found = []
    for table in tables(bare):
        found += [table for _ in seen(bare, table, "noren_app")]
    assert found == [], "the login role inherits nothing and has no policy"


def test_a_row_cannot_be_moved_or_written_to_another_tenant(bare, lived_in):
    _, me, other = lived_in
    tried, wrong = 0, []
    for table in tables(bare):
        names = columns(bare, table)
        for column, theirs in (("tenant_id", other["tenant"]), ("user_id", other["user"])):
            if column not in names or table in REVIEWED["same_for_all"]:
                continue
            for statement in (f"update {table} set {column} = %s returning 1", f"insert into {table} ({column}) values (%s) returning 1"):
                tried += 1
                with bare.transaction(force_rollback=True):
                    become(bare, "authenticated", claims_of(me))
                    try:
                        moved = bare.execute(statement, [theirs]).fetchall()
                    except psycopg.errors.InsufficientPrivilege:
                        continue
                    if moved and not harmless(bare, table, column):
                        wrong.append(statement)
    assert wrong == []
    assert tried >= 26


def harmless(db, table: str, column: str) -> bool:
    """Whether the policy goes by another column: a membership's user may be anybody, its tenant may not."""
    return column == "user_id" and "tenant_id" in columns(db, table)


@pytest.mark.parametrize("command", ["update {} set {} = {}", "delete from {}"])
def test_no_statement_of_a_caller_touches_a_row_of_another_tenant(bare, lived_in, command):
    _, me, other = lived_in
    for table in tables(bare):
        if table in REVIEWED["same_for_all"]:
            continue
        name = columns(bare, table)[0]
        with bare.transaction(force_rollback=True):
            bare.execute("savepoint before")
            count = f"select count(*) from {table} t where not to_jsonb(t)::text ~ %s and not to_jsonb(t)::text ~ %s"
            before = bare.execute(count, list(me.values())).fetchone()
            become(bare, "authenticated", claims_of(me))
            try:
                bare.execute(command.format(table, name, name))
            except psycopg.errors.InsufficientPrivilege:
                continue
            bare.execute("reset role")
            assert bare.execute(count, list(me.values())).fetchone() == before, table
    assert other


# --- the rights that the roles really have -----------------------------------------------------------------------


def reachable(db, role: str, privilege: str) -> dict[str, list[str]]:
    """Table → the columns that a role may use."""
    found: dict[str, list[str]] = {}
    for table, name in db.execute(f"""select c.oid::regclass::text, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where c.relkind in ('r', 'p', 'v') and {SCHEMAS} and has_schema_privilege(%s, n.oid, 'usage')
              and has_column_privilege(%s, c.oid, a.attnum, %s)""", [role, role, privilege]):
        found.setdefault(table, []).append(name)
    return found


@pytest.fixture(scope="module")
def untouched(cluster, lived_in):
    """A copy with the rights as they are."""
    with psycopg.connect(cluster.fresh(lived_in[0]), autocommit=True) as db:
        yield db


def test_a_stranger_has_no_right_on_anything(untouched):
    assert {privilege: reachable(untouched, "anon", privilege) for privilege in ("select", "insert", "update")} == {
        "select": {}, "insert": {}, "update": {}}
    assert {privilege: reachable(untouched, "noren_app", privilege) for privilege in ("select", "insert", "update")} == {
        "select": {}, "insert": {}, "update": {}}


def test_an_auditor_reads_neither_secrets_nor_what_people_wrote_and_writes_nothing(untouched):
    read = reachable(untouched, "auditor", "select")
    assert any(table.startswith("audit.") for table in read)
    # the chain's hashes are what an auditor is there to recompute
    assert [f"{table}.{name}" for table, names in read.items() for name in names
            if (SECRET.search(name) and (table, name) not in CHAIN) or PERSONAL.search(name)] == []
    assert reachable(untouched, "auditor", "insert") == reachable(untouched, "auditor", "update") == {}


def test_no_role_may_change_the_tenant_of_a_row_not_even_the_houses_own(untouched):
    moved = [(role, table) for role in CALLERS for table, names in reachable(untouched, role, "update").items() if "tenant_id" in names]
    assert moved == []


@pytest.mark.parametrize("role", CALLERS)
def test_each_role_reads_with_its_real_rights_only_what_it_may(untouched, lived_in, role):
    _, me, other = lived_in
    foreign = []
    for table, names in reachable(untouched, role, "select").items():
        chosen = ", ".join(f'"{name}"' for name in names)
        with untouched.transaction(force_rollback=True):
            become(untouched, role, claims_of(me) if role == "authenticated" else {"role": role})
            rows = [str(row) for row in untouched.execute(f"select {chosen} from {table}")]
        if role == "authenticated":
            foreign += [(table, row) for row in rows if any(id in row for id in other.values())]
    assert foreign == []


def test_what_was_reviewed_still_exists(untouched):
    known = set(tables(untouched))
    named = {name.split()[0] for name in REVIEWED["same_for_all"]}
    assert named <= known, named - known
    assert all(reason.strip() for part in REVIEWED.values() for reason in part.values())
