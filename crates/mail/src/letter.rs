mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use kernel::{Fault, Lang};
use sqlx::PgConnection;

use crate::{Template, template};

kernel::id!(
    /// A letter; with the sender's domain also its Message-ID.
    LetterId, "ltr"
);

/// A letter to post.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// What the letter is about, 1 to 200 characters without an address in it: the same key twice is one letter, for ever.
    pub key: &'a str,
    pub to: &'a str,
    pub lang: Lang,
    pub template: Template,
    /// What [`Template`] says that the letter needs.
    pub data: serde_json::Value,
}

/// Posts a letter in the caller's transaction, be it a tenant's or the house's: it goes out when that commits, and never
/// when it does not. A letter whose key was posted before is not posted again.
///
/// # Errors
/// The database's own, and `Encode` when the data lacks what the template needs.
pub async fn post(conn: &mut PgConnection, cx: &Ctx, letter: Letter<'_>) -> sqlx::Result<()> {
    // told here, where the mistake is, and not when the letter is due
    template::check(letter.template, &letter.data)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let id: LetterId = cx.ids.new_id();
    store::insert(conn, id, &letter, cx.clock.now()).await
}

/// A letter that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub id: LetterId,
    pub template: String,
    pub attempts: i32,
    /// What happened last, without an address.
    pub last_error: String,
    pub created_at: DateTime<Utc>,
}

/// The newest letters that were given up and can still be tried again, at most `most`; for the operator.
///
/// # Errors
/// When the database is away.
pub async fn list_dead(cx: &Ctx, most: i64) -> Result<Vec<DeadLetter>, Fault> {
    let mut tx = begin(cx).await?;
    let dead = store::dead(&mut tx, most).await.map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(dead)
}

/// Puts a dead letter back in line with all its tries; false when it is not dead or its payload is gone.
///
/// # Errors
/// When the database is away.
pub async fn retry(cx: &Ctx, id: LetterId) -> Result<bool, Fault> {
    let mut tx = begin(cx).await?;
    let revived = store::revive(&mut tx, id, cx.clock.now())
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(revived)
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Fault> {
    cx.db
        .begin(Scope::House("the operator's look at letters"))
        .await
        .map_err(db::fault)
}
