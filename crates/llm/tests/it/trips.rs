//! What goes through both dialects and comes back the same.

use llm::anthropic::door as messages;
use llm::openai::door as chat;
use llm::{
    ChatAnswer, ChatRequest, Face, Finish, Format, Image, Likely, Message, Part, Role, StreamEvent,
    ThinkingDisplay, Thought, ThoughtDelta, TokenLogprob, Tool, ToolCall, ToolChoice, ToolResult,
    Usage, anthropic, openai,
};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

fn words() -> impl Strategy<Value = String> {
    let any = "[a-zぁ-んァ-ヶ一-龠🍶\"\\\\\n ]{1,20}";
    any.prop_filter("white space alone is no word", |it| !it.trim().is_empty())
}

fn image() -> impl Strategy<Value = Image> {
    prop_oneof![
        "https://example\\.com/[a-z]{1,8}\\.png".prop_map(Image::Url),
        "([a-zA-Z0-9+/]{4}){1,6}".prop_map(|data| Image::Base64 {
            media_type: "image/png".into(),
            data
        }),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    prop::collection::btree_map("[a-z]{1,5}", words(), 0..3).prop_map(|map| json!(map).to_string())
}

fn call() -> impl Strategy<Value = ToolCall> {
    let extra = prop::option::of(words());
    let called = |(id, name, arguments, extra): (_, _, _, Option<String>)| ToolCall {
        id,
        name,
        arguments,
        extra_content: extra.map(|seal| json!({"google": {"thought_signature": seal}})),
    };
    ("[a-z0-9_]{1,12}", "[a-z_]{1,10}", arguments(), extra).prop_map(called)
}

/// A turn of the person, and one of the model with the results of its calls.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let person =
        (prop::collection::vec(image(), 0..2), words()).prop_map(|(images, text)| Message {
            role: Role::User,
            parts: images
                .into_iter()
                .map(Part::Image)
                .chain([Part::Text(text)])
                .collect(),
        });
    let model = (words(), call(), words(), any::<bool>()).prop_map(|(text, call, said, calls)| {
        let mut model = Message::assistant(text);
        let mut both = Vec::new();
        if calls {
            let result = ToolResult {
                call: call.id.clone(),
                text: said,
                ..ToolResult::default()
            };
            model.parts.push(Part::Call(call));
            both.push(Message {
                role: Role::Tool,
                parts: vec![Part::Result(result)],
            });
        }
        both.insert(0, model);
        both
    });
    (person, model).prop_map(|(person, model)| [vec![person], model].concat())
}

fn request() -> impl Strategy<Value = ChatRequest> {
    (
        words(),
        prop::collection::vec(turn(), 1..4),
        prop::collection::btree_set("[a-z_]{1,10}", 0..3),
        prop::option::of(0u8..=10),
        any::<bool>(),
        prop::option::of(words()),
        prop::option::of(0u8..=20),
    )
        .prop_map(|(system, turns, mut tools, tenths, stream, stop, logprobs)| {
            let messages = [vec![Message::system(system)], turns.concat()].concat();
            // Claude is told of tools in any case where some were called
            if messages.iter().any(|message| message.role == Role::Tool) && tools.is_empty() {
                tools.insert("tool".to_owned());
            }
            ChatRequest {
            model: "m".into(),
            messages,
            max_tokens: Some(64),
            temperature: tenths.map(|t| f64::from(t) / 10.0),
            stop: stop.into_iter().collect(),
            logprobs,
            tool_choice: tools.first().cloned().map(ToolChoice::Named),
            tools: tools
                .into_iter()
                .map(|name| Tool {
                    name,
                    description: Some("道具".into()),
                    parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
                    strict: Some(true),
                    cache_point: false,
                })
                .collect(),
            format: Format::Text,
            stream,
            ..ChatRequest::default()
            }
        })
}

fn thought() -> impl Strategy<Value = Thought> {
    prop_oneof![
        ("[a-zぁ-ん\n]{0,20}", "[a-zA-Z0-9+/]{1,9}").prop_map(|(text, seal)| Thought::Open {
            text,
            signature: Some(seal),
        }),
        "[a-zA-Z0-9+/]{1,9}".prop_map(Thought::Closed),
    ]
}

/// The same answer where thoughts are words alone.
fn unsigned(answer: &ChatAnswer) -> ChatAnswer {
    let text = answer.thoughts_text();
    let signature = None;
    let thought = (!text.is_empty()).then_some(Thought::Open { text, signature });
    ChatAnswer {
        thoughts: thought.into_iter().map(Into::into).collect(),
        ..answer.clone()
    }
}

/// The same answer where nothing is told of its tokens and beside its calls.
fn unweighed(mut answer: ChatAnswer) -> ChatAnswer {
    for call in &mut answer.calls {
        call.extra_content = None;
    }
    ChatAnswer {
        logprobs: Vec::new(),
        ..answer
    }
}

fn token() -> impl Strategy<Value = TokenLogprob> {
    let likely = |(token, sixteenths, has_bytes): (String, u16, bool)| Likely {
        bytes: has_bytes.then(|| token.as_bytes().to_vec()),
        logprob: Number::from_f64(-f64::from(sixteenths) / 16.0).unwrap(),
        token,
    };
    let one = ("[a-zぁ-ん🍶\n]{1,3}", 0u16..480, any::<bool>()).prop_map(likely);
    (one.clone(), prop::collection::vec(one, 0..3)).prop_map(|(said, others)| TokenLogprob {
        token: said.token,
        logprob: said.logprob,
        bytes: said.bytes,
        top_logprobs: others,
    })
}

