use db::Scope;
use entitlement::Occasion;

use crate::{
    Billing, Error,
    payment::{Row, begin, store, take_units},
    referral, reward,
};

/// Posts what payments earn: points, and the rewards of the invitation that a first payment fulfils; at most `most`
/// payments. Returns how many. Each is posted once, by whichever node comes first.
///
/// # Errors
/// When the database is away. What Stripe does not answer for is left to the next round.
pub async fn settle_rewards(room: &Billing, most: i64) -> Result<usize, Error> {
    let mut tx = begin(room).await?;
    let due = store::rewards_due(&mut tx, most).await?;
    tx.commit().await?;
    let mut settled = 0;
    for invoice in due {
        match settle(room, &invoice).await {
            Ok(done) => settled += usize::from(done),
            Err(Error::Stripe(error)) => {
                tracing::warn!(%error, invoice, "a payment's rewards wait for Stripe");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(settled)
}

async fn settle(room: &Billing, invoice: &str) -> Result<bool, Error> {
    let mut tx = begin(room).await?;
    let Some(payment) = store::lock(&mut tx, invoice).await? else {
        return Ok(false);
    };
    let pending = match payment.amount {
        0 => None,
        _ => referral::pending(&mut tx, payment.tenant).await?,
    };
    tx.commit().await?;
    // whose cards they are is asked before anything is locked
    let invited = match pending {
        Some(of) => {
            let cards = referral::cards(room, room.shop()?, &of).await?;
            Some((of, cards))
        }
        None => None,
    };
    let rewards = room.entitlement.catalogue.now().rewards().clone();
    let scope = Scope::House("rewards of a payment");
    let mut tx = room.cx.db.begin(scope).await?;
    let Some(payment) = store::lock(&mut tx, invoice).await? else {
        return Ok(false);
    };
    if !store::take_rewards(&mut tx, payment.id).await? {
        return Ok(false);
    }
    let now = room.cx.clock.now();
    let what = (invoice, yen(&payment));
    let mut owed = reward::points(&rewards, payment.tenant, Occasion::Invoice, what, now);
    if let Some((of, cards)) = &invited {
        owed.extend(referral::close(&mut tx, room, of, cards, payment.id).await?);
    }
    for (lot, one) in reward::post(&mut tx, room, owed).await? {
        store::insert_grant(&mut tx, payment.id, lot, &one.grant()).await?;
    }
    // money that went back in the meantime takes its part along
    if payment.refunded > 0 || payment.dispute.is_some() {
        take_units(&mut tx, room, &payment).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// What was paid in yen.
fn yen(payment: &Row) -> i64 {
    if payment.currency == "jpy" {
        payment.amount
    } else {
        0
    }
}
