"""Quota, rate and concurrency: exact under parallel fire, also over two processes."""

import concurrent.futures
import time
import uuid

import pytest

from house import REPOSITORY, House, run
from visitor import FREE_QUESTION, Visitor, check_books

# The plans of the product with a guest who may be quick: then only the quota of 10 is left to stop 64 at once.
WIDE = 'limits = { per_minute = 6, concurrent = 1 }'


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    text = (REPOSITORY / "plans/default.toml").read_text()
    assert text.count(WIDE) == 1
    path = tmp_path_factory.mktemp("plans") / "wide.toml"
    path.write_text(text.replace(WIDE, "limits = { per_minute = 1000, concurrent = 100 }"))
    return path


@pytest.fixture(scope="module")
def two_houses(cluster, plans):
    """Two processes on one database, whose guests are limited by quota alone."""
    database = cluster.fresh()
    first = House(database, NOREN__PLANS__FILE=str(plans))
    second = House(database, NOREN__PLANS__FILE=str(plans))
    yield first, second, database
    assert first.stop() == 0
    assert second.stop() == 0
    verified = run("verify", DATABASE_URL=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def fire(visitor: Visitor, times: int, addresses: list[str], tell: str = "") -> list:
    """Sends `times` messages at once, in turn to the addresses."""
    token = visitor.plan()["inference"]["token"]
    with concurrent.futures.ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda n: visitor.post(f"{tell}{FREE_QUESTION} {n}", token=token, at=addresses[n % len(addresses)]),
                             range(times)))


@pytest.mark.parametrize("nodes", [1, 2])
def test_64_messages_at_once_against_a_quota_of_10_admit_exactly_10(two_houses, nodes):
    first, second, _ = two_houses
    visitor = Visitor(first).guest()
    assert visitor.plan()["limits"] == {"per_minute": 1000, "concurrent": 100}
    left = visitor.quota()["available"]
    answers = fire(visitor, 64, [first.inference, second.inference][:nodes])
    codes = [answer.status_code for answer in answers]
    assert codes.count(202) == left == 10 and set(codes) == {202, 402}, codes
    refused = next(answer for answer in answers if answer.status_code == 402).json()
    assert refused["code"] == "quota_exhausted" and refused["suggestion"]["plan"] and refused["suggestion"]["url"].startswith("/")
    assert refused["suggestion"]["title"]["ja"] and refused["suggestion"]["title"]["en"]
    for answer in answers:
        if answer.status_code == 202:
            assert visitor.events(answer.json()["run_id"])[-1].data["state"] == "completed"
    quota = visitor.quota()
    assert (quota["available"], quota["held"], quota["used"]) == (0, 0, 10)
    assert visitor.post("こんばんは").status_code == 200, "a canned phrase stays free"
    check_books(visitor)


def test_a_run_of_one_process_is_read_and_stopped_at_the_other(two_houses):
    first, second, _ = two_houses
    visitor = Visitor(first).guest()
    sent = visitor.start("[slow] ゆっくり聞かせてください")
    stream = visitor.stream(sent["run_id"], at=second.inference)
    heard = [next(stream) for _ in range(4)]
    assert [event.id for event in heard] == [1, 2, 3, 4]
    visitor.house = second
    assert visitor.cancel(sent["run_id"]).status_code == 200
    heard += list(stream)
    assert heard[-1].name == "ended" and heard[-1].data["state"] == "cancelled"
    check_books(visitor)


def test_a_guest_has_one_answer_at_a_time_and_is_told_when_to_come_back(house):
    visitor = Visitor(house).guest()
    sent = visitor.start("[slow] ゆっくり聞かせてください")
    second = visitor.post(FREE_QUESTION)
    assert second.status_code == 429 and second.json()["code"] == "concurrency_exceeded"
    assert int(second.headers["retry-after"]) == second.json()["retry_after"] >= 1
    assert visitor.quota()["held"] == 1, "the refusal held nothing"
    visitor.cancel(sent["run_id"])
    visitor.events(sent["run_id"])
    assert visitor.post(FREE_QUESTION).status_code == 202, "the place is free again"


def test_a_minutes_rate_is_kept_and_costs_no_quota(house):
    visitor = Visitor(house).guest()
    limit = visitor.plan()["limits"]["per_minute"]
    begun = time.monotonic()
    admitted = 0
    refused = None
    while refused is None and time.monotonic() - begun < 55:
        answer = visitor.post(f"{FREE_QUESTION} {admitted}")
        if answer.status_code == 202:
            admitted += 1
            visitor.events(answer.json()["run_id"])
        else:
            refused = answer
    assert refused is not None and refused.status_code == 429 and refused.json()["code"] == "rate_exceeded", refused
    assert admitted == limit
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert visitor.quota()["used"] == limit
    check_books(visitor)


