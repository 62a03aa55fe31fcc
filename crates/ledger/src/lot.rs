mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Error, LotId, TransferId, account,
    book::{self, Kind, Transfer, move_lines},
};

/// Whether value was paid for; the law treats the two differently, so lots never mix them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Paid,
    Free,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Free => "free",
        }
    }
}

/// A grant to post. Its id is the transfer's and the lot's, so the same grant is posted once however often it is asked for.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    pub id: Uuid,
    pub tenant: TenantId,
    pub unit: &'a str,
    pub amount: i64,
    pub source: Source,
    /// Lower is used first; among equals, what expires first.
    pub priority: i16,
    pub reason: &'a str,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Posts a grant as a new lot, or finds that it was posted before.
///
/// # Errors
/// `BadAmount` unless positive, `TransferMismatch` when the id was used for something else.
pub async fn grant(conn: &mut PgConnection, cx: &Ctx, grant: &Grant<'_>) -> Result<LotId, Error> {
    if grant.amount <= 0 {
        return Err(Error::BadAmount);
    }
    let id = TransferId(grant.id);
    account::store::lock(conn, grant.tenant, grant.unit).await?;
    if let Some((tenant, unit, kind, amount)) = book::store::find_transfer(conn, id).await? {
        let same = tenant == grant.tenant
            && unit == grant.unit
            && kind == Kind::Grant.as_str()
            && amount == grant.amount;
        return if same {
            Ok(LotId(grant.id))
        } else {
            Err(Error::TransferMismatch)
        };
    }
    let accounts = account::open(conn, cx, grant.tenant, grant.unit).await?;
    let at = cx.clock.now();
    store::insert(conn, grant, at).await?;
    let transfer = Transfer {
        id,
        tenant: grant.tenant,
        unit: grant.unit,
        kind: Kind::Grant,
        amount: grant.amount,
        hold: None,
        reference: grant.reason,
        at,
    };
    book::post(
        conn,
        &transfer,
        &move_lines(
            LotId(grant.id),
            accounts.issued,
            accounts.available,
            grant.amount,
        ),
    )
    .await?;
    Ok(LotId(grant.id))
}

/// What becomes of a lot's units that are left at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollOver {
    /// The most of the unit that is kept so at a time.
    pub most: i64,
    pub until: DateTime<Utc>,
}

/// Says what is to become of what is left of a lot, in the transaction that grants it; said again, it changes nothing.
///
/// # Errors
/// When the database is away.
pub async fn roll_over(
    conn: &mut PgConnection,
    (lot, tenant): (LotId, TenantId),
    roll: RollOver,
) -> sqlx::Result<()> {
    store::insert_roll_over(conn, (lot, tenant), roll).await
}

/// Makes a new lot of what a lot had left at its end, under the lock and in the transaction that writes it off: so once for
/// each unit, however many nodes sweep.
async fn roll(conn: &mut PgConnection, cx: &Ctx, lot: &DueLot, rest: i64) -> Result<(), Error> {
    let now = cx.clock.now();
    let Some(roll) = store::roll_over_of(conn, lot.id).await? else {
        return Ok(());
    };
    let kept = store::rolled(conn, lot.tenant, &lot.unit, now).await?;
    let amount = rest.min(roll.most - kept);
    if amount <= 0 || roll.until <= now {
        return Ok(());
    }
    let reason = format!("roll-over {}", lot.id);
    let new = Grant {
        id: cx.ids.new_id(),
        tenant: lot.tenant,
        unit: &lot.unit,
        amount,
        source: if lot.source == Source::Paid.as_str() {
            Source::Paid
        } else {
            Source::Free
        },
        priority: lot.priority,
        reason: &reason,
        expires_at: Some(roll.until),
    };
    let made = grant(conn, cx, &new).await?;
    Ok(store::insert_rolled(conn, (made, lot.tenant), lot.id).await?)
}

/// Whether a grant was posted.
pub async fn is_granted(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<bool> {
    store::exists(conn, LotId(id)).await
}

/// What the lots of a unit that have not expired were, are and gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    pub granted: i64,
    pub available: i64,
    pub held: i64,
    pub spent: i64,
}

/// The stock of a unit right now.
pub async fn stock(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Stock> {
    store::stock(conn, tenant, unit, now).await
}

/// What the lots of a unit that expire, and have not yet, gave and lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodStock {
    pub tenant: TenantId,
    pub unit: String,
    pub granted: i64,
    pub spent: i64,
    /// When the first of them was granted.
    pub since: DateTime<Utc>,
    /// When the first of them expires.
    pub until: DateTime<Utc>,
}

