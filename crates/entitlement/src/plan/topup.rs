mod store;

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use kernel::{Fault, Text, Yen};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::PlanFileError;
use crate::{
    Error,
    unit::{is_name, is_unit},
};

kernel::id!(
    /// One version of a top-up, as it was sold.
    TopUpVersionId, "tuv"
);

/// The longest that units live that were paid for beforehand. Under the Payment Services Act what is good for more than six
/// months is a prepaid payment instrument.
const LONGEST_DAYS: u16 = 180;

/// Units that are bought once, beside a subscription or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    pub version_id: TopUpVersionId,
    pub storefront: String,
    pub id: String,
    pub version: i32,
    pub terms: TopUpTerms,
}

/// What a top-up promises. Kept as it was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUpTerms {
    pub title: Text,
    pub unit: String,
    pub amount: u32,
    pub price_yen: Yen,
    /// The price at Stripe, of one payment; without one it is not for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_price: Option<String>,
    /// How many days the units live.
    pub days: u16,
}

impl TopUp {
    /// Until when units live that were paid for at `at`.
    pub fn expires_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at + Duration::days(self.terms.days.into())
    }
}

/// A top-up as the operator writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopUpEntry {
    storefront: String,
    id: String,
    title: Text,
    unit: String,
    amount: u32,
    price_yen: Yen,
    pub(super) stripe_price: Option<String>,
    days: u16,
}

impl TopUpEntry {
    fn terms(&self) -> TopUpTerms {
        TopUpTerms {
            title: self.title.clone(),
            unit: self.unit.clone(),
            amount: self.amount,
            price_yen: self.price_yen,
            stripe_price: self.stripe_price.clone(),
            days: self.days,
        }
    }

    /// The price of a stand-in's.
    pub(super) fn with_stand_in_price(&mut self) {
        let made = || format!("price_sandbox_{}_topup_{}", self.storefront, self.id);
        if self.stripe_price.is_none() {
            self.stripe_price = Some(made());
        }
    }
}

/// Checks that top-ups make sense together with the plans, whose prices at Stripe are `prices`.
pub(super) fn check<'a>(
    topups: &'a [TopUpEntry],
    prices: &mut HashSet<&'a String>,
) -> Result<(), PlanFileError> {
    let mut ids = HashSet::new();
    for topup in topups {
        let wrong = |what| PlanFileError::Plan {
            plan: format!("{}/{} (top-up)", topup.storefront, topup.id),
            what,
        };
        if !is_name(&topup.storefront) || !is_name(&topup.id) {
            return Err(wrong("storefront and id are lower-case letters"));
        }
        if !ids.insert((&topup.storefront, &topup.id)) {
            return Err(wrong("there are two of them"));
        }
        if topup.price_yen <= Yen::ZERO {
            return Err(wrong("what is bought costs something"));
        }
        if topup.amount == 0 || !is_unit(&topup.unit) {
            return Err(wrong(
                "it needs an amount above 0 and a unit such as misaki.chat",
            ));
        }
        if !(1..=LONGEST_DAYS).contains(&topup.days) {
            return Err(wrong(
                "units that are paid for beforehand live 1 to 180 days",
            ));
        }
        if let Some(price) = &topup.stripe_price {
            if !price.starts_with("price_") {
                return Err(wrong("a price at Stripe begins with price_"));
            }
            if !prices.insert(price) {
                return Err(wrong("something else has the same price at Stripe"));
            }
        }
    }
    Ok(())
}

/// A top-up as it is stored.
#[derive(Debug)]
struct Stored {
    id: TopUpVersionId,
    storefront: String,
    topup: String,
    version: i32,
    terms: serde_json::Value,
}

impl Stored {
    fn read(self) -> Result<TopUp, Fault> {
        Ok(TopUp {
            version_id: self.id,
            storefront: self.storefront,
            id: self.topup,
            version: self.version,
            terms: serde_json::from_value(self.terms)
                .map_err(|error| Fault::internal("a top-up's terms can't be read", error))?,
        })
    }
}

/// The newest version of every top-up, cheapest first.
pub(super) async fn newest(conn: &mut PgConnection) -> Result<Vec<TopUp>, Error> {
    let mut found = store::newest(conn)
        .await?
        .into_iter()
        .map(Stored::read)
        .collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|topup| topup.terms.price_yen);
    Ok(found)
}

/// Makes a new version of every top-up that differs from its newest one.
pub(super) async fn apply(
    conn: &mut PgConnection,
    cx: &Ctx,
    topups: &[TopUpEntry],
) -> Result<(), Error> {
    let known = newest(conn).await?;
    for entry in topups {
        let terms = entry.terms();
        let before = known
            .iter()
            .find(|topup| topup.storefront == entry.storefront && topup.id == entry.id);
        if before.is_some_and(|topup| topup.terms == terms) {
            continue;
        }
        let topup = TopUp {
            version_id: cx.ids.new_id(),
            storefront: entry.storefront.clone(),
            id: entry.id.clone(),
            version: before.map_or(1, |topup| topup.version + 1),
            terms,
        };
        store::insert(conn, &topup, cx.clock.now()).await?;
    }
    Ok(())
}

/// One version of a top-up.
///
/// # Errors
/// When the database is away or holds terms that this version can't read.
pub async fn topup_version(
    conn: &mut PgConnection,
    id: TopUpVersionId,
) -> Result<Option<TopUp>, Error> {
    let row = store::version(conn, id).await?;
    Ok(row.map(Stored::read).transpose()?)
}
