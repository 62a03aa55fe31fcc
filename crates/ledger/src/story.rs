mod store;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use db::Scope;
use identity::{Principal, TenantId};
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Ledger, LotId, TransferId};

/// The name of what is counted, such as `misaki.chat`.
#[derive(Clone, Debug)]
pub(crate) struct Unit(pub(crate) String);

impl FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let shaped = (1..=50).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'.' || byte == b'_');
        shaped.then(|| Self(text.to_owned())).ok_or(Error::NotFound)
    }
}

/// Whose books are read, and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    Owner(Principal),
    /// The house's operator, who may read all.
    Operator(TenantId),
}

impl Reader {
    fn tenant(self) -> TenantId {
        match self {
            Self::Owner(principal) => principal.tenant,
            Self::Operator(tenant) => tenant,
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Owner(principal) => principal.scope(),
            Self::Operator(_) => Scope::House("an operator reads the books"),
        }
    }
}

/// One grant and what became of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Lot)]
pub(crate) struct LotView {
    pub(crate) id: LotId,
    /// paid or free.
    pub(crate) source: String,
    pub(crate) granted: i64,
    pub(crate) used: i64,
    /// Set aside for work under way.
    pub(crate) held: i64,
    pub(crate) expired: i64,
    /// Taken back, as when its payment was.
    pub(crate) reversed: i64,
    pub(crate) left: i64,
    /// What it was granted for, such as a plan.
    pub(crate) reason: String,
    /// What it is elsewhere, such as Stripe's invoice.
    #[schema(required)]
    pub(crate) reference: Option<String>,
    pub(crate) granted_at: DateTime<Utc>,
    #[schema(required)]
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// What one transfer did to one lot.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LotMovement {
    pub(crate) transfer_id: TransferId,
    pub(crate) lot_id: LotId,
    pub(crate) at: DateTime<Utc>,
    /// grant, hold, settle, release, lapse, expire or reverse.
    pub(crate) kind: String,
    /// What it adds to what is available; below zero what it takes.
    pub(crate) amount: i64,
    /// What it adds to what is set aside.
    pub(crate) held: i64,
    /// What it uses up.
    pub(crate) used: i64,
    /// What was available afterwards: of the lot if one is asked for, else of the unit.
    pub(crate) balance_after: i64,
    /// What it was for, such as a run's id.
    pub(crate) reference: String,
}

/// The sums of one unit.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UnitBalance {
    pub(crate) unit: String,
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) used: i64,
    pub(crate) expired: i64,
}

/// A lot's reason is what it was granted for, and after a space what that is elsewhere.
fn split_reason(reason: &str) -> (String, Option<String>) {
    match reason.split_once(' ') {
        Some((reason, reference)) => (reason.to_owned(), Some(reference.to_owned())),
        None => (reason.to_owned(), None),
    }
}

/// The lots of a unit, the newest first.
pub(crate) async fn lots(
    room: &Ledger,
    reader: Reader,
    unit: &Unit,
    page: &PageRequest,
) -> Result<Page<LotView>, Error> {
    let mut tx = room.cx.db.begin(reader.scope()).await?;
    known(&mut tx, reader).await?;
    let rows = store::lots(&mut tx, reader.tenant(), &unit.0, page).await?;
    tx.commit().await?;
    Ok(Page::from_rows(rows, page, |lot| Cursor {
        at: lot.granted_at,
        id: lot.id.0,
    }))
}

/// The movements of a unit, or of one of its lots, the newest first.
///
/// # Errors
/// `NotFound` when the lot is not one of the tenant's and unit's.
pub(crate) async fn movements(
    room: &Ledger,
    reader: Reader,
    unit: &Unit,
    lot: Option<LotId>,
    page: &PageRequest,
) -> Result<Page<LotMovement>, Error> {
    let mut tx = room.cx.db.begin(reader.scope()).await?;
    known(&mut tx, reader).await?;
    if let Some(lot) = lot
        && !store::has_lot(&mut tx, reader.tenant(), &unit.0, lot).await?
    {
        return Err(Error::NotFound);
    }
    let rows = store::movements(&mut tx, reader.tenant(), &unit.0, lot, page).await?;
    tx.commit().await?;
    // of one transfer there is a line for each lot, so a cursor's id is made of both
    Ok(Page::from_rows(rows, page, |row| Cursor {
        at: row.at,
        id: row.line,
    })
    .map(|row| row.movement))
}

/// The sums of every unit of a tenant, for an operator.
pub(crate) async fn units(room: &Ledger, tenant: TenantId) -> Result<Vec<UnitBalance>, Error> {
    let reader = Reader::Operator(tenant);
    let mut tx = room.cx.db.begin(reader.scope()).await?;
    known(&mut tx, reader).await?;
    let units = store::units(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(units)
}

/// An operator asks for a tenant that there is.
async fn known(conn: &mut PgConnection, reader: Reader) -> Result<(), Error> {
    match reader {
        Reader::Operator(tenant) if !identity::tenant_exists(conn, tenant).await? => {
            Err(Error::NotFound)
        }
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct MovementRow {
    at: DateTime<Utc>,
    line: Uuid,
    movement: LotMovement,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_lower_case_words_and_a_reason_may_name_an_invoice() {
        for unit in ["chat", "misaki.chat", "webgpt.embedding_token"] {
            assert_eq!(unit.parse::<Unit>().unwrap().0, unit);
        }
        for unit in ["", "Misaki", "a\0", "a b", "%", &"a".repeat(51)] {
            assert!(unit.parse::<Unit>().is_err(), "{unit:?}");
        }
        assert_eq!(
            split_reason("narai/light in_1"),
            ("narai/light".to_owned(), Some("in_1".to_owned()))
        );
        assert_eq!(
            split_reason("misaki/free"),
            ("misaki/free".to_owned(), None)
        );
    }
}
