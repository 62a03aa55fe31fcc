"""Signing in at an issuer outside, which is oauth2-mock-server here."""

import concurrent.futures
import uuid

import httpx
import psycopg
import pytest

from house import House
from issuer import CLIENT, Issuer, Trip, packed, with_other_key
from people import Person, address


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stranger():
    """An issuer that the operator does not believe about addresses."""
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def house(cluster, issuer, stranger):
    """A house that knows both issuers."""
    made = House(cluster.fresh(), **issuer.settings(TRUST_EMAIL="true"), **stranger.settings("STRANGER"))
    yield made
    made.stop()


def someone(**more) -> dict:
    return {"sub": uuid.uuid4().hex, "email": address(), "email_verified": True, "name": "外の人"} | more


def not_signed_in(person: Person, answer: httpx.Response) -> bool:
    return 400 <= answer.status_code < 500 and person.web.get("/auth/me").status_code == 401


def test_the_issuer_is_offered_by_its_name(house):
    items = httpx.get(f"{house.account}/auth/issuers").json()["items"]
    assert sorted(items, key=lambda item: item["id"]) == [{"id": "mock", "name": "Mock"}, {"id": "stranger", "name": "Stranger"}]
    assert httpx.get(f"{house.account}/auth/oidc/nowhere").status_code == 404


def test_a_trip_carries_state_nonce_and_a_challenge_and_comes_back_to_one_place(house):
    trips = [Trip(Person(house), next="/misaki") for _ in range(2)]
    for trip in trips:
        asked = trip.asked
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT and "openid" in asked["scope"].split()
        assert asked["redirect_uri"] == f"{house.public}/auth/callback"
        assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
        assert all(len(asked[name]) >= 22 for name in ("state", "nonce"))
        for cookie in trip.cookies:
            assert "httponly" in cookie.lower() and "samesite=lax" in cookie.lower()
        assert trip.cookies, "the state belongs to this browser"
    for name in ("state", "nonce", "code_challenge"):
        assert trips[0].asked[name] != trips[1].asked[name], name


def test_who_comes_back_is_signed_in_under_the_proven_address(house, issuer):
    who = someone()
    issuer.say(who)
    trip = Trip(Person(house)).at_issuer()
    issuer.control("forget")
    answer = trip.come_back()
    assert answer.status_code == 200, answer.text
    me = trip.person.look().me
    assert me["user"]["email"] == who["email"] and me["user"]["email_verified"] is True and me["tenant"]["kind"] == "person"
    [exchange] = issuer.asked("/token")
    assert exchange["body"]["redirect_uri"] == f"{house.public}/auth/callback" and len(exchange["body"]["code_verifier"]) >= 43
    again = Trip(Person(house)).at_issuer()
    assert again.come_back().status_code == 200
    assert again.person.look().user == me["user"]["id"], "the same person the next time"


def test_two_tabs_and_twenty_callbacks_make_one_user(house, issuer):
    who = someone()
    issuer.say(who)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        trips = list(pool.map(lambda _: Trip(Person(house)).at_issuer(), range(20)))
        answers = list(pool.map(lambda trip: trip.come_back(), trips))
    assert [answer.status_code for answer in answers] == [200] * 20, {answer.text for answer in answers if answer.status_code != 200}
    assert len({trip.person.look().user for trip in trips}) == 1
    with psycopg.connect(house.database) as database:
        assert database.execute("select count(*) from identity.app_user where email = %s", [who["email"]]).fetchone() == (1,)
        assert database.execute("select count(*) from identity.subject where subject = %s", [who["sub"]]).fetchone() == (1,)


def test_two_tabs_of_one_browser_both_come_in(house, issuer):
    issuer.say(someone())
    person = Person(house)
    first, second = Trip(person), Trip(person)
    assert [first.at_issuer().come_back().status_code, second.at_issuer().come_back().status_code] == [200, 200]


@pytest.mark.parametrize("change", [{"state": "x" * 43}, {"state": ""}, {"state": None}, {"code": None}, {"code": ""}, {"code": "x" * 36}],
                         ids=["another state", "an empty state", "no state", "no code", "an empty code", "another code"])
def test_a_callback_that_does_not_fit_signs_nobody_in(house, issuer, change):
    issuer.say(someone())
    trip = Trip(Person(house)).at_issuer()
    assert not_signed_in(trip.person, trip.come_back(**change))


def test_a_state_is_good_in_the_browser_that_it_was_made_for_and_once(house, issuer):
    issuer.say(someone())
    trip = Trip(Person(house)).at_issuer()
    victim = Person(house)
    assert not_signed_in(victim, trip.come_back(victim)), "another browser brought it"
    other = Trip(victim).at_issuer()
    assert not_signed_in(victim, other.come_back(state=trip.brought["state"])), "the state of another trip"
    fresh = Trip(Person(house)).at_issuer()
    assert fresh.come_back().status_code == 200
    fresh.person.web.post("/auth/logout")
    assert not_signed_in(fresh.person, fresh.come_back()), "a second time"


def test_of_twenty_uses_of_one_code_at_once_one_succeeds(house, issuer):
    issuer.say(someone())
    trip = Trip(Person(house)).at_issuer()
    jar = dict(trip.person.web.cookies)
    browsers = [Person(house) for _ in range(20)]
    for browser in browsers:
        browser.web.cookies.update(jar)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda browser: trip.come_back(browser).status_code, browsers))
    assert codes.count(200) == 1, codes


