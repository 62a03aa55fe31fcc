"""The same chat against a real OpenAI-compatible server, named by two environment variables."""

import time
import uuid

import httpx
import psycopg
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import double
from collector import Collector, attributes
from house import House
from visitor import Visitor, check_books, text_of


@pytest.fixture(scope="module")
def collector():
    """A collector of spans, which never hear what anybody said."""
    made = Collector()
    yield made
    assert (made.paths, made.keys) == ({"/v1/traces"}, {"kept"})
    for said in [*(piece.strip() for piece in double.PIECES if len(piece.strip()) > 4), "少し長い話", "続きの話", double.KEY]:
        assert not any(said.encode() in body for body in made.raw), said
    made.close()


@pytest.fixture(scope="module", params=["demo", "production"])
def wired(request, cluster, upstream, collector):
    """A house whose upstream is the double, and whose spans are collected."""
    made = House(cluster.fresh(), demo=request.param == "demo", **upstream.env(), NOREN__TRACES__ENDPOINT=collector.url,
                 NOREN__TRACES__HEADERS="x-collector-key=kept")
    yield made
    log = made.log()
    assert double.KEY not in log, "the key stands in the log"
    made.stop()


@pytest.mark.parametrize("mode", ["plain", "bytes"])
def test_the_chat_shows_exactly_what_the_upstream_said_and_bills_what_it_counted(wired, upstream, mode):
    visitor = Visitor(wired).guest()
    seen = len(upstream.requests)
    sent = visitor.start(f"少し長い話を聞かせてください mode:{mode} ")
    events = visitor.events(sent["run_id"])
    assert upstream.complaints == []
    assert text_of(events) == double.TEXT
    assert events[-1].data | {"cost_nano_usd": 0} == {
        "state": "completed", "reason": None, "tokens_cached": 0, "tokens_written": 0, "tokens_thought": 0, "tokens_in": 123, "tokens_out": 45, "cost_nano_usd": 0}
    [request] = upstream.requests[seen:]
    assert request["model"] == double.MODEL and request["stream"] is True
    assert request["stream_options"]["include_usage"] is True
    assert request["messages"][-1]["role"] == "user" and "少し長い話" in str(request["messages"][-1]["content"])
    assert visitor.run(sent["run_id"])["model"] == double.MODEL
    [usage] = visitor.usage()
    assert (usage["tokens_in"], usage["tokens_out"], usage["amount"]) == (123, 45, 1)
    check_books(visitor)


def test_nobody_at_the_bar_is_shown_what_the_model_thought(wired, upstream):
    visitor = Visitor(wired).guest()
    sent = visitor.start("少し長い話を聞かせてください mode:thoughtful ")
    events = visitor.events(sent["run_id"])
    assert text_of(events) == double.TEXT and events[-1].data["state"] == "completed"
    with psycopg.connect(wired.database) as database:
        [kept] = database.execute("select count(*) from gateway.run_event where run_id = %s", [sent["run_id"].removeprefix("run_")]).fetchone()
    assert not any("thought" in event.data for event in events) and kept in (0, len(events)), "nor is it kept"
    shown = httpx.get(f"{wired.inference}/inference/{sent['run_id']}/result", headers=visitor.bearer())
    for told in (str(events), shown.text, str(visitor.page(f"/api/misaki/chats/{sent['chat_id']}"))):
        assert double.THOUGHT not in told


def test_a_request_its_run_and_its_call_are_spans_of_the_callers_trace_without_words(wired, upstream, collector):
    visitor = Visitor(wired).guest()
    trace, caller = uuid.uuid4().hex, "b7ad6b7169203331"
    sent = httpx.post(f"{wired.inference}/misaki/messages", json={"chat_id": None, "text": "少し長い話を聞かせてください mode:plain "}, timeout=30,
                      headers=visitor.bearer() | {"idempotency-key": trace, "traceparent": f"00-{trace}-{caller}-01"})
    assert sent.status_code == 202, sent.text
    assert text_of(visitor.events(sent.json()["run_id"])) == double.TEXT
    spans = {span.name: span for span in collector.wait(trace, 3)}
    request, run, call = (spans.pop(name) for name in ("POST /misaki/messages", "run", f"chat {double.MODEL}"))
    assert spans == {}
    assert (request.parent_span_id.hex(), run.parent_span_id, call.parent_span_id) == (caller, request.span_id, run.span_id)
    assert [span.kind for span in (request, run, call)] == [Span.SPAN_KIND_SERVER, Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT]
    said = attributes(request)
    assert (said["http.request.method"], said["http.route"], said["http.response.status_code"]) == ("POST", "/misaki/messages", 202)
    assert attributes(run)["noren.run.id"] == sent.json()["run_id"]
    said = attributes(call)
    assert said["server.port"] == upstream.server.server_port and said["gen_ai.provider.name"]
    assert {name: said[f"gen_ai.{name}"] for name in ("operation.name", "request.model", "response.model", "request.stream")} == {
        "operation.name": "chat", "request.model": double.MODEL, "response.model": double.MODEL, "request.stream": True}
    for span in (call, run):
        assert [attributes(span)[f"gen_ai.usage.{what}_tokens"] for what in ("input", "output")] == [123, 45]
    told = next(headers for headers in reversed(upstream.headers) if trace in headers.get("traceparent", ""))
    assert told["traceparent"] == f"00-{trace}-{call.span_id.hex()}-01"


