//! What providers answer, cut at every byte; what they are sent, beside what their own libraries send.

use chrono::DateTime;
use llm::bedrock::{self, Credentials, ToSign};
use llm::runpod::{self, JobState};
use llm::{
    ChatRequest, CodecError, EmbedInput, EmbedRequest, Failure, Finish, Image, Message, Part, Role,
    StreamEvent, ToolCall, ToolResult, Usage, anthropic, openai,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::gathered;

const ANTHROPIC: &[u8] = include_bytes!("../fixtures/anthropic.sse");
const TOOLS: &[u8] = include_bytes!("../fixtures/tools.sse");
const CONVERSE: &[u8] = include_bytes!("../fixtures/converse.bin");
const EXCEPTION: &[u8] = include_bytes!("../fixtures/converse_exception.bin");
const SIGNED: &str = include_str!("../fixtures/sigv4.json");

reader!(read_openai, openai::StreamDecoder);
reader!(read_anthropic, anthropic::StreamDecoder);
reader!(read_bedrock, bedrock::StreamDecoder);

fn weather(id: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: "{\"city\":\"東京\"}".into(),
        ..ToolCall::default()
    }
}

#[test]
fn a_stream_of_tool_calls_is_read() {
    let (events, fault) = read_openai([TOOLS]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(answer.calls[0], weather("call_1"));
    assert_eq!(
        (answer.calls.len(), answer.calls[1].name.as_str()),
        (2, "time")
    );
    assert_eq!(answer.finish, Finish::ToolCalls);
    assert_eq!(
        answer.usage,
        Some(Usage {
            input: 30,
            output: 20,
            cached: 0,
            written: 0,
            thought: 0,
        })
    );
}

#[test]
fn a_model_of_openais_that_declines_has_not_answered() {
    let whole = br#"{"choices":[{"message":{"content":null,"refusal":"I can't."},"finish_reason":"stop"}]}"#;
    let answer = openai::decode(whole).unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("I can't.", Finish::ContentFilter)
    );
    let stream: &[u8] = b"data: {\"choices\":[{\"delta\":{\"refusal\":\"I can't.\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (events, fault) = read_openai([stream]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("I can't.", Finish::ContentFilter)
    );
}

#[test]
fn a_stream_of_anthropic_is_read_and_what_was_cached_counts_as_read() {
    let (events, fault) = read_anthropic([ANTHROPIC]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(answer.text, "こんばんは🍶");
    assert_eq!(answer.calls, [weather("toolu_1")]);
    assert_eq!(answer.finish, Finish::ToolCalls);
    let read = Usage {
        input: 18,
        output: 0,
        cached: 4,
        written: 3,
        thought: 0,
    };
    assert_eq!(
        events[0],
        StreamEvent::Read(read),
        "what was read is known before the first word"
    );
    assert_eq!(answer.usage, Some(Usage { output: 15, ..read }));
}

#[test]
fn a_stream_of_bedrock_is_read() {
    let (events, fault) = read_bedrock([CONVERSE]);
    assert_eq!(fault, None);
    let answer = gathered(&events);
    assert_eq!(answer.text, "こんばんは🍶");
    assert_eq!(answer.calls, [weather("tooluse_1")]);
    assert_eq!(
        answer.usage,
        Some(Usage {
            input: 15,
            output: 7,
            cached: 4,
            written: 0,
            thought: 0,
        })
    );
    assert_eq!(events.last(), Some(&StreamEvent::Done));
}

#[test]
fn an_exception_of_bedrock_is_told_after_the_text_before_it_and_may_be_tried_again() {
    let (events, fault) = read_bedrock([EXCEPTION]);
    assert_eq!(events, [StreamEvent::Text("半分".into())]);
    let fault = fault.unwrap();
    assert!(fault.retryable());
    assert!(
        matches!(fault, CodecError::Upstream { code: Some(code), .. } if code == "throttlingException")
    );
}

#[test]
fn every_byte_of_a_frame_is_under_a_checksum() {
    for at in 0..CONVERSE.len() {
        let mut bytes = CONVERSE.to_vec();
        bytes[at] ^= 1;
        let (_, fault) = read_bedrock([&bytes[..]]);
        assert!(fault.is_some(), "byte {at}");
    }
}

#[test]
fn every_cut_gives_the_same_events() {
    for at in 0..=CONVERSE.len() {
        let (head, tail) = CONVERSE.split_at(at);
        assert_eq!(read_bedrock([head, tail]), read_bedrock([CONVERSE]), "{at}");
    }
    for at in 0..=ANTHROPIC.len() {
        let (head, tail) = ANTHROPIC.split_at(at);
        assert_eq!(
            read_anthropic([head, tail]),
            read_anthropic([ANTHROPIC]),
            "{at}"
        );
    }
    for at in 0..=TOOLS.len() {
        let (head, tail) = TOOLS.split_at(at);
        assert_eq!(read_openai([head, tail]), read_openai([TOOLS]), "{at}");
    }
}

#[test]
fn a_stream_that_stops_before_its_reason_is_never_taken_as_whole() {
    let reason = ANTHROPIC
        .windows(11)
        .position(|w| w == b"\"tool_use\",")
        .unwrap();
    for at in 0..reason {
        assert_eq!(
            read_anthropic([&ANTHROPIC[..at]]).1,
            Some(CodecError::Truncated),
            "{at}"
        );
    }
    let reason = CONVERSE
        .windows(11)
        .position(|w| w == b"messageStop")
        .unwrap();
    for at in 0..reason {
        assert!(read_bedrock([&CONVERSE[..at]]).1.is_some(), "{at}");
    }
}

#[test]
fn a_failure_in_a_stream_of_anthropic_is_told() {
    let body = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let (_, fault) = read_anthropic([&body[..]]);
    assert!(fault.unwrap().retryable());
}

#[test]
fn requests_are_signed_as_botocore_signs_them() {
    let cases: Vec<Value> = serde_json::from_str(SIGNED).unwrap();
    assert_eq!(cases.len(), 4);
    let time = DateTime::from_timestamp(1_795_143_845, 0).unwrap();
    for case in &cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let pairs = |name: &str| -> Vec<(String, String)> {
            serde_json::from_value(case[name].clone()).unwrap()
        };
        let (query, headers) = (pairs("query"), pairs("headers"));
        let query: Vec<(&str, &str)> = query.iter().map(|(a, b)| (&**a, &**b)).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(a, b)| (&**a, &**b)).collect();
        let signed = bedrock::sign(
            &ToSign {
                method: text("method"),
                host: text("host"),
                path: text("path"),
                query: &query,
                headers: &headers,
                body: text("body").as_bytes(),
                region: text("region"),
                service: text("service"),
                time,
            },
            &Credentials {
                access_key: "AKIDEXAMPLE",
                secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                session_token: case["session_token"].as_str(),
            },
        );
        assert_eq!(signed[1].1, text("date"));
        assert_eq!(signed[0].1, text("authorization"), "{}", text("name"));
    }
}

