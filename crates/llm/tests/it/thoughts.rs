//! What models think: read from each protocol, told at each door that was asked for it, and handed back to whoever thought it.

use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::openai::{Dialect, ThoughtField, responses};
use llm::{
    ChatAnswer, ChatRequest, Effort, Finish, Message, Part, Role, StreamEvent, ThinkingDisplay,
    Thought, ThoughtDelta, Tool, ToolCall, ToolChoice, anthropic, bedrock, openai,
};
use serde_json::{Value, json};

use crate::doors::{data, face, pointer};
use crate::gathered;

reader!(read_chat, openai::StreamDecoder);
reader!(read_anthropic, anthropic::StreamDecoder);
reader!(read_responses, responses::StreamDecoder);

fn stream(events: &[Value]) -> String {
    let events = events.iter().map(|event| format!("data: {event}\n\n"));
    events.collect()
}

fn thinks(text: &str) -> StreamEvent {
    StreamEvent::Thought(ThoughtDelta::Text(text.to_owned()))
}

fn seals(seal: &str) -> StreamEvent {
    StreamEvent::Thought(ThoughtDelta::Signature(seal.to_owned()))
}

fn closed(data: &str) -> StreamEvent {
    StreamEvent::Thought(ThoughtDelta::Closed(data.to_owned()))
}

fn says(text: &str) -> StreamEvent {
    StreamEvent::Text(text.to_owned())
}

fn open(text: &str, seal: Option<&str>) -> Thought {
    Thought::Open {
        text: text.to_owned(),
        signature: seal.map(ToOwned::to_owned),
    }
}

fn of(answer: &ChatAnswer) -> Vec<Thought> {
    let thoughts = answer.thoughts.iter();
    thoughts.map(|at| at.thought.clone()).collect()
}