/// The stocks of many tenants' units right now; a unit without a lot that expires is not among them.
pub async fn period_stocks(
    conn: &mut PgConnection,
    units: &[(TenantId, &str)],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<PeriodStock>> {
    store::period_stocks(conn, units, now).await
}

/// Writes off what is left of lots that have expired, at most `most` of them; returns how many it did. What rolls over becomes
/// a new lot.
/// What is left is asked under the lock, so the same units are never written off twice.
pub async fn expire_due(cx: &Ctx, most: i64) -> Result<usize, Error> {
    let mut tx = cx.db.begin(Scope::House("expiry of lots")).await?;
    let due = store::due(&mut tx, cx.clock.now(), most).await?;
    tx.commit().await?;
    let mut expired = 0;
    for lot in due {
        let mut tx = cx
            .db
            .begin(Scope::Tenant {
                tenant: lot.tenant.0,
                user: None,
            })
            .await?;
        account::store::lock(&mut tx, lot.tenant, &lot.unit).await?;
        // asked again under the lock: a hold may have taken the rest, or another node been faster
        let rest = store::available(&mut tx, lot.id).await?;
        if rest > 0 {
            let accounts = account::open(&mut tx, cx, lot.tenant, &lot.unit).await?;
            let transfer = Transfer {
                id: cx.ids.new_id(),
                tenant: lot.tenant,
                unit: &lot.unit,
                kind: Kind::Expire,
                amount: rest,
                hold: None,
                reference: &lot.reason,
                at: cx.clock.now(),
            };
            book::post(
                &mut tx,
                &transfer,
                &move_lines(lot.id, accounts.available, accounts.expired, rest),
            )
            .await?;
            roll(&mut tx, cx, &lot, rest).await?;
            expired += 1;
        }
        tx.commit().await?;
    }
    Ok(expired)
}

/// Takes units of a lot back whose money went back, so that at most `kept` of them stay granted, and returns how many were
/// used or are set aside beyond that. What is asked is the end and not the step, so asking again changes nothing; units that
/// were set aside and have come back since are taken by then.
pub async fn reverse(
    conn: &mut PgConnection,
    cx: &Ctx,
    lot: LotId,
    kept: i64,
    reason: &str,
) -> Result<i64, Error> {
    let Some(whole) = find(conn, lot).await? else {
        return Err(Error::BadAmount);
    };
    account::store::lock(conn, whole.tenant, &whole.unit).await?;
    // asked again under the lock, which is what keeps the figures still
    let Some(now) = find(conn, lot).await? else {
        return Err(Error::BadAmount);
    };
    let used = now.spent + now.held;
    let rest = now.available - (kept - used).max(0);
    if rest > 0 {
        let accounts = account::open(conn, cx, now.tenant, &now.unit).await?;
        let transfer = Transfer {
            id: cx.ids.new_id(),
            tenant: now.tenant,
            unit: &now.unit,
            kind: Kind::Reverse,
            amount: rest,
            hold: None,
            reference: reason,
            at: cx.clock.now(),
        };
        let lines = move_lines(lot, accounts.available, accounts.expired, rest);
        book::post(conn, &transfer, &lines).await?;
    }
    Ok((used - kept).max(0))
}

/// Where a lot's units are; what is nowhere of these expired or was taken back.
#[derive(Clone, Debug)]
pub struct Whereabouts {
    pub id: LotId,
    pub tenant: TenantId,
    pub unit: String,
    pub amount: i64,
    pub available: i64,
    pub held: i64,
    pub spent: i64,
}

/// Where the units of these lots are, of those that there are.
///
/// # Errors
/// When the database is away.
pub async fn whereabouts(
    conn: &mut PgConnection,
    lots: &[LotId],
) -> sqlx::Result<Vec<Whereabouts>> {
    store::whereabouts(conn, lots).await
}

async fn find(conn: &mut PgConnection, lot: LotId) -> sqlx::Result<Option<Whereabouts>> {
    Ok(whereabouts(conn, &[lot]).await?.pop())
}

/// Lots that can give, in the order in which they are used: priority, then what expires first, then the oldest.
pub(crate) async fn open_lots(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<OpenLot>> {
    store::open_lots(conn, tenant, unit, now).await
}

/// A lot that can give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenLot {
    pub(crate) id: LotId,
    pub(crate) available: i64,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct DueLot {
    id: LotId,
    tenant: TenantId,
    unit: String,
    reason: String,
    source: String,
    priority: i16,
}
