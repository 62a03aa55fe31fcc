"""The vendors' own clients try again by themselves, as they do with the vendors: what passes at last is one answer and one bill."""

import concurrent.futures
import time

import anthropic
import httpx
import httpx2
import openai
import psycopg
import pytest

from house import House
from people import Person
from shop import files, model
from talker import Talker

HELLO = [{"role": "user", "content": "hello"}]


class Door:
    """A house whose provider fails until somebody was told so, unless that stays."""

    def __init__(self, cluster, tmp_path, talker: Talker, stays: bool = False, **limits: int):
        self.talker, self.stays, self.statuses = talker, stays, []
        models = {"chat": model("chat", ("gpt", "talker")), "claude": model("claude", ("claude", "talker")),
                  "sol": model("sol", ("gpt", "sol")).replace('"sol", rank', '"sol", api = "responses", rank'),
                  "vectors": model("vectors", ("gpt", "talker"), more='type = "embedding"')}
        self.house = House(cluster.fresh(), **files(tmp_path, models, **limits), **talker.env())
        self.secret = Person(self.house).join().prove_address().key()["secret"]
        self.http = httpx2.Client(event_hooks={"response": [self.heard]}, timeout=60)

    def heard(self, answer: httpx2.Response) -> None:
        self.statuses.append((answer.status_code, "retry-after" in answer.headers))
        self.talker.status = self.talker.status if self.stays else 0

    def gpt(self, **more) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.house.inference}/v1", api_key=self.secret, http_client=self.http, **more)

    def claude(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.house.inference, api_key=self.secret, http_client=self.http)

    def bills(self) -> list[tuple[str, str, int]]:
        """How what was asked for ended, the oldest first, and what it cost."""
        with psycopg.connect(self.house.database, autocommit=True) as database:
            return database.execute("select unit, outcome, amount from entitlement.usage order by at, unit").fetchall()


def whole(door: Door) -> str:
    return door.gpt().chat.completions.create(model="chat", messages=HELLO).choices[0].message.content


def thought(door: Door) -> str:
    return door.gpt().chat.completions.create(model="sol", messages=HELLO).choices[0].message.content


def streamed(door: Door) -> str:
    chunks = door.gpt().chat.completions.create(model="chat", messages=HELLO, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def responded(door: Door) -> str:
    return door.gpt().responses.create(model="chat", input="hello").output_text


def responded_live(door: Door) -> str:
    with door.gpt().responses.stream(model="chat", input="hello") as stream:
        return stream.get_final_response().output_text


def said(door: Door) -> str:
    return door.claude().messages.create(model="claude", max_tokens=50, messages=HELLO).content[0].text


def embedded(door: Door) -> list[float]:
    return door.gpt().embeddings.create(model="vectors", input="hello").data[0].embedding


def told(door: Door) -> str:
    with door.claude().messages.stream(model="claude", max_tokens=50, messages=HELLO) as stream:
        return stream.get_final_text()


@pytest.mark.parametrize("ask", [whole, thought, streamed, responded, responded_live, said, told, embedded])
def test_a_provider_that_is_busy_for_a_moment_costs_a_client_a_wait_and_one_bill(cluster, tmp_path, own_talker, ask):
    door = Door(cluster, tmp_path, own_talker)
    own_talker.status = 429
    assert ask(door)
    assert door.statuses == [(503, True), (200, False)], "also of a stream, since nothing had been said"
    ended = [(outcome, amount > 0) for _, outcome, amount in door.bills()]
    assert ended[-1] == ("completed", True) and (True not in [paid for _, paid in ended[:-1]]), "what failed is free"
    door.house.stop()


@pytest.mark.parametrize("ask", [whole, thought, streamed, responded_live, said, told, embedded])
def test_what_failed_at_the_provider_was_tried_again_here_and_is_not_by_the_client(cluster, tmp_path, own_talker, ask):
    door = Door(cluster, tmp_path, own_talker, stays=True)
    own_talker.status = 500
    with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as failed:
        ask(door)
    assert failed.value.status_code == 502 and len(door.statuses) == 1 and len(own_talker.requests) <= 2
    assert sum(amount for _, _, amount in door.bills()) == 0
    door.house.stop()


def test_who_is_told_to_wait_waits_and_is_served(cluster, tmp_path, own_talker):
    door = Door(cluster, tmp_path, own_talker, concurrent=1)
    own_talker.pace = 0.5
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{door.house.inference}/v1/chat/completions", timeout=60,
                            json={"model": "chat", "messages": HELLO}, headers={"x-api-key": door.secret})
        while not own_talker.now:
            assert not first.done()
            time.sleep(0.01)  # until the provider has heard of it
        made = door.gpt(max_retries=20).chat.completions.create(model="chat", messages=HELLO)
        assert made.choices[0].message.content and first.result().status_code == 200
    assert set(door.statuses[:-1]) == {(429, True)} and door.statuses[-1][0] == 200
    assert [amount for _, _, amount in door.bills()] == [1, 1] and own_talker.most == 1
    door.house.stop()


def test_what_is_asked_wrongly_is_not_asked_again(cluster, tmp_path, own_talker):
    door = Door(cluster, tmp_path, own_talker)
    with pytest.raises(openai.BadRequestError):
        door.gpt().chat.completions.create(model="chat", messages=HELLO, max_tokens=-1)
    with pytest.raises(openai.NotFoundError):
        door.gpt().chat.completions.create(model="nobody", messages=HELLO)
    with pytest.raises(anthropic.BadRequestError):
        door.claude().messages.create(model="claude", max_tokens=-1, messages=HELLO)
    assert len(door.statuses) == 3 and own_talker.requests == [] and door.bills() == []
    door.house.stop()


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/chat/completions", {"model": "chat", "messages": HELLO}),
    ("/v1/responses", {"model": "chat", "input": "hello"}),
    ("/v1/messages", {"model": "claude", "max_tokens": 50, "messages": HELLO}),
])
def test_who_is_told_to_try_again_does_so_with_the_same_key_and_is_served_once(cluster, tmp_path, own_talker, path, body):
    door = Door(cluster, tmp_path, own_talker)

    def send(key: str) -> httpx.Response:
        return httpx.post(f"{door.house.inference}{path}", json=body, timeout=60,
                          headers={"x-api-key": door.secret, "anthropic-version": "2023-06-01", "idempotency-key": key})

    own_talker.status = 429
    busy = send("again")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "5"), busy.text
    own_talker.status, own_talker.pace = 0, 0.2
    heard = len(own_talker.requests)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send("again"), range(8)))
    answers.append(send("again"))
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    assert len({answer.headers["x-noren-run"] for answer in answers}) == 1 and len(own_talker.requests) == heard + 1
    assert [amount for _, _, amount in door.bills()] == [0, 1]
    own_talker.status = 400
    assert send("refused").status_code == 400
    own_talker.status = 0
    assert send("refused").status_code == 400 and len(own_talker.requests) == heard + 2, "what failed for good stays"
    door.house.stop()
