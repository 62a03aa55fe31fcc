//! The protocol before chats, and several answers to one question.

use llm::openai::door::{ChatWriter, read_chat, read_completion, refuse};
use llm::{ChatAnswer, Finish, Refusal, RefusalKind, StreamEvent, Usage};
use serde_json::{Value, json};

use crate::doors::{data, face, pointer};

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        cached: 0,
        ..Usage::default()
    }
}

fn said(text: &str, finish: Finish) -> ChatAnswer {
    ChatAnswer {
        text: text.to_owned(),
        finish,
        usage: Some(usage(3, 2)),
        ..ChatAnswer::empty("m")
    }
}

#[test]
fn a_prompt_is_what_the_person_says() {
    let body = json!({
        "model": "m", "prompt": "def add(", "max_tokens": 7, "temperature": 0.2, "top_p": 0.5, "stop": ["\n"], "seed": 4, "stream": true,
        "stream_options": {"include_usage": true}, "user": "u", "presence_penalty": 1, "frequency_penalty": 0, "logit_bias": {"5": 1},
        "logprobs": null, "suffix": "", "best_of": 1, "echo": true, "n": 1,
    });
    let ask = read_completion(body.to_string().as_bytes()).unwrap();
    let [request] = ask.requests.as_slice() else {
        panic!("{ask:?}");
    };
    assert_eq!(request.messages, [llm::Message::user("def add(")]);
    assert_eq!((request.max_tokens, request.seed), (Some(7), Some(4)));
    assert_eq!((request.temperature, request.top_p), (Some(0.2), Some(0.5)));
    assert_eq!(request.stop, ["\n"]);
    assert!(request.stream && ask.stream && ask.include_usage);
    assert_eq!((ask.choices, ask.echoes), (1, vec!["def add(".to_owned()]));

    let plain = json!({"model": "m", "prompt": ["def add("]}).to_string();
    let plain = read_completion(plain.as_bytes()).unwrap();
    assert_eq!(plain.requests[0].max_tokens, Some(16), "as at the vendor");
    assert_eq!(plain.echoes, [""]);
}

#[test]
fn each_prompt_has_its_answers_one_after_the_other_and_each_its_own_seed() {
    let body =
        json!({"model": "m", "prompt": ["a", "b"], "n": 2, "best_of": 2, "seed": 10, "echo": true})
            .to_string();
    let ask = read_completion(body.as_bytes()).unwrap();
    let asked: Vec<_> = ask
        .requests
        .iter()
        .map(|one| (one.messages[0].text().into_owned(), one.seed))
        .collect();
    let wanted = [("a", 10), ("a", 11), ("b", 10), ("b", 11)];
    assert_eq!(
        asked,
        wanted.map(|(text, seed)| (text.to_owned(), Some(seed)))
    );
    assert_eq!(ask.echoes, ["a", "a", "b", "b"]);

    let messages = json!([{"role": "user", "content": "x"}]);
    let body = json!({"model": "m", "messages": messages, "n": 3, "seed": i64::MAX}).to_string();
    let asked = read_chat(body.as_bytes()).unwrap();
    let seeds: Vec<_> = asked.requests().iter().map(|one| one.seed).collect();
    assert_eq!(
        seeds,
        [Some(i64::MAX), Some(i64::MIN), Some(i64::MIN + 1)],
        "no seed is too large"
    );
    let body = json!({"model": "m", "messages": messages, "n": 3}).to_string();
    let asked = read_chat(body.as_bytes()).unwrap().requests();
    assert!(asked.len() == 3 && asked.iter().all(|one| one.seed.is_none()));
}

