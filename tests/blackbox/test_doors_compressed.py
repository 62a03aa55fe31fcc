"""Bodies that come compressed, as Codex sends them to OpenAI (zstd) and Anthropic takes them (gzip)."""

import gzip
import json
import pathlib
import struct
import time
import uuid
import zlib

import httpx
import pytest

from people import Person

TAKEN = "gzip, deflate, br, zstd"
# the largest body of a door, and what the process may grow by while it refuses more
LIMIT = 20 * 1024 * 1024
GROWTH = 128 * 1024


def zstd(body: bytes, times: int = 1) -> bytes:
    """A frame of one raw block (RFC 8878), and then the last byte as often as wanted, by 128 KiB blocks of a repeated byte."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0b0010_0000 if times == 1 else 0, len(body) if times == 1 else 0x38])
    if times == 1:
        return head + struct.pack("<I", 1 | len(body) << 3)[:3] + body
    block = 128 * 1024
    return head + b"".join(struct.pack("<I", (n == times - 1) | 1 << 1 | block << 3)[:3] + b" " for n in range(times))


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


FOLDS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate": raw_deflate, "zstd": zstd, "identity": bytes}


@pytest.fixture(scope="module")
def person(house) -> Person:
    return Person(house).join().prove_address()


@pytest.fixture(scope="module")
def secret(person) -> str:
    return person.key()["secret"]


def said(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


CHAT = {"model": "genai-small", "messages": said("Tell me about rain")}
DOORS = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CHAT | {"max_tokens": 500},
    "/v1/responses": {"model": "genai-small", "input": "Tell me about rain"},
    "/v2/genai-small/runsync": {"input": {"text": "Tell me about rain"}},
    "/inference": {"prompt": "Tell me about rain"},
}


def send(house, secret: str, path: str, body: bytes, encoding: str) -> httpx.Response:
    headers = {"x-api-key": secret, "content-type": "application/json", "content-encoding": encoding, "idempotency-key": str(uuid.uuid4()),
               "anthropic-version": "2023-06-01"}
    return httpx.post(house.inference + path, content=body, headers=headers, timeout=30)


def unhurried(ask) -> httpx.Response:
    """Asks again where it was too soon."""
    while (answer := ask()).status_code == 429:
        time.sleep(min(float(answer.headers["retry-after"]), 5))  # as the answer asks
    return answer


@pytest.mark.parametrize("path", DOORS)
def test_every_door_takes_what_codex_and_others_send_compressed(house, secret, path):
    body = json.dumps(DOORS[path]).encode()
    assert len(body) < 256
    for encoding, fold in FOLDS.items():
        answer = unhurried(lambda: send(house, secret, path, fold(body), encoding))
        assert answer.status_code in (200, 202), (encoding, answer.status_code, answer.text)


@pytest.mark.parametrize("path", DOORS)
def test_what_is_broken_or_unknown_is_refused_in_the_doors_own_words(house, secret, path):
    body = json.dumps(DOORS[path]).encode()
    folded = gzip.compress(body)
    for broken in (folded[:-9], b"\x1f\x8b" + folded[9:], body, folded[:10], b"\0" * 20):
        answer = send(house, secret, path, broken, "gzip")
        assert answer.status_code == 400 and "accept-encoding" not in answer.headers, (broken, answer.text)
        assert ("problem" in answer.text) == (path == "/inference"), answer.text
    for encoding in ("compress", "gzip, gzip", "br, gzip", "zstd;q=1", "aes128gcm"):
        answer = send(house, secret, path, folded, encoding)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, TAKEN), (encoding, answer.text)
        assert ("problem" in answer.text) == (path == "/inference"), answer.text


def peak(house) -> int:
    """The most memory that the process had so far, in KiB."""
    status = pathlib.Path(f"/proc/{house.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


BOMBS = {"gzip": gzip.compress(b" " * 1024 * 1024) * 1024, "deflate": raw_deflate(b" " * 64 * 1024 * 1024), "zstd": zstd(b"", 8192)}


@pytest.mark.parametrize("encoding", BOMBS)
@pytest.mark.parametrize("path", DOORS)
def test_a_megabyte_that_unfolds_to_a_gigabyte_is_refused_and_costs_no_memory(house, secret, path, encoding):
    bomb = BOMBS[encoding]
    assert len(bomb) < 2 * 1024 * 1024
    before = peak(house)
    answers = [send(house, secret, path, bomb, encoding) for _ in range(4)]
    assert {answer.status_code for answer in answers} == {413}, answers[0].text
    assert ("problem" in answers[0].text) == (path == "/inference")
    assert peak(house) - before < GROWTH


def test_the_limit_is_of_what_it_unfolds_to(house, secret):
    """To the byte: spaces after the JSON count."""
    body = json.dumps(CHAT).encode()
    fits, more = (gzip.compress(body.ljust(LIMIT + extra)) for extra in (0, 1))
    assert unhurried(lambda: send(house, secret, "/v1/chat/completions", fits, "gzip")).status_code == 200
    assert send(house, secret, "/v1/chat/completions", more, "gzip").status_code == 413


def test_what_people_send_may_be_compressed_too(house, person):
    body = json.dumps({"name": "夜の部"}).encode()
    headers = {"origin": house.account, "content-type": "application/json", "content-encoding": "zstd", "idempotency-key": str(uuid.uuid4())}
    made = [person.web.post("/keys", content=zstd(body), headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201], made[0].text
    assert made[0].json() == made[1].json() and made[1].headers["idempotency-replayed"] == "true"
    guess = json.dumps({"email": "nobody@example.test", "password": "longenough"}).encode()
    at_the_door = {"origin": house.account, "content-type": "application/json", "content-encoding": "gzip"}
    assert httpx.post(f"{house.account}/auth/login", content=gzip.compress(guess), headers=at_the_door).status_code == 401
    assert httpx.post(f"{house.account}/auth/login", content=gzip.compress(guess.ljust(300_000)), headers=at_the_door).status_code == 413


def test_where_the_bytes_themselves_are_read_they_come_as_they_are(house, secret):
    """Files as they arrive, and the forms of OAuth."""
    form = httpx.Request("POST", f"{house.inference}/v1/files", files={"file": ("a.jsonl", b"{}")}, data={"purpose": "batch"})
    headers = {"x-api-key": secret, "content-encoding": "gzip", "content-type": form.headers["content-type"]}
    answer = httpx.post(str(form.url), content=gzip.compress(form.read()), headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity"), answer.text
    asked = {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"}
    answer = httpx.post(f"{house.account}/oauth/token", content=gzip.compress(b"grant_type=authorization_code"), headers=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request") and "Content-Encoding" in answer.json()["error_description"]
