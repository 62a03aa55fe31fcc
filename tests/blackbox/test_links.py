"""Links in letters: good once, for a while, for the last one asked for, and never for somebody else's host."""

import concurrent.futures
import hashlib
import re
import time
import uuid

import httpx
import psycopg
import pytest

from people import Person, address, await_letter, letters, passphrase, proven
from visitor import own_network

KINDS = ("verify", "reset", "email", "invite")


@pytest.fixture(scope="module")
def database(house):
    with psycopg.connect(house.database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def boss(house):
    """Somebody with a team to invite to."""
    return Person(house).join(display_name="Boss").prove_address().found("team", "a team")


class Link:
    """A link of a kind, for a fresh person, with the way to use it."""

    def __init__(self, kind: str, house, boss: Person):
        self.kind, self.house, self.boss = kind, house, boss
        self.person = Person(house).join()
        if kind != "verify":
            self.person.prove_address()
        self.to = address() if kind == "email" else self.person.email
        self.token = ""
        self.token = self.send()

    def send(self) -> str:
        """Asks for a letter, the first or a newer one; the token in it."""
        known = [letter.id for letter in letters(self.house, self.to)]
        if self.kind == "verify" and not self.token:
            known = []  # registering sent it
        else:
            answer = self.ask()
            assert answer.status_code == (201 if self.kind == "invite" and not self.token else 202), answer.text
        return await_letter(self.house, self.to, self.kind, known).token(self.kind)

    def ask(self) -> httpx.Response:
        """What makes the house send the letter."""
        if self.kind == "verify":
            return self.person.web.post("/auth/email/resend")
        if self.kind == "reset":
            return self.person.web.post("/auth/password/forgot", json={"email": self.person.email})
        if self.kind == "email":
            return self.person.web.post("/auth/email", json={"email": self.to})
        if self.token:
            return self.boss.web.post("/invitations/refresh", json={"token": self.token})
        return self.boss.web.post("/invitations", json={"email": self.to, "role": "member"})

    def use(self, token: str | None = None, web: httpx.Client | None = None) -> httpx.Response:
        """Uses the link once."""
        token, web = token or self.token, web or self.person.web
        if self.kind == "reset":
            return web.post("/auth/password/reset", json={"token": token, "password": passphrase()})
        if self.kind == "invite":
            return web.post("/invitations/accept", json={"token": token})
        return web.post("/auth/email/verify", json={"token": token})


# how many of each kind the tests below take; they are sent side by side, since a letter takes its time
STOCK = {"verify": 8, "reset": 9, "email": 8, "invite": 10}


@pytest.fixture(scope="module")
def stock(house, boss) -> dict[str, list[Link]]:
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        made = list(pool.map(lambda kind: Link(kind, house, boss), [kind for kind, count in STOCK.items() for _ in range(count)]))
    return {kind: [link for link in made if link.kind == kind] for kind in KINDS}


@pytest.fixture
def link(request, stock):
    return stock[request.param].pop()


every_kind = pytest.mark.parametrize("link", KINDS, indirect=True)


def is_expired(answer: httpx.Response) -> bool:
    return answer.status_code == 410 and answer.json()["code"] == "link_expired"


def row_of(database, token: str) -> uuid.UUID:
    """The row whose hash this token has."""
    [(id,)] = database.execute("select id from identity.link where token_hash = any(%s)", [hashes(token)]).fetchall()
    return id


def hashes(token: str) -> list[bytes]:
    """SHA-256 of a token as text and as what the text spells."""
    import base64
    import binascii
    import contextlib

    spelled = [token.encode()]
    with contextlib.suppress(ValueError):
        spelled.append(bytes.fromhex(token))
    with contextlib.suppress(binascii.Error, ValueError):
        spelled.append(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return [hashlib.sha256(raw).digest() for raw in spelled]


@every_kind
def test_of_twenty_at_once_one_use_of_a_link_succeeds(link):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: link.use(), range(20)))
    good = [answer for answer in answers if answer.is_success]
    assert len(good) == 1, [answer.status_code for answer in answers]
    # whoever accepts gets a new session, so that the others of the twenty may be nobody by then
    late = (401,) if link.kind == "invite" else ()
    assert all(is_expired(answer) or answer.status_code in late for answer in answers if not answer.is_success), {answer.text for answer in answers}


