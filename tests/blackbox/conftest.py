"""What the tests share: one database server for all, one house a module."""

import functools
import json
import ssl

import anthropic
import httpx
import openai
import pytest
import stripe

from cluster import Cluster
from double import Upstream
from house import House
from people import Person
from talker import Talker
from visitor import Visitor

# each client of httpx reads every authority's certificate, 40 ms of a core, also where it only speaks plain HTTP to this machine
ssl.create_default_context = functools.cache(ssl.create_default_context)


@pytest.fixture(scope="session")
def cluster():
    """The database server of all tests that don't pull its plug."""
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def house(cluster):
    """A demo house with a database of its own."""
    # half a minute of patience with a silent model would be half a minute of ours
    made = House(cluster.fresh(), NOREN__GATEWAY__SILENCE_SECONDS="5")
    yield made
    assert "a sweep failed" not in made.log(), "the database was there all the time"
    made.stop()


@pytest.fixture
def guest(house):
    """A new guest."""
    return Visitor(house).guest()


@pytest.fixture(scope="module")
def upstream():
    """An OpenAI-compatible server that is judged by OpenAI's own types."""
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def shop(house) -> stripe.StripeClient:
    """Stripe's own library at the stand-in, whose books say where it is and what opens it."""
    person = Person(house).join()
    page = person.web.post("/billing/checkout-session", json={"storefront": "misaki", "plan": "paid"}).json()["url"]
    kept = json.loads((house.data / "sandbox-stripe.json").read_text())
    base = httpx.URL(page).copy_with(path="/")
    return stripe.StripeClient(kept["key"], base_addresses={"api": str(base).rstrip("/")})


@pytest.fixture
def own_cluster():
    """A database server of the test's own, which may be stopped."""
    made = Cluster()
    yield made
    made.remove()


def judged_providers():
    made = Talker()
    yield made
    assert made.complaints == []
    made.close()


@pytest.fixture(scope="module")
def talker():
    """Providers that are judged by their own libraries."""
    yield from judged_providers()


@pytest.fixture
def own_talker():
    """Such providers for one test, which may count what they heard."""
    yield from judged_providers()


@pytest.fixture(scope="module")
def secret(shop) -> str:
    """The key of somebody with an account at the module's shop."""
    return Person(shop).join().prove_address().key()["secret"]


@pytest.fixture
def gpt(shop, secret):
    """OpenAI's own client at the shop."""
    return openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=secret, max_retries=0)


@pytest.fixture
def claude(shop, secret):
    """Anthropic's own client at the shop."""
    return anthropic.Anthropic(base_url=shop.inference, api_key=secret, max_retries=0)
