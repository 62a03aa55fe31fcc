"""What the houses' OpenAPI documents say, judged by Schemathesis: every operation is called with what they allow and what they don't, and
each answer has to be one that they describe. No answer may be a fault of the house."""

import os
import pathlib
import re
import subprocess
import sys

import psycopg
import pytest

from house import House
from people import Person

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,ignored_auth"
# what would sign out or remove the caller in the middle
ENDS = "^/auth/|^/oauth/|farewell|/me/deletion"
LINE = re.compile(r"(\d+) generated, (\d+) passed")


@pytest.fixture(scope="module")
def operator(house) -> Person:
    made = Person(house).join().prove_address()
    with psycopg.connect(house.database) as database:
        database.execute("update identity.app_user set operator = true where email = %s", [made.email])
    return made


def judge(url: str, folder: pathlib.Path, auth: str, *args: str) -> int:
    """How many calls it made, all of them answered as described."""
    (folder / "schemathesis.toml").write_text(f"[auth.openapi]\n{auth}\n" if auth else "")
    said = subprocess.run([pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml", "run", f"{url}/openapi.json",
                           "--header", f"origin: {url}", "--checks", CHECKS, "--workers", "2", "--request-timeout", "30", "--continue-on-failure",
                           "--generation-deterministic", "--no-color", *args], cwd=folder, capture_output=True, text=True, timeout=500,
                          env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"})
    found = LINE.search(said.stdout)
    assert said.returncode == 0 and found, said.stdout.partition("= FAILURES =")[2][:6000] or said.stdout[-3000:] + said.stderr[-2000:]
    assert found[1] == found[2]
    return int(found[1])


def test_strangers_are_answered_as_described(house: House, tmp_path):
    assert judge(house.account, tmp_path, "", "--phases", "coverage") > 3000


def test_an_operator_is_answered_as_described(house: House, operator: Person, tmp_path):
    cookie = operator.web.cookies["noren_session"]
    assert judge(house.account, tmp_path, f'session = {{ api_key = "{cookie}" }}', "--phases", "fuzzing", "--max-examples", "6",
                 "--exclude-path-regex", ENDS) > 800
    assert operator.web.get("/auth/me").status_code == 200, "signed in all the time"


def test_a_key_is_answered_as_described(house: House, operator: Person, tmp_path):
    secret = operator.key()["secret"]
    assert judge(house.inference, tmp_path, f'api_key = {{ api_key = "{secret}" }}', "--phases", "fuzzing", "--max-examples", "10") > 150