def test_a_call_that_fails_is_a_span_that_says_why(wired, collector):
    visitor = Visitor(wired).guest()
    trace = uuid.uuid4().hex
    sent = httpx.post(f"{wired.inference}/misaki/messages", json={"chat_id": None, "text": "少し長い話を聞かせてください mode:garbage "}, timeout=30,
                      headers=visitor.bearer() | {"idempotency-key": trace, "traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert sent.status_code == 202, sent.text
    visitor.events(sent.json()["run_id"])
    spans = {span.name: span for span in collector.wait(trace, 3)}
    for name in ("run", f"chat {double.MODEL}"):
        assert spans[name].status.code == Status.STATUS_CODE_ERROR
        assert attributes(spans[name])["error.type"] == "upstream_garbled"


def test_the_conversation_so_far_goes_along(wired, upstream):
    visitor = Visitor(wired).guest()
    first = visitor.start("最初の長い話を聞いてください")
    visitor.events(first["run_id"])
    second = visitor.start("続きの話も聞いてくれますか", chat=first["chat_id"])
    visitor.events(second["run_id"])
    said = [(m["role"], str(m["content"])) for m in upstream.requests[-1]["messages"] if m["role"] in ("user", "assistant")]
    assert said == [("user", "最初の長い話を聞いてください"), ("assistant", double.TEXT), ("user", "続きの話も聞いてくれますか")]


@pytest.mark.parametrize(("mode", "reasons"), [
    ("busy", {"upstream_busy"}), ("broken", {"upstream_failed"}), ("key", {"upstream_denied"}), ("html", {"upstream_failed"}),
    ("half", {"upstream_failed", "upstream_garbled"}), ("garbage", {"upstream_garbled"})])
def test_an_upstream_error_in_openais_shape_ends_the_run_and_gives_the_unit_back(wired, upstream, mode, reasons):
    visitor = Visitor(wired).guest()
    before, calls = visitor.quota(), len(upstream.requests)
    answer = visitor.post(f"少し長い話を聞かせてください mode:{mode} ")
    if answer.status_code == 202:
        run = answer.json()["run_id"]
        events = visitor.events(run)
        assert events[-1].data["state"] == "failed" and events[-1].data["reason"] in reasons
        assert text_of(events) == visitor.run(run)["output"]
        assert double.TEXT.startswith(text_of(events))
        chat = visitor.web.get(f"/api/misaki/chats/{answer.json()['chat_id']}").text
        assert double.KEY not in chat and upstream.url not in chat
    else:
        assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable"), answer.text
    assert double.KEY not in answer.text and "as asked" not in answer.text
    assert len(upstream.requests) - calls <= 3, "an error is not hammered"
    assert visitor.quota() == before
    assert upstream.complaints == []
    check_books(visitor)


def test_an_upstream_that_pauses_is_waited_for_and_its_words_are_shown_as_they_come(wired, upstream):
    upstream.release.clear()
    visitor = Visitor(wired).guest()
    sent = visitor.start("少し長い話を聞かせてください mode:slow ")
    stream = visitor.stream(sent["run_id"])
    heard = []
    while text_of(heard) != "".join(double.PIECES[:2]):  # shown before the rest was said
        heard.append(next(stream))
        assert heard[-1].name != "ended", heard[-1]
    assert visitor.quota()["held"] == 1
    upstream.release.set()
    heard += list(stream)
    assert text_of(heard) == double.TEXT and heard[-1].data["state"] == "completed"
    check_books(visitor)


def test_an_upstream_that_is_gone_is_said_within_seconds(cluster):
    house = House(cluster.fresh(), demo=False, NOREN__GATEWAY__OPENAI__BASE_URL="http://127.0.0.1:1/v1",
                  NOREN__GATEWAY__OPENAI__API_KEY=double.KEY, NOREN__GATEWAY__OPENAI__MODEL=double.MODEL)
    visitor = Visitor(house).guest()
    before, started = visitor.quota(), time.monotonic()
    answer = visitor.post("少し長い話を聞かせてください")
    if answer.status_code == 202:
        assert visitor.events(answer.json()["run_id"])[-1].data["reason"] == "upstream_failed"
    else:
        assert answer.status_code == 503
    assert time.monotonic() - started < 15
    assert visitor.quota() == before
    check_books(visitor)
    house.stop()


def test_no_answer_of_the_house_contains_the_providers_key(wired):
    visitor = Visitor(wired).guest()
    for url in (wired.account, wired.inference):
        for path in ("/", "/house", "/health", "/ready", "/metrics", "/openapi.json", "/billing/plan?storefront=misaki",
                     "/billing/plans?storefront=misaki", "/nowhere"):
            answer = httpx.get(url + path, cookies=dict(visitor.web.cookies), headers=visitor.bearer())
            assert double.KEY not in answer.text, path
