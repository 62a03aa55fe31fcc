"""Vectors by OpenAI's own client: the same for the same text, counted in tokens, and refused before anything is asked."""

import base64
import datetime
import json
import math
import struct
import time

import httpx
import openai
import psycopg
import pytest

from house import House
from house import run as command
from people import Person
from shop import files, model

EMBEDDING = 'type = "embedding"'


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory, talker):
    """A house with models that make vectors, one of which fails."""
    models = {
        "counted": model("counted", ("gpt", "text-embedding-9"), more=EMBEDDING),
        "small": model("small", ("sandbox", "sandbox-small")),
        "vectors": model("vectors", ("sandbox", "sandbox-embedding"), more=EMBEDDING),
        "fallback": model("fallback", ("sandbox", "sandbox-fault-500"), ("sandbox", "sandbox-embedding"), more=EMBEDDING),
        "broken": model("broken", ("sandbox", "sandbox-fault-500"), more=EMBEDDING),
    }
    env = files(tmp_path_factory.mktemp("vectors"), models, tokens=2000)
    made = House(cluster.fresh(), **env, **talker.env())
    made.models = env["NOREN__GATEWAY__MODELS_FILE"]
    yield made
    made.stop()


@pytest.fixture
def secret(shop) -> str:
    """A key of somebody who has used nothing yet."""
    return Person(shop).join().prove_address().key()["secret"]


def usage(shop, ref: str) -> tuple:
    with psycopg.connect(shop.database) as database:
        return database.execute("select unit, amount, model, tokens_in, tokens_out, cost_nano_usd, outcome from entitlement.usage where ref = %s",
                                [ref]).fetchone()


def cosine(one: list[float], two: list[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True)) / math.hypot(*one) / math.hypot(*two)


