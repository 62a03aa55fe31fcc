//! Units that are bought by themselves when few are left, with the card that is kept. Off until somebody who may pay agrees
//! to what is shown; ended by the first payment that fails.

pub(crate) mod http;
pub(crate) mod store;
mod words;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use entitlement::{TopUp, TopUpVersionId};
use identity::{AuditAction, Caller, Principal, RequestMeta, TenantId, UserId};
use kernel::Text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    Billing, Error, Shop, customer,
    order::{self, OrderId, OrderItem},
    stripe::List,
    topup::{self, OrderTopUp},
};

pub(crate) use store::paid;

/// How long what was shown may be agreed to.
const LIVES: Duration = Duration::minutes(30);

/// Why nothing is bought by itself any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stopped {
    /// Somebody turned it off.
    Off,
    /// The card was declined, or its bank wants to ask its holder.
    PaymentFailed,
    /// What was agreed to is not sold any more at this price.
    NotSold,
}

impl Stopped {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::PaymentFailed => "payment_failed",
            Self::NotSold => "not_sold",
        }
    }

    pub(crate) fn read(text: &str) -> Self {
        match text {
            "payment_failed" => Self::PaymentFailed,
            "not_sold" => Self::NotSold,
            _ => Self::Off,
        }
    }
}

/// What would be bought, when, and up to how much: the final confirmation. Kept as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct AutoTopUpOrder {
    id: OrderId,
    storefront: String,
    topup: OrderTopUp,
    /// It is bought when fewer units are left.
    threshold: i64,
    /// The most that is paid in a month of the tenant's time zone.
    monthly_yen: i64,
    /// The six things that the law wants to be told before an order is final.
    items: Vec<OrderItem>,
    /// Of each purchase, tax included.
    total_yen: i64,
    /// The consumption tax in it.
    tax_yen: i64,
    expires_at: DateTime<Utc>,
}

/// What is bought by itself at a storefront.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct AutoTopUp {
    storefront: String,
    /// The top-up's id.
    topup: String,
    title: Text,
    unit: String,
    amount: u32,
    price_yen: i64,
    threshold: i64,
    monthly_yen: i64,
    /// Of the running month, with what is being paid.
    spent_yen: i64,
    resets_at: DateTime<Utc>,
    agreed_at: DateTime<Utc>,
    /// `null` while it is on.
    #[schema(required)]
    stopped: Option<Stopped>,
}

/// A rule as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) tenant: TenantId,
    pub(crate) storefront: String,
    pub(crate) version: TopUpVersionId,
    pub(crate) unit: String,
    pub(crate) threshold: i64,
    pub(crate) monthly_yen: i64,
    pub(crate) agreed_by: UserId,
    pub(crate) agreed_at: DateTime<Utc>,
    pub(crate) stopped: Option<String>,
}

impl Rule {
    pub(crate) const fn principal(&self) -> Principal {
        Principal::user(self.tenant, self.agreed_by)
    }
}

/// What somebody wants to be bought by itself.
#[derive(Debug)]
struct Wish {
    storefront: String,
    topup: String,
    threshold: i64,
    monthly_yen: i64,
}