fn answer() -> impl Strategy<Value = ChatAnswer> {
    (
        prop::collection::vec(thought(), 0..3),
        "[a-zぁ-ん🍶\n]{0,30}",
        prop::collection::vec(token(), 0..3),
        prop::collection::vec(call(), 0..3),
        (0u64..1000, 0u64..1000, 0u64..1000),
        0u64..1000,
        0u64..1000,
        prop::sample::select(vec![
            Finish::Stop,
            Finish::Length,
            Finish::ToolCalls,
            Finish::ContentFilter,
        ]),
    )
        .prop_map(
            |(thoughts, text, logprobs, calls, (fresh, cached, kept), said, thought, finish)| {
                ChatAnswer {
                    thoughts: thoughts.into_iter().map(Into::into).collect(),
                    text,
                    logprobs,
                    // what calls has not just stopped
                    finish: match finish {
                        Finish::Stop if !calls.is_empty() => Finish::ToolCalls,
                        finish => finish,
                    },
                    calls,
                    model: "m".into(),
                    usage: Some(Usage {
                        input: fresh + cached + kept,
                        output: said + thought,
                        cached,
                        written: kept,
                        thought,
                    }),
                }
            },
        )
}

fn face() -> Face {
    Face {
        id: "x".into(),
        model: "m".into(),
        created: 1,
    }
}

fn gathered(events: &[StreamEvent]) -> ChatAnswer {
    let mut answer = ChatAnswer::empty("m");
    for event in events {
        answer.take(event);
    }
    answer
}

/// The events of an answer, its text and arguments in small pieces.
fn pieces(answer: &ChatAnswer) -> Vec<StreamEvent> {
    let mut pieces = Vec::new();
    for event in answer.clone().into_events() {
        match event {
            StreamEvent::Text(text) => {
                pieces.extend(text.chars().map(|c| StreamEvent::Text(c.into())));
            }
            StreamEvent::Thought(ThoughtDelta::Text(text)) => {
                let thought = |c: char| StreamEvent::Thought(ThoughtDelta::Text(c.into()));
                pieces.extend(text.chars().map(thought));
            }
            StreamEvent::Tool(mut delta) => {
                let arguments = std::mem::take(&mut delta.arguments);
                pieces.push(StreamEvent::Tool(delta.clone()));
                (delta.id, delta.name) = (None, None);
                for c in arguments.chars() {
                    delta.arguments = c.into();
                    pieces.push(StreamEvent::Tool(delta.clone()));
                }
            }
            other => pieces.push(other),
        }
    }
    pieces
}

/// Arguments compared as JSON: the second dialect has them as objects.
fn same_calls(left: &ChatRequest, right: &ChatRequest) -> bool {
    let plain = |request: &ChatRequest| -> Vec<(Role, Vec<Value>)> {
        let parts = |message: &Message| {
            let part = |part: &Part| match part {
                Part::Call(call) => {
                    let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                    json!([call.id, call.name, arguments])
                }
                other => json!(other),
            };
            (message.role, message.parts.iter().map(part).collect())
        };
        request.messages.iter().map(parts).collect()
    };
    plain(left) == plain(right)
}

proptest! {
    #[test]
    fn a_request_comes_back_through_openai(request in request()) {
        let dialect = openai::Dialect { extra_content: true, ..openai::Dialect::default() };
        let body = dialect.encode(&request).to_string();
        prop_assert_eq!(chat::read_chat(body.as_bytes()).unwrap().request, request);
    }

    #[test]
    fn a_request_comes_back_through_anthropic(request in request()) {
        let body = anthropic::encode(&request).to_string();
        let read = messages::read_messages(body.as_bytes()).unwrap();
        prop_assert!(same_calls(&read, &request), "{read:?}\n{request:?}");
        prop_assert_eq!(ChatRequest { messages: vec![], ..read }, ChatRequest { messages: vec![], logprobs: None, ..request });
    }

    #[test]
    fn a_request_crosses_from_one_dialect_to_the_other(request in request()) {
        let first = openai::encode(&request).to_string();
        let middle = chat::read_chat(first.as_bytes()).unwrap().request;
        let second = anthropic::encode(&middle).to_string();
        let last = messages::read_messages(second.as_bytes()).unwrap();
        prop_assert!(same_calls(&last, &request));
        prop_assert_eq!(last.tools, request.tools);
    }

    #[test]
    fn a_whole_answer_comes_back_through_both(answer in answer()) {
        let body = chat::ChatWriter::new(face(), false).answer(std::slice::from_ref(&answer)).to_string();
        prop_assert_eq!(openai::decode(body.as_bytes()).unwrap(), unsigned(&answer));
        let body = messages::MessageWriter::new(face(), 0).with_thoughts(Some(ThinkingDisplay::Auto)).answer(&answer).to_string();
        prop_assert_eq!(anthropic::decode(body.as_bytes()).unwrap(), unweighed(answer));
    }

    #[test]
    fn a_streamed_answer_comes_back_through_both(answer in answer(), size in 1usize..50) {
        let mut writer = chat::ChatWriter::new(face(), true);
        let stream: String = pieces(&answer).iter().map(|event| writer.event(0, event)).collect();
        let mut decoder = openai::StreamDecoder::new();
        let mut events = Vec::new();
        for part in stream.as_bytes().chunks(size) {
            events.extend(decoder.push(part).unwrap());
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(gathered(&events), unsigned(&answer));

        let mut writer = messages::MessageWriter::new(face(), 0).with_thoughts(Some(ThinkingDisplay::Auto));
        let stream: String = pieces(&answer).iter().map(|event| writer.event(event)).collect();
        let mut decoder = anthropic::StreamDecoder::new();
        let mut events = Vec::new();
        for part in stream.as_bytes().chunks(size) {
            events.extend(decoder.push(part).unwrap());
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(gathered(&events), unweighed(answer));
    }
}
