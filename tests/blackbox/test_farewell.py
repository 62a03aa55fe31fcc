"""What somebody takes along, and what is left when they go."""

import json
import time

import psycopg
import pytest

from house import House, run
from people import Person, await_letter, letters
from visitor import FREE_QUESTION


@pytest.fixture(scope="module")
def house(cluster):
    made = House(cluster.fresh())
    yield made
    made.stop()


def wait_for(found, what: str):
    """Waits until `found` gives something."""
    deadline = time.monotonic() + 20
    while True:
        if (got := found()):
            return got
        assert time.monotonic() < deadline, what
        time.sleep(0.2)  # the sweep that does it tells nobody


def test_the_export_has_what_every_room_keeps_and_nothing_of_others(house):
    mine, other = Person(house).join(display_name="千鳥"), Person(house).join(display_name="よそのひと")
    mine.events(mine.start(f"{FREE_QUESTION} わたしの話")["run_id"])
    other.events(other.start(f"{FREE_QUESTION} よその話")["run_id"])
    answer = mine.web.get("/account/export")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    export = json.loads(answer.content)
    assert export["account"]["me"]["user"]["email"] == mine.email
    assert "わたしの話" in json.dumps(export["misaki"], ensure_ascii=False)
    assert export["usage"] and export["ledger"] and export["account"]["keys"] and export["account"]["sessions"]
    assert mine.api_key["secret"] not in answer.text
    for word in ("よその話", "よそのひと", other.email):
        assert word not in answer.text


def test_an_account_that_goes_leaves_books_that_agree_and_no_word_of_its_own(house):
    person = Person(house).join(display_name="去る人").prove_address()
    person.events(person.start(f"{FREE_QUESTION} さようなら")["run_id"])
    asked = person.web.post("/account/deletion")
    assert asked.status_code == 202, asked.text
    wait_for(lambda: [letter for letter in letters(house, person.email) if "削除" in letter.subject or "delet" in letter.subject.lower()], "a letter says so")

    with psycopg.connect(house.database, autocommit=True) as owner:
        user, tenant = (value.split("_")[1] for value in (person.user, person.tenant))
        entries = owner.execute("select count(*) from ledger.entry where tenant_id = %s", [tenant]).fetchone()
        owner.execute("update identity.app_user set deletion_at = now() - interval '1 second' where id = %s", [user])
        wait_for(lambda: owner.execute("select deleted_at from identity.app_user where id = %s", [user]).fetchone()[0], "the account goes")
        for statement in ("select count(*) from misaki.chat where tenant_id = %s",
                          "select count(*) from gateway.run_event where tenant_id = %s",
                          "select count(*) from gateway.run where tenant_id = %s and (output <> '' or sealed_output is not null)",
                          "select count(*) from identity.api_key where tenant_id = %s and revoked_at is null"):
            assert owner.execute(statement, [tenant]).fetchone() == (0,), statement
        assert owner.execute("select count(*) from ledger.entry where tenant_id = %s", [tenant]).fetchone() == entries != (0,)
    assert person.web.get("/auth/me").status_code == 401
    assert person.login().status_code == 401
    again = Person(house, email=person.email).join()
    await_letter(house, again.email, "verify")
    checked = run("verify", DATABASE_URL=house.database)
    assert checked.returncode == 0, checked.stdout
