"""What a provider itself counts: runs that outlive three kills, an outage that it hardly hears of, limits that it never sees broken."""

import concurrent.futures
import os
import random
import re
import threading
import time
import uuid

import httpx
import openai
import psycopg
import pytest

from house import House
from house import run as command
from people import Person
from shop import files, model

# how many runs outlive how many kills; what takes minutes is asked for, see bench/README.md
SIZES = [(1000, 5)] if os.environ.get("SOAK") else [(300, 3)]
ENDED_WITHIN = 60


class Houses:
    """One house after another on one database: each is killed, and the next takes over."""

    def __init__(self, cluster, **env: str):
        self.database, self.env = cluster.fresh(), env
        self.current = House(self.database, **env)
        self.killed = 0

    def kill(self) -> None:
        old, self.killed = self.current, self.killed + 1
        old.kill()
        self.current = House(self.database, **self.env)
        old.stop()

    def post(self, path: str, secret: str, body: dict, key: str | None = None, until: float = 90) -> httpx.Response:
        """Asks whichever house is there, again with the same key when it goes."""
        headers = {"x-api-key": secret} | ({"idempotency-key": key} if key else {})
        deadline = time.monotonic() + until
        while True:
            try:
                answer = httpx.post(f"{self.current.inference}{path}", json=body, headers=headers, timeout=30)
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "no house took it"
            time.sleep(0.05)  # nobody tells when the next house is there


def label(body: dict) -> str:
    """Which of the runs a request at the provider was for."""
    return re.search(r"run-[0-9a-f]+", str(body["messages"]))[0]