#[test]
fn a_request_to_bedrock_has_its_model_in_the_path() {
    let request = ChatRequest {
        model: "mistral.mistral-7b-instruct-v0:2".into(),
        messages: vec![Message::system("s"), Message::user("u")],
        max_tokens: Some(5),
        stream: true,
        ..ChatRequest::default()
    };
    assert_eq!(
        bedrock::path(&request),
        "/model/mistral.mistral-7b-instruct-v0%3A2/converse-stream"
    );
    assert_eq!(
        bedrock::encode(&request, "run_1").unwrap(),
        json!({"system": [{"text": "s"}], "messages": [{"role": "user", "content": [{"text": "u"}]}],
               "inferenceConfig": {"maxTokens": 5}, "requestMetadata": {"noren_run": "run_1"}})
    );
}

#[test]
fn what_bedrock_cannot_take_is_refused_before_it_is_sent() {
    let request = ChatRequest {
        messages: vec![Message {
            role: Role::User,
            parts: vec![Part::Image(Image::Url("https://example.com/a.png".into()))],
        }],
        ..ChatRequest::default()
    };
    assert!(bedrock::encode(&request, "run_1").is_err());
}

#[test]
fn results_of_tools_go_to_anthropic_as_one_turn_of_the_person() {
    let result = |call: &str| {
        Part::Result(ToolResult {
            call: call.into(),
            text: "晴れ".into(),
            ..ToolResult::default()
        })
    };
    let request = ChatRequest {
        model: "m".into(),
        messages: vec![
            Message::user("天気は?"),
            Message {
                role: Role::Assistant,
                parts: vec![Part::Call(weather("a")), Part::Call(weather("b"))],
            },
            Message {
                role: Role::Tool,
                parts: vec![result("a")],
            },
            Message {
                role: Role::Tool,
                parts: vec![result("b")],
            },
            Message::user("ありがとう"),
        ],
        ..ChatRequest::default()
    };
    let body = anthropic::encode(&request);
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(body["messages"][2]["content"].as_array().unwrap().len(), 3);
    assert_eq!(body["messages"][1]["content"][0]["input"]["city"], "東京");
    assert_eq!(body["max_tokens"], 4096);
}

