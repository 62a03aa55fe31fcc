use axum::http::StatusCode;
use kernel::Lang;
use llm::{
    Refusal,
    openai::door::{
        ChatAsk, EmbedAsk, ResponseAsk, SaidBefore, read_chat, read_embed, read_response,
    },
};
use serde_json::{Value, json};

use super::{BatchId, Endpoint};
use crate::{
    Tokens,
    dialect::{Dialect, Turned},
    door::check_length,
};

/// The longest name that a caller gives a line.
const LONGEST_ID: usize = 512;

/// What a line asks for, as its door reads it.
#[derive(Debug)]
pub(super) enum Asked {
    Chat(ChatAsk),
    Embed(EmbedAsk),
    Response(Box<ResponseAsk>),
}

/// A line, and the name that its caller gave it, as far as it can be read.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) custom_id: Option<String>,
    pub(super) asked: Result<Asked, Refusal>,
}

impl Line {
    pub(super) fn read(data: &[u8], endpoint: Endpoint) -> Self {
        let nameless = |refusal| Self {
            custom_id: None,
            asked: Err(refusal),
        };
        let Ok(mut line) = serde_json::from_slice::<Value>(data) else {
            return nameless(
                Refusal::at("", "This line is not valid JSON.").coded("invalid_json_line"),
            );
        };
        let custom_id = match line.get("custom_id").and_then(Value::as_str) {
            Some(id) if is_a_name(id) => id.to_owned(),
            Some(_) => {
                let message = format!(
                    "This has to be 1 to {LONGEST_ID} characters without control characters."
                );
                return nameless(Refusal::at("/custom_id", message));
            }
            None => return nameless(Refusal::at("/custom_id", "This has to be a text.")),
        };
        Self {
            custom_id: Some(custom_id),
            asked: asked(&mut line, endpoint),
        }
    }
}

fn is_a_name(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn asked(line: &mut Value, endpoint: Endpoint) -> Result<Asked, Refusal> {
    let says = |line: &Value, name: &str, wanted: &str| {
        let said = line.get(name).and_then(Value::as_str);
        (said == Some(wanted))
            .then_some(())
            .ok_or_else(|| Refusal::at(format!("/{name}"), format!("This has to be {wanted}.")))
    };
    says(line, "method", "POST")?;
    says(line, "url", endpoint.as_str())?;
    let body = line.get_mut("body").map(Value::take);
    let body = body.filter(Value::is_object);
    let body = body.ok_or_else(|| Refusal::at("/body", "This has to be an object."))?;
    let body = body.to_string();
    let body = body.as_bytes();
    match endpoint {
        Endpoint::Chat => {
            let ask = read_chat(body)?;
            judge(&ask.request)?;
            if ask.choices > 1 {
                return Err(Refusal::at("/n", "A line of a batch has one answer."));
            }
            Ok(Asked::Chat(ask))
        }
        Endpoint::Embeddings => Ok(Asked::Embed(read_embed(body)?)),
        Endpoint::Responses => {
            let ask = read_response(body, &SaidBefore::new())?;
            judge(&ask.request)?;
            if ask.card.background {
                let message = "A batch is in the background by itself.";
                return Err(Refusal::at("/background", message));
            }
            if ask.card.previous.is_some() {
                let message = "A line of a batch goes on from no other response.";
                return Err(Refusal::at("/previous_response_id", message));
            }
            Ok(Asked::Response(Box::new(ask)))
        }
    }
}

fn judge(request: &llm::ChatRequest) -> Result<(), Refusal> {
    if request.stream {
        return Err(Refusal::at("/stream", "A batch has no streams."));
    }
    check_length(request)
}

/// How a line ends.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// What the run or the request for vectors is called.
    pub(super) request_id: Option<String>,
    pub(super) tokens: Tokens,
    /// Why it is no answer: a word and a sentence.
    pub(super) error: Option<(String, String)>,
}

