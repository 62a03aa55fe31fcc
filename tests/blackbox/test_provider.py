"""Noren as the issuer, to openid-client, which is certified by the OpenID Foundation, and to those who ask wrongly."""

import concurrent.futures
import json
import subprocess
import urllib.parse

import httpx
import psycopg
import pytest

from house import clean_env, run
from issuer import FOLDER
from people import Person

REDIRECT = "https://client.example/back"


def register(house, client: str, redirect: str) -> None:
    """As the operator does it."""
    created = run("clients", "create", "--id", client, "--name", client.capitalize(), "--redirect", redirect, DATABASE_URL=house.database,
                  NOREN__SERVER__ACCOUNT_URL=house.public)
    assert created.returncode == 0, created.stderr


def test_an_operator_registers_an_app_with_nothing_but_the_database(house):
    created = run("clients", "create", "--id", "plain", "--name", "Plain", "--redirect", "https://plain.example/back", DATABASE_URL=house.database)
    assert created.returncode == 0, created.stderr


@pytest.fixture(scope="module")
def flow(house):
    """What openid-client found."""
    register(house, "judge", REDIRECT)
    person = Person(house).join(display_name="Client's user").prove_address()
    cookie = "; ".join(f"{name}={value}" for name, value in dict(person.web.cookies).items())
    said = subprocess.run(["node", FOLDER / "client.mjs"], text=True, capture_output=True, timeout=60, env=clean_env(),
                          input=json.dumps({"issuer": house.public, "client": "judge", "redirect": REDIRECT, "cookie": cookie}))
    assert said.returncode == 0, said.stderr + said.stdout
    return json.loads(said.stdout) | {"person": person}


def test_the_discovery_document_says_what_is_true(house, flow):
    metadata = flow["metadata"]
    assert metadata["issuer"] == house.public
    assert metadata["response_types_supported"] == ["code"] and metadata["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "revocation_endpoint"):
        assert metadata[name].startswith(f"{house.public}/")
    keys = httpx.get(metadata["jwks_uri"]).json()["keys"]
    assert keys and all(key["kid"] and not {"d", "p", "q", "k"} & key.keys() for key in keys), "public parts alone"
    assert {key["alg"] for key in keys} <= set(metadata["id_token_signing_alg_values_supported"])
    assert "none" not in metadata["id_token_signing_alg_values_supported"]


def test_a_certified_client_gets_a_code_tokens_and_what_is_known_of_the_user(house, flow):
    assert flow["authorize"]["status"] in (302, 303) and flow["authorize"]["location"].startswith(f"{REDIRECT}?")
    assert flow["claims"]["iss"] == house.public and flow["claims"]["aud"] in ("judge", ["judge"])
    person = flow["person"]
    assert flow["claims"]["sub"] == flow["userinfo"]["sub"] and person.email == flow["userinfo"]["email"]
    assert flow["userinfo"]["email_verified"] is True
    assert flow["tokens"]["token_type"].lower() == "bearer" and flow["tokens"]["expires_in"] <= 300


def test_a_code_is_good_once_and_its_second_use_ends_what_the_first_gave(flow):
    assert flow["again"] == "400 invalid_grant"
    assert flow["after_reuse"] != "accepted"


def test_a_refresh_token_rotates_and_its_second_use_ends_the_family(flow):
    assert flow["refreshed"]["rotated"] is True
    assert (flow["reuse"], flow["family"]) == ("400 invalid_grant", "400 invalid_grant")


def test_a_revoked_refresh_token_is_worth_nothing(flow):
    assert flow["revoked"] == "400 invalid_grant"


def test_a_code_without_its_verifier_is_worth_nothing(flow):
    assert flow["no_verifier"].startswith("400 invalid_") and flow["wrong_verifier"] == "400 invalid_grant"


def authorize(person: Person, **change) -> httpx.Response:
    asked = {"client_id": "judge", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid", "state": "s", "nonce": "n",
             "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"} | change
    return person.web.get("/oauth/authorize", params={name: value for name, value in asked.items() if value is not None}, follow_redirects=False)


@pytest.mark.parametrize("uri", ["https://client.example/back/", "https://client.example/back?x=1", "https://client.example/back/../back",
                                 "https://client.example:443/back", "https://CLIENT.example/back", "http://client.example/back",
                                 "https://client.example.evil.example/back", "https://evil.example/back", "https://client.example@evil.example/back",
                                 "https://client.example/back#x", "https://client.example/%62ack", "javascript:alert(1)", "", None], ids=str)
def test_a_code_goes_to_a_registered_place_exactly_and_nowhere_else(flow, uri):
    answer = authorize(flow["person"], redirect_uri=uri)
    assert answer.status_code in (400, 422), (answer.status_code, answer.headers.get("location"))
    assert "location" not in answer.headers


@pytest.mark.parametrize("change,error", [({"code_challenge": None}, "invalid_request"), ({"code_challenge_method": "plain"}, "invalid_request"),
                                          ({"code_challenge_method": None}, "invalid_request"), ({"response_type": "token"}, "unsupported_response_type"),
                                          ({"response_type": "id_token"}, "unsupported_response_type"), ({"code_challenge": "short"}, "invalid_request"),
                                          ({"prompt": "none", "max_age": "0"}, "login_required")], ids=str)
def test_what_is_asked_wrongly_goes_back_as_an_error_and_never_as_a_code(flow, change, error):
    answer = authorize(flow["person"], **change)
    assert "code=" not in answer.headers.get("location", "")
    if answer.status_code in (302, 303):
        back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
        assert answer.headers["location"].startswith(REDIRECT) and back["error"] in (error, "invalid_request") and back["state"] == "s", back
    else:
        assert answer.status_code in (400, 422), answer.status_code


VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B, whose challenge authorize() sends


def code_for(person: Person, **change) -> str:
    location = authorize(person, **change).headers["location"]
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))["code"]


