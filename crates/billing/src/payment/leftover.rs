use entitlement::{Every, Leftover, Plan};
use identity::TenantId;
use ledger::LotId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Granted, Row, begin, is_withheld, store};
use crate::{Billing, Error, customer, stripe::Refund};

/// Does with what is left of a subscription's units what its plan says, when it has ended; once for each payment. What is set
/// aside at that moment may still be used.
pub(crate) async fn end(
    conn: &mut PgConnection,
    room: &Billing,
    subscription: &str,
    plan: &Plan,
) -> Result<(), Error> {
    if plan.terms.at_end == Leftover::Keep {
        return Ok(());
    }
    for invoice in store::not_ended(conn, subscription).await? {
        let Some(payment) = store::lock(conn, &invoice).await? else {
            continue;
        };
        let left = take_left(conn, room, (&invoice, &payment), plan).await?;
        let refund = match plan.terms.at_end {
            Leftover::Refund => money_of(&payment, &left),
            Leftover::Keep | Leftover::Void => 0,
        };
        store::set_end_refund(conn, payment.id, refund).await?;
    }
    Ok(())
}

/// Takes the plan's own units back that nobody used; of each unit, how many of how many.
async fn take_left(
    conn: &mut PgConnection,
    room: &Billing,
    (invoice, payment): (&str, &Row),
    plan: &Plan,
) -> Result<Vec<(i64, i64)>, Error> {
    let own = |grant: &Granted| {
        let mut periodic = plan.terms.grants.iter();
        periodic.any(|one| {
            one.every == Every::Invoice && lot_of(payment.tenant, invoice, &one.unit) == grant.lot
        })
    };
    let now = room.cx.clock.now();
    let mut left = Vec::new();
    for grant in store::grants(conn, payment.id).await? {
        if !own(&grant) {
            continue;
        }
        let used = ledger::reverse(conn, &room.cx, grant.lot, 0, invoice).await?;
        let live = grant.expires_at.is_none_or(|at| at > now) && grant.again.is_none();
        let unused = if live {
            (grant.amount - grant.taken - used).max(0)
        } else {
            0
        };
        left.push((unused, grant.amount));
    }
    Ok(left)
}

/// The lot that an invoice's line granted.
pub(crate) fn lot_of(tenant: TenantId, invoice: &str, unit: &str) -> LotId {
    let name = format!("invoice:{invoice}:{unit}");
    LotId(Uuid::new_v5(&tenant.0, name.as_bytes()))
}

/// The part of the money whose units are left: of several units the one of which the least is left decides.
fn money_of(payment: &Row, left: &[(i64, i64)]) -> i64 {
    if is_withheld(payment.dispute.as_deref()) {
        return 0;
    }
    let parts = left.iter().filter(|(_, all)| *all > 0);
    let money = parts.map(|(left, all)| {
        let part = i128::from(payment.amount) * i128::from(*left) / i128::from(*all);
        i64::try_from(part).unwrap_or(0)
    });
    let least = money.min().unwrap_or(0);
    least.min(payment.amount - payment.refunded)
}

/// Asks Stripe to give back what ended subscriptions owe, at most `most` payments; returns how many. The units are gone
/// already; that the money went back is read from Stripe like any refund.
///
/// # Errors
/// When the database is away.
pub async fn refund_ends(room: &Billing, most: i64) -> Result<usize, Error> {
    let mut tx = begin(room).await?;
    let due = store::end_refunds(&mut tx, most).await?;
    tx.commit().await?;
    let mut asked = 0;
    for one in due {
        if let Some(intent) = &one.intent {
            let amount = one.amount.to_string();
            let form = [
                ("payment_intent", intent.as_str()),
                ("amount", amount.as_str()),
            ];
            let key = customer::operation("end", one.id.0);
            let said: Result<Refund, _> =
                room.shop()?.stripe.post("/v1/refunds", &form, &key).await;
            match said {
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, payment = %one.id, "a refund waits for Stripe");
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, payment = %one.id, "Stripe refused a refund; give it back by hand");
                }
                Ok(_) => asked += 1,
            }
        }
        let mut tx = begin(room).await?;
        store::end_refund_asked(&mut tx, one.id).await?;
        tx.commit().await?;
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::PaymentId;

    #[test]
    fn the_money_of_what_is_left_goes_back_and_never_more_than_was_kept() {
        for (refunded, dispute, left, money) in [
            (0, None, vec![(3, 4)], 2235),
            (0, None, vec![(0, 4)], 0),
            (0, None, vec![], 0),
            (0, None, vec![(4, 4), (1, 100)], 29),
            (2000, None, vec![(3, 4)], 980),
            (0, Some("lost"), vec![(4, 4)], 0),
        ] {
            let payment = Row {
                id: PaymentId(Uuid::nil()),
                tenant: TenantId(Uuid::nil()),
                amount: 2980,
                currency: "jpy".to_owned(),
                refunded,
                dispute: dispute.map(str::to_owned),
                reading: 0,
            };
            assert_eq!(money_of(&payment, &left), money, "{payment:?} {left:?}");
        }
    }
}
