"""RunPod's serverless endpoints behind the house: jobs in a queue that must not work on for nobody, and are paid once."""

import signal
import time

import httpx
import psycopg
import pytest
import runpod

import runpod_double as double
from house import House
from people import Person
from visitor import Visitor, check_books, parse, text_of

MODELS = """
[[model]]
name = "{name}"
prices = [{{ from = "2025-01-01", input = 1000, output = 2000 }}]
targets = [{targets}]
"""


@pytest.fixture
def pod():
    """RunPod, as far as its documents say."""
    made = double.RunPod()
    yield made
    assert made.complaints == []
    made.close()


def house_of(pod, cluster, tmp_path, *endpoints: str, database: str | None = None, name: str = "misaki-small",
             **env: str) -> House:
    targets = ", ".join(f'{{ provider = "runpod", model = "{name}", rank = {rank} }}' for rank, name in enumerate(endpoints))
    path = tmp_path / "models.toml"
    path.write_text(MODELS.format(name=name, targets=targets))
    return House(database or cluster.fresh(), NOREN__GATEWAY__MODELS_FILE=str(path), NOREN__GATEWAY__PROVIDERS__RUNPOD__BASE_URL=pod.url,
                 NOREN__GATEWAY__PROVIDERS__RUNPOD__API_KEYS=double.KEY, **env)


