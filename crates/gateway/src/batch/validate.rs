use db::Scope;
use llm::Refusal;

use super::{
    Batch, Endpoint, Status,
    end::{Ended, end},
    line::{Answer, Line},
    store,
};
use crate::{Error, Gateway, Tokens, file};

/// Looks at every line once: what can't be read, or has another's name, ends here.
pub(super) async fn validate(
    room: &Gateway,
    scope: Scope,
    batch: &Batch,
    endpoint: Endpoint,
) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(scope).await?;
    let mut last = store::newest_line(&mut tx, batch.id).await?;
    tx.commit().await?;
    loop {
        let mut tx = room.cx.db.begin(scope).await?;
        match store::lock(&mut tx, batch.id).await? {
            Some(Status::Validating | Status::Cancelling) => {}
            _ => return Ok(()),
        }
        let lines =
            file::store::lines(&mut tx, room.identity.vault(), batch.input_file, last).await?;
        let Some((newest, _)) = lines.last() else {
            store::start(&mut tx, batch.id, room.cx.clock.now()).await?;
            tx.commit().await?;
            return Ok(());
        };
        last = *newest;
        let read: Vec<(i32, Line)> = lines
            .iter()
            .filter(|(_, data)| !data.trim_ascii().is_empty())
            .map(|(number, data)| (*number, Line::read(data, endpoint)))
            .collect();
        let numbers: Vec<i32> = read.iter().map(|(number, _)| *number).collect();
        let names: Vec<Option<String>> = read
            .iter()
            .map(|(_, line)| line.custom_id.clone())
            .collect();
        let of = (batch.id, batch.tenant);
        let own = store::insert_lines(&mut tx, of, &numbers, &names).await?;
        let mut ended = Vec::new();
        for (number, line) in read {
            let refusal = if own.contains(&number) {
                line.asked.err()
            } else {
                let message = "Another line of this file has the same custom_id.";
                Some(Refusal::at("/custom_id", message).coded("duplicate_custom_id"))
            };
            if let Some(refusal) = refusal {
                let answer = Answer::refused(refusal.into(), None);
                ended.push(Ended {
                    line: number,
                    run: None,
                    is_answer: false,
                    text: answer.write(batch.id, number, line.custom_id.as_deref()),
                });
            }
        }
        end(&mut tx, room, batch, ended, Tokens::default()).await?;
        tx.commit().await?;
    }
}
