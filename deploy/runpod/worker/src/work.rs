//! One job, from the input to the result.

use futures::StreamExt;
use llm::{
    ChatAnswer, StreamEvent,
    runpod::door::{JobAsk, Shape, batch, plain, read_job},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    control::{Control, Job},
    engine::{Engine, Error},
};

/// The tokens of an answer where the job names no limit; an engine's own default may be 16.
const MAX_TOKENS: u32 = 1_024;
/// The most words that go with one piece.
const MOST_WORDS: usize = 4_096;

/// Which models there are to choose from.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) model: String,
    pub(crate) version: Option<String>,
    pub(crate) adapters: Vec<String>,
}

/// Does a job and hands in what came of it.
pub(crate) async fn work(control: &Control, engine: &Engine, shelf: &Shelf, job: &Job) {
    let (result, streamed) = match read(shelf, &job.input) {
        Ok(ask) => {
            let streamed = ask.shape == Shape::Vllm;
            let result = answer(control, engine, shelf, &job.id, &ask).await;
            (result.map_err(|error| error.to_string()), streamed)
        }
        Err(why) => (Err(why), false),
    };
    let failed = result.is_err();
    let body = match result {
        Ok(output) => json!({ "output": output }),
        Err(why) => json!({ "error": why }),
    };
    match control.done(&job.id, &body, streamed).await {
        Ok(()) => tracing::info!(job = job.id, failed, "done"),
        Err(error) => tracing::error!(job = job.id, %error, "a result is lost"),
    }
}

/// What the job asks for, or why it can't be done.
fn read(shelf: &Shelf, input: &Value) -> Result<JobAsk, String> {
    let body = json!({ "input": input }).to_string();
    let mut ask = read_job(body.as_bytes()).map_err(|refusal| refusal.placed())?;
    ask.request.model = match input.get("adapter") {
        None | Some(Value::Null) => shelf.model.clone(),
        Some(Value::String(name)) if shelf.adapters.contains(name) => name.clone(),
        Some(_) => return Err("/input/adapter: There is no such adapter here.".to_owned()),
    };
    ask.request.max_tokens.get_or_insert(MAX_TOKENS);
    Ok(ask)
}

/// Has the engine answer. Where pieces are wanted, they go out as fast as RunPod takes them: whatever is written while one
/// is on its way goes with the next.
async fn answer(
    control: &Control,
    engine: &Engine,
    shelf: &Shelf,
    job: &str,
    ask: &JobAsk,
) -> Result<Value, Error> {
    let mut request = ask.request.clone();
    request.stream = true;
    let mut events = engine.chat(&request).await?;
    let (say, mut said) = mpsc::unbounded_channel();
    let listen = async {
        let say = say;
        let mut answer = ChatAnswer::empty(&request.model);
        while let Some(event) = events.next().await {
            let event = event?;
            answer.take(&event);
            if let StreamEvent::Text(text) = event {
                let _ = say.send(text);
            }
        }
        Ok::<_, Error>(answer)
    };
    let wants_pieces = ask.shape == Shape::Vllm && ask.request.stream;
    let pass_on = async {
        let (mut pieces, mut words) = (Vec::new(), Vec::new());
        while said.recv_many(&mut words, MOST_WORDS).await > 0 {
            if wants_pieces {
                pieces.push(batch(&words.concat(), None));
                send(control, job, pieces.last()).await;
            }
            words.clear();
        }
        pieces
    };
    let (answer, mut pieces) = tokio::join!(listen, pass_on);
    let answer = answer?;
    Ok(match ask.shape {
        Shape::Plain => {
            let mut output = plain(&answer);
            if let (Some(fields), Some(version)) = (output.as_object_mut(), &shelf.version) {
                fields.insert("version".to_owned(), json!(version));
            }
            output
        }
        Shape::Vllm => {
            let rest = if wants_pieces { "" } else { &answer.text };
            pieces.push(batch(rest, answer.usage));
            send(control, job, pieces.last()).await;
            json!(pieces)
        }
    })
}

/// A piece that RunPod does not take is no harm: the result has them all.
async fn send(control: &Control, job: &str, piece: Option<&Value>) {
    let Some(piece) = piece else { return };
    if let Err(error) = control.piece(job, &json!({ "output": piece })).await {
        tracing::warn!(job, %error, "a piece is not passed on");
    }
}
