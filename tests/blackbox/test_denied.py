"""Providers that answer as if the request were wrong, and mean the house's account with them."""

import http.server
import json
import threading
import time
import uuid

import openai
import psycopg
import pytest

import double
from house import House
from people import Person
from shop import files, model

QUESTION = [{"role": "user", "content": "Good evening"}]
NO_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
BAD_KEY = {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": [
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}}


def claudes(message: str) -> dict:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}, "request_id": "req_1"}


# what each of these providers answers with 400, and the protocol that it speaks
ACCOUNT = {
    "credit": ("anthropic", claudes(NO_CREDIT)),
    "gemini": ("openai", [BAD_KEY]),
    "limit": ("openai", {"error": {"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached", "param": None,
                                   "type": "invalid_request_error"}}),
    "grok": ("openai", {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: sk***gA."}),
}
REQUEST = {
    "echo": ("anthropic", claudes(f"messages.0.content: unexpected '{NO_CREDIT}'")),
    "listed": ("openai", [{"error": {"code": 400, "message": "Invalid value at 'messages': API_KEY_INVALID", "status": "INVALID_ARGUMENT"}}]),
}
ALL = ACCOUNT | REQUEST


@pytest.fixture(scope="module")
def providers():
    """A server that is all of them, each at a path of its own; with the keys that came to each."""
    came: dict[str, list[str]] = {name: [] for name in ALL}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            name = self.path.split("/")[1]
            came[name].append(self.headers["x-api-key"] or self.headers["authorization"].removeprefix("Bearer "))
            body = json.dumps(ALL[name][1]).encode()
            self.send_response(400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def shop(cluster, upstream, providers, tmp_path_factory):
    """A house with a model at each of them alone, and one with another target behind; two keys are registered for each."""
    url, _ = providers
    models = {name: model(name, (name, "talker")) for name in ALL}
    models |= {f"{name}-or-well": model(f"{name}-or-well", (name, "other"), ("well", double.MODEL)) for name in ALL}
    made = House(cluster.fresh(), demo=False, **files(tmp_path_factory.mktemp("denied"), models),
                 NOREN__GATEWAY__PROVIDERS__WELL__BASE_URL=upstream.url, NOREN__GATEWAY__PROVIDERS__WELL__API_KEYS=double.KEY)
    operator = Person(made).join()
    with psycopg.connect(made.database) as database:
        database.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(operator.user[4:])])
    for name, (kind, _) in ALL.items():
        for n in range(2):
            added = operator.web.post("/admin/providers", json={"provider": name, "kind": kind, "base_url": f"{url}/{name}", "secret": f"sk-{name}-number-{n}"})
            assert added.status_code == 201, added.text
    made.operator, made.client = operator, openai.OpenAI(base_url=f"{made.inference}/v1", api_key=operator.api_key["secret"], max_retries=0)
    time.sleep(4)  # a node tells nobody which keys it knows
    yield made
    made.stop()


def refusals(shop, name: str) -> list[int | None]:
    return [held["refused_status"] for held in shop.operator.page("/admin/providers")["items"] if held["provider"] == name]


@pytest.mark.parametrize("name", ACCOUNT)
def test_what_is_about_our_account_is_told_as_that_and_others_are_asked(shop, providers, name):
    _, came = providers
    answer = shop.client.chat.completions.create(model=f"{name}-or-well", messages=QUESTION)
    assert answer.choices[0].message.content == double.TEXT, "the next target is well"
    assert sorted(came[name]) == [f"sk-{name}-number-{n}" for n in range(2)], "each key is tried once"
    deadline = time.monotonic() + 5
    while None in refusals(shop, name):
        assert time.monotonic() < deadline, "the operator is not told that the keys rest"
        time.sleep(0.1)  # it is written down beside the answer
    assert refusals(shop, name) == [400, 400]
    with pytest.raises(openai.InternalServerError) as denied:
        shop.client.chat.completions.create(model=name, messages=QUESTION)
    assert (denied.value.status_code, denied.value.code) == (502, "upstream_denied")
    assert "credit" not in str(denied.value) and "key" not in str(denied.value)


@pytest.mark.parametrize("name", REQUEST)
def test_what_repeats_such_words_is_about_the_request(shop, providers, name):
    _, came = providers
    with pytest.raises(openai.BadRequestError) as refused:
        shop.client.chat.completions.create(model=f"{name}-or-well", messages=QUESTION)
    assert refused.value.code == "upstream_refused"
    assert len(came[name]) == 1 and refusals(shop, name) == [None, None]
