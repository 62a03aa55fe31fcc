use chrono::{DateTime, Utc};
use entitlement::{Following, Plan, PlanVersionId, Status};
use identity::TenantId;
use sqlx::PgConnection;

use super::{Outcome, next_reading};
use crate::{
    Billing, Error, Shop, customer, fact, payment,
    stripe::{Subscription, instant},
    subscription::{Row, begin, judge, store},
};

/// Reads a subscription from Stripe and brings ours and the tenant's plan to it.
pub(crate) async fn subscription(room: &Billing, shop: &Shop, id: &str) -> Result<Outcome, Error> {
    let reading = next_reading(room).await?;
    let path = format!("/v1/subscriptions/{id}");
    let said: Subscription = match shop
        .stripe
        .get(&path, &[("expand[]", "latest_invoice")])
        .await
    {
        Ok(said) => said,
        Err(error) if error.is_missing() => {
            return Ok(Outcome::Ignored("there is no such subscription"));
        }
        Err(error) => return Err(error.into()),
    };
    let Some(tenant) = customer::tenant_of(&room.cx, shop, said.customer()).await? else {
        return Ok(Outcome::Waiting(said.customer().to_owned()));
    };
    take_over(room, tenant, &said, reading).await
}

async fn take_over(
    room: &Billing,
    tenant: TenantId,
    said: &Subscription,
    reading: i64,
) -> Result<Outcome, Error> {
    let Some(price) = said.price() else {
        return Ok(Outcome::Ignored("the subscription has no price"));
    };
    let cx = &room.cx;
    let mut tx = begin(room).await?;
    store::lock(&mut tx, tenant).await?;
    let before = store::find(&mut tx, &said.id).await?;
    let of_price = match &before {
        // whoever is on a version stays there until their price changes
        Some(row) if row.price == price => {
            entitlement::plan_version(&mut tx, row.version_of_price()).await?
        }
        _ => entitlement::plan_of_price(&mut tx, price).await?,
    };
    let Some(of_price) = of_price else {
        return Ok(Outcome::Ignored("no plan has its price"));
    };
    let held = held_plan(&mut tx, said, &of_price).await?;
    let (plan, next) = match held {
        Some((held, until)) => (held, Some((of_price.version_id, until))),
        None => (of_price, None),
    };
    let owed = said.owed();
    let row = Row {
        id: said.id.clone(),
        tenant,
        livemode: said.livemode,
        storefront: plan.storefront.clone(),
        version: plan.version_id,
        next_version: next.map(|(version, _)| version),
        changes_at: next.map(|(_, at)| at),
        price: price.to_owned(),
        status: said.status.clone(),
        period_start: said.period_start(),
        period_end: said.period_end(),
        cancel_at: said.cancel_at(),
        owed_since: owed.map(|owed| owed.since),
        ended_at: said.ended_at.and_then(instant),
        created_at: instant(said.created).unwrap_or(cx.clock.now()),
        reading,
    };
    // a younger reading began after this event came in, so it knows of it
    if before
        .as_ref()
        .is_some_and(|before| before.reading > reading)
    {
        return Ok(Outcome::Done);
    }
    store::upsert(&mut tx, &row).await?;
    settle(&mut tx, room, tenant, &row.storefront, &row).await?;
    if let Some(before) = before
        .as_ref()
        .filter(|before| before.storefront != row.storefront)
    {
        settle(&mut tx, room, tenant, &before.storefront, before).await?;
    }
    if row.status == "canceled" {
        payment::end(&mut tx, room, &row.id, &plan).await?;
    }
    if before.as_ref().is_none_or(|before| differs(before, &row)) {
        let change = fact::Change {
            before: before.as_ref(),
            now: &row,
            plan: &plan,
            owed,
            grace: room.terms.grace,
        };
        fact::subscription_changed(&mut tx, room, &change).await?;
    }
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// The plan that holds on until the period is over, if the subscription says so, and until when.
async fn held_plan(
    conn: &mut PgConnection,
    said: &Subscription,
    of_price: &Plan,
) -> Result<Option<(Plan, DateTime<Utc>)>, Error> {
    let Some((version, until)) = said.held() else {
        return Ok(None);
    };
    let Ok(version) = version.parse::<PlanVersionId>() else {
        return Ok(None);
    };
    let held = entitlement::plan_version(conn, version).await?;
    let held = held.filter(|held| {
        held.storefront == of_price.storefront && held.version_id != of_price.version_id
    });
    Ok(held.map(|held| (held, until)))
}

/// Whether anything that matters changed.
fn differs(one: &Row, other: &Row) -> bool {
    let plain = |row: &Row| Row {
        reading: 0,
        ..row.clone()
    };
    plain(one) != plain(other)
}

/// Lets the tenant's enrolment follow the best of all its subscriptions at a storefront: one that holds before one that does
/// not, then the newest. Which of them was read last makes no difference.
async fn settle(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    storefront: &str,
    left: &Row,
) -> Result<(), Error> {
    let rows = store::of_storefront(conn, tenant, storefront, left.livemode).await?;
    let best = rows
        .iter()
        .filter_map(|row| Some((row, judge(row, room.terms.grace)?)))
        .max_by_key(|(row, verdict)| (rank(verdict.status), row.created_at, row.id.clone()));
    let following = match best {
        Some((row, verdict)) => Following {
            tenant,
            storefront,
            version: row.version,
            reference: &row.id,
            status: verdict.status,
            expires_at: verdict.expires_at,
            ends_at: verdict.ends_at,
        },
        // it moved to another storefront's price, or was never paid
        None if left.storefront != storefront || rows.is_empty() => Following {
            tenant,
            storefront,
            version: left.version,
            reference: &left.id,
            status: Status::Ended,
            expires_at: None,
            ends_at: None,
        },
        None => return Ok(()),
    };
    Ok(entitlement::follow(conn, &room.cx, &following).await?)
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::Active => 4,
        Status::Canceled => 3,
        Status::Grace => 2,
        Status::OnHold => 1,
        Status::Ended => 0,
    }
}