impl Answer {
    /// What the door would have refused.
    pub(super) fn refused(turned: Turned, request_id: Option<String>) -> Self {
        let (status, body) = Dialect::OpenAi.said(turned, Lang::En);
        let word = |name: &str| {
            let word = body.pointer(&format!("/error/{name}"));
            word.and_then(Value::as_str).map(str::to_owned)
        };
        let code = word("code").or_else(|| word("type"));
        let error = Some((
            code.unwrap_or_default(),
            word("message").unwrap_or_default(),
        ));
        Self {
            status,
            body,
            request_id,
            tokens: Tokens::default(),
            error,
        }
    }

    /// As a line of the file of results or of errors.
    pub(super) fn write(&self, batch: BatchId, line: i32, custom_id: Option<&str>) -> Vec<u8> {
        let response = json!({
            "status_code": self.status.as_u16(), "request_id": self.request_id, "body": self.body,
        });
        write(batch, line, custom_id, Some(&response), self.error.as_ref())
    }
}

/// A line that was never asked.
pub(super) fn unasked(
    batch: BatchId,
    line: i32,
    custom_id: Option<&str>,
    (code, message): (&str, &str),
) -> Vec<u8> {
    let error = (code.to_owned(), message.to_owned());
    write(batch, line, custom_id, None, Some(&error))
}

fn write(
    batch: BatchId,
    line: i32,
    custom_id: Option<&str>,
    response: Option<&Value>,
    error: Option<&(String, String)>,
) -> Vec<u8> {
    let error = error.map(|(code, message)| json!({ "code": code, "message": message }));
    let line = json!({
        "id": format!("batch_req_{}_{line}", batch.0.simple()), "custom_id": custom_id,
        "response": response, "error": error,
    });
    let mut text = line.to_string().into_bytes();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line {
        Line::read(line.as_bytes(), Endpoint::Chat)
    }

    fn line(name: &str, value: Value) -> String {
        let mut line = json!({
            "custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
            "body": { "model": "small", "messages": [{ "role": "user", "content": "x" }] },
        });
        line[name] = value;
        line.to_string()
    }

    #[test]
    fn a_line_is_read_as_its_door_would() {
        let good = read(&line("custom_id", json!("b")));
        assert_eq!(good.custom_id.as_deref(), Some("b"));
        let Asked::Chat(ask) = good.asked.unwrap() else {
            panic!("it is a chat")
        };
        assert_eq!(ask.request.model, "small");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_with_its_name() {
        for (wrong, name, pointer) in [
            ("not json".to_owned(), None, ""),
            (line("custom_id", json!(7)), None, "/custom_id"),
            (line("custom_id", json!("")), None, "/custom_id"),
            (line("custom_id", json!("a\u{0}b")), None, "/custom_id"),
            (line("method", json!("GET")), Some("a"), "/method"),
            (line("url", json!("/v1/embeddings")), Some("a"), "/url"),
            (line("body", json!("x")), Some("a"), "/body"),
            (
                line("body", json!({ "model": "small" })),
                Some("a"),
                "/messages",
            ),
            (
                line(
                    "body",
                    json!({ "model": "small", "stream": true, "messages": [{ "role": "user", "content": "x" }] }),
                ),
                Some("a"),
                "/stream",
            ),
            (
                line(
                    "body",
                    json!({ "model": "small", "n": 2, "messages": [{ "role": "user", "content": "x" }] }),
                ),
                Some("a"),
                "/n",
            ),
        ] {
            let read = read(&wrong);
            assert_eq!(read.custom_id.as_deref(), name, "{wrong}");
            let refusal = read.asked.unwrap_err();
            assert_eq!(refusal.pointer.as_deref(), Some(pointer), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_doors_words_and_says_them_in_short() {
        let refusal = Refusal::at("/model", "No.").coded("no_such");
        let answer = Answer::refused(refusal.into(), None);
        let id = BatchId(uuid::Uuid::nil());
        let written: Value = serde_json::from_slice(&answer.write(id, 3, Some("a"))).unwrap();
        assert_eq!(written["custom_id"], "a");
        assert_eq!(written["response"]["status_code"], 400);
        assert_eq!(written["response"]["body"]["error"]["code"], "no_such");
        assert_eq!(written["error"]["code"], "no_such");
    }
}
