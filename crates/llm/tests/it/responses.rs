//! The Responses protocol towards its server: what is sent, and what is read, cut at every byte.

use llm::openai::responses::{self, StreamDecoder};
use llm::{
    ChatAnswer, ChatRequest, CodecError, Document, DocumentSource, Effort, Finish, Format, Image,
    Message, Part, Role, StreamEvent, ThoughtDelta, Tool, ToolCall, ToolChoice, ToolDelta,
    ToolResult, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Read, gathered};

/// Made of the objects of OpenAI's own library: what a model thinks, says, calls, says and calls.
const CALLS: &[u8] = include_bytes!("../fixtures/responses.sse");

reader!(read, StreamDecoder);

fn read_all(events: &[Value]) -> Read {
    let events = events.iter().map(|event| format!("data: {event}\n\n"));
    let stream = events.collect::<Vec<_>>().concat();
    read([stream.as_bytes()])
}

fn said(text: &str) -> StreamEvent {
    StreamEvent::Text(text.to_owned())
}

fn argued(index: u32, arguments: &str) -> StreamEvent {
    StreamEvent::Tool(ToolDelta {
        index,
        arguments: arguments.to_owned(),
        ..ToolDelta::default()
    })
}

fn delta(kind: &str, at: u64, piece: &str) -> Value {
    json!({"type": kind, "output_index": at, "content_index": 0, "item_id": "i", "delta": piece})
}

fn ended(response: &Value) -> Value {
    let state = response["status"].as_str().unwrap();
    json!({"type": format!("response.{state}"), "response": response})
}

fn usage(input: u64, output: u64) -> Value {
    json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
           "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output})
}

fn call(id: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: "{\"city\":\"東京\"}".into(),
        ..ToolCall::default()
    }
}

#[test]
fn a_stream_is_read_with_what_was_thought_apart() {
    let (events, fault) = read([CALLS]);
    assert_eq!(fault, None);
    let begun = |index, id: &str, name: &str| {
        StreamEvent::Tool(ToolDelta {
            index,
            id: Some(id.into()),
            name: Some(name.into()),
            arguments: String::new(),
            ..ToolDelta::default()
        })
    };
    let want = [
        StreamEvent::Thought(ThoughtDelta::Text("考え中".to_owned())),
        said("お調べ"),
        said("します🍶"),
        begun(0, "call_1", "weather"),
        argued(0, "{\"city\":"),
        argued(0, "\"東京\"}"),
        said("\n\n"),
        said("では。"),
        begun(1, "call_2", "time"),
        argued(1, "{}"),
        StreamEvent::Usage(Usage {
            input: 30,
            output: 20,
            cached: 8,
            written: 4,
            thought: 9,
        }),
        StreamEvent::Finish(Finish::ToolCalls),
        StreamEvent::Done,
    ];
    assert_eq!(events, want);
}

#[test]
fn the_whole_answer_is_the_same_as_its_stream() {
    let text = std::str::from_utf8(CALLS).unwrap();
    let last = text.trim_end().lines().last().unwrap();
    let event: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    let answer = responses::decode(event["response"].to_string().as_bytes()).unwrap();
    assert_eq!(answer.model, "gpt-x-2026-11-01");
    assert_eq!(answer.calls[0], call("call_1"));
    let streamed = gathered(&read([CALLS]).0);
    assert_eq!(
        answer,
        ChatAnswer {
            model: answer.model.clone(),
            ..streamed
        }
    );
}

#[test]
fn every_cut_gives_the_same_events() {
    let whole = read([CALLS]);
    for at in 0..=CALLS.len() {
        let (head, tail) = CALLS.split_at(at);
        assert_eq!(read([head, tail]), whole, "{at}");
    }
    assert_eq!(read(CALLS.chunks(1)), whole, "byte by byte");
}

#[test]
fn a_stream_that_stops_before_its_end_is_never_taken_as_whole() {
    let end = b"event: response.completed";
    let end = CALLS.windows(end.len()).position(|w| w == end).unwrap();
    for at in 0..=end {
        let (events, fault) = read([&CALLS[..at]]);
        assert_eq!(fault, Some(CodecError::Truncated), "{at}");
        assert!(!events.contains(&StreamEvent::Done), "{at}");
    }
}

