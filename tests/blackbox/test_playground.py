"""Conversations at the playground: runs that belong together, opened again, named, and gone with their words."""

import json
import uuid

import httpx
import psycopg
import pytest

from people import Person, is_refused
from test_history import said, texts
from test_inference import Developer, genai_house


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    made = genai_house(cluster, tmp_path_factory)
    yield made
    made.stop()


@pytest.fixture
def developer(shop):
    return Developer(shop)


def begin(person: Person, run: str, turn: str = "", place: int = 0) -> httpx.Response:
    return person.web.post("/genai/talks", json={"run_id": run, "turn": turn or str(uuid.uuid4()), "place": place})


def go_on(person: Person, talk: str, run: str, turn: str = "", place: int = 0) -> httpx.Response:
    return person.web.post(f"/genai/talks/{talk}/runs", json={"run_id": run, "turn": turn or str(uuid.uuid4()), "place": place})


def test_what_was_asked_is_opened_again_with_its_turns_and_columns(developer):
    person, turn = developer.person, str(uuid.uuid4())
    first, second = said(developer, "一の問い"), said(developer, "一の問い", model="genai-medium")
    begun = begin(person, first, turn)
    assert begun.status_code == 201 and begun.json()["excerpt"] == "一の問い" and begun.json()["title"] is None
    id = begun.json()["id"]
    assert go_on(person, id, second, turn, 1).status_code == 200
    third = said(developer, "二の問い")
    assert go_on(person, id, third).status_code == 200
    talk = person.page(f"/genai/talks/{id}")
    assert [(turn["asked"], [(answer["id"], answer["place"]) for answer in turn["answers"]]) for turn in talk["turns"]] == [
        ("一の問い", [(first, 0), (second, 1)]), ("二の問い", [(third, 0)])]
    for turn in talk["turns"]:
        for answer in turn["answers"]:
            kept = person.page(f"/history/{answer['id']}")
            assert answer["text"] == kept["text"] and answer["cost_nano_usd"] == kept["cost_nano_usd"]
    assert person.page("/genai/talks")["items"] == [{name: talk[name] for name in talk if name != "turns"}]


def test_the_last_used_comes_first_and_the_list_is_paged(developer):
    person = developer.person
    runs = [said(developer, f"話{n}") for n in range(4)]
    talks = [begin(person, run).json()["id"] for run in runs[:3]]
    assert go_on(person, talks[0], runs[3]).status_code == 200
    assert [talk["id"] for talk in person.all("/genai/talks")] == [talks[0], talks[2], talks[1]]
    first = person.page("/genai/talks", limit=2)
    assert [talk["id"] for talk in first["items"]] == [talks[0], talks[2]] and first["next_cursor"]


def test_to_say_it_twice_is_to_say_it_once_and_a_run_is_in_one_talk(developer):
    person, turn = developer.person, str(uuid.uuid4())
    one, two, three = said(developer, "一"), said(developer, "二"), said(developer, "三")
    id = begin(person, one, turn).json()["id"]
    assert begin(person, one).json()["id"] == id
    other = begin(person, two).json()["id"]
    assert go_on(person, id, one, turn).status_code == 200
    for answer, code in ((go_on(person, other, one), "run_in_another_talk"), (go_on(person, id, three, turn), "talk_place_taken")):
        assert answer.status_code == 409 and answer.json()["code"] == code, answer.text
    assert len(person.page(f"/genai/talks/{id}")["turns"]) == 1 and len(person.page("/genai/talks")["items"]) == 2


def test_a_talk_has_room_for_two_hundred(shop, developer):
    person, run = developer.person, said(developer, "最後")
    id = begin(person, said(developer, "最初")).json()["id"]
    with psycopg.connect(shop.database) as database:
        # 199 more requests that nobody has to wait for; that there are none of these ids is not looked at
        database.execute("set local session_replication_role = replica")
        database.execute("""insert into genai.talk_run (run_id, talk_id, tenant_id, turn, place, asked_at)
            select gen_random_uuid(), id, tenant_id, gen_random_uuid(), 0, now() from genai.talk, generate_series(1, 199)
            where id = %s""", [id.removeprefix("talk_")])
    full = go_on(person, id, run)
    assert full.status_code == 409 and full.json()["code"] == "talk_full"


