"""What is taken back is gone within a second, also at processes that did not take it back and on streams that are open."""

import concurrent.futures
import threading
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from house import House, Listener
from people import Person, child_at, passphrase, proven
from visitor import own_network

WITHIN = 1.0


@pytest.fixture(scope="module")
def house(cluster):
    made = House(cluster.fresh(), NOREN__GATEWAY__SILENCE_SECONDS="20")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def second(house):
    """Another process for each listener, on the same database: (account, inference)."""
    made = [Listener(house, only) for only in ("account", "inference")]
    yield made
    for listener in made:
        listener.stop()


@pytest.fixture(scope="module")
def crowd(house):
    """People whose addresses are proven, as many as the tests below take; their letters come side by side."""
    return proven(house, 28)


@pytest.fixture
def boss(crowd):
    return crowd.pop().found("team", "a team")


def asks(second, person: Person | None = None, bearer: str | None = None, path: str = "/auth/me") -> Callable[[], httpx.Response]:
    """Asks the other process as a person or with a token, over one connection."""
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    web = httpx.Client(base_url=second[0].url, headers=headers, cookies=dict(person.web.cookies) if person else None, timeout=10)
    return lambda: web.get(path)


def runs(second, token: str) -> Callable[[], httpx.Response]:
    """Asks the other inference process for a run that is not there."""
    web = httpx.Client(base_url=second[1].url, headers={"authorization": f"Bearer {token}"}, timeout=10)
    return lambda: web.get(f"/inference/run_{uuid.uuid4().hex}")


def gone_within_a_second(ask: Callable[[], httpx.Response], refused=lambda answer: answer.status_code == 401) -> float:
    """Asks until it is refused, and a while longer: what is gone stays gone."""
    begun = time.monotonic()
    while not refused(answer := ask()):
        assert time.monotonic() - begun <= WITHIN, f"still {answer.status_code} after a second: {answer.text[:300]}"
        time.sleep(0.01)  # the other process tells nobody when it has heard
    took = time.monotonic() - begun
    assert all(refused(ask()) for _ in range(5)), "refused once, then let in again"
    return took


def test_a_session_that_was_revoked_is_gone_everywhere(house, second):
    person = Person(house).join()
    other = person.again()
    ask, infer = asks(second, other), runs(second, other.plan()["inference"]["token"])
    assert (ask().status_code, infer().status_code) == (200, 404)
    [session] = [session["id"] for session in person.page("/auth/sessions")["items"] if not session["current"]]
    assert person.web.delete(f"/auth/sessions/{session}").status_code == 204
    gone_within_a_second(ask)
    gone_within_a_second(infer)
    assert asks(second, person)().status_code == 200


