mod store;

use db::{Ctx, Scope};
use serde::Serialize;

use crate::Error;

/// A place where the books don't agree with themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which rule is broken.
    pub rule: String,
    /// The row that breaks it.
    pub place: String,
    pub expected: i64,
    pub found: i64,
}

/// Recomputes everything from the entries and lists what does not agree; an empty list means that the books are right.
///
/// Reads one snapshot, so it may run beside the work.
pub async fn verify(cx: &Ctx) -> Result<Vec<Drift>, Error> {
    let mut tx = cx
        .db
        .begin(Scope::House("verification of the books"))
        .await?;
    let drifts = store::drifts(&mut tx).await?;
    tx.commit().await?;
    Ok(drifts)
}