def test_64_at_once_never_have_two_places_where_one_is_allowed(house):
    visitor = Visitor(house).guest()
    answers = fire(visitor, 64, [house.inference], "[slow] ")
    admitted = [answer for answer in answers if answer.status_code == 202]
    assert len(admitted) == 1, [answer.status_code for answer in answers]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} <= {"concurrency_exceeded", "rate_exceeded"}
    visitor.cancel(admitted[0].json()["run_id"])
    visitor.events(admitted[0].json()["run_id"])
    assert visitor.quota()["held"] == 0
    check_books(visitor)


def test_a_run_that_is_sent_twice_at_two_processes_is_one_run(two_houses):
    first, second, _ = two_houses
    visitor = Visitor(first).guest()
    key, token = str(uuid.uuid4()), visitor.plan()["inference"]["token"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: visitor.post(FREE_QUESTION, key=key, token=token,
                                                       at=(first, second)[n % 2].inference), range(8)))
    runs = {answer.json()["run_id"] for answer in answers if answer.status_code == 202}
    assert len(runs) == 1 and {answer.status_code for answer in answers} <= {202, 409}
    visitor.events(runs.pop())
    assert visitor.quota()["used"] == 1
    check_books(visitor)


def test_plans_that_were_applied_by_hand_are_still_in_force_after_a_restart(cluster, plans):
    database = cluster.fresh()
    first = House(database)
    Visitor(first).guest()
    assert first.stop() == 0
    applied = run("plans", "apply", plans, DATABASE_URL=database)
    assert applied.returncode == 0, applied.stderr
    house = House(database)
    limits = Visitor(house).guest().plan()["limits"]
    house.stop()
    assert limits == {"per_minute": 1000, "concurrent": 100}


def test_plans_that_are_applied_hold_in_a_running_house_within_seconds(cluster, tmp_path):
    database = cluster.fresh()
    houses = [House(database), House(database)]
    visitor = Visitor(houses[0]).guest()
    first = visitor.post(FREE_QUESTION)
    visitor.events(first.json()["run_id"])
    path = tmp_path / "tight.toml"
    path.write_text((REPOSITORY / "plans/default.toml").read_text().replace(WIDE, "limits = { per_minute = 2, concurrent = 1 }"))
    applied = run("plans", "apply", path, DATABASE_URL=database)
    assert applied.returncode == 0, applied.stderr
    deadline = time.monotonic() + 5
    while any(Visitor(house).guest().plan()["limits"]["per_minute"] != 2 for house in houses):
        assert time.monotonic() < deadline, "as fast as models"
        time.sleep(0.1)  # a node tells nobody which plans it knows
    # what this process took of the limit of before is not given out any more
    second = visitor.post(FREE_QUESTION + " 2")
    assert second.status_code == 202, second.text
    visitor.events(second.json()["run_id"])
    third = visitor.post(FREE_QUESTION + " 3")
    assert (third.status_code, third.json()["code"]) == (429, "rate_exceeded")
    check_books(visitor)
    for house in houses:
        assert house.stop() == 0


@pytest.fixture
def hundred(tmp_path):
    """Plans whose guest has 100 answers and no other limit that matters."""
    text = (REPOSITORY / "plans/default.toml").read_text()
    text = text.replace(WIDE, "limits = { per_minute = 100000, concurrent = 10000 }").replace("amount = 10,", "amount = 100,", 1)
    path = tmp_path / "hundred.toml"
    path.write_text(text)
    return path


def test_1000_at_once_at_two_processes_against_100_units_admit_exactly_100_also_after_both_are_killed(cluster, hundred):
    database = cluster.fresh()
    houses = [House(database, NOREN__PLANS__FILE=str(hundred), NOREN__GATEWAY__SILENCE_SECONDS="300") for _ in range(2)]
    visitor = Visitor(houses[0]).guest()
    token = visitor.plan()["inference"]["token"]

    def ask(n: int) -> int:
        # the whole work is under way at once: nothing of it ends before the processes are killed
        while True:
            answer = visitor.post(f"[stall] {FREE_QUESTION} {n}", token=token, at=houses[n % 2].inference)
            if answer.status_code != 503:  # a busy pool says so and is asked again
                return answer.status_code

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        codes = list(pool.map(ask, range(1000)))
    assert (codes.count(202), codes.count(402)) == (100, 900), {code: codes.count(code) for code in set(codes)}
    assert (visitor.quota()["available"], visitor.quota()["held"]) == (0, 100)

    for house in houses:
        house.kill()
    house = House(database, NOREN__PLANS__FILE=str(hundred))
    back = Visitor(house)
    back.web.cookies = visitor.web.cookies
    visitor = back
    deadline = time.monotonic() + 45
    while visitor.quota()["held"]:
        assert time.monotonic() < deadline, visitor.quota()
        time.sleep(0.5)
    assert (visitor.quota()["available"], visitor.quota()["used"]) == (100, 0), "what the dead kept is back"
    verified = run("verify", DATABASE_URL=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert house.stop() == 0
    for dead in houses:
        dead.stop()