def test_a_name_comes_and_goes(developer):
    person = developer.person
    id = begin(person, said(developer, "名前のない話")).json()["id"]
    named = person.web.patch(f"/genai/talks/{id}", json={"title": " 暖簾の話 "})
    assert named.json()["title"] == "暖簾の話" and person.page("/genai/talks")["items"][0]["title"] == "暖簾の話"
    assert person.web.patch(f"/genai/talks/{id}", json={"title": None}).json()["title"] is None
    for wrong in ("", "  ", "長" * 101):
        assert person.web.patch(f"/genai/talks/{id}", json={"title": wrong}).status_code == 422


def test_what_is_deleted_is_gone_with_its_words_and_stays_paid(shop, developer):
    person = developer.person
    runs = [said(developer, "消える話"), said(developer, "これも")]
    id = begin(person, runs[0]).json()["id"]
    go_on(person, id, runs[1])
    assert all(texts(shop, run) > 0 for run in runs)
    before = {run: person.page(f"/history/{run}")["cost_nano_usd"] for run in runs}
    assert person.web.delete(f"/genai/talks/{id}").status_code == 204
    assert [texts(shop, run) for run in runs] == [0, 0]
    assert person.web.get(f"/genai/talks/{id}").status_code == 404 and person.page("/genai/talks")["items"] == []
    assert {run: person.page(f"/history/{run}")["cost_nano_usd"] for run in runs} == before
    with psycopg.connect(shop.database) as database:
        assert database.execute("select count(*) from genai.talk_run where run_id = any(%s)",
                                [[run.removeprefix("run_") for run in runs]]).fetchone() == (0,)


def test_one_that_is_under_way_is_not_deleted_until_it_was_stopped(developer):
    person = developer.person
    run = developer.start({"prompt": "[slow][long 300] 終わらない話"}).headers["location"].rpartition("/")[2]
    id = begin(person, run).json()["id"]
    refused = person.web.delete(f"/genai/talks/{id}")
    assert refused.status_code == 409 and refused.json()["code"] == "inference_under_way", refused.text
    assert person.page(f"/genai/talks/{id}")["turns"][0]["answers"][0]["text"] is None
    httpx.post(f"{developer.house.inference}/inference/{run}/cancel", headers=developer.headers).raise_for_status()
    developer.ended(run)
    assert person.web.delete(f"/genai/talks/{id}").status_code == 204


def test_the_list_says_what_is_not_kept_and_keeps_no_word_itself(shop, developer):
    person = developer.person
    forgotten, never = said(developer, "あとで消す合言葉"), said(developer, "残さない合言葉", store=False)
    talks = [begin(person, run).json()["id"] for run in (forgotten, never)]
    assert person.web.delete(f"/history/{forgotten}").status_code == 204
    assert [talk["excerpt"] for talk in person.page("/genai/talks")["items"]] == [None, None]
    turns = [person.page(f"/genai/talks/{id}")["turns"][0] for id in talks]
    assert [turn["asked"] for turn in turns] == [None, None] and turns[0]["answers"][0]["text"] is None
    with psycopg.connect(shop.database) as database:
        kept = database.execute("select coalesce(json_agg(t), '[]') from genai.talk t").fetchone()[0]
    assert "合言葉" not in json.dumps(kept, ensure_ascii=False)


def test_talks_are_each_persons_own(developer, shop):
    owner = developer.person
    run = said(developer, "持ち主の話")
    id = begin(owner, run).json()["id"]
    stranger, nobody = Developer(shop), httpx.Client(base_url=shop.account)
    theirs = said(stranger, "よその話")
    for refused in (stranger.person.web.get(f"/genai/talks/{id}"), stranger.person.web.delete(f"/genai/talks/{id}"),
                    stranger.person.web.patch(f"/genai/talks/{id}", json={"title": "x"}), go_on(stranger.person, id, theirs),
                    begin(stranger.person, run), go_on(owner, id, theirs)):
        assert refused.status_code == 404, refused.text
    assert is_refused(nobody.get("/genai/talks"))
    # a key of the same tenant has a list of its own
    by_key = httpx.get(f"{shop.account}/genai/talks", headers=developer.headers)
    assert by_key.status_code == 200 and by_key.json()["items"] == []
    assert httpx.get(f"{shop.account}/genai/talks/{id}", headers=developer.headers).status_code == 404
    assert [talk["id"] for talk in owner.page("/genai/talks")["items"]] == [id]
    assert [talk["id"] for talk in owner.page("/account/export")["genai"]] == [id]
