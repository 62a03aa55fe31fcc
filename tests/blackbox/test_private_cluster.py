"""`noren run --data DIR` with nothing else: it makes its own database, finds it again, and cleans up after itself."""

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable

import httpx
import pytest

from house import House, binary, clean_env, data_folder, metrics, remove, run
from visitor import Visitor, check_books, text_of


def test_a_folder_is_all_that_a_house_needs_and_its_people_are_there_the_next_day():
    data = data_folder()
    try:
        first = House(data=data)
        assert first.ready["database"].startswith("postgres://") and ":@" not in first.ready["database"]
        visitor = Visitor(first)
        assert visitor.register("back@example.test").status_code == 201
        sent = visitor.start()
        said = text_of(visitor.events(sent["run_id"]))
        assert first.stop() == 0
        assert not (data / "pg/postmaster.pid").exists(), "the database was stopped too"

        second = House(data=data)
        again = Visitor(second)
        answer = again.web.post("/auth/login", json={"email": "back@example.test", "password": "correct horse"})
        assert answer.status_code == 200
        assert again.page(f"/api/misaki/chats/{sent['chat_id']}")["messages"][-1]["text"] == said
        check_books(again)
        assert second.stop() == 0
    finally:
        remove(data)


def test_nobody_else_on_the_machine_can_enter_the_database():
    house = House()
    for name in ("pg", "sock"):
        mode = stat.S_IMODE((house.data / name).stat().st_mode)
        assert mode & 0o077 == 0, (name, oct(mode))
    house.stop()


def test_a_killed_house_leaves_a_database_that_the_next_start_takes_over():
    data = data_folder()
    try:
        first = House(data=data)
        Visitor(first).register("kept@example.test")
        first.kill()
        second = House(data=data)
        answer = Visitor(second).web.post("/auth/login", json={"email": "kept@example.test", "password": "correct horse"})
        assert answer.status_code == 200
        assert second.stop() == 0
    finally:
        remove(data)


def test_it_runs_without_any_rights():
    if os.geteuid() != 0:
        user, place = None, None
    else:
        user, place = "nobody", pathlib.Path(tempfile.mkdtemp(prefix="noren-bin-"))
    data = data_folder()
    try:
        executable = None
        if user:
            place.chmod(0o755)
            executable = pathlib.Path(shutil.copy(binary(), place / "noren"))
            shutil.chown(data, user)
        house = House(data=data, user=user, executable=executable)
        visitor = Visitor(house).guest()
        sent = visitor.start()
        assert visitor.events(sent["run_id"])[-1].data["state"] == "completed"
        assert house.stop() == 0
    finally:
        remove(data)
        if place:
            shutil.rmtree(place)


def test_a_folder_below_a_closed_one_works_and_reset_finds_its_database():
    closed = pathlib.Path(tempfile.mkdtemp(prefix="noren-closed-"))  # 0700, as /root is
    data = closed / "var"
    try:
        house = House(data=data)
        assert httpx.get(f"{house.account}/ready").status_code == 200
        house.kill()
        done = run("reset", "--data", data)
        assert done.returncode == 0, done.stderr
        again = House(data=data)
        assert Visitor(again).web.get("/auth/me").status_code == 401
        assert again.stop() == 0
        assert run("reset", "--data", data).returncode == 0
    finally:
        remove(data)
        shutil.rmtree(closed, ignore_errors=True)


def test_reset_of_nothing_is_fine_and_of_a_running_house_is_refused():
    data = data_folder()
    try:
        assert run("reset", "--data", data / "none").returncode == 0
        house = House(data=data)
        done = run("reset", "--data", data)
        if done.returncode == 0:
            pytest.fail("a house that runs was reset under its feet")
        assert httpx.get(f"{house.account}/ready").status_code == 200
        assert house.stop() == 0
    finally:
        remove(data)


