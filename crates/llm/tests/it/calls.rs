//! Calls of tools as servers tell them that only nearly speak the protocol, and how each door tells them on.

use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::openai::{self, StreamDecoder};
use llm::{CodecError, Finish, Part, StreamEvent, ThoughtDelta, ToolDelta};
use serde_json::{Value, json};

use crate::doors::{data, face};

reader!(read, StreamDecoder);

/// A stream of chunks with these calls, and how it ends.
fn stream(deltas: &[Value], finish: &str) -> String {
    let chunk = |delta: &Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!("data: {}\n\n", json!({"choices": [choice]}))
    };
    let mut said: Vec<String> = deltas
        .iter()
        .map(|calls| chunk(&json!({"tool_calls": calls}), None))
        .collect();
    said.push(chunk(&json!({}), Some(finish)));
    said.push("data: [DONE]\n\n".to_owned());
    said.concat()
}

/// What the calls of a stream come to, however it is cut: id, name and arguments of each.
fn calls(deltas: &[Value]) -> Vec<(String, String, String)> {
    let stream = stream(deltas, "tool_calls");
    let whole = read([stream.as_bytes()]);
    for at in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        assert_eq!(read([head, tail]), whole, "cut at {at}");
    }
    let (events, fault) = whole;
    assert_eq!(fault, None);
    let answer = crate::gathered(&events);
    let calls = answer.calls.into_iter();
    calls
        .map(|call| (call.id, call.name, call.arguments))
        .collect()
}

fn two() -> Vec<(String, String, String)> {
    let call = |id: &str, name: &str, city: &str| {
        (id.into(), name.into(), format!("{{\"c\":\"{city}\"}}"))
    };
    vec![call("a", "f", "x"), call("b", "g", "y")]
}

/// A piece of a call as it is sent.
fn wire(
    index: Option<u32>,
    id: impl Into<Value>,
    name: impl Into<Value>,
    arguments: &str,
) -> Value {
    let (id, name) = (id.into(), name.into());
    let mut call = json!({"id": id, "function": {"name": name, "arguments": arguments}});
    if let (Some(index), Some(fields)) = (index, call.as_object_mut()) {
        fields.insert("index".into(), json!(index));
    }
    call
}

#[test]
fn calls_are_kept_apart_however_their_pieces_are_told() {
    let (x, y) = ("{\"c\":\"x\"}", "{\"c\":\"y\"}");
    for (what, deltas) in [
        (
            "without an index, as Gemini",
            vec![
                json!([wire(None, "a", "f", x)]),
                json!([wire(None, "b", "g", y)]),
            ],
        ),
        (
            "without an index, in one chunk",
            vec![json!([wire(None, "a", "f", x), wire(None, "b", "g", y)])],
        ),
        (
            "all of index 0, as Ollama",
            vec![
                json!([wire(Some(0), "a", "f", x)]),
                json!([wire(Some(0), "b", "g", y)]),
            ],
        ),
        (
            "all of index 0, the rest without an id",
            vec![
                json!([wire(Some(0), "a", "f", "")]),
                json!([wire(Some(0), "", "", x)]),
                json!([wire(Some(0), "b", "g", "")]),
                json!([wire(Some(0), Value::Null, Value::Null, y)]),
            ],
        ),
        (
            "with the same id and name in each piece",
            vec![
                json!([wire(Some(0), "a", "f", "{\"c\":")]),
                json!([wire(Some(0), "a", "f", "\"x\"}")]),
                json!([wire(Some(1), "b", "g", "{\"c\":")]),
                json!([wire(Some(1), "b", "g", "\"y\"}")]),
            ],
        ),
        (
            "without an index, by their ids alone, by turns",
            vec![
                json!([wire(None, "a", "f", "")]),
                json!([wire(None, "b", "g", "")]),
                json!([wire(None, "a", Value::Null, x)]),
                json!([wire(None, "b", Value::Null, y)]),
            ],
        ),
        (
            "without an index, the rest without an id",
            vec![
                json!([wire(None, "a", "f", "")]),
                json!([wire(None, Value::Null, "f", x)]),
                json!([wire(None, "b", "g", "")]),
                json!([wire(None, Value::Null, Value::Null, y)]),
            ],
        ),
        (
            "with another id in each later piece, as Poolside",
            vec![
                json!([wire(Some(0), "a", "f", "{\"c\":")]),
                json!([wire(Some(0), "z1", Value::Null, "\"x\"}")]),
                json!([wire(Some(1), "b", "g", "{\"c\":")]),
                json!([wire(Some(1), "z2", Value::Null, "\"y\"}")]),
            ],
        ),
        (
            "counted from 1",
            vec![
                json!([wire(Some(1), "a", "f", x)]),
                json!([wire(Some(2), "b", "g", y)]),
            ],
        ),
        (
            "by turns",
            vec![
                json!([wire(Some(0), "a", "f", ""), wire(Some(1), "b", "g", "")]),
                json!([wire(Some(0), Value::Null, Value::Null, "{\"c\":")]),
                json!([wire(Some(1), Value::Null, Value::Null, "{\"c\":")]),
                json!([wire(Some(0), Value::Null, Value::Null, "\"x\"}")]),
                json!([wire(Some(1), Value::Null, Value::Null, "\"y\"}")]),
            ],
        ),
    ] {
        assert_eq!(calls(&deltas), two(), "{what}");
    }
    // nothing tells these apart but that each has a name
    let nameless = [
        json!([wire(None, "", "f", x)]),
        json!([wire(None, "", "f", y)]),
    ];
    let read = calls(&nameless);
    assert_eq!((read.len(), read[1].2.as_str()), (2, y));
}

