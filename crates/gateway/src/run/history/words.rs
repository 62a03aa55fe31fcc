use std::collections::HashMap;

use seal::Vault;
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::{AskedMessage, Listed, store};
use crate::{
    Gateway,
    run::{
        Part, Place, RunId,
        view::Row,
        words::{Unopened, open_answer},
    },
};

/// What is kept of a request.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) messages: Vec<AskedMessage>,
    pub(super) parameters: Value,
}

/// The words of a run, as far as they are kept and open.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) asked: Option<Asked>,
    /// None where it does not open.
    output: Option<String>,
    /// Whether some are kept that don't open.
    pub(super) is_closed: bool,
}

impl Words {
    fn of(vault: &Vault, kept: store::Kept) -> Self {
        let (id, tenant) = (kept.id, kept.tenant);
        let place = Place::new(tenant, id, Part::Asked);
        let asked = match (kept.sealed_request, kept.request) {
            (Some(sealed), _) => place.open_json(vault, &sealed).map(Some),
            (None, Some(before)) => serde_json::from_value(before)
                .map(Some)
                .map_err(|_| Unopened),
            (None, None) => Ok(None),
        };
        let output = open_answer(
            vault,
            (id, tenant),
            kept.sealed_output.as_deref(),
            kept.output,
        );
        Self {
            is_closed: asked.is_err() || output.is_err(),
            asked: asked.unwrap_or_default(),
            output: output.ok(),
        }
    }

    /// What a person, or whoever speaks as one, said last.
    pub(super) fn last_asked(&self) -> Option<&str> {
        let messages = &self.asked.as_ref()?.messages;
        let asked = messages.iter().rev().find(|said| said.role == "user");
        asked.map(|said| said.text.as_str())
    }

    /// The answer of a run that has ended and whose words are not gone.
    pub(super) fn answered(&self, row: &Row) -> Option<String> {
        let is_here = row.ended_at.is_some() && row.text_gone_at.is_none();
        self.output.clone().filter(|_| is_here)
    }

    /// Everything that was said in it, piece by piece.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let messages = self.asked.iter().flat_map(|asked| &asked.messages);
        let asked = messages.map(|said| said.text.as_str());
        self.output.as_deref().into_iter().chain(asked)
    }
}

/// Reads the words of runs.
pub(super) async fn open(
    conn: &mut PgConnection,
    room: &Gateway,
    rows: &[Listed],
) -> sqlx::Result<HashMap<RunId, Words>> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<RunId> = rows.iter().map(|listed| listed.row.id).collect();
    let vault = room.identity.vault();
    let kept = store::kept(conn, &ids).await?;
    let opened = kept
        .into_iter()
        .map(|kept| (kept.id, Words::of(vault, kept)));
    Ok(opened.collect())
}
