mod store;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{Principal, TenantId};
use kernel::{Fault, Text, Yen};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::Error;

kernel::id!(
    /// One version of a plan, as it was sold.
    PlanVersionId, "plv"
);

/// The plan file as written by the operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    plan: Vec<PlanEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    storefront: String,
    id: String,
    default_for: Option<Audience>,
    title: Text,
    price_yen: Yen,
    limits: Limits,
    grants: Vec<PeriodicGrant>,
    routes: BTreeMap<String, String>,
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
    pub limits: Limits,
    pub grants: Vec<PeriodicGrant>,
    /// Purpose, such as `misaki.chat`, to the name of the gateway's route.
    pub routes: BTreeMap<String, String>,
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
}

/// A period of the tenant's own calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    Day,
    Month,
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
            if plan.limits.per_minute == 0 || plan.limits.concurrent == 0 {
                return Err(wrong("a limit of 0 would admit nothing"));
            }
            if plan
                .grants
                .iter()
                .any(|grant| grant.amount == 0 || !is_unit(&grant.unit))
            {
                return Err(wrong(
                    "a grant needs an amount above 0 and a unit such as misaki.chat",
                ));
            }
        }
        Ok(file)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn is_unit(text: &str) -> bool {
    text.split_once('.').is_some_and(|(room, what)| {
        is_name(room)
            && !what.is_empty()
            && what.len() <= 30
            && what.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    })
}

/// The newest version of every plan, in memory.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Vec<Plan>);

impl Catalogue {
    /// Reads the newest versions.
    ///
    /// # Errors
    /// When the database is away or holds terms that this version can't read.
    pub async fn load(cx: &Ctx) -> Result<Self, Error> {
        let mut tx = cx.db.begin(Scope::House("plan catalogue")).await?;
        let plans = store::newest(&mut tx)
            .await?
            .into_iter()
            .map(StoredPlan::read)
            .collect::<Result<_, _>>()?;
        tx.commit().await?;
        Ok(Self(plans))
    }

    /// Whether no plan was ever applied.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plans of one storefront, cheapest first.
    pub fn of<'a>(&'a self, storefront: &'a str) -> impl Iterator<Item = &'a Plan> {
        self.0
            .iter()
            .filter(move |plan| plan.storefront == storefront)
    }

    /// The plan of whoever has no subscription.
    fn default_for(&self, storefront: &str, audience: Audience) -> Option<&Plan> {
        self.0
            .iter()
            .find(|plan| plan.storefront == storefront && plan.terms.default_for == Some(audience))
    }

    /// The cheapest other plan of which `better` holds.
    pub(crate) fn cheapest(&self, than: &Plan, better: impl Fn(&Terms) -> bool) -> Option<&Plan> {
        self.0
            .iter()
            .filter(|plan| plan.storefront == than.storefront && plan.id != than.id)
            .filter(|plan| plan.terms.default_for != Some(Audience::Guest) && better(&plan.terms))
            .min_by_key(|plan| plan.terms.price_yen)
    }
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
        let terms = Terms {
            default_for: entry.default_for,
            title: entry.title.clone(),
            price_yen: entry.price_yen,
            limits: entry.limits,
            grants: entry.grants.clone(),
            routes: entry.routes.clone(),
        };
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

/// Puts a tenant on the newest version of a plan, by the operator's hand.
pub async fn assign(cx: &Ctx, tenant: TenantId, storefront: &str, plan: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin(Scope::House("plans assign")).await?;
    let newest = store::newest(&mut tx).await?;
    let found = newest
        .into_iter()
        .find(|row| row.storefront == storefront && row.plan == plan)
        .ok_or(Error::NoPlan)?;
    store::enrol(&mut tx, tenant, storefront, found.id, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// The plan that a caller is on: the one enrolled in, or else the default for guests or users.
pub async fn plan_of(
    conn: &mut PgConnection,
    catalogue: &Catalogue,
    caller: Principal,
    storefront: &str,
) -> Result<Plan, Error> {
    if let Some(row) = store::enrolled(conn, caller.tenant, storefront).await? {
        return Ok(row.read()?);
    }
    let audience = if caller.is_guest() {
        Audience::Guest
    } else {
        Audience::User
    };
    catalogue
        .default_for(storefront, audience)
        .cloned()
        .ok_or(Error::NoPlan)
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
        ] {
            let broken = crate::DEFAULT_PLANS.replacen(from, to, 1);
            assert_ne!(broken, crate::DEFAULT_PLANS, "{from}");
            let error = PlanFile::parse(&broken).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
