//! Who a canned phrase is said to, and when.

use entitlement::plan_of;
use identity::Principal;
use sqlx::PgConnection;

use crate::{
    Error, MessageId, Misaki, STOREFRONT,
    bar::{bar_hour, bar_month},
    chat::{Speaker, speaker, store},
    phrase::{self, Found, REGULAR, Scene, Visits},
    phrasebook::Published,
};

/// So many of her last answers she does not say again.
const RECENT: usize = 6;

/// What a phrase is chosen by beside the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    /// What she said of late, the newest last.
    pub(crate) recent: &'a [String],
    /// How many of the person's kept talks this one is: one, or none when it is not kept.
    pub(crate) kept: i64,
    pub(crate) seed: &'a str,
}

/// The words of the phrase that was found.
pub(crate) async fn words(
    conn: &mut PgConnection,
    room: &Misaki,
    caller: Principal,
    (phrases, found): (&Published, &Found),
    choice: Choice<'_>,
) -> Result<Option<phrase::Hit>, Error> {
    let now = room.cx.clock.now();
    let talks = store::count(conn, caller.tenant, REGULAR + 1).await? - choice.kept;
    let catalogue = room.gateway.entitlement.catalogue.now();
    let standing = plan_of(conn, &catalogue, caller, STOREFRONT, now)
        .await
        .map_err(gateway::Error::from)?;
    let scene = Scene {
        hour: bar_hour(now),
        month: bar_month(now),
        visits: Visits::of_talks(talks),
        plan: &standing.plan.id,
        recent: last(choice.recent),
        seed: choice.seed,
    };
    Ok(phrases.matcher.say(found, &scene))
}

/// What she said of late on the branch that ends in a message.
pub(crate) async fn recent(
    conn: &mut PgConnection,
    end: Option<MessageId>,
) -> Result<Vec<String>, Error> {
    let Some(end) = end else {
        return Ok(Vec::new());
    };
    let steps = i32::try_from(2 * RECENT).unwrap_or(i32::MAX);
    let rows = store::branch(conn, end, steps).await?;
    let hers = rows
        .into_iter()
        .filter(|row| speaker(row) == Speaker::Assistant);
    Ok(hers.map(|row| row.text).collect())
}

fn last(texts: &[String]) -> &[String] {
    texts
        .get(texts.len().saturating_sub(RECENT)..)
        .unwrap_or_default()
}