def until(true, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # nobody tells us when a stranger's queue has changed


def open_jobs(house) -> int:
    with psycopg.connect(house.database) as database:
        return database.execute("select count(*) from gateway.remote_job where closed_at is null").fetchone()[0]


def test_runpods_own_client_reads_the_double(pod, monkeypatch):
    monkeypatch.setattr(runpod, "endpoint_url_base", pod.url)
    endpoint = runpod.Endpoint("phi3", api_key=double.KEY)
    ask = {"input": {"messages": [{"role": "user", "content": "hello"}], "sampling_params": {"max_tokens": 9}}}
    said = [token for piece in endpoint.run(ask).stream() for token in piece["choices"][0]["tokens"]]
    assert "".join(said) == double.TEXT
    job = endpoint.run(ask)
    assert "".join(b["choices"][0]["tokens"][0] for b in job.output(timeout=5)) == double.TEXT and job.status() == "COMPLETED"
    stopped = runpod.Endpoint("cold", api_key=double.KEY).run(ask)
    assert stopped.status() == "IN_QUEUE" and stopped.cancel()["status"] == "CANCELLED"
    with pytest.raises(RuntimeError):
        runpod.Endpoint("phi3", api_key="another").run(ask)


@pytest.mark.parametrize("endpoint", ["phi3", "batch"])
def test_misaki_answers_from_runpod_and_bills_what_it_counted(pod, cluster, tmp_path, endpoint):
    house = house_of(pod, cluster, tmp_path, endpoint)
    visitor = Visitor(house).guest()
    sent = visitor.start("少し長い話を聞かせてください")
    events = visitor.events(sent["run_id"])
    assert text_of(events) == double.TEXT
    end = events[-1].data
    assert (end["state"], end["tokens_in"], end["tokens_out"], end["cost_nano_usd"]) == ("completed", double.INPUT, double.OUTPUT, 139)
    [job] = pod.of(endpoint)
    assert job.body["input"]["sampling_params"]["max_tokens"] > 16 and job.body["policy"]["ttl"] >= 10_000
    assert "少し長い話" in str(job.body["input"]["messages"][-1]["content"])
    until(lambda: open_jobs(house) == 0)
    assert pod.cancelled == []
    [usage] = visitor.usage()
    assert (usage["tokens_in"], usage["tokens_out"], usage["amount"]) == (double.INPUT, double.OUTPUT, 1)
    check_books(visitor)
    assert double.KEY not in house.log()
    assert house.stop() == 0


def test_who_stops_a_run_stops_the_job(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    sent = visitor.start("少し長い話を聞かせてください")
    stream = visitor.stream(sent["run_id"])
    heard = []
    while text_of(heard) != "".join(double.PIECES[:2]):
        heard.append(next(stream))
    [job] = pod.of("held")
    with psycopg.connect(house.database) as database:
        assert database.execute("select job from gateway.remote_job").fetchall() == [(job.id,)]
    visitor.cancel(sent["run_id"])
    heard += list(stream)
    assert heard[-1].data["state"] == "cancelled"
    until(lambda: pod.cancelled == [job.id] and open_jobs(house) == 0)
    check_books(visitor)
    assert house.stop() == 0


def test_a_cold_endpoint_is_passed_over_and_its_job_does_not_work_on(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "cold", "phi3", NOREN__GATEWAY__PROVIDERS__RUNPOD__START_SECONDS="1")
    visitor = Visitor(house).guest()
    sent = visitor.start("少し長い話を聞かせてください")
    events = visitor.events(sent["run_id"])
    assert text_of(events) == double.TEXT and events[-1].data["tokens_out"] == double.OUTPUT
    assert visitor.run(sent["run_id"])["model"] == "phi3"
    [stale] = pod.of("cold")
    until(lambda: pod.cancelled == [stale.id] and open_jobs(house) == 0)
    [usage] = visitor.usage()
    assert usage["amount"] == 1
    check_books(visitor)
    assert house.stop() == 0


def test_a_job_that_fails_ends_the_run_and_costs_nothing(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "broken")
    visitor = Visitor(house).guest()
    before = visitor.quota()
    events = visitor.events(visitor.start("少し長い話を聞かせてください")["run_id"])
    assert (events[-1].data["state"], events[-1].data["reason"]) == ("failed", "upstream_failed")
    assert visitor.quota() == before and pod.cancelled == []
    check_books(visitor)
    assert house.stop() == 0


def moved(visitor: Visitor, house: House) -> None:
    """The same person at another node."""
    visitor.house, visitor.web.base_url = house, house.account
    visitor.web.headers["origin"] = house.account


def killed(pod, house: House, visitor: Visitor) -> tuple[dict, double.Job]:
    """Asks, hears the first words, and then the house is gone."""
    sent = visitor.start("少し長い話を聞かせてください")
    stream, heard = visitor.stream(sent["run_id"]), []
    while text_of(heard) != "".join(double.PIECES[:2]):
        heard.append(next(stream))
    house.kill()
    house.log_path.unlink()
    [job] = pod.of("held")
    assert job.status == "IN_PROGRESS"
    return sent, job


def completed(pod, visitor: Visitor, sent: dict, before: int) -> None:
    """The run has the whole answer, told once and billed once."""
    events = visitor.events(sent["run_id"])
    assert text_of(events) == double.TEXT and [event.id for event in events] == list(range(1, len(events) + 1))
    assert [event.name for event in events].count("started") == 1
    end = events[-1].data
    assert (end["state"], end["tokens_in"], end["tokens_out"], end["cost_nano_usd"]) == ("completed", double.INPUT, double.OUTPUT, 139)
    [usage] = visitor.usage()
    assert (usage["tokens_in"], usage["tokens_out"], usage["amount"]) == (double.INPUT, double.OUTPUT, 1)
    assert visitor.quota()["available"] == before - 1
    assert len(pod.jobs) == 1 and pod.cancelled == [], "never asked twice, and nothing thrown away"
    check_books(visitor)


@pytest.mark.parametrize("ends", ["before", "after"])
def test_what_a_job_says_while_its_house_is_dead_is_the_answer(pod, cluster, tmp_path, ends):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    before = visitor.quota()["available"]
    sent, job = killed(pod, house, visitor)
    if ends == "before":
        pod.release.set()
    again = house_of(pod, cluster, tmp_path, "held", database=house.database)
    moved(visitor, again)
    if ends == "after":
        asked = pod.looks
        until(lambda: pod.looks >= asked + 3, 45)
        assert visitor.run(sent["run_id"])["state"] == "processing", "its job goes on"
        pod.release.set()
    completed(pod, visitor, sent, before)
    until(lambda: open_jobs(again) == 0)
    assert double.KEY not in again.log()
    assert again.stop() == 0


def test_a_node_that_comes_back_when_its_run_was_ended_bills_nothing_more(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    before = visitor.quota()["available"]
    sent = visitor.start("少し長い話を聞かせてください")
    next(visitor.stream(sent["run_id"]))
    other = house_of(pod, cluster, tmp_path, "held", database=house.database)
    house.process.send_signal(signal.SIGSTOP)
    moved(visitor, other)
    asked = pod.looks
    until(lambda: pod.looks > asked, 45)
    pod.release.set()
    completed(pod, visitor, sent, before)
    house.process.send_signal(signal.SIGCONT)
    until(lambda: "another node ended this run" in house.log())
    completed(pod, visitor, sent, before)
    assert house.stop() == 0 and other.stop() == 0


def test_a_run_without_its_node_is_stopped_on_its_readers_word(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    sent, job = killed(pod, house, visitor)
    again = house_of(pod, cluster, tmp_path, "held", database=house.database)
    moved(visitor, again)
    visitor.cancel(sent["run_id"])
    end = visitor.events(sent["run_id"])[-1].data
    assert (end["state"], end["reason"]) == ("cancelled", "stopped")
    until(lambda: pod.cancelled == [job.id] and open_jobs(again) == 0, 45)
    check_books(visitor)
    assert again.stop() == 0


def test_a_killed_house_leaves_no_job_working(pod, cluster, tmp_path):
    within = {"NOREN__GATEWAY__RUN_SECONDS": "18"}
    house = house_of(pod, cluster, tmp_path, "held", **within)
    visitor = Visitor(house).guest()
    before = visitor.quota()
    sent, job = killed(pod, house, visitor)
    again = house_of(pod, cluster, tmp_path, "held", database=house.database, **within)
    until(lambda: open_jobs(again) == 0, 45)
    assert job.body["policy"]["ttl"] == 18_000, "RunPod drops it by then"
    moved(visitor, again)
    run = visitor.run(sent["run_id"])
    assert (run["state"], run["reason"]) == ("failed", "deadline")
    assert visitor.quota() == before, "never billed"
    assert len(pod.jobs) == 1, "never asked twice"
    check_books(visitor)
    assert again.stop() == 0


def test_what_the_provider_has_dropped_is_lost_and_costs_nothing(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    before = visitor.quota()
    sent, _ = killed(pod, house, visitor)
    pod.jobs.clear()
    again = house_of(pod, cluster, tmp_path, "held", database=house.database)
    moved(visitor, again)
    end = visitor.events(sent["run_id"])[-1].data
    assert (end["state"], end["reason"]) == ("failed", "node_lost")
    assert visitor.quota() == before
    check_books(visitor)
    assert again.stop() == 0


def test_who_waits_for_a_machine_to_start_is_told_so(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "cold", name="genai-small")
    secret = Person(house).join().prove_address().key()["secret"]
    body = {"route": "genai.chat", "messages": [{"role": "user", "content": "Tell me about tea"}]}
    with httpx.Client(base_url=house.inference, headers={"x-api-key": secret}, timeout=30) as door:
        run = door.post("/inference", json=body).json()["id"]
        with door.stream("GET", f"/inference/{run}/events") as stream:
            event = next(parse(stream.iter_lines()))
        assert event.name == "aside" and "start" in event.data["text"]["en"] and "起動" in event.data["text"]["ja"]
        door.post(f"/inference/{run}/cancel")
    [job] = pod.of("cold")
    until(lambda: pod.cancelled == [job.id] and open_jobs(house) == 0)
    assert house.stop() == 0


def test_a_job_that_could_not_be_cancelled_at_once_is_cancelled_later(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    sent = visitor.start("少し長い話を聞かせてください")
    next(visitor.stream(sent["run_id"]))
    pod.away.set()
    visitor.cancel(sent["run_id"])
    assert visitor.events(sent["run_id"])[-1].data["state"] == "cancelled"
    assert open_jobs(house) == 1
    pod.away.clear()
    until(lambda: len(pod.cancelled) == 1 and open_jobs(house) == 0, 30)
    check_books(visitor)
    assert house.stop() == 0
