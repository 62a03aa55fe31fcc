pub(crate) mod http;
mod store;
pub(crate) mod words;

use chrono::{DateTime, Duration, Months, Utc};
use db::Scope;
use entitlement::{Plan, PlanVersionId};
use identity::{AuditAction, Caller, Principal, RequestMeta};
use kernel::Text;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Billing, Error, Shop, customer,
    stripe::Preview,
    subscription::{self, Row},
};

kernel::id!(
    /// What somebody was shown before they agreed to pay.
    OrderId, "ord"
);

/// How long what was shown may be agreed to.
const LIVES: Duration = Duration::minutes(30);

/// What agreeing to an order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OrderKind)]
pub(crate) enum Kind {
    /// A subscription begins.
    New,
    /// A dearer plan holds at once, and the rest of the running period is settled.
    Upgrade,
    /// A cheaper plan holds from the next period on; nothing is given back for what is paid.
    Downgrade,
    /// What was to end, or to become cheaper, stays as it is.
    Resume,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Resume => "resume",
        }
    }
}

/// One version of a plan, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct OrderPlan {
    pub(crate) id: String,
    pub(crate) version: i32,
    pub(crate) title: Text,
    /// Each month, tax included.
    pub(crate) price_yen: i64,
}

/// What the law wants to be told before an order is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderItemKey {
    Quantity,
    Price,
    Payment,
    Delivery,
    Period,
    Cancellation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct OrderItem {
    pub(crate) key: OrderItemKey,
    pub(crate) title: Text,
    pub(crate) text: Text,
}

/// How the rest of the running period is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Proration {
    /// Given back for the plan so far.
    pub(crate) credit_yen: i64,
    /// Charged for the new one.
    pub(crate) charge_yen: i64,
    pub(crate) at: DateTime<Utc>,
}

/// The final confirmation: what will be paid when, and how one gets out of it. Kept as it was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) storefront: String,
    pub(crate) plan: OrderPlan,
    /// The plan that the subscription here holds now.
    #[schema(required)]
    pub(crate) current: Option<OrderPlan>,
    /// The subscription that agreeing to it changes; a new one goes by way of the checkout.
    #[schema(required)]
    pub(crate) subscription: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) items: Vec<OrderItem>,
    /// Of each period, tax included.
    pub(crate) total_yen: i64,
    /// The consumption tax in it.
    pub(crate) tax_yen: i64,
    pub(crate) due_now_yen: i64,
    pub(crate) next_charge_at: DateTime<Utc>,
    pub(crate) next_charge_yen: i64,
    #[schema(required)]
    pub(crate) proration: Option<Proration>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// An order that may still be agreed to.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) id: OrderId,
    pub(crate) kind: Kind,
    pub(crate) plan: Plan,
    /// The subscription that it changes, as it is now.
    pub(crate) live: Option<Row>,
    pub(crate) created_at: DateTime<Utc>,
}