#[test]
fn the_end_says_why() {
    let message = |kind: &str, field: &str| json!([{"type": "message", "role": "assistant", "content": [{"type": kind, field: "はい"}]}]);
    let answered = message("output_text", "text");
    for (status, reason, output, finish) in [
        ("completed", Value::Null, answered.clone(), Finish::Stop),
        (
            "incomplete",
            json!("max_output_tokens"),
            answered.clone(),
            Finish::Length,
        ),
        (
            "incomplete",
            json!("content_filter"),
            answered.clone(),
            Finish::ContentFilter,
        ),
        ("incomplete", json!("steered"), answered, Finish::Other),
        (
            "completed",
            Value::Null,
            message("refusal", "refusal"),
            Finish::ContentFilter,
        ),
    ] {
        let details = (!reason.is_null()).then(|| json!({"reason": reason}));
        let response = json!({"status": status, "incomplete_details": details, "output": output, "usage": usage(7, 0)});
        let whole = responses::decode(response.to_string().as_bytes()).unwrap();
        assert_eq!((whole.text.as_str(), whole.finish), ("はい", finish));
        assert_eq!(
            whole.usage,
            Some(Usage {
                input: 7,
                ..Usage::default()
            }),
            "a zero is told"
        );
        let kind = match output[0]["content"][0]["type"].as_str() {
            Some("refusal") => "response.refusal.delta",
            _ => "response.output_text.delta",
        };
        let (events, fault) = read_all(&[delta(kind, 0, "はい"), ended(&response)]);
        assert_eq!(fault, None);
        assert_eq!(gathered(&events), whole, "{response}");
        // a server that has not told it piece by piece
        assert_eq!(gathered(&read_all(&[ended(&response)]).0), whole);
    }
}

#[test]
fn arguments_that_come_whole_alone_are_heard_once() {
    let item = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": arguments});
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": item("")});
    let whole = call("call_1").arguments;
    let told = json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": whole});
    let done =
        json!({"type": "response.output_item.done", "output_index": 0, "item": item(&whole)});
    let piece = delta("response.function_call_arguments.delta", 0, &whole);
    let end = ended(
        &json!({"status": "completed", "output": [item(&whole)], "usage": {"input_tokens": 0}}),
    );
    for events in [
        vec![&added, &told, &done, &end],
        vec![&added, &piece, &told, &done, &end],
        vec![&added, &done, &end],
        vec![&done, &end],
        vec![&end],
    ] {
        let events: Vec<Value> = events.into_iter().cloned().collect();
        let (read, fault) = read_all(&events);
        let answer = gathered(&read);
        assert_eq!(fault, None, "{events:?}");
        assert_eq!(answer.calls, [call("call_1")], "{events:?}");
        assert_eq!(answer.usage, Some(Usage::default()), "{events:?}");
    }
}

#[test]
fn failures_of_every_shape_are_told_after_the_words_before_them_and_with_what_they_cost() {
    let error = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    let failed = json!({"status": "failed", "error": error, "usage": usage(5, 1)});
    for event in [
        ended(&failed),
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}),
        json!({"type": "error", "error": {"type": "requests", "code": "rate_limit_exceeded", "message": "slow down"}}),
        json!({"error": error}),
    ] {
        let (mut events, fault) = read_all(&[
            delta("response.output_text.delta", 0, "半分"),
            event.clone(),
        ]);
        let fault = fault.unwrap();
        assert!(fault.retryable(), "{event}");
        assert_eq!(
            fault,
            CodecError::Upstream {
                message: "slow down".into(),
                code: Some("rate_limit_exceeded".into())
            }
        );
        if event["type"] == "response.failed" {
            let cost = Usage {
                input: 5,
                output: 1,
                ..Usage::default()
            };
            assert_eq!(events.pop(), Some(StreamEvent::Usage(cost)));
        }
        assert_eq!(events, [said("半分")], "{event}");
    }
    assert!(responses::decode(failed.to_string().as_bytes()).is_err());
    let body =
        br#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}"#;
    assert!(!responses::decode(body).unwrap_err().retryable());
    for status in ["failed", "cancelled", "queued", "in_progress"] {
        let body = json!({"status": status, "output": []});
        assert!(
            responses::decode(body.to_string().as_bytes()).is_err(),
            "{status}"
        );
    }
}

#[test]
fn what_is_refused_for_what_was_asked_is_not_asked_again() {
    for code in ["invalid_prompt", "bio_policy", "image_too_large"] {
        let failed = json!({"status": "failed", "error": {"code": code, "message": "no"}});
        let (_, fault) = read_all(&[ended(&failed)]);
        assert!(!fault.unwrap().retryable(), "{code}");
    }
}

