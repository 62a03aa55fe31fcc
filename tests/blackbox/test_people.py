"""Coming in, staying, leaving."""

import concurrent.futures
import re
import uuid

import httpx
import pytest

from people import Person, await_letter
from visitor import Visitor, text_of, check_books

PASSWORD = "correct horse"


def cookie_of(answer: httpx.Response) -> str:
    found = [cookie for cookie in answer.headers.get_list("set-cookie") if "session=" in cookie.split(";")[0]]
    assert len(found) == 1, found
    return found[0]


def address() -> str:
    return f"{uuid.uuid4().hex}@example.test"


def test_a_person_registers_and_is_known(house):
    visitor = Visitor(house)
    email = address()
    answer = visitor.web.post("/auth/register", json={
        "email": email.upper(), "password": PASSWORD, "display_name": "千鳥", "locale": "en"})
    assert answer.status_code == 201, answer.text
    me = answer.json()
    assert me.pop("api_key")["secret"].startswith("nrn_")
    assert me == visitor.web.get("/auth/me").json()
    assert me["user"]["email"] == email and me["user"]["display_name"] == "千鳥" and me["user"]["locale"] == "en"
    assert re.fullmatch(r"usr_[0-9a-f]{32}", me["user"]["id"]) and re.fullmatch(r"tnt_[0-9a-f]{32}", me["tenant"]["id"])
    assert me["tenant"]["kind"] == "person" and me["guest"] is False
    assert PASSWORD not in answer.text


def test_the_session_cookie_can_not_be_read_or_sent_by_others(house):
    cookie = cookie_of(Visitor(house).register())
    attributes = {part.strip().lower().split("=")[0]: part.strip().lower() for part in cookie.split(";")[1:]}
    assert "httponly" in attributes and "path" in attributes
    assert attributes["samesite"] in ("samesite=lax", "samesite=strict")
    assert "domain" not in attributes
    if house.account.startswith("https:"):
        assert cookie.startswith("__Host-") and "secure" in attributes


def test_every_sign_in_has_a_new_session_and_no_token_is_in_a_body(house):
    visitor, email = Visitor(house), address()
    first = cookie_of(visitor.register(email)).split(";")[0]
    answer = visitor.web.post("/auth/login", json={"email": email, "password": PASSWORD})
    second = cookie_of(answer).split(";")[0]
    assert first != second
    assert second.split("=", 1)[1] not in answer.text


def test_signing_out_ends_the_session_on_the_server(house):
    visitor = Visitor(house)
    visitor.register()
    stolen = dict(visitor.web.cookies)
    assert httpx.get(f"{house.account}/auth/me", cookies=stolen).status_code == 200
    assert visitor.web.post("/auth/logout").status_code == 204
    assert httpx.get(f"{house.account}/auth/me", cookies=stolen).status_code == 401
    assert visitor.web.post("/auth/logout").status_code == 204, "leaving twice is fine"


def test_a_guest_stays_the_same_guest(house):
    visitor = Visitor(house)
    assert visitor.web.get("/auth/me").status_code == 401
    first = visitor.web.post("/auth/guest")
    again = visitor.web.post("/auth/guest")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["guest"] is True and first.json()["user"] is None


def test_whoever_registers_an_address_gets_the_same_answer_and_one_account_may_prove_it(house):
    """Nobody learns which addresses are taken: the letter decides."""
    email = address()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        people = [Person(house, email=email) for _ in range(8)]
        answers = list(pool.map(lambda n: people[n].web.post("/auth/register", json={
            "email": email if n % 2 else email.upper(), "password": people[n].password}), range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["user"]["id"] for answer in answers}) == 8
    assert {answer.json()["user"]["email_verified"] for answer in answers} == {False}
    token = await_letter(house, email, "verify").token("verify")
    assert Person(house).web.post("/auth/email/verify", json={"token": token}).status_code == 200
    assert [person.look().me["user"]["email_verified"] for person in people].count(True) == 1