#[test]
fn the_id_and_the_name_of_a_call_are_told_once() {
    let piece = |arguments: &str| json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}]);
    let (events, _) = read([stream(&[piece("{"), piece("}")], "tool_calls").as_bytes()]);
    let told = |id: Option<&str>, name: Option<&str>, arguments: &str| {
        StreamEvent::Tool(ToolDelta {
            id: id.map(Into::into),
            name: name.map(Into::into),
            arguments: arguments.into(),
            ..ToolDelta::default()
        })
    };
    assert_eq!(
        events[..2],
        [told(Some("a"), Some("f"), "{"), told(None, None, "}")]
    );
}

#[test]
fn too_many_calls_are_garbled() {
    let many: Vec<Value> = (0..=llm::MOST_CALLS)
        .map(|at| json!([{"id": at.to_string(), "function": {"name": "f", "arguments": "{}"}}]))
        .collect();
    let (events, fault) = read([stream(&many, "stop").as_bytes()]);
    assert_eq!(events.len(), llm::MOST_CALLS);
    assert!(
        matches!(fault, Some(CodecError::Garbled { .. })),
        "{fault:?}"
    );
    let whole: Vec<&Value> = many.iter().map(|calls| &calls[0]).collect();
    let body = json!({"choices": [{"message": {"tool_calls": whole}}]});
    let refused = openai::decode(body.to_string().as_bytes());
    assert!(
        matches!(refused, Err(CodecError::Garbled { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_answer_that_calls_tools_has_not_just_stopped() {
    let call = json!({"id": "a", "function": {"name": "f", "arguments": "{}"}});
    for (said, want) in [
        ("stop", Finish::ToolCalls),
        ("tool_calls", Finish::ToolCalls),
        ("length", Finish::Length),
    ] {
        let (events, _) = read([stream(&[json!([call])], said).as_bytes()]);
        assert_eq!(crate::gathered(&events).finish, want, "{said}");
        let body = json!({"choices": [{"message": {"content": null, "tool_calls": [call]}, "finish_reason": said}]});
        let answer = openai::decode(body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.finish, want, "{said}");
    }
    let (events, _) = read([stream(&[], "stop").as_bytes()]);
    assert_eq!(crate::gathered(&events).finish, Finish::Stop);
}

fn piece(index: u32, head: bool, arguments: &str) -> StreamEvent {
    StreamEvent::Tool(ToolDelta {
        index,
        id: head.then(|| format!("c{index}")),
        name: head.then(|| format!("f{index}")),
        arguments: arguments.into(),
        ..ToolDelta::default()
    })
}

/// Two calls that begin together, and whose arguments are told by turns.
fn by_turns() -> Vec<StreamEvent> {
    vec![
        piece(0, true, ""),
        piece(1, true, ""),
        piece(0, false, "{\"a\":"),
        piece(1, false, "{\"b\":"),
        piece(0, false, "\"}\\\"\"}"),
        piece(1, false, "2}"),
        StreamEvent::Finish(Finish::ToolCalls),
        StreamEvent::Done,
    ]
}

fn response(told: &[StreamEvent]) -> Vec<Value> {
    let card = chat::ResponseCard::default();
    let mut writer = chat::ResponseWriter::new(face(), card);
    let events = told.iter().flat_map(|event| writer.event(event));
    let stream: Vec<String> = events.map(|(_, text)| text).collect();
    data(&stream.concat())
}

fn message(told: &[StreamEvent]) -> Vec<Value> {
    let mut writer = messages::MessageWriter::new(face(), 0);
    let stream: Vec<String> = told.iter().map(|event| writer.event(event)).collect();
    data(&stream.concat())
}

#[test]
fn a_response_tells_calls_that_come_by_turns_one_after_the_other() {
    let told = response(&by_turns());
    let mut open = None;
    let (mut arguments, mut done) = (vec![String::new(); 2], Vec::new());
    for event in &told {
        let at = event["output_index"].as_u64();
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(open, None, "one is open at a time");
                open = at;
            }
            "response.function_call_arguments.delta" => {
                assert_eq!(open, at, "only the open one goes on");
                let at = usize::try_from(at.unwrap()).unwrap();
                arguments[at].push_str(event["delta"].as_str().unwrap());
            }
            "response.output_item.done" => {
                assert_eq!(open.take(), at);
                done.push(event["item"]["arguments"].clone());
            }
            _ => {}
        }
    }
    assert_eq!(done, ["{\"a\":\"}\\\"\"}", "{\"b\":2}"]);
    assert_eq!(done, arguments, "whole when it is done");
    let output = &told.last().unwrap()["response"]["output"];
    assert_eq!(
        [&output[0]["arguments"], &output[1]["arguments"]],
        [&done[0], &done[1]]
    );
}

#[test]
fn a_message_tells_calls_that_come_by_turns_one_after_the_other() {
    let mut open = None;
    let mut arguments = vec![String::new(); 2];
    for event in message(&by_turns()) {
        let at = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(open, None, "one is open at a time");
                open = at;
            }
            "content_block_delta" => {
                assert_eq!(open, at, "only the open one goes on");
                let piece = event["delta"]["partial_json"].as_str().unwrap();
                arguments[usize::try_from(at.unwrap()).unwrap()].push_str(piece);
            }
            "content_block_stop" => assert_eq!(open.take(), at),
            _ => {}
        }
    }
    assert_eq!(arguments, ["{\"a\":\"}\\\"\"}", "{\"b\":2}"]);
}

#[test]
fn a_call_is_told_as_soon_as_the_one_before_it_is_whole() {
    let mut writer = messages::MessageWriter::new(face(), 0);
    writer.event(&piece(0, true, "{\"a\": [\"]}\"]}"));
    let next = writer.event(&piece(1, true, ""));
    assert!(next.contains("content_block_stop") && next.contains("\"c1\""));
    let held = writer.event(&piece(2, true, "{}"));
    assert_eq!(held, "", "the one before it has not begun its arguments");
    // a count is no sign that it is over
    assert_eq!(writer.event(&StreamEvent::Alive), "");
    let then = data(&writer.event(&StreamEvent::Text("so".into())));
    let kinds: Vec<&Value> = then.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        kinds,
        [
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta"
        ]
    );
}