#[test]
fn runpod_is_always_told_the_limit() {
    let request = ChatRequest {
        messages: vec![Message::user("u")],
        ..ChatRequest::default()
    };
    for handler in [runpod::Handler::Vllm, runpod::Handler::Plain] {
        let body = runpod::encode(&request, handler, runpod::Policy::default()).unwrap();
        assert_eq!(body["input"]["sampling_params"]["max_tokens"], 1024);
    }
}

#[test]
fn outputs_of_every_handler_are_read() {
    let batch = |text: &str, output: u64| json!({"choices": [{"tokens": [text]}], "usage": {"input": 9, "output": output}});
    let counted = Some(Usage {
        input: 9,
        output: 4,
        cached: 0,
        written: 0,
        thought: 0,
    });
    for (output, usage) in [
        (json!("はい、どうぞ"), None),
        (json!({"text": "はい、どうぞ"}), None),
        (json!(["はい、", "どうぞ"]), None),
        (json!([batch("はい、", 2), batch("どうぞ", 4)]), counted),
        (
            json!({"choices": [{"message": {"content": "はい、どうぞ"}, "finish_reason": "stop"}],
                   "usage": {"prompt_tokens": 9, "completion_tokens": 4}}),
            counted,
        ),
    ] {
        let answer = runpod::read_output(&output).unwrap();
        assert_eq!(answer.text, "はい、どうぞ", "{output}");
        assert_eq!(answer.usage, usage, "{output}");
        assert_eq!(answer.finish, Finish::Stop);
    }
    for output in [json!(7), json!({"other": 1}), json!({"error": "CUDA"})] {
        assert!(runpod::read_output(&output).is_err(), "{output}");
    }
}

#[test]
fn a_batch_of_a_job_tells_what_was_counted_so_far() {
    let mut reader = runpod::StreamReader::default();
    let mut told = |text: &str, usage: Value| {
        let piece = json!({"choices": [{"tokens": [text]}], "usage": usage});
        reader.take(&piece).unwrap()
    };
    let counted = |output| {
        StreamEvent::Usage(Usage {
            input: 9,
            output,
            cached: 0,
            written: 0,
            thought: 0,
        })
    };
    let said = |text: &str| StreamEvent::Text(text.to_owned());
    let usage = |output| json!({"input": 9, "output": output});
    assert_eq!(told("一", usage(2)), [counted(2), said("一")]);
    assert_eq!(told("二", Value::Null), [said("二")]);
    assert_eq!(told("三", usage(6)), [counted(6), said("三")]);
    assert_eq!(
        reader.finish(),
        [StreamEvent::Finish(Finish::Stop), StreamEvent::Done]
    );
}

