mod catalogue;
mod diff;
mod migrate;
mod operator;
mod rewards;
mod store;
mod topup;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, Principal, RequestMeta, TenantId};
use kernel::{Fault, Text, Yen};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Error,
    desk::CHANNEL,
    lease,
    member::{self, LimitedMember},
};

pub use catalogue::Catalogue;
pub(crate) use catalogue::suggestion;
pub use diff::{Change, Direction, PlanChange, diff};
pub use migrate::{Customers, Migration, customers, migrate};
pub(crate) use operator::router as operator_router;
pub use rewards::{
    Earning, Exchange, Occasion, POINT, Programme, Reward, Rewards, Trigger, lives_until,
};
pub use topup::{TopUp, TopUpTerms, TopUpVersionId, topup_version};

kernel::id!(
    /// One version of a plan, as it was sold.
    PlanVersionId, "plv"
);

/// The plan file as written by the operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    plan: Vec<PlanEntry>,
    #[serde(default)]
    topup: Vec<topup::TopUpEntry>,
    #[serde(default)]
    earn: Vec<Earning>,
    #[serde(default)]
    exchange: Vec<Exchange>,
    #[serde(default)]
    referral: Vec<Programme>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    storefront: String,
    id: String,
    default_for: Option<Audience>,
    title: Text,
    price_yen: Yen,
    stripe_price: Option<String>,
    limits: Limits,
    grants: Vec<PeriodicGrant>,
    routes: BTreeMap<String, String>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    features: BTreeMap<String, Feature>,
    #[serde(default)]
    highlights: Vec<Text>,
    #[serde(default)]
    at_end: Leftover,
}

impl PlanEntry {
    fn terms(&self) -> Terms {
        Terms {
            default_for: self.default_for,
            title: self.title.clone(),
            price_yen: self.price_yen,
            stripe_price: self.stripe_price.clone(),
            limits: self.limits,
            grants: self.grants.clone(),
            routes: self.routes.clone(),
            models: self.models.clone(),
            features: self.features.clone(),
            highlights: self.highlights.clone(),
            at_end: self.at_end,
        }
    }
}

/// What a plan has beside what is metered: a thing that it has or has not, a number, or words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Feature {
    Has(bool),
    Number(i64),
    Words(String),
}

/// What becomes of what is left when a subscription ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leftover {
    /// It can be used until it expires.
    #[default]
    Keep,
    /// It is gone.
    Void,
    /// It is gone, and its money goes back.
    Refund,
}

impl Leftover {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_kept(&self) -> bool {
        *self == Self::Keep
    }
}

/// Who is on a plan without subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    Guest,
    User,
}

/// What a plan promises. Kept as it was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub default_for: Option<Audience>,
    pub title: Text,
    pub price_yen: Yen,
    /// The price at Stripe that people subscribe to; without one the plan is not for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_price: Option<String>,
    pub limits: Limits,
    pub grants: Vec<PeriodicGrant>,
    /// Purpose, such as `misaki.chat`, to the name of the gateway's route.
    pub routes: BTreeMap<String, String>,
    /// The gateway's routes that may be asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Feature>,
    /// What a comparison of plans says of it, in a few lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Text>,
    /// What becomes of units that came with an invoice and are left when the subscription ends.
    #[serde(default, skip_serializing_if = "Leftover::is_kept")]
    pub at_end: Leftover,
}

impl Terms {
    /// Whether the plan has a feature: said to have it, a number above zero, or words.
    pub fn has(&self, feature: &str) -> bool {
        match self.features.get(feature) {
            Some(Feature::Has(has)) => *has,
            Some(Feature::Number(number)) => *number > 0,
            Some(Feature::Words(words)) => !words.is_empty(),
            None => false,
        }
    }

    /// The number of a feature; none when it has none.
    pub fn number(&self, feature: &str) -> Option<i64> {
        match self.features.get(feature) {
            Some(Feature::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// How fast and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Pieces of work begun in any sixty seconds.
    pub per_minute: u32,
    /// Pieces of work under way at once.
    pub concurrent: u32,
}

/// Units granted at the start of each period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodicGrant {
    pub unit: String,
    pub amount: u32,
    pub every: Every,
    /// What becomes of units that nobody used in their period; nothing unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_over: Option<RollOver>,
}

/// Unused units that may be used for a while after their period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollOver {
    /// The most of the unit that is kept so at a time.
    pub most: u32,
    /// How many months of the tenant's calendar they live on.
    pub months: u8,
}

impl RollOver {
    /// Whether the plan file may say so: what is paid for by invoice goes back with its money, and has to stay in one lot.
    fn is_good(self, every: Every) -> bool {
        self.most > 0 && (1..=24).contains(&self.months) && every != Every::Invoice
    }
}

/// A period of the tenant's own calendar, or one that was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    Day,
    Month,
    /// Once for each invoice that is paid, until the end of what it pays for.
    Invoice,
}

