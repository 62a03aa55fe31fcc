"""Keys of providers that an operator registers: kept sealed, taken up while the house runs, shared out by weight, rested when refused."""

import subprocess
import time
import uuid

import openai
import psycopg
import pytest

import double
from house import House, binary, clean_env
from people import Person

FIRST, SECOND, THIRD = (f"sk-canary{n}-{uuid.uuid4().hex}" for n in range(3))
WITHIN = 5
PLANS = """
[[plan]]
storefront = "genai"
id = "free"
default_for = "user"
title = { ja = "無料", en = "Free" }
price_yen = 0
limits = { per_minute = 5000, concurrent = 50 }
grants = [{ unit = "genai.chat", amount = 3000, every = "day" }]
routes = { "genai.chat" = "small" }
"""
MODELS = f"""
[[model]]
name = "small"
targets = [{{ provider = "double", model = "{double.MODEL}" }}]
"""


@pytest.fixture(scope="module")
def shop(cluster, upstream, tmp_path_factory):
    """A house whose one model has no key until somebody registers one."""
    folder = tmp_path_factory.mktemp("credentials")
    (folder / "plans.toml").write_text(PLANS)
    (folder / "models.toml").write_text(MODELS)
    upstream.keys |= {FIRST, SECOND, THIRD}
    made = House(cluster.fresh(), demo=False, NOREN__PLANS__FILE=str(folder / "plans.toml"),
                 NOREN__GATEWAY__MODELS_FILE=str(folder / "models.toml"))
    yield made
    log = made.log()
    assert not [secret for secret in (FIRST, SECOND, THIRD) if secret in log], "a key stands in the log"
    made.stop()


@pytest.fixture(scope="module")
def operator(shop):
    made = Person(shop).join()
    with psycopg.connect(shop.database) as database:
        database.execute("update identity.app_user set operator = true where id = %s", [uuid.UUID(made.user[4:])])
    return made


@pytest.fixture(scope="module")
def client(shop, operator):
    return openai.OpenAI(base_url=f"{shop.inference}/v1", api_key=operator.api_key["secret"], max_retries=0)


def providers(shop, *args, secret: str = "") -> str:
    """`noren providers`, with the secret on standard input."""
    done = subprocess.run([binary(), "providers", *args], input=secret, capture_output=True, text=True, timeout=30,
                          env=clean_env(DATABASE_URL=shop.database))
    assert done.returncode == 0, done.stderr
    assert not secret or secret not in done.stdout + done.stderr
    return done.stdout


def ask(client) -> str:
    answer = client.chat.completions.create(model="small", messages=[{"role": "user", "content": "こんばんは"}])
    return answer.choices[0].message.content


def until(taken_up) -> None:
    """Waits until the house has taken up a change, no longer than it may."""
    deadline = time.monotonic() + WITHIN
    while not taken_up():
        assert time.monotonic() < deadline, f"not taken up within {WITHIN} s"
        time.sleep(0.2)  # a node tells nobody which keys it knows


def answers(client) -> bool:
    try:
        return ask(client) == double.TEXT
    except openai.APIStatusError:
        return False


def test_keys_are_taken_up_shared_out_and_rested_and_never_shown(shop, operator, client, upstream):
    assert not answers(client), "there is no key yet"
    heavy = providers(shop, "add", "double", "--base-url", upstream.url, "--weight", "3", secret=FIRST).split()[0]
    added = operator.web.post("/admin/providers", json={"provider": "double", "base_url": upstream.url, "secret": SECOND})
    assert added.status_code == 201 and added.json()["suffix"] == SECOND[-4:], added.text
    until(lambda: answers(client) and (upstream.used[FIRST] or upstream.used[SECOND]))
    until(lambda: ask(client) and upstream.used[SECOND])
    upstream.used.clear()
    assert {ask(client) for _ in range(60)} == {double.TEXT}
    assert 32 <= upstream.used[FIRST] <= 57 and upstream.used.total() == 60, upstream.used

    upstream.revoked.add(FIRST)
    upstream.used.clear()
    assert {ask(client) for _ in range(20)} == {double.TEXT}, "one that is revoked costs nobody an answer"
    assert upstream.used[FIRST] == 1 and upstream.used[SECOND] == 20
    until(lambda: operator.page("/admin/providers")["items"][0]["refused_status"] == 401)

    rotated = operator.web.post(f"/admin/providers/{heavy}/rotate", json={"secret": THIRD})
    assert rotated.status_code == 200 and rotated.json()["refused_status"] is None, rotated.text
    until(lambda: ask(client) and upstream.used[THIRD])
    providers(shop, "disable", heavy)
    seen = upstream.used[THIRD]

    def quiet() -> bool:
        nonlocal seen
        before, seen = seen, upstream.used[THIRD]
        return [ask(client) for _ in range(8)] != [] and upstream.used[THIRD] == seen == before

    until(quiet)
    assert upstream.complaints == []

    shown = operator.web.get("/admin/providers").text + providers(shop, "list") + operator.web.get("/audit").text
    with psycopg.connect(shop.database) as database:
        tables = [name for (name,) in database.execute("""select c.oid::regclass::text from pg_class c join pg_namespace n
            on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'""")]
        dump = "".join(row for table in tables for (row,) in database.execute(f"select t::text from {table} t"))
        raw = b"".join(bytes(row) for (row,) in database.execute("select secret from gateway.credential"))
    for secret in (FIRST, SECOND, THIRD):
        assert secret not in shown and secret not in dump and secret.encode().hex() not in dump and secret.encode() not in raw


def test_what_makes_no_provider_is_refused_with_what_is_wrong(operator):
    for wrong, code in [({"provider": "nowhere"}, "provider_refused"), ({"provider": "Open AI"}, "provider_refused"),
                        ({"provider": "openai", "kind": "magic"}, "provider_refused"), ({"provider": "bedrock"}, "provider_refused"),
                        ({"provider": "openai", "weight": 0}, "invalid_input"), ({"provider": "openai", "base_url": "file:///etc"}, "provider_refused")]:
        answer = operator.web.post("/admin/providers", json={"secret": "sk-of-no-use"} | wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, code), (wrong, answer.text)
        assert "sk-of-no-use" not in answer.text
    assert operator.web.post("/admin/providers", json={"provider": "openai", "secret": "two words"}).status_code == 422
