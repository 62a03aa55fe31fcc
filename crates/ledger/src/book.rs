pub(crate) mod store;

use chrono::{DateTime, Utc};
use identity::{Principal, TenantId};
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Ledger};

kernel::id!(
    /// One balanced set of entries; unique for ever, so a repeated request moves nothing twice.
    TransferId, "trf"
);
kernel::id!(
    /// One grant; each entry names the one that its units are of.
    LotId, "lot"
);

/// What kind of movement a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Grant,
    Hold,
    Settle,
    Release,
    Lapse,
    Expire,
    Reverse,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Lapse => "lapse",
            Self::Expire => "expire",
            Self::Reverse => "reverse",
        }
    }
}

/// One balanced movement to post.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    pub(crate) id: TransferId,
    pub(crate) tenant: TenantId,
    pub(crate) unit: &'a str,
    pub(crate) kind: Kind,
    pub(crate) amount: i64,
    pub(crate) hold: Option<Uuid>,
    pub(crate) reference: &'a str,
    pub(crate) at: DateTime<Utc>,
}

/// A line of a transfer: `amount` units of a lot into an account (out of it when negative).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) account: Uuid,
    pub(crate) lot: LotId,
    pub(crate) amount: i64,
}

/// Two lines that move `amount` units of a lot from one account to another; nothing moves, no lines.
pub(crate) fn move_lines(lot: LotId, from: Uuid, to: Uuid, amount: i64) -> Vec<Line> {
    if amount == 0 {
        return Vec::new();
    }
    vec![
        Line {
            account: from,
            lot,
            amount: -amount,
        },
        Line {
            account: to,
            lot,
            amount,
        },
    ]
}

/// Posts a transfer and its lines.
pub(crate) async fn post(
    conn: &mut PgConnection,
    transfer: &Transfer<'_>,
    lines: &[Line],
) -> sqlx::Result<()> {
    store::insert_transfer(conn, transfer).await?;
    store::insert_lines(conn, transfer, &merged(lines)).await
}

/// Lines to the same account and lot become one, since an entry is named by both.
fn merged(lines: &[Line]) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match merged
            .iter_mut()
            .find(|seen| seen.account == line.account && seen.lot == line.lot)
        {
            Some(seen) => seen.amount += line.amount,
            None => merged.push(*line),
        }
    }
    merged.retain(|line| line.amount != 0);
    merged
}

/// The sum of one account's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Balance {
    /// issued, available, held, spent or expired.
    pub account: String,
    pub unit: String,
    pub balance: i64,
}

/// One entry as shown to its owner.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Movement {
    pub transfer_id: TransferId,
    pub at: DateTime<Utc>,
    /// grant, hold, settle, release, lapse, expire or reverse.
    pub kind: String,
    pub account: String,
    pub unit: String,
    /// Into the account, or out of it when negative.
    pub amount: i64,
    pub lot_id: LotId,
    /// What it was for, such as a run's id.
    pub r#ref: String,
}

/// The balances of one unit, as sums over all entries.
pub async fn balances(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Vec<Balance>> {
    store::balances(conn, tenant, unit).await
}

/// Every movement of the caller's own books, the oldest first, for their own reading.
pub async fn export(room: &Ledger, caller: Principal) -> Result<Vec<Movement>, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let movements = store::all_movements(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(movements)
}

/// Balances and the newest movements of the caller's own books.
pub(crate) async fn statement(
    room: &Ledger,
    caller: Principal,
    unit: &str,
    page: &PageRequest,
) -> Result<(Vec<Balance>, Page<Movement>), Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let balances = store::balances(&mut tx, caller.tenant, unit).await?;
    let transfers = store::transfers(&mut tx, caller.tenant, unit, page).await?;
    let transfers = Page::from_rows(transfers, page, |row| Cursor {
        at: row.1,
        id: row.0.0,
    });
    let ids: Vec<Uuid> = transfers.items.iter().map(|row| row.0.0).collect();
    let items = store::movements(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok((
        balances,
        Page {
            items,
            next_cursor: transfers.next_cursor,
        },
    ))
}
