"""People with accounts: who they are, the letters they get, the tenants they run."""

import concurrent.futures
import hmac
import re
import struct
import time
import uuid
from base64 import b32decode
from dataclasses import dataclass, field

import httpx

from house import House
from visitor import Visitor

LETTER_WITHIN = 60


def address() -> str:
    """An address that nobody has."""
    return f"{uuid.uuid4().hex}@example.test"


def passphrase() -> str:
    """A password that is on no list."""
    return f"plum {uuid.uuid4().hex[:12]} kettle"


@dataclass
class Letter:
    """One letter of the demo house."""

    id: str
    to: str
    subject: str
    text: str
    links: list[str]

    def token(self, kind: str) -> str:
        """The token of its link of a kind."""
        [found] = {link.split("#", 1)[1] for link in self.links if f"/link/{kind}#" in link}
        return found


def letters(house: House, to: str | None = None) -> list[Letter]:
    """The letters that were sent, newest first."""
    answer = httpx.get(f"{house.account}/sandbox/letters")
    assert answer.status_code == 200, answer.text
    found = [Letter(item["id"], item["to"], item["subject"], item["text"], item["links"]) for item in answer.json()["items"]]
    return [letter for letter in found if to is None or letter.to == to]


def await_letter(house: House, to: str, kind: str, known: tuple[str, ...] | list[str] = ()) -> Letter:
    """The newest letter to an address with a link of a kind that is not among the known ones."""
    deadline = time.monotonic() + LETTER_WITHIN
    while True:
        found = [letter for letter in letters(house, to) if letter.id not in known and any(f"/link/{kind}#" in link for link in letter.links)]
        if found:
            return found[0]
        assert time.monotonic() < deadline, f"no {kind} letter to {to}; there were {[letter.subject for letter in letters(house, to)]}"
        time.sleep(0.1)  # a mailbox tells nobody when a letter comes


@dataclass
class Person(Visitor):
    """A browser whose holder has an account. `api_key` is the key that registering made."""

    email: str = field(default_factory=address)
    password: str = field(default_factory=passphrase)
    me: dict = field(init=False, default_factory=dict)
    api_key: dict = field(init=False, default_factory=dict)

    def join(self, **more) -> "Person":
        """Registers."""
        answer = self.web.post("/auth/register", json={"email": self.email, "password": self.password} | more)
        assert answer.status_code == 201, answer.text
        self.api_key = answer.json().get("api_key", {})
        return self.look()

    def look(self) -> "Person":
        """Reads who it is."""
        answer = self.web.get("/auth/me")
        assert answer.status_code == 200, answer.text
        self.me = answer.json()
        return self

    @property
    def user(self) -> str:
        return self.me["user"]["id"]

    @property
    def tenant(self) -> str:
        return self.me["tenant"]["id"]

    def prove_address(self) -> "Person":
        """Follows the link of the first letter."""
        token = await_letter(self.house, self.email, "verify").token("verify")
        answer = self.web.post("/auth/email/verify", json={"token": token})
        assert answer.status_code == 200, answer.text
        return self.look()

    def login(self, password: str | None = None, web: httpx.Client | None = None) -> httpx.Response:
        """Signs in, from this browser unless another is named."""
        return (web or self.web).post("/auth/login", json={"email": self.email, "password": password or self.password})

    def again(self) -> "Person":
        """The same person at another browser, in another network."""
        other = Person(self.house, email=self.email, password=self.password)
        answer = other.login()
        assert answer.status_code == 200, answer.text
        return other.look()

    def act_for(self, tenant: str) -> "Person":
        """Acts for another tenant."""
        answer = self.web.post("/auth/tenant", json={"tenant": tenant})
        assert answer.status_code == 200, answer.text
        return self.look()

    def found(self, kind: str, name: str) -> "Person":
        """Makes a tenant and acts for it."""
        answer = self.web.post("/tenants", json={"kind": kind, "name": name})
        assert answer.status_code == 201, answer.text
        return self.act_for(answer.json()["id"])

    def invite(self, other: "Person", role: str) -> "Person":
        """Invites somebody, who accepts and then acts for this tenant."""
        known = [letter.id for letter in letters(self.house, other.email)]
        answer = self.web.post("/invitations", json={"email": other.email, "role": role})
        assert answer.status_code == 201, answer.text
        token = await_letter(self.house, other.email, "invite", known).token("invite")
        answer = other.web.post("/invitations/accept", json={"token": token})
        assert answer.status_code == 200, answer.text
        return other.look()

    def child(self, name: str, pin: str = "271828", display_name: str | None = None) -> dict:
        """Makes a child of this family; the answer and what is needed to sign in."""
        answer = self.web.post("/family/children", json={"name": name, "display_name": display_name or name, "birth_year": 2016,
                                                         "pin": pin, "consent": True})
        assert answer.status_code == 201, answer.text
        return answer.json() | {"pin": pin, "family": self.page("/family")["code"], "name": name}

    def key(self, name: str = "a key", **more) -> dict:
        """A new API key with its secret."""
        answer = self.web.post("/keys", json={"name": name} | more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def tokens(self, **more) -> dict:
        """An access token and a refresh token."""
        answer = self.web.post("/auth/token", json={"email": self.email, "password": self.password} | more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def forgot(self) -> str:
        """Asks for a reset; the token that came."""
        known = [letter.id for letter in letters(self.house, self.email)]
        answer = self.web.post("/auth/password/forgot", json={"email": self.email})
        assert answer.status_code == 202, answer.text
        return await_letter(self.house, self.email, "reset", known).token("reset")


def proven(house: House, count: int, **more) -> list[Person]:
    """People with proven addresses, who wait for their letters side by side."""
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        return list(pool.map(lambda _: Person(house).join(**more).prove_address(), range(count)))


def child_at(house: House, child: dict) -> Person:
    """A child at a browser of its own."""
    visitor = Person(house)
    answer = visitor.web.post("/auth/login/child", json={"family": child["family"], "name": child["name"], "pin": child["pin"]})
    assert answer.status_code == 200, answer.text
    return visitor.look()


def totp(secret: str, at: float | None = None) -> str:
    """RFC 6238, as every authenticator does it."""
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    digest = hmac.digest(b32decode(secret + "=" * (-len(secret) % 8)), counter, "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start:start + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


# who brings nothing good here is told 401 whoever it is
BRINGS_ITS_OWN = ("/auth/login/second", "/auth/token/refresh", "/auth/callback")


def is_refused(answer: httpx.Response) -> bool:
    """Whether the answer says that this caller may not; anything else is the operation's own answer."""
    if answer.status_code not in (401, 403) or answer.request.url.path in BRINGS_ITS_OWN:
        return False
    said = answer.json()
    code = said.get("code") or said["error"]  # OAuth has errors of its own (RFC 6749 §5.2)
    if isinstance(code, dict):  # and so have the vendors whose clients we serve
        code = code.get("code") or code["type"]
    assert code not in ("origin_not_allowed", "step_up_required"), f"the test asked wrongly: {answer.request.method} {answer.request.url} {code}"
    return code in ("unauthenticated", "forbidden", "invalid_token", "insufficient_scope", "invalid_api_key", "authentication_error", "permission_error", "memory_needs_account")


def anonymous(body: str) -> str:
    """A body without what differs from request to request."""
    return re.sub(r"req_[0-9a-f]{32}", "req_", body)
