//! Payments as they came in, and the units that came with them and go with them.

mod leftover;
pub(crate) mod store;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use identity::TenantId;
use ledger::{Grant, LotId, Source};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Billing, Error, Money, order::OrderId, stripe::Invoice};

pub use leftover::refund_ends;
pub(crate) use leftover::{end, lot_of};

kernel::id!(
    /// Money that came in for an invoice.
    PaymentId, "pay"
);

/// How long units that were set aside may take to come back; nothing is held for longer.
const WATCHED: Duration = Duration::hours(1);
/// What units live at least that were taken for a dispute and are given again.
const AGAIN: Duration = Duration::days(30);

/// A payment as it is kept.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: PaymentId,
    pub(crate) tenant: TenantId,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) refunded: i64,
    pub(crate) dispute: Option<String>,
    pub(crate) reading: i64,
}

/// Units that a payment granted.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) lot: LotId,
    /// Whose lot it is: a reward may be somebody else's.
    pub(crate) tenant: TenantId,
    pub(crate) unit: String,
    pub(crate) amount: i64,
    pub(crate) debt: i64,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// What was taken while it could still be used.
    pub(crate) taken: i64,
    /// What was given again when a dispute was won.
    pub(crate) again: Option<LotId>,
}

/// A payment to write down.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) id: PaymentId,
    pub(crate) tenant: TenantId,
    pub(crate) invoice: &'a Invoice,
    pub(crate) money: &'a Money,
    pub(crate) paid_at: DateTime<Utc>,
    /// What it fulfils, when it is for something that is bought once.
    pub(crate) order: Option<OrderId>,
    pub(crate) now: DateTime<Utc>,
}

/// What a payment of an ended subscription is to give back.
#[derive(Debug)]
struct Due {
    id: PaymentId,
    intent: Option<String>,
    amount: i64,
}

/// Takes back the units of a payment beyond what of it was kept; and when more of it is kept than was, since a dispute was
/// won, gives again what was taken.
pub(crate) async fn take_units(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
) -> Result<Vec<Granted>, Error> {
    let now = room.cx.clock.now();
    let mut grants = store::grants(conn, payment.id).await?;
    for grant in &mut grants {
        let kept = kept_units(grant.amount, payment);
        let reason = payment.id.to_string();
        // what was given again is another lot, and goes first
        let (own, again) = shares(grant, kept);
        grant.debt = ledger::reverse(conn, &room.cx, grant.lot, own, &reason).await?;
        if let Some(lot) = grant.again {
            grant.debt += ledger::reverse(conn, &room.cx, lot, again, &reason).await?;
        } else {
            let gone = grant.amount - kept - grant.debt;
            let usable = grant.expires_at.is_none_or(|at| at > now);
            if gone > grant.taken && usable {
                grant.taken = gone;
            } else if gone < grant.taken {
                grant.again = Some(give_again(conn, room, payment, grant, gone).await?);
            }
        }
        let watch = (grant.debt > 0).then(|| now + WATCHED);
        store::set_debt(conn, grant, watch).await?;
    }
    Ok(grants)
}

/// What of the kept units is the first lot's, and what the one's that was given again.
fn shares(grant: &Granted, kept: i64) -> (i64, i64) {
    if grant.again.is_none() {
        return (kept, 0);
    }
    let own = kept.min(grant.amount - grant.taken);
    (own, kept - own)
}

/// Grants anew what was taken beyond `gone`. It lives as long as what was taken, and at least a month from now.
async fn give_again(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
    grant: &mut Granted,
    gone: i64,
) -> Result<LotId, Error> {
    let name = format!("again:{}", grant.lot);
    let least = room.cx.clock.now() + AGAIN;
    let reason = payment.id.to_string();
    let again = Grant {
        id: Uuid::new_v5(&grant.tenant.0, name.as_bytes()),
        tenant: grant.tenant,
        unit: &grant.unit,
        amount: grant.taken - gone,
        source: Source::Paid,
        priority: 0,
        reason: &reason,
        expires_at: grant.expires_at.map(|at| at.max(least)),
    };
    Ok(ledger::grant(conn, &room.cx, &again).await?)
}

