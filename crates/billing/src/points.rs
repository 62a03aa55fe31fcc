pub(crate) mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use entitlement::{Earning, Exchange, Occasion, POINT, lives_until};
use identity::{AuditAction, Caller, Principal, RequestMeta, TenantId};
use kernel::Text;
use ledger::{Grant, HoldId, NewHold, Source};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Billing, Error, reward};

kernel::id!(
    /// Points that became units.
    RedemptionId, "red"
);

/// The most times that one exchange is made at once.
pub(crate) const MOST_TIMES: u32 = 100;

/// What a tenant has, and what it may do with it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PointsView {
    /// What can be used right now.
    balance: i64,
    /// The unit under which the ledger tells of every movement.
    unit: &'static str,
    earn: Vec<Earning>,
    exchanges: Vec<Exchange>,
}

/// Points that became units.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Redemption {
    pub(crate) id: RedemptionId,
    pub(crate) exchange: String,
    pub(crate) times: u32,
    /// What was paid in points.
    pub(crate) points: i64,
    pub(crate) unit: String,
    pub(crate) amount: i64,
    pub(crate) expires_at: DateTime<Utc>,
    /// The points that are left.
    pub(crate) balance: i64,
}

/// Gives points for an occasion at a storefront, in its transaction; once for each key. Returns how many.
///
/// # Errors
/// When the database is away.
pub async fn earn(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    event: Occasion,
    key: &str,
) -> Result<i64, Error> {
    let rewards = room.entitlement.catalogue.now().rewards().clone();
    let now = room.cx.clock.now();
    let owed = reward::points(&rewards, tenant, event, (key, 0), now);
    let posted = reward::post(conn, room, owed).await?;
    Ok(posted.iter().map(|(_, one)| one.amount).sum())
}

pub(crate) async fn view(room: &Billing, by: Principal) -> Result<PointsView, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let balance = balance(&mut tx, room, by.tenant).await?;
    tx.commit().await?;
    let rewards = room.entitlement.catalogue.now().rewards().clone();
    Ok(PointsView {
        balance,
        unit: POINT,
        earn: rewards.earn,
        exchanges: rewards.exchange,
    })
}

async fn balance(conn: &mut PgConnection, room: &Billing, tenant: TenantId) -> sqlx::Result<i64> {
    let stock = ledger::stock(conn, tenant, POINT, room.cx.clock.now()).await?;
    Ok(stock.available)
}

/// Makes units of points: all of it or nothing. What points become is free like the points, and stays apart from what was
/// paid for.
pub(crate) async fn redeem(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    exchange: &str,
    times: u32,
) -> Result<Redemption, Error> {
    let found = {
        let catalogue = room.entitlement.catalogue.now();
        catalogue.rewards().exchange(exchange).cloned()
    };
    let exchange = found.ok_or(Error::NoExchange)?;
    let (cx, by) = (&room.cx, caller.principal);
    let id: RedemptionId = cx.ids.new_id();
    let now = cx.clock.now();
    let mut done = Redemption {
        id,
        points: i64::from(exchange.points) * i64::from(times),
        amount: i64::from(exchange.amount) * i64::from(times),
        expires_at: lives_until(now, exchange.days),
        exchange: exchange.id,
        times,
        unit: exchange.unit,
        balance: 0,
    };
    let mut tx = cx.db.begin(Scope::House("an exchange of points")).await?;
    // the units' locks are taken in the order of their names, as everywhere
    if done.unit.as_str() < POINT {
        give(&mut tx, room, by.tenant, &done).await?;
        pay(&mut tx, room, by.tenant, &done).await?;
    } else {
        pay(&mut tx, room, by.tenant, &done).await?;
        give(&mut tx, room, by.tenant, &done).await?;
    }
    store::insert(&mut tx, by.tenant, &done, now).await?;
    done.balance = balance(&mut tx, room, by.tenant).await?;
    AuditAction::new("points.redeem", id)
        .after(json!({ "exchange": done.exchange, "times": times, "points": done.points, "unit": done.unit,
            "amount": done.amount }))
        .record(&mut tx, cx, meta, by)
        .await?;
    let (points, times) = (done.points, done.times);
    reward::tell(
        &mut tx,
        room,
        by.tenant,
        &format!("points:{id}"),
        (
            &Text::new("ポイントを交換しました", "Your points are exchanged"),
            &Text::owned(
                format!(
                    "{points}ポイントを「{}」{times}回分に交換しました。",
                    exchange.title.ja
                ),
                format!(
                    "{points} points became “{}”, {times} time(s).",
                    exchange.title.en
                ),
            ),
        ),
    )
    .await?;
    tx.commit().await?;
    metrics::counter!("billing_points_redeemed_total").increment(points.unsigned_abs());
    Ok(done)
}

async fn pay(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    done: &Redemption,
) -> Result<(), Error> {
    let cx = &room.cx;
    let id = HoldId(done.id.0);
    let hold = NewHold {
        id,
        tenant,
        unit: POINT,
        amount: done.points,
        reference: &done.id.to_string(),
        expires_at: cx.clock.now() + Duration::minutes(1),
    };
    match ledger::hold(conn, cx, &hold).await {
        Err(ledger::Error::Insufficient { .. }) => return Err(Error::PointsShort),
        other => other?,
    }
    Ok(ledger::settle(conn, cx, id, done.points).await?)
}

async fn give(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    done: &Redemption,
) -> Result<(), Error> {
    let grant = Grant {
        id: lot_of(done.id),
        tenant,
        unit: &done.unit,
        amount: done.amount,
        source: Source::Free,
        priority: 0,
        reason: &format!("points/{} {}", done.exchange, done.id),
        expires_at: Some(done.expires_at),
    };
    ledger::grant(conn, &room.cx, &grant).await?;
    Ok(())
}

fn lot_of(id: RedemptionId) -> Uuid {
    Uuid::new_v5(&id.0, b"lot")
}
