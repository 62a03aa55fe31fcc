//! Where a caller wants what was read to be kept, in the words of whoever is asked.

use llm::anthropic::door as messages;
use llm::openai::{self, door as chat, responses};
use llm::{ChatRequest, anthropic, bedrock};
use serde_json::{Value, json};

fn with(mut block: Value, mark: Value) -> Value {
    let fields = block.as_object_mut().unwrap();
    fields.insert("cache_control".to_owned(), mark);
    block
}

fn marked(block: Value) -> Value {
    with(block, json!({"type": "ephemeral"}))
}

fn for_an_hour(block: Value) -> Value {
    with(block, json!({"type": "ephemeral", "ttl": "1h"}))
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A tool, two texts of the house, and a turn with a call, its result, and a long text before the question.
fn body(mark: fn(Value) -> Value) -> Value {
    let tool =
        json!({"name": "weather", "description": "asks", "input_schema": {"type": "object"}});
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    json!({
        "model": "m", "max_tokens": 9, "stream": false, "tools": [mark(tool)],
        "system": [mark(text("長い決まり")), text("今日は雨")],
        "messages": [
            {"role": "user", "content": [text("a")]},
            {"role": "assistant", "content": [thought, mark(json!({"type": "tool_use", "id": "c", "name": "weather", "input": {}}))]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "晴れ"}, mark(text("長い文書")), text("これは？"),
            ]},
        ],
    })
}

fn read(body: &Value) -> ChatRequest {
    messages::read_messages(body.to_string().as_bytes()).unwrap()
}

#[test]
fn what_is_marked_is_marked_at_the_same_place_for_the_usual_time() {
    assert_eq!(anthropic::encode(&read(&body(marked))), body(marked));
    assert_eq!(anthropic::encode(&read(&body(for_an_hour))), body(marked));
    assert_eq!(
        anthropic::encode(&read(&body(|block| block))),
        body(|block| block)
    );
    let all = marked(body(|block| block));
    assert_eq!(anthropic::encode(&read(&all)), all);
}

#[test]
fn a_thought_takes_no_mark() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let turn = |thought: Value| {
        json!({"model": "m", "max_tokens": 9, "stream": false, "messages": [
            {"role": "user", "content": [text("a")]}, {"role": "assistant", "content": [text("b"), thought]},
        ]})
    };
    let written = anthropic::encode(&read(&turn(marked(thought.clone()))));
    assert_eq!(written, turn(thought));
}

#[test]
fn claude_on_bedrock_has_points_behind_what_is_kept_and_others_have_none() {
    let asked = |model: &str, request: &Value| {
        let request = ChatRequest {
            model: model.to_owned(),
            ..read(request)
        };
        bedrock::encode(&request, "run").unwrap()
    };
    let point = json!({"cachePoint": {"type": "default"}});
    let claude = "global.anthropic.claude-opus-5";
    let written = asked(claude, &body(marked));
    assert_eq!(
        written["system"],
        json!([{"text": "長い決まり"}, point, {"text": "今日は雨"}])
    );
    assert_eq!(written["toolConfig"]["tools"][1], point);
    let turn = &written["messages"];
    assert_eq!(turn[1]["content"][2], point, "{turn}");
    assert_eq!(turn[2]["content"][1], json!({"text": "長い文書"}));
    assert_eq!(turn[2]["content"][2], point);
    assert_eq!(turn[2]["content"][3], json!({"text": "これは？"}));
    let whole = asked(claude, &marked(body(|block| block)));
    assert_eq!(whole["messages"][2]["content"][3], point);
    assert_eq!(whole.to_string().matches("cachePoint").count(), 1);
    let other = asked("amazon.nova-2-lite-v1:0", &body(marked));
    assert_eq!(
        other,
        asked("amazon.nova-2-lite-v1:0", &body(|block| block))
    );
}

#[test]
fn who_keeps_by_itself_is_told_nothing() {
    let (with, without) = (read(&body(marked)), read(&body(|block| block)));
    assert_eq!(openai::encode(&with), openai::encode(&without));
    assert_eq!(responses::encode(&with), responses::encode(&without));
}

#[test]
fn a_chat_marks_parts_messages_and_tools() {
    let tool = json!({"type": "function", "function": {"name": "weather"}});
    let inside = json!({"type": "function", "function": marked(json!({"name": "time"}))});
    let body = marked(json!({
        "model": "m", "tools": [marked(tool), inside],
        "messages": [
            marked(json!({"role": "system", "content": "決まり"})),
            {"role": "user", "content": [text("長い文書"), text("これは？")]},
        ],
    }));
    let request = chat::read_chat(body.to_string().as_bytes())
        .unwrap()
        .request;
    let written = anthropic::encode(&request);
    assert_eq!(written["system"], json!([marked(text("決まり"))]));
    assert_eq!(
        written["tools"][0]["cache_control"],
        written["tools"][1]["cache_control"]
    );
    assert_eq!(written["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(
        written["messages"][0]["content"],
        json!([text("長い文書"), text("これは？")])
    );

    let call =
        json!({"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    let results = json!({"model": "m", "messages": [
        {"role": "user", "content": [marked(text("a")), text("b")]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [text("晴"), marked(text("れ"))]},
    ]});
    let request = chat::read_chat(results.to_string().as_bytes())
        .unwrap()
        .request;
    let written = anthropic::encode(&request);
    assert_eq!(
        written["messages"][0]["content"],
        json!([marked(text("a")), text("b")])
    );
    let result = json!({"type": "tool_result", "tool_use_id": "c", "content": "晴れ"});
    assert_eq!(written["messages"][2]["content"], json!([marked(result)]));
}

#[test]
fn a_mark_that_is_none_is_refused_at_its_place() {
    let with = |mark: Value| json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]}]});
    for (body, place) in [
        (
            with(json!({"type": "for ever"})),
            "/messages/0/content/0/cache_control/type",
        ),
        (
            with(json!({"type": "ephemeral", "ttl": "2h"})),
            "/messages/0/content/0/cache_control/ttl",
        ),
        (
            with(json!("ephemeral")),
            "/messages/0/content/0/cache_control",
        ),
    ] {
        let body = body.to_string();
        let refused = messages::read_messages(body.as_bytes()).unwrap_err();
        assert_eq!(refused.pointer.as_deref(), Some(place));
        let refused = chat::read_chat(body.as_bytes()).unwrap_err();
        assert_eq!(refused.pointer.as_deref(), Some(place));
    }
    let turn = |marks: usize| json!({"role": "user", "content": vec![marked(text("a")); marks]});
    let body = |marks| json!({"model": "m", "max_tokens": 9, "messages": [turn(marks)]});
    read(&body(4));
    let refused = messages::read_messages(body(5).to_string().as_bytes()).unwrap_err();
    assert!(
        refused.message.contains("4 cache_control at most"),
        "{refused:?}"
    );
    let all = marked(body(4)).to_string();
    assert!(
        chat::read_chat(all.as_bytes()).is_err()
            && messages::read_messages(all.as_bytes()).is_err()
    );
}
