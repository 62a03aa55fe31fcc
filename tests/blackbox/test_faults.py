"""What goes wrong at the start, in the middle and at the end: said clearly, survived, and put right."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import httpx
import pytest

from house import House, binary, clean_env, data_folder, remove, run
from visitor import FREE_QUESTION, Visitor, check_books, text_of

AT_ONCE = 10


def fails_clearly(args: list, within: float = AT_ONCE, prefix: tuple = (), **env: str) -> str:
    """The command ends by itself, soon, with a code and words instead of a panic."""
    done = subprocess.run([*prefix, binary(), *map(str, args)], capture_output=True, text=True, timeout=within + 20,
                          env=clean_env(**env), stdin=subprocess.DEVNULL)
    assert done.returncode not in (0, 101) and done.returncode > 0, (done.returncode, done.stderr)
    assert "panicked" not in done.stderr and "RUST_BACKTRACE" not in done.stderr, done.stderr
    assert done.stderr.strip(), "no word on standard error"
    assert '"ready":true' not in done.stdout
    return done.stderr


def start_args(data: pathlib.Path, account: str = "127.0.0.1:0", inference: str = "127.0.0.1:0") -> list:
    return ["run", "--data", data, "--account", account, "--inference", inference, "--demo"]


@pytest.fixture
def folder():
    made = data_folder()
    yield made
    remove(made)


@pytest.mark.parametrize("listener", ["account", "inference"])
def test_a_port_that_is_taken_is_named(cluster, folder, listener):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        said = fails_clearly(start_args(folder, **{listener: address}), DATABASE_URL=cluster.fresh())
        assert time.monotonic() - started < AT_ONCE
    assert address.split(":")[1] in said


@pytest.mark.parametrize("url", ["postgres://noren_owner@127.0.0.1:1/noren", "postgres://noren_owner@localhost/noren?host=%2Fnowhere",
                                 "mysql://localhost/noren", "not a url", "postgres://noren_owner:geheim@127.0.0.1:1/noren"])
def test_a_database_that_is_not_there_is_said_at_once_without_its_password(folder, url):
    started = time.monotonic()
    said = fails_clearly(start_args(folder), DATABASE_URL=url)
    assert time.monotonic() - started < AT_ONCE
    assert "database" in said.lower()
    assert "geheim" not in said


@pytest.mark.parametrize("text", ["", "[[plan]]\n", "plan = 3", "[[plan]]\nstorefront = 'misaki'\nid = 'x'\nprice_yen = -1",
                                  "\x00", "[[plan]]\nstorefront = 'misaki'\nid = 'guest'\nfancy = true"])
def test_a_broken_plan_file_is_refused_and_changes_nothing(cluster, tmp_path, text):
    database = cluster.fresh()
    assert run("migrate", DATABASE_URL=database).returncode == 0
    before = run("plans", "list", DATABASE_URL=database).stdout
    path = tmp_path / "plans.toml"
    path.write_text(text)
    said = fails_clearly(["plans", "apply", path], DATABASE_URL=database)
    assert "plans.toml" in said or "plan" in said
    assert run("plans", "list", DATABASE_URL=database).stdout == before


def test_a_plan_file_that_is_not_there_is_named(cluster):
    assert "nowhere.toml" in fails_clearly(["plans", "apply", "/nowhere.toml"], DATABASE_URL=cluster.fresh())


@pytest.mark.parametrize("name", ["NOREN__GATEWAY__OPENAI__BASE_URL=not a url", "NOREN__GATEWAY__NOSUCH=1"])
def test_a_wrong_setting_is_named(cluster, folder, name):
    key, value = name.split("=", 1)
    said = fails_clearly(start_args(folder), **{key: value, "DATABASE_URL": cluster.fresh()}).lower()
    assert "openai" in said or "nosuch" in said or "base_url" in said


def hidden_postgres() -> tuple[str, ...]:
    """A prefix that runs a command where /usr/lib/postgresql is empty."""
    rights = () if os.geteuid() == 0 else ("-r",)
    return ("unshare", *rights, "-m", "sh", "-c", 'mount -t tmpfs none /usr/lib/postgresql && exec "$@"', "sh")


def test_a_machine_without_postgres_is_told_what_to_install(folder):
    if subprocess.run([*hidden_postgres(), "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets us hide nothing")
    path = ":".join(part for part in os.environ["PATH"].split(":") if not pathlib.Path(part, "postgres").exists())
    said = fails_clearly(start_args(folder), prefix=hidden_postgres(), PATH=path)
    assert "apt-get install" in said and "postgresql" in said and "DATABASE_URL" in said


def test_a_data_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in fails_clearly(start_args(tmp_path / "file/var"))


def wait_for(what, within: float, every: float = 0.1):
    """Polls what cannot be awaited from outside."""
    deadline = time.monotonic() + within
    while not (result := what()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(every)
    return result


def status(url: str) -> int:
    return httpx.get(url, timeout=20).status_code


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_stops_and_comes_back_is_survived(own_cluster, mode):
    house = House(own_cluster.fresh())
    visitor = Visitor(house).guest()
    token = visitor.plan()["inference"]["token"]
    own_cluster.stop(mode)
    for url in (house.account, house.inference):
        wait_for(lambda url=url: status(f"{url}/ready") == 503, 10)
        assert status(f"{url}/health") == 200
    for answer in (visitor.web.get("/auth/me"), visitor.web.post("/auth/guest"), visitor.post(FREE_QUESTION, token=token)):
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "database_unavailable" and answer.headers["content-type"] == "application/problem+json"
    own_cluster.start()
    for url in (house.account, house.inference):
        wait_for(lambda url=url: status(f"{url}/ready") == 200, 5)
    assert visitor.web.get("/auth/me").status_code == 200
    sent = visitor.start()
    assert visitor.events(sent["run_id"])[-1].data["state"] == "completed"
    check_books(visitor)
    assert house.stop() == 0


def test_a_run_in_the_middle_of_which_the_database_stops_still_ends_once(own_cluster):
    house = House(own_cluster.fresh())
    visitor = Visitor(house).guest()
    before = visitor.quota()["available"]
    token = visitor.plan()["inference"]["token"]
    sent = visitor.start("[slow] ゆっくり聞かせてください")
    stream = visitor.stream(sent["run_id"], token=token)
    heard = [next(stream) for _ in range(3)]
    own_cluster.stop("immediate")
    try:
        heard += list(stream)
    except (httpx.HTTPError, AssertionError):
        pass  # the stream may break; the run may not
    own_cluster.start()
    wait_for(lambda: status(f"{house.inference}/ready") == 200, 5)
    ended = wait_for(lambda: (r := visitor.run(sent["run_id"]))["state"] in ("completed", "failed") and r, 60, 0.5)
    events = visitor.events(sent["run_id"])
    assert [event.id for event in events] == list(range(1, len(events) + 1)) and events[-1].name == "ended"
    assert events[:len([e for e in heard if e.name != 'ended'])] == [e for e in heard if e.name != "ended"]
    assert text_of(events) == ended["output"]
    spent = 1 if ended["state"] == "completed" else 0
    wait_for(lambda: visitor.quota()["held"] == 0, 45)
    assert visitor.quota()["available"] == before - spent
    check_books(visitor)
    assert house.stop() == 0


def test_a_stop_lets_an_answer_finish(cluster):
    house = House(cluster.fresh())
    visitor = Visitor(house).guest()
    sent = visitor.start("[long 100] 長い話を聞かせてください")
    stream = visitor.stream(sent["run_id"])
    heard = [next(stream) for _ in range(5)]
    house.terminate()
    heard += list(stream)
    assert heard[-1].name == "ended" and heard[-1].data["state"] == "completed", heard[-1]
    # a busy machine tells several pieces at once, and leaves none out
    assert [event.id for event in heard] == list(range(1, len(heard) + 1))
    assert len(text_of(heard)) > 200
    assert house.process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{house.account}/health")
    assert house.stop() == 0


def test_a_stop_that_comes_with_the_ready_line_is_obeyed_too(cluster):
    database = cluster.fresh()
    for _ in range(5):
        house = House(database)
        assert house.stop() == 0


def test_an_answer_that_was_killed_in_the_middle_is_ended_and_given_back(cluster):
    database = cluster.fresh()
    house = House(database)
    visitor = Visitor(house).guest()
    before = visitor.quota()
    sent = visitor.start("[slow] ゆっくり聞かせてください")
    stream = visitor.stream(sent["run_id"])
    heard = [next(stream) for _ in range(5)]
    house.kill()
    killed = time.monotonic()
    with pytest.raises(httpx.HTTPError):
        list(stream)

    house.log_path.unlink()
    again = House(database)
    visitor.house = again
    visitor.web.base_url = again.account
    visitor.web.headers["origin"] = again.account
    assert visitor.web.get("/auth/me").status_code == 200, "still signed in"
    # the reader comes back and is told the end
    rest, last = [], heard[-1].id
    while not rest or rest[-1].name != "ended":
        assert time.monotonic() - killed < 45
        rest += visitor.events(sent["run_id"], after=rest[-1].id if rest else last)
    assert time.monotonic() - killed < 45
    assert (rest[-1].data["state"], rest[-1].data["reason"]) == ("failed", "node_lost")
    events = visitor.events(sent["run_id"])
    assert events == heard + rest, "what was seen before the kill was durable"
    run_now = visitor.run(sent["run_id"])
    assert run_now["output"] == text_of(events)
    assert visitor.page(f"/api/misaki/chats/{sent['chat_id']}")["messages"][-1]["run"]["state"] == "failed"
    wait_for(lambda: visitor.quota()["held"] == 0, 45 - (time.monotonic() - killed) + 5)
    after = visitor.quota()
    assert (after["available"], after["used"]) == (before["available"], before["used"])
    check_books(visitor)
    assert visitor.start()["run_id"], "the place of the lost answer is free"
    verified = run("verify", DATABASE_URL=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert again.stop() == 0


def test_many_answers_killed_at_once_leave_books_that_agree(cluster):
    database = cluster.fresh()
    house = House(database)
    visitors = [Visitor(house).guest() for _ in range(12)]
    sent = [visitor.post("[long 60] 長い話を聞かせてください") for visitor in visitors]
    assert {answer.status_code for answer in sent} == {202}
    next(visitors[-1].stream(sent[-1].json()["run_id"]))
    house.kill()
    house.log_path.unlink()
    again = House(database)
    for visitor, answer in zip(visitors, sent, strict=True):
        visitor.house, visitor.web.base_url = again, again.account
        run_id = answer.json()["run_id"]
        wait_for(lambda: visitor.run(run_id)["state"] in ("failed", "completed"), 45, 0.5)
        wait_for(lambda: visitor.quota()["held"] == 0, 45, 0.5)
        check_books(visitor)
    assert run("verify", DATABASE_URL=database).returncode == 0
    assert again.stop() == 0


def test_verify_finds_books_that_do_not_agree(cluster):
    import psycopg

    database = cluster.fresh()
    house = House(database)
    visitor = Visitor(house).guest()
    sent = visitor.start()
    visitor.events(sent["run_id"])
    assert run("verify", DATABASE_URL=database).returncode == 0
    with psycopg.connect(database) as owner:
        owner.execute("alter table ledger.lot disable trigger all")
        owner.execute("update ledger.lot set available = available - 1, spent = spent + 1 where available > 0")
    drifted = run("verify", DATABASE_URL=database)
    assert drifted.returncode not in (0, 101), drifted.stdout
    assert drifted.stdout + drifted.stderr
    house.stop()


def test_a_production_start_refuses_the_stand_in(cluster, upstream):
    house = House(cluster.fresh(), demo=False)
    visitor = Visitor(house).guest()
    assert httpx.get(f"{house.account}/house").json()["demo"] is False
    assert httpx.post(f"{house.account}/demo/sign-in", json={"as": "vip"}, headers={"origin": house.account}).status_code == 404
    answer = visitor.post(FREE_QUESTION)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_not_configured")
    assert visitor.quota()["held"] == 0 and visitor.usage() == []
    assert visitor.post("こんばんは").status_code == 200, "a canned phrase needs no model"
    assert house.stop() == 0


def test_check_shows_the_settings_and_masks_the_secrets(cluster):
    done = run("check", DATABASE_URL="postgres://noren_owner:geheim@127.0.0.1:1/noren", NOREN__GATEWAY__OPENAI__API_KEY="sk-geheim",
               NOREN__GATEWAY__OPENAI__BASE_URL="https://api.example.test/v1")
    said = done.stdout + done.stderr
    assert "geheim" not in said and "api.example.test" in said and "panicked" not in said


@pytest.mark.parametrize(("env", "why"), [
    ({"NOREN__GATEWAY__PROVIDERS__OWN__API_KEYS": "sk", "NOREN__GATEWAY__PROVIDERS__OWN__KIND": "bogus"}, "gateway.providers.own"),
    ({"NOREN__GATEWAY__PROVIDERS__BEDROCK__API_KEYS": "id:secret"}, "gateway.providers.bedrock"),
    ({"NOREN__GATEWAY__PROVIDERS__BEDROCK__API_KEYS": "id", "NOREN__GATEWAY__PROVIDERS__BEDROCK__REGION": "us-east-1"}, "gateway.providers.bedrock"),
    ({"NOREN__GATEWAY__MODELS_FILE": "/nonexistent"}, "gateway.models_file"),
    ({"NOREN__GATEWAY__OPENAI__EFFORT": "much"}, "gateway.openai.effort"),
    ({"NOREN__SEAL__KEYS": "abc"}, "seal.keys"),
    ({"NOREN__PLANS__FILE": "/nonexistent"}, "/nonexistent"),
    ({"NOREN__DATABASE__CONNECTIONS": "0"}, "database.connections is 0"),
    ({"NOREN__SERVER__CONNECTIONS": "0"}, "server.connections is 0"),
    ({"NOREN__GATEWAY__SILENCE_SECONDS": "0"}, "gateway.silence_seconds is 0"),
    ({"NOREN__GATEWAY__RUN_SECONDS": "0"}, "gateway.run_seconds is 0"),
])
def test_check_refuses_what_a_house_would_not_start_with(env, why):
    done = run("check", **env)
    assert done.returncode == 1 and why in done.stderr and "panicked" not in done.stderr, done.stdout + done.stderr


def test_check_counts_named_providers_and_prints_no_password_of_a_url():
    done = run("check", NOREN__GATEWAY__PROVIDERS__OPENAI__API_KEYS="sk-geheim",
               NOREN__GATEWAY__PROVIDERS__OWN__BASE_URL="https://user:geheim@own.example.test/v1", NOREN__GATEWAY__PROVIDERS__OWN__API_KEYS="sk-geheim")
    assert done.returncode == 0, done.stderr
    assert "a model that answers" not in done.stdout
    assert "https://own.example.test/v1" in done.stdout and "geheim" not in done.stdout + done.stderr


def test_models_that_nobody_would_pay_for_yet_are_refused(tmp_path):
    path = tmp_path / "models.toml"
    path.write_text("""
[[model]]
name = "misaki-small"
targets = [{ provider = "openai", model = "m" }]
prices = [{ from = "2999-01-01", input = 1000, output = 2000 }]
""")
    checked = run("models", "check", path)
    assert checked.returncode == 1 and "/model/0/prices" in checked.stderr and "no price holds now" in checked.stderr, checked.stderr
    assert run("check", NOREN__GATEWAY__MODELS_FILE=str(path)).returncode == 1


def test_every_subcommand_explains_itself():
    done = run("--help")
    assert done.returncode == 0
    for name in ("run", "serve", "migrate", "verify", "openapi", "check", "plans", "users"):
        assert name in done.stdout, name
        assert run(name, "--help").returncode == 0
    assert run("nonsense").returncode == 2
    assert shutil.which(str(binary()))