#[test]
fn other_events_and_items_are_passed_over_whatever_they_hold() {
    let output = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": 7},
        {"type": "tool_search_call", "arguments": {"query": 1}, "name": ["x"]},
        {"type": "message", "content": [{"type": "hologram"}, {"type": "output_text", "text": "はい"}]},
    ]);
    let (events, fault) = read_all(&[
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "delta": "hm"}),
        json!({"type": "response.holo.delta", "delta": {"x": 1}, "code": [1], "error": {"x": 1}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": output[1]}),
        delta("response.output_text.delta", 2, "はい"),
        ended(&json!({"status": "completed", "output": output, "usage": usage(1, 1)})),
        json!({"type": "response.output_text.delta", "delta": "after the end"}),
    ]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("はい", Finish::Stop)
    );
}

#[test]
fn what_makes_no_sense_is_garbled_and_never_quoted() {
    for event in [
        json!(["secret"]),
        delta("response.function_call_arguments.delta", 3, "secret"),
        json!({"type": "response.output_text.delta", "delta": ["secret"]}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "name": ["secret"]}}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "arguments": 7, "name": "secret"}}),
        json!({"type": "response.completed", "response": {"status": "secret"}}),
    ] {
        let (events, fault) = read_all(std::slice::from_ref(&event));
        let Some(CodecError::Garbled { reason }) = fault else {
            panic!("{event} was read: {events:?}");
        };
        assert!(!reason.contains("secret"), "{reason}");
    }
    for body in [&b"<html>"[..], b"", b"{}", b"[]", b"\xff"] {
        assert!(matches!(
            responses::decode(body),
            Err(CodecError::Garbled { .. })
        ));
    }
}

fn asked(messages: Vec<Message>) -> ChatRequest {
    ChatRequest {
        model: "m".into(),
        messages,
        ..ChatRequest::default()
    }
}

#[test]
fn a_plain_request_is_written_plainly_and_nothing_of_it_is_kept() {
    let request = ChatRequest {
        max_tokens: Some(64),
        temperature: Some(0.7),
        stop: vec!["x".into()],
        seed: Some(1),
        stream: true,
        tool_choice: Some(ToolChoice::None),
        effort: Some(Effort::XHigh),
        ..asked(vec![Message::system("s"), Message::user("こんばんは")])
    };
    assert_eq!(
        responses::encode(&request),
        json!({
            "model": "m", "store": false, "stream": true, "max_output_tokens": 64, "temperature": 0.7,
            "reasoning": {"effort": "xhigh"}, "input": [{"role": "system", "content": "s"}, {"role": "user", "content": "こんばんは"}],
        })
    );
}

#[test]
fn the_limit_is_one_that_the_server_takes() {
    for (wanted, written) in [(1, 16), (16, 16), (17, 17)] {
        let request = ChatRequest {
            max_tokens: Some(wanted),
            ..asked(vec![Message::user("u")])
        };
        assert_eq!(responses::encode(&request)["max_output_tokens"], written);
    }
}

#[test]
fn documents_are_files_where_they_are_shown_and_in_results() {
    let paper = |source| Document {
        title: Some("a.pdf".into()),
        context: Some("old".into()),
        source,
    };
    let here = || {
        paper(DocumentSource::Base64 {
            data: "JVBERi0=".into(),
            pages: 1,
        })
    };
    let there = paper(DocumentSource::Url("https://example.test/a.pdf".into()));
    let messages = vec![
        Message {
            role: Role::User,
            parts: vec![
                Part::Text("read".into()),
                Part::Document(here()),
                Part::Document(there),
            ],
        },
        Message {
            role: Role::Tool,
            parts: vec![Part::Result(ToolResult {
                call: "a".into(),
                documents: vec![here()],
                ..ToolResult::default()
            })],
        },
    ];
    let said = |text: &str| json!({"type": "input_text", "text": text});
    let file = json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="});
    let away = json!({"type": "input_file", "file_url": "https://example.test/a.pdf"});
    assert_eq!(
        responses::encode(&asked(messages))["input"],
        json!([
            {"role": "user", "content": [said("read"), said("old"), file, said("old"), away]},
            {"type": "function_call_output", "call_id": "a", "output": [said("old"), file]},
        ])
    );
}