#[test]
fn servers_of_openais_protocol_have_two_names_for_it_and_some_say_both() {
    let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let (events, fault) = read_chat([stream(&[
        chunk(json!({"role": "assistant", "content": null, "reasoning_content": "a"})),
        chunk(json!({"reasoning": "b"})),
        chunk(json!({"reasoning": "c", "reasoning_content": "c"})),
        chunk(json!({"reasoning_content": "", "reasoning": null})),
        chunk(json!({"reasoning": {"effort": "low"}, "content": "d", "reasoning_details": [{}]})),
        chunk(json!({"reasoning_content": "e", "content": "f"})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ])
    .as_bytes()]);
    assert_eq!(fault, None);
    let want = [
        thinks("a"),
        thinks("b"),
        thinks("c"),
        says("d"),
        thinks("e"),
        says("f"),
        StreamEvent::Finish(Finish::Stop),
        StreamEvent::Done,
    ];
    assert_eq!(events, want);
    for name in ["reasoning", "reasoning_content"] {
        let whole =
            json!({"choices": [{"message": {"content": "d", name: "a"}, "finish_reason": "stop"}]});
        let answer = openai::decode(whole.to_string().as_bytes()).unwrap();
        assert_eq!(
            (answer.text.as_str(), of(&answer)),
            ("d", vec![open("a", None)])
        );
    }
}

#[test]
fn claudes_thoughts_are_read_with_their_seals_and_those_that_are_closed() {
    let begin = |index, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let thinking = json!({"type": "thinking", "thinking": "", "signature": ""});
    let (events, fault) = read_anthropic([stream(&[
        begin(0, thinking.clone()),
        delta(0, json!({"type": "thinking_delta", "thinking": "考え"})),
        delta(0, json!({"type": "thinking_delta", "thinking": "中"})),
        delta(0, json!({"type": "signature_delta", "signature": "s1"})),
        json!({"type": "content_block_stop", "index": 0}),
        begin(1, json!({"type": "redacted_thinking", "data": "c1"})),
        begin(2, thinking),
        delta(2, json!({"type": "signature_delta", "signature": "s2"})),
        begin(3, json!({"type": "text", "text": ""})),
        delta(3, json!({"type": "text_delta", "text": "はい"})),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        json!({"type": "message_stop"}),
    ])
    .as_bytes()]);
    assert_eq!(fault, None);
    let want = [
        thinks("考え"),
        thinks("中"),
        seals("s1"),
        closed("c1"),
        seals("s2"),
        says("はい"),
    ];
    assert_eq!(events[..6], want);
    let whole = json!({"content": [
        {"type": "thinking", "thinking": "考え中", "signature": "s1"}, {"type": "redacted_thinking", "data": "c1"},
        {"type": "thinking", "thinking": "", "signature": "s2"}, {"type": "text", "text": "はい"},
    ], "stop_reason": "end_turn"});
    let answer = anthropic::decode(whole.to_string().as_bytes()).unwrap();
    assert_eq!(answer, gathered(&events));
    let pieces = answer.clone().into_events();
    assert_eq!(gathered(&pieces).thoughts, answer.thoughts);
}

#[test]
fn a_summary_of_openais_is_read_part_by_part() {
    let piece = |kind: &str, at: u64, part: u64, text: &str| json!({"type": kind, "output_index": at, "summary_index": part, "delta": text});
    let summary = "response.reasoning_summary_text.delta";
    let ended = json!({"type": "response.completed", "response": {"status": "completed", "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "d"}]},
    ]}});
    let (events, fault) = read_responses([stream(&[
        piece(summary, 0, 0, "a"),
        piece(summary, 0, 0, "b"),
        piece(summary, 0, 1, "c"),
        piece("response.output_text.delta", 1, 0, "d"),
        ended.clone(),
    ])
    .as_bytes()]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(of(&answer), [open("ab\n\nc", None)]);
    let whole = responses::decode(ended["response"].to_string().as_bytes()).unwrap();
    assert_eq!(
        (&whole.thoughts, &whole.text),
        (&answer.thoughts, &answer.text)
    );
    let (events, _) = read_responses([stream(std::slice::from_ref(&ended)).as_bytes()]);
    assert_eq!(gathered(&events), answer, "told with the end alone");
    let (events, _) =
        read_responses([stream(&[piece("response.reasoning_text.delta", 0, 0, "a")]).as_bytes()]);
    assert_eq!(events, [thinks("a")], "of a server that tells all of it");
}

#[test]
fn bedrocks_are_read_and_handed_back() {
    let whole = json!({"output": {"message": {"content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, {"reasoningContent": {"redactedContent": "Yw=="}}, {"text": "はい"},
    ]}}, "stopReason": "end_turn"});
    let answer = bedrock::decode(whole.to_string().as_bytes(), "m").unwrap();
    assert_eq!(
        of(&answer),
        [open("hm", Some("s")), Thought::Closed("Yw==".into())]
    );
    let request = ChatRequest {
        tools: vec![Tool {
            name: "weather".into(),
            description: None,
            parameters: json!({"type": "object"}),
            strict: None,
            cache_point: false,
        }],
        ..asked(of(&answer))
    };
    let body = bedrock::encode(&request, "run").unwrap();
    let content = &body["messages"][1]["content"];
    let given = &whole["output"]["message"]["content"];
    assert_eq!((&content[0], &content[1]), (&given[0], &given[1]));
    assert!(content[2].get("toolUse").is_some());
    let fields = &body["additionalModelRequestFields"];
    assert_eq!(
        fields["thinking"],
        json!({"type": "adaptive", "display": "summarized"})
    );
}

fn told() -> Vec<StreamEvent> {
    vec![
        thinks("a"),
        thinks("b"),
        seals("s"),
        closed("c"),
        thinks("d"),
        says("e"),
        thinks("f"),
        StreamEvent::Finish(Finish::Stop),
        StreamEvent::Done,
    ]
}

