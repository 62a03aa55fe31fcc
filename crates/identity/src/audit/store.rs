use sqlx::PgConnection;

use super::Line;
use crate::{AuditId, TenantId};

pub(super) async fn insert(conn: &mut PgConnection, line: &Line<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.audit (id, at, tenant_id, actor, action, target, request_id)
         values ($1, $2, $3, $4, $5, $6, $7)",
        line.id as AuditId,
        line.at,
        line.tenant as Option<TenantId>,
        line.actor,
        line.action,
        line.target,
        line.request_id,
    )
    .execute(conn)
    .await
    .map(drop)
}