#[test]
fn what_no_chat_can_do_is_refused_at_its_place() {
    let many = vec!["a"; 21];
    for (change, place) in [
        (json!({"prompt": null}), "/prompt"),
        (json!({"prompt": ""}), "/prompt"),
        (json!({"prompt": 5}), "/prompt"),
        (json!({"prompt": {}}), "/prompt"),
        (json!({"prompt": []}), "/prompt"),
        (json!({"prompt": [1, 2]}), "/prompt"),
        (json!({"prompt": [[1, 2]]}), "/prompt"),
        (json!({"prompt": many}), "/prompt"),
        (json!({"prompt": ["a", "b", "c"], "n": 7}), "/prompt"),
        (json!({"prompt": ["a", ""]}), "/prompt/1"),
        (json!({"prompt": ["a", 5]}), "/prompt/1"),
        (json!({"model": null}), "/model"),
        (json!({"n": 0}), "/n"),
        (json!({"n": 9}), "/n"),
        (json!({"n": "2"}), "/n"),
        (json!({"best_of": 2}), "/best_of"),
        (json!({"n": 2, "best_of": 1}), "/best_of"),
        (json!({"best_of": i64::MAX}), "/best_of"),
        (json!({"suffix": "}"}), "/suffix"),
        (json!({"suffix": 5}), "/suffix"),
        (json!({"logprobs": 0}), "/logprobs"),
        (json!({"echo": "yes"}), "/echo"),
        (json!({"max_tokens": 0}), "/max_tokens"),
        (json!({"max_tokens": -1}), "/max_tokens"),
        (json!({"temperature": 3}), "/temperature"),
        (json!({"stop": 5}), "/stop"),
        (
            json!({"stream_options": {"include_usage": true}}),
            "/stream_options",
        ),
    ] {
        let mut body = json!({"model": "m", "prompt": "x"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let body = body.to_string();
        assert_eq!(pointer(read_completion(body.as_bytes())), place, "{body}");
    }
    let ids = br#"{"model":"m","prompt":[1]}"#;
    let refusal = read_completion(ids).unwrap_err();
    assert!(
        refuse(&refusal)["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Token ids")
    );
}

#[test]
fn a_whole_text_stands_behind_its_prompt_and_is_counted_together() {
    let writer = ChatWriter::new(face(), false).as_text(vec!["1, ".into(), "a, ".into()]);
    let body = writer.answer(&[said("2", Finish::Length), said("b", Finish::Stop)]);
    assert_eq!(
        body,
        json!({
            "id": "id-1", "object": "text_completion", "created": 1_795_143_845, "model": "misaki",
            "choices": [
                {"index": 0, "text": "1, 2", "logprobs": null, "finish_reason": "length"},
                {"index": 1, "text": "a, b", "logprobs": null, "finish_reason": "stop"},
            ],
            "usage": {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                       "completion_tokens_details": {"reasoning_tokens": 0}},
        })
    );
    let chat = ChatWriter::new(face(), false).of_choices(2);
    let body = chat.answer(&[said("2", Finish::Length), said("b", Finish::ToolCalls)]);
    assert_eq!(body["choices"][1]["message"]["content"], "b");
    assert_eq!(body["choices"][1]["finish_reason"], "tool_calls");
    assert_eq!(body["choices"][1]["index"], 1);
}

/// Two choices that are told by turns, the first of which ends first.
fn by_turns(mut writer: ChatWriter) -> Vec<Value> {
    let text = |text: &str| StreamEvent::Text(text.into());
    let told = [
        (0, text("a")),
        (1, text("x")),
        (0, StreamEvent::Finish(Finish::Length)),
        (0, StreamEvent::Usage(usage(3, 1))),
        (0, StreamEvent::Done),
        (0, text("after its end")),
        (1, text("y")),
        (1, StreamEvent::Usage(usage(3, 2))),
        (1, StreamEvent::Done),
        (1, text("after the end")),
        (2, text("nobody's")),
    ];
    let stream: String = told
        .iter()
        .map(|(choice, event)| writer.event(*choice, event))
        .collect();
    data(&stream)
}

#[test]
fn choices_are_told_by_turns_and_the_last_of_them_ends_the_stream() {
    let chat = by_turns(ChatWriter::new(face(), true).of_choices(2));
    let text = by_turns(ChatWriter::new(face(), true).as_text(vec!["> ".into(), String::new()]));
    let flat = |chunks: &[Value]| -> Vec<(u64, String)> {
        let chunks = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0].is_object());
        let told = chunks.map(|chunk| {
            let choice = &chunk["choices"][0];
            let words = [
                &choice["delta"]["content"],
                &choice["text"],
                &choice["finish_reason"],
            ];
            let words: Vec<&str> = words.into_iter().filter_map(Value::as_str).collect();
            (choice["index"].as_u64().unwrap(), words.join("|"))
        });
        told.collect()
    };
    let wanted = |told: &[(u64, &str)]| -> Vec<(u64, String)> {
        told.iter()
            .map(|(index, words)| (*index, (*words).to_owned()))
            .collect()
    };
    assert_eq!(
        flat(&chat),
        wanted(&[
            (0, ""),
            (0, "a"),
            (1, ""),
            (1, "x"),
            (0, "length"),
            (1, "y"),
            (1, "stop")
        ])
    );
    assert_eq!(
        flat(&text),
        wanted(&[
            (0, "> "),
            (0, "a"),
            (1, "x"),
            (0, "|length"),
            (1, "y"),
            (1, "|stop")
        ])
    );
    for chunks in [chat, text] {
        let [.., counted, done] = chunks.as_slice() else {
            panic!("{chunks:?}");
        };
        assert_eq!((done, &counted["choices"]), (&json!("[DONE]"), &json!([])));
        assert_eq!(counted["usage"]["total_tokens"], 9);
        let counts = chunks.iter().filter(|chunk| chunk["usage"].is_object());
        assert_eq!(counts.count(), 1, "counted once, for all of them");
    }
}

#[test]
fn a_failure_of_one_ends_all() {
    let mut writer = ChatWriter::new(face(), true).of_choices(2);
    let _ = writer.event(0, &StreamEvent::Text("a".into()));
    let refusal = Refusal::new(RefusalKind::Upstream, "The provider failed.");
    let chunks = data(&writer.fail(&refusal));
    assert_eq!(chunks[0]["error"]["code"], "upstream_failed");
    assert_eq!(chunks[1], "[DONE]");
    assert_eq!(writer.event(1, &StreamEvent::Text("b".into())), "");
    assert_eq!(writer.event(1, &StreamEvent::Done), "");
}