#[test]
fn a_message_has_its_thoughts_in_blocks_of_their_own() {
    let mut writer =
        messages::MessageWriter::new(face(), 1).with_thoughts(Some(ThinkingDisplay::Auto));
    let stream: String = told().iter().map(|event| writer.event(event)).collect();
    let events: Vec<Value> = data(&stream);
    let steps = events.iter().filter_map(|event| {
        let at = event["index"].as_u64()?;
        let kind = match event["type"].as_str()? {
            "content_block_start" => &event["content_block"]["type"],
            "content_block_delta" => &event["delta"]["type"],
            _ => &Value::Null,
        };
        Some((at, kind.as_str().unwrap_or("stop")))
    });
    let want = [
        (0, "thinking"),
        (0, "thinking_delta"),
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (0, "stop"),
        (1, "redacted_thinking"),
        (1, "stop"),
        (2, "thinking"),
        (2, "thinking_delta"),
        (2, "stop"),
        (3, "text"),
        (3, "text_delta"),
        (3, "stop"),
        (4, "thinking"),
        (4, "thinking_delta"),
        (4, "stop"),
    ];
    assert_eq!(steps.collect::<Vec<_>>(), want);
    let (read, fault) = read_anthropic([stream.as_bytes()]);
    assert_eq!(fault, None);
    assert_eq!(gathered(&read).thoughts, gathered(&told()).thoughts);
    let answer = gathered(&told());
    let body = writer.answer(&answer);
    let unsigned = |text| json!({"type": "thinking", "thinking": text, "signature": ""});
    let want = json!([
        {"type": "thinking", "thinking": "ab", "signature": "s"}, {"type": "redacted_thinking", "data": "c"},
        unsigned("d"), {"type": "text", "text": "e"}, unsigned("f"),
    ]);
    assert_eq!(body["content"], want, "in the order in which it was made");
    assert_eq!(gathered(&answer.clone().into_events()), answer);
}

#[test]
fn who_did_not_ask_is_told_no_thought_and_who_wants_none_its_seal_alone() {
    let shown = |display| {
        let mut writer = messages::MessageWriter::new(face(), 1).with_thoughts(display);
        let stream: String = told().iter().map(|event| writer.event(event)).collect();
        let whole = writer.answer(&gathered(&told()));
        (
            of(&gathered(&read_anthropic([stream.as_bytes()]).0)),
            whole["content"].clone(),
        )
    };
    let (thoughts, content) = shown(None);
    assert_eq!(
        (thoughts, content),
        (vec![], json!([{"type": "text", "text": "e"}]))
    );
    let (thoughts, content) = shown(Some(ThinkingDisplay::Omitted));
    assert_eq!(thoughts, [open("", Some("s")), Thought::Closed("c".into())]);
    assert_eq!(
        content,
        json!([
            {"type": "thinking", "thinking": "", "signature": "s"}, {"type": "redacted_thinking", "data": "c"},
            {"type": "text", "text": "e"},
        ])
    );
    let mut writer = chat::ChatWriter::new(face(), false).with_reasoning(false);
    let stream: String = told().iter().map(|event| writer.event(0, event)).collect();
    assert!(!stream.contains("reasoning"), "{stream}");
    assert!(
        writer.answer(&[gathered(&told())])["choices"][0]["message"]
            .get("reasoning_content")
            .is_none()
    );
    let mut writer = chat::ChatWriter::new(face(), false).as_text(vec![String::new()]);
    let stream: String = told().iter().map(|event| writer.event(0, event)).collect();
    assert_eq!(data(&stream)[0]["choices"][0]["text"], "e");
}

#[test]
fn a_chat_has_its_thoughts_beside_the_words() {
    let mut writer = chat::ChatWriter::new(face(), false);
    let stream: String = told().iter().map(|event| writer.event(0, event)).collect();
    let chunks = data(&stream);
    assert_eq!(
        chunks[1]["choices"][0]["delta"],
        json!({"reasoning_content": "a"})
    );
    let message = writer.answer(&[gathered(&told())])["choices"][0]["message"].clone();
    assert_eq!(
        (&message["reasoning_content"], &message["content"]),
        (&json!("ab\n\ndf"), &json!("e"))
    );
}

