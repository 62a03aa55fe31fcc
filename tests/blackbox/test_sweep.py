"""Two worlds that must not touch: every operation of both listeners, called by everybody, about everybody else's things."""

import concurrent.futures
import json
import time
import uuid

import httpx
import psycopg
import pytest

import walk
from house import House
from people import Person, address, anonymous, is_refused, letters, passphrase, proven
from visitor import Visitor
from walk import CALLERS, Caller, Ids

EXTRA = {"role": "owner", "plan": "vip", "tenant_id": "", "balance": 10**9, "is_admin": True, "operator": True, "status": "active",
         "user_id": "", "id": "", "email_verified": True, "kind": "person", "permissions": ["house.operate"], "guest": False}
# what a demo house shows to whoever asks: its mailbox
SHOWS_ALL = {"GET /sandbox/letters"}
# what an operator reads of everybody
OPERATORS = "GET /admin/"
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}
# what is about ids that come in the body, not in the path
BY_BODY = {"POST /auth/tenant", "POST /misaki/messages"}


@pytest.fixture(scope="module")
def operations(house) -> dict[str, str]:
    return walk.documented(house)


@pytest.fixture(scope="module")
def database(house):
    with psycopg.connect(house.database, autocommit=True) as connection:
        yield connection


class World:
    """A team, a family, keys, chats, invitations: everything that can belong to somebody, with one word in every text."""

    def __init__(self, house: House, database: psycopg.Connection, word: str):
        self.house, self.word = house, word
        self.team = walk.team(house, word)
        self.family = walk.family(house, word)
        owner = self.team["owner"]
        self.second = Person(house, email=owner.email, password=owner.password)
        self.second.web.headers["user-agent"] = f"{word} browser"
        assert self.second.login().status_code == 200
        self.key = owner.key(f"{word} key", storefront="misaki", scopes=["inference.use", "usage.read", "keys.manage", "members.read", "audit.read"])
        self.made = owner.api_key
        invited = owner.web.post("/invitations", json={"email": f"{word}-invited@example.test", "role": "member"})
        assert invited.status_code == 201, invited.text
        chat, run = walk.with_chat(owner, f"{word} のことを、少し聞いてもらえますか")
        sessions = owner.page("/auth/sessions")["items"]
        passkey = uuid.uuid4()
        database.execute("""insert into identity.passkey (id, user_id, credential_id, credential, name, created_at)
            values (%s, %s, %s, '{}', %s, now())""", [passkey, uuid.UUID(owner.user[4:]), passkey.bytes, f"{word} passkey"])
        self.ids = Ids(tenant=owner.tenant, user=self.team["member"].user, child=self.family["child"].user, chat=chat, run=run,
                       session=next(session["id"] for session in sessions if not session["current"]), passkey=f"psk_{passkey.hex}",
                       key=self.key["key"]["id"], invitation=invited.json()["id"])

    def texts(self) -> list[str]:
        """What may never be seen outside: the word, and the ids."""
        people = [*self.team.values(), *self.family.values()]
        known = [self.word, *(person.email for person in people if person.email), *(person.user for person in people),
                 self.key["secret"], *(value for name, value in vars(self.ids).items() if name not in ("issuer", "token", "unit", "model", "endpoint", "phrase", "storefront", "version"))]
        return [text for text in known if text]

    def come_to_rest(self, database):
        """Waits until the house holds nothing in advance for anybody here: from then on no row changes by itself."""
        tenants = [uuid.UUID(self.ids.tenant[4:]), uuid.UUID(self.family["guardian"].tenant[4:])]
        deadline = time.monotonic() + 60
        while database.execute("select 1 from entitlement.lease where tenant_id = any(%s) limit 1", [tenants]).fetchall():
            assert time.monotonic() < deadline, "a lease never ends"
            time.sleep(0.1)  # the database tells nobody

    def rows(self, database) -> dict[str, list[str]]:
        """Every row of the database that is about this world, without the times of last use."""
        marks = [self.ids.tenant[4:], self.family["guardian"].tenant[4:],
                 *(person.user[4:] for person in [*self.team.values(), *self.family.values()])]
        pattern = "|".join(str(uuid.UUID(mark)) for mark in marks)
        found = {}
        for (table,) in database.execute("""select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind = 'r' and n.nspname in ('identity', 'misaki', 'ledger', 'entitlement', 'gateway')""").fetchall():
            rows = database.execute(f"""select (to_jsonb(t) - 'last_seen_at' - 'last_used_at')::text from {table} t
                where to_jsonb(t)::text ~ %s order by 1""", [pattern]).fetchall()
            found[table] = [row for (row,) in rows]
        return found


