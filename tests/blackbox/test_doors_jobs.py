"""RunPod's queue by RunPod's own client: what a job says piece by piece, how an endpoint is, another try, and who is told."""

import concurrent.futures
import json
import time

import httpx
import psycopg
import pytest
import runpod

from house import House
from people import Person
from receiver import Receiver
from shop import files, model
from talker import PLAIN


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker, receiver):
    models = {"small": model("small", ("sandbox", "sandbox-small")), "judged": model("judged", ("gpt", "talker")),
              "drip": model("drip", ("sandbox", "sandbox-fault-drip")), "other": model("other", ("claude", "talker")),
              "narrow": model("narrow", ("sandbox", "sandbox-medium")).replace("rank = 0", "rank = 0, concurrent = 1, waiting = 9")}
    made = House(cluster.fresh(), **files(tmp_path_factory.mktemp("jobs"), models), **talker.env(), NOREN__HOOKS__DEMO_ORIGINS=receiver.origin)
    yield made
    made.stop()


@pytest.fixture
def secret(shop) -> str:
    return Person(shop).join().prove_address().key()["secret"]


@pytest.fixture
def endpoint(shop, secret, monkeypatch):
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{shop.inference}/v2")
    return lambda name: runpod.Endpoint(name, api_key=secret)


def call(shop, secret: str, method: str, path: str, **body) -> httpx.Response:
    return httpx.request(method, f"{shop.inference}/v2/{path}", headers={"authorization": secret}, timeout=30, **({"json": body} if body else {}))


def ended(shop, secret: str, name: str, id: str) -> dict:
    deadline = time.monotonic() + 30
    while (found := call(shop, secret, "GET", f"{name}/status/{id}").json())["status"] in ("IN_QUEUE", "IN_PROGRESS"):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)  # a poll is what this protocol offers
    return found


def words(pieces: list) -> str:
    """The words among the pieces of the vLLM worker's shape."""
    return "".join(piece["choices"][0]["tokens"][0] for piece in pieces)


def test_runpods_client_streams_in_both_shapes(endpoint):
    job = endpoint("judged").run({"input": {"text": "hello"}})
    assert "".join(job.stream()) == "".join(PLAIN)
    assert job.output()["text"] == "".join(PLAIN), "the whole is there as well"
    pieces = list(endpoint("judged").run({"input": {"prompt": "hello", "sampling_params": {"max_tokens": 50}}}).stream())
    assert words(pieces) == "".join(PLAIN) and pieces[-1]["usage"]["output"] > 0


def test_each_piece_is_told_once_while_the_job_goes_on(shop, secret):
    job = call(shop, secret, "POST", "drip/run", input={"text": "[long 12] talk"}).json()["id"]
    told, polls = [], 0
    deadline = time.monotonic() + 30
    while True:
        found = call(shop, secret, "GET", f"drip/stream/{job}").json()
        told += [piece["output"] for piece in found["stream"]]
        polls += bool(found["stream"])
        if found["status"] == "COMPLETED" and not found["stream"]:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a poll is what this protocol offers
    assert "".join(told) == ended(shop, secret, "drip", job)["output"]["text"]
    assert polls > 1, "it was told while it was being said"
    assert call(shop, secret, "GET", f"drip/stream/{job}").json()["stream"] == []


def test_several_who_read_one_stream_share_its_pieces(shop, secret):
    job = call(shop, secret, "POST", "judged/run", input={"text": "hello"}).json()["id"]
    whole = ended(shop, secret, "judged", job)["output"]["text"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(shop, secret, "GET", f"judged/stream/{job}").json()["stream"], range(8)))
    assert "".join(piece["output"] for answer in answers for piece in answer) == whole