#[test]
fn a_response_has_a_summary_where_it_was_asked_for() {
    let writer = |reasoning: Value| {
        let body = json!({"model": "m", "input": "q", "reasoning": reasoning}).to_string();
        let ask = chat::read_response(body.as_bytes(), &chat::SaidBefore::new()).unwrap();
        (
            ask.request.display,
            chat::ResponseWriter::new(face(), ask.card),
        )
    };
    let (display, mut asked) = writer(json!({"effort": "low", "summary": "detailed"}));
    assert_eq!(display, Some(ThinkingDisplay::Detailed));
    let events: Vec<(u64, String)> = told().iter().flat_map(|event| asked.event(event)).collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|(_, text)| {
            data(text)[0]["type"]
                .as_str()
                .unwrap()
                .replace("response.", "")
        })
        .collect();
    let thought = |deltas: usize| {
        let deltas = vec!["reasoning_summary_text.delta"; deltas];
        [
            vec!["output_item.added", "reasoning_summary_part.added"],
            deltas,
            vec![
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done",
            ],
        ]
        .concat()
    };
    let words = [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ];
    assert_eq!(
        kinds,
        [
            thought(2),
            thought(1),
            words.to_vec(),
            thought(1),
            vec!["completed"]
        ]
        .concat()
    );
    let ended = data(&events.last().unwrap().1)[0]["response"].clone();
    assert_eq!(
        ended["reasoning"],
        json!({"effort": "low", "summary": "detailed"})
    );
    let summary = |text| json!([{"type": "summary_text", "text": text}]);
    let output = &ended["output"];
    let summaries = [0, 1, 3].map(|at| output[at]["summary"].clone());
    assert_eq!(summaries, ["ab", "d", "f"].map(summary));
    assert!(
        !output.to_string().contains("encrypted_content"),
        "{output}"
    );
    let whole = asked.body(
        chat::ResponseState::Completed,
        Some(&gathered(&told())),
        None,
    );
    assert_eq!(&whole["output"], output, "as the stream had it");
    let named = |at: usize| chat::said_in(output[at]["id"].as_str().unwrap(), &gathered(&told()));
    assert_eq!(named(0), Some(vec![Part::Thought(open("ab", Some("s")))]));
    assert_eq!(named(1), Some(vec![Part::Thought(open("d", None))]));

    let (display, mut plain) = writer(json!({"effort": "low"}));
    assert_eq!(display, None);
    let stream: String = told()
        .iter()
        .flat_map(|event| plain.event(event))
        .map(|(_, text)| text)
        .collect();
    assert!(!stream.contains("summary"), "{stream}");
    let whole = plain.body(
        chat::ResponseState::Completed,
        Some(&gathered(&told())),
        None,
    );
    assert_eq!(whole["output"][0]["type"], "message");
}

#[test]
fn a_response_tells_thoughts_closed_to_whoever_keeps_them_and_reads_them_back() {
    let body = json!({"model": "m", "input": "q", "include": ["reasoning.encrypted_content"]});
    let read = |body: &Value| {
        chat::read_response(body.to_string().as_bytes(), &chat::SaidBefore::new()).unwrap()
    };
    let ask = read(&body);
    assert_eq!(ask.request.display, Some(ThinkingDisplay::Omitted));
    let mut writer = chat::ResponseWriter::new(face(), ask.card);
    let events: Vec<(u64, String)> = told()
        .iter()
        .flat_map(|event| writer.event(event))
        .collect();
    let ended = data(&events.last().unwrap().1)[0]["response"].clone();
    let output = &ended["output"];
    let whole = writer.body(
        chat::ResponseState::Completed,
        Some(&gathered(&told())),
        None,
    );
    assert_eq!(&whole["output"], output);
    let seals = [0, 1].map(|at| output[at]["encrypted_content"].clone());
    assert_eq!(seals, ["signed:s", "closed:c"]);
    assert_eq!(
        (&output[0]["summary"], &output[2]["type"]),
        (&json!([]), &json!("message"))
    );

    let input = [
        output.as_array().unwrap().clone(),
        vec![json!({"role": "user", "content": "and"})],
    ];
    let back = read(&json!({"model": "m", "input": input.concat()}))
        .request
        .messages;
    let thoughts = [open("", Some("s")), Thought::Closed("c".into())].map(Part::Thought);
    let said = [&thoughts[..], &[Part::Text("e".into())]].concat();
    assert_eq!(
        (&back[0].parts, back.len()),
        (&said, 2),
        "nothing came of the last"
    );
}

