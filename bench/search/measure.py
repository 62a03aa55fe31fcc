"""How long a search takes as its caller sees it, over 10,000 messages of one guest, against a request that only looks at a page of
chats: `NOREN_BINARY=target/release/noren .venv/bin/python bench/search/measure.py`."""

import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests/blackbox"))

import psycopg  # noqa: E402
from cluster import Cluster  # noqa: E402
from house import House  # noqa: E402
from visitor import Visitor  # noqa: E402

MESSAGES = 10_000
WORDS = "猫 犬 仕事 会社 上司 雨 夜 歌 酒 ビール 友達 電話 家族 母 父 駅 電車 夢 旅 海 山 花火 夏 冬 眠い 疲れた 嬉しい 悲しい ラーメン 温泉".split()
ROUNDS = 60


def fill(house: House, chat: str) -> None:
    """Writes the messages as the room would."""
    lot = random.Random(7)
    with psycopg.connect(house.database) as owner, owner.cursor() as cursor:
        owner.execute("set role service_role")
        tenant = owner.execute("select tenant_id from misaki.chat where id = %s", [chat]).fetchone()[0]
        with cursor.copy("copy misaki.message (id, tenant_id, chat_id, seq, role, text, request_key, created_at) from stdin") as rows:
            for n in range(MESSAGES):
                words = [lot.choice(WORDS) for _ in range(lot.randint(8, 40))]
                if n % 1000 == 0:
                    words.append("蛍")
                made = f"019a0000-0000-7000-8000-{n:012x}"
                rows.write_row((made, tenant, chat, n + 10, "user", "の".join(words), made, "2026-11-01T00:00:00Z"))
        owner.commit()


def times(who: Visitor, path: str, **params: str) -> list[float]:
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        answer = who.web.get(path, params=params)
        found.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    return sorted(found)


def main() -> None:
    cluster = Cluster()
    house = House(cluster.fresh())
    try:
        who = Visitor(house).guest()
        chat = who.post("こんばんは").json()["chat_id"]
        fill(house, chat.removeprefix("chat_"))
        begun = time.perf_counter()
        assert who.web.get("/api/misaki/search", params={"q": "蛍"}, timeout=120).json()["messages"]
        print(f"taking in {MESSAGES} messages at the first search: {time.perf_counter() - begun:.1f} s")
        base = statistics.median(times(who, "/api/misaki/chats"))
        print(f"a page of chats: p50 {base:.1f} ms")
        for query in ("蛍", "猫", "の", "ビール", "ない言葉", "ラーメン 温泉"):
            took = times(who, "/api/misaki/search", q=query)
            p50, p95 = statistics.median(took), took[int(len(took) * 0.95)]
            print(f"{query}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, {p50 / base:.1f} times the page of chats")
    finally:
        house.stop()
        cluster.remove()


if __name__ == "__main__":
    main()