@pytest.fixture(scope="module")
def ours(house, database):
    return World(house, database, f"heron{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def theirs(house, database):
    world = World(house, database, f"canary{uuid.uuid4().hex[:8]}")
    world.come_to_rest(database)
    return world


@pytest.fixture(scope="module")
def callers(house, database, ours) -> dict[str, Caller]:
    """Everybody of our world, and nobody, a guest, an operator and a key."""
    people = {**ours.team, **ours.family}
    people["operator"], people["school"] = proven(house, 2, display_name="somebody")
    people["operator"].found("team", "operators")
    people["school"].found("school", "a school")
    changed = database.execute("update identity.app_user set operator = true where id = %s returning 1", [uuid.UUID(people["operator"].user[4:])])
    assert changed.fetchall()
    cast = {name: Caller(name, house, comes_in=walk.comes_in(person)) for name, person in people.items()}
    cast |= {"nobody": Caller("nobody", house), "key": Caller("key", house, secret=ours.key["secret"]),
             "guest": Caller("guest", house, comes_in=lambda: Person(house).guest())}
    assert set(cast) == set(CALLERS)
    return cast


def test_every_operation_is_known_to_the_walk_and_the_walk_knows_no_other(operations):
    assert {operation for operation in operations if not walk.known(operation)} == set()
    assert set(walk.matrix()) - set(operations) == set(), "stale lines"
    assert len(operations) >= 60


@pytest.mark.parametrize("operation", walk.matrix())
def test_each_caller_may_do_what_the_table_says_and_nothing_else(operations, callers, ours, operation):
    def ask(name: str) -> bool:
        caller = callers[name]
        answer = caller.call(operation, operations[operation], Ids(issuer="family" if name == "guardian" else "nowhere"))
        assert answer.status_code < 500, (name, answer.text)
        may = not is_refused(answer)
        # a key is nobody where a browser's session is asked for, a child gets no token for the inference listener, and
        # only the token of an app says anything at userinfo
        nobody = (name in ("nobody", "key") or operations[operation] == "inference" and not caller.inference_headers()
                  or operation.endswith("/oauth/userinfo"))
        assert may or answer.status_code == (401 if nobody else 403) or name == "key", (name, answer.text)
        return may

    assert dict(zip(CALLERS, side_by_side(ask, CALLERS), strict=True)) == walk.matrix()[operation]


def side_by_side(ask, names) -> list:
    """What refuses somebody takes its time on purpose, so all are asked at once."""
    with concurrent.futures.ThreadPoolExecutor(len(CALLERS)) as pool:
        return list(pool.map(ask, names))


def about_somebody(operation: str) -> bool:
    names = operation.replace("{issuer}", "").replace("{token}", "").replace("{unit}", "").replace("{storefront}", "")
    is_the_houses = operation.startswith(OPERATORS) or " /admin/misaki/" in operation or " /admin/tenants/" in operation
    return "{" in names and not is_the_houses or operation in BY_BODY


@pytest.mark.parametrize("operation", [operation for operation in walk.matrix() if about_somebody(operation)])
def test_what_belongs_to_others_looks_like_what_does_not_exist(operations, callers, theirs, database, operation):
    listener = operations[operation]
    before = theirs.rows(database)
    not_found = 0
    for name, caller in callers.items():
        foreign, ghost = (caller.call(operation, listener, ids) for ids in (theirs.ids, Ids()))
        assert foreign.status_code == ghost.status_code >= 400, (name, foreign.status_code, foreign.text, ghost.status_code, ghost.text)
        assert anonymous(foreign.text) == anonymous(ghost.text), name
        assert set(foreign.headers) - HOP_BY_HOP == set(ghost.headers) - HOP_BY_HOP, name
        if not is_refused(foreign):
            assert foreign.status_code == 404, (name, foreign.text)
            not_found += 1
    assert not_found >= 1, "somebody was allowed to ask"
    assert theirs.rows(database) == before


# tries, and how far apart the fastest of them may be
TRIES, FLOOR = 25, 0.003


@pytest.mark.alone
@pytest.mark.parametrize("operation", [operation for operation in walk.matrix() if about_somebody(operation) and " /admin/" not in operation])
def test_what_belongs_to_others_takes_as_long_as_what_does_not_exist(operations, callers, theirs, operation):
    listener = operations[operation]
    # the first who may do it, so that what is compared is not a refusal for want of the right
    caller = callers[next(name for name in ("owner", "guardian") if walk.matrix()[operation][name])]
    found = []
    for _ in range(5):  # a machine with other work may spoil a round, not five
        fastest = {"foreign": 1.0, "ghost": 1.0}
        for n in range(TRIES):
            for kind in sorted(fastest, reverse=bool(n % 2)):
                ids = theirs.ids if kind == "foreign" else Ids()
                begun = time.perf_counter()
                answer = caller.call(operation, listener, ids)
                fastest[kind] = min(fastest[kind], time.perf_counter() - begun)
                assert answer.status_code == 404, answer.text
        found.append(abs(fastest["foreign"] - fastest["ghost"]))
        if found[-1] <= FLOOR:
            return
    raise AssertionError(f"{[round(apart * 1000, 2) for apart in found]} ms apart")


@pytest.mark.parametrize("operation", [operation for operation in walk.matrix() if operation not in SHOWS_ALL])
def test_no_byte_of_another_world_reaches_anybody_of_ours(operations, callers, ours, theirs, operation):
    def ask(name: str) -> None:
        if name == "operator" and operation.startswith(OPERATORS):
            return
        caller = callers[name]
        own = Ids(**{**vars(ours.ids), "session": Ids().session, "user": Ids().user, "child": Ids().child, "key": Ids().key})
        for ids in (own, theirs.ids):
            answer = caller.call(operation, operations[operation], ids)
            said = walk.text_of(answer)
            asked = str(answer.request.url) + answer.request.content.decode(errors="replace")
            found = [text for text in theirs.texts() if text in said and text not in asked]
            assert found == [], (name, answer.status_code, said[:500])

    side_by_side(ask, CALLERS)


def test_the_canaries_sing_at_home(operations, theirs):
    """Else the test above would prove nothing."""
    owner = Caller("owner", theirs.house, person=theirs.team["owner"], ids=theirs.ids)
    guardian = Caller("guardian", theirs.house, person=theirs.family["guardian"], ids=theirs.ids)
    heard = {operation: walk.text_of(caller.call(operation, operations[operation])) for caller, operation in [
        (owner, "GET /auth/me"), (owner, "GET /members"), (owner, "GET /invitations"), (owner, "GET /keys"), (owner, "GET /auth/sessions"),
        (owner, "GET /auth/factors"), (owner, "GET /audit"), (owner, "GET /audit/export"), (owner, "GET /account/export"),
        (owner, "GET /tenants"), (owner, "GET /api/misaki/chats/{chat}"), (owner, "GET /inference/{run}/events"), (guardian, "GET /family")]}
    silent = [operation for operation, said in heard.items() if theirs.word not in said and operation not in ("GET /inference/{run}/events",)]
    assert silent == []


def test_letters_to_our_people_say_nothing_of_another_world(house, ours, theirs):
    mailbox = [letter for person in ours.team.values() for letter in letters(house, person.email)]
    assert mailbox and not [letter for letter in mailbox if any(text in letter.text + letter.subject for text in theirs.texts())]


@pytest.mark.parametrize("listener", ["account", "inference"])
def test_no_page_for_everybody_names_anybody(house, ours, theirs, listener):
    for path in ("/metrics", "/ready", "/health", "/openapi.json", "/nowhere", f"/nowhere/{theirs.ids.chat}"):
        said = httpx.get(f"{getattr(house, listener)}{path}", headers={"accept": "application/json"})
        found = [text for world in (ours, theirs) for text in world.texts() if text in walk.text_of(said) and text not in path]
        assert found == [], path


@pytest.mark.parametrize("operation", [operation for operation in walk.matrix() if operation in walk.BODIES])
def test_fields_that_nobody_offers_change_nothing(operations, house, callers, database, theirs, operation):
    """As the owner of a fresh team each time, who hands in every field that would make somebody more."""
    person = Person(house).join(display_name="plain").found("team", "plain team")
    caller = Caller("owner", house, comes_in=walk.comes_in(person), ids=Ids(tenant=person.tenant))
    extra = {name: value for name, value in EXTRA.items() if name not in walk.BODIES[operation](caller.ids)}
    extra |= {"tenant_id": theirs.ids.tenant, "user_id": theirs.ids.user, "id": theirs.ids.key}
    before, there = standing(database, person), theirs.rows(database)
    known = set(database.execute("select id from identity.app_user where operator").fetchall())
    caller.call(operation, operations[operation], extra=extra)
    assert standing(database, person) == before
    assert set(database.execute("select id from identity.app_user where operator").fetchall()) == known
    assert theirs.rows(database) == there
    assert "house.operate" not in person.look().me["permissions"]


def standing(database, person: Person) -> list:
    """What somebody is, may and has."""
    user, tenant = uuid.UUID(person.user[4:]), uuid.UUID(person.tenant[4:])
    return [
        database.execute("select operator, email_verified_at, email from identity.app_user where id = %s", [user]).fetchall(),
        database.execute("select role from identity.membership where user_id = %s and tenant_id = %s", [user, tenant]).fetchall(),
        database.execute("select kind from identity.tenant where id = %s", [tenant]).fetchall(),
        database.execute("select to_jsonb(e)::text from entitlement.enrolment e where tenant_id = %s", [tenant]).fetchall(),
        database.execute("select sum(available) from ledger.lot where tenant_id = %s and available > 1000", [tenant]).fetchall(),
    ]


def test_a_register_that_hands_in_more_makes_a_plain_account(house, database, theirs):
    email = address()
    person = Person(house, email=email)
    answer = person.web.post("/auth/register", json={"email": email, "password": passphrase()} | EXTRA | {
        "tenant_id": theirs.ids.tenant, "role": "admin"})
    assert answer.status_code in (201, 422)
    if answer.status_code == 201:
        me = person.look().me
        assert me["tenant"]["id"] != theirs.ids.tenant and me["tenant"]["kind"] == "person" and me["tenant"]["role"] == "owner"
        assert not me["user"]["operator"] and not me["user"]["email_verified"] and person.plan()["plan"]["id"] == "free"


def test_an_invitation_makes_nobody_more_than_it_says(house):
    boss, guest = (Person(house).join().prove_address() for _ in range(2))
    boss.found("team", "a team")
    assert boss.web.post("/invitations", json={"email": guest.email, "role": "member", "permissions": ["tenant.manage"], "operator": True}).status_code in (201, 422)
    boss.web.post("/invitations", json={"email": guest.email, "role": "member"})
    for role in ("operator", "guest", "child", "root", ""):
        answer = boss.web.post("/invitations", json={"email": address(), "role": role})
        assert answer.status_code in (409, 422), (role, answer.text)


@pytest.mark.parametrize("by,role", [("admin", "owner"), ("member", "member"), ("child", "guardian"), ("owner", "guardian"), ("owner", "child"),
                                     ("guardian", "owner"), ("guardian", "child")])
def test_nobody_gives_a_role_that_is_not_theirs_to_give(ours, callers, by, role):
    person = callers[by].comes_in()
    answer = person.web.post("/invitations", json={"email": address(), "role": role})
    assert answer.status_code in (403, 409, 422), (answer.status_code, answer.text)
    changed = person.web.patch(f"/members/{ours.team['member'].user}", json={"role": role})
    assert changed.status_code in (403, 404, 409, 422), (changed.status_code, changed.text)


def test_a_key_narrows_and_never_widens(house, callers):
    owner = callers["owner"].comes_in()
    for scopes in (["house.operate"], ["tenant.manage"], ["billing.manage"], ["profile.manage"], ["everything"]):
        answer = owner.web.post("/keys", json={"name": "too much", "scopes": scopes})
        assert answer.status_code == 422, (scopes, answer.text)
    narrow = owner.key("narrow", scopes=["usage.read"])
    caller = Caller("key", house, secret=narrow["secret"])
    for operation, listener in (("GET /keys", "account"), ("GET /members", "account"), ("GET /audit", "account"), ("POST /inference", "inference")):
        assert is_refused(caller.call(operation, listener)), operation
    assert caller.call("GET /billing/usage", "account").status_code == 200
    wide = Caller("key", house, secret=owner.key("keeper", scopes=["keys.manage"])["secret"])
    more = httpx.post(f"{house.account}/keys", json={"name": "grown", "scopes": ["audit.read"]}, headers=wide.account_headers())
    assert more.status_code in (403, 422), (more.status_code, more.text)
    assert json.loads(more.text)["code"]
