"""Bearer tokens: what the APIs take, and all the ways to forge one that they don't."""

import concurrent.futures
import contextlib
import re
import time
import uuid

import boto3
import httpx
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from house import House, run
from issuer import CLIENT, SECRET, Issuer, claims_of, forgeries, head_of, packed, with_hmac, with_other_key
from people import Person, address
from visitor import Visitor

REGION = "ap-northeast-1"


class Pool:
    """A Cognito user pool at moto."""

    def __init__(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.api = boto3.client("cognito-idp", region_name=REGION, endpoint_url=self.url, aws_access_key_id="x", aws_secret_access_key="x")
        self.id = self.api.create_user_pool(PoolName="pool")["UserPool"]["Id"]
        self.client = self.new_client()
        self.other_client = self.new_client()

    def new_client(self) -> str:
        made = self.api.create_user_pool_client(UserPoolId=self.id, ClientName="noren", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"])
        return made["UserPoolClient"]["ClientId"]

    def settings(self) -> dict[str, str]:
        prefix = "NOREN__IDENTITY__ISSUERS__COGNITO__"
        return {f"{prefix}URL": f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}", f"{prefix}CLIENT_ID": self.client,
                f"{prefix}CLIENT_SECRET": "", f"{prefix}TITLE": "Cognito", f"{prefix}JWKS_URL": f"{self.url}/{self.id}/.well-known/jwks.json"}

    def tokens(self, client: str | None = None, name: str | None = None) -> dict:
        """What signing in with a password gives."""
        name, password = name or address(), f"Aa1!{uuid.uuid4().hex}"
        with contextlib.suppress(self.api.exceptions.UsernameExistsException):
            self.api.admin_create_user(UserPoolId=self.id, Username=name, UserAttributes=[
                {"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}])
        self.api.admin_set_user_password(UserPoolId=self.id, Username=name, Password=password, Permanent=True)
        return self.api.initiate_auth(ClientId=client or self.client, AuthFlow="USER_PASSWORD_AUTH",
                                      AuthParameters={"USERNAME": name, "PASSWORD": password})["AuthenticationResult"]


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pool():
    made = Pool()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def house(cluster, issuer, pool):
    made = House(cluster.fresh(), **issuer.settings(), **pool.settings())
    yield made
    made.stop()


def with_token(house, token: str, path: str = "/auth/me", listener: str = "account", scheme: str = "Bearer") -> httpx.Response:
    return httpx.get(f"{getattr(house, listener)}{path}", headers={"authorization": f"{scheme} {token}".strip()}, timeout=20)


def id_claims(issuer: Issuer, **more) -> dict:
    return {"sub": uuid.uuid4().hex, "aud": CLIENT, "email": address(), "email_verified": True} | more


def known_token(house, issuer: Issuer) -> str:
    """A good ID token of somebody who has signed in with one like it."""
    token = issuer.sign(id_claims(issuer))
    person = Person(house)
    answer = person.web.post("/auth/callback", json={"id_token": token})
    assert answer.status_code == 200, answer.text
    return token


def test_an_id_token_of_a_configured_issuer_is_taken_by_the_apis(house, issuer):
    token = known_token(house, issuer)
    me = with_token(house, token)
    assert me.status_code == 200 and me.json()["user"]["email"] == claims_of(token)["email"], me.text
    assert with_token(house, token, "/billing/plan?storefront=misaki").status_code == 200


@pytest.fixture(scope="module")
def outside(house, issuer):
    good = known_token(house, issuer)
    made = forgeries(good, issuer.key(), issuer.sign, SECRET)
    made["an access token of the issuer"] = issuer.sign({"sub": claims_of(good)["sub"], "scope": "openid", "client_id": CLIENT})
    made["an access token by its use"] = issuer.sign(claims_of(good) | {"token_use": "access"})
    made["another is the authorised party"] = issuer.sign(claims_of(good) | {"aud": [CLIENT, "other"], "azp": "other"})
    return good, made


def test_every_forged_token_of_an_issuer_outside_is_refused(house, outside):
    good, made = outside
    assert len(made) >= 20
    taken = {name: answer.status_code for name, token in made.items() for answer in [with_token(house, token)] if answer.status_code != 401}
    assert taken == {}
    assert with_token(house, good).status_code == 200, "and the good one is still taken"


def test_every_forged_token_is_refused_where_people_sign_in_with_one_too(house, outside):
    taken = {}
    for name, token in outside[1].items():
        person = Person(house)
        answer = person.web.post("/auth/callback", json={"id_token": token})
        if answer.is_success or answer.status_code >= 500 or person.web.get("/auth/me").status_code != 401:
            taken[name] = (answer.status_code, answer.text)
    assert taken == {}


@pytest.fixture(scope="module")
def member(house):
    return Person(house).join().prove_address()


def own_tokens(house, member) -> tuple[dict, dict[str, str]]:
    tokens = member.tokens()
    access = tokens["access_token"]
    [key, *_] = [key for key in httpx.get(f"{house.account}/.well-known/jwks.json").json()["keys"] if key["kid"] == head_of(access).get("kid")]
    head, claims = head_of(access), claims_of(access)
    # nobody here has the house's key: what would need it is left out
    made = {name: token for name, token in forgeries(access, key, lambda claims, header, without: access, SECRET).items()}
    made |= {
        "the refresh token": tokens["refresh_token"],
        "claims of an operator": with_other_key(head, claims | {"operator": True, "scope": "house.operate"}),
        "HMAC with the kid": with_hmac(head, claims, str(head.get("kid")).encode()),
        "no head": "." + access.split(".", 1)[1],
        "a head that is a list": packed([], claims) + ".",
        "nothing": "",
        "a dot": "..",
        "a NUL": access[:20] + "%00",
        "endless": "x" * 7000,
        "twice": f"{access}, {access}",
    }
    return tokens, made


def test_every_forged_access_token_is_refused(house, member):
    tokens, made = own_tokens(house, member)
    assert len(made) >= 20
    taken = {name: (answer.status_code, answer.text[:200]) for name, token in made.items()
             for answer in [with_token(house, token)] if answer.status_code not in (401, 431)}
    assert taken == {}
    assert with_token(house, tokens["access_token"]).status_code == 200
    assert with_token(house, tokens["access_token"], scheme="bearer").status_code == 200, "the scheme's case does not matter (RFC 9110 §11.1)"
    assert with_token(house, tokens["access_token"], scheme="Basic").status_code == 401


def test_a_token_of_one_listener_is_worth_nothing_at_the_other(house, member):
    inference = member.plan()["inference"]["token"]
    assert with_token(house, inference).status_code == 401, "what reads runs signs nobody in"
    run = f"/inference/run_{uuid.uuid4().hex}"
    assert with_token(house, inference, run, "inference").status_code == 404
    for name, token in (("access", member.tokens()["access_token"]), ("refresh", member.tokens()["refresh_token"])):
        answer = with_token(house, token, run, "inference")
        assert answer.status_code in (401, 404), (name, answer.text)
        assert name == "access" or answer.status_code == 401


def test_a_token_that_a_key_fetched_for_itself_is_limited_as_the_key_is(house, member):
    made = member.key(daily_cap=1)
    plan = httpx.get(f"{house.account}/billing/plan", params={"storefront": "genai"}, headers={"x-api-key": made["secret"]})
    bearer = {"authorization": f"Bearer {plan.json()['inference']['token']}"}
    asked = [httpx.post(f"{house.inference}/inference", json={"prompt": "hi"}, headers=bearer) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [202, 429], [answer.text for answer in asked]
    assert asked[1].json()["code"] == "key_cap_reached"
    assert member.web.delete(f"/keys/{made['key']['id']}").status_code in (200, 204)
    assert httpx.post(f"{house.inference}/inference", json={"prompt": "hi"}, headers=bearer).status_code == 401


def test_a_key_that_a_key_made_is_its_makers(house, member):
    maker = member.key(scopes=["keys.manage", "inference.use"])
    made = httpx.post(f"{house.account}/keys", json={"name": "of a key", "scopes": ["inference.use"]}, headers={"x-api-key": maker["secret"]})
    assert made.status_code == 201, made.text
    with psycopg.connect(house.database) as database:
        makers = database.execute("select distinct created_by from identity.api_key where id = any(%s::uuid[])",
                                  [[str(uuid.UUID(id.rpartition("_")[2])) for id in (maker["key"]["id"], made.json()["key"]["id"])]]).fetchall()
    assert len(makers) == 1 and makers[0][0] is not None


def test_every_forged_inference_token_is_refused(house, member):
    good = member.plan()["inference"]["token"]
    path = f"/inference/run_{uuid.uuid4().hex}"
    parts = good.split(".")
    changed = {"truncated": good[:-5], "longer": good + "A", "nothing": "", "one letter off": good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:],
               "another case": good.swapcase(), "without its signature": ".".join(parts[:-1]), "an empty signature": ".".join(parts[:-1]) + ".",
               "a guest's name on it": good.replace(good[4:12], "AAAAAAAA", 1)}
    if len(parts) == 3:
        with contextlib.suppress(ValueError):
            head, claims = head_of(good), claims_of(good)
            changed |= {"alg none": packed(head | {"alg": "none"}, claims) + ".", "HMAC with nothing": with_hmac(head, claims, b""),
                        "another key": with_other_key(head, claims)}
    taken = {name: answer.status_code for name, token in changed.items() if token != good
             for answer in [with_token(house, token, path, "inference")] if answer.status_code != 401}
    assert taken == {}
    assert with_token(house, good, path, "inference").status_code == 404


def test_an_id_token_that_noren_gave_a_client_is_no_access_token(house, member):
    import hashlib
    import urllib.parse

    from issuer import b64

    created = run("clients", "create", "--id", "tokens", "--name", "Tokens", "--redirect", "https://tokens.example/back", DATABASE_URL=house.database,
                  NOREN__SERVER__ACCOUNT_URL=house.public)
    assert created.returncode == 0, created.stderr
    verifier = uuid.uuid4().hex * 2
    location = member.web.get("/oauth/authorize", follow_redirects=False, params={
        "client_id": "tokens", "response_type": "code", "redirect_uri": "https://tokens.example/back", "scope": "openid profile", "state": "s",
        "code_challenge": b64(hashlib.sha256(verifier.encode()).digest()), "code_challenge_method": "S256"}).headers["location"]
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))["code"]
    tokens = httpx.post(f"{house.account}/oauth/token", data={"grant_type": "authorization_code", "code": code, "client_id": "tokens",
                                                              "redirect_uri": "https://tokens.example/back", "code_verifier": verifier}).json()
    assert with_token(house, tokens["id_token"]).status_code == 401
    assert with_token(house, tokens["id_token"], "/oauth/userinfo").status_code == 401
    assert with_token(house, tokens["access_token"], "/oauth/userinfo").status_code == 200
    beyond = with_token(house, tokens["access_token"], "/keys")
    assert beyond.status_code in (401, 403), "a client that asked who somebody is may not manage keys"


def test_new_keys_of_an_issuer_cost_one_fetch_and_the_old_ones_are_worth_nothing(house, issuer):
    old = known_token(house, issuer)
    issuer.control("rotate")
    token = issuer.sign(id_claims(issuer))
    issuer.control("forget")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: Person(house).web.post("/auth/callback", json={"id_token": token}).status_code, range(20)))
    fetched = len(issuer.asked("/jwks"))
    if codes != [200] * 20:  # keys were fetched a moment ago: they are asked for again after a pause, by one
        assert set(codes) == {401}
        deadline = time.monotonic() + 65
        while Person(house).web.post("/auth/callback", json={"id_token": token}).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(1)  # the pause between fetches is the house's own
        fetched = len(issuer.asked("/jwks"))
    assert fetched == 1
    assert with_token(house, token).status_code == 200
    assert with_token(house, old).status_code == 401, "a key that is no longer published"