@every_kind
def test_a_link_is_void_after_half_an_hour(link, database):
    row = row_of(database, link.token)
    [(life,)] = database.execute("select extract(epoch from expires_at - created_at)::int from identity.link where id = %s", [row]).fetchall()
    assert 0 < life <= 30 * 60
    database.execute("update identity.link set created_at = created_at - interval '30 minutes 1 second', "
                     "expires_at = expires_at - interval '30 minutes 1 second' where id = %s", [row])
    assert is_expired(link.use())


@every_kind
def test_a_link_is_void_after_a_newer_one_of_its_kind(link):
    older, newer = link.token, link.send()
    assert older != newer
    assert is_expired(link.use(older))
    assert link.use(newer).is_success


@pytest.mark.parametrize("link", ["verify", "reset", "email"], indirect=True)
def test_a_link_is_void_after_a_change_of_the_password(link):
    changed = link.person.web.post("/auth/password", json={"password": passphrase()})
    assert changed.status_code == 200, changed.text
    assert is_expired(link.use())


def test_a_reset_voids_the_other_links_and_ends_every_session(house, stock):
    link = stock["reset"].pop()
    other = link.person.again()
    new = address()
    assert link.person.web.post("/auth/email", json={"email": new}).status_code == 202
    token = await_letter(house, new, "email").token("email")
    tokens = link.person.tokens()
    assert link.use(web=Person(house).web).status_code == 204
    assert is_expired(link.person.web.post("/auth/email/verify", json={"token": token}))
    assert other.web.get("/auth/me").status_code == 401 and link.person.web.get("/auth/me").status_code == 401
    refreshed = other.web.post("/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401, refreshed.text
    assert link.person.login().status_code == 401, "the old password is no longer good"


@every_kind
def test_a_token_has_256_bits_and_is_nowhere_in_the_database_as_it_is(link, database):
    assert len(link.token) >= 43 and re.fullmatch(r"[\w-]+", link.token)
    found = []
    for (table,) in database.execute("""select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'""").fetchall():
        rows = database.execute(f"select to_jsonb(t)::text from {table} t where to_jsonb(t)::text like '%%' || %s || '%%'", [link.token]).fetchall()
        found += [(table, row) for row in rows]
    # a letter has to carry its link; its payload is cleared when it was sent, or kept as the letter in a demo's mailbox
    assert [table for table, _ in found if not table.startswith("mail.")] == []
    assert row_of(database, link.token)


ALMOST = {
    "changed": lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
    "shorter": lambda token: token[:-1],
    "longer": lambda token: token + "A",
    "other case": lambda token: token.swapcase(),
    "nothing": lambda token: "",
    "with NUL": lambda token: token + "\u0000",
    "endless": lambda token: "x" * 5000,
}


@every_kind
def test_a_token_that_is_not_quite_right_is_worth_nothing(link):
    for name, change in ALMOST.items():
        answer = link.use(change(link.token) or " ")
        assert answer.status_code in (400, 410, 422), (name, answer.text)
    assert link.use().is_success, "and the right one is still good"


@every_kind
def test_a_token_of_one_kind_is_worth_nothing_as_another(link):
    own = {"verify": {"/auth/email/verify"}, "email": {"/auth/email/verify"}, "reset": {"/auth/password/reset"},
           "invite": {"/invitations/accept", "/invitations/view"}}[link.kind]
    for used_as in {"/auth/email/verify", "/auth/password/reset", "/invitations/accept", "/invitations/view"} - own:
        answer = link.person.web.post(used_as, json={"token": link.token, "password": passphrase()})
        assert is_expired(answer), (used_as, answer.text)
    assert link.use().is_success


FORGED = [{"host": "evil.example"}, {"x-forwarded-host": "evil.example"}, {"forwarded": "host=evil.example;proto=https"},
          {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-forwarded-port": "444"}, {"x-original-host": "evil.example"},
          {"x-host": "evil.example"}, {"host": "evil.example", "x-forwarded-host": "evil.example", "referer": "https://evil.example/"}]


@pytest.fixture(scope="module")
def forgetful(house):
    return proven(house, len(FORGED))


@pytest.mark.parametrize("headers", FORGED, ids=lambda headers: "+".join(headers))
def test_the_host_of_a_link_comes_from_the_configuration_whatever_a_request_says(house, forgetful, headers):
    person = forgetful.pop()
    known = [letter.id for letter in letters(house, person.email)]
    with httpx.Client(transport=httpx.HTTPTransport(local_address=own_network())) as web:
        answer = web.post(f"{house.account}/auth/password/forgot", json={"email": person.email}, headers={"origin": house.account} | headers)
    if answer.status_code != 202:
        assert answer.status_code in (400, 403, 421), answer.text
        return
    letter = await_letter(house, person.email, "reset", known)
    assert "evil" not in letter.text and all(f"{link}/".startswith(f"{house.public}/") for link in letter.links), letter.links


@every_kind
def test_the_token_is_in_the_fragment_which_no_server_logs(house, link):
    [found] = {found for found in await_letter(house, link.to, link.kind).links if f"/link/{link.kind}" in found}
    assert re.fullmatch(rf"{re.escape(house.public)}/link/{link.kind}#[\w-]{{43,}}", found), found


def test_an_invitation_is_for_one_address_alone(house, boss, stock):
    link = stock["invite"].pop()
    stranger = Person(house).join().prove_address()
    answer = link.use(web=stranger.web)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_address"), answer.text
    assert link.use().status_code == 200, "the invited one can still accept"


def test_an_invitation_that_was_withdrawn_lets_nobody_in(house, boss, stock):
    link = stock["invite"].pop()
    invitation = next(item for item in boss.page("/invitations")["items"] if item["email"] == link.person.email)
    assert boss.web.delete(f"/invitations/{invitation['id']}").status_code == 204
    assert is_expired(link.use())


def test_a_stale_invitation_is_renewed_by_a_fresh_letter_to_the_invited_address_only(house, stock, database):
    link = stock["invite"].pop()
    row = row_of(database, link.token)
    database.execute("update identity.link set created_at = created_at - interval '31 minutes', expires_at = expires_at - interval '31 minutes' where id = %s", [row])
    seen = link.person.web.post("/invitations/view", json={"token": link.token})
    assert seen.status_code == 200 and seen.json()["stale"] is True, seen.text
    assert is_expired(link.use())
    fresh = link.send()
    assert link.use(fresh).status_code == 200


def test_nobody_takes_an_account_over_by_registering_its_address_first(house):
    """The squatter's unproven account gets nothing when the true owner proves the address."""
    email = address()
    squatter, owner = Person(house, email=email).join(), Person(house, email=email).join()
    tokens = [letter.token("verify") for letter in letters_when(house, email, 2)]
    assert len(tokens) == 2
    proven = owner.web.post("/auth/email/verify", json={"token": tokens[0]})
    assert proven.status_code == 200, proven.text
    ids = {person.look().user for person in (squatter, owner)}
    assert len(ids) == 2, "two accounts, of which one holds the address"
    assert sorted(person.me["user"]["email_verified"] for person in (squatter, owner)) == [False, True]
    again = Person(house).web.post("/auth/email/verify", json={"token": tokens[1]})
    assert not again.is_success, "the address is proven by one account only"


def letters_when(house, to: str, count: int) -> list:
    deadline = time.monotonic() + 20
    while True:
        found = [letter for letter in letters(house, to) if any("/link/verify#" in link for link in letter.links)]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, len(found)
        time.sleep(0.1)  # a mailbox tells nobody when a letter comes
