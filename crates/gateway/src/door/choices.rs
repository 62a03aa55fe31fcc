//! Several answers to one request: each is a run of its own, begun together (decision 0060).

use axum::{
    http::{HeaderValue, StatusCode},
    response::Response,
};
use identity::InferenceCaller;
use kernel::Lang;
use llm::{ChatRequest, StreamEvent, openai::door::ChatWriter};

use super::{
    Begun, Visit, check_length,
    tell::{Write, collect_all, sse_all, unless_gone},
    visit::launched,
};
use crate::{
    Ask, CacheUse, Cached, Error, Gateway, RunId,
    dialect::{Turned, json},
    repeat::{Known, Repeat},
    run::Together,
};

/// What one request asks for: a request for each answer, all those to the first question first.
pub(super) struct Wish {
    /// The public name of the model.
    pub(super) model: String,
    pub(super) requests: Vec<ChatRequest>,
    /// How many answers each question has.
    pub(super) each: usize,
    pub(super) streams: bool,
}

/// Starts what is wished for and tells it, whole or as a stream; `writer` knows how, once the first run has its id.
pub(super) async fn answer(
    room: &Gateway,
    visit: Visit,
    wish: Wish,
    lang: Lang,
    writer: impl FnOnce(RunId, String) -> ChatWriter,
) -> Result<Response, Turned> {
    let (streams, model) = (wish.streams, wish.model.clone());
    let runs = begun(room, &visit, wish).await?;
    let first = runs.first().ok_or(Error::RunNotFound)?.clone();
    let writer = writer(first.id, model);
    let mut response = if streams {
        let aborts = visit.aborts();
        let write = Choices {
            writer,
            choice: 0,
            lang,
        };
        sse_all(room, visit.caller, runs.clone(), 0, aborts, write).await?
    } else {
        let ids = runs.iter().map(|run| run.id);
        let answers = collect_all(room, visit.caller.principal, &runs);
        let answers = unless_gone(room, ids, visit.gone(), answers).await?;
        json(StatusCode::OK, &writer.whole(&answers))
    };
    first.name(&mut response);
    if runs.len() > 1 {
        name_all(&mut response, &runs);
    }
    Ok(response)
}

async fn begun(room: &Gateway, visit: &Visit, wish: Wish) -> Result<Vec<Begun>, Turned> {
    let model = Some(wish.model);
    let mut requests = wish.requests;
    if requests.len() == 1
        && let Some(request) = requests.pop()
    {
        return Ok(vec![visit.ask(room, model, request).await?]);
    }
    let repeat = Repeat::of(
        &visit.headers,
        &visit.caller,
        visit.dialect.name(),
        &visit.body,
    )?;
    let mut asks = Vec::with_capacity(requests.len());
    for (place, request) in requests.into_iter().enumerate() {
        check_length(&request)?;
        let mut ask = visit.asked(model.clone(), request)?;
        if !place.is_multiple_of(wish.each) {
            // one answer is remembered of each question, and several are wanted so that they differ
            ask.terms.cache = CacheUse::default();
        }
        asks.push(ask);
    }
    Ok(start_all(room, &visit.caller, asks, repeat).await?)
}

/// Starts runs together, or finds those that the same request started before.
async fn start_all(
    room: &Gateway,
    caller: &InferenceCaller,
    mut asks: Vec<Ask>,
    repeat: Option<Repeat>,
) -> Result<Vec<Begun>, Error> {
    let first: RunId = room.cx.ids.new_id();
    for (ask, id) in asks.iter_mut().zip(together(first)) {
        ask.id = Some(id);
    }
    let scope = caller.principal.scope();
    let (mut tx, decided) = match repeat {
        None => {
            let decided = Together::decide(room, caller, asks).await?;
            (room.cx.db.begin(scope).await?, decided)
        }
        Some(repeat) => {
            let mut tx = room.cx.db.begin(scope).await?;
            if let Known::Before(first) = repeat.look(&mut tx, room, caller, first).await? {
                let known = together(first).take(asks.len());
                return Ok(known.map(Begun::from).collect());
            }
            (tx, Together::decide(room, caller, asks).await?)
        }
    };
    let admitted = decided.record(&mut tx, room, caller).await?;
    tx.commit().await?;
    let mut begun = Vec::with_capacity(admitted.len());
    for run in admitted {
        begun.push(launched(room, run).await?);
    }
    Ok(begun)
}

/// The ids of runs that are begun together follow each other, so that the first names all of them.
fn together(first: RunId) -> impl Iterator<Item = RunId> {
    (0..).map(move |place: u32| {
        let mut bytes = *first.0.as_bytes();
        if let Some(last) = bytes.last_chunk_mut() {
            *last = u32::from_be_bytes(*last).wrapping_add(place).to_be_bytes();
        }
        RunId(uuid::Uuid::from_bytes(bytes))
    })
}

/// Names the run of each choice, in their order, and tells how many of them were given before.
fn name_all(response: &mut Response, runs: &[Begun]) {
    let names: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(",")) {
        response.headers_mut().insert("x-noren-runs", value);
    }
    let asked: Vec<Cached> = runs.iter().filter_map(|run| run.cached).collect();
    let hits = asked.iter().filter(|cached| **cached == Cached::All);
    let cached = match (asked.len(), hits.count()) {
        (0, _) => return,
        (_, 0) => Cached::None,
        (_, hits) if hits == runs.len() => Cached::All,
        _ => Cached::Some,
    };
    cached.mark(response.headers_mut());
}

struct Choices {
    writer: ChatWriter,
    /// Whose turn it is.
    choice: usize,
    lang: Lang,
}

impl Write for Choices {
    fn turn(&mut self, choice: usize) {
        self.choice = choice;
    }

    fn said(&mut self, event: &StreamEvent) -> String {
        self.writer.event(self.choice, event)
    }

    fn failed(&mut self, turned: Turned) -> String {
        self.writer.fail(&turned.into_refusal(self.lang))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn runs_that_begin_together_follow_each_other_and_stay_what_they_are() {
        for first in [
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bfff-ffffffffffff",
        ] {
            let first = RunId(Uuid::parse_str(first).unwrap());
            let ids: Vec<RunId> = together(first).take(20).collect();
            assert_eq!(ids.first(), Some(&first));
            let mut distinct = ids.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), 20);
            let kept = |id: &RunId| {
                (
                    id.0.get_version_num(),
                    id.0.get_variant(),
                    id.0.get_timestamp(),
                )
            };
            assert!(ids.iter().all(|id| kept(id) == kept(&first)));
        }
    }
}
