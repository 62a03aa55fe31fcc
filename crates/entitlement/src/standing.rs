use chrono::{DateTime, Utc};
use identity::Principal;
use sqlx::PgConnection;

use crate::{
    Catalogue, Error, Plan, Status, budget,
    member::{self, LimitedMember},
    plan::{self, Audience},
};

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
    let enrolled = plan::enrolled(conn, caller.tenant, storefront).await?;
    let limits_cost = budget::limits_cost(conn, caller.tenant, storefront).await?;
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