#[test]
fn jobs_are_read() {
    let job = runpod::decode_job(
        br#"{"id":"j-1","status":"COMPLETED","delayTime":12,"executionTime":34.6,"output":{"text":"x"},"workerId":"w"}"#,
    )
    .unwrap();
    assert_eq!(
        (job.state, job.delay_ms, job.execution_ms),
        (JobState::Completed, Some(12), Some(35))
    );
    let failed = runpod::decode_job(br#"{"id":"j-1","status":"FAILED","error":"oom"}"#).unwrap();
    assert!(runpod::failure(&failed).unwrap().retryable());
    assert!(runpod::decode_job(br#"{"error":"no such job"}"#).is_err());
    assert!(runpod::decode_job(br#"{"id":"j","status":"DANCING"}"#).is_err());
    let (state, pieces) = runpod::decode_stream(
        br#"{"status":"IN_PROGRESS","stream":[{"output":"a"},{"output":"b"}]}"#,
    )
    .unwrap();
    assert_eq!((state, pieces.len()), (JobState::InProgress, 2));
    let health = runpod::decode_health(
        br#"{"jobs":{"inQueue":2},"workers":{"idle":0,"running":0,"initializing":1}}"#,
    )
    .unwrap();
    assert!(health.is_cold());
}

#[test]
fn vectors_are_put_in_the_order_of_the_inputs() {
    let floats = br#"{"model":"e","data":[{"index":1,"embedding":[0.5,-1.0]},{"index":0,"embedding":[1.0,2.0]}],"usage":{"prompt_tokens":0,"total_tokens":0}}"#;
    let answer = openai::decode_embed(floats, 2).unwrap();
    assert_eq!(answer.vectors, [[1.0, 2.0], [0.5, -1.0]]);
    assert_eq!(answer.usage, Some(Usage::default()));
    let base64 = br#"{"data":[{"embedding":"AACAPwAAAEA="}]}"#;
    assert_eq!(
        openai::decode_embed(base64, 1).unwrap().vectors,
        [[1.0, 2.0]]
    );
    for (body, inputs) in [
        (&floats[..], 3),
        (
            br#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#,
            2,
        ),
        (
            br#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}"#,
            2,
        ),
        (br#"{"data":[{"embedding":"AACA"}]}"#, 1),
        (br#"{"data":[{"embedding":[]}]}"#, 1),
        (br#"{"error":{"message":"no"}}"#, 1),
    ] {
        assert!(openai::decode_embed(body, inputs).is_err());
    }
    let body = openai::encode_embed(
        &EmbedRequest {
            model: "e".into(),
            input: EmbedInput::Tokens(vec![vec![1, 2]]),
            dimensions: Some(8),
        },
        true,
    );
    assert_eq!(
        body,
        json!({"model": "e", "input": [[1, 2]], "dimensions": 8, "encoding_format": "base64"})
    );
}

#[test]
fn refusals_are_sorted_into_those_that_pass_and_those_that_last() {
    for (status, code, body, retryable) in [
        (
            429,
            None,
            r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
            true,
        ),
        (
            429,
            None,
            r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#,
            false,
        ),
        (
            529,
            None,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
            true,
        ),
        (
            400,
            None,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"x"}}"#,
            false,
        ),
        (
            429,
            Some("ThrottlingException:http://internal.amazon.com/coral/"),
            r#"{"message":"x"}"#,
            true,
        ),
        (
            400,
            Some("ValidationException"),
            r#"{"Message":"x"}"#,
            false,
        ),
        (502, None, "<html>", true),
        (404, None, "", false),
    ] {
        let failure = Failure::read(status, code, None, body.as_bytes());
        assert_eq!(failure.retryable, retryable, "{status} {body}");
    }
    let wait = |text| Failure::read(429, None, Some(text), b"").retry_after;
    assert_eq!(wait("2"), Some(2));
    assert_eq!(wait("0.2"), Some(1));
    assert_eq!(wait("-1"), None);
    assert_eq!(wait("Fri, 20 Nov 2026 20:00:00 GMT"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_survived_by_every_reader(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..40) {
        prop_assert_eq!(read_bedrock(bytes.chunks(size)), read_bedrock([&bytes[..]]));
        prop_assert_eq!(read_anthropic(bytes.chunks(size)), read_anthropic([&bytes[..]]));
        let _ = anthropic::decode(&bytes);
        let _ = bedrock::decode(&bytes, "m");
        let _ = runpod::decode_job(&bytes);
        let _ = runpod::decode_stream(&bytes);
        let _ = runpod::decode_health(&bytes);
        let _ = openai::decode_embed(&bytes, 1);
        let _ = Failure::read(500, None, None, &bytes);
    }

    #[test]
    fn any_cuts_give_the_same_events(mut cuts in proptest::collection::vec(0usize..3000, 0..10)) {
        cuts.sort_unstable();
        let split = |bytes: &'static [u8]| -> Vec<&'static [u8]> {
            let mut parts = Vec::new();
            let mut rest = bytes;
            let mut from = 0;
            for cut in &cuts {
                let (head, tail) = rest.split_at((cut - from).min(rest.len()));
                parts.push(head);
                rest = tail;
                from = *cut;
            }
            parts.push(rest);
            parts
        };
        prop_assert_eq!(read_bedrock(split(CONVERSE)), read_bedrock([CONVERSE]));
        prop_assert_eq!(read_anthropic(split(ANTHROPIC)), read_anthropic([ANTHROPIC]));
        prop_assert_eq!(read_openai(split(TOOLS)), read_openai([TOOLS]));
    }
}

#[test]
fn what_nobody_can_have_read_is_no_count() {
    for (most, is_told) in [(1 << 31, true), ((1 << 31) + 1, false), (u64::MAX, false)] {
        let told = [
            openai::decode(
                json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": most, "total_tokens": 3}})
                .to_string()
                .as_bytes(),
            ),
            anthropic::decode(
                json!({"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn", "model": "m",
                    "usage": {"input_tokens": 3, "output_tokens": most}})
                .to_string()
                .as_bytes(),
            ),
            bedrock::decode(
                json!({"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}, "stopReason": "end_turn",
                    "usage": {"inputTokens": 3, "outputTokens": most}})
                .to_string()
                .as_bytes(),
                "m",
            ),
            openai::responses::decode(
                json!({"status": "completed", "output": [{"type": "message", "role": "assistant",
                        "content": [{"type": "output_text", "text": "a"}]}],
                    "usage": {"input_tokens": 3, "output_tokens": most}})
                .to_string()
                .as_bytes(),
            ),
        ];
        for answer in told {
            let answer = answer.unwrap();
            assert_eq!(
                (answer.text.as_str(), answer.usage.is_some()),
                ("a", is_told)
            );
        }
    }
}