/// Whether the bank of the card's holder keeps the money.
pub(crate) fn is_withheld(dispute: Option<&str>) -> bool {
    matches!(dispute, Some("lost" | "needs_response" | "under_review"))
}

/// How many of the units stay granted: in proportion to the money that stayed, rounded up for the customer; none while the
/// holder's bank keeps all of it.
fn kept_units(amount: i64, payment: &Row) -> i64 {
    let withheld = is_withheld(payment.dispute.as_deref());
    if withheld || payment.refunded >= payment.amount {
        return if payment.amount == 0 && !withheld {
            amount
        } else {
            0
        };
    }
    let gone = i128::from(amount) * i128::from(payment.refunded) / i128::from(payment.amount);
    amount - i64::try_from(gone).unwrap_or(amount)
}

/// Takes what was set aside when its money went back and has come back since, at most `most` payments; returns how many.
///
/// # Errors
/// When the database is away.
pub async fn mend_debts(room: &Billing, most: i64) -> Result<usize, Error> {
    let mut tx = begin(room).await?;
    let due = store::watched(&mut tx, most).await?;
    tx.commit().await?;
    let count = due.len();
    for invoice in due {
        let mut tx = begin(room).await?;
        if let Some(payment) = store::lock(&mut tx, &invoice).await? {
            for grant in store::grants(&mut tx, payment.id).await? {
                mend(&mut tx, room, &payment, grant).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(count)
}

async fn mend(
    conn: &mut PgConnection,
    room: &Billing,
    payment: &Row,
    mut grant: Granted,
) -> Result<(), Error> {
    let now = room.cx.clock.now();
    let kept = kept_units(grant.amount, payment);
    let reason = payment.id.to_string();
    let (own, again) = shares(&grant, kept);
    grant.debt = ledger::reverse(conn, &room.cx, grant.lot, own, &reason).await?;
    if let Some(lot) = grant.again {
        grant.debt += ledger::reverse(conn, &room.cx, lot, again, &reason).await?;
    } else if grant.expires_at.is_none_or(|at| at > now) {
        grant.taken = grant.taken.max(grant.amount - kept - grant.debt);
    }
    Ok(store::mend_debt(conn, &grant, now).await?)
}

pub(crate) async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("payments")).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payment(amount: i64, refunded: i64, dispute: Option<&str>) -> Row {
        Row {
            id: PaymentId(Uuid::nil()),
            tenant: TenantId(Uuid::nil()),
            amount,
            currency: "jpy".to_owned(),
            refunded,
            dispute: dispute.map(str::to_owned),
            reading: 0,
        }
    }

    #[test]
    fn units_go_back_with_the_money_that_paid_for_them() {
        for (amount, refunded, dispute, kept) in [
            (980, 0, None, 10),
            (980, 980, None, 0),
            (980, 490, None, 5),
            (980, 489, None, 6),
            (980, 1, None, 10),
            (980, 0, Some("needs_response"), 0),
            (980, 0, Some("lost"), 0),
            (980, 0, Some("won"), 10),
            (980, 0, Some("warning_needs_response"), 10),
            (0, 0, None, 10),
        ] {
            let row = payment(amount, refunded, dispute);
            assert_eq!(kept_units(10, &row), kept, "{row:?}");
        }
    }

    proptest! {
        #[test]
        fn never_more_nor_less_than_there_was(units in 1_i64..i64::MAX, paid in 1_i64..i64::MAX, part in 0.0_f64..=1.0) {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share for a test")]
            let refunded = ((paid as f64 * part) as i64).clamp(0, paid);
            let kept = kept_units(units, &payment(paid, refunded, None));
            prop_assert!((0..=units).contains(&kept));
            prop_assert_eq!(kept_units(units, &payment(paid, paid, None)), 0);
            prop_assert_eq!(kept_units(units, &payment(paid, 0, None)), units);
        }
    }
}