#[test]
fn calls_and_their_results_are_items_in_their_order() {
    let picture = || Image::Base64 {
        media_type: "image/png".into(),
        data: "AAAA".into(),
    };
    let result = |call: &str, images| {
        Part::Result(ToolResult {
            call: call.into(),
            text: "晴れ".into(),
            images,
            documents: Vec::new(),
            failed: false,
        })
    };
    let messages = vec![
        Message {
            role: Role::User,
            parts: vec![Part::Text("何?".into()), Part::Image(picture())],
        },
        Message {
            role: Role::Assistant,
            parts: vec![
                Part::Text("お調べ".into()),
                Part::Text("します".into()),
                Part::Call(call("a")),
                Part::Call(call("b")),
            ],
        },
        Message {
            role: Role::Tool,
            parts: vec![result("a", vec![]), result("b", vec![picture()])],
        },
        Message::assistant("晴れです"),
    ];
    let shown =
        json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"});
    let called = |id: &str| json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": "{\"city\":\"東京\"}"});
    assert_eq!(
        responses::encode(&asked(messages))["input"],
        json!([
            {"role": "user", "content": [{"type": "input_text", "text": "何?"}, shown]},
            {"role": "assistant", "content": "お調べします"},
            called("a"),
            called("b"),
            {"type": "function_call_output", "call_id": "a", "output": "晴れ"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "晴れ"}, shown]},
            {"role": "assistant", "content": "晴れです"},
        ])
    );
}

#[test]
fn tools_are_as_strict_as_was_asked_and_no_stricter() {
    let tool = |strict| Tool {
        name: "weather".into(),
        description: Some("asks".into()),
        parameters: json!({"type": "object"}),
        strict,
        cache_point: false,
    };
    for (choice, written) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (
            ToolChoice::Named("weather".into()),
            json!({"type": "function", "name": "weather"}),
        ),
    ] {
        let body = responses::encode(&ChatRequest {
            tools: vec![tool(None), tool(Some(true))],
            tool_choice: Some(choice),
            parallel_tools: Some(false),
            ..asked(vec![Message::user("u")])
        });
        let wanted = |strict: bool| json!({"type": "function", "name": "weather", "description": "asks", "parameters": {"type": "object"}, "strict": strict});
        assert_eq!(body["tools"], json!([wanted(false), wanted(true)]));
        assert_eq!(body["tool_choice"], written);
        assert_eq!(body["parallel_tool_calls"], json!(false));
    }
}

#[test]
fn the_form_of_an_answer_is_asked_for() {
    let body = |format| {
        responses::encode(&ChatRequest {
            format,
            ..asked(vec![Message::user("u")])
        })
    };
    assert_eq!(body(Format::Text).get("text"), None);
    assert_eq!(
        body(Format::Json)["text"],
        json!({"format": {"type": "json_object"}})
    );
    let schema = |strict| Format::Schema {
        name: "s".into(),
        schema: json!({"type": "object"}),
        strict,
    };
    let wanted = |strict: bool| json!({"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": strict}});
    assert_eq!(body(schema(None))["text"], wanted(false));
    assert_eq!(body(schema(Some(true)))["text"], wanted(true));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..40) {
        prop_assert_eq!(read(bytes.chunks(size)), read([&bytes[..]]));
        let _ = responses::decode(&bytes);
    }

    #[test]
    fn any_json_that_looks_like_an_event_is_survived(
        kind in "response\\.(output_text|function_call_arguments|output_item)\\.(delta|added|done)|response\\.(completed|failed)|error",
        body in "(\"(delta|item|response|arguments|output_index|error)\":(1|\"a\"|null|\\[\\]|\\{\"type\":\"(function_call|message)\",\"(arguments|content|output)\":(1|\\[\\{\\}\\]|\"x\")\\}),){0,4}",
    ) {
        let event = format!("data: {{{body}\"type\":\"{kind}\"}}\n\n");
        let _ = read([event.as_bytes(), event.as_bytes()]);
        let _ = responses::decode(&event.as_bytes()[6..]);
    }

    #[test]
    fn any_cuts_give_the_same_events(mut cuts in proptest::collection::vec(0usize..9000, 0..12)) {
        cuts.retain(|cut| *cut <= CALLS.len());
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts {
            parts.push(&CALLS[from..cut]);
            from = cut;
        }
        parts.push(&CALLS[from..]);
        prop_assert_eq!(read(parts), read([CALLS]));
    }
}
