"""A message at Misaki: canned and free, or a run that streams, resumes, stops, fails, and is counted."""

import threading
import time
import uuid

import httpx
import pytest

from visitor import FREE_QUESTION, UNIT, Visitor, check_books, text_of

CANNED = "こんばんは"


def check_whole(events: list, run: str) -> None:
    """Numbered from 1 without a gap, started first, ended once and last."""
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[0].name == "started" and events[0].data["run_id"] == run
    assert [event.name for event in events[1:-1]] == ["delta"] * (len(events) - 2)
    assert events[-1].name == "ended"


def test_a_canned_phrase_is_answered_at_once_and_free(guest):
    before = guest.quota()
    key = str(uuid.uuid4())
    started = time.monotonic()
    token = guest.plan()["inference"]["token"]
    answer = guest.post(CANNED, key=key, token=token)
    assert time.monotonic() - started < 2
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["kind"] == "canned" and body.get("run_id") is None
    assert body["assistant"]["canned"]["rule"] in ("exact", "folded", "pattern") and body["assistant"]["text"]
    assert body["assistant"]["run"] is None
    assert guest.post(CANNED, key=key).json() == body, "a resend gets the same words"
    assert guest.quota() == before
    assert guest.usage() == []
    assert not [entry for entry in guest.entries() if entry["kind"] != "grant"]
    check_books(guest)


@pytest.mark.parametrize(("text", "rule"), [("こんばんは", "exact"), ("コンバンハ", "folded"), ("ｺﾝﾊﾞﾝﾊ", "folded")])
def test_a_phrase_is_known_in_other_letters_and_the_answer_says_by_which_rule(guest, text, rule):
    answer = guest.post(text).json()
    assert (answer["kind"], answer["assistant"]["canned"]["rule"]) == ("canned", rule)


