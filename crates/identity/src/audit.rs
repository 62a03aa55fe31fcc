mod http;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use kernel::{Cursor, Fault, Page, PageRequest};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{AuditId, Error, Principal, RequestMeta, TenantId};

pub(crate) use http::router;

/// Something that is done and written down in the transaction that does it.
#[derive(Debug)]
pub struct Action {
    name: &'static str,
    target: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Action {
    /// `name` is `thing.verb`; the target is an id, never a name or an address, since the log outlives its people.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small and read better by value"
    )]
    pub fn new(name: &'static str, target: impl ToString) -> Self {
        Self {
            name,
            target: target.to_string(),
            before: None,
            after: None,
        }
    }

    /// What was, without secrets and personal data.
    pub fn before(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    /// What is now, without secrets and personal data.
    pub fn after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }

    /// Writes it down as done by `by`, in the log of the tenant that they act for.
    pub async fn record(
        self,
        conn: &mut PgConnection,
        cx: &Ctx,
        meta: &RequestMeta,
        by: Principal,
    ) -> sqlx::Result<()> {
        // at the command line it is the operator who acts for the tenant
        let actor = if by.is_guest() && meta.is_of_the_house() {
            "operator".to_owned()
        } else {
            by.actor()
        };
        self.record_as(conn, cx, meta, Some(by.tenant), &actor)
            .await
    }

    /// Writes it down in the log of `tenant`, or in the house's own.
    pub async fn record_as(
        self,
        conn: &mut PgConnection,
        cx: &Ctx,
        meta: &RequestMeta,
        tenant: Option<TenantId>,
        actor: &str,
    ) -> sqlx::Result<()> {
        let network = meta.network();
        let line = Line {
            id: cx.ids.new_id(),
            at: cx.clock.now(),
            tenant,
            actor,
            action: self.name,
            target: &self.target,
            request_id: &meta.request_id,
            network: &network,
            before: self.before,
            after: self.after,
        };
        store::insert(conn, &line).await
    }
}

/// One line as it is written.
#[derive(Debug)]
struct Line<'a> {
    id: AuditId,
    at: DateTime<Utc>,
    tenant: Option<TenantId>,
    actor: &'a str,
    action: &'static str,
    target: &'a str,
    request_id: &'a str,
    network: &'a str,
    before: Option<Value>,
    after: Option<Value>,
}

/// One line of the audit log as shown to its tenant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditLine {
    pub id: AuditId,
    /// Its place in the tenant's chain, from 1 without gaps.
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub target: String,
    #[schema(required)]
    pub before: Option<Value>,
    #[schema(required)]
    pub after: Option<Value>,
    pub request_id: String,
    pub network: String,
    /// SHA-256 over this line and the hash of the one before, in hexadecimal digits.
    pub hash: String,
}

/// A place where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// None for the house's own chain.
    pub tenant: Option<TenantId>,
    pub seq: i64,
    pub why: &'static str,
}

/// Recomputes every chain. A line that was changed, removed or put in between shows, and so does a missing end.
///
/// # Errors
/// When the database is away.
pub async fn verify(cx: &Ctx) -> Result<Vec<Break>, Fault> {
    let mut tx = cx
        .db
        .begin(Scope::House("verify the audit log"))
        .await
        .map_err(db::fault)?;
    let mut breaks = store::wrong_hashes(&mut tx).await.map_err(db::fault)?;
    breaks.extend(store::wrong_heads(&mut tx).await.map_err(db::fault)?);
    tx.commit().await.map_err(db::fault)?;
    Ok(breaks)
}

/// The newest lines of the caller's tenant first.
pub async fn list(cx: &Ctx, by: Principal, page: PageRequest) -> Result<Page<AuditLine>, Error> {
    let mut tx = cx.db.read(by.scope()).await?;
    let before = page
        .after
        .and_then(|after| i64::try_from(after.id.as_u128()).ok());
    let lines = store::list(&mut tx, by.tenant, before, page.limit).await?;
    tx.commit().await?;
    Ok(Page::from_rows(lines, &page, |line| Cursor {
        at: line.at,
        // several lines may be of one instant; their order is that of the chain
        id: Uuid::from_u128(line.seq.unsigned_abs().into()),
    }))
}