def test_runpods_client_reads_the_health_of_an_endpoint(shop, secret, endpoint):
    assert endpoint("judged").health()["jobs"] == {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    endpoint("judged").run_sync({"input": {"text": "hello"}}, timeout=30)
    slow = endpoint("drip").run({"input": {"text": "[long 200] talk"}})
    assert endpoint("judged").health()["jobs"]["completed"] == 1
    found = endpoint("drip").health()
    assert found["jobs"]["inQueue"] + found["jobs"]["inProgress"] == 1 and found["workers"]["idle"] == 1
    assert slow.cancel()["status"] == "CANCELLED"
    assert call(shop, secret, "GET", "nothing/health").status_code == 404


def test_runpods_client_empties_the_queue_of_an_endpoint(shop, secret, endpoint):
    first = endpoint("narrow").run({"input": {"text": "[slow][long 2000] talk"}})
    deadline = time.monotonic() + 30
    while first.status() != "IN_PROGRESS":
        assert time.monotonic() < deadline
        time.sleep(0.05)  # a poll is what this protocol offers
    waiting = [endpoint("narrow").run({"input": {"text": "hello"}}) for _ in range(2)]
    stranger = Person(shop).join().prove_address().key()["secret"]
    other = call(shop, stranger, "POST", "narrow/run", input={"text": "hello"}).json()["id"]
    assert endpoint("judged").purge_queue() == {"removed": 0, "status": "completed"}
    assert endpoint("narrow").purge_queue() == {"removed": 2, "status": "completed"}
    assert [ended(shop, secret, "narrow", job.job_id)["status"] for job in waiting] == ["CANCELLED", "CANCELLED"]
    assert endpoint("narrow").purge_queue()["removed"] == 0
    assert first.status() == "IN_PROGRESS", "what is under way goes on"
    assert call(shop, stranger, "GET", f"narrow/status/{other}").json()["status"] == "IN_QUEUE", "and what is others'"
    assert call(shop, secret, "POST", "nothing/purge-queue").status_code == 404
    assert first.cancel()["status"] == "CANCELLED"
    assert ended(shop, stranger, "narrow", other)["status"] == "COMPLETED"


def test_an_operation_that_is_not_here_is_refused_in_runpods_words(shop, secret):
    for method, path in (("POST", "judged/purge"), ("GET", "judged/requests"), ("GET", "")):
        answer = call(shop, secret, method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json"), answer.text
        assert answer.json() == {"error": f"There is no operation {method} /v2/{path} here."}
    wrong = call(shop, secret, "GET", "judged/run")
    assert wrong.status_code == 405 and "GET /v2/judged/run" in wrong.json()["error"]


def test_a_job_that_failed_is_tried_again_under_its_own_id(shop, secret, talker):
    talker.status = 500
    job = call(shop, secret, "POST", "other/run", input={"text": "hello"}).json()["id"]
    assert ended(shop, secret, "other", job)["status"] == "FAILED"
    talker.status, talker.pace = 0, 0.2
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: call(shop, secret, "POST", f"other/retry/{job}"), range(4)))
    talker.pace = 0.0
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400], "it is tried once however many ask"
    found = ended(shop, secret, "other", job)
    assert (found["id"], found["status"], found["output"]["text"]) == (job, "COMPLETED", "".join(PLAIN))
    assert tuple(found["output"]["usage"].values()) == talker.claimed[-1]
    told = call(shop, secret, "GET", f"other/stream/{job}").json()
    assert "".join(piece["output"] for piece in told["stream"]) == "".join(PLAIN)
    assert call(shop, secret, "POST", f"other/retry/{job}").status_code == 400, "what went well is not tried again"
    with psycopg.connect(shop.database) as database:
        paid = database.execute("""select outcome, amount from entitlement.usage where tenant_id =
            (select tenant_id from gateway.endpoint_job where id = %s) order by at""", [job.split("-")[0]]).fetchall()
    assert paid == [("failed", 0), ("completed", 1)]


def test_who_was_named_is_told_of_the_end(shop, secret, receiver):
    job = call(shop, secret, "POST", "judged/run", input={"text": "hello"}, webhook=f"{receiver.origin}/done").json()["id"]
    receiver.answers = [500]
    first, second = receiver.wait(2, within=40)
    assert first.path == second.path == "/done" and json.loads(first.body) == json.loads(second.body)
    assert json.loads(second.body) == ended(shop, secret, "judged", job)
    assert second.headers["content-type"] == "application/json"


def test_nothing_is_ever_sent_inside(shop, secret):
    inside = Receiver()
    job = call(shop, secret, "POST", "judged/run", input={"text": "hello"}, webhook=f"{inside.origin}/done").json()["id"]
    ended(shop, secret, "judged", job)
    deadline = time.monotonic() + 20
    with psycopg.connect(shop.database, autocommit=True) as database:
        while not (dead := database.execute("select last_error from jobs.job where kind = 'gateway.tell_jobs_end' and state = 'dead'").fetchall()):
            assert time.monotonic() < deadline
            time.sleep(0.05)  # the queue tells nobody
    assert "https" in dead[0][0] or "public" in dead[0][0]
    assert inside.told == []
    inside.close()
    assert call(shop, secret, "POST", "judged/run", input={"text": "hello"}, webhook="ftp://a.example/").status_code == 400


def test_nobody_else_reads_streams_or_retries_a_job(shop, secret):
    job = call(shop, secret, "POST", "judged/run", input={"text": "hello"}).json()["id"]
    stranger = Person(shop).join().prove_address().key()["secret"]
    for method, what in (("GET", "status"), ("GET", "stream"), ("POST", "retry"), ("POST", "cancel")):
        answer = call(shop, stranger, method, f"judged/{what}/{job}")
        assert answer.status_code == 404 and answer.json()["error"], answer.text