@pytest.mark.parametrize("count, kills", SIZES)
def test_runs_that_are_killed_end_once_each_and_are_billed_what_the_provider_counted(cluster, tmp_path, own_talker, count, kills):
    seed = random.randrange(2**32)
    print("seed", seed)
    lots = random.Random(seed)
    houses = Houses(cluster, **files(tmp_path, {"judged": model("judged", ("gpt", "talker"))}, concurrent=2 * count), **own_talker.env())
    secret = Person(houses.current).join().prove_address().key()["secret"]
    own_talker.pace = 0.2  # some eight pieces: an answer takes seconds, so that kills fall into the middle of many
    labels = [f"run-{uuid.uuid4().hex[:12]}" for _ in range(count)]

    def start(name: str) -> tuple[str, str]:
        body = {"model": "judged", "input": f"hello {name}", "background": True}
        answer = houses.post("/v1/responses", secret, body, key=name)
        assert answer.status_code == 200, answer.text
        return name, answer.json()["id"].removeprefix("resp_")

    waves = [labels[at::kills + 1] for at in range(kills + 1)]
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        starting = [pool.submit(start, name) for name in waves[0]]
        for wave in waves[1:]:
            wanted = len(own_talker.done) + lots.randrange(5, 30)
            deadline = time.monotonic() + 120
            while len(own_talker.done) < wanted:
                for broken in (future for future in starting if future.done() and future.exception()):
                    broken.result()
                assert time.monotonic() < deadline, f"the provider was asked {len(own_talker.requests)} times and ended {len(own_talker.done)}, not {wanted}"
                time.sleep(0.02)  # until some have ended and others are under way
            # one half is being asked for while the house dies, and the next house has enough with the other
            starting += [pool.submit(start, name) for name in wave[: len(wave) // 2]]
            houses.kill()
            starting += [pool.submit(start, name) for name in wave[len(wave) // 2 :]]
        started = dict(future.result() for future in starting)
    restarted = time.monotonic()
    assert houses.killed == kills and len(set(started.values())) == count, "each key named one run"
    with psycopg.connect(houses.database, autocommit=True) as database:
        while database.execute("select count(*) from gateway.run where ended_at is null").fetchone()[0]:
            assert time.monotonic() - restarted < ENDED_WITHIN, "not all ended"
            time.sleep(0.1)  # until all have ended
        took = time.monotonic() - restarted
        rows = database.execute("select id::text, state, reason, tokens_in, tokens_out from gateway.run").fetchall()
        paid = database.execute("select ref, outcome, amount, tokens_in, tokens_out from entitlement.usage").fetchall()
        ends = database.execute("select count(*), count(distinct run_id) from gateway.run_event where kind = 'ended'").fetchone()
        held = database.execute("select count(*) from entitlement.reservation where state = 'open'").fetchone()[0]
    runs = {id.replace("-", ""): rest for id, *rest in rows}
    assert set(runs) == set(started.values()), "none is lost and none is double"
    assert ends == (count, count) and held == 0
    asked = [label(body) for _, body in own_talker.requests]
    assert len(asked) == len(set(asked)), "nothing was asked twice"
    counted = {label(body): usage for body, usage in own_talker.done}
    completed = {name: tuple(runs[id][2:]) for name, id in started.items() if runs[id][0] == "completed"}
    lost = [runs[id] for id in started.values() if runs[id][0] != "completed"]
    assert {tuple(run[:2]) for run in lost} <= {("failed", "node_lost"), ("failed", "upstream_stalled")} and lost and completed, "the kills hit some and left others"
    assert completed == {name: counted[name] for name in completed}, "each is billed what the provider counted for it"
    bills = {ref.removeprefix("run_"): tuple(rest) for ref, *rest in paid}
    assert len(paid) == len(bills) and set(bills) <= set(runs)
    for name, id in started.items():
        if name in completed:
            assert bills[id] == ("completed", 1, *counted[name])
        else:
            assert bills.get(id, ("failed", 0))[:2] == ("failed", 0), "what was lost is free"
    print(f"{len(completed)} completed, {len(lost)} lost to the kills, {len(asked)} calls at the provider, all ended {took:.1f} s after the last restart")
    checked = command("verify", DATABASE_URL=houses.database)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    houses.current.stop()


def test_in_an_outage_the_provider_hears_at_most_12_calls_for_10(cluster, tmp_path, own_talker):
    house = House(cluster.fresh(), **files(tmp_path, {"alone": model("alone", ("gpt", "talker")), "helped": model("helped", ("claude", "talker"), ("sandbox", "sandbox-small"))}),
                  **own_talker.env())
    client = openai.OpenAI(base_url=f"{house.inference}/v1", api_key=Person(house).join().prove_address().key()["secret"], max_retries=0)
    own_talker.status = 500

    def ask(name: str) -> str:
        try:
            return client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hello"}]).choices[0].finish_reason
        except openai.InternalServerError as error:
            return error.code

    for name, ends in (("alone", {"upstream_failed", "upstream_unavailable"}), ("helped", {"stop"})):
        before = len(own_talker.requests)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: ask(name), range(100)))
        heard = len(own_talker.requests) - before
        assert set(codes) <= ends and heard <= 120, (heard, set(codes))
    house.stop()


ON_THE_WAY = 2  # seconds from a call's admission to its provider, on a busy machine


@pytest.mark.alone
def test_the_provider_sees_no_limit_broken_also_after_a_kill(cluster, tmp_path, own_talker):
    """4 at once and 40 a minute, asked for as fast as it goes for longer than a minute, with a kill in between."""
    houses = Houses(cluster, **files(tmp_path, {"judged": model("judged", ("gpt", "talker"))}, per_minute=40, concurrent=4), **own_talker.env())
    secret = Person(houses.current).join().prove_address().key()["secret"]
    own_talker.pace = 0.2
    over, taken, refused = threading.Event(), [], set()

    def keep_asking(_: int) -> None:
        while not over.is_set():
            answer = houses.post("/v1/chat/completions", secret, {"model": "judged", "messages": [{"role": "user", "content": "hello"}]})
            if answer.status_code == 200:
                taken.append(time.monotonic())
            else:
                refused.add(answer.json()["error"]["code"])
                over.wait(0.2)

    def until(true, within: float) -> None:
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.05)  # the provider counts, and tells nobody

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(keep_asking, n) for n in range(12)]
        try:
            until(lambda: len(taken) >= 8 and own_talker.now == 4, 30)
            houses.kill()
            killed = time.monotonic()
            until(lambda: any(moment > killed for moment in taken), 60)
            until(lambda: own_talker.arrived[-1] - own_talker.arrived[0] > 70, 90)
        finally:
            over.set()
        for one in asking:
            one.result()
    arrived = sorted(own_talker.arrived)
    shortest = min(later - sooner for sooner, later in zip(arrived, arrived[40:]))
    print(f"at most {own_talker.most} at once, 41 calls in no less than {shortest:.2f} s at the provider; refused: {sorted(refused)}")
    assert {"concurrency_exceeded", "rate_exceeded"} <= refused
    assert own_talker.most <= 4
    # a minute is counted where calls are admitted; the first of 41 may have taken longer from there to the provider than the last
    assert shortest > 60 - ON_THE_WAY
    houses.current.stop()