#[test]
fn openais_thoughts_go_back_as_the_items_that_they_were_and_others_do_not() {
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAAA"});
    let call = json!({"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"});
    let answer = responses::decode(
        json!({"status": "completed", "output": [item, call]})
            .to_string()
            .as_bytes(),
    )
    .unwrap();
    let sealed = answer.parts();
    assert!(
        matches!(&sealed[..], [Part::Thought(Thought::Open { text, .. }), Part::Call(_)] if text == "hm")
    );
    let signed = Part::Thought(open("no", Some("claudes")));
    let request = |parts: Vec<Part>| ChatRequest {
        messages: vec![Message {
            role: Role::Assistant,
            parts,
        }],
        display: Some(ThinkingDisplay::Omitted),
        ..ChatRequest::default()
    };
    let parts = [vec![signed], sealed.clone(), vec![sealed[0].clone()]].concat();
    let written = responses::encode(&request(parts.clone()));
    assert_eq!(written["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        written["input"],
        json!([item, call]),
        "nothing came of the last, and the first is none of its own"
    );
    let claudes = anthropic::encode(&request(parts));
    assert!(
        claudes.to_string().contains("claudes") && !claudes.to_string().contains("gAAAA"),
        "{claudes}"
    );
}

/// A question, what the model thought before it called a tool, and what the tool said.
fn asked(thoughts: Vec<Thought>) -> ChatRequest {
    let call = Part::Call(ToolCall {
        id: "t".into(),
        name: "weather".into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    });
    let parts = thoughts
        .into_iter()
        .map(Part::Thought)
        .chain([call])
        .collect();
    ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::user("q"),
            Message {
                role: Role::Assistant,
                parts,
            },
        ],
        effort: Some(Effort::Low),
        display: Some(ThinkingDisplay::Auto),
        ..ChatRequest::default()
    }
}

#[test]
fn a_thought_goes_back_to_whoever_can_read_it_and_to_nobody_else() {
    let request = asked(vec![
        open("a", Some("s")),
        Thought::Closed("c".into()),
        open("b", None),
    ]);
    let body = anthropic::encode(&request);
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "redacted_thinking", "data": "c"},
            {"type": "tool_use", "id": "t", "name": "weather", "input": {}},
        ])
    );
    for (thoughts, field) in [
        (None, None),
        (
            Some(ThoughtField::ReasoningContent),
            Some("reasoning_content"),
        ),
        (Some(ThoughtField::Reasoning), Some("reasoning")),
    ] {
        let dialect = Dialect {
            thoughts,
            ..Dialect::default()
        };
        let message = &dialect.encode(&request)["messages"][1];
        for name in ["reasoning_content", "reasoning"] {
            let want = (field == Some(name)).then(|| json!("b"));
            assert_eq!(message.get(name), want.as_ref(), "{thoughts:?}");
        }
        assert!(!message.to_string().contains("\"s\""), "{message}");
    }
    let body = responses::encode(&request).to_string();
    assert!(
        !body.contains("thinking") && !body.contains("\"b\""),
        "{body}"
    );
}

#[test]
fn a_wish_to_read_thoughts_is_said_in_each_vendors_words() {
    let with = |display, choice| ChatRequest {
        display,
        tool_choice: choice,
        ..asked(vec![])
    };
    let claude = |display, choice| {
        anthropic::encode(&with(display, choice))
            .get("thinking")
            .cloned()
    };
    let adaptive = |display: &str| Some(json!({"type": "adaptive", "display": display}));
    assert_eq!(claude(None, None), None);
    assert_eq!(
        claude(Some(ThinkingDisplay::Concise), None),
        adaptive("summarized")
    );
    assert_eq!(
        claude(Some(ThinkingDisplay::Omitted), Some(ToolChoice::Auto)),
        adaptive("omitted")
    );
    assert_eq!(
        claude(Some(ThinkingDisplay::Auto), Some(ToolChoice::Required)),
        None
    );
    for (display, want) in [
        (None, json!({"effort": "low"})),
        (
            Some(ThinkingDisplay::Auto),
            json!({"effort": "low", "summary": "auto"}),
        ),
        (
            Some(ThinkingDisplay::Concise),
            json!({"effort": "low", "summary": "concise"}),
        ),
        (Some(ThinkingDisplay::Omitted), json!({"effort": "low"})),
    ] {
        assert_eq!(responses::encode(&with(display, None))["reasoning"], want);
    }
    assert!(
        !openai::encode(&with(Some(ThinkingDisplay::Auto), None))
            .to_string()
            .contains("summary")
    );
}

