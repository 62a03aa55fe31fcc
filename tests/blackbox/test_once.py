"""A request with an Idempotency-Key has one effect and one answer, however often, wherever and by how many it is sent."""

import concurrent.futures
import json
import uuid

import httpx
import psycopg
import pytest

from house import House, Listener
from people import Person, address, passphrase
from visitor import own_network


@pytest.fixture(scope="module")
def second(house):
    """Another process for the account listener, on the same database."""
    made = Listener(house, "account")
    yield made
    made.stop()


@pytest.fixture
def owner(house):
    return Person(house).join()


def made_by(person: Person, name: str) -> int:
    """How many keys of a name there are."""
    return len([key for key in person.page("/keys", limit=100)["items"] if key["name"] == name])


def send(person: Person, body: dict, key: str, path: str = "/keys", at: str | None = None) -> httpx.Response:
    return httpx.post((at or person.house.account) + path, json=body, cookies=dict(person.web.cookies), timeout=30,
                      headers={"idempotency-key": key, "origin": person.house.account})


def is_replay(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_fifty_at_once_at_two_processes_have_one_effect_and_one_answer(house, second, owner):
    name, key = f"once {uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: send(owner, {"name": name}, key, at=(house.account, second.url)[n % 2]), range(50)))
    assert made_by(owner, name) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    first = [answer for answer in answers if answer.status_code == 201 and not is_replay(answer)]
    assert len(first) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert code(answer) == (409, "request_in_flight") and int(answer.headers["retry-after"]) >= 1
        else:
            assert answer.json() == first[0].json(), "also the secret, which is shown once"
    late = send(owner, {"name": name}, key, at=second.url)
    assert (late.status_code, is_replay(late), late.content) == (201, True, first[0].content)
    assert late.headers["x-request-id"] != first[0].headers["x-request-id"]


def test_a_key_names_one_request_of_one_asker_at_one_route(house, owner):
    key = uuid.uuid4().hex
    first = send(owner, {"name": "the first"}, f'"{key}"')
    assert first.status_code == 201
    assert is_replay(send(owner, {"name": "the first"}, key)), "quoted or bare is the same"
    assert code(send(owner, {"name": "the second"}, key)) == (422, "idempotency_key_reused")
    elsewhere = send(owner, {"kind": "team", "name": "a team"}, key, "/tenants")
    assert elsewhere.status_code == 201 and not is_replay(elsewhere)
    other = Person(house).join()
    theirs = send(other, {"name": "the first"}, key)
    assert theirs.status_code == 201 and theirs.json()["secret"] != first.json()["secret"]


def test_refusals_are_replayed_once_something_began_and_not_before(owner):
    key = str(uuid.uuid4())
    refused = [send(owner, {"name": ""}, key) for _ in range(2)]
    assert [answer.status_code for answer in refused] == [422, 422] and refused[0].json() == refused[1].json()
    assert [is_replay(answer) for answer in refused] == [False, True]
    stranger = {"idempotency-key": str(uuid.uuid4()), "origin": owner.house.account}
    for _ in range(2):
        answer = httpx.post(f"{owner.house.account}/keys", json={"name": "nobody's"}, headers=stranger)
        assert answer.status_code == 401 and not is_replay(answer)


@pytest.mark.parametrize("key", ["", '""', "x" * 201, "two words", '"open', 'a"b'])
def test_what_is_no_key_is_refused(owner, key):
    answer = send(owner, {"name": "a key"}, key)
    assert code(answer) == (400, "idempotency_key_malformed"), key
    assert made_by(owner, "a key") == 0


def test_a_registration_that_is_sent_twice_makes_one_account(house):
    body = {"email": address(), "password": passphrase()}
    here, there = own_network(), own_network()

    def register(key: str, source: str) -> httpx.Response:
        """As a browser whose answer was lost: without the cookie that came with it."""
        with httpx.Client(base_url=house.account, transport=httpx.HTTPTransport(local_address=source), timeout=20) as web:
            return web.post("/auth/register", json=body, headers={"idempotency-key": key, "origin": house.account})

    key = str(uuid.uuid4())
    one, two = register(key, here), register(key, here)
    assert (one.status_code, two.status_code, is_replay(two)) == (201, 201, True)
    assert one.json() == two.json() and one.headers["set-cookie"] == two.headers["set-cookie"]
    with psycopg.connect(house.database) as database:
        assert database.execute("select count(*) from identity.app_user where email = %s", [body["email"]]).fetchone() == (1,)
    assert code(register("1", here)) == (400, "idempotency_key_malformed"), "others in the network might come upon it"
    assert not is_replay(register(key, there))


def test_the_database_keeps_neither_the_key_nor_the_answer_as_they_are(house, owner):
    key = f"mark-{uuid.uuid4().hex}"
    answer = send(owner, {"name": "sealed"}, key)
    secret = answer.json()["secret"]
    with psycopg.connect(house.database) as database:
        rows = database.execute("select scope, fingerprint, sealed, to_jsonb(a)::text from noren.answer a").fetchall()
    kept = b"".join(bytes(part or b"") for row in rows for part in row[:3])
    assert rows and key.encode() not in kept and secret.encode() not in kept
    assert all(key not in row[3] and secret not in row[3] and owner.tenant not in row[3] for row in rows)


def test_an_answer_is_forgotten_after_a_day(house, owner):
    key = str(uuid.uuid4())
    assert send(owner, {"name": "day one"}, key).status_code == 201
    with psycopg.connect(house.database, autocommit=True) as database:
        database.execute("update noren.answer set expires_at = expires_at - interval '24 hours'")
    again = send(owner, {"name": "day two"}, key)
    assert again.status_code == 201 and not is_replay(again)


def test_a_message_to_misaki_keeps_its_own_key(house):
    person, key = Person(house).join(), str(uuid.uuid4())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: person.post("こんばんは", key=key), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({json.dumps(answer.json()["user"], sort_keys=True) for answer in answers}) == 1
    assert len(person.page("/api/misaki/chats")["items"]) == 1


def test_a_process_that_dies_at_its_work_leaves_the_key_to_the_next_after_its_lease(cluster):
    first = House(cluster.fresh())
    owner, key = Person(first).join(), str(uuid.uuid4())
    with psycopg.connect(first.database) as holding, psycopg.connect(first.database, autocommit=True) as database:
        holding.execute("lock table identity.api_key_secret in exclusive mode")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            lost = pool.submit(send, owner, {"name": "in flight"}, key)
            while not database.execute("select 1 from noren.answer where state = 'working'").fetchone():
                pass
            assert code(send(owner, {"name": "in flight"}, key)) == (409, "request_in_flight")
            first.kill()
            assert isinstance(lost.exception(), httpx.TransportError)
        holding.rollback()
        house = House(first.database)
        try:
            owner.house = house
            assert code(send(owner, {"name": "in flight"}, key)) == (409, "request_in_flight")
            database.execute("update noren.answer set lease_until = lease_until - interval '60 seconds'")
            assert code(send(owner, {"name": "another"}, key)) == (422, "idempotency_key_reused")
            again = send(owner, {"name": "in flight"}, key)
            assert again.status_code == 201 and not is_replay(again)
            names = [name for (name,) in database.execute("select name from identity.api_key").fetchall()]
            assert names.count("in flight") == 1
        finally:
            house.stop()


def test_the_document_offers_the_header_at_every_post_that_takes_it(house):
    for listener in (house.account, house.inference):
        paths = httpx.get(f"{listener}/openapi.json").json()["paths"]
        for path, item in paths.items():
            if "post" in item and not path.startswith(("/auth/", "/oauth/", "/demo/", "/misaki/", "/family/", "/invitations/accept")):
                named = [parameter["name"].lower() for parameter in item["post"].get("parameters", []) if parameter["in"] == "header"]
                assert "idempotency-key" in named, path