def test_tokens_with_made_up_key_names_cost_the_issuer_next_to_nothing(house, issuer):
    issuer.control("forget")
    claims = {"iss": issuer.url, "exp": 4_000_000_000} | id_claims(issuer)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda n: with_token(house, with_other_key({"alg": "RS256", "kid": f"made-up-{n}"}, claims)).status_code, range(60)))
    assert set(codes) == {401} and len(issuer.asked("/jwks")) <= 1


def test_tokens_of_a_cognito_pool_are_taken_by_the_apis_as_who_they_name(house, pool):
    tokens = pool.tokens()
    first = Person(house)
    answer = first.web.post("/auth/callback", json={"id_token": tokens["IdToken"]})
    assert answer.status_code == 200, answer.text
    me = with_token(house, tokens["IdToken"])
    assert me.status_code == 200 and me.json()["user"]["id"] == first.look().user
    assert with_token(house, tokens["AccessToken"]).status_code == 401, "an access token says nothing of who asks"
    assert Visitor(house).web.post("/auth/callback", json={"id_token": tokens["AccessToken"]}).status_code in (400, 401, 422)


def test_a_cognito_token_for_another_client_or_with_a_changed_name_is_refused(house, pool):
    foreign = pool.tokens(pool.other_client)["IdToken"]
    assert with_token(house, foreign).status_code == 401
    good = pool.tokens()["IdToken"]
    [key] = httpx.get(f"{pool.url}/{pool.id}/.well-known/jwks.json").json()["keys"]
    made = forgeries(good, key, lambda claims, header, without: good, SECRET)
    taken = {name: answer.status_code for name, token in made.items() for answer in [with_token(house, token)] if answer.status_code != 401}
    assert taken == {} and len(made) >= 15


def test_the_same_name_at_two_issuers_is_two_people(house, issuer, pool):
    cognito = pool.tokens()["IdToken"]
    mock = issuer.sign(id_claims(issuer, sub=claims_of(cognito)["sub"]))
    users = []
    for token in (cognito, mock):
        person = Person(house)
        assert person.web.post("/auth/callback", json={"id_token": token}).status_code == 200
        users.append(person.look().user)
    assert users[0] != users[1]


def test_a_refusal_tells_how_to_ask_and_never_repeats_the_token(house, outside):
    for name, token in list(outside[1].items())[:5]:
        answer = with_token(house, token)
        assert re.match(r"Bearer\b", answer.headers.get("www-authenticate", "")), name
        assert len(token) < 20 or token not in answer.text
