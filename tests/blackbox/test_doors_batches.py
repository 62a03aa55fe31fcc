"""Batches by OpenAI's own client: a file in, a file of answers and a file of errors out."""

import json
import time

import httpx
import openai
import pytest

from people import Person


@pytest.fixture(scope="module")
def secret(house) -> str:
    return Person(house).join().prove_address().key()["secret"]


@pytest.fixture
def gpt(house, secret):
    return openai.OpenAI(base_url=f"{house.inference}/v1", api_key=secret, max_retries=0)


def line(name: str, text: str, model: str) -> dict:
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": text}]}}


def upload(gpt, *lines) -> openai.types.FileObject:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    return gpt.files.create(file=("requests.jsonl", text.encode()), purpose="batch")


def begin(gpt, file, **more):
    return gpt.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more)


def ended(gpt, batch):
    deadline = time.monotonic() + 60
    while (found := gpt.batches.retrieve(batch.id)).status in ("validating", "in_progress", "finalizing", "cancelling"):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)  # a poll is what this protocol offers
    return found


def results(gpt, file: str) -> list[dict]:
    return [json.loads(line) for line in gpt.files.content(file).text.splitlines()]


def test_a_file_that_is_not_there_is_not_found_whatever_it_is_called(gpt):
    for name in ("file-abc", "file_" + "0" * 32):
        with pytest.raises(openai.NotFoundError) as missing:
            gpt.batches.create(input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h")
        assert missing.value.code == "file_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        gpt.batches.create(input_file_id="file-abc", endpoint="/v1/audio", completion_window="24h")
    assert wrong.value.param == "/endpoint"


def test_openais_client_has_a_file_of_lines_answered(house, gpt):
    model = gpt.models.list().data[0].id
    file = upload(gpt, line("一", "こんばんは", model), "{no json", line("一", "again", model), line("two", "rain", "nothing"))
    assert (file.purpose, file.filename, file.status) == ("batch", "requests.jsonl", "processed")
    batch = begin(gpt, file, metadata={"night": "first"})
    assert batch.status == "validating" and batch.metadata == {"night": "first"} and batch.output_file_id is None
    done = ended(gpt, batch)
    assert done.status == "completed" and done.errors is None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (4, 1, 3)
    [answer] = results(gpt, done.output_file_id)
    assert (answer["custom_id"], answer["response"]["status_code"], answer["error"]) == ("一", 200, None)
    chat = openai.types.chat.ChatCompletion.model_validate(answer["response"]["body"])
    assert chat.model == model and chat.choices[0].message.content
    assert chat.usage.total_tokens == done.usage.total_tokens
    wrong = results(gpt, done.error_file_id)
    assert [(one["custom_id"], one["error"]["code"]) for one in wrong] == [
        (None, "invalid_json_line"), ("一", "duplicate_custom_id"), ("two", "model_not_found")]
    assert batch.id in [one.id for one in gpt.batches.list(limit=1)]
    known = httpx.get(f"{house.inference}/inference/{answer['response']['request_id']}", headers={"x-api-key": gpt.api_key}).json()
    assert known["door"] == "batch" and known["tags"] == [batch.id], "an ordinary run, which the history shows"


def test_files_are_listed_read_and_deleted(gpt):
    model = gpt.models.list().data[0].id
    file = upload(gpt, line("a", "x", model))
    assert gpt.files.retrieve(file.id) == file
    assert file.id in [one.id for one in gpt.files.list(purpose="batch")]
    assert json.loads(gpt.files.content(file.id).text) == line("a", "x", model)
    assert gpt.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        gpt.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError):
        gpt.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
    with pytest.raises(openai.APIStatusError) as refused:
        gpt.files.create(file=("a.jsonl", b"x" * (1 << 20) + b"y"), purpose="batch")
    assert refused.value.status_code == 413 and refused.value.code == "file_too_large"


def test_a_batch_is_called_off_and_one_without_lines_fails(gpt):
    empty = ended(gpt, begin(gpt, upload(gpt, "", "")))
    assert empty.status == "failed" and empty.errors.data[0].code == "empty_file"
    model = gpt.models.list().data[0].id
    batch = begin(gpt, upload(gpt, *(line(f"line-{n}", "[slow][long 4]", model) for n in range(40))))
    assert gpt.batches.cancel(batch.id).status == "cancelling"
    done = ended(gpt, batch)
    assert done.status == "cancelled" and done.cancelled_at
    rest = results(gpt, done.error_file_id)
    assert {one["error"]["code"] for one in rest} == {"batch_cancelled"}
    assert done.request_counts.completed + len(rest) == done.request_counts.total


def test_another_tenant_sees_nothing(house, gpt):
    model = gpt.models.list().data[0].id
    file = upload(gpt, line("a", "x", model))
    batch = begin(gpt, file)
    other = Person(house).join().prove_address().key()["secret"]
    stranger = openai.OpenAI(base_url=f"{house.inference}/v1", api_key=other, max_retries=0)
    assert stranger.files.list().data == [] and stranger.batches.list().data == []
    for try_it in (lambda: stranger.files.retrieve(file.id), lambda: stranger.files.content(file.id), lambda: stranger.files.delete(file.id),
                   lambda: stranger.batches.retrieve(batch.id), lambda: stranger.batches.cancel(batch.id), lambda: begin(stranger, file)):
        with pytest.raises(openai.NotFoundError):
            try_it()
    assert ended(gpt, batch).status == "completed", "nobody called it off"