@pytest.mark.parametrize("email", ["known", "unknown"])
def test_a_wrong_password_and_an_unknown_address_look_the_same(house, email):
    known = address()
    Visitor(house).register(known)
    answer = Visitor(house).web.post("/auth/login", json={
        "email": known if email == "known" else address(), "password": "wrong horse"})
    assert answer.status_code == 401
    body = answer.json()
    body.pop("request_id")
    assert body["code"] == "wrong_credentials" and "set-cookie" not in answer.headers
    if email == "known":
        other = Visitor(house).web.post("/auth/login", json={"email": address(), "password": "wrong horse"}).json()
        other.pop("request_id")
        assert other == body


def test_fields_that_nobody_offered_have_no_effect(house):
    visitor = Visitor(house)
    stranger = Visitor(house).guest().web.get("/auth/me").json()["tenant"]["id"]
    answer = visitor.web.post("/auth/register", json={
        "email": address(), "password": PASSWORD, "role": "admin", "is_admin": True, "tenant_id": stranger,
        "plan": "vip", "balance": 10**9, "guest": False, "id": "usr_" + "0" * 32})
    assert answer.status_code in (201, 422)
    if answer.status_code == 201:
        assert answer.json()["tenant"]["id"] != stranger
        assert visitor.plan()["plan"]["id"] == "free"


def test_a_guest_who_registers_keeps_chats_and_what_is_left_of_the_quota(house):
    visitor = Visitor(house).guest()
    tenant = visitor.web.get("/auth/me").json()["tenant"]["id"]
    sent = visitor.start()
    said = text_of(visitor.events(sent["run_id"]))
    before = visitor.quota()
    assert visitor.register().status_code == 201
    me = visitor.web.get("/auth/me").json()
    assert me["tenant"]["id"] == tenant and me["guest"] is False
    assert [chat["id"] for chat in visitor.all("/api/misaki/chats")] == [sent["chat_id"]]
    chat = visitor.page(f"/api/misaki/chats/{sent['chat_id']}")
    assert chat["messages"][-1]["text"] == said
    after = visitor.quota()
    assert after["used"] >= before["used"] and after["available"] >= before["available"]
    assert len(visitor.usage()) == 1
    check_books(visitor)


@pytest.mark.parametrize("who", ["guest", "free", "paid", "vip"])
def test_one_press_signs_in_as_a_demo_user(house, who):
    plan = Visitor(house).demo(who).plan()
    assert plan["plan"]["id"] == who
    assert plan["quotas"][0]["available"] > 0


def test_the_printed_demo_logins_work(house):
    logins = httpx.get(f"{house.account}/house").json()["demo_logins"]
    assert {login["as"] for login in logins} >= {"free", "paid", "vip", "operator"}
    for login in logins:
        if login.get("email"):
            answer = Visitor(house).web.post("/auth/login", json={"email": login["email"], "password": login["password"]})
            assert answer.status_code == 200, answer.text
            assert answer.json()["user"]["operator"] == (login["as"] == "operator")


def test_a_stranger_sees_nothing_of_a_chat_or_a_run(house):
    owner, stranger = Visitor(house).guest(), Visitor(house).guest()
    sent = owner.start()
    owner.events(sent["run_id"])
    ghost = "0" * 32
    for real, fake in [(f"/api/misaki/chats/{sent['chat_id']}", f"/api/misaki/chats/chat_{ghost}")]:
        for method in ("GET", "DELETE"):
            mine, none = (stranger.web.request(method, path) for path in (real, fake))
            assert mine.status_code == none.status_code == 404
            assert mine.json()["code"] == none.json()["code"]
    token = stranger.bearer()
    for path in ("", "/events", "/cancel"):
        method = "POST" if path == "/cancel" else "GET"
        mine, none = (httpx.request(method, f"{house.inference}/inference/{run}{path}", headers=token)
                      for run in (sent["run_id"], f"run_{ghost}"))
        assert mine.status_code == none.status_code == 404, (path, mine.text)
    answer = stranger.post("混ぜて", chat=sent["chat_id"])
    assert (answer.status_code, answer.json()["code"]) == (404, "chat_not_found")
    assert owner.web.delete(f"/api/misaki/chats/{sent['chat_id']}").status_code == 204
    assert owner.web.get(f"/api/misaki/chats/{sent['chat_id']}").status_code == 404
