//! Conversations that OpenAI takes and Claude refuses as they are: empty turns, greetings, calls without tools, white space to stop at.

use llm::openai::door as chat;
use llm::{ChatRequest, anthropic, bedrock};
use serde_json::{Value, json};

fn read(body: &Value) -> ChatRequest {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    fields.insert("model".to_owned(), json!("m"));
    chat::read_chat(body.to_string().as_bytes())
        .unwrap()
        .request
}

fn claude(body: &Value) -> Value {
    anthropic::encode(&read(body))
}

fn converse(body: &Value) -> Value {
    bedrock::encode(&read(body), "run").unwrap()
}

fn said(role: &str, text: &str) -> Value {
    json!({"role": role, "content": text})
}

/// Who speaks in which order, with the words of each.
fn heard(written: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let words = |turn: &Value| {
        let blocks = turn["content"].as_array().unwrap().iter();
        blocks.map(|block| text(&block["text"])).collect()
    };
    let turns = written["messages"].as_array().unwrap().iter();
    turns
        .map(|turn| (text(&turn["role"]), words(turn)))
        .collect()
}

fn turn(role: &str, words: &[&str]) -> (String, Vec<String>) {
    let words = words.iter().map(|&word| word.to_owned());
    (role.to_owned(), words.collect())
}

#[test]
fn what_stands_on_both_sides_of_an_empty_turn_is_one_turn() {
    let body = json!({"messages": [
        said("user", "一"), said("assistant", ""), said("user", "二"), said("assistant", " \n"), said("user", "\u{3000}"), said("user", "三"),
        said("assistant", "四"), said("user", ""), said("assistant", "五"), said("user", "六"), said("assistant", ""),
    ]});
    let want = [
        turn("user", &["一", "二", "三"]),
        turn("assistant", &["四", "五"]),
        turn("user", &["六"]),
    ];
    assert_eq!(heard(&claude(&body)), want);
    assert_eq!(heard(&converse(&body)), want);
}

#[test]
fn where_nobody_else_speaks_the_words_of_the_house_are_answered() {
    for messages in [
        json!([said("system", "挨拶して"), said("system", " ")]),
        json!([said("system", "挨拶して"), said("user", "")]),
    ] {
        let body = json!({ "messages": messages });
        for written in [claude(&body), converse(&body)] {
            assert_eq!(heard(&written), [turn("user", &["挨拶して"])]);
            assert!(written.get("system").is_none(), "{written}");
        }
        let as_json = json!({"messages": messages, "response_format": {"type": "json_object"}});
        let written = claude(&as_json);
        assert_eq!(heard(&written), [turn("user", &["挨拶して"])]);
        assert!(written["system"][0]["text"].as_str().is_some());
    }
}

#[test]
fn nothing_is_said_where_there_is_white_space_alone() {
    let nothing = read(&json!({"messages": [said("system", ""), said("user", " \n")]}));
    assert!(nothing.says_nothing());
    let refused = bedrock::encode(&nothing, "run").unwrap_err();
    assert_eq!(refused.pointer.as_deref(), Some("/messages"));
    let picture = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    for body in [
        json!({"messages": [said("system", "a")]}),
        json!({"messages": [said("user", "a")]}),
        json!({"messages": [{"role": "user", "content": [picture]}]}),
    ] {
        assert!(!read(&body).says_nothing(), "{body}");
    }
}

#[test]
fn a_greeting_has_the_person_before_it_on_bedrock_alone() {
    let body = json!({"messages": [said("user", ""), said("assistant", "いらっしゃい"), said("user", "水")]});
    let rest = [turn("assistant", &["いらっしゃい"]), turn("user", &["水"])];
    assert_eq!(heard(&claude(&body)), rest);
    let written = heard(&converse(&body));
    assert_eq!(written[0], turn("user", &["."]));
    assert_eq!(written[1..], rest);
}

/// A conversation in which two tools were called, the second in vain.
fn called(more: Value) -> Value {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls = [
        call("c1", "weather", "{\"city\":\"東京\"}"),
        call("c2", "time", "{}"),
    ];
    let messages = json!([
        said("user", "天気は？"), {"role": "assistant", "content": "調べます", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "晴れ"}, {"role": "tool", "tool_call_id": "c2", "content": ""},
        said("user", "まとめて"),
    ]);
    let mut body = more;
    body.as_object_mut()
        .unwrap()
        .insert("messages".to_owned(), messages);
    body
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}})
}

#[test]
fn what_was_called_is_told_bedrock_in_words_where_nothing_may_be_called() {
    let none = json!({"tools": [tool()], "tool_choice": "none"});
    for body in [called(json!({})), called(none)] {
        let written = converse(&body);
        assert!(written.get("toolConfig").is_none(), "{written}");
        let want = [
            turn("user", &["天気は？"]),
            turn(
                "assistant",
                &[
                    "調べます",
                    "[c1] weather({\"city\":\"東京\"})",
                    "[c2] time({})",
                ],
            ),
            turn("user", &["[c1] 晴れ", "[c2] ", "まとめて"]),
        ];
        assert_eq!(heard(&written), want);
    }
    let written = converse(&called(json!({"tools": [tool()]})));
    assert_eq!(
        written["messages"][1]["content"][1]["toolUse"]["name"],
        "weather"
    );
    assert_eq!(
        written["messages"][2]["content"][0]["toolResult"]["toolUseId"],
        "c1"
    );
    assert_eq!(
        written["toolConfig"]["tools"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_result_that_failed_and_what_it_showed_are_told_bedrock_too() {
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "見て"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": [
            {"type": "text", "text": "暗い"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ]}]},
    ]});
    let request = anthropic::door::read_messages(body.to_string().as_bytes()).unwrap();
    let written = bedrock::encode(&request, "run").unwrap();
    let shown = json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}});
    assert_eq!(
        written["messages"][2]["content"],
        json!([{"text": "[c] error: 暗い"}, shown])
    );
}

#[test]
fn what_was_called_is_named_to_anthropic_where_nothing_may_be_called() {
    let written = claude(&called(json!({})));
    let named = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(written["tools"], json!([named("time"), named("weather")]));
    assert_eq!(written["tool_choice"], json!({"type": "none"}));
    assert_eq!(written["messages"][1]["content"][1]["type"], "tool_use");
    let written = claude(&called(json!({"tools": [tool()], "tool_choice": "none"})));
    assert_eq!(written["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(written["tool_choice"], json!({"type": "none"}));
    let plain = claude(&json!({"messages": [said("user", "a")]}));
    assert!(plain.get("tools").is_none() && plain.get("tool_choice").is_none());
}

#[test]
fn claude_is_told_no_white_space_to_stop_at() {
    let stops = |stop: Value| {
        let body = json!({"messages": [said("user", "a")], "stop": stop});
        let at_bedrock = converse(&body);
        let at_bedrock = at_bedrock["inferenceConfig"].get("stopSequences").cloned();
        assert_eq!(at_bedrock, claude(&body).get("stop_sequences").cloned());
        at_bedrock
    };
    assert_eq!(stops(json!("\n")), None);
    assert_eq!(stops(json!(["\n\n", " ", "\nQ:"])), Some(json!(["\nQ:"])));
}