def test_each_listener_can_have_a_process_of_its_own(cluster):
    import json

    database = cluster.fresh()
    assert run("migrate", DATABASE_URL=database).returncode == 0
    assert run("migrate", DATABASE_URL=database).returncode == 0, "twice is fine"
    for only in ("account", "inference"):
        process = subprocess.Popen([binary(), "serve", "--only", only, f"--listen", "127.0.0.1:0"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_env(DATABASE_URL=database, NOREN__SERVER__ACCOUNT_URL="http://localhost:18080",
                                                 NOREN__SERVER__INFERENCE_URL="http://localhost:18081"))
        try:
            ready = json.loads(process.stdout.readline())
            assert httpx.get(f"{ready['listen']}/ready").status_code == 200
            paths = httpx.get(f"{ready['listen']}/openapi.json").json()["paths"]
            assert ("/auth/login" in paths, "/misaki/messages" in paths) == (only == "account", only == "inference")
        finally:
            process.terminate()
            assert process.wait(30) == 0


def wait_for(holds: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not so after {within} s"
        time.sleep(0.1)  # a server that comes back tells nobody


def postmaster(data: pathlib.Path) -> int:
    return int((data / "pg/postmaster.pid").read_text().split()[0])


def test_a_database_server_that_is_killed_is_started_again_and_stays_down_after_a_stop():
    data = data_folder()
    try:
        house = House(data=data)
        visitor = Visitor(house)
        assert visitor.register("kept@example.test").status_code == 201
        server = postmaster(data)
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: "database_private_restarts_total" in metrics(house.account), 30)
        wait_for(lambda: httpx.get(f"{house.account}/ready").status_code == 200, 30)
        assert postmaster(data) != server
        assert "the private database has died" in house.log()
        assert Visitor(house).web.post("/auth/login", json={"email": "kept@example.test", "password": "correct horse"}).status_code == 200
        assert house.stop() == 0
        assert not (data / "pg/postmaster.pid").exists(), "who stops a house does not want its database back"
    finally:
        remove(data)


def test_a_database_server_that_does_not_start_again_ends_the_house_with_an_error():
    data = data_folder()
    try:
        house = House(data=data, NOREN__SERVER__DRAIN_SECONDS="1")
        settings = data / "pg/postgresql.conf"
        settings.write_text(settings.read_text() + "\nno_such_setting = on\n")
        os.kill(postmaster(data), signal.SIGKILL)
        assert house.process.wait(90) == 1
        assert "does not start again" in house.log() and "no_such_setting" in house.log()
        house.stop()
    finally:
        remove(data)


def test_commands_beside_a_house_find_its_database_and_keys_by_its_folder(tmp_path):
    data = data_folder()
    without = {"NOREN__SEAL__KEYS": ""}
    try:
        house = House(data=data, **without)
        listed = run("models", "list", "--data", data)
        assert listed.returncode == 0 and "the file of the settings" in listed.stdout, listed.stderr
        added = subprocess.run([binary(), "providers", "add", "openai", "--data", data], input="sk-one", text=True, capture_output=True,
                               env=clean_env(**without))
        assert added.returncode == 0 and "openai" in added.stdout, added.stderr
        assert run("providers", "list", "--data", data).stdout == added.stdout
        status = run("seal", "status", "--data", data, **without)
        assert "seals" in status.stdout and "is not here" not in status.stdout
        wrong = run("models", "list", "--data", tmp_path)
        assert wrong.returncode == 1 and str(tmp_path) in wrong.stderr
        keyless = subprocess.run([binary(), "providers", "add", "openai"], input="sk-one", text=True, capture_output=True,
                                 env=clean_env(DATABASE_URL=house.database, **without), cwd=tmp_path)
        assert keyless.returncode == 1 and "NOREN__SEAL__KEYS_FILE" in keyless.stderr, keyless.stderr
        assert house.stop() == 0
        stopped = run("models", "list", "--data", data)
        assert stopped.returncode == 1 and "start it" in stopped.stderr
    finally:
        remove(data)


def test_books_are_checked_where_a_database_is_and_none_is_made_for_that(tmp_path):
    mistyped = tmp_path / "vra"
    refused = run("verify", "--data", mistyped)
    assert refused.returncode == 1 and str(mistyped) in refused.stderr, refused.stderr
    assert not mistyped.exists()
