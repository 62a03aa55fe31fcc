//! `POST /v1/chat/completions` and `POST /v1/completions`, the answer: whole, or piece by piece, of one choice or several.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat-streaming>,
//! <https://platform.openai.com/docs/api-reference/completions/object>.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::chat::PAUSE;
use crate::door::{Face, sse};
use crate::{
    ChatAnswer, Finish, Refusal, StreamEvent, ThoughtDelta, TokenLogprob, ToolDelta, Usage,
};

/// Writes one answer.
#[derive(Debug, Clone)]
pub struct ChatWriter {
    face: Face,
    include_usage: bool,
    include_reasoning: bool,
    style: Style,
    choices: Vec<Choice>,
    ended: bool,
}

/// Which of the two protocols it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Chat,
    Text,
}

/// One of the answers, as far as it was told.
#[derive(Debug, Clone, Default)]
struct Choice {
    /// What stands before it.
    echo: String,
    begun: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
    mind: Mind,
    ended: bool,
}

/// Where it is with its thoughts, as far as they are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mind {
    #[default]
    Silent,
    Thinks,
    /// A thought is over, so that the next is told after a pause.
    Paused,
}

impl ChatWriter {
    /// Starts an answer that introduces itself like this.
    pub fn new(face: Face, include_usage: bool) -> Self {
        Self {
            face,
            include_usage,
            include_reasoning: true,
            style: Style::Chat,
            choices: vec![Choice::default()],
            ended: false,
        }
    }

    /// Makes it an answer of so many choices.
    #[must_use]
    pub fn of_choices(mut self, choices: usize) -> Self {
        self.choices.resize_with(choices, Choice::default);
        self
    }

    /// Says whether what the model thought is told, which there was no word for before chats.
    #[must_use]
    pub fn with_reasoning(mut self, include_reasoning: bool) -> Self {
        self.include_reasoning = include_reasoning;
        self
    }

    /// Makes it an answer of the protocol before chats, of a choice for each of the texts that stand before them.
    #[must_use]
    pub fn as_text(mut self, echoes: Vec<String>) -> Self {
        self.style = Style::Text;
        let choice = |echo| Choice {
            echo,
            ..Choice::default()
        };
        self.choices = echoes.into_iter().map(choice).collect();
        self
    }

    /// Writes the whole answer as one body.
    pub fn answer(&self, answers: &[ChatAnswer]) -> Value {
        json!(self.whole(answers))
    }

    /// The whole answer as it is written.
    pub fn whole<'a>(&'a self, answers: &'a [ChatAnswer]) -> impl Serialize + 'a {
        let choices = answers.iter().zip(&self.choices).enumerate();
        let choices = choices.map(|(index, (answer, choice))| WholeChoice {
            index,
            message: (self.style == Style::Chat)
                .then(|| Message::of(answer, self.include_reasoning)),
            text: (self.style == Style::Text).then(|| format!("{}{}", choice.echo, answer.text)),
            logprobs: likely(&answer.logprobs),
            finish_reason: reason(self.style, answer.finish),
        });
        Whole {
            id: &self.face.id,
            object: self.object("chat.completion"),
            created: self.face.created,
            model: &self.face.model,
            choices: choices.collect(),
            usage: sum(answers.iter().map(|answer| answer.usage)).map(Counts::from),
        }
    }

    /// Writes what the stream of a choice has told next; nothing for what is kept until the end.
    pub fn event(&mut self, index: usize, event: &StreamEvent) -> String {
        let Some(choice) = self.choices.get_mut(index).filter(|choice| !choice.ended) else {
            return String::new();
        };
        if self.ended {
            return String::new();
        }
        match event {
            StreamEvent::Text(text) => match self.style {
                Style::Chat => self.piece(index, &json!({"content": text})),
                Style::Text => self.piece(index, &json!(text)),
            },
            StreamEvent::Thought(ThoughtDelta::Text(text))
                if self.style == Style::Chat && self.include_reasoning =>
            {
                let before = std::mem::replace(&mut choice.mind, Mind::Thinks);
                let pause = if before == Mind::Paused { PAUSE } else { "" };
                self.piece(
                    index,
                    &json!({"reasoning_content": format!("{pause}{text}")}),
                )
            }
            StreamEvent::Thought(ThoughtDelta::Signature(_)) if choice.mind == Mind::Thinks => {
                choice.mind = Mind::Paused;
                String::new()
            }
            StreamEvent::Tool(delta) if self.style == Style::Chat => {
                self.piece(index, &json!({"tool_calls": [call(delta)]}))
            }
            StreamEvent::Usage(usage) => {
                choice.usage = Some(*usage);
                String::new()
            }
            StreamEvent::Finish(finish) => {
                choice.finish = Some(*finish);
                String::new()
            }
            StreamEvent::Logprobs(tokens) if self.style == Style::Chat => {
                let mut written = self.opening(index);
                written.push_str(&self.chunk(index, &json!({}), tokens, None));
                written
            }
            StreamEvent::Logprobs(_)
            | StreamEvent::Thought(_)
            | StreamEvent::Tool(_)
            | StreamEvent::Read(_)
            | StreamEvent::Alive => String::new(),
            StreamEvent::Done => {
                choice.ended = true;
                let finish = choice.finish.unwrap_or(Finish::Stop);
                self.end(index, finish)
            }
        }
    }

    /// Ends the stream with a failure.
    pub fn fail(&mut self, refusal: &Refusal) -> String {
        if std::mem::replace(&mut self.ended, true) {
            return String::new();
        }
        format!("{}data: [DONE]\n\n", sse(None, &super::refuse(refusal)))
    }

