"""Clients that hang up in the middle leave no open transaction behind, mix nobody's rows and lose nothing that was acknowledged."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import uuid

import psycopg
import pytest

from house import House
from visitor import Visitor

HERE = pathlib.Path(__file__).parent
REQUESTS, RESETS = 5000, 0.3


@pytest.fixture(scope="module")
def late(cluster):
    """The database's socket, seen through a wire that is 2 ms long."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="noren-wire-"))
    name = ".s.PGSQL.5432"
    wire = subprocess.Popen([sys.executable, HERE / "slow_wire.py", folder / name, cluster.socket / name], stdout=subprocess.PIPE, text=True)
    assert wire.stdout.readline() == "ready\n"
    yield folder
    wire.terminate()
    wire.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def house(cluster, late):
    database = cluster.fresh()
    made = House(database.replace(urllib.parse.quote(str(cluster.socket), safe=""), urllib.parse.quote(str(late), safe="")))
    made.direct = database
    yield made
    made.stop()


class Watch:
    """Looks at the sessions of the database all the time: the longest that one was idle in a transaction."""

    def __init__(self, url: str):
        self.longest, self.looks, self.done = 0.0, 0, threading.Event()
        self.url = url
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as database:
            while not self.done.wait(0.1):
                [(idle,)] = database.execute("""select coalesce(max(extract(epoch from clock_timestamp() - state_change)), 0)::float8
                    from pg_stat_activity where datname = current_database() and state like 'idle in transaction%%'""").fetchall()
                self.longest, self.looks = max(self.longest, idle), self.looks + 1

    def stop(self) -> float:
        self.done.set()
        self.thread.join()
        return self.longest


def test_5000_requests_with_30_percent_resets_mix_no_rows_leave_no_transaction_and_lose_no_write(house):
    visitors = []
    for _ in range(2):
        visitor = Visitor(house).guest()
        sent = visitor.start()
        visitor.events(sent["run_id"])
        me = visitor.web.get("/auth/me").json()
        visitors.append({"marks": [me["tenant"]["id"], sent["chat_id"]], "cookie": "; ".join(f"{k}={v}" for k, v in dict(visitor.web.cookies).items())})
    watch = Watch(house.direct)
    port = urllib.parse.urlsplit(house.account).port
    said = subprocess.run([sys.executable, HERE / "resetter.py", str(port), str(REQUESTS), str(RESETS), json.dumps(visitors)],
                          capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr[-3000:]
    found = json.loads(said.stdout)
    longest = watch.stop()
    assert found["reset"] >= 0.2 * REQUESTS and found["answered"] + found["reset"] == REQUESTS, found["status"]
    assert set(found["status"]) <= {"200", "201", "503"} and found["status"].get("503", 0) < 0.02 * REQUESTS, found["status"]
    assert found["foreign"] == []
    assert watch.looks >= 10 and longest <= 1, f"{longest:.1f} s idle in a transaction"
    house.kill()  # what only an open transaction held is gone now
    with psycopg.connect(house.direct, autocommit=True) as database:
        kept = {f"tnt_{id.hex}" for (id,) in database.execute("select id from identity.tenant").fetchall()}
    acknowledged = set(found["acknowledged"])
    assert len(acknowledged) >= 500 and acknowledged - kept == set()
    assert all(uuid.UUID(tenant[4:]) for tenant in acknowledged)
