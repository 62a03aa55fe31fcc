"""What a developer sees of past runs: lists, details, sums that agree with the books, and texts that go when they are told to."""

import concurrent.futures
import csv
import io
import json
import os
import random
import subprocess
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pyarrow.parquet
import pytest

from house import REPOSITORY
from test_inference import Developer, genai_house

# of the random mix
REQUESTS = 5000 if os.environ.get("SOAK") else 340

@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    made = genai_house(cluster, tmp_path_factory)
    yield made
    assert "a sweep failed" not in made.log()
    made.stop()


@pytest.fixture
def developer(shop):
    return Developer(shop)


def said(developer: Developer, text: str, **more) -> str:
    """A run that has ended; its id."""
    answer = developer.start({"prompt": text} | more, wait=30)
    id = answer.headers["location"].rpartition("/")[2]
    developer.ended(id)
    return id


def texts(shop, id: str) -> int:
    """How many rows of the database still hold something of what a run asked or said."""
    with psycopg.connect(shop.database) as database:
        return database.execute("""select (select count(*) from gateway.run_text where run_id = %(id)s)
            + (select count(*) from gateway.run_event where run_id = %(id)s and kind = 'delta')
            + (select count(*) from gateway.run where id = %(id)s and (output <> '' or sealed_output is not null))""", {"id": id.removeprefix("run_")}).fetchone()[0]


def test_the_list_is_filtered_and_paged(developer):
    person = developer.person
    ids = [said(developer, f"番号{n}の話", tags=["even" if n % 2 == 0 else "odd"]) for n in range(5)]
    failed = said(developer, "[fail] だめな話")
    medium = said(developer, "大きい話", model="genai-medium")
    everything = person.all("/history")
    assert [item["id"] for item in everything] == [medium, failed, *reversed(ids)], "the newest first"
    of = lambda **query: [item["id"] for item in person.all("/history", **query)]  # noqa: E731
    assert of(status="failed") == [failed] and of(model="genai-medium") == [medium]
    assert of(tag="even") == [ids[4], ids[2], ids[0]] and of(key=developer.key_id) == [item["id"] for item in everything]
    middle = next(item for item in everything if item["id"] == ids[2])["created_at"]
    assert of(**{"from": middle}) == [medium, failed, ids[4], ids[3], ids[2]] and of(to=middle) == [ids[1], ids[0]]
    assert everything[0]["key"] == {"id": developer.key_id, "name": "a key"} and everything[0]["door"] == "native"
    assert everything[0]["prompt_excerpt"] == "大きい話" and everything[0]["text_excerpt"]


def test_words_are_found_whatever_their_width_case_and_kana(developer):
    tea = said(developer, "ほうじ茶とTEA ROOMの話\n「100%」です")
    said(developer, "こーひーの話")
    for words in ("ほうじ茶", "ホウジ茶", "ﾎｳｼﾞ茶", "tea room", "ＴＥＡ", "100%", "の話\n「"):
        found = developer.person.all("/history", q=words)
        assert tea in [item["id"] for item in found], words
    assert developer.person.all("/history", q="紅茶") == [] and developer.person.all("/history", q="%") != developer.person.all("/history")


def test_the_detail_has_everything_and_its_timeline(developer):
    body = {"system": "短く", "messages": [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}, {"role": "user", "content": "三"}],
            "max_tokens": 30, "temperature": 0.5}
    id = developer.start(body, wait=30).json()["id"]
    detail = developer.person.page(f"/history/{id}")
    assert [(message["role"], message["text"]) for message in detail["messages"]] == [
        ("system", "短く"), ("user", "一"), ("assistant", "二"), ("user", "三")]
    assert detail["parameters"] == {"max_tokens": 30, "temperature": 0.5} and detail["prompt_excerpt"] == "三"
    assert detail["text"] == developer.get(f"/inference/{id}/result").json()["text"] != ""
    assert [moment["what"] for moment in detail["timeline"]] == ["asked", "started", "completed"]
    assert [moment["at"] for moment in detail["timeline"]] == sorted(moment["at"] for moment in detail["timeline"])


def test_what_came_by_other_doors_is_in_the_history_too(developer):
    url = developer.house.inference
    chat = {"model": "genai-small", "messages": [{"role": "user", "content": "OpenAIの扉"}]}
    httpx.post(f"{url}/v1/chat/completions", json=chat, headers=developer.headers, timeout=30).raise_for_status()
    httpx.post(f"{url}/v2/genai-small/runsync", json={"input": {"text": "RunPodの扉"}}, headers=developer.headers, timeout=30).raise_for_status()
    assert [(item["door"], item["prompt_excerpt"]) for item in developer.person.all("/history")] == [
        ("runpod", "RunPodの扉"), ("openai", "OpenAIの扉")]