/// One version of a plan.
#[derive(Clone, Debug)]
pub struct Plan {
    pub version_id: PlanVersionId,
    pub storefront: String,
    pub id: String,
    pub version: i32,
    pub terms: Terms,
}

/// What is wrong with a plan file, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("the plan file can't be read: {0}")]
    Toml(#[from] toml::de::Error),
    #[error("plan {plan}: {what}")]
    Plan { plan: String, what: &'static str },
}

impl PlanFile {
    /// Reads a plan file and checks that its plans make sense together.
    ///
    /// # Errors
    /// With the line, or the plan and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PlanFileError> {
        let file: Self = toml::from_str(text)?;
        let mut ids = HashSet::new();
        let mut defaults = HashSet::new();
        let mut prices = HashSet::new();
        for plan in &file.plan {
            let wrong = |what| PlanFileError::Plan {
                plan: format!("{}/{}", plan.storefront, plan.id),
                what,
            };
            if !is_name(&plan.storefront) || !is_name(&plan.id) {
                return Err(wrong("storefront and id are lower-case letters"));
            }
            if !ids.insert((&plan.storefront, &plan.id)) {
                return Err(wrong("there are two of them"));
            }
            if plan
                .default_for
                .is_some_and(|audience| !defaults.insert((&plan.storefront, audience)))
            {
                return Err(wrong("another plan is the default for the same audience"));
            }
            if plan.price_yen < Yen::ZERO {
                return Err(wrong("a price can't be negative"));
            }
            if plan.default_for.is_some() && plan.price_yen > Yen::ZERO {
                return Err(wrong("a default plan can't cost anything"));
            }
            if let Some(price) = &plan.stripe_price {
                if plan.price_yen == Yen::ZERO {
                    return Err(wrong("what costs nothing has no price at Stripe"));
                }
                if !price.starts_with("price_") {
                    return Err(wrong("a price at Stripe begins with price_"));
                }
                if !prices.insert(price) {
                    return Err(wrong("another plan has the same price at Stripe"));
                }
            }
            if plan.price_yen == Yen::ZERO
                && plan
                    .grants
                    .iter()
                    .any(|grant| grant.every == Every::Invoice)
            {
                return Err(wrong("a grant for each invoice needs a price"));
            }
            if plan.price_yen == Yen::ZERO && !plan.at_end.is_kept() {
                return Err(wrong(
                    "what costs nothing has nothing to take back at its end",
                ));
            }
            if plan.features.keys().any(|name| !is_word(name)) {
                return Err(wrong("a feature's name is lower-case letters and _"));
            }
            if plan
                .features
                .values()
                .any(|feature| matches!(feature, Feature::Number(number) if *number < 0))
            {
                return Err(wrong("a feature's number can't be negative"));
            }
            if plan.limits.per_minute == 0 || plan.limits.concurrent == 0 {
                return Err(wrong("a limit of 0 would admit nothing"));
            }
            if plan.grants.iter().any(|grant| {
                grant
                    .roll_over
                    .is_some_and(|roll| !roll.is_good(grant.every))
            }) {
                return Err(wrong(
                    "roll_over needs most above 0 and months of 1 to 24, and is not for grants by invoice",
                ));
            }
            if plan.grants.iter().any(|grant| {
                grant.amount == 0 || !is_unit(&grant.unit) || crate::budget::is_cost(&grant.unit)
            }) {
                return Err(wrong(
                    "a grant needs an amount above 0 and a unit such as misaki.chat",
                ));
            }
        }
        topup::check(&file.topup, &mut prices)?;
        rewards::check(&rewards::of(&file))?;
        Ok(file)
    }
}

impl PlanFile {
    /// Gives everything that costs something and has no price at Stripe one of a stand-in's, so that a demo can sell it.
    pub fn with_stand_in_prices(mut self) -> Self {
        for topup in &mut self.topup {
            topup.with_stand_in_price();
        }
        for plan in &mut self.plan {
            if plan.price_yen > Yen::ZERO && plan.stripe_price.is_none() {
                plan.stripe_price = Some(format!("price_sandbox_{}_{}", plan.storefront, plan.id));
            }
        }
        self
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_lowercase())
}