    /// Ends a choice, and with the last of them the stream.
    fn end(&mut self, index: usize, finish: Finish) -> String {
        let mut written = self.opening(index);
        let nothing = match self.style {
            Style::Chat => json!({}),
            Style::Text => json!(""),
        };
        written.push_str(&self.chunk(index, &nothing, &[], Some(finish)));
        if !self.choices.iter().all(|choice| choice.ended) {
            return written;
        }
        self.ended = true;
        if self.include_usage {
            let usage = sum(self.choices.iter().map(|choice| choice.usage));
            let mut body = self.head("chat.completion.chunk");
            body.insert("choices".into(), json!([]));
            body.insert("usage".into(), json!(usage.map(Counts::from)));
            written.push_str(&sse(None, &Value::Object(body)));
        }
        written.push_str("data: [DONE]\n\n");
        written
    }

    fn piece(&mut self, index: usize, delta: &Value) -> String {
        let mut written = self.opening(index);
        written.push_str(&self.chunk(index, delta, &[], None));
        written
    }

    /// The first chunk of a chat says who speaks, that of a text what it goes on from.
    fn opening(&mut self, index: usize) -> String {
        let Some(choice) = self.choices.get_mut(index).filter(|choice| !choice.begun) else {
            return String::new();
        };
        choice.begun = true;
        let echo = std::mem::take(&mut choice.echo);
        match self.style {
            Style::Chat => {
                let speaker = json!({"role": "assistant", "content": ""});
                self.chunk(index, &speaker, &[], None)
            }
            Style::Text if echo.is_empty() => String::new(),
            Style::Text => self.chunk(index, &json!(echo), &[], None),
        }
    }

    fn chunk(
        &self,
        index: usize,
        delta: &Value,
        tokens: &[TokenLogprob],
        finish: Option<Finish>,
    ) -> String {
        let mut body = self.head("chat.completion.chunk");
        let finish = finish.map(|finish| reason(self.style, finish));
        let name = match self.style {
            Style::Chat => "delta",
            Style::Text => "text",
        };
        body.insert(
            "choices".into(),
            json!([{"index": index, name: delta, "logprobs": likely(tokens), "finish_reason": finish}]),
        );
        if self.include_usage {
            body.insert("usage".into(), Value::Null);
        }
        sse(None, &Value::Object(body))
    }

    /// What every chunk begins with.
    fn head(&self, object: &'static str) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("id".into(), json!(self.face.id));
        body.insert("object".into(), json!(self.object(object)));
        body.insert("created".into(), json!(self.face.created));
        body.insert("model".into(), json!(self.face.model));
        body
    }

    /// What a body says that it is. The older protocol has one name for all of them.
    fn object(&self, object: &'static str) -> &'static str {
        match self.style {
            Style::Chat => object,
            Style::Text => "text_completion",
        }
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<WholeChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
}

/// One of the answers: a message of a chat, or a text.
#[derive(Serialize)]
struct WholeChoice<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    logprobs: Option<Likelihood<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    /// As DeepSeek and `LiteLLM` call it; OpenAI has no name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    refusal: (),
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

impl<'a> Message<'a> {
    fn of(answer: &'a ChatAnswer, include_reasoning: bool) -> Self {
        let is_silent = answer.text.is_empty() && !answer.calls.is_empty();
        let calls = answer.calls.iter().map(|call| {
            let mut written = json!({"id": call.id, "type": "function",
                                     "function": {"name": call.name, "arguments": call.arguments}});
            if let (Some(extra), Some(fields)) = (&call.extra_content, written.as_object_mut()) {
                fields.insert("extra_content".into(), extra.clone());
            }
            written
        });
        Self {
            role: "assistant",
            content: (!is_silent).then_some(&answer.text),
            reasoning_content: if include_reasoning {
                answer.thoughts_text()
            } else {
                String::new()
            },
            refusal: (),
            tool_calls: calls.collect(),
        }
    }
}

#[derive(Serialize)]
struct Counts {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: ReadDetails,
    completion_tokens_details: WrittenDetails,
}

#[derive(Serialize)]
struct ReadDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct WrittenDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
            prompt_tokens_details: ReadDetails {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.written,
            },
            completion_tokens_details: WrittenDetails {
                reasoning_tokens: usage.thought,
            },
        }
    }
}

/// What several answers have read and written together; none where nobody counted.
fn sum(usages: impl Iterator<Item = Option<Usage>>) -> Option<Usage> {
    usages.flatten().reduce(Usage::and)
}

/// How likely the tokens of an answer were.
#[derive(Serialize)]
struct Likelihood<'a> {
    content: &'a [TokenLogprob],
    refusal: (),
}

fn likely(content: &[TokenLogprob]) -> Option<Likelihood<'_>> {
    let refusal = ();
    (!content.is_empty()).then_some(Likelihood { content, refusal })
}

fn call(delta: &ToolDelta) -> Value {
    let mut function = Map::new();
    if let Some(name) = &delta.name {
        function.insert("name".into(), json!(name));
    }
    function.insert("arguments".into(), json!(delta.arguments));
    let mut call = Map::new();
    call.insert("index".into(), json!(delta.index));
    if let Some(id) = &delta.id {
        call.insert("id".into(), json!(id));
        call.insert("type".into(), json!("function"));
    }
    call.insert("function".into(), Value::Object(function));
    if let Some(extra) = &delta.extra_content {
        call.insert("extra_content".into(), extra.clone());
    }
    Value::Object(call)
}

fn reason(style: Style, finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::ToolCalls if style == Style::Chat => "tool_calls",
        Finish::Stop | Finish::Other | Finish::ToolCalls => "stop",
        Finish::ContentFilter => "content_filter",
    }
}