/// Shows somebody what they would agree to, and keeps it as it was shown.
async fn place(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    wish: Wish,
) -> Result<AutoTopUpOrder, Error> {
    let shop = room.shop()?;
    let topup = topup::for_sale(room, &wish.storefront, &wish.topup)?;
    let total = topup.terms.price_yen.0;
    if wish.monthly_yen < total {
        return Err(Error::CeilingTooLow);
    }
    let now = room.cx.clock.now();
    let mut order = AutoTopUpOrder {
        id: room.cx.ids.new_id(),
        storefront: wish.storefront,
        topup: OrderTopUp::of(&topup),
        threshold: wish.threshold,
        monthly_yen: wish.monthly_yen,
        items: Vec::new(),
        total_yen: total,
        tax_yen: order::tax_in(total),
        expires_at: now + LIVES,
    };
    order.items = words::items(&order);
    let shown = shown(&order)?;
    let by = caller.principal;
    let mut tx = begin(room).await?;
    let kept = store::Shown {
        id: order.id,
        tenant: by.tenant,
        livemode: shop.livemode,
        storefront: &order.storefront,
        version: topup.version_id,
        kind: "auto",
        wording: words::WORDING,
        facts: shown,
        created_at: now,
        expires_at: order.expires_at,
    };
    store::insert_shown(&mut tx, &kept).await?;
    AuditAction::new("billing.order", order.id)
        .after(json!({ "storefront": order.storefront, "topup": topup.id, "version": topup.version, "kind": "auto",
            "total_yen": total, "threshold": order.threshold, "monthly_yen": order.monthly_yen, "wording": words::WORDING }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(order)
}

pub(crate) fn shown<T: Serialize>(order: &T) -> Result<Value, Error> {
    serde_json::to_value(order)
        .map_err(|error| kernel::Fault::internal("an order can't be written", error).into())
}

/// Agrees to what was shown: from now on it is bought by itself.
async fn agree(
    room: &Billing,
    by: Principal,
    meta: &RequestMeta,
    storefront: &str,
    order: OrderId,
) -> Result<AutoTopUp, Error> {
    let shop = room.shop()?;
    let user = by.user.ok_or(Error::NoOrder)?;
    let now = room.cx.clock.now();
    let mut tx = begin(room).await?;
    let kept = store::find_shown(&mut tx, order, by.tenant, shop.livemode).await?;
    tx.commit().await?;
    let (version, shown, expires_at) = kept.ok_or(Error::NoOrder)?;
    let shown: AutoTopUpOrder = serde_json::from_value(shown)
        .map_err(|error| kernel::Fault::internal("an order can't be read", error))?;
    if shown.storefront != storefront {
        return Err(Error::NoOrder);
    }
    let sold = topup::for_sale(room, storefront, &shown.topup.id)?;
    if expires_at <= now || sold.version_id != version {
        return Err(Error::OrderStale);
    }
    let customer = customer::known(&room.cx, shop, by.tenant).await?;
    let customer = customer.ok_or(Error::NoCard)?;
    card(shop, &customer).await?.ok_or(Error::NoCard)?;
    let rule = Rule {
        tenant: by.tenant,
        storefront: storefront.to_owned(),
        version,
        unit: sold.terms.unit.clone(),
        threshold: shown.threshold,
        monthly_yen: shown.monthly_yen,
        agreed_by: user,
        agreed_at: now,
        stopped: None,
    };
    let mut tx = begin(room).await?;
    store::write(&mut tx, &rule, shop.livemode, order).await?;
    AuditAction::new("billing.auto_topup.on", storefront)
        .after(json!({ "order": order, "topup": sold.id, "version": sold.version, "threshold": rule.threshold,
            "monthly_yen": rule.monthly_yen }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    let view = view(&mut tx, room, rule, &sold).await?;
    tx.commit().await?;
    Ok(view)
}

/// Turns it off. What is being paid for right now is still delivered.
async fn turn_off(
    room: &Billing,
    by: Principal,
    meta: &RequestMeta,
    storefront: &str,
) -> Result<(), Error> {
    let shop = room.shop()?;
    let mut tx = begin(room).await?;
    if !store::stop(&mut tx, by.tenant, storefront, shop.livemode, Stopped::Off).await? {
        return Err(Error::NoAutoTopUp);
    }
    AuditAction::new("billing.auto_topup.off", storefront)
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Turns it off for a tenant that goes.
pub(crate) async fn see_off(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::stop_all(conn, tenant).await
}

async fn view(
    conn: &mut PgConnection,
    room: &Billing,
    rule: Rule,
    topup: &TopUp,
) -> Result<AutoTopUp, Error> {
    let (start, resets_at) = entitlement::running_month(conn, &room.cx, rule.tenant).await?;
    let spent_yen = store::spent(conn, rule.tenant, &rule.storefront, start).await?;
    Ok(AutoTopUp {
        storefront: rule.storefront,
        topup: topup.id.clone(),
        title: topup.terms.title.clone(),
        unit: rule.unit,
        amount: topup.terms.amount,
        price_yen: topup.terms.price_yen.0,
        threshold: rule.threshold,
        monthly_yen: rule.monthly_yen,
        spent_yen,
        resets_at,
        agreed_at: rule.agreed_at,
        stopped: rule.stopped.as_deref().map(Stopped::read),
    })
}

/// What the caller's tenant has bought by itself, by storefront.
async fn list(room: &Billing, by: Principal) -> Result<Vec<AutoTopUp>, Error> {
    let Some(shop) = &room.shop else {
        return Ok(Vec::new());
    };
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let mut items = Vec::new();
    for rule in store::of_tenant(&mut tx, by.tenant, shop.livemode).await? {
        if let Some(topup) = entitlement::topup_version(&mut tx, rule.version).await? {
            items.push(view(&mut tx, room, rule, &topup).await?);
        }
    }
    tx.commit().await?;
    Ok(items)
}

/// The card that a customer left to be charged while nobody is there: the one that its invoices are paid with, or any.
pub(crate) async fn card(shop: &Shop, customer: &str) -> Result<Option<String>, Error> {
    let path = format!("/v1/customers/{customer}");
    let known: Value = shop.stripe.get(&path, &[]).await?;
    let usual = known.pointer("/invoice_settings/default_payment_method");
    if let Some(usual) = usual.and_then(Value::as_str) {
        return Ok(Some(usual.to_owned()));
    }
    let path = format!("{path}/payment_methods");
    let kept: List<Value> = shop
        .stripe
        .get(&path, &[("type", "card"), ("limit", "1")])
        .await?;
    let first = kept.data.first().and_then(|card| card.get("id"));
    Ok(first.and_then(Value::as_str).map(str::to_owned))
}

pub(crate) async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    let scope = Scope::House("what is bought by itself");
    room.cx.db.begin(scope).await
}