def test_the_phrases_are_published_with_an_etag(house, guest):
    answer = guest.web.get("/api/misaki/phrases")
    assert answer.status_code == 200 and answer.json()["phrases"]
    again = guest.web.get("/api/misaki/phrases", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_a_question_streams_to_its_end_and_is_counted_once(guest):
    before = guest.quota()
    sent = guest.start()
    assert sent["kind"] == "run" and sent["assistant"]["run"]["id"] == sent["run_id"]
    events = guest.events(sent["run_id"])
    check_whole(events, sent["run_id"])
    ended = events[-1].data
    assert (ended["state"], ended["reason"]) == ("completed", None)
    assert ended["tokens_in"] > 0 and ended["tokens_out"] > 0
    run = guest.run(sent["run_id"])
    assert run["output"] == text_of(events) != ""
    assert run["last_event_id"] == len(events)
    assert run["model"].startswith("sandbox-") and run["state"] == "completed"
    for name in ("tokens_in", "tokens_out", "cost_nano_usd"):
        assert run[name] == ended[name]
    [usage] = guest.usage()
    assert (usage["run_id"], usage["unit"], usage["amount"], usage["outcome"]) == (sent["run_id"], UNIT, 1, "completed")
    assert [usage[name] for name in ("model", "tokens_in", "tokens_out", "cost_nano_usd")] == [
        run[name] for name in ("model", "tokens_in", "tokens_out", "cost_nano_usd")]
    after = guest.quota()
    assert (after["available"], after["used"], after["held"]) == (before["available"] - 1, before["used"] + 1, 0)
    check_books(guest)
    chat = guest.page(f"/api/misaki/chats/{sent['chat_id']}")
    assert [(m["role"], m["text"]) for m in chat["messages"]] == [("user", FREE_QUESTION), ("assistant", run["output"])]


def test_an_answer_that_may_not_be_said_is_taken_back(guest):
    # the stand-in model says again what it was asked
    word = "確実に死ねる"
    sent = guest.start(f"{word}という題の歌を知っているかしら")
    read = guest.events(sent["run_id"])
    assert word not in text_of(read), "it never came out"
    names = [event.name for event in read]
    assert names[-3:] == ["withdrawn", "delta", "ended"] and read[-3].data == {"category": "self_harm"}
    assert (read[-1].data["state"], read[-1].data["reason"]) == ("cancelled", "moderated")
    instead = read[-2].data["text"]
    assert "0120-279-338" in instead
    again = guest.events(sent["run_id"])
    assert [event.id for event in again] == list(range(1, len(again) + 1))
    assert text_of(again) == instead == guest.run(sent["run_id"])["output"], "what was shown before is kept nowhere"
    [_, answer] = guest.page(f"/api/misaki/chats/{sent['chat_id']}")["messages"]
    assert (answer["text"], answer["run"]["reason"]) == (instead, "moderated")
    [usage] = guest.usage()
    assert usage["outcome"] == "cancelled"
    check_books(guest)


def test_an_answer_is_in_the_language_of_the_question(guest):
    sent = guest.start("Would you listen to a story about my long day?")
    assert text_of(guest.events(sent["run_id"])).isascii() or "story" in text_of(guest.events(sent["run_id"]))


def test_a_conversation_is_remembered_and_deleted(guest):
    first = guest.start()
    guest.events(first["run_id"])
    second = guest.start("それから、もうひとつ聞いてほしいことがあるんです", chat=first["chat_id"])
    guest.events(second["run_id"])
    assert second["chat_id"] == first["chat_id"]
    [chat] = guest.all("/api/misaki/chats")
    assert chat["title"]
    assert len(guest.page(f"/api/misaki/chats/{chat['id']}")["messages"]) == 4
    assert guest.web.delete(f"/api/misaki/chats/{chat['id']}").status_code == 204
    assert guest.all("/api/misaki/chats") == []
    assert len(guest.usage()) == 2, "what was used stays on the bill"
    check_books(guest)


def test_two_readers_read_the_same(guest):
    sent = guest.start()
    read: list[list] = [[], []]
    token = guest.plan()["inference"]["token"]
    threads = [threading.Thread(target=lambda n=n: read[n].extend(guest.stream(sent["run_id"], token=token))) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert read[0] == read[1]
    check_whole(read[0], sent["run_id"])


@pytest.mark.parametrize("by", ["header", "parameter"])
def test_a_reader_that_is_cut_at_every_event_ends_with_the_same_text(guest, by):
    sent = guest.start()
    token = guest.plan()["inference"]["token"]
    got = []
    while not got or got[-1].name != "ended":
        stream = guest.stream(sent["run_id"], after=len(got) or None, token=token, by=by)
        got.append(next(stream))
        stream.close()  # the socket is cut after each single event
    check_whole(got, sent["run_id"])
    assert text_of(got) == guest.run(sent["run_id"])["output"]


def test_a_finished_run_is_replayed_from_any_event(guest):
    sent = guest.start()
    whole = guest.events(sent["run_id"])
    token = guest.plan()["inference"]["token"]
    for after in range(len(whole) + 1):
        assert guest.events(sent["run_id"], after=after, token=token) == whole[after:], after
    assert guest.events(sent["run_id"], after=10**6, token=token) == []


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999999999999", ""])
def test_a_position_that_is_none_is_refused_or_means_the_beginning(house, guest, after):
    sent = guest.start()
    guest.events(sent["run_id"])
    url = f"{house.inference}/inference/{sent['run_id']}/events"
    answer = httpx.get(url, headers=guest.bearer() | {"last-event-id": after}, timeout=20)
    assert answer.status_code in (200, 400, 422), answer.text


def test_nobody_has_to_listen_for_a_run_to_finish(guest):
    sent = guest.start()
    next(guest.stream(sent["run_id"])).id
    events = guest.events(sent["run_id"])
    check_whole(events, sent["run_id"])
    [usage] = guest.usage()
    assert usage["outcome"] == "completed"
    check_books(guest)


def test_the_same_key_twice_is_one_message_one_run_one_bill(guest):
    key, token = str(uuid.uuid4()), guest.plan()["inference"]["token"]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(guest.post(FREE_QUESTION, key=key, token=token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {answer.status_code for answer in answers} <= {202, 409}, [answer.text for answer in answers]
    bodies = [answer.json() for answer in answers if answer.status_code == 202]
    assert len({body["run_id"] for body in bodies}) == 1
    run = bodies[0]["run_id"]
    guest.events(run)
    again = guest.post(FREE_QUESTION, key=key)
    assert again.status_code in (200, 202) and again.json()["run_id"] == run
    assert len(guest.usage()) == 1
    assert len(guest.page(f"/api/misaki/chats/{bodies[0]['chat_id']}")["messages"]) == 2
    check_books(guest)


def test_a_key_used_for_another_text_starts_nothing_new(guest):
    key = str(uuid.uuid4())
    first = guest.post(FREE_QUESTION, key=key).json()
    guest.events(first["run_id"])
    other = guest.post("まったく別の話をしましょうか、長い話です", key=key)
    assert other.status_code in (409, 422) or other.json()["run_id"] == first["run_id"]
    assert len(guest.usage()) == 1


def test_a_message_may_come_without_a_key_but_not_with_one_that_can_not_be_kept(house, guest):
    body = {"chat_id": None, "text": FREE_QUESTION}
    answer = httpx.post(f"{house.inference}/misaki/messages", json=body, headers=guest.bearer())
    assert answer.status_code == 202, answer.text
    guest.events(answer.json()["run_id"])
    answer = httpx.post(f"{house.inference}/misaki/messages", json=body, headers=guest.bearer() | {"idempotency-key": "x" * 5000})
    assert answer.status_code in (400, 422, 431), "a key that is dropped would let a resend double the message"


def test_a_run_that_is_stopped_ends_at_once_and_keeps_its_words(guest):
    sent = guest.start("[slow] ゆっくりでいいので聞かせてください")
    stream = guest.stream(sent["run_id"])
    heard = [next(stream) for _ in range(4)]
    started = time.monotonic()
    assert guest.cancel(sent["run_id"]).status_code == 200
    heard += list(stream)
    assert time.monotonic() - started < 5
    check_whole(heard, sent["run_id"])
    assert (heard[-1].data["state"], heard[-1].data["reason"]) == ("cancelled", "stopped")
    again = guest.cancel(sent["run_id"])
    assert again.status_code == 200 and again.json()["status"] == "cancelled"
    run = guest.run(sent["run_id"])
    assert run["output"] == text_of(heard) != ""
    assert guest.page(f"/api/misaki/chats/{sent['chat_id']}")["messages"][-1]["text"] == run["output"]
    [usage] = guest.usage()
    assert usage["outcome"] == "cancelled"
    assert guest.quota()["held"] == 0
    check_books(guest)


def test_a_finished_run_stays_finished_when_stopped(guest):
    sent = guest.start()
    guest.events(sent["run_id"])
    assert guest.cancel(sent["run_id"]).json()["status"] == "completed"
    check_books(guest)


@pytest.mark.parametrize(("tell", "reason"), [
    ("[fail]", "upstream_failed"), ("[429]", "upstream_busy"), ("[fail after 5]", "upstream_failed"),
    ("[garble]", "upstream_garbled"), ("[stall]", "upstream_stalled")])
def test_an_upstream_that_misbehaves_ends_the_run_with_its_reason_and_costs_nothing(house, tell, reason):
    visitor = Visitor(house).guest()
    before = visitor.quota()
    answer = visitor.post(f"{tell} 少し長い話を聞かせてください")
    if answer.status_code == 503:
        assert answer.json()["code"] == "upstream_unavailable"
    else:
        sent = answer.json()
        deadline = time.monotonic() + 100
        events = visitor.events(sent["run_id"])
        while events[-1].name != "ended" and time.monotonic() < deadline:
            events += visitor.events(sent["run_id"], after=events[-1].id)
        if events[0].name == "started":
            check_whole(events, sent["run_id"])
        else:
            assert [(event.id, event.name) for event in events] == [(1, "ended")], "nothing began"
        assert (events[-1].data["state"], events[-1].data["reason"]) == ("failed", reason)
        assert visitor.run(sent["run_id"])["output"] == text_of(events)
    after = visitor.quota()
    assert (after["available"], after["held"], after["used"]) == (before["available"], 0, before["used"])
    assert all(row["amount"] == 0 and row["outcome"] == "failed" for row in visitor.usage())
    check_books(visitor)


def test_a_run_without_a_chat_can_be_started_by_its_route(house, guest):
    answer = httpx.post(f"{house.inference}/inference", headers=guest.bearer(), timeout=20, json={
        "route": "misaki.chat", "messages": [{"role": "user", "content": "ひと言ください、短い話を"}], "max_tokens": 12})
    assert answer.status_code == 202, answer.text
    run = answer.json()
    events = guest.events(run["id"])
    check_whole(events, run["id"])
    assert 0 < events[-1].data["tokens_out"] <= 12
    check_books(guest)


@pytest.mark.parametrize("body", [
    {"route": "misaki.vip", "messages": [{"role": "user", "content": "a"}]},
    {"route": "gpt-5", "messages": [{"role": "user", "content": "a"}]},
    {"route": "misaki.chat", "messages": []},
    {"route": "misaki.chat", "messages": [{"role": "keeper", "content": "a"}]},
    {"route": "misaki.chat", "messages": [{"role": "user", "content": "a"}], "max_tokens": 0},
    {"route": "misaki.chat", "messages": [{"role": "user", "content": "a"}], "max_tokens": -1},
    {"route": "misaki.chat", "messages": [{"role": "user", "content": "a"}], "max_tokens": 10**30},
])
def test_a_run_that_the_plan_or_the_form_does_not_allow_is_refused(house, guest, body):
    answer = httpx.post(f"{house.inference}/inference", headers=guest.bearer(), json=body, timeout=20)
    assert 400 <= answer.status_code < 500, answer.text
    assert guest.usage() == []
    check_books(guest)


def test_the_plan_decides_the_model_whatever_the_caller_asks_for(house):
    models = {}
    for who in ("guest", "free", "paid", "vip"):
        visitor = Visitor(house).demo(who)
        answer = httpx.post(f"{house.inference}/misaki/messages", timeout=30, headers=visitor.bearer() | {
            "idempotency-key": str(uuid.uuid4())}, json={
            "chat_id": None, "text": FREE_QUESTION, "model": "sandbox-large", "route": "misaki-large", "plan": "vip"})
        if answer.status_code == 422:
            answer = visitor.post(FREE_QUESTION)
        assert answer.status_code == 202, answer.text
        run = answer.json()["run_id"]
        visitor.events(run)
        models[who] = visitor.run(run)["model"]
    assert models == {"guest": "sandbox-small", "free": "sandbox-small", "paid": "sandbox-medium", "vip": "sandbox-large"}