#[test]
fn what_was_held_back_of_an_answer_that_fails_stands_in_the_response() {
    let mut writer = chat::ResponseWriter::new(face(), chat::ResponseCard::default());
    for event in by_turns().iter().take(4) {
        writer.event(event);
    }
    let refusal = llm::Refusal::new(llm::RefusalKind::Upstream, "gone");
    let told = writer.fail(chat::ResponseState::Failed, &refusal);
    let last = data(&told.last().unwrap().1);
    let output = &last[0]["response"]["output"];
    assert_eq!(
        [&output[0]["arguments"], &output[1]["arguments"]],
        ["{\"a\":", "{\"b\":"]
    );
}

/// Mistral's: a list where others have a text.
fn listed() -> [Value; 4] {
    let thinks =
        |text: &str| json!([{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]);
    [
        thinks("Let me"),
        thinks(" think."),
        json!([{"type": "text", "text": "は"}]),
        json!("い"),
    ]
}

#[test]
fn words_and_thoughts_are_read_from_a_list_too() {
    let chunk = |content: &Value| json!({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
    let mut said: Vec<String> = listed()
        .iter()
        .map(|content| chunk(content).to_string())
        .collect();
    // in the same frame as the words before it
    said.push(chunk(&json!("、")).to_string());
    said.push(chunk(&json!([{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "b"}])).to_string());
    said.push(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#.to_owned());
    let events: Vec<String> = said
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    let stream = events.concat();
    let thinks = |text: &str| StreamEvent::Thought(ThoughtDelta::Text(text.into()));
    let want = vec![
        thinks("Let me"),
        thinks(" think."),
        crate::text("は"),
        crate::text("い"),
        crate::text("、"),
        crate::text("ab"),
        StreamEvent::Finish(Finish::Stop),
        StreamEvent::Done,
    ];
    for at in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        assert_eq!(read([head, tail]), (want.clone(), None), "cut at {at}");
    }

    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
        {"type": "text", "text": "はい"},
    ]);
    let body = json!({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]});
    let answer = openai::decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        (answer.thoughts_text(), answer.text),
        ("hm".into(), "はい".into())
    );
    let body = json!({"choices": [{"message": {"content": 7}}]});
    assert!(openai::decode(body.to_string().as_bytes()).is_err());
}

