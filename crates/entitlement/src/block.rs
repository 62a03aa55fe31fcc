pub(crate) mod store;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use identity::TenantId;
use ledger::{Drift, HoldId, NewHold};
use sqlx::PgConnection;

use crate::{Error, error::unexpected, lease::LeaseId};

kernel::id!(
    /// Units that a process has set aside for many pieces of work: one hold of the ledger.
    BlockId, "blk"
);

/// The longest that units may stay set aside.
const LONGEST: Duration = Duration::minutes(30);
/// How long a block gives to new work; what began last has the rest of the hold's time to end.
pub(crate) const GIVES: Duration = Duration::minutes(10);
/// The most blocks that are compared at once.
const PAGE: i64 = 1000;

/// A block as it is kept.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) id: BlockId,
    pub(crate) tenant: TenantId,
    pub(crate) storefront: String,
    pub(crate) unit: String,
    pub(crate) lease: LeaseId,
    pub(crate) usable_until: DateTime<Utc>,
}

/// Units to set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) storefront: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) lease: LeaseId,
    pub(crate) most: i64,
    pub(crate) least: i64,
}

/// Sets a block aside and returns it with its amount; none when there is less than the least.
pub(crate) async fn open(
    conn: &mut PgConnection,
    cx: &Ctx,
    wish: &Wish<'_>,
) -> Result<Option<(Block, i64)>, Error> {
    let now = cx.clock.now();
    let id: BlockId = cx.ids.new_id();
    let reference = id.to_string();
    let new = NewHold {
        id: HoldId(id.0),
        tenant: wish.tenant,
        unit: wish.unit,
        amount: wish.most,
        reference: &reference,
        expires_at: now + LONGEST,
    };
    let held = match ledger::hold_some(conn, cx, &new, wish.least).await {
        Ok(held) => held,
        Err(ledger::Error::Insufficient { .. }) => return Ok(None),
        Err(error) => return Err(unexpected(error)),
    };
    let block = Block {
        id,
        tenant: wish.tenant,
        storefront: wish.storefront.to_owned(),
        unit: wish.unit.to_owned(),
        lease: wish.lease,
        usable_until: held
            .lots_until
            .map_or(now + GIVES, |end| end.min(now + GIVES)),
    };
    store::insert(conn, &block, held.amount, now).await?;
    Ok(Some((block, held.amount)))
}

/// What became of a block that was to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It is closed, now or before.
    Whole,
    /// It is closed; what was under way goes on in another.
    GoesOnIn(BlockId),
    /// Work is under way and it stays.
    Kept,
}

/// Closes a block with the sum of its usage rows; the rest goes back. While work is under way it stays, unless what it needs
/// may `go_on` in a block of its own.
pub(crate) async fn close(
    conn: &mut PgConnection,
    cx: &Ctx,
    id: BlockId,
    go_on: bool,
) -> Result<Closed, Error> {
    let now = cx.clock.now();
    // waits for admissions from it that are being written
    let Some(block) = store::lock_open(conn, id).await? else {
        return Ok(Closed::Whole);
    };
    let (used, under_way) = store::sums(conn, id).await?;
    if under_way > 0 && (!go_on || block.usable_until <= now) {
        return Ok(Closed::Kept);
    }
    let ended = if used > 0 {
        ledger::settle(conn, cx, HoldId(id.0), used).await
    } else {
        ledger::release(conn, cx, HoldId(id.0)).await
    };
    ended.map_err(unexpected)?;
    store::close(conn, id, used, now).await?;
    if under_way == 0 {
        return Ok(Closed::Whole);
    }
    let wish = Wish {
        tenant: block.tenant,
        storefront: &block.storefront,
        unit: &block.unit,
        lease: block.lease,
        most: under_way,
        least: under_way,
    };
    // what went back under the account's lock is there to be set aside again
    let (next, _) = open(conn, cx, &wish)
        .await?
        .ok_or(kernel::Fault::broken("a block's units are there"))?;
    store::move_work(conn, id, next.id).await?;
    Ok(Closed::GoesOnIn(next.id))
}

/// Closes a block whose process is gone and whose work has ended.
pub(crate) async fn close_dead(
    conn: &mut PgConnection,
    cx: &Ctx,
    id: BlockId,
) -> Result<bool, Error> {
    if !store::is_dead(conn, id, cx.clock.now()).await? {
        return Ok(false);
    }
    Ok(close(conn, cx, id, false).await? != Closed::Kept)
}

/// Closes blocks whose process is gone and whose work has ended, at most `most` of them.
pub(crate) async fn close_dead_ones(cx: &Ctx, most: i64) -> Result<usize, Error> {
    let mut tx = cx.db.begin(Scope::House("blocks of the dead")).await?;
    let dead = store::dead(&mut tx, cx.clock.now(), most).await?;
    tx.commit().await?;
    let mut closed = 0;
    for (id, tenant) in dead {
        let scope = Scope::Tenant {
            tenant: tenant.0,
            user: None,
        };
        let mut tx = cx.db.begin(scope).await?;
        closed += usize::from(close_dead(&mut tx, cx, id).await?);
        tx.commit().await?;
    }
    Ok(closed)
}

/// Units of open blocks that are not of any work: set aside in the books, and still the tenant's to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// In no work.
    pub(crate) idle: i64,
    /// Used, and not yet in the books.
    pub(crate) used: i64,
}

/// What the open blocks of a tenant's unit hold beyond its work.
pub(crate) async fn unsettled(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Unsettled> {
    store::unsettled(conn, tenant, unit).await
}

/// Compares every closed block with its usage rows and with its hold.
pub(crate) async fn verify(cx: &Ctx) -> Result<Vec<Drift>, Error> {
    let mut tx = cx.db.begin(Scope::House("verification of blocks")).await?;
    let mut drifts = Vec::new();
    let mut after = uuid::Uuid::nil();
    loop {
        let page = store::closed_after(&mut tx, after, PAGE).await?;
        let Some((last, _, _)) = page.last() else {
            break;
        };
        after = last.0;
        let holds: Vec<HoldId> = page.iter().map(|(id, _, _)| HoldId(id.0)).collect();
        let settled = ledger::settled_of(&mut tx, &holds).await?;
        for (id, used, rows) in &page {
            let books = settled
                .iter()
                .find(|(hold, _)| hold.0 == id.0)
                .map_or(0, |(_, settled)| *settled);
            for (rule, found) in [
                ("a block's units are its usage rows' sum", *rows),
                ("a block's units are its hold's", books),
            ] {
                if found != *used {
                    drifts.push(Drift {
                        rule: rule.to_owned(),
                        place: id.to_string(),
                        expected: *used,
                        found,
                    });
                }
            }
        }
    }
    tx.commit().await?;
    Ok(drifts)
}
