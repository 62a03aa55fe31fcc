"""The issuer that people sign in at (oauth2-mock-server), and tokens that it never signed."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
import urllib.parse

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from house import REPOSITORY, clean_env
from people import Person

FOLDER = REPOSITORY / "tests/oidc"
CLIENT, SECRET = "noren-at-mock", "a secret between two servers"


class Issuer:
    """One process of the mock server."""

    def __init__(self):
        self.process = subprocess.Popen(["node", FOLDER / "issuer.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_env())
        self.url: str = json.loads(self.process.stdout.readline())["issuer"]
        self.web = httpx.Client(base_url=self.url, timeout=20)

    def settings(self, name: str = "MOCK", **more: str) -> dict[str, str]:
        """What a house needs to know of it."""
        said = {"URL": self.url, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "TITLE": name.capitalize()} | more
        return {f"NOREN__IDENTITY__ISSUERS__{name}__{field}": value for field, value in said.items()}

    def control(self, command: str, **said) -> dict:
        answer = self.web.post(f"/control/{command}", json=said)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def say(self, who: dict | None = None, **wrong) -> None:
        """Who signs in next, and what is wrong with the tokens."""
        self.control("say", who=who or {}, wrong=wrong)

    def sign(self, claims: dict, header: dict | None = None, without: tuple[str, ...] = (), ttl: int = 300) -> str:
        """A token with the issuer's own signature."""
        return self.control("sign", claims=claims, header=header or {}, without=list(without), ttl=ttl)["token"]

    def asked(self, path: str) -> list[dict]:
        return [request for request in self.control("asked")["asked"] if request["path"] == path]

    def key(self) -> dict:
        """The public key that is published now."""
        [key] = self.web.get("/jwks").json()["keys"]
        return key

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


class Trip:
    """One sign-in at an issuer, from the house and back."""

    def __init__(self, person: Person, issuer: str = "mock", next: str = "/"):
        self.person = person
        answer = person.web.get(f"/auth/oidc/{issuer}", params={"next": next}, follow_redirects=False)
        assert answer.status_code in (302, 303), (answer.status_code, answer.text)
        self.location = answer.headers["location"]
        self.asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.location).query))
        self.cookies = answer.headers.get_list("set-cookie")

    def at_issuer(self) -> "Trip":
        """Signs in there; what the browser brings back."""
        answer = httpx.get(self.location, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        self.back = answer.headers["location"]
        self.brought = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.back).query))
        return self

    def come_back(self, person: Person | None = None, **change) -> httpx.Response:
        """What the page at /auth/callback sends."""
        body = {"code": self.brought["code"], "state": self.brought["state"]} | change
        return (person or self.person).web.post("/auth/callback", json={name: value for name, value in body.items() if value is not None})


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(unb64(text))


def head_of(token: str) -> dict:
    return json.loads(unb64(token.split(".")[0]))


def claims_of(token: str) -> dict:
    return json.loads(unb64(token.split(".")[1]))


def packed(head: dict, claims: dict) -> str:
    return f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"


def with_hmac(head: dict, claims: dict, secret: bytes) -> str:
    text = packed(head | {"alg": "HS256"}, claims)
    return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


OTHER = rsa.generate_private_key(65537, 2048)


def with_other_key(head: dict, claims: dict) -> str:
    text = packed(head, claims)
    return f"{text}.{b64(OTHER.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def other_jwk() -> dict:
    public = OTHER.public_key().public_numbers()
    return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "own", "e": "AQAB", "n": b64(public.n.to_bytes(256))}


def forgeries(good: str, key: dict, sign, secret: str) -> dict[str, str]:
    """What a good token is turned into by somebody without the key; `sign` signs with it, for claims that are wrong."""
    head, claims = head_of(good), claims_of(good)
    first, body, signature = good.split(".")
    if key["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
    elif key["kty"] == "EC":
        public = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()
    else:
        public = None
    now = int(time.time())
    made = {f"alg {alg}": packed(head | {"alg": alg}, claims) + "." for alg in ("none", "None", "NONE", "")}
    made |= {
        "no signature": f"{first}.{body}.",
        "no signature and no dot": f"{first}.{body}",
        "the signature of something else": f"{first}.{b64(json.dumps(claims | {'sub': 'somebody else'}).encode())}.{signature}",
        "another head": f"{b64(json.dumps(head | {'typ': 'at+jwt'}).encode())}.{body}.{signature}",
        "truncated": good[:-8],
        "one bit off": good[:-10] + ("A" if good[-10] != "A" else "B") + good[-9:],
        "longer": good + "AAAA",
        "four parts": good + ".AAAA",
        "HMAC with the client's secret": with_hmac(head, claims, secret.encode()),
        "HMAC with nothing": with_hmac(head, claims, b""),
        "HMAC with the key as JSON": with_hmac(head, claims, json.dumps(key).encode()),
        "another key under the known kid": with_other_key(head | {"alg": "RS256"}, claims),
        "another key under a foreign kid": with_other_key(head | {"alg": "RS256", "kid": "foreign"}, claims),
        "another key without kid": with_other_key({"alg": "RS256", "typ": "JWT"}, claims),
        "another key in the head": with_other_key(head | {"alg": "RS256", "jwk": other_jwk(), "kid": "own"}, claims),
        "another key at a URL": with_other_key(head | {"alg": "RS256", "jku": "http://localhost:9/jwks", "x5u": "http://localhost:9/x"}, claims),
        "a kid that is a path": with_other_key(head | {"alg": "RS256", "kid": "../../../dev/null"}, claims),
        "a kid that is SQL": with_other_key(head | {"alg": "RS256", "kid": "' or '1'='1"}, claims),
        "wrong issuer": sign(claims | {"iss": "https://evil.example"}, {}, ()),
        "the issuer with a slash": sign(claims | {"iss": claims["iss"] + "/"}, {}, ()),
        "wrong audience": sign(claims | {"aud": "another-client"}, {}, ()),
        "no audience": sign(claims, {}, ("aud",)),
        "audiences without ours": sign(claims | {"aud": ["a", "b"]}, {}, ()),
        "expired": sign(claims | {"exp": now - 3600, "iat": now - 7200}, {}, ()),
        "no expiry": sign(claims, {}, ("exp",)),
        "not yet valid": sign(claims | {"nbf": now + 3600}, {}, ()),
        "no subject": sign(claims, {}, ("sub",)),
        "an empty subject": sign(claims | {"sub": ""}, {}, ()),
        "an expiry that is text": sign(claims | {"exp": "never"}, {}, ()),
    }
    if public is not None:
        for name, form in (("PEM", serialization.Encoding.PEM), ("DER", serialization.Encoding.DER)):
            raw = public.public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
            made[f"HMAC with the public key as {name}"] = with_hmac(head, claims, raw)
            made[f"HMAC with the public key as {name}, stripped"] = with_hmac(head, claims, raw.strip())
    return {name: token for name, token in made.items() if token != good}