def test_one_text_and_many_have_vectors_and_a_bill(shop, gpt):
    whole = gpt.embeddings.with_raw_response.create(model="vectors", input="営業時間を教えてください")
    answer = whole.parse()
    assert answer.model == "vectors" and len(answer.data) == 1 and len(answer.data[0].embedding) == 256
    tokens = answer.usage.prompt_tokens
    assert tokens == answer.usage.total_tokens > 0
    assert usage(shop, whole.headers["x-noren-run"]) == (
        "genai.embedding_token", tokens, "sandbox-embedding", tokens, 0, tokens * 1000 // 1000, "completed")
    many = gpt.embeddings.create(model="vectors", input=["営業時間を教えてください", "営業時間は何時から何時までですか", "a bird in the hand"])
    assert [item.index for item in many.data] == [0, 1, 2]
    assert many.data[0].embedding == answer.data[0].embedding, "the same text is always at the same place"
    near, far = (cosine(answer.data[0].embedding, many.data[at].embedding) for at in (1, 2))
    assert near > far


def test_both_encodings_say_the_same_and_dimensions_are_kept(gpt, shop, secret):
    # the client asks for base64 unless told, and reads it itself
    floats = gpt.embeddings.create(model="vectors", input="hello", encoding_format="float", dimensions=64).data[0].embedding
    assert len(floats) == 64
    assert gpt.embeddings.create(model="vectors", input="hello", dimensions=64).data[0].embedding == pytest.approx(floats, abs=1e-7)
    raw = httpx.post(f"{shop.inference}/v1/embeddings", headers={"x-api-key": secret},
                     json={"model": "vectors", "input": "hello", "encoding_format": "base64", "dimensions": 64}).json()
    read = struct.unpack("<64f", base64.b64decode(raw["data"][0]["embedding"]))
    assert list(read) == pytest.approx(floats, abs=1e-7)
    assert len(gpt.embeddings.create(model="vectors", input=[[1, 2, 3], [4]]).data) == 2, "tokens are taken too"


def test_a_target_that_fails_is_replaced_and_a_failure_is_free(shop, gpt):
    assert gpt.embeddings.create(model="fallback", input="hello").data[0].embedding
    with pytest.raises(openai.InternalServerError) as failed:
        gpt.embeddings.create(model="broken", input="hello")
    assert failed.value.code == "upstream_failed"
    with psycopg.connect(shop.database) as database:
        [[amount]] = database.execute("select distinct amount from entitlement.usage where outcome = 'failed'").fetchall()
    assert amount == 0


def test_models_that_make_vectors_are_listed_and_make_nothing_else(gpt):
    assert {"vectors", "small"} <= {one.id for one in gpt.models.list()}
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.chat.completions.create(model="vectors", messages=[{"role": "user", "content": "hello"}])
    assert refused.value.code == "model_not_for_this"
    with pytest.raises(openai.BadRequestError) as refused:
        gpt.embeddings.create(model="small", input="hello")
    assert refused.value.code == "model_not_for_this"


BAD = {
    "no input": {"input": None}, "empty": {"input": ""}, "empty list": {"input": []}, "one empty": {"input": ["a", ""]}, "a number": {"input": 7},
    "mixed": {"input": ["a", 1]}, "too many": {"input": ["a"] * 2049}, "negative token": {"input": [-1]}, "encoding": {"encoding_format": "hex"},
    "no dimensions": {"dimensions": 0}, "dimensions as text": {"dimensions": "many"}, "unknown model": {"model": "nothing"}, "no model": {"model": ""},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_before_anything_is_asked(shop, secret, talker, wrong):
    before = len(talker.requests)
    answer = httpx.post(f"{shop.inference}/v1/embeddings", headers={"x-api-key": secret}, json={"model": "counted", "input": "hello"} | wrong)
    assert answer.status_code == (404 if wrong.get("model") == "nothing" else 400), answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert len(talker.requests) == before


def test_a_providers_own_count_is_what_is_paid(shop, gpt, talker):
    """The provider is judged by OpenAI's types, and counts as it likes."""
    before = len(talker.claimed)
    whole = gpt.embeddings.with_raw_response.create(model="counted", input=["hello", "東京の天気"], dimensions=5)
    [(read, _)] = talker.claimed[before:]
    assert whole.parse().usage.prompt_tokens == read and [len(item.embedding) for item in whole.parse().data] == [5, 5]
    assert usage(shop, whole.headers["x-noren-run"])[3] == read


def test_a_providers_export_of_vectors_is_compared_at_the_command_line(shop, gpt, talker, tmp_path):
    for text in ("hello", "東京の天気", "a bird in the hand"):
        gpt.embeddings.create(model="counted", input=text)
    midnight = int(time.time()) // 86400 * 86400
    export = tmp_path / "usage.json"

    def compare(more: int, by_id: bool):
        if by_id:
            lines = [{"client_request_id": id, "created_at": midnight, "prompt_tokens": read + more} for id, (read, _) in talker.known_as]
            export.write_text(json.dumps(lines))
        else:
            result = {"object": "organization.usage.embeddings.result", "input_tokens": sum(read for read, _ in talker.claimed) + more,
                      "num_model_requests": len(talker.claimed), "project_id": None, "user_id": None, "api_key_id": None,
                      "model": "text-embedding-9-v2"}
            bucket = {"object": "bucket", "start_time": midnight, "end_time": midnight + 86400, "results": [result]}
            export.write_text(json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None}))
        return command("providers", "reconcile", "gpt", export, DATABASE_URL=shop.database, NOREN__GATEWAY__MODELS_FILE=shop.models)

    assert len(talker.known_as) == len(talker.claimed) >= 3, "it is told the id of each"
    for by_id, line in ((False, f"{datetime.datetime.fromtimestamp(midnight, datetime.UTC).date()} text-embedding-9"), (True, "emb_")):
        same = compare(0, by_id)
        assert same.returncode == 0 and "agree" in same.stdout, same.stdout + same.stderr
        other = compare(1, by_id)
        assert other.returncode != 0 and line in other.stdout, other.stdout + other.stderr


def test_what_is_left_is_never_exceeded_and_told(shop, gpt, talker):
    text, before, paid = "少し長い文章を繰り返します。" * 20, len(talker.requests), []
    with pytest.raises(openai.APIStatusError) as refused:
        while True:
            paid.append(gpt.embeddings.create(model="counted", input=text).usage.total_tokens)
    assert (refused.value.status_code, refused.value.code) == (402, "quota_exhausted")
    assert paid and sum(paid) <= 2000
    assert len(talker.requests) - before == len(paid), "what was refused went nowhere"
