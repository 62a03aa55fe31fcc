//! Evaluations of models, of which this room knows the names alone: what they ask is the business of the rooms that write down
//! here what came of them. A canary's share grows only when what stands behind it has passed what its name asks for.

mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::AuditAction;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Error, ModelFile, Operator,
    models::{Growth, NotPassed},
};

/// What an evaluation of a model found.
#[derive(Clone, Debug)]
pub struct Evaluated<'a> {
    /// The name by which a model file asks for it, such as `misaki.persona`.
    pub evaluation: &'a str,
    /// The public name of the model.
    pub model: &'a str,
    /// What stood behind it when it was asked; see [`subject_of`].
    pub subject: &'a str,
    pub passed: bool,
    /// How many questions there were, and how many it answered as it should.
    pub asked: usize,
    pub kept: usize,
}

/// How an evaluation went last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    pub(crate) passed: bool,
    /// How many questions there were.
    pub(crate) asked: i32,
    /// How many of them were answered as they should be.
    pub(crate) kept: i32,
    pub(crate) at: DateTime<Utc>,
}

/// The newest of each evaluation and what was evaluated.
pub(crate) type AllFound = BTreeMap<(String, String), Found>;

/// Writes down what an evaluation found; the newest counts.
///
/// # Errors
/// When the database is away.
pub async fn note_evaluation(
    cx: &Ctx,
    by: Operator<'_>,
    found: &Evaluated<'_>,
) -> Result<(), Error> {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let mut tx = cx.db.begin(Scope::House("a model was evaluated")).await?;
    let last = Found {
        passed: found.passed,
        asked: count(found.asked),
        kept: count(found.kept),
        at: cx.clock.now(),
    };
    store::insert(&mut tx, cx.ids.new_id(), (found, &last), &by.actor()).await?;
    let action = AuditAction::new("models.evaluate", found.model).after(json!({
        "evaluation": found.evaluation, "subject": found.subject, "passed": found.passed,
        "asked": last.asked, "kept": last.kept,
    }));
    by.write_down(&mut tx, cx, action).await?;
    tx.commit().await?;
    Ok(())
}

/// The newest of every evaluation.
pub(crate) async fn all(conn: &mut PgConnection) -> sqlx::Result<AllFound> {
    store::newest(conn).await
}

/// What would grow on the way from one file to the other and has not passed.
pub(crate) async fn not_passed(
    conn: &mut PgConnection,
    before: &ModelFile,
    after: &ModelFile,
) -> sqlx::Result<Vec<NotPassed>> {
    let growths = after.growths(before);
    if growths.is_empty() {
        return Ok(Vec::new());
    }
    let found = all(conn).await?;
    let has_not = |growth: &Growth| {
        let key = (growth.evaluation.clone(), growth.subject.clone());
        !found.get(&key).is_some_and(|last| last.passed)
    };
    let missing = growths.into_iter().filter(has_not);
    Ok(missing
        .map(|growth| NotPassed {
            model: growth.name,
            canary: growth.model,
            evaluation: growth.evaluation,
        })
        .collect())
}
