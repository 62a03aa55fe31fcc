//! How lines end: once each, in the files that their batch leaves.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Batch,
    line::Answer,
    store::{self, Open},
};
use crate::{Error, Gateway, Tokens, file};

/// A line on its way to its end.
pub(super) struct Ended {
    pub(super) line: i32,
    pub(super) run: Option<Uuid>,
    pub(super) is_answer: bool,
    pub(super) text: Vec<u8>,
}

/// Writes how lines end, once each.
pub(super) async fn end(
    conn: &mut PgConnection,
    room: &Gateway,
    batch: &Batch,
    lines: Vec<Ended>,
    tokens: Tokens,
) -> Result<usize, Error> {
    if lines.is_empty() {
        return Ok(0);
    }
    let numbers: Vec<i32> = lines.iter().map(|line| line.line).collect();
    let runs: Vec<Option<Uuid>> = lines.iter().map(|line| line.run).collect();
    let ended = store::end_lines(conn, batch.id, &numbers, &runs).await?;
    let ours = lines.into_iter().filter(|line| ended.contains(&line.line));
    let (answers, errors): (Vec<Ended>, Vec<Ended>) = ours.partition(|line| line.is_answer);
    let counts = (answers.len(), errors.len());
    let now = room.cx.clock.now();
    // until the batch ends and shows them
    let times = (
        now,
        batch.expires_at + chrono::Duration::seconds(batch.keep_seconds.into()),
    );
    for (id, what, lines) in [
        (batch.output_file, "output", answers),
        (batch.error_file, "error", errors),
    ] {
        let name = format!("{}_{what}.jsonl", batch.id);
        let numbers: Vec<i32> = lines.iter().map(|line| line.line).collect();
        let texts: Vec<Vec<u8>> = lines.into_iter().map(|line| line.text).collect();
        let of = (id, batch.tenant);
        file::store::append(
            conn,
            room.identity.vault(),
            of,
            &name,
            times,
            (&numbers, &texts),
        )
        .await?;
    }
    if counts != (0, 0) {
        store::count(conn, batch.id, counts, tokens).await?;
    }
    Ok(counts.0 + counts.1)
}

pub(super) fn ended(
    batch: &Batch,
    line: &Open,
    run: Option<Uuid>,
    answer: &Answer,
) -> (Ended, Tokens) {
    let ended = Ended {
        line: line.line,
        run,
        is_answer: answer.error.is_none(),
        text: answer.write(batch.id, line.line, line.custom_id.as_deref()),
    };
    (ended, answer.tokens)
}
