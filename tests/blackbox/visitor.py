"""Someone at the counter: a browser's cookie jar on the account listener, an inference token on the other."""

import itertools
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from house import House

UNIT = "misaki.chat"
FREE_QUESTION = "今日の仕事のことを、少し聞いてもらえますか"
# every visitor comes from a network of its own: limits per network are tested where they are meant
_networks = itertools.count(os.getpid() * 131)


def own_network() -> str:
    """A loopback address whose network nobody else here has."""
    n = next(_networks) % 60_000
    return f"127.{10 + n // 250}.{n % 250}.7"


@dataclass
class Event:
    """One server-sent event."""

    id: int
    name: str
    data: dict


@dataclass
class Visitor:
    """A session with the house. Makes a guest of itself unless told otherwise."""

    house: House
    web: httpx.Client = field(init=False)

    def __post_init__(self):
        self.address = own_network()
        self.web = httpx.Client(base_url=self.house.account, timeout=20, headers={"origin": self.house.account},
                                transport=httpx.HTTPTransport(local_address=self.address))

    def guest(self) -> "Visitor":
        """Comes in as a guest."""
        assert self.web.post("/auth/guest").status_code in (200, 201)
        return self

    def demo(self, who: str) -> "Visitor":
        """Comes in as one of the demo users."""
        answer = self.web.post("/demo/sign-in", json={"as": who})
        assert answer.status_code == 200, answer.text
        return self

    def register(self, email: str | None = None, password: str = "correct horse") -> httpx.Response:
        """Makes an account."""
        email = email or f"{uuid.uuid4().hex}@example.test"
        return self.web.post("/auth/register", json={"email": email, "password": password})

    def plan(self) -> dict:
        """The plan at Misaki, with a fresh inference token."""
        answer = self.web.get("/billing/plan", params={"storefront": "misaki"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def quota(self) -> dict:
        """The quota of messages."""
        return next(quota for quota in self.plan()["quotas"] if quota["unit"] == UNIT)

    def bearer(self, token: str | None = None) -> dict[str, str]:
        """The header for the inference listener."""
        return {"authorization": f"Bearer {token or self.plan()['inference']['token']}", "origin": self.house.account}

    def post(self, text: str, chat: str | None = None, key: str | None = None, token: str | None = None,
             at: str | None = None) -> httpx.Response:
        """Sends one message to Misaki."""
        return httpx.post(f"{at or self.house.inference}/misaki/messages", timeout=30,
                          json={"chat_id": chat, "text": text},
                          headers=self.bearer(token) | {"idempotency-key": key or str(uuid.uuid4())})

    def start(self, text: str = FREE_QUESTION, chat: str | None = None) -> dict:
        """Sends a message that a model has to answer; waits for its turn when there were too many."""
        deadline = time.monotonic() + 70
        while True:
            answer = self.post(text, chat)
            if answer.status_code == 429 and time.monotonic() < deadline:
                time.sleep(min(float(answer.headers["retry-after"]), 5))  # as the answer asks
                continue
            assert answer.status_code == 202, (answer.status_code, answer.text)
            return answer.json()

    def stream(self, run: str, after: int | None = None, at: str | None = None, token: str | None = None,
               by: str = "header") -> Iterator[Event]:
        """Reads a run's events; closing the iterator cuts the socket."""
        headers, params = self.bearer(token), {}
        if after is not None and by == "header":
            headers["last-event-id"] = str(after)
        elif after is not None:
            params["starting_after"] = after
        url = f"{at or self.house.inference}/inference/{run}/events"
        with httpx.stream("GET", url, headers=headers, params=params, timeout=30) as answer:
            assert answer.status_code == 200, (answer.status_code, answer.read())
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield from parse(answer.iter_lines())

    def events(self, run: str, after: int | None = None, **kwargs) -> list[Event]:
        """All events of a run to its end."""
        return list(self.stream(run, after, **kwargs))

    def run(self, run: str, at: str | None = None) -> dict:
        """The run as it is now."""
        return run_of(at or self.house.inference, run, self.bearer())

    def cancel(self, run: str) -> httpx.Response:
        """Asks for a run to stop."""
        return httpx.post(f"{self.house.inference}/inference/{run}/cancel", headers=self.bearer(), timeout=20)

    def page(self, path: str, **params) -> dict:
        """One page of the account listener."""
        answer = self.web.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, path: str, **params) -> list[dict]:
        """All items of a paged list, read in pages of seven so that cursors are exercised."""
        items, cursor = [], None
        while True:
            page = self.page(path, limit=7, **params, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def usage(self) -> list[dict]:
        """All usage rows at Misaki."""
        return self.all("/billing/usage", storefront="misaki")

    def balances(self) -> dict[str, int]:
        """The ledger's balances by account."""
        return {row["account"]: row["balance"] for row in self.page("/billing/ledger", unit=UNIT)["balances"]}

    def entries(self) -> list[dict]:
        """All ledger entries."""
        return self.all("/billing/ledger", unit=UNIT)


def parse(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from lines."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line == "":
            if "data" in found:
                yield Event(int(found["id"]), found["event"], json.loads(found["data"]))
            found = {}
            continue
        name, _, value = line.partition(":")
        found[name] = value.removeprefix(" ")


def run_of(inference: str, run: str, headers: dict[str, str]) -> dict:
    """A run as it is now in few words, with its text once it has ended."""
    answer = httpx.get(f"{inference}/inference/{run}", headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    view = answer.json()
    output = ""
    if view["status"] in ("completed", "cancelled"):
        output = httpx.get(f"{inference}/inference/{run}/result", headers=headers, timeout=20).json()["text"]
    elif view["status"] == "failed":
        with httpx.stream("GET", f"{inference}/inference/{run}/events", headers=headers, timeout=30) as events:
            output = text_of(list(parse(events.iter_lines())))
    reason = view["error"]["code"] if view["error"] else "stopped" if view["status"] == "cancelled" else None
    return view | {"state": view["status"], "reason": reason, "output": output, "model": view["model_used"], "ended_at": view["completed_at"],
                   "tokens_in": view["tokens"]["input"], "tokens_out": view["tokens"]["output"]}


def text_of(events: list[Event]) -> str:
    """The answer that the deltas spell."""
    return "".join(event.data["text"] for event in events if event.name == "delta")


def check_books(visitor: Visitor) -> None:
    """What plan, ledger and usage say agrees to the unit, and every transfer sums to zero."""
    quota, balances, usage, entries = visitor.quota(), visitor.balances(), visitor.usage(), visitor.entries()
    assert sum(balances.values()) == 0, balances
    assert quota["available"] == balances.get("available", 0), (quota, balances)
    assert quota["held"] == balances.get("held", 0), (quota, balances)
    assert quota["granted"] == quota["available"] + quota["held"] + quota["used"], quota
    assert sum(row["amount"] for row in usage if row["unit"] == UNIT) == quota["used"] == balances.get("spent", 0)
    by_account: dict[str, int] = {}
    by_transfer: dict[str, int] = {}
    for entry in entries:
        by_account[entry["account"]] = by_account.get(entry["account"], 0) + entry["amount"]
        by_transfer[entry["transfer_id"]] = by_transfer.get(entry["transfer_id"], 0) + entry["amount"]
    assert set(by_transfer.values()) <= {0}, by_transfer
    assert {k: v for k, v in by_account.items() if v} == {k: v for k, v in balances.items() if v}
