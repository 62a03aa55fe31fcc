mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Error, LotId, TransferId,
    account::{self, Accounts},
    book::{self, Kind, Line, Transfer, move_lines},
    lot::{self, OpenLot},
};

kernel::id!(
    /// Units set aside before the work.
    HoldId, "hld"
);

/// Units to set aside.
#[derive(Clone, Debug)]
pub struct NewHold<'a> {
    pub id: HoldId,
    pub tenant: TenantId,
    pub unit: &'a str,
    pub amount: i64,
    /// What for, such as a run's id.
    pub reference: &'a str,
    /// After this instant the units go back by themselves.
    pub expires_at: DateTime<Utc>,
}

/// Units set aside.
#[derive(Clone, Debug)]
pub struct Hold {
    pub id: HoldId,
    pub tenant: TenantId,
    pub unit: String,
    pub amount: i64,
    pub reference: String,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Settled(i64),
    Released,
    Lapsed,
}

impl End {
    const fn used(self) -> i64 {
        match self {
            Self::Settled(used) => used,
            Self::Released | Self::Lapsed => 0,
        }
    }

    const fn state(self) -> &'static str {
        match self {
            Self::Settled(_) => "settled",
            Self::Released => "released",
            Self::Lapsed => "lapsed",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Settled(_) => Kind::Settle,
            Self::Released => Kind::Release,
            Self::Lapsed => Kind::Lapse,
        }
    }
}

/// Sets units aside, from the lots that are used first.
///
/// # Errors
/// `Insufficient` when the open lots hold less, `BadAmount` unless positive.
pub async fn hold(conn: &mut PgConnection, cx: &Ctx, new: &NewHold<'_>) -> Result<(), Error> {
    hold_some(conn, cx, new, new.amount).await.map(drop)
}

/// What was set aside of what was wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub amount: i64,
    /// When the first of the lots that it came from is over.
    pub lots_until: Option<DateTime<Utc>>,
}

/// Sets aside as many units as wished for, but no more than half of what there is unless that is below `least`.
///
/// # Errors
/// `Insufficient` when the open lots hold less than `least`, `BadAmount` unless that is positive.
pub async fn hold_some(
    conn: &mut PgConnection,
    cx: &Ctx,
    new: &NewHold<'_>,
    least: i64,
) -> Result<Held, Error> {
    if least <= 0 || new.amount < least {
        return Err(Error::BadAmount);
    }
    let now = cx.clock.now();
    account::store::lock(conn, new.tenant, new.unit).await?;
    let lots = lot::open_lots(conn, new.tenant, new.unit, now).await?;
    let there: i64 = lots.iter().map(|lot| lot.available).sum();
    let amount = share(new.amount, least, there);
    let parts = take(&lots, amount)?;
    let accounts = account::store::find(conn, new.tenant, new.unit)
        .await?
        .ok_or(Error::Insufficient { available: 0 })?;
    let new = &NewHold {
        amount,
        ..new.clone()
    };
    store::insert(conn, new, now).await?;
    let lines: Vec<Line> = parts
        .iter()
        .flat_map(|(lot, amount)| move_lines(*lot, accounts.available, accounts.held, *amount))
        .collect();
    let transfer = Transfer {
        id: TransferId(new.id.0),
        tenant: new.tenant,
        unit: new.unit,
        kind: Kind::Hold,
        amount,
        hold: Some(new.id.0),
        reference: new.reference,
        at: now,
    };
    book::post(conn, &transfer, &lines).await?;
    let lots_until = lots
        .iter()
        .filter(|lot| parts.iter().any(|(id, _)| *id == lot.id))
        .filter_map(|lot| lot.expires_at)
        .min();
    Ok(Held { amount, lots_until })
}

/// How much of what is there one hold gets.
fn share(wished: i64, least: i64, there: i64) -> i64 {
    wished.min(there - there / 2).max(least)
}

/// With how many units spent these holds were settled.
pub async fn settled_of(
    conn: &mut PgConnection,
    ids: &[HoldId],
) -> sqlx::Result<Vec<(HoldId, i64)>> {
    store::settled_of(conn, ids).await
}

/// Ends a hold with `used` units spent; the rest goes back to the lots that it came from.
///
/// # Errors
/// `BadAmount` when more is used than was held, `HoldClosed` when it ended before.
pub async fn settle(conn: &mut PgConnection, cx: &Ctx, id: HoldId, used: i64) -> Result<(), Error> {
    end(conn, cx, id, End::Settled(used)).await
}

/// Ends a hold with nothing spent.
///
/// # Errors
/// `HoldClosed` when it ended before.
pub async fn release(conn: &mut PgConnection, cx: &Ctx, id: HoldId) -> Result<(), Error> {
    end(conn, cx, id, End::Released).await
}