/// An order as it is kept.
#[derive(Debug)]
struct Kept {
    version: PlanVersionId,
    kind: String,
    subscription: Option<String>,
    price_before: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// The consumption tax in an amount that includes it, rounded down once for the whole of its rate.
pub(crate) const fn tax_in(total: i64) -> i64 {
    total * TAX_PERCENT / (100 + TAX_PERCENT)
}

/// The rate that everything sold here has.
pub(crate) const TAX_PERCENT: i64 = 10;

/// What ordering a plan means for whoever has a subscription: `held` is the plan that it holds, whatever its price is by now.
fn kind_of(wanted: &Plan, held: &Plan, live: &Row) -> Result<Kind, Error> {
    let waits = live.next_version.is_some();
    if !matches!(live.status.as_str(), "active" | "trialing") {
        return Err(Error::PaymentOwed);
    }
    if wanted.id == held.id {
        return if waits || live.cancel_at.is_some() {
            Ok(Kind::Resume)
        } else {
            Err(Error::AlreadySubscribed)
        };
    }
    if live.next_version == Some(wanted.version_id) && live.cancel_at.is_none() {
        return Err(Error::AlreadySubscribed);
    }
    if wanted.terms.price_yen < held.terms.price_yen {
        return Ok(Kind::Downgrade);
    }
    // Stripe would settle the rest of the period at the price that only holds from the next one on
    if waits {
        return Err(Error::ChangePending);
    }
    Ok(Kind::Upgrade)
}

/// Shows somebody what they are about to order, and keeps it as it was shown.
pub(crate) async fn place(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
    storefront: &str,
    plan: &str,
) -> Result<Order, Error> {
    let shop = room.shop()?;
    let wanted = for_sale(room, storefront, plan)?;
    let by = caller.principal;
    let (live, held) = live_with_plan(room, shop, by, storefront).await?;
    let kind = match (&live, &held) {
        (Some(live), Some(held)) => kind_of(&wanted, held, live)?,
        _ => Kind::New,
    };
    // who stays, stays on the version that they have
    let plan = match (kind, &held) {
        (Kind::Resume, Some(held)) => held.clone(),
        _ => wanted,
    };
    // whole seconds, since Stripe is asked about this very instant again
    let now = room.cx.clock.now();
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let price = plan.terms.price_yen.0;
    let period_end = live.as_ref().and_then(|live| live.period_end);
    let (proration, due_now) = match (kind, &live) {
        (Kind::New, _) => (None, price),
        (Kind::Upgrade, Some(live)) => {
            let preview = preview(room, shop, by, live, &plan, now).await?;
            let (credit_yen, charge_yen) = preview.proration();
            let proration = Proration {
                credit_yen,
                charge_yen,
                at: now,
            };
            (Some(proration), preview.amount_due)
        }
        _ => (None, 0),
    };
    let next_charge_at = period_end
        .filter(|_| kind != Kind::New)
        .or_else(|| now.checked_add_months(Months::new(1)))
        .unwrap_or(now);
    let mut order = Order {
        id: room.cx.ids.new_id(),
        storefront: storefront.to_owned(),
        plan: shown(&plan),
        current: held.as_ref().map(shown),
        subscription: live.as_ref().map(|live| live.id.clone()),
        kind,
        items: Vec::new(),
        total_yen: price,
        tax_yen: tax_in(price),
        due_now_yen: due_now,
        next_charge_at,
        next_charge_yen: price,
        proration,
        expires_at: now + LIVES,
    };
    order.items = words::items(&order);
    let mut tx = begin(room).await?;
    let value = serde_json::to_value(&order)
        .map_err(|error| kernel::Fault::internal("an order can't be written", error))?;
    let new = store::New {
        order: &order,
        tenant: by.tenant,
        livemode: shop.livemode,
        version: plan.version_id,
        price_before: live.as_ref().map(|live| live.price.as_str()),
        wording: words::WORDING,
        shown: value,
        now,
    };
    store::insert(&mut tx, &new).await?;
    AuditAction::new("billing.order", order.id)
        .after(json!({ "storefront": storefront, "plan": plan.id, "version": plan.version, "kind": kind.as_str(),
            "total_yen": price, "due_now_yen": due_now, "wording": words::WORDING }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(order)
}

fn shown(plan: &Plan) -> OrderPlan {
    OrderPlan {
        id: plan.id.clone(),
        version: plan.version,
        title: plan.terms.title.clone(),
        price_yen: plan.terms.price_yen.0,
    }
}

fn for_sale(room: &Billing, storefront: &str, plan: &str) -> Result<Plan, Error> {
    let catalogue = room.entitlement.catalogue.now();
    let found = catalogue.find(storefront, plan).cloned();
    let plan = found.ok_or(Error::Entitlement(entitlement::Error::NoPlan))?;
    if plan.terms.stripe_price.is_none() {
        return Err(Error::NotForSale);
    }
    Ok(plan)
}

/// The subscription in the way of another one, and the plan that it holds.
async fn live_with_plan(
    room: &Billing,
    shop: &Shop,
    by: Principal,
    storefront: &str,
) -> Result<(Option<Row>, Option<Plan>), Error> {
    let mut tx = begin(room).await?;
    let live = subscription::live(&mut tx, by.tenant, storefront, shop.livemode).await?;
    let held = match &live {
        Some(live) => entitlement::plan_version(&mut tx, live.version).await?,
        None => None,
    };
    tx.commit().await?;
    Ok((live, held))
}

/// What Stripe would settle if the price changed at `at`.
async fn preview(
    room: &Billing,
    shop: &Shop,
    by: Principal,
    live: &Row,
    plan: &Plan,
    at: DateTime<Utc>,
) -> Result<Preview, Error> {
    let customer = customer::known(&room.cx, shop, by.tenant)
        .await?
        .ok_or(Error::NoCustomer)?;
    let price = plan.terms.stripe_price.clone().ok_or(Error::NotForSale)?;
    let item = subscription::item_of(shop, &live.id).await?;
    let at = at.timestamp().to_string();
    let form = [
        ("customer", customer.as_str()),
        ("subscription", live.id.as_str()),
        ("subscription_details[items][0][id]", item.as_str()),
        ("subscription_details[items][0][price]", price.as_str()),
        ("subscription_details[proration_behavior]", "always_invoice"),
        ("subscription_details[proration_date]", at.as_str()),
    ];
    // it changes nothing; the key is there because each call by POST has one
    let key = customer::operation("preview", room.cx.ids.new_id());
    Ok(shop
        .stripe
        .post("/v1/invoices/create_preview", &form, &key)
        .await?)
}

/// The order, if it may still be agreed to and nothing that it tells of has changed since.
pub(crate) async fn fresh(
    room: &Billing,
    shop: &Shop,
    by: Principal,
    id: OrderId,
) -> Result<Fresh, Error> {
    let mut tx = begin(room).await?;
    let kept = store::find(&mut tx, id, by.tenant, shop.livemode)
        .await?
        .ok_or(Error::NoOrder)?;
    let plan = entitlement::plan_version(&mut tx, kept.version)
        .await?
        .ok_or(Error::OrderStale)?;
    let live = subscription::live(&mut tx, by.tenant, &plan.storefront, shop.livemode).await?;
    tx.commit().await?;
    let kind = match kept.kind.as_str() {
        "new" => Kind::New,
        "upgrade" => Kind::Upgrade,
        "downgrade" => Kind::Downgrade,
        _ => Kind::Resume,
    };
    if kept.expires_at <= room.cx.clock.now() {
        return Err(Error::OrderStale);
    }
    if kind != Kind::Resume {
        let sold = for_sale(room, &plan.storefront, &plan.id);
        if sold.is_ok_and(|sold| sold.version_id != plan.version_id) {
            return Err(Error::OrderStale);
        }
    }
    let same = match (&kept.subscription, &live) {
        (None, None) => true,
        (None, Some(_)) => return Err(Error::AlreadySubscribed),
        (Some(meant), Some(live)) => {
            *meant == live.id
                && (kept.price_before.as_deref() == Some(&live.price) || is_done(&plan, live))
        }
        (Some(_), None) => false,
    };
    if !same {
        return Err(Error::OrderStale);
    }
    Ok(Fresh {
        id,
        kind,
        plan,
        live,
        created_at: kept.created_at,
    })
}

/// Whether the subscription is as the order wants it already.
pub(crate) fn is_done(plan: &Plan, live: &Row) -> bool {
    live.next_version.unwrap_or(live.version) == plan.version_id && live.cancel_at.is_none()
}

/// All orders of a tenant that were kept, for its export.
pub(crate) async fn all_of(room: &Billing, by: Principal) -> Result<Vec<serde_json::Value>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let all = store::all_of(&mut tx, by.tenant).await?;
    tx.commit().await?;
    Ok(all)
}

async fn begin(room: &Billing) -> sqlx::Result<db::Tx> {
    room.cx.db.begin(Scope::House("orders")).await
}

#[cfg(test)]
mod tests {
    use entitlement::PlanFile;

    use super::*;

    #[test]
    fn tax_is_in_the_price_and_rounded_once() {
        for (total, tax) in [
            (0, 0),
            (1, 0),
            (10, 0),
            (11, 1),
            (980, 89),
            (2980, 270),
            (3300, 300),
        ] {
            assert_eq!(tax_in(total), tax, "{total}");
        }
        // the file of plans that is sold has no price that would not survive it
        PlanFile::parse(entitlement::DEFAULT_PLANS).unwrap();
    }
}