@pytest.mark.parametrize("way", ["sign out", "revoke the others", "new password", "reset"])
def test_whatever_ends_sessions_ends_them_everywhere(house, second, crowd, way):
    person = crowd.pop()
    other = person.again()
    tokens = other.tokens()
    ask, infer, call = asks(second, other), runs(second, other.plan()["inference"]["token"]), asks(second, bearer=tokens["access_token"])
    assert (ask().status_code, infer().status_code, call().status_code) == (200, 404, 200)
    if way == "sign out":
        assert other.web.post("/auth/logout").status_code == 204
    elif way == "revoke the others":
        assert person.web.post("/auth/sessions/revoke-others").status_code == 204
    elif way == "new password":
        assert person.web.post("/auth/password", json={"password": passphrase()}).status_code == 200
    else:
        answer = Person(house).web.post("/auth/password/reset", json={"token": person.forgot(), "password": passphrase()})
        assert answer.status_code == 204, answer.text
    gone_within_a_second(ask)
    gone_within_a_second(infer)
    if way != "sign out":
        gone_within_a_second(call)
        refreshed = httpx.post(f"{second[0].url}/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]}, headers={"origin": house.public})
        assert refreshed.status_code == 401, refreshed.text


@pytest.mark.parametrize("way", ["delete", "rotate without grace", "leaked"])
def test_a_key_that_was_taken_back_is_gone_everywhere(house, second, boss, way):
    key = boss.key("to be gone", storefront="misaki", scopes=["keys.manage", "inference.use"])
    ask, infer = asks(second, bearer=key["secret"], path="/keys"), runs(second, key["secret"])
    assert (ask().status_code, infer().status_code) == (200, 404)
    if way == "delete":
        assert boss.web.delete(f"/keys/{key['key']['id']}").status_code == 204
    elif way == "leaked":
        assert Person(house).web.post("/keys/leaked", json={"key": key["secret"]}).status_code == 202
    else:
        rotated = boss.web.post(f"/keys/{key['key']['id']}/rotate", json={"grace_hours": 0})
        assert rotated.status_code == 200, rotated.text
        assert asks(second, bearer=rotated.json()["secret"], path="/keys")().status_code == 200
    gone_within_a_second(ask)
    gone_within_a_second(infer)


def not_of(tenant: str):
    """Whether an answer is a refusal, or says that the caller acts for another tenant now."""
    return lambda answer: answer.status_code in (401, 403) or answer.status_code == 200 and answer.json()["tenant"]["id"] != tenant


@pytest.mark.parametrize("way", ["removed", "left"])
def test_a_member_who_is_gone_sees_nothing_more_anywhere(house, second, crowd, boss, way):
    member = boss.invite(crowd.pop(), "member")
    assert member.tenant == boss.tenant
    tokens = httpx.post(f"{house.account}/auth/token", json={"email": member.email, "password": member.password}, headers={"origin": house.public}).json()
    ask, members = asks(second, member), asks(second, member, path="/members")
    infer = runs(second, member.plan()["inference"]["token"])
    assert (ask().status_code, members().status_code, infer().status_code) == (200, 200, 404)
    by = boss if way == "removed" else member
    assert by.web.delete(f"/members/{member.user}").status_code == 204
    gone_within_a_second(ask, not_of(boss.tenant))
    gone_within_a_second(members, lambda answer: answer.status_code in (401, 403) or boss.user not in answer.text)
    gone_within_a_second(infer)
    back = member.web.post("/auth/tenant", json={"tenant": boss.tenant})
    assert back.status_code in (401, 403, 404), back.text
    assert boss.tenant not in httpx.get(f"{second[0].url}/auth/me", headers={"authorization": f"Bearer {tokens['access_token']}"}).text


def test_a_role_that_was_taken_is_gone_everywhere(house, second, crowd, boss):
    admin = boss.invite(crowd.pop(), "admin")
    ask = asks(second, admin, path="/invitations")
    assert ask().status_code == 200
    assert boss.web.patch(f"/members/{admin.user}", json={"role": "member"}).status_code in (200, 204)
    gone_within_a_second(ask, lambda answer: answer.status_code in (401, 403))


def test_a_child_that_was_unlinked_is_gone_everywhere(house, second, crowd):
    guardian = crowd.pop().found("family", "a family")
    made = guardian.child("taro")
    child = child_at(house, made)
    ask = asks(second, child)
    assert ask().status_code == 200
    assert guardian.web.delete(f"/family/children/{made['user']}").status_code == 204
    gone_within_a_second(ask)
    assert Person(house).web.post("/auth/login/child", json={"family": made["family"], "name": "taro", "pin": made["pin"]}).status_code == 401


def test_a_family_of_refresh_tokens_ends_everywhere_when_one_is_used_twice(house, second):
    person = Person(house).join()
    first = person.tokens()

    def refresh(token: str, at: str, who: str) -> httpx.Response:
        return httpx.post(f"{at}/auth/token/refresh", json={"refresh_token": token}, headers={"origin": house.public, "user-agent": who})

    later = refresh(first["refresh_token"], second[0].url, "owner")
    assert later.status_code == 200, later.text
    call = asks(second, bearer=later.json()["access_token"])
    assert call().status_code == 200
    assert refresh(first["refresh_token"], house.account, "thief").status_code == 401, "or the owner, after the thief: nobody knows"
    assert refresh(later.json()["refresh_token"], second[0].url, "owner").status_code == 401
    gone_within_a_second(call)


def test_of_twenty_uses_of_a_refresh_token_at_two_processes_at_most_one_succeeds(house, second):
    token = Person(house).join().tokens()["refresh_token"]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda n: httpx.post(f"{(house.account, second[0].url)[n % 2]}/auth/token/refresh", json={"refresh_token": token},
                                                   headers={"origin": house.public}).status_code, range(20)))
    assert codes.count(200) <= 1 and set(codes) <= {200, 401}, codes


# --- streams that are open ---------------------------------------------------------------------------------------


