"""How long a search of the history takes as its caller sees it, over 10,000 runs of one person, and a page of it without words:
`NOREN_BINARY=target/release/noren .venv/bin/python bench/search/history.py`."""

import pathlib
import random
import statistics
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests/blackbox"))

import psycopg  # noqa: E402
from cluster import Cluster  # noqa: E402
from house import House, run  # noqa: E402
from measure import WORDS  # noqa: E402
from test_inference import Developer  # noqa: E402

RUNS = 10_000
ROUNDS = 20


def fill(house: House, like: str) -> None:
    """Writes runs as they were written before they were sealed."""
    lot = random.Random(7)

    def text(n: int) -> str:
        words = [lot.choice(WORDS) for _ in range(lot.randint(60, 200))]
        if n % 1000 == 0:
            words.append("蛍")
        return "の".join(words)

    ids = [str(uuid.UUID(int=(0x019A << 112) + n)) for n in range(RUNS)]
    asked, answered = [text(n) for n in range(RUNS)], [text(1) for _ in range(RUNS)]
    with psycopg.connect(house.database) as owner:
        owner.execute("set local session_replication_role = replica")
        owner.execute("""insert into gateway.run (id, tenant_id, reservation_id, storefront, route, model, node_id, lease_until, state, output,
                created_at, ended_at)
            select made.id, tenant_id, gen_random_uuid(), storefront, route, model, node_id, lease_until, state, made.text,
                created_at - n * interval '1 second', ended_at
            from gateway.run r, unnest(%s::uuid[], %s::text[]) with ordinality as made (id, text, n) where r.id = %s""", [ids, answered, like])
        owner.execute("""insert into gateway.run_text (run_id, tenant_id, request)
            select made.id, tenant_id, jsonb_build_object('parameters', jsonb_build_object(), 'messages', jsonb_build_array(
                jsonb_build_object('role', 'user', 'text', made.text, 'images', 0, 'tool_calls', jsonb_build_array())))
            from gateway.run r, unnest(%s::uuid[], %s::text[]) as made (id, text) where r.id = %s""", [ids, asked, like])
    with psycopg.connect(house.database, autocommit=True) as owner:
        owner.execute("vacuum analyze gateway.run, gateway.run_text")


def whole(person, text: str) -> tuple[float, int, int]:
    """(ms to the first page, ms to its last, pages) of a search for this"""
    begun, first, pages, cursor = time.perf_counter(), None, 0, {}
    while True:
        answer = person.web.get("/history", params={"q": text, "limit": 100} | cursor, timeout=120)
        assert answer.status_code == 200, answer.text
        pages += 1
        took = (time.perf_counter() - begun) * 1000
        first = first or took
        if answer.json()["next_cursor"] is None or len(answer.json()["items"]) == 100:
            return first, took, pages
        cursor = {"cursor": answer.json()["next_cursor"]}


def main() -> None:
    cluster = Cluster()
    house = House(cluster.fresh())
    try:
        developer = Developer(house)
        like = developer.start({"prompt": "こんばんは"}, wait=30).json()["id"]
        developer.ended(like)
        fill(house, like.removeprefix("run_"))
        begun = time.perf_counter()
        said = run("seal", "reseal", DATABASE_URL=house.database)
        print(f"sealing {RUNS} runs: {time.perf_counter() - begun:.1f} s, {said.stdout.strip()}")
        person = developer.person
        took = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            assert person.web.get("/history", params={"limit": 100}).status_code == 200
            took.append((time.perf_counter() - begun) * 1000)
        print(f"a page of 100 runs: p50 {statistics.median(took):.1f} ms")
        for text in ("蛍", "猫", "の", "ビール", "ない言葉"):
            rounds = [whole(person, text) for _ in range(ROUNDS)]
            first, last = (statistics.median(column) for column in list(zip(*rounds, strict=True))[:2])
            slowest = sorted(one[0] for one in rounds)[int(ROUNDS * 0.95)]
            print(f"{text}: first page p50 {first:.1f} ms, p95 {slowest:.1f} ms; all of {rounds[0][2]} pages {last:.1f} ms")
    finally:
        house.stop()
        cluster.remove()


if __name__ == "__main__":
    main()