WRONG = {
    "another nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"without": ["nonce"]},
    "another audience": {"claims": {"aud": "another-client"}},
    "audiences of which another is the authorised party": {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "expired": {"claims": {"exp": 1_000_000_000}},
    "not yet valid": {"claims": {"nbf": 4_000_000_000}},
    "made in the future": {"claims": {"iat": 4_000_000_000}},
    "no subject": {"without": ["sub"]},
    "no expiry": {"without": ["exp"]},
    "no ID token": {"body": {"id_token": None}},
    "a broken ID token": {"body": {"id_token": "a.b.c"}},
    "an error": {"status": 400, "body": {"error": "invalid_grant"}},
    "a broken server": {"status": 500},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_an_id_token_that_is_not_right_signs_nobody_in(house, issuer, wrong):
    issuer.say(someone(), **wrong)
    trip = Trip(Person(house)).at_issuer()
    answer = trip.come_back()
    assert 400 <= answer.status_code <= 503 and answer.status_code != 500, answer.text
    assert trip.person.web.get("/auth/me").status_code == 401


@pytest.mark.parametrize("forge", [lambda head, claims: packed({"alg": "none"}, claims) + ".",
                                   lambda head, claims: with_other_key(head, claims)], ids=["unsigned", "signed by another"])
def test_an_id_token_without_the_issuers_signature_signs_nobody_in(house, issuer, forge):
    who = someone()
    trip = Trip(Person(house))
    claims = {"iss": issuer.url, "aud": CLIENT, "exp": 4_000_000_000, "iat": 1_700_000_000, "nonce": trip.asked["nonce"]} | who
    issuer.say(who, body={"id_token": forge({"alg": "RS256", "kid": issuer.key()["kid"]}, claims)})
    assert not_signed_in(trip.person, trip.at_issuer().come_back())


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": None}, {"email_verified": "false"}], ids=str)
def test_an_address_that_the_issuer_did_not_prove_opens_no_existing_account(house, issuer, claims):
    owner = Person(house).join().prove_address()
    issuer.say(someone(email=owner.email) | claims)
    trip = Trip(Person(house)).at_issuer()
    answer = trip.come_back()
    if answer.status_code == 200:
        me = trip.person.look().me
        assert me["user"]["id"] != owner.user and not me["user"]["email_verified"]
    assert owner.login().status_code == 200


def test_a_squatters_unproven_account_is_not_what_the_proven_owner_gets(house, issuer):
    squatter = Person(house).join()
    issuer.say(someone(email=squatter.email))
    trip = Trip(Person(house)).at_issuer()
    assert trip.come_back().status_code == 200
    assert trip.person.look().user != squatter.user
    assert trip.person.me["user"]["email_verified"] is True


def test_the_proven_owner_of_an_address_comes_into_the_same_account_by_a_believed_issuer(house, issuer):
    owner = Person(house).join().prove_address()
    issuer.say(someone(email=owner.email))
    trip = Trip(Person(house)).at_issuer()
    assert trip.come_back().status_code == 200
    assert trip.person.look().user == owner.user


def test_an_issuer_that_is_not_believed_about_addresses_opens_no_account_and_proves_none(house, stranger):
    owner = Person(house).join().prove_address()
    stranger.say(someone(email=owner.email))
    trip = Trip(Person(house), "stranger").at_issuer()
    assert trip.come_back().status_code == 200
    me = trip.person.look().me
    assert me["user"]["id"] != owner.user and not me["user"]["email_verified"]


def test_one_subject_at_two_issuers_is_two_people(house, issuer, stranger):
    who, users = someone(), []
    for at, name in ((issuer, "mock"), (stranger, "stranger")):
        at.say({"sub": who["sub"]})
        trip = Trip(Person(house), name).at_issuer()
        assert trip.come_back().status_code == 200
        users.append(trip.person.look().user)
    assert users[0] != users[1]


def test_the_answer_of_one_issuer_is_worth_nothing_at_another(house, issuer, stranger):
    """Mix-up: a code of one issuer is never brought to the other (RFC 9700 §4.4)."""
    issuer.say(someone())
    stranger.say(someone())
    person = Person(house)
    here, there = Trip(person).at_issuer(), Trip(person, "stranger").at_issuer()
    stranger.control("forget")
    assert not_signed_in(person, here.come_back(code=there.brought["code"]))
    assert stranger.asked("/token") == []


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"])
def test_the_way_back_leads_nowhere_else(house, issuer, next):
    issuer.say(someone())
    person = Person(house)
    answer = person.web.get("/auth/oidc/mock", params={"next": next}, follow_redirects=False)
    assert answer.status_code in (303, 400, 422), answer.text
    if answer.status_code == 303:
        assert answer.headers["location"].startswith(issuer.url)
        trip = Trip(person, next=next).at_issuer()
        assert "evil.example" not in trip.come_back().text and "javascript" not in trip.come_back().text


def test_signing_in_makes_a_new_session(house, issuer):
    issuer.say(someone())
    person = Person(house)
    person.guest()
    before = set(dict(person.web.cookies).values())
    assert Trip(person).at_issuer().come_back().status_code == 200
    stolen = httpx.get(f"{house.account}/auth/me", cookies={next(iter(dict(person.web.cookies))): next(iter(before))})
    assert stolen.status_code == 401 or stolen.json()["guest"], "the guest's cookie did not become the user's"
