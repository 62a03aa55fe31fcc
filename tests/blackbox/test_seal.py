"""The keys that secrets in the database are sealed under: where a house without settings keeps its own, their change, their loss."""

import stat
import time

import psycopg

from house import House, run
from people import Person, totp


def second_step(house: House, person: Person, secret: str, at: float):
    """(the status of a sign-in with the code of that moment, the answer)"""
    browser = Person(house, email=person.email, password=person.password)
    waiting = browser.login()
    assert waiting.status_code == 202, waiting.text
    return browser.web.post("/auth/login/second", json={"ticket": waiting.json()["ticket"], "code": totp(secret, at)})


def test_a_house_keeps_its_key_beside_the_database_and_changes_it_while_it_runs(cluster):
    url = cluster.fresh()
    house = House(url, NOREN__SEAL__KEYS="")
    file = house.data / "seal.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    person = Person(house).join()
    secret = person.web.post("/auth/factors/totp").json()["secret"]
    now = time.time()
    # codes are used up step by step; the one before the last is the first that is taken
    confirmed = person.web.post("/auth/factors/totp/confirm", json={"code": totp(secret, now - 30)})
    assert confirmed.status_code == 200, confirmed.text

    settings = {"DATABASE_URL": url, "NOREN__SEAL__KEYS": "", "NOREN__SEAL__KEYS_FILE": str(file)}
    with psycopg.connect(url, autocommit=True) as database:
        [before] = database.execute("select secret from identity.totp").fetchone()
        done = run("seal", "rotate", **settings)
        assert done.returncode == 0 and "1 sealed anew, 0 closed" in done.stdout, done.stderr
        [after] = database.execute("select secret from identity.totp").fetchone()
    assert bytes(before)[:12] != bytes(after)[:12]
    assert second_step(house, person, secret, now).status_code == 200, "the running house reads the file again"
    shown = run("seal", "status", **settings).stdout.splitlines()
    assert [line.split()[1] for line in shown[:2]] == ["seals", "opens"] and shown[2].startswith("0 runs")
    assert file.read_text().split()[0] not in "".join(shown) + house.log() + done.stdout

    # another node that was not given the keys makes none of its own, and lets nobody around the second step
    other = House(url, NOREN__SEAL__KEYS="")
    assert not (other.data / "seal.keys").exists()
    assert "seal.keys" in other.log()
    refused = second_step(other, person, secret, now + 30)
    assert (refused.status_code, refused.json()["code"]) == (503, "secret_closed"), refused.text
    other.stop()
    house.stop()
