"""What becomes of a talk: versions, branches, names, folders, search, and a talk of which nothing stays."""

import uuid

import httpx

from visitor import FREE_QUESTION, Visitor, check_books, text_of


def again(who: Visitor, message: str, key: str | None = None) -> httpx.Response:
    return httpx.post(f"{who.house.inference}/misaki/messages/{message}/again", json={}, timeout=30,
                      headers=who.bearer() | {"idempotency-key": key or str(uuid.uuid4())})


def edit(who: Visitor, chat: str, message: str, text: str) -> httpx.Response:
    return httpx.post(f"{who.house.inference}/misaki/messages", timeout=30,
                      json={"chat_id": chat, "instead_of": message, "text": text},
                      headers=who.bearer() | {"idempotency-key": str(uuid.uuid4())})


def said(who: Visitor, chat: str) -> list[str]:
    return [message["text"] for message in who.page(f"/api/misaki/chats/{chat}")["messages"]]


def test_an_answer_asked_for_anew_costs_one_more_and_both_are_there(guest):
    first = guest.start()
    old = text_of(guest.events(first["run_id"]))
    key = str(uuid.uuid4())
    second = again(guest, first["assistant"]["id"], key).json()
    new = text_of(guest.events(second["run_id"]))
    assert again(guest, first["assistant"]["id"], key).json()["run_id"] == second["run_id"], "a resend is the same run"
    assert len(guest.usage()) == 2
    assert said(guest, first["chat_id"]) == [FREE_QUESTION, new]
    answer = guest.page(f"/api/misaki/chats/{first['chat_id']}")["messages"][1]
    assert answer["versions"] == [first["assistant"]["id"], second["assistant"]["id"]]
    shown = guest.web.put(f"/api/misaki/chats/{first['chat_id']}/shown", json={"message_id": answer["versions"][0]})
    assert shown.status_code == 200 and shown.json()["messages"][1]["text"] == old
    check_books(guest)


def test_a_question_put_differently_is_a_branch_and_the_other_stays(guest):
    first = guest.post("こんばんは").json()
    chat = first["chat_id"]
    guest.post("ありがとう", chat)
    edited = edit(guest, chat, first["user"]["id"], "おはよう").json()
    assert said(guest, chat)[0] == "おはよう" and len(said(guest, chat)) == 2
    assert edited["user"]["versions"] == [first["user"]["id"], edited["user"]["id"]]
    guest.web.put(f"/api/misaki/chats/{chat}/shown", json={"message_id": first["user"]["id"]})
    assert [said(guest, chat)[at] for at in (0, 2)] == ["こんばんは", "ありがとう"]
    refused = edit(guest, chat, first["assistant"]["id"], "なに")
    assert (refused.status_code, refused.json()["code"]) == (404, "message_not_found")


def test_a_deleted_message_takes_its_words_from_the_run_as_well(guest):
    sent = guest.start()
    guest.events(sent["run_id"])
    left = guest.web.delete(f"/api/misaki/messages/{sent['assistant']['id']}")
    assert left.status_code == 200 and [m["text"] for m in left.json()["messages"]] == [FREE_QUESTION]
    for name in ("result", "events"):
        gone = httpx.get(f"{guest.house.inference}/inference/{sent['run_id']}/{name}", headers=guest.bearer())
        assert (gone.status_code, gone.json()["code"]) == (410, "text_deleted")
    assert len(guest.usage()) == 1
    check_books(guest)


def test_nobody_touches_anothers_messages(house, guest):
    mine = guest.post("こんばんは").json()
    stranger = Visitor(house).guest()
    chat, message = mine["chat_id"], mine["assistant"]["id"]
    theirs = stranger.post("こんばんは").json()["chat_id"]
    for answer in (
        again(stranger, message),
        edit(stranger, theirs, mine["user"]["id"], "のっとり"),
        stranger.web.delete(f"/api/misaki/messages/{message}"),
        stranger.web.put(f"/api/misaki/chats/{chat}/shown", json={"message_id": message}),
        stranger.web.put(f"/api/misaki/chats/{theirs}/shown", json={"message_id": message}),
        stranger.web.patch(f"/api/misaki/chats/{chat}", json={"title": "のっとり"}),
    ):
        assert answer.status_code == 404, answer.text
    assert said(guest, chat)[0] == "こんばんは"
    assert stranger.page("/api/misaki/search", q="こんばんは")["messages"][0]["chat_id"] == theirs


def test_names_pins_and_folders(guest):
    chats = [guest.post("こんばんは").json()["chat_id"] for _ in range(3)]
    changed = guest.web.patch(f"/api/misaki/chats/{chats[1]}", json={"title": "雨の夜", "pinned": True, "folder": "思い出"})
    assert changed.status_code == 200
    assert [chat["id"] for chat in guest.all("/api/misaki/chats", pinned="true")] == [chats[1]]
    assert {chat["id"] for chat in guest.all("/api/misaki/chats", pinned="false")} == {chats[0], chats[2]}
    assert [chat["title"] for chat in guest.all("/api/misaki/chats", folder="思い出")] == ["雨の夜"]
    assert guest.page("/api/misaki/folders") == {"items": ["思い出"]}
    assert [chat["id"] for chat in guest.page("/api/misaki/search", q="雨")["chats"]] == [chats[1]]
    guest.web.patch(f"/api/misaki/chats/{chats[1]}", json={"folder": "", "pinned": False})
    assert guest.page("/api/misaki/folders") == {"items": []}


def test_one_letter_finds_what_was_said_and_what_was_answered(guest):
    sent = guest.start("飼い猫のタマがビールをこぼした話")
    answer = text_of(guest.events(sent["run_id"]))
    for query, hit in (("猫", "猫"), ("たま", "タマ"), ("ﾋﾞｰ", "ビー"), ("タマ こぼ", "タマ")):
        found = {m["id"]: m for m in guest.page("/api/misaki/search", q=query)["messages"]}
        assert found[sent["user"]["id"]]["hit"] == hit, query
    letter = next(c for c in answer if c.isalpha())
    assert sent["assistant"]["id"] in {m["id"] for m in guest.page("/api/misaki/search", q=letter)["messages"]}
    assert guest.page("/api/misaki/search", q="犬")["messages"] == []
    guest.web.delete(f"/api/misaki/chats/{sent['chat_id']}")
    assert guest.page("/api/misaki/search", q="猫") == {"chats": [], "messages": []}


def test_a_talk_in_passing_is_in_no_list_and_counted_once(guest):
    talk = [{"role": "user", "text": "前の話"}, {"role": "assistant", "text": "ええ、聞いているわ"}]
    answer = httpx.post(f"{guest.house.inference}/misaki/passing", json={"earlier": talk, "text": FREE_QUESTION},
                        headers=guest.bearer(), timeout=30)
    assert answer.status_code == 202, answer.text
    assert text_of(guest.events(answer.json()["run_id"]))
    assert guest.all("/api/misaki/chats") == []
    assert guest.page("/api/misaki/search", q="仕事") == {"chats": [], "messages": []}
    assert len(guest.usage()) == 1
    check_books(guest)
    canned = httpx.post(f"{guest.house.inference}/misaki/passing", json={"earlier": [], "text": "こんばんは"},
                        headers=guest.bearer(), timeout=30)
    assert canned.status_code == 200 and canned.json()["canned"]["rule"] == "exact"
    too_much = [{"role": "user", "text": "あ" * 10_001}] * 2
    refused = httpx.post(f"{guest.house.inference}/misaki/passing", json={"earlier": too_much, "text": "ね"},
                         headers=guest.bearer(), timeout=30)
    assert refused.status_code == 422