pub(crate) fn is_unit(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(room, what)| is_name(room) && is_word(what))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 30
        && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// Makes a new version of every plan that differs from its newest one; returns those. Safe to repeat, also by many nodes.
pub async fn apply(cx: &Ctx, file: &PlanFile) -> Result<Vec<Plan>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans apply")).await?;
    store::lock(&mut tx).await?;
    let newest: Vec<Plan> = store::newest(&mut tx)
        .await?
        .into_iter()
        .map(StoredPlan::read)
        .collect::<Result<_, _>>()?;
    let mut made = Vec::new();
    for entry in &file.plan {
        let terms = entry.terms();
        let before = newest
            .iter()
            .find(|plan| plan.storefront == entry.storefront && plan.id == entry.id);
        if before.is_some_and(|plan| plan.terms == terms) {
            continue;
        }
        let plan = Plan {
            version_id: cx.ids.new_id(),
            storefront: entry.storefront.clone(),
            id: entry.id.clone(),
            version: before.map_or(1, |plan| plan.version + 1),
            terms,
        };
        store::insert(&mut tx, &plan, cx.clock.now()).await?;
        made.push(plan);
    }
    topup::apply(&mut tx, cx, &file.topup).await?;
    rewards::apply(&mut tx, cx, &rewards::of(file)).await?;
    tx.commit().await?;
    Ok(made)
}

/// Every version of every plan, for the operator.
pub async fn list(cx: &Ctx) -> Result<Vec<(Plan, DateTime<Utc>)>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans list")).await?;
    let rows = store::all(&mut tx).await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|(plan, at)| Ok((plan.read()?, at)))
        .collect()
}

/// Puts a tenant on the newest version of a plan, by the operator's hand. A subscription that the tenant pays for goes
/// before this at its next change.
pub async fn assign(cx: &Ctx, tenant: TenantId, storefront: &str, plan: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("plans assign")).await?;
    let newest = store::newest(&mut tx).await?;
    let found = newest
        .into_iter()
        .find(|row| row.storefront == storefront && row.plan == plan)
        .ok_or(Error::NoPlan)?;
    lease::store::lock(&mut tx, tenant, storefront).await?;
    let before = store::enrolled(&mut tx, tenant, storefront).await?;
    store::enrol(&mut tx, tenant, storefront, found.id, cx.clock.now()).await?;
    let before =
        before.map(|before| json!({ "plan": before.plan.plan, "version": before.plan.version }));
    AuditAction::new("plan.assign", format!("{storefront}/{plan}"))
        .before(before.unwrap_or_default())
        .after(json!({ "plan": plan, "version": found.version }))
        .record_as(
            &mut tx,
            cx,
            &RequestMeta::of_the_house("req_plans"),
            Some(tenant),
            "operator",
        )
        .await?;
    changed(&mut tx, tenant, storefront).await?;
    tx.commit().await?;
    Ok(())
}

/// How somebody stands with the plan that they pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PlanStatus)]
pub enum Status {
    Active,
    /// A payment failed; the plan goes on for some days.
    Grace,
    /// Told to end with what is paid for.
    Canceled,
    /// A payment failed and the days are over.
    OnHold,
    Ended,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace => "grace",
            Self::Canceled => "canceled",
            Self::OnHold => "on_hold",
            Self::Ended => "ended",
        }
    }

    /// Reads what is stored; an unknown word gives nothing away.
    fn from_stored(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "grace" => Self::Grace,
            "canceled" => Self::Canceled,
            "on_hold" => Self::OnHold,
            _ => Self::Ended,
        }
    }

    /// What it has become by `now`, without anybody having to write it down.
    pub fn at(self, now: DateTime<Utc>, ends_at: Option<DateTime<Utc>>) -> Self {
        let over = ends_at.is_some_and(|end| end <= now);
        match self {
            Self::Grace if over => Self::OnHold,
            Self::Active | Self::Canceled if over => Self::Ended,
            other => other,
        }
    }

    /// Whether the plan holds.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Active | Self::Grace | Self::Canceled)
    }
}