/// Gives back what holds past their time still keep, at most `most` of them; returns how many it did.
pub async fn lapse_due(cx: &Ctx, most: i64) -> Result<usize, Error> {
    let mut tx = cx.db.begin(Scope::House("lapse of holds")).await?;
    let due = store::due(&mut tx, cx.clock.now(), most).await?;
    tx.commit().await?;
    let mut lapsed = 0;
    for (id, tenant) in due {
        let mut tx = cx
            .db
            .begin(Scope::Tenant {
                tenant: tenant.0,
                user: None,
            })
            .await?;
        match end(&mut tx, cx, id, End::Lapsed).await {
            Ok(()) => {
                tx.commit().await?;
                lapsed += 1;
            }
            // someone settled it in the meantime
            Err(Error::HoldClosed) => tx.rollback().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(lapsed)
}

async fn end(conn: &mut PgConnection, cx: &Ctx, id: HoldId, end: End) -> Result<(), Error> {
    let hold = store::find(conn, id).await?.ok_or(Error::HoldNotFound)?;
    let used = end.used();
    if used < 0 || used > hold.amount {
        return Err(Error::BadAmount);
    }
    let now = cx.clock.now();
    account::store::lock(conn, hold.tenant, &hold.unit).await?;
    // compare and set: of settle, release and lapse exactly one wins
    if !store::close(conn, id, end.state(), used, now).await? {
        return Err(Error::HoldClosed);
    }
    let accounts = account::store::find(conn, hold.tenant, &hold.unit)
        .await?
        .ok_or(Error::HoldNotFound)?;
    let parts = store::parts(conn, id, now).await?;
    let transfer = Transfer {
        id: TransferId(Uuid::new_v5(&id.0, b"end")),
        tenant: hold.tenant,
        unit: &hold.unit,
        kind: end.kind(),
        amount: hold.amount,
        hold: Some(id.0),
        reference: &hold.reference,
        at: now,
    };
    book::post(conn, &transfer, &closing_lines(&accounts, &parts, used)).await?;
    Ok(())
}

/// A lot's part in a hold.
#[derive(Clone, Copy, Debug)]
struct Part {
    lot: LotId,
    amount: i64,
    lot_expired: bool,
}

/// The lines that end a hold: `used` units are spent in the order in which they were taken, the rest goes back to its
/// lot, or straight to `expired` when the lot is past its time.
fn closing_lines(accounts: &Accounts, parts: &[Part], used: i64) -> Vec<Line> {
    let mut left = used;
    let mut lines = Vec::with_capacity(parts.len() * 4);
    for part in parts {
        let spent = left.min(part.amount);
        left -= spent;
        let home = if part.lot_expired {
            accounts.expired
        } else {
            accounts.available
        };
        lines.extend(move_lines(part.lot, accounts.held, accounts.spent, spent));
        lines.extend(move_lines(
            part.lot,
            accounts.held,
            home,
            part.amount - spent,
        ));
    }
    lines
}

/// Takes `amount` units from the lots in their order.
fn take(lots: &[OpenLot], amount: i64) -> Result<Vec<(LotId, i64)>, Error> {
    let mut left = amount;
    let mut parts = Vec::new();
    for lot in lots {
        if left == 0 {
            break;
        }
        let part = left.min(lot.available);
        parts.push((lot.id, part));
        left -= part;
    }
    if left > 0 {
        return Err(Error::Insufficient {
            available: amount - left,
        });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(n: u128) -> LotId {
        LotId(Uuid::from_u128(n))
    }

    fn open(n: u128, available: i64) -> OpenLot {
        OpenLot {
            id: lot(n),
            available,
            expires_at: None,
        }
    }

    #[test]
    fn a_share_is_at_most_half_of_what_is_there_and_at_least_what_is_needed() {
        for (wished, least, there, got) in [
            (1, 1, 10, 1),
            (8, 1, 10, 5),
            (8, 1, 9, 5),
            (8, 1, 1, 1),
            (8, 3, 2, 3),
            (256, 1, 100_000, 256),
            (4, 4, 5, 4),
        ] {
            assert_eq!(share(wished, least, there), got, "{wished} {least} {there}");
        }
    }

    #[test]
    fn lots_give_in_order_or_say_what_is_there() {
        let lots = [open(1, 2), open(2, 3)];
        assert_eq!(take(&lots, 1).unwrap(), [(lot(1), 1)]);
        assert_eq!(take(&lots, 4).unwrap(), [(lot(1), 2), (lot(2), 2)]);
        assert!(matches!(
            take(&lots, 6),
            Err(Error::Insufficient { available: 5 })
        ));
        assert!(matches!(
            take(&[], 1),
            Err(Error::Insufficient { available: 0 })
        ));
        assert!(matches!(
            take(&lots, i64::MAX),
            Err(Error::Insufficient { available: 5 })
        ));
    }

    #[test]
    fn what_was_not_used_goes_back_to_its_own_lot() {
        let id = Uuid::from_u128;
        let accounts = Accounts {
            issued: id(10),
            available: id(11),
            held: id(12),
            spent: id(13),
            expired: id(14),
        };
        let parts = [
            Part {
                lot: lot(1),
                amount: 2,
                lot_expired: true,
            },
            Part {
                lot: lot(2),
                amount: 3,
                lot_expired: false,
            },
        ];
        let sums = |used: i64| {
            let lines = closing_lines(&accounts, &parts, used);
            let sum = |account: Uuid, lot: LotId| -> i64 {
                lines
                    .iter()
                    .filter(|l| l.account == account && l.lot == lot)
                    .map(|l| l.amount)
                    .sum()
            };
            assert_eq!(lines.iter().map(|l| l.amount).sum::<i64>(), 0);
            assert_eq!(
                (sum(accounts.held, lot(1)), sum(accounts.held, lot(2))),
                (-2, -3),
                "nothing stays held"
            );
            [
                sum(accounts.spent, lot(1)),
                sum(accounts.spent, lot(2)),
                sum(accounts.expired, lot(1)),
                sum(accounts.available, lot(2)),
            ]
        };
        assert_eq!(sums(0), [0, 0, 2, 3]);
        assert_eq!(sums(1), [1, 0, 1, 3]);
        assert_eq!(sums(3), [2, 1, 0, 2]);
        assert_eq!(sums(5), [2, 3, 0, 0]);
    }
}