def test_a_text_that_is_deleted_is_gone_at_once_and_its_bill_stays(shop, developer):
    id = said(developer, "消える話")
    before = developer.person.page("/billing/usage", storefront="genai")["items"]
    deleted = developer.person.web.delete(f"/history/{id}")
    assert deleted.status_code == 204 and texts(shop, id) == 0
    gone = developer.get(f"/inference/{id}/result")
    assert (gone.status_code, gone.json()["code"]) == (410, "text_deleted")
    assert developer.get(f"/inference/{id}/events").status_code == 410
    detail = developer.person.page(f"/history/{id}")
    assert (detail["messages"], detail["text"], detail["prompt_excerpt"], detail["is_stored"]) == (None, None, None, False)
    assert detail["timeline"][-1]["what"] == "text_deleted" and detail["tokens"]["output"] > 0
    assert developer.person.all("/history", q="消える") == []
    assert developer.person.page("/billing/usage", storefront="genai")["items"] == before
    assert developer.person.web.delete(f"/history/{id}").status_code == 204, "twice does no harm"


def test_what_is_under_way_is_not_deleted_and_others_runs_do_not_exist(shop, developer):
    id = developer.start({"prompt": "[slow] ゆっくり"}).json()["id"]
    refused = developer.person.web.delete(f"/history/{id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "inference_under_way")
    other = Developer(shop)
    assert other.person.web.delete(f"/history/{id}").status_code == 404
    assert other.person.web.get(f"/history/{id}").status_code == 404
    assert other.person.web.post("/history/delete", json={"ids": [id]}).json() == {"deleted": 0}
    httpx.post(f"{shop.inference}/inference/{id}/cancel", headers=developer.headers)


def test_many_are_deleted_together(shop, developer):
    ids = [said(developer, f"話{n}") for n in range(4)]
    failed = said(developer, "[fail] だめ")
    web = developer.person.web
    refused = web.post("/history/delete", json={})
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_named")
    assert web.post("/history/delete", json={"ids": ids[:2]}).json() == {"deleted": 2}
    assert [texts(shop, id) for id in ids] == [0, 0, *[texts(shop, id) for id in ids[2:]]] and texts(shop, ids[2]) > 0
    assert web.post("/history/delete", json={"status": "failed"}).json() == {"deleted": 1} and texts(shop, failed) == 0
    assert web.post("/history/delete", json={"before": datetime.now(UTC).isoformat()}).json() == {"deleted": 2}


def test_statistics_history_usage_and_ledger_agree_for_a_random_mix(shop, developer):
    """Well over three hundred requests (5,000 with SOAK set) of every kind: good, failed, cancelled, refused, by several doors and keys."""
    chance = random.Random(7)
    second = developer.person.key(name="second")
    keys = {developer.key_id: developer.headers, second["key"]["id"]: {"x-api-key": second["secret"]}}
    kinds = ["good"] * 6 + ["medium", "failed", "cut", "cancelled", "refused", "openai", "unstored"]

    def one(kind: str) -> None:
        headers, url = chance.choice(list(keys.values())), shop.inference
        post = lambda body, path="/inference", **more: httpx.post(f"{url}{path}", json=body, headers=headers | more, timeout=60)  # noqa: E731
        if kind == "good":
            post({"prompt": "ひと言", "tags": chance.sample(["a", "b"], chance.randint(0, 2))}, prefer="wait=30")
        elif kind == "medium":
            post({"prompt": "ひと言", "model": "genai-medium"}, prefer="wait=30")
        elif kind == "failed":
            post({"prompt": "[garble]"}, prefer="wait=30")
        elif kind == "cut":
            post({"prompt": "ひと言", "max_tokens": 1}, prefer="wait=30")
        elif kind == "cancelled":
            id = post({"prompt": "[long 300] 話"}).json()["id"]
            post({}, f"/inference/{id}/cancel")
        elif kind == "refused":
            assert post({"prompt": "ひと言", "model": "no-such"}).status_code == 404
        elif kind == "openai":
            post({"model": "genai-small", "messages": [{"role": "user", "content": "ひと言"}]}, "/v1/chat/completions")
        else:
            post({"prompt": "ひと言", "store": False}, prefer="wait=30")

    mix = [chance.choice(kinds) for _ in range(REQUESTS)] + kinds
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(one, mix))
    person, deadline = developer.person, time.monotonic() + 60
    while person.page("/history", status="processing")["items"] or person.page("/history", status="queued")["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # until all have ended
    history = person.all("/history")
    assert len(history) == len([kind for kind in mix if kind != "refused"])
    assert {item["status"] for item in history} == {"completed", "failed", "cancelled"}

    def sums(items: list[dict]) -> dict:
        return {"requests": len(items), **{status: sum(item["status"] == status for item in items) for status in ("completed", "failed", "cancelled")},
                "tokens": {name: sum(item["tokens"][name] for item in items) for name in ("input", "output", "cached", "written", "thought")},
                "cost_nano_usd": sum(item["cost_nano_usd"] for item in items)}

    def stated(found: dict) -> dict:
        return {name: found[name] for name in ("requests", "completed", "failed", "cancelled", "tokens", "cost_nano_usd")}

    told = person.page("/statistics")
    assert stated(told["totals"]) == sums(history) and told["groups"] == []
    done, failed = told["totals"]["completed"], told["totals"]["failed"]
    assert told["totals"]["success_rate"] == round(done / (done + failed), 4)
    times = sorted(item["processing_time_ms"] for item in history)
    assert abs(told["totals"]["mean_ms"] - sum(times) / len(times)) <= 1
    assert times[int(len(times) * 0.95) - 1] - 1 <= told["totals"]["p95_ms"] <= times[min(int(len(times) * 0.95) + 1, len(times) - 1)] + 1
    place = {"model": lambda item: item["model"], "key": lambda item: item["key"]["id"], "hour": lambda item: item["created_at"][:13] + ":00:00Z",
             "minute": lambda item: item["created_at"][:16] + ":00Z"}
    for by, of in place.items():
        groups = {group["id"] or group["name"]: stated(group) for group in person.page("/statistics", by=by)["groups"]}
        assert groups == {name: sums([item for item in history if of(item) == name]) for name in {of(item) for item in history}}, by
    by_tag = {group["name"]: group["requests"] for group in person.page("/statistics", by="tag")["groups"]}
    assert by_tag == {tag: sum(tag in item["tags"] or (tag == "" and not item["tags"]) for item in history) for tag in ("", "a", "b")}
    days = person.page("/statistics", by="day")
    assert sum(group["requests"] for group in days["groups"]) == len(history) and days["zone"] == "Asia/Tokyo"

    usage = person.all("/billing/usage", storefront="genai")
    assert {row["run_id"] for row in usage} == {item["id"] for item in history}
    by_run = {item["id"]: item for item in history}
    for row in usage:
        item = by_run[row["run_id"]]
        assert (row["outcome"], row["tokens_in"], row["tokens_out"], row["cost_nano_usd"]) == (
            item["status"], item["tokens"]["input"], item["tokens"]["output"], item["cost_nano_usd"])
    spent = sum(row["amount"] for row in usage)
    plan = person.page("/billing/plan", storefront="genai")
    assert next(quota for quota in plan["quotas"] if quota["unit"] == "genai.chat")["used"] == spent

    table = person.web.get("/statistics", params={"by": "model"}, headers={"accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = {line["name"]: line for line in csv.DictReader(io.StringIO(table.text))}
    assert {name: int(line["cost_nano_usd"]) for name, line in lines.items()} == {
        group["name"]: group["cost_nano_usd"] for group in person.page("/statistics", by="model")["groups"]}
    for by in ("none", *place, "tag", "day"):
        same_as_csv(person, by, days["zone"])
    whole = parquet_of(person, "minute")
    assert sum(whole["cost_nano_usd"].to_pylist()) == sum(row["cost_nano_usd"] for row in usage)
    assert sum(whole["tokens_output"].to_pylist()) == sum(row["tokens_out"] for row in usage)


def parquet_of(person, by: str) -> pyarrow.Table:
    answer = person.web.get("/statistics", params={"by": by}, headers={"accept": "application/vnd.apache.parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == 'attachment; filename="noren-genai.parquet"'
    return pyarrow.parquet.read_table(io.BytesIO(answer.content))


def same_as_csv(person, by: str, zone: str) -> None:
    """The rows of the CSV, with types; groups of time tell when they begin as well."""
    table = parquet_of(person, by)
    types = {field.name: str(field.type) for field in table.schema}
    assert (types.pop("name"), types.pop("id"), types.pop("starts_at"), types.pop("success_rate")) == (
        "string", "string", "timestamp[us, tz=UTC]", "double")
    assert set(types.values()) == {"int64"} and "cost_nano_usd" in types
    lines = list(csv.DictReader(io.StringIO(person.web.get("/statistics", params={"by": by}, headers={"accept": "text/csv"}).text)))
    assert table.column_names == ["name", "id", "starts_at", *list(lines[0])[2:]] and table.num_rows == len(lines) > 0
    for row, line in zip(table.to_pylist(), lines, strict=True):
        starts_at = row.pop("starts_at")
        if by in ("hour", "minute"):
            assert starts_at == datetime.fromisoformat(line["name"]), by
        elif by == "day":
            assert starts_at.astimezone(ZoneInfo(zone)).isoformat()[:19] == f"{line['name']}T00:00:00"
        else:
            assert starts_at is None
        rate, told = row.pop("success_rate"), line.pop("success_rate")
        assert rate == (float(told) if told else None)
        assert {name: "" if value is None else str(value) for name, value in row.items()} == line, by


def test_the_rust_that_the_playground_shows_runs(shop, developer):
    """As it is shown, word for word (snippets.test.ts); only the name that stands in it is led here, as a proxy would."""
    program = REPOSITORY / "target/debug/examples/ask"
    assert program.exists(), "cargo build -p testkit --example ask"
    environment = {"NOREN_API_KEY": developer.headers["x-api-key"], "http_proxy": shop.inference}
    said = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=90)
    assert said.returncode == 0, said.stderr
    [item] = developer.person.all("/history")
    detail = developer.person.page(f"/history/{item['id']}")
    assert said.stdout == f"{detail['text']}\n" and detail["text"]
    assert [message["text"] for message in detail["messages"]] == [
        "Be brief.", "It's \"quoted\", $HOME `id` \\n, 暖簾 🏮\nnull true\t\b"]
    assert detail["parameters"] == {"max_tokens": 64, "temperature": pytest.approx(0.2)}


def test_who_watches_sees_each_change_of_state(shop, developer):
    cookies = "; ".join(f"{name}={value}" for name, value in dict(developer.person.web.cookies).items())
    under_way = developer.start({"prompt": "[slow] ゆっくり"}).json()["id"]
    with httpx.stream("GET", f"{shop.account}/history/events", headers={"cookie": cookies}, timeout=30) as stream:
        lines = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data:"))
        first = next(lines)
        assert first["id"] == under_way and first["status"] in ("queued", "processing") and first["prompt_excerpt"] == "[slow] ゆっくり"
        httpx.post(f"{shop.inference}/inference/{under_way}/cancel", headers=developer.headers)
        new = developer.start({"prompt": "新しい話"}).json()["id"]
        other = Developer(shop)
        foreign = said(other, "よその話")
        seen: dict[str, list[str]] = {}
        while not (seen.get(under_way, [""])[-1] == "cancelled" and seen.get(new, [""])[-1] == "completed"):
            item = next(lines)
            seen.setdefault(item["id"], []).append(item["status"])
        assert foreign not in seen


def test_models_have_prices_and_the_status_page_tells_what_happened(shop, developer):
    said(developer, "ひと言")
    items = developer.person.page("/genai/models")["items"]
    small = next(item for item in items if item["name"] == "genai-small")
    assert small["in_plan"] and small["cheapest_plan"] == "free" and small["price"]["input_nano_usd"] > 0 and small["kind"] == "chat"
    deadline = time.monotonic() + 20
    while True:
        answer = httpx.get(f"{shop.account}/status")
        known = {item["model"]: item for item in answer.json()["items"]}
        providers = {item["provider"]: item for item in answer.json()["providers"]}
        if "genai-small" in known and providers or time.monotonic() > deadline:
            break
        time.sleep(0.5)  # what is told to everybody is some seconds old
    assert known["genai-small"]["health"] in ("up", "slow", "down") and known["genai-small"]["p50_ms"] >= 0
    assert providers and all(one["health"] in ("up", "slow", "down") and 0 < one["success_rate_1h"] <= 1 for one in providers.values())


def test_what_does_not_open_is_marked_in_the_list_and_told_where_it_is_asked_for(shop, developer):
    changed, right = said(developer, "変えられる話"), said(developer, "残る話")
    with psycopg.connect(shop.database) as database:
        for table, column, id in (("run", "sealed_output", "id"), ("run_text", "sealed", "run_id"), ("run_event", "sealed", "run_id")):
            database.execute(f"update gateway.{table} set {column} = set_byte({column}, 40, get_byte({column}, 40) # 1) where {id} = %s",
                             [changed.removeprefix("run_")])
    items = {item["id"]: item for item in developer.person.all("/history")}
    assert (items[changed]["is_closed"], items[changed]["prompt_excerpt"], items[changed]["text_excerpt"]) == (True, None, None)
    assert (items[right]["is_closed"], items[right]["prompt_excerpt"]) == (False, "残る話")
    assert [item["id"] for item in developer.person.all("/history", q="る話")] == [right]
    detail = developer.person.page(f"/history/{changed}")
    assert (detail["is_closed"], detail["messages"], detail["text"]) == (True, None, None)
    refused = developer.get(f"/inference/{changed}/result")
    assert (refused.status_code, refused.json()["code"], refused.headers["content-type"]) == (503, "text_closed", "application/problem+json")
    assert "封じられて" in refused.text and "sealed" in refused.text
    assert developer.get(f"/inference/{right}/result").status_code == 200


# --- how long texts are kept -------------------------------------------------------------------------------------


def age(shop, id: str, by: timedelta) -> None:
    """Makes a run older."""
    with psycopg.connect(shop.database) as database:
        database.execute("update gateway.run set ended_at = ended_at - %s, created_at = created_at - %s where id = %s", [by, by, id.removeprefix("run_")])


def await_gone(shop, id: str) -> None:
    deadline = time.monotonic() + 20
    while texts(shop, id):
        assert time.monotonic() < deadline, "the sweep never came"
        time.sleep(0.2)  # the sweep tells nobody


def test_who_wants_nothing_kept_leaves_no_question_and_soon_no_answer(shop, developer):
    id = said(developer, "内緒の話", store=False)
    by_header = developer.start({"prompt": "内緒の話"}, wait=30, **{"x-noren-store": "false"}).json()["id"]
    with psycopg.connect(shop.database) as database:
        unwritten = [run.removeprefix("run_") for run in (id, by_header)]
        assert database.execute("select count(*) from gateway.run_text where run_id = any(%s::uuid[])", [unwritten]).fetchone() == (0,)
    assert developer.get(f"/inference/{id}/result").status_code == 200, "for a minute"
    for run in (id, by_header):
        age(shop, run, timedelta(seconds=61))
        await_gone(shop, run)
    assert developer.get(f"/inference/{id}/result").status_code == 410


def test_rules_of_a_tenant_and_of_a_key_let_go_of_texts(shop, developer):
    web = developer.person.web
    assert developer.person.page("/genai/retention") == {"tenant": {"keep": "always", "days": None}, "keys": []}
    refused = web.put("/genai/retention", json={"keep": "days"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    old, young = said(developer, "古い話"), said(developer, "新しい話")
    assert web.put("/genai/retention", json={"keep": "days", "days": 7}).json()["tenant"] == {"keep": "days", "days": 7}
    age(shop, old, timedelta(days=8))
    await_gone(shop, old)
    assert texts(shop, young) > 0
    ruled = web.put(f"/genai/retention/{developer.key_id}", json={"keep": "metadata"})
    assert ruled.json()["keys"] == [{"key": {"id": developer.key_id, "name": "a key"}, "keep": "metadata", "days": None}]
    unwritten = said(developer, "書かれない話")
    with psycopg.connect(shop.database) as database:
        assert database.execute("select count(*) from gateway.run_text where run_id = %s", [unwritten.removeprefix("run_")]).fetchone() == (0,)
    detail = developer.person.page(f"/history/{unwritten}")
    assert detail["messages"] is None and detail["tokens"]["output"] > 0, "what it was is known"
    age(shop, young, timedelta(minutes=11))
    await_gone(shop, young)
    assert web.delete(f"/genai/retention/{developer.key_id}").status_code == 204
    assert developer.person.page("/genai/retention")["keys"] == []
    stranger = Developer(shop)
    assert stranger.person.web.put(f"/genai/retention/{developer.key_id}", json={"keep": "none"}).status_code == 404


def test_a_demo_user_calls_the_door_at_once(shop):
    from visitor import Visitor

    visitor = Visitor(shop).demo("free")
    plan = visitor.page("/billing/plan", storefront="genai")
    answer = httpx.post(f"{shop.inference}/inference", json={"prompt": "ひと言"}, timeout=40,
                        headers={"authorization": f"Bearer {plan['inference']['token']}", "prefer": "wait=30"})
    assert answer.status_code == 200 and answer.json()["text"]
    assert visitor.page("/history")["items"][0]["id"] == answer.json()["id"]