class Stream:
    """A run's events as they come, read by a thread at the other process."""

    def __init__(self, second, run: str, token: str):
        self.ended = threading.Event()
        self.first = threading.Event()
        self.heard: list[str] = []
        self.at = 0.0
        self.url, self.token = f"{second[1].url}/inference/{run}/events", token
        threading.Thread(target=self._read, daemon=True).start()
        assert self.first.wait(10), "the stream began"

    def _read(self) -> None:
        try:
            with httpx.stream("GET", self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=30) as answer:
                for line in answer.iter_lines():
                    self.heard.append(line)
                    self.first.set()
        except httpx.HTTPError:
            pass  # cut is as good as closed
        self.at = time.monotonic()
        self.ended.set()

    def closes_within_a_second(self, begun: float) -> None:
        assert self.ended.wait(WITHIN + 0.5), f"still open; heard {self.heard[-3:]}"
        assert self.at - begun <= WITHIN, f"{self.at - begun:.2f} s"
        assert "event: ended" not in self.heard, "the run itself went on"


STALLED = "[slow][stall] ゆっくり聞かせてください"


@pytest.mark.parametrize("way", ["sign out", "session revoked", "new password", "removed from the team"])
def test_the_open_stream_of_somebody_who_is_out_is_closed(house, second, crowd, boss, way):
    person = crowd.pop()
    here = person.again()
    if way == "removed from the team":
        boss.invite(here, "member")
    token = here.plan()["inference"]["token"]
    sent = here.post(STALLED, token=token)
    assert sent.status_code == 202, sent.text
    stream = Stream(second, sent.json()["run_id"], token)
    begun = time.monotonic()
    if way == "sign out":
        done = here.web.post("/auth/logout")
    elif way == "session revoked":
        done = person.web.post("/auth/sessions/revoke-others")
    elif way == "new password":
        done = person.web.post("/auth/password", json={"password": passphrase()})
    else:
        done = boss.web.delete(f"/members/{here.user}")
    assert done.is_success, done.text
    stream.closes_within_a_second(begun)


def test_the_open_stream_of_a_key_that_was_taken_back_is_closed(house, second, boss):
    key = boss.key("to be gone", storefront="misaki", scopes=["keys.manage", "inference.use"])
    sent = httpx.post(f"{house.inference}/misaki/messages", json={"chat_id": None, "text": STALLED}, timeout=20,
                      headers={"authorization": f"Bearer {key['secret']}", "idempotency-key": str(uuid.uuid4())})
    assert sent.status_code == 202, sent.text
    stream = Stream(second, sent.json()["run_id"], key["secret"])
    begun = time.monotonic()
    assert boss.web.delete(f"/keys/{key['key']['id']}").status_code == 204
    stream.closes_within_a_second(begun)


# --- keys under load ---------------------------------------------------------------------------------------------


def test_a_rotation_with_grace_refuses_nobody_and_afterwards_the_old_secret_is_refused(house, second, boss):
    key = boss.key("busy", scopes=["keys.manage"])
    id, secrets = key["key"]["id"], [key["secret"]]
    refused, counted, done = [], [0], threading.Event()

    def call(n: int) -> None:
        base = (house.account, second[0].url)[n % 2]
        with httpx.Client(base_url=base, transport=httpx.HTTPTransport(local_address=own_network()), timeout=20) as web:
            while not done.is_set():
                secret = secrets[n % len(secrets)]
                answer = web.get("/keys", headers={"authorization": f"Bearer {secret}"})
                counted[0] += 1
                if answer.status_code != 200:
                    refused.append((n, answer.status_code, secrets.index(secret), answer.text[:200]))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        clients = [pool.submit(call, n) for n in range(16)]
        reach(counted, 200)
        rotated = boss.web.post(f"/keys/{id}/rotate", json={"grace_hours": 1})
        assert rotated.status_code == 200, rotated.text
        reach(counted, counted[0] + 300)
        secrets.append(rotated.json()["secret"])
        reach(counted, counted[0] + 600)
        done.set()
        for client in clients:
            client.result()
    assert refused == []
    assert rotated.json()["key"]["id"] == id and rotated.json()["key"]["grace_until"], "the same key with its history"
    ended = boss.web.post(f"/keys/{id}/rotate", json={"grace_hours": 0})
    assert ended.status_code == 200, ended.text
    for secret in secrets:
        gone_within_a_second(asks(second, bearer=secret, path="/keys"))
    assert asks(second, bearer=ended.json()["secret"], path="/keys")().status_code == 200


def reach(counted: list[int], count: int) -> None:
    deadline = time.monotonic() + 30
    while counted[0] < count:
        assert time.monotonic() < deadline, counted
        time.sleep(0.01)  # for the clients' next calls
