mod store;

use chrono::{DateTime, Utc};
use db::Ctx;
use sqlx::PgConnection;

use crate::{AuditId, Principal, RequestMeta, TenantId};

/// One line of the audit log.
#[derive(Debug)]
struct Line<'a> {
    id: AuditId,
    at: DateTime<Utc>,
    tenant: Option<TenantId>,
    actor: &'a str,
    action: &'static str,
    target: &'a str,
    request_id: &'a str,
}

/// Writes down who did what, in the transaction that does it.
pub(crate) async fn record(
    conn: &mut PgConnection,
    cx: &Ctx,
    meta: &RequestMeta,
    by: Principal,
    action: &'static str,
    target: &str,
) -> sqlx::Result<()> {
    let actor = by.actor();
    let line = Line {
        id: cx.ids.new_id(),
        at: cx.clock.now(),
        tenant: Some(by.tenant),
        actor: &actor,
        action,
        target,
        request_id: &meta.request_id,
    };
    store::insert(conn, &line).await
}