def exchange(house, code: str, **change) -> httpx.Response:
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": "judge", "code_verifier": VERIFIER}
    return httpx.post(f"{house.account}/oauth/token", data=asked | change)


def test_who_does_not_ask_for_openid_is_told_nothing_of_who_signed_in(house, flow):
    answer = exchange(house, code_for(flow["person"], scope="profile"))
    assert answer.status_code == 200 and "id_token" not in answer.json(), answer.text
    known = httpx.get(f"{house.account}/oauth/userinfo", headers={"authorization": f"Bearer {answer.json()['access_token']}"})
    assert known.status_code in (401, 403) or "email" not in known.json(), known.text


def test_an_unknown_client_gets_no_redirect(flow):
    answer = authorize(flow["person"], client_id="nobody")
    assert answer.status_code in (400, 401, 404, 422) and "location" not in answer.headers


def test_nobody_gets_a_code_without_signing_in(house):
    answer = authorize(Person(house))
    assert "code=" not in answer.headers.get("location", "")
    assert not answer.headers.get("location", "").startswith("https://client.example") or "error=login_required" in answer.headers["location"]


def test_a_code_of_one_client_is_worth_nothing_to_another(house, flow):
    register(house, "other", "https://other.example/back")
    code = code_for(flow["person"])
    for change in ({"client_id": "other"}, {"redirect_uri": "https://other.example/back"}, {"client_id": "nobody"}):
        answer = exchange(house, code, **change)
        assert answer.status_code in (400, 401), (change, answer.text)
        assert answer.json()["error"] in ("invalid_grant", "invalid_client", "unauthorized_client")
        assert answer.headers["cache-control"] == "no-store"


def test_of_twenty_at_once_one_gets_tokens_for_a_code(house, flow):
    code = code_for(flow["person"])
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: exchange(house, code).status_code, range(20)))
    assert codes.count(200) == 1 and set(codes) == {200, 400}, codes


def test_a_code_is_void_after_a_minute(house, flow):
    code = code_for(flow["person"])
    with psycopg.connect(house.database, autocommit=True) as database:
        [(life,)] = database.execute("select max(extract(epoch from expires_at - created_at))::int from identity.oauth_code").fetchall()
        database.execute("update identity.oauth_code set expires_at = expires_at - interval '61 seconds' where used_at is null")
    assert 0 < life <= 60
    answer = exchange(house, code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text


def test_an_app_that_was_disabled_gets_nothing_more(house, flow):
    register(house, "brief", "https://brief.example/back")
    asked = {"client_id": "brief", "redirect_uri": "https://brief.example/back"}
    tokens = exchange(house, code_for(flow["person"], scope="openid offline_access", **asked), **asked).json()
    code = code_for(flow["person"], **asked)
    ended = run("clients", "disable", "brief", DATABASE_URL=house.database, NOREN__SERVER__ACCOUNT_URL=house.public)
    assert ended.returncode == 0, ended.stderr
    assert exchange(house, code, **asked).status_code in (400, 401)
    refreshed = httpx.post(f"{house.account}/oauth/token", data={"grant_type": "refresh_token", "client_id": "brief",
                                                                 "refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code in (400, 401), refreshed.text
    assert "code=" not in authorize(flow["person"], **asked).headers.get("location", "")
