pub(crate) mod http;

use identity::{AuditAction, Caller, RequestMeta};
use serde_json::{Value, json};

use crate::{
    Billing, Error, Shop, SubscriptionView, auto, customer,
    order::{self, Fresh, Kind, OrderId},
    reading,
    stripe::StripeError,
    subscription::{self, Row},
};

/// Changes a subscription's plan as an order says that was shown and not changed since.
///
/// A dearer plan holds at once: Stripe settles the rest of the period at the instant that the order was shown for, and
/// changes nothing when the money does not come. A cheaper one holds from the next period on: the price changes without a
/// settlement, and the subscription itself says which plan holds until then.
pub(crate) async fn change(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    subscription: &str,
    order: OrderId,
) -> Result<SubscriptionView, Error> {
    let shop = room.shop()?;
    let by = caller.principal;
    own(room, shop, caller, subscription).await?;
    let order = order::fresh(room, shop, by, order).await?;
    let live = order
        .live
        .as_ref()
        .filter(|live| live.id == subscription)
        .ok_or(Error::OrderStale)?;
    if !order::is_done(&order.plan, live) {
        ask(shop, &order, live).await?;
        let mut tx = subscription::begin(room).await?;
        AuditAction::new("billing.change", subscription)
            .after(
                json!({ "order": order.id, "kind": order.kind.as_str(), "plan": order.plan.id,
                "version": order.plan.version }),
            )
            .record(&mut tx, &room.cx, meta, by)
            .await?;
        tx.commit().await?;
        reading::subscription(room, shop, subscription).await?;
    }
    subscription::view(room, by, subscription).await
}

async fn ask(shop: &Shop, order: &Fresh, live: &Row) -> Result<(), Error> {
    let item = subscription::item_of(shop, &live.id).await?;
    let price = order
        .plan
        .terms
        .stripe_price
        .clone()
        .ok_or(Error::NotForSale)?;
    let at = order.created_at.timestamp().to_string();
    let version = live.version.to_string();
    let until = live
        .period_end
        .map_or_else(String::new, |end| end.timestamp().to_string());
    let mut form = vec![
        ("items[0][id]", item.as_str()),
        ("items[0][price]", price.as_str()),
        ("cancel_at_period_end", "false"),
    ];
    match order.kind {
        Kind::New => return Err(Error::OrderStale),
        Kind::Upgrade => form.extend([
            ("proration_behavior", "always_invoice"),
            ("proration_date", at.as_str()),
            ("payment_behavior", "error_if_incomplete"),
        ]),
        Kind::Downgrade | Kind::Resume => form.push(("proration_behavior", "none")),
    }
    let held = if order.kind == Kind::Downgrade {
        [version.as_str(), until.as_str(), price.as_str()]
    } else {
        ["", "", ""]
    };
    let names = [
        "metadata[held_version]",
        "metadata[held_until]",
        "metadata[held_for]",
    ];
    form.extend(names.into_iter().zip(held));
    let path = format!("/v1/subscriptions/{}", live.id);
    let key = customer::operation("change", order.id.0);
    let done: Result<Value, StripeError> = shop.stripe.post(&path, &form, &key).await;
    done.map(drop).map_err(declined)
}

fn declined(error: StripeError) -> Error {
    if error.is_declined() {
        Error::PaymentFailed
    } else {
        error.into()
    }
}

/// Tells a subscription to end with its period, or not to.
pub(crate) async fn set_ending(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    subscription: &str,
    ends: bool,
) -> Result<SubscriptionView, Error> {
    let shop = room.shop()?;
    let row = own(room, shop, caller, subscription).await?;
    if row.cancel_at.is_some() != ends {
        let path = format!("/v1/subscriptions/{subscription}");
        let wanted = if ends { "true" } else { "false" };
        // each request is an operation of its own: one may cancel, resume and cancel again
        let key = format!("ending:{wanted}:{}", meta.request_id);
        let form = [("cancel_at_period_end", wanted)];
        let _: Value = shop.stripe.post(&path, &form, &key).await?;
        let mut tx = subscription::begin(room).await?;
        let name = if ends {
            "billing.cancel"
        } else {
            "billing.resume"
        };
        AuditAction::new(name, subscription)
            .record(&mut tx, &room.cx, meta, caller.principal)
            .await?;
        tx.commit().await?;
        reading::subscription(room, shop, subscription).await?;
    }
    subscription::view(room, caller.principal, subscription).await
}

/// The caller's subscription; whose it is otherwise, nobody is told.
async fn own(room: &Billing, shop: &Shop, caller: &Caller, id: &str) -> Result<Row, Error> {
    let mut tx = subscription::begin(room).await?;
    let row = subscription::store::find(&mut tx, id).await?;
    tx.commit().await?;
    row.filter(|row| {
        row.tenant == caller.principal.tenant
            && row.livemode == shop.livemode
            && subscription::is_alive(&row.status)
    })
    .ok_or(Error::NoSubscription)
}

/// Whether a tenant has a subscription that goes on.
///
/// # Errors
/// When the database is away.
pub async fn pays(room: &Billing, tenant: identity::TenantId) -> Result<bool, Error> {
    let mut tx = subscription::begin(room).await?;
    let rows = subscription::store::of_tenant(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(rows.iter().any(|row| subscription::is_alive(&row.status)))
}

/// Ends what a tenant pays for at once, since it is going. What is over at Stripe already is over.
///
/// # Errors
/// When Stripe or the database is away; asking again goes on where it stopped.
pub async fn see_off(room: &Billing, tenant: identity::TenantId) -> Result<(), Error> {
    let Some(shop) = &room.shop else {
        return Ok(());
    };
    let mut tx = subscription::begin(room).await?;
    let rows = subscription::store::of_tenant(&mut tx, tenant).await?;
    auto::see_off(&mut tx, tenant).await?;
    tx.commit().await?;
    for row in rows {
        if row.livemode != shop.livemode || !subscription::is_alive(&row.status) {
            continue;
        }
        let path = format!("/v1/subscriptions/{}", row.id);
        let key = format!("farewell:{}", row.id);
        let ended: Result<Value, StripeError> = shop.stripe.delete(&path, &key).await;
        match ended {
            Err(error) if !error.is_missing() => return Err(error.into()),
            _ => {}
        }
        reading::subscription(room, shop, &row.id).await?;
        tracing::info!(subscription = row.id, "ended, since its tenant leaves");
    }
    Ok(())
}
