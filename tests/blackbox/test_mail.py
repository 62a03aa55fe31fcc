"""Letters over real SMTP: each one once, whatever happens on the way."""

import contextlib
import email
import email.message
import email.policy
import re
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from aiosmtpd.controller import Controller

from house import House, metrics, run
from visitor import Visitor

FROM = "Noren <noreply@noren.test>"
# a lease of sixty seconds, the waits of the first tries, and a sweep
ARRIVES_WITHIN = 100


class Sink:
    """A mail server that takes what it gets, unless a test says otherwise."""

    def __init__(self, port: int | None = None):
        self.port = port or free_port()
        self.taken: list[email.message.EmailMessage] = []
        self.tried: list[str] = []
        self.changed = threading.Condition()
        # called with the address, in the server's thread; what it returns is the answer instead of "taken"
        self.at_address: Callable[[str], str | None] = lambda _: None
        self.at_letter: Callable[[str], str | None] = lambda _: None
        self.open()

    def open(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def close(self) -> None:
        """Stops; whoever was talking is cut off."""
        self.controller.stop()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if refusal := self.at_address(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        [address] = envelope.rcpt_tos
        refusal = self.at_letter(address)
        with self.changed:
            self.tried.append(address)
            if not refusal:
                self.taken.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self.changed.notify_all()
        return refusal or "250 taken"

    def wait(self, enough: Callable[[], bool], within: float = ARRIVES_WITHIN) -> None:
        """Waits until the letters are as they should be."""
        with self.changed:
            assert self.changed.wait_for(enough, within), (self.tried, [letter["to"] for letter in self.taken])

    def to(self, address: str) -> list[email.message.EmailMessage]:
        """The letters to an address."""
        return [letter for letter in self.taken if letter["to"] == address]

    def ids(self) -> Counter:
        """How often each Message-ID was taken."""
        return Counter(letter["message-id"] for letter in self.taken)

    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


@contextlib.contextmanager
def open_house(database: str, url: str) -> Iterator[House]:
    made = start(database, url)
    yield made
    assert made.stop() == 0


def start(database: str, url: str) -> House:
    """A house, not a demo, whose letters go to a server."""
    return House(database, demo=False, NOREN__MAIL__SMTP_URL=url, NOREN__MAIL__FROM=FROM)


def register(house: House, address: str | None = None, **more) -> str:
    """Makes an account; returns its address."""
    address = address or f"{uuid.uuid4().hex}@example.test"
    answer = Visitor(house).web.post("/auth/register", json={
        "email": address, "password": f"plum {uuid.uuid4().hex[:12]} kettle"} | more)
    assert answer.status_code == 201, answer.text
    return address


def wait_until_none_waits(house: House, within: float = ARRIVES_WITHIN) -> None:
    """Waits until no letter is on its way or due to be tried again."""
    deadline = time.monotonic() + within
    while metrics(house.account).get("letters_waiting", 1) != 0:
        assert time.monotonic() < deadline, "letters are still waiting"
        time.sleep(0.2)  # a gauge tells nobody when it changes


def part(letter: email.message.EmailMessage, kind: str) -> str:
    return letter.get_body((kind,)).get_content().replace("\r\n", "\n")


def links(letter: email.message.EmailMessage, kind: str) -> list[str]:
    return re.findall(rf"^(\S+/link/{kind}#\S+)$", part(letter, "plain"), re.M)


def test_who_registers_gets_one_letter_with_a_link(cluster, sink):
    with open_house(cluster.fresh(), sink.url()) as house:
        address = register(house)
        sink.wait(lambda: len(sink.taken) == 1)
        wait_until_none_waits(house)
        [letter] = sink.taken
        assert letter["to"] == address and letter["from"] == FROM
        assert re.fullmatch(r"<ltr_[0-9a-f]{32}@noren\.test>", letter["message-id"])
        assert letter["auto-submitted"] == "auto-generated" and "list-unsubscribe" not in letter
        [link] = links(letter, "verify")
        assert link.startswith(house.account.replace("127.0.0.1", "localhost")) or link.startswith(house.account), link
        assert link in part(letter, "html")
        token = link.split("#")[1]
        answer = httpx.post(f"{house.account}/auth/email/verify", json={"token": token})
        assert answer.status_code == 200 and answer.json()["email"] == address, answer.text
        assert address not in house.log() and token not in house.log()


def test_a_letter_speaks_the_readers_language_and_a_name_is_no_markup(cluster, sink):
    with open_house(cluster.fresh(), sink.url()) as house:
        for locale, subject in (("ja", "メールアドレスの確認"), ("en", "confirm your email address")):
            address = f"{uuid.uuid4().hex}@example.test"
            register(house, address, locale=locale, display_name="<b>千鳥</b> evil.example")
            sink.wait(lambda address=address: bool(sink.to(address)))
            [letter] = sink.to(address)
            assert subject in letter["subject"] and letter["content-language"] == locale
            assert "<b>" not in part(letter, "html") and "千鳥" in part(letter, "html")
            assert "evil.example" not in part(letter, "html") + part(letter, "plain"), "a name makes no link"


def test_a_letter_waits_for_a_server_that_is_down(cluster):
    port = free_port()
    with open_house(cluster.fresh(), f"smtp://127.0.0.1:{port}") as house:
        address = register(house)
        deadline = time.monotonic() + 20
        while metrics(house.account).get("letters_waiting") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.2)  # a gauge tells nobody when it changes
        sink = Sink(port)
        try:
            sink.wait(lambda: bool(sink.taken))
            wait_until_none_waits(house)
            assert [letter["to"] for letter in sink.taken] == [address]
        finally:
            sink.close()


@pytest.mark.parametrize("stage", ["at_address", "at_letter"])
def test_a_letter_that_is_put_off_comes_once(cluster, sink, stage):
    refusals = iter(["451 4.3.0 please come back"])
    setattr(sink, stage, lambda _: next(refusals, None))
    with open_house(cluster.fresh(), sink.url()) as house:
        address = register(house)
        sink.wait(lambda: bool(sink.taken))
        wait_until_none_waits(house)
        assert [letter["to"] for letter in sink.taken] == [address]


def test_a_letter_that_is_refused_for_good_holds_up_no_other(cluster, sink):
    refused = f"{uuid.uuid4().hex}@example.test"
    sink.at_address = lambda address: f"550 5.1.1 <{refused}>: no such user" if address == refused else None
    with open_house(cluster.fresh(), sink.url()) as house:
        register(house, refused)
        address = register(house)
        sink.wait(lambda: bool(sink.taken))
        wait_until_none_waits(house)
        assert [letter["to"] for letter in sink.taken] == [address]
        assert metrics(house.account)["letters_dead_total"] == 1
        assert refused not in house.log()


def test_two_nodes_send_each_letter_once(cluster, sink):
    database = cluster.fresh()
    with open_house(database, sink.url()) as one, open_house(database, sink.url()) as two:
        addresses = [register(house) for house in (one, two) * 6]
        sink.wait(lambda: len(sink.taken) >= len(addresses))
        wait_until_none_waits(one)
        assert Counter(letter["to"] for letter in sink.taken) == Counter(addresses)


def test_a_house_that_is_killed_three_times_sends_each_letter_once(cluster, sink):
    """Killed when a letter is announced, when it is there but not taken, and when it is announced again.

    Between the server's yes and our writing it down a kill would send the letter twice, which SMTP can't help; there
    the reader's program knows it by its Message-ID.
    """
    database = cluster.fresh()
    addresses: list[str] = []
    for stage in ("at_address", "at_letter", "at_address"):
        reached, killed = threading.Event(), threading.Event()

        def hold(_: str, reached=reached, killed=killed) -> str:
            reached.set()
            assert killed.wait(ARRIVES_WITHIN)
            return "451 4.3.0 you were killed"

        setattr(sink, stage, hold)
        house = start(database, sink.url())
        addresses += [register(house) for _ in range(4)]
        assert reached.wait(ARRIVES_WITHIN)
        house.kill()
        house.log_path.unlink()
        killed.set()
        sink.close()  # what the dead had still on the line is not taken
        setattr(sink, stage, lambda _: None)
        sink.open()
    assert sink.taken == []
    house = start(database, sink.url())
    sink.wait(lambda: len(sink.taken) >= len(addresses))
    wait_until_none_waits(house)
    assert Counter(letter["to"] for letter in sink.taken) == Counter(addresses)
    assert set(sink.ids().values()) == {1}
    assert house.stop() == 0


def test_without_a_server_letters_wait_for_one(cluster, sink):
    database = cluster.fresh()
    with open_house(database, "") as house:
        address = register(house)
        deadline = time.monotonic() + 20
        while metrics(house.account).get("letters_waiting") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.2)  # a gauge tells nobody when it changes
    with open_house(database, sink.url()) as house:
        sink.wait(lambda: bool(sink.taken))
        assert [letter["to"] for letter in sink.taken] == [address]


def test_the_demos_letters_are_shown_only_by_a_demo(cluster, house):
    assert isinstance(httpx.get(f"{house.account}/sandbox/letters").json()["items"], list)
    with open_house(cluster.fresh(), "") as real:
        assert httpx.get(f"{real.account}/sandbox/letters").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unsubscribe_link_that_we_did_not_write_is_not_found(house, method):
    answer = httpx.request(method, f"{house.account}/mail/unsubscribe/{'A' * 91}")
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"


@pytest.mark.parametrize("url", ["smtp://user:geheim@mail.example?tls=none", "http://user:geheim@mail.example", "smtp:geheim"])
def test_a_mail_server_that_can_not_be_used_is_told_at_the_start(url):
    done = run("check", NOREN__MAIL__SMTP_URL=url)
    assert done.returncode != 0
    assert "mail.smtp_url" in done.stderr and "geheim" not in done.stdout + done.stderr
