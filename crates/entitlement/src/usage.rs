pub(crate) mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Asia::Tokyo;
use db::Scope;
use identity::{Principal, TenantId};
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use uuid::Uuid;

use crate::{Entitlement, Error, block::BlockId, period};

/// What one piece of work used.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Units of the reservation; 0 gives all of them back.
    pub amount: i64,
    pub model: String,
    pub tokens_in: i64,
    pub tokens_out: i64,
    pub cost_nano_usd: i64,
    pub outcome: Outcome,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Completed,
    Failed,
    Cancelled,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One line of the usage list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// What was done, such as `run_…`.
    pub run_id: String,
    pub at: DateTime<Utc>,
    pub model: String,
    pub tokens_in: i64,
    pub tokens_out: i64,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
    pub unit: String,
    pub amount: i64,
    #[schema(value_type = Outcome)]
    pub outcome: String,
    /// The block of units that it was taken from, which is what the ledger's movements name.
    #[schema(required)]
    pub block_id: Option<BlockId>,
    #[serde(skip)]
    id: Uuid,
}

/// The caller's own usage, newest first; of one block of units if one is named.
pub(crate) async fn list(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
    block: Option<BlockId>,
    page: &PageRequest,
) -> Result<Page<UsageRow>, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let rows = store::list(&mut tx, caller.tenant, storefront, block, page).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, page, |row| Cursor {
        at: row.at,
        id: row.id,
    }))
}

/// All that the caller used, at every storefront, the oldest first, for their own reading.
pub async fn export(room: &Entitlement, caller: Principal) -> Result<Vec<UsageRow>, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let rows = store::all(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(rows)
}

/// A month's usage by the days of the tenant's own time zone.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UsageMonth {
    /// YYYY-MM.
    pub month: String,
    /// The time zone in which the days begin.
    pub zone: String,
    /// Days on which something was used, the first first.
    pub days: Vec<UsageDay>,
    pub totals: UsageSums,
}

/// What was used on one day.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UsageDay {
    pub day: NaiveDate,
    #[serde(flatten)]
    pub sums: UsageSums,
}

/// Sums of usage rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UsageSums {
    /// Pieces of work.
    pub requests: i64,
    /// By unit.
    pub units: BTreeMap<String, i64>,
    pub tokens_in: i64,
    pub tokens_out: i64,
    /// Billionths of a US dollar.
    pub cost_nano_usd: i64,
}

/// What was used of one unit on one day.
#[derive(Debug)]
struct DayRow {
    day: NaiveDate,
    unit: String,
    requests: i64,
    amount: i64,
    tokens_in: i64,
    tokens_out: i64,
    cost_nano_usd: i64,
}

impl UsageSums {
    fn add(&mut self, row: &DayRow) {
        self.requests += row.requests;
        *self.units.entry(row.unit.clone()).or_default() += row.amount;
        self.tokens_in += row.tokens_in;
        self.tokens_out += row.tokens_out;
        self.cost_nano_usd += row.cost_nano_usd;
    }
}

/// What the caller used in the month that begins with `first`, by day.
///
/// # Errors
/// When the database is away.
pub async fn days(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
    first: NaiveDate,
) -> Result<UsageMonth, Error> {
    let mut tx = room.cx.db.read(caller.scope()).await?;
    let zone = period::zone_of(&mut tx, caller.tenant).await?;
    let month = period::month(first, zone)?;
    let rows = store::days(&mut tx, caller.tenant, storefront, zone.name(), month).await?;
    tx.commit().await?;
    let mut totals = UsageSums::default();
    let mut days: Vec<UsageDay> = Vec::new();
    for row in &rows {
        totals.add(row);
        match days.last_mut() {
            Some(last) if last.day == row.day => last.sums.add(row),
            _ => {
                let mut sums = UsageSums::default();
                sums.add(row);
                days.push(UsageDay { day: row.day, sums });
            }
        }
    }
    Ok(UsageMonth {
        month: first.format("%Y-%m").to_string(),
        zone: zone.name().to_owned(),
        days,
        totals,
    })
}

/// What a tenant used of one unit in a month of the house.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HouseUsage {
    pub(crate) tenant_id: TenantId,
    /// Empty for a person's own.
    pub(crate) tenant_name: String,
    pub(crate) storefront: String,
    pub(crate) unit: String,
    pub(crate) amount: i64,
    /// Pieces of work.
    pub(crate) requests: i64,
    pub(crate) tokens_in: i64,
    pub(crate) tokens_out: i64,
    /// Billionths of a US dollar.
    pub(crate) cost_nano_usd: i64,
}

/// The place of a line in the order of the house's usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HouseUsageKey {
    tenant: TenantId,
    storefront: String,
    unit: String,
}

/// The text is not a place of ours.
#[derive(Debug)]
pub(crate) struct NoKey;

impl std::str::FromStr for HouseUsageKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let mut parts = text.splitn(3, '~');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(tenant), Some(storefront), Some(unit)) if !text.contains('\0') => Ok(Self {
                tenant: tenant.parse().map_err(|_| NoKey)?,
                storefront: storefront.to_owned(),
                unit: unit.to_owned(),
            }),
            _ => Err(NoKey),
        }
    }
}

impl std::fmt::Display for HouseUsageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}~{}", self.tenant, self.storefront, self.unit)
    }
}

/// What all tenants used in the month of Asia/Tokyo that begins with `first`, by tenant, storefront and unit.
pub(crate) async fn of_the_house(
    room: &Entitlement,
    first: NaiveDate,
    limit: i64,
    after: Option<HouseUsageKey>,
) -> Result<Page<HouseUsage>, Error> {
    let month = period::month(first, Tokyo)?;
    let scope = Scope::House("an operator reads what was used");
    let mut tx = room.cx.db.read(scope).await?;
    let mut items = store::of_the_house(&mut tx, month, limit + 1, after.as_ref()).await?;
    let ids: Vec<TenantId> = items.iter().map(|row| row.tenant_id).collect();
    let names = identity::tenant_names(&mut tx, &ids).await?;
    tx.commit().await?;
    for row in &mut items {
        if let Some((_, name)) = names.iter().find(|(id, _)| *id == row.tenant_id) {
            row.tenant_name.clone_from(name);
        }
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > most;
    items.truncate(most);
    let last = items.last().filter(|_| more).map(|row| HouseUsageKey {
        tenant: row.tenant_id,
        storefront: row.storefront.clone(),
        unit: row.unit.clone(),
    });
    Ok(Page {
        items,
        next_cursor: last.map(|key| key.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back_and_rubbish_is_refused() {
        let key = HouseUsageKey {
            tenant: TenantId(Uuid::from_u128(7)),
            storefront: "misaki".to_owned(),
            unit: "misaki.chat".to_owned(),
        };
        assert_eq!(key.to_string().parse::<HouseUsageKey>().unwrap(), key);
        for bad in ["", "~", "~~", "x~y~z", &format!("{}~misaki", key.tenant)] {
            assert!(bad.parse::<HouseUsageKey>().is_err(), "{bad:?}");
        }
    }
}