/// The plan that holds for a caller, and how they stand with the one that they pay for.
#[derive(Clone, Debug)]
pub struct Standing {
    pub plan: Plan,
    pub status: Status,
    pub expires_at: Option<DateTime<Utc>>,
    /// From when on another plan holds, by the clock alone.
    pub holds_until: Option<DateTime<Utc>>,
    /// Whether the tenant has a limit of what its work here may cost in a month.
    pub limits_cost: bool,
    /// The members whose work here is limited.
    pub(crate) limited: Vec<LimitedMember>,
}

/// The plan that a caller is on: the one enrolled in while it holds, or else the default for guests or users.
pub async fn plan_of(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    caller: Principal,
    storefront: &str,
    now: DateTime<Utc>,
) -> Result<Standing, Error> {
    let enrolled = store::enrolled(conn, caller.tenant, storefront).await?;
    let limits_cost = crate::budget::limits_cost(conn, caller.tenant, storefront).await?;
    let limited = member::limited(conn, caller.tenant, storefront).await?;
    let (mut status, mut expires_at) = (Status::Active, None);
    if let Some(enrolled) = enrolled {
        status = Status::from_stored(&enrolled.status).at(now, enrolled.ends_at);
        expires_at = enrolled.expires_at;
        if status.holds() {
            return Ok(Standing {
                plan: enrolled.plan.read()?,
                status,
                expires_at,
                holds_until: enrolled.ends_at,
                limits_cost,
                limited,
            });
        }
    }
    let audience = if caller.is_guest() {
        Audience::Guest
    } else {
        Audience::User
    };
    let plan = catalogue
        .default_for(storefront, audience)
        .cloned()
        .ok_or(Error::NoPlan)?;
    Ok(Standing {
        plan,
        status,
        expires_at,
        holds_until: None,
        limits_cost,
        limited,
    })
}

/// What a subscription makes of a tenant's enrolment.
#[derive(Clone, Copy, Debug)]
pub struct Following<'a> {
    pub tenant: TenantId,
    pub storefront: &'a str,
    pub version: PlanVersionId,
    /// The subscription.
    pub reference: &'a str,
    pub status: Status,
    pub expires_at: Option<DateTime<Utc>>,
    /// From when on the plan holds no more unless something changes; needed for grace and canceled.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Lets a tenant's enrolment follow a subscription, in the caller's transaction. One that holds goes before whatever was
/// there; one that does not ends only what followed it, never what the operator assigned.
pub async fn follow(
    conn: &mut PgConnection,
    cx: &Ctx,
    following: &Following<'_>,
) -> Result<(), Error> {
    lease::store::lock(conn, following.tenant, following.storefront).await?;
    store::follow(conn, following, cx.clock.now()).await?;
    Ok(changed(conn, following.tenant, following.storefront).await?)
}

