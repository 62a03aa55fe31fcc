"""Streams as they come in the wild: by TLS and HTTP/2 through nginx with the configuration that operators are given."""

import ssl

import httpx
import pytest

import double
from balancer import Balancer
from house import House
from people import Person
from shop import files, model
from visitor import parse, text_of

SLOW = [{"role": "user", "content": "少し長い話を mode:slow "}]
# the house says something each 15 s
PATIENCE = 25


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, upstream):
    models = {"story": model("story", ("double", double.MODEL))}
    prefix = "NOREN__GATEWAY__PROVIDERS__DOUBLE__"
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("proxied"), models), NOREN__SERVER__TRUSTED_PROXIES="127.0.0.1",
                 NOREN__GATEWAY__SILENCE_SECONDS="60", **{f"{prefix}BASE_URL": upstream.url, f"{prefix}API_KEYS": double.KEY})
    yield made
    made.stop()


@pytest.fixture(scope="module")
def nginx(shop):
    made = Balancer(tls=True)
    made.start([shop, shop])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def web(shop, nginx):
    """A client that speaks HTTP/2 and trusts nginx's certificate alone."""
    secret = Person(shop).join().prove_address().key()["secret"]
    trust = ssl.create_default_context(cafile=str(nginx.root / "certificate.pem"))
    with httpx.Client(http2=True, verify=trust, base_url=nginx.inference, headers={"x-api-key": secret}, timeout=PATIENCE) as client:
        yield client


def test_events_pass_one_by_one_with_signs_of_life_between_and_are_taken_up_again(web, upstream):
    upstream.release.clear()
    started = web.post("/inference", json={"model": "story", "messages": SLOW})
    assert started.status_code == 202 and started.http_version == "HTTP/2", started.text
    path = f"/inference/{started.json()['id']}/events"
    with web.stream("GET", path) as answer:
        assert answer.status_code == 200 and answer.http_version == "HTTP/2"
        lines = answer.iter_lines()
        # the provider holds the answer in the middle: what comes now was not kept back until there is more
        early = "".join(line + "\n" for line in until(lines, lambda line: double.PIECES[1] in line))
        assert next(line for line in lines if line.startswith(":")), "a sign of life while the provider is silent"
    told = list(parse(iter((early + "\n").splitlines())))
    upstream.release.set()
    with web.stream("GET", path, headers={"last-event-id": str(told[-1].id)}) as answer:
        rest = list(parse(answer.iter_lines()))
    assert text_of(told + rest) == double.TEXT and rest[-1].data["state"] == "completed"
    assert [event.id for event in told + rest] == list(range(1, len(told + rest) + 1)), "each once"


def test_openais_protocol_passes_one_by_one_as_well(web, upstream):
    upstream.release.clear()
    with web.stream("POST", "/v1/chat/completions", json={"model": "story", "messages": SLOW, "stream": True}) as answer:
        assert answer.status_code == 200 and answer.http_version == "HTTP/2"
        lines = answer.iter_lines()
        until(lines, lambda line: double.PIECES[1] in line)
        upstream.release.set()
        assert list(lines)[-2:] == ["data: [DONE]", ""]


def until(lines, wanted) -> list[str]:
    """The lines up to one that is wanted."""
    found = []
    for line in lines:
        found.append(line)
        if wanted(line):
            return found
    raise AssertionError(f"the stream ended after {found}")
