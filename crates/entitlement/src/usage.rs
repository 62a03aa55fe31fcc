pub(crate) mod store;

use chrono::{DateTime, Utc};
use identity::Principal;
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use uuid::Uuid;

use crate::{Entitlement, Error};

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
    #[serde(skip)]
    id: Uuid,
}

/// The caller's own usage, newest first.
pub(crate) async fn list(
    room: &Entitlement,
    caller: Principal,
    storefront: &str,
    page: &PageRequest,
) -> Result<Page<UsageRow>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::list(&mut tx, caller.tenant, storefront, page).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, page, |row| Cursor {
        at: row.at,
        id: row.id,
    }))
}

/// All that the caller used, at every storefront, the oldest first, for their own reading.
pub async fn export(room: &Entitlement, caller: Principal) -> Result<Vec<UsageRow>, Error> {
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rows = store::all(&mut tx, caller.tenant).await?;
    tx.commit().await?;
    Ok(rows)
}