/// Whoever admits by what it knew of the plan is to ask again, from this transaction's commit on.
pub(crate) async fn changed(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<()> {
    lease::store::invalidate(conn, tenant, storefront).await?;
    lease::store::notify(conn, CHANNEL, tenant).await
}

/// The newest version of a plan that was sold at this price of Stripe's, whoever sells what now.
pub async fn plan_of_price(conn: &mut PgConnection, price: &str) -> Result<Option<Plan>, Error> {
    let row = store::by_price(conn, price).await?;
    Ok(row.map(StoredPlan::read).transpose()?)
}

/// One version of a plan.
pub async fn plan_version(
    conn: &mut PgConnection,
    id: PlanVersionId,
) -> Result<Option<Plan>, Error> {
    let row = store::version(conn, id).await?;
    Ok(row.map(StoredPlan::read).transpose()?)
}

/// An enrolment as it is kept.
#[derive(Debug)]
struct Enrolled {
    plan: StoredPlan,
    status: String,
    expires_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct StoredPlan {
    id: PlanVersionId,
    storefront: String,
    plan: String,
    version: i32,
    terms: serde_json::Value,
}

impl StoredPlan {
    fn read(self) -> Result<Plan, Fault> {
        let terms = serde_json::from_value(self.terms)
            .map_err(|e| Fault::internal("a plan's terms can't be read", e))?;
        Ok(Plan {
            version_id: self.id,
            storefront: self.storefront,
            id: self.plan,
            version: self.version,
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_good_and_broken_ones_are_told_why() {
        PlanFile::parse(crate::DEFAULT_PLANS).unwrap();
        for (from, to, why) in [
            ("price_yen = 980", "price_yen = -1", "can't be negative"),
            ("price_yen = 980", "price_yen = 9.8", "can't be read"),
            ("price_yen = 980", "price = 980", "can't be read"),
            (
                "id = \"vip\"",
                "id = \"paid\"",
                "misaki/paid: there are two",
            ),
            ("id = \"vip\"", "id = \"V I P\"", "lower-case"),
            ("amount = 3000", "amount = 0", "misaki/vip: a grant needs"),
            (
                "unit = \"misaki.chat\", amount = 3000",
                "unit = \"chat\", amount = 3000",
                "a unit such as",
            ),
            ("per_minute = 30", "per_minute = 0", "would admit nothing"),
            (
                "price_yen = 980",
                "price_yen = 980\ndefault_for = \"user\"",
                "another plan is the default",
            ),
            ("every = \"day\"", "every = \"week\"", "can't be read"),
            (
                "unit = \"misaki.chat\", amount = 30, every = \"day\"",
                "unit = \"misaki.chat\", amount = 30, every = \"invoice\"",
                "for each invoice needs a price",
            ),
            ("days = 90", "days = 181", "1 to 180 days"),
            ("days = 90", "days = 0", "1 to 180 days"),
            ("price_yen = 300\n", "price_yen = 0\n", "costs something"),
            (
                "price_yen = 0",
                "price_yen = 0\nat_end = \"void\"",
                "nothing to take back",
            ),
            ("per_yen = 100", "per_yen = 0", "yen above 0"),
            ("event = \"review\"", "event = \"rain\"", "can't be read"),
            ("points = 500", "points = 0", "an amount above 0"),
            ("most = 20", "most = 1001", "1 to 1000"),
            (
                "trigger = \"invoice\"",
                "trigger = \"luck\"",
                "can't be read",
            ),
            ("sites = 3", "sites = -3", "can't be negative"),
            ("sites = 3", "sites = 3.5", "can't be read"),
            ("sites = 3", "Sites = 3", "a feature's name"),
            (
                "price_yen = 980",
                "price_yen = 980\nstripe_price = \"prod_1\"",
                "begins with price_",
            ),
            (
                "price_yen = 0",
                "price_yen = 0\nstripe_price = \"price_1\"",
                "costs nothing",
            ),
        ] {
            let broken = crate::DEFAULT_PLANS.replacen(from, to, 1);
            assert_ne!(broken, crate::DEFAULT_PLANS, "{from}");
            let error = PlanFile::parse(&broken).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
    }

    #[test]
    fn the_default_file_sells_at_every_storefront() {
        let file = PlanFile::parse(crate::DEFAULT_PLANS).unwrap();
        let of = |storefront: &str| -> Vec<&str> {
            let plans = file.plan.iter();
            plans
                .filter(|plan| plan.storefront == storefront)
                .map(|plan| plan.id.as_str())
                .collect()
        };
        assert_eq!(of("misaki"), ["guest", "free", "paid", "vip"]);
        assert_eq!(of("webgpt"), ["starter", "pro", "enterprise"]);
        assert_eq!(of("genai"), ["free", "pro", "enterprise"]);
        assert_eq!(of("narai"), ["visitor", "light", "standard", "family"]);
        for plan in &file.plan {
            assert!(
                !plan.highlights.is_empty(),
                "{}/{}",
                plan.storefront,
                plan.id
            );
            let terms = plan.terms();
            let kept = serde_json::to_value(&terms).unwrap();
            assert_eq!(serde_json::from_value::<Terms>(kept).unwrap(), terms);
        }
        let pro = file
            .plan
            .iter()
            .find(|plan| plan.id == "pro" && plan.storefront == "webgpt");
        let terms = pro.unwrap().terms();
        assert!(terms.has("embed") && terms.number("sites") == Some(3) && !terms.has("nothing"));
    }

    #[test]
    fn a_standing_ends_by_the_clock_alone() {
        let end = DateTime::UNIX_EPOCH;
        let before = end - chrono::Duration::seconds(1);
        for (status, at_the_end) in [
            (Status::Active, Status::Ended),
            (Status::Grace, Status::OnHold),
            (Status::Canceled, Status::Ended),
            (Status::OnHold, Status::OnHold),
            (Status::Ended, Status::Ended),
        ] {
            assert_eq!(status.at(before, Some(end)), status);
            assert_eq!(status.at(end, Some(end)), at_the_end);
            assert_eq!(status.at(end, None), status);
            assert_eq!(Status::from_stored(status.as_str()), status);
        }
    }
}
