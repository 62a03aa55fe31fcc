//! `POST /v1/completions`, the request: the protocol before chats, which editors and older tools speak.
//!
//! Source: <https://platform.openai.com/docs/api-reference/completions/create>. Models chat today, so a prompt is what the person
//! says, as `LiteLLM` has it. What no chat can do (token ids, `suffix`, `logprobs`, the best of several) is refused.

use serde_json::Value;

use super::chat::{choices, each_choice, sampling, streaming};
use crate::door::{LONGEST_NAME, max_tokens};
use crate::json::{self, Node};
use crate::{ChatRequest, Message, Refusal};

/// How long an answer is where nobody says: as at the vendor, whose clients reckon with it.
const TOKENS: u32 = 16;
/// The most answers of one request: as many prompts as `LangChain` sends at once.
const MOST_ANSWERS: usize = 20;

/// Prompts to go on from, as somebody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionAsk {
    /// The public name of the model.
    pub model: String,
    /// What is asked of it, once for each answer: all answers to the first prompt, then those to the next.
    pub requests: Vec<ChatRequest>,
    /// How many answers each prompt has.
    pub choices: usize,
    /// What stands before each answer; nothing unless the prompt is to be repeated.
    pub echoes: Vec<String>,
    /// Whether the answers are wanted piece by piece.
    pub stream: bool,
    /// Whether a stream ends with its usage.
    pub include_usage: bool,
}

/// Reads the body of a request.
pub fn read_completion(body: &[u8]) -> Result<CompletionAsk, Refusal> {
    let body = json::read(body)?;
    let root = Node::root(&body)?;
    let choices = choices(&root)?;
    refuse_shapes(&root, choices)?;
    let (stream, include_usage) = streaming(&root)?;
    let model = root.need("model")?.name(LONGEST_NAME)?;
    let limit = root.opt("max_tokens")?;
    let asked = ChatRequest {
        model: model.clone(),
        max_tokens: Some(limit.map_or(Ok(TOKENS), |n| max_tokens(&n))?),
        stream,
        ..sampling(&root)?
    };
    let prompts = prompts(&root.need("prompt")?)?;
    if prompts.len().saturating_mul(choices) > MOST_ANSWERS {
        let message = format!("One request has at most {MOST_ANSWERS} answers in all.");
        return Err(root.need("prompt")?.fail(message).coded("invalid_value"));
    }
    let echo = root.opt("echo")?.map_or(Ok(false), |n| n.flag())?;
    let mut requests = Vec::new();
    let mut echoes = Vec::new();
    for prompt in prompts {
        let request = ChatRequest {
            messages: vec![Message::user(prompt)],
            ..asked.clone()
        };
        requests.extend(each_choice(request, choices));
        let before = if echo { prompt } else { "" };
        echoes.extend((0..choices).map(|_| before.to_owned()));
    }
    Ok(CompletionAsk {
        model,
        requests,
        choices,
        echoes,
        stream,
        include_usage,
    })
}

/// Refuses what would make the answer another thing than the one that is written.
fn refuse_shapes(root: &Node, choices: usize) -> Result<(), Refusal> {
    if let Some(suffix) = root.opt("suffix")?
        && !suffix.text()?.is_empty()
    {
        return Err(suffix
            .fail("This is not supported: the models here chat, and none fills a gap.")
            .coded("unsupported_parameter"));
    }
    if let Some(logprobs) = root.opt("logprobs")? {
        return Err(logprobs
            .fail("This is not supported.")
            .coded("unsupported_parameter"));
    }
    if let Some(best) = root.opt("best_of")?
        && usize::try_from(best.int(1, i64::MAX)?).ok() != Some(choices)
    {
        return Err(best
            .fail("This has to be as many as n: nobody chooses among the answers.")
            .coded("unsupported_value"));
    }
    Ok(())
}

fn prompts<'a>(node: &Node<'a>) -> Result<Vec<&'a str>, Refusal> {
    if node.value.is_string() {
        return Ok(vec![prompt(node)?]);
    }
    let first = node.value.get(0);
    if first.is_some_and(|first| first.is_number() || first.is_array()) {
        return Err(node
            .fail("Token ids are not supported: this has to be a string or an array of strings.")
            .coded("unsupported_value"));
    }
    if !matches!(node.value, Value::Array(_)) {
        return Err(node
            .fail("This has to be a string or an array of strings.")
            .coded("invalid_type"));
    }
    node.items(1, MOST_ANSWERS)?.iter().map(prompt).collect()
}

fn prompt<'a>(node: &Node<'a>) -> Result<&'a str, Refusal> {
    let text = node.text()?;
    if text.is_empty() {
        return Err(node
            .fail("This is empty, and the models here chat.")
            .coded("invalid_value"));
    }
    Ok(text)
}
