//! What doors let in and turn away, and what they write.

use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::runpod::door as jobs;
use llm::{
    ChatAnswer, ChatRequest, EmbedAnswer, EmbedInput, Face, Finish, Format, Image, Message, Part,
    Refusal, RefusalKind, Role, StreamEvent, ToolChoice, ToolDelta, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn face() -> Face {
    Face {
        id: "id-1".into(),
        model: "misaki".into(),
        created: 1_795_143_845,
    }
}

fn told() -> Vec<StreamEvent> {
    let piece = |id: Option<&str>, name: Option<&str>, arguments: &str| {
        StreamEvent::Tool(ToolDelta {
            index: 0,
            id: id.map(Into::into),
            name: name.map(Into::into),
            arguments: arguments.into(),
            ..ToolDelta::default()
        })
    };
    vec![
        StreamEvent::Text("こん".into()),
        StreamEvent::Text("ばんは".into()),
        piece(Some("call_1"), Some("weather"), ""),
        piece(None, None, "{\"city\":"),
        piece(None, None, "\"東京\"}"),
        StreamEvent::Finish(Finish::ToolCalls),
        StreamEvent::Usage(Usage {
            input: 10,
            output: 4,
            cached: 3,
            written: 0,
            thought: 0,
        }),
        StreamEvent::Done,
    ]
}

/// The data of the events of a stream; what is no JSON is a string.
pub(crate) fn data(stream: &str) -> Vec<Value> {
    stream
        .split("\n\n")
        .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")))
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
        .collect()
}

pub(crate) fn pointer(refused: Result<impl std::fmt::Debug, Refusal>) -> String {
    let refusal = refused.unwrap_err();
    assert!(matches!(refusal.kind, RefusalKind::Invalid), "{refusal:?}");
    refusal.pointer.unwrap_or_default()
}

#[test]
fn a_full_chat_is_read() {
    let body = json!({
        "model": "misaki", "max_tokens": 9, "max_completion_tokens": 5, "temperature": 0.7, "top_p": 1,
        "stop": "。", "seed": -3, "stream": true, "stream_options": {"include_usage": true},
        "user": "u", "presence_penalty": 0, "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}}}],
        "response_format": {"type": "json_object"},
        "messages": [
            {"role": "developer", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "晴れ"},
        ],
    });
    let ask = chat::read_chat(body.to_string().as_bytes()).unwrap();
    assert!(ask.include_usage && ask.request.stream);
    let request = ask.request;
    assert_eq!(request.max_tokens, Some(5));
    assert_eq!(request.temperature, Some(0.7));
    assert_eq!(request.stop, ["。"]);
    assert_eq!(request.format, Format::Json);
    assert_eq!(
        request.tool_choice,
        Some(ToolChoice::Named("weather".into()))
    );
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!(
        request.messages[1].parts[1],
        Part::Image(Image::Base64 {
            media_type: "image/png".into(),
            data: "aGk=".into()
        })
    );
}

#[test]
fn a_wrong_chat_is_refused_at_its_place() {
    let message = r#"{"role":"user","content":"x"}"#;
    for (fields, place) in [
        (r#""model":"m""#.to_owned(), "/messages"),
        (r#""messages":[]"#.to_owned(), "/messages"),
        (format!(r#""messages":[{message}]"#), "/model"),
        (format!(r#""model":"m","messages":[{message},{{"role":"user"}}]"#), "/messages/1/content"),
        (format!(r#""model":"m","messages":[{message},{{"role":"boss","content":"x"}}]"#), "/messages/1/role"),
        (r#""model":"m","messages":[{"role":"user","content":7}]"#.to_owned(), "/messages/0/content"),
        (r#""model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]"#.to_owned(), "/messages/0/content/0/image_url/url"),
        (r#""model":"m","messages":[{"role":"user","content":[{"type":"input_audio"}]}]"#.to_owned(), "/messages/0/content/0/type"),
        (format!(r#""model":"m","messages":[{message}],"max_tokens":-1"#), "/max_tokens"),
        (format!(r#""model":"m","messages":[{message}],"max_tokens":0"#), "/max_tokens"),
        (format!(r#""model":"m","messages":[{message}],"max_tokens":1.5"#), "/max_tokens"),
        (format!(r#""model":"m","messages":[{message}],"max_tokens":99999999999999999999999"#), "/max_tokens"),
        (format!(r#""model":"m","messages":[{message}],"max_completion_tokens":1000001"#), "/max_completion_tokens"),
        (format!(r#""model":"m","messages":[{message}],"temperature":2.5"#), "/temperature"),
        (format!(r#""model":"m","messages":[{message}],"n":9"#), "/n"),
        (format!(r#""model":"m","messages":[{message}],"stream_options":{{}}"#), "/stream_options"),
        (format!(r#""model":"m","messages":[{message}],"tools":[{{"type":"function","function":{{"name":"a b"}}}}]"#), "/tools/0/function/name"),
        (format!(r#""model":"m","messages":[{message}],"tools":[{{"type":"function","function":{{"name":"a","parameters":{{"type":"string"}}}}}}]"#), "/tools/0/function/parameters/type"),
        (format!(r#""model":"m","messages":[{message}],"tools":[{{"type":"function","function":{{"name":"a","parameters":{{"type":"object","properties":{{"x":{{"type":"strin"}}}}}}}}}}]"#), "/tools/0/function/parameters/properties/x/type"),
        (format!(r#""model":"m","messages":[{message}],"tools":[{{"type":"function","function":{{"name":"a","parameters":{{"type":"object","required":"x"}}}}}}]"#), "/tools/0/function/parameters/required"),
        (format!(r#""model":"m","messages":[{message}],"tools":[{{"type":"function","function":{{"name":"a"}}}},{{"type":"function","function":{{"name":"a"}}}}]"#), "/tools"),
        (format!(r#""model":"m","messages":[{message}],"tool_choice":"required""#), "/tool_choice"),
        (format!(r#""model":"m","messages":[{message}],"response_format":{{"type":"xml"}}"#), "/response_format/type"),
        (format!(r#""model":"m","model":"n","messages":[{message}]"#), "/model"),
        (r#""model":"m","messages":[{"role":"user","content":"\u0000"}]"#.to_owned(), "/messages/0/content"),
        (r#""model":"m","messages":[{"role":"user","content":"\ud800"}]"#.to_owned(), "/messages/0/content"),
    ] {
        let body = format!("{{{fields}}}");
        assert_eq!(pointer(chat::read_chat(body.as_bytes())), place, "{body}");
    }
}

#[test]
fn a_refusal_has_the_shape_of_its_door() {
    let refusal = Refusal::at("/max_tokens", "Too many.").coded("invalid_value");
    assert_eq!(
        chat::refuse(&refusal),
        json!({"error": {"message": "Too many.", "type": "invalid_request_error", "param": "/max_tokens", "code": "invalid_value"}})
    );
    assert_eq!(
        messages::refuse(&refusal, Some("req_1")),
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "/max_tokens: Too many."}, "request_id": "req_1"})
    );
    assert_eq!(
        jobs::refuse(&refusal),
        json!({"error": "/max_tokens: Too many."})
    );
    let busy = Refusal::new(RefusalKind::Overloaded, "Busy.");
    assert_eq!((chat::status(&busy), messages::status(&busy)), (503, 529));
    let empty = Refusal::new(RefusalKind::OutOfQuota, "Empty.");
    assert_eq!(chat::refuse(&empty)["error"]["code"], "insufficient_quota");
}

#[test]
fn a_streamed_chat_begins_with_the_role_and_ends_with_usage_and_done() {
    let mut writer = chat::ChatWriter::new(face(), true);
    let stream: String = told().iter().map(|event| writer.event(0, event)).collect();
    let chunks = data(&stream);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"content": "こん"}));
    assert_eq!(chunks[1]["usage"], Value::Null);
    let n = chunks.len();
    assert_eq!(chunks[n - 1], "[DONE]");
    assert_eq!(chunks[n - 2]["choices"], json!([]));
    assert_eq!(chunks[n - 2]["usage"]["prompt_tokens"], 10);
    assert_eq!(
        chunks[n - 2]["usage"]["prompt_tokens_details"]["cached_tokens"],
        3
    );
    assert_eq!(chunks[n - 3]["choices"][0]["finish_reason"], "tool_calls");
    let reasons = chunks
        .iter()
        .filter(|c| c["choices"][0]["finish_reason"].is_string());
    assert_eq!(reasons.count(), 1);

    let mut plain = chat::ChatWriter::new(face(), false);
    let stream: String = told().iter().map(|event| plain.event(0, event)).collect();
    assert!(
        data(&stream)
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
}

#[test]
fn a_stream_that_fails_says_so_and_ends() {
    let refusal = Refusal::new(RefusalKind::Upstream, "The provider failed.");
    let mut writer = chat::ChatWriter::new(face(), true);
    let _ = writer.event(0, &StreamEvent::Text("半分".into()));
    let chunks = data(&writer.fail(&refusal));
    assert_eq!(chunks[0]["error"]["code"], "upstream_failed");
    assert_eq!(chunks[1], "[DONE]");
    assert_eq!(writer.event(0, &StreamEvent::Done), "");

    let mut writer = messages::MessageWriter::new(face(), 1).with_request_id(Some("req_1".into()));
    let _ = writer.event(&StreamEvent::Text("半分".into()));
    let stream = writer.fail(&refusal);
    assert!(stream.starts_with("event: error\n"));
    assert_eq!(data(&stream)[0]["request_id"], "req_1");
    assert_eq!(data(&stream)[0]["error"]["type"], "api_error");
}

#[test]
fn a_streamed_message_has_the_events_of_its_protocol_in_order() {
    let mut writer = messages::MessageWriter::new(face(), 12);
    let stream: String = told().iter().map(|event| writer.event(event)).collect();
    let events = data(&stream);
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let named: Vec<&str> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(named, kinds);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 12);
    assert_eq!(events[5]["content_block"]["id"], "call_1");
    assert_eq!(events[9]["delta"]["stop_reason"], "tool_use");
    // what came from the cache is not counted again
    assert_eq!(events[9]["usage"]["input_tokens"], 7);
    assert_eq!(events[9]["usage"]["cache_read_input_tokens"], 3);
}

#[test]
fn a_message_is_read_and_a_wrong_one_refused_at_its_place() {
    let body = json!({
        "model": "m", "max_tokens": 5, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}, {"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "東京"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [{"type": "text", "text": "no"}]}, {"type": "text", "text": "b"}]},
        ],
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
    });
    let request = messages::read_messages(body.to_string().as_bytes()).unwrap();
    let roles: Vec<Role> = request.messages.iter().map(|m| m.role).collect();
    assert_eq!(
        roles,
        [
            Role::System,
            Role::User,
            Role::Assistant,
            Role::Tool,
            Role::User
        ]
    );
    assert_eq!(request.parallel_tools, Some(false));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert!(matches!(&request.messages[3].parts[0], Part::Result(r) if r.failed && r.text == "no"));

    for (change, place) in [
        (json!({"max_tokens": null}), "/max_tokens"),
        (json!({"max_tokens": -1}), "/max_tokens"),
        (json!({"temperature": 1.5}), "/temperature"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]}),
            "/messages/0/content/0/type",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "document"}]}]}),
            "/messages/0/content/0/source",
        ),
        (
            json!({"tools": [{"type": "bash_20250124", "name": "bash"}]}),
            "/tools/0/type",
        ),
        (
            json!({"tools": [{"name": "weather"}]}),
            "/tools/0/input_schema",
        ),
        (
            json!({"tools": [{"name": "weather", "input_schema": {"type": "object", "properties": []}}]}),
            "/tools/0/input_schema/properties",
        ),
        (
            json!({"tool_choice": {"type": "tool", "name": "other"}}),
            "/tool_choice",
        ),
        (
            json!({"mcp_servers": [{"type": "url", "name": "a", "url": "https://mcp.example"}]}),
            "/mcp_servers",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "!"}}]}]}),
            "/messages/0/content/0/source/data",
        ),
    ] {
        let mut wrong = body.clone();
        for (key, value) in change.as_object().unwrap() {
            wrong[key] = value.clone();
        }
        let refused = messages::read_messages(wrong.to_string().as_bytes());
        assert_eq!(pointer(refused), place);
    }
    let count =
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "mcp_servers": []});
    assert!(messages::read_count(count.to_string().as_bytes()).is_ok());
    assert_eq!(messages::write_count(3), json!({"input_tokens": 3}));
}

#[test]
fn a_response_is_told_in_numbered_events() {
    let body = json!({
        "model": "m", "instructions": "s", "max_output_tokens": 9, "background": true, "metadata": {"k": "v"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": true}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "晴れ"},
        ],
    });
    let ask = chat::read_response(body.to_string().as_bytes(), &chat::SaidBefore::new()).unwrap();
    assert!(ask.card.background && ask.card.store);
    assert_eq!(ask.request.messages.len(), 4);
    assert_eq!(ask.request.messages[2].parts.len(), 2);
    assert!(matches!(ask.request.format, Format::Schema { .. }));

    let mut writer = chat::ResponseWriter::new(face(), ask.card.clone());
    let mut events = writer.start(chat::ResponseState::InProgress);
    for event in told() {
        events.extend(writer.event(&event));
    }
    let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let bodies: Vec<Value> = events.iter().flat_map(|(_, text)| data(text)).collect();
    for (number, body) in bodies.iter().enumerate() {
        assert_eq!(body["sequence_number"], number);
    }
    let kinds: Vec<&str> = bodies.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let whole = &bodies[14]["response"];
    assert_eq!(whole["status"], "completed");
    assert_eq!(whole["output"][0]["content"][0]["text"], "こんばんは");
    assert_eq!(whole["output"][1]["arguments"], "{\"city\":\"東京\"}");
    assert_eq!(whole["usage"]["total_tokens"], 14);
    assert_eq!(whole["metadata"], json!({"k": "v"}));

    let waiting = writer.body(chat::ResponseState::Queued, None, None);
    assert_eq!(
        (&waiting["status"], &waiting["output"]),
        (&json!("queued"), &json!([]))
    );
    let mut cut = ChatAnswer::empty("m");
    cut.text = "半".into();
    cut.finish = Finish::Length;
    let cut = writer.body(chat::ResponseState::of(cut.finish), Some(&cut), None);
    assert_eq!(cut["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(cut["output"][0]["status"], "incomplete");
    let refusal = Refusal::new(RefusalKind::Internal, "Sorry.");
    let failed = writer.body(chat::ResponseState::Failed, None, Some(&refusal));
    assert_eq!(
        failed["error"],
        json!({"code": "server_error", "message": "Sorry."})
    );

    for (wrong, place) in [
        (json!({"model": "m"}), "/input"),
        (
            json!({"model": "m", "input": "x", "previous_response_id": 7}),
            "/previous_response_id",
        ),
        (
            json!({"model": "m", "input": "x", "background": true, "store": false}),
            "/store",
        ),
        (
            json!({"model": "m", "input": [{"type": "computer_call"}]}),
            "/input/0/type",
        ),
        (
            json!({"model": "m", "input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}),
            "/tools/0/type",
        ),
    ] {
        assert_eq!(
            pointer(chat::read_response(
                wrong.to_string().as_bytes(),
                &chat::SaidBefore::new()
            )),
            place
        );
    }
}

#[test]
fn a_job_of_misaki_is_read_as_it_is() {
    let ask = jobs::read_job(r#"{"input":{"text":"こんばんは"}}"#.as_bytes()).unwrap();
    assert_eq!(ask.request.messages, [Message::user("こんばんは")]);
    assert_eq!(ask.shape, jobs::Shape::Plain);
    let body = json!({"input": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "sampling_params": {"max_tokens": 7, "temperature": 0.5}}, "webhook": "https://example.com/done",
        "policy": {"executionTimeout": 60_000}});
    let ask = jobs::read_job(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        (ask.shape, ask.request.max_tokens),
        (jobs::Shape::Vllm, Some(7))
    );
    assert_eq!(ask.policy.execution_ms, Some(60_000));
    for (wrong, place) in [
        (json!({}), "/input"),
        (json!({"input": {}}), "/input"),
        (json!({"input": {"text": ""}}), "/input/text"),
        (
            json!({"input": {"text": "a", "max_tokens": -1}}),
            "/input/max_tokens",
        ),
        (
            json!({"input": {"prompt": "a", "sampling_params": {"max_tokens": 9e9}}}),
            "/input/sampling_params/max_tokens",
        ),
        (
            json!({"input": {"text": "a"}, "webhook": "ftp://x"}),
            "/webhook",
        ),
    ] {
        assert_eq!(pointer(jobs::read_job(wrong.to_string().as_bytes())), place);
    }
}

#[test]
fn a_job_is_shown_in_the_shape_of_its_input() {
    let mut answer = ChatAnswer::empty("phi-3");
    answer.text = "はい".into();
    answer.usage = Some(Usage::default());
    let card = jobs::JobCard {
        id: "j",
        state: llm::runpod::JobState::Completed,
        delay_ms: Some(1),
        execution_ms: Some(2),
        answer: Some(&answer),
        error: None,
    };
    assert_eq!(
        jobs::write_job(&card, jobs::Shape::Plain),
        json!({"id": "j", "status": "COMPLETED", "delayTime": 1, "executionTime": 2,
               "output": {"text": "はい", "model": "phi-3", "usage": {"input": 0, "output": 0}}})
    );
    let vllm = jobs::write_job(&card, jobs::Shape::Vllm);
    assert_eq!(vllm["output"][0]["choices"][0]["tokens"], json!(["はい"]));
    let read = llm::runpod::read_output(&vllm["output"]).unwrap();
    assert_eq!((read.text, read.usage), (answer.text.clone(), answer.usage));
    let stream = jobs::write_stream(
        llm::runpod::JobState::InProgress,
        &[StreamEvent::Text("は".into())],
        jobs::Shape::Plain,
    );
    assert_eq!(
        stream,
        json!({"status": "IN_PROGRESS", "stream": [{"output": "は"}]})
    );
}

#[test]
fn vectors_are_asked_and_written_in_both_encodings() {
    let read = |body: Value| chat::read_embed(body.to_string().as_bytes());
    for (input, want) in [
        (json!("a"), EmbedInput::Texts(vec!["a".into()])),
        (
            json!(["a", "b"]),
            EmbedInput::Texts(vec!["a".into(), "b".into()]),
        ),
        (json!([1, 2]), EmbedInput::Tokens(vec![vec![1, 2]])),
        (
            json!([[1], [2]]),
            EmbedInput::Tokens(vec![vec![1], vec![2]]),
        ),
    ] {
        let ask = read(json!({"model": "e", "input": input})).unwrap();
        assert_eq!(ask.request.input, want);
    }
    for (input, place) in [
        (json!(""), "/input"),
        (json!([]), "/input"),
        (json!(["a", 1]), "/input/1"),
        (json!([[1], []]), "/input/1"),
        (json!([-1]), "/input/0"),
        (json!({}), "/input"),
    ] {
        assert_eq!(pointer(read(json!({"model": "e", "input": input}))), place);
    }
    let answer = EmbedAnswer {
        model: "x".into(),
        vectors: vec![vec![1.0, 2.0], vec![0.5, -1.0]],
        usage: None,
    };
    for encoding in [chat::Encoding::Float, chat::Encoding::Base64] {
        let body = chat::write_embed(&answer, "e", encoding).to_string();
        let read = llm::openai::decode_embed(body.as_bytes(), 2).unwrap();
        assert_eq!(read.vectors, answer.vectors);
    }
}

#[test]
fn models_are_listed() {
    let card = chat::ModelCard {
        id: "misaki".into(),
        created: 1,
        owned_by: "noren".into(),
    };
    assert_eq!(
        chat::write_models(&[card]),
        json!({"object": "list", "data": [{"id": "misaki", "object": "model", "created": 1, "owned_by": "noren"}]})
    );
}

fn read_everywhere(body: &[u8]) -> Option<ChatRequest> {
    let _ = chat::read_references(body);
    let _ = chat::read_response(body, &chat::SaidBefore::new());
    let _ = chat::read_embed(body);
    let _ = chat::read_completion(body);
    let _ = messages::read_messages(body);
    let _ = messages::read_count(body);
    let _ = jobs::read_job(body);
    chat::read_chat(body).ok().map(|ask| ask.request)
}

/// JSON made of the words that the doors know, put together at random.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "text",
        "user",
        "assistant",
        "tool",
        "auto",
        "function",
        "image_url",
        "tool_use",
        "tool_result",
        "input_text",
        "message",
        "json_schema",
        "object",
        "data:image/png;base64,aGk=",
        "",
        "あ",
    ]);
    let key = prop::sample::select(vec![
        "type",
        "text",
        "role",
        "content",
        "function",
        "name",
        "parameters",
        "input",
        "messages",
        "tools",
        "tool_choice",
        "image_url",
        "url",
        "source",
        "id",
        "tool_calls",
        "arguments",
        "properties",
        "max_tokens",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_bring_a_door_down(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_everywhere(&body);
    }

    #[test]
    fn no_json_brings_a_door_down(messages in any_json(), tools in any_json(), input in any_json(), rest in any_json()) {
        let body = json!({"model": "m", "max_tokens": 5, "messages": messages, "tools": tools, "input": input, "tool_choice": rest});
        let _ = read_everywhere(body.to_string().as_bytes());
        let body = json!({"model": "m", "messages": [messages], "input": [input], "tools": [tools]});
        let _ = read_everywhere(body.to_string().as_bytes());
        let _ = llm::runpod::read_output(&rest);
    }
}
