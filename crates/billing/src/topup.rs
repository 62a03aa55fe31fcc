pub(crate) mod http;
mod store;
pub(crate) mod words;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use entitlement::{TopUp, TopUpVersionId};
use identity::{AuditAction, Caller, Principal, RequestMeta, TenantId};
use kernel::Text;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Billing, Error, Shop, customer,
    order::{self, OrderId, OrderItem},
    stripe::CheckoutSession,
};

/// How long what was shown may be agreed to.
const LIVES: Duration = Duration::minutes(30);

/// One version of a top-up, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct OrderTopUp {
    pub(crate) id: String,
    version: i32,
    pub(crate) title: Text,
    unit: String,
    pub(crate) amount: u32,
    /// Once, tax included.
    price_yen: i64,
    /// How many days the units live.
    pub(crate) days: u16,
}

impl OrderTopUp {
    pub(crate) fn of(topup: &TopUp) -> Self {
        Self {
            id: topup.id.clone(),
            version: topup.version,
            title: topup.terms.title.clone(),
            unit: topup.terms.unit.clone(),
            amount: topup.terms.amount,
            price_yen: topup.terms.price_yen.0,
            days: topup.terms.days,
        }
    }
}

/// The final confirmation of a top-up: paid once, never renewed. Kept as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct TopUpOrder {
    pub(crate) id: OrderId,
    storefront: String,
    topup: OrderTopUp,
    /// The six things that the law wants to be told before an order is final.
    items: Vec<OrderItem>,
    total_yen: i64,
    /// The consumption tax in it.
    tax_yen: i64,
    /// Until when units live that are paid for right now.
    units_expire_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl TopUpOrder {
    pub(crate) fn of(
        id: OrderId,
        topup: &TopUp,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        let total = topup.terms.price_yen.0;
        let mut order = Self {
            id,
            storefront: topup.storefront.clone(),
            topup: OrderTopUp::of(topup),
            items: Vec::new(),
            total_yen: total,
            tax_yen: order::tax_in(total),
            units_expire_at: topup.expires_at(now),
            expires_at,
        };
        order.items = words::items(&order);
        order
    }
}

/// What became of an order of a top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct TopUpOutcome {
    /// Whether the payment came and the units are there.
    paid: bool,
}

/// An order of a top-up as it is kept.
#[derive(Debug)]
struct Kept {
    version: TopUpVersionId,
    expires_at: DateTime<Utc>,
}

pub(crate) fn for_sale(room: &Billing, storefront: &str, id: &str) -> Result<TopUp, Error> {
    let catalogue = room.entitlement.catalogue.now();
    let found = catalogue.topup(storefront, id).cloned();
    found
        .filter(|topup| topup.terms.stripe_price.is_some())
        .ok_or(Error::NoTopUp)
}

/// Shows somebody what they are about to buy, and keeps it as it was shown.
async fn place(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    storefront: &str,
    id: &str,
) -> Result<TopUpOrder, Error> {
    let shop = room.shop()?;
    let topup = for_sale(room, storefront, id)?;
    let now = room.cx.clock.now();
    let total = topup.terms.price_yen.0;
    let order = TopUpOrder::of(room.cx.ids.new_id(), &topup, now, now + LIVES);
    let shown = serde_json::to_value(&order)
        .map_err(|error| kernel::Fault::internal("an order can't be written", error))?;
    let by = caller.principal;
    let new = store::New {
        order: &order,
        tenant: by.tenant,
        livemode: shop.livemode,
        version: topup.version_id,
        wording: words::WORDING,
        shown,
        now,
    };
    let mut tx = begin(room).await?;
    store::insert(&mut tx, &new).await?;
    AuditAction::new("billing.order", order.id)
        .after(json!({ "storefront": storefront, "topup": topup.id, "version": topup.version, "kind": "topup",
            "total_yen": total, "wording": words::WORDING }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(order)
}

/// Opens the way to pay for a top-up that was shown; none when the order is of something else. The key of the call is the
/// order's, so one order is one session at Stripe however it is clicked, and is paid once.
pub(crate) async fn start(
    room: &Billing,
    shop: &Shop,
    by: Principal,
    meta: &RequestMeta,
    id: OrderId,
) -> Result<Option<String>, Error> {
    let mut tx = begin(room).await?;
    let kept = store::find(&mut tx, id, by.tenant, shop.livemode).await?;
    let Some(kept) = kept else {
        return Ok(None);
    };
    let topup = entitlement::topup_version(&mut tx, kept.version)
        .await?
        .ok_or(Error::OrderStale)?;
    tx.commit().await?;
    let sold = for_sale(room, &topup.storefront, &topup.id)?;
    if kept.expires_at <= room.cx.clock.now() || sold.version_id != topup.version_id {
        return Err(Error::OrderStale);
    }
    let price = topup.terms.stripe_price.as_deref().ok_or(Error::NoTopUp)?;
    let customer = customer::of_tenant(&room.cx, shop, by.tenant).await?;
    let home = &room.terms.account_url;
    let order = id.to_string();
    let back = |outcome: &str| {
        format!(
            "{home}/billing/topups/{}?outcome={outcome}&order={order}",
            topup.storefront
        )
    };
    let (success, cancel) = (back("success"), back("cancel"));
    let form = [
        ("mode", "payment"),
        ("customer", customer.as_str()),
        ("line_items[0][price]", price),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", order.as_str()),
        ("metadata[order]", order.as_str()),
        // the invoice is what is receipted and refunded, as for a subscription
        ("invoice_creation[enabled]", "true"),
        (
            "invoice_creation[invoice_data][metadata][order]",
            order.as_str(),
        ),
        ("success_url", success.as_str()),
        ("cancel_url", cancel.as_str()),
    ];
    let key = customer::operation("topup", id.0);
    let session: CheckoutSession = shop
        .stripe
        .post("/v1/checkout/sessions", &form, &key)
        .await?;
    let mut tx = begin(room).await?;
    AuditAction::new("billing.checkout", id)
        .after(
            json!({ "storefront": topup.storefront, "topup": topup.id, "version": topup.version }),
        )
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(Some(session.url.ok_or(Error::Closed)?))
}

/// What a tenant's order is of, whenever it is paid.
pub(crate) async fn ordered(
    conn: &mut PgConnection,
    id: OrderId,
    tenant: TenantId,
    livemode: bool,
) -> Result<Option<TopUp>, Error> {
    match store::find(conn, id, tenant, livemode).await? {
        Some(kept) => Ok(entitlement::topup_version(conn, kept.version).await?),
        None => Ok(None),
    }
}

/// What became of one of the caller's orders.
async fn outcome(room: &Billing, by: Principal, id: OrderId) -> Result<TopUpOutcome, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let paid = store::is_paid(&mut tx, id, by.tenant).await?;
    tx.commit().await?;
    Ok(TopUpOutcome {
        paid: paid.ok_or(Error::NoOrder)?,
    })
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("orders of top-ups")).await
}