#[test]
fn what_is_brought_back_is_read_or_refused_at_its_place() {
    let message = |content: Value| json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]});
    let read = |body: &Value| messages::read_messages(body.to_string().as_bytes());
    let good = message(json!([
        {"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "thinking", "thinking": "b", "signature": ""},
        {"type": "thinking", "thinking": "c"}, {"type": "redacted_thinking", "data": "d"},
    ]));
    let thoughts = [
        open("a", Some("s")),
        open("b", None),
        open("c", None),
        Thought::Closed("d".into()),
    ];
    assert_eq!(
        read(&good).unwrap().messages[1].parts,
        thoughts.map(Part::Thought)
    );
    for (block, place) in [
        (
            json!({"type": "thinking"}),
            "/messages/1/content/0/thinking",
        ),
        (
            json!({"type": "thinking", "thinking": 7}),
            "/messages/1/content/0/thinking",
        ),
        (
            json!({"type": "thinking", "thinking": "a", "signature": 7}),
            "/messages/1/content/0/signature",
        ),
        (
            json!({"type": "redacted_thinking"}),
            "/messages/1/content/0/data",
        ),
    ] {
        assert_eq!(pointer(read(&message(json!([block])))), place);
    }
    for (thinking, place) in [
        (json!({"type": "maybe"}), "/thinking/type"),
        (
            json!({"type": "enabled", "budget_tokens": "many"}),
            "/thinking/budget_tokens",
        ),
        (
            json!({"type": "adaptive", "display": "all"}),
            "/thinking/display",
        ),
        (json!(true), "/thinking"),
    ] {
        let mut body = message(json!("a"));
        body["thinking"] = thinking;
        assert_eq!(pointer(read(&body)), place);
    }
    let said = |more: Value| {
        let mut said = json!({"role": "assistant", "content": "a"});
        said.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        chat::read_chat(
            json!({"model": "m", "messages": [said]})
                .to_string()
                .as_bytes(),
        )
    };
    let thought = |more| said(more).unwrap().request.messages[0].parts[0].clone();
    for name in ["reasoning_content", "reasoning"] {
        assert_eq!(thought(json!({name: "b"})), Part::Thought(open("b", None)));
        assert_eq!(
            pointer(said(json!({name: ["b"]}))),
            format!("/messages/0/{name}")
        );
        assert_eq!(thought(json!({name: null})), Part::Text("a".into()));
    }
    for (more, place) in [
        (json!({"include_reasoning": "yes"}), "/include_reasoning"),
        (
            json!({"messages": [{"role": "assistant", "reasoning_content": "b"}]}),
            "/messages/0/content",
        ),
    ] {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(pointer(chat::read_chat(body.to_string().as_bytes())), place);
    }
    let body = json!({"model": "m", "input": "q", "reasoning": {"summary": "all"}}).to_string();
    assert_eq!(
        pointer(chat::read_response(
            body.as_bytes(),
            &chat::SaidBefore::new()
        )),
        "/reasoning/summary"
    );
}

#[test]
fn pieces_in_any_order_become_an_answer() {
    let answer = gathered(&[seals("s"), thinks("a"), closed("c"), seals("t")]);
    let want = [
        open("", Some("s")),
        open("a", None),
        Thought::Closed("c".into()),
        open("", Some("t")),
    ];
    assert_eq!(of(&answer), want);
}