fn asked(extra: &Value) -> Value {
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
    json!({"model": "m", "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "r"},
    ]})
}

#[test]
fn what_was_told_beside_a_call_goes_to_the_caller_and_back_to_whoever_wants_it() {
    let extra = json!({"google": {"thought_signature": "seal=="}});
    let call =
        json!({"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
    let (events, _) = read([stream(&[json!([call])], "stop").as_bytes()]);
    let mut writer = chat::ChatWriter::new(face(), false);
    let told: Vec<String> = events.iter().map(|event| writer.event(0, event)).collect();
    let told = data(&told.concat());
    let shown = &told[1]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(shown["extra_content"], extra);

    let body = json!({"choices": [{"message": {"content": null, "tool_calls": [call]}, "finish_reason": "stop"}]});
    let answer = openai::decode(body.to_string().as_bytes()).unwrap();
    assert_eq!(crate::gathered(&events).calls, answer.calls);
    let whole = chat::ChatWriter::new(face(), false).answer(std::slice::from_ref(&answer));
    let shown = &whole["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(shown["extra_content"], extra);
    // a response that goes on from this one has it too
    let Some(Part::Call(kept)) = answer.parts().pop() else {
        panic!("no call")
    };
    assert_eq!(kept.extra_content, Some(extra.clone()));

    let request = chat::read_chat(asked(&extra).to_string().as_bytes())
        .unwrap()
        .request;
    let wants = openai::Dialect {
        extra_content: true,
        ..openai::Dialect::default()
    };
    let sent = |body: Value| body["messages"][1]["tool_calls"][0]["extra_content"].clone();
    assert_eq!(sent(wants.encode(&request)), extra);
    for other in [
        openai::encode(&request),
        openai::responses::encode(&request),
        llm::anthropic::encode(&request),
        llm::bedrock::encode(&request, "run").unwrap(),
    ] {
        assert!(!other.to_string().contains("seal=="), "{other}");
    }
}

#[test]
fn what_is_told_beside_a_call_is_bounded() {
    let large = json!({"google": "x".repeat(llm::MOST_EXTRA)});
    let call =
        json!({"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": large});
    let (events, fault) = read([stream(&[json!([call])], "stop").as_bytes()]);
    assert_eq!(
        (
            crate::gathered(&events).calls[0].extra_content.clone(),
            fault
        ),
        (None, None)
    );
    for wrong in [large, json!("text")] {
        let refused = chat::read_chat(asked(&wrong).to_string().as_bytes());
        let pointer = crate::doors::pointer(refused);
        assert_eq!(pointer, "/messages/1/tool_calls/0/extra_content");
    }
}
