"""RunPod's serverless endpoints behind the house: jobs in a queue that must not work on for nobody, and are paid once."""

import time

import psycopg
import pytest
import runpod

import runpod_double as double
from house import House
from visitor import Visitor, check_books, text_of

MODELS = """
[[model]]
name = "misaki-small"
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


def house_of(pod, cluster, tmp_path, *endpoints: str, database: str | None = None, **env: str) -> House:
    targets = ", ".join(f'{{ provider = "runpod", model = "{name}", rank = {rank} }}' for rank, name in enumerate(endpoints))
    path = tmp_path / "models.toml"
    path.write_text(MODELS.format(targets=targets))
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


def test_a_killed_house_leaves_no_job_working(pod, cluster, tmp_path):
    house = house_of(pod, cluster, tmp_path, "held")
    visitor = Visitor(house).guest()
    before = visitor.quota()
    sent = visitor.start("少し長い話を聞かせてください")
    next(visitor.stream(sent["run_id"]))
    house.kill()
    [job] = pod.of("held")
    assert job.status == "IN_PROGRESS"
    house.log_path.unlink()
    again = house_of(pod, cluster, tmp_path, "held", database=house.database)
    until(lambda: pod.cancelled == [job.id] and open_jobs(again) == 0, 45)
    visitor.house, visitor.web.base_url = again, again.account
    visitor.web.headers["origin"] = again.account
    run = visitor.run(sent["run_id"])
    assert (run["state"], run["reason"]) == ("failed", "node_lost")
    assert visitor.quota() == before, "never billed"
    assert len(pod.jobs) == 1, "never asked twice"
    check_books(visitor)
    assert again.stop() == 0


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
