use sqlx::PgConnection;

use super::{AuditLine, Break, Line};
use crate::{AuditId, TenantId};

pub(super) async fn insert(conn: &mut PgConnection, line: &Line<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.audit (id, at, tenant_id, actor, action, target, request_id, network, before, after)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        line.id as AuditId,
        line.at,
        line.tenant as Option<TenantId>,
        line.actor,
        line.action,
        line.target,
        line.request_id,
        line.network,
        line.before,
        line.after,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    before_seq: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<AuditLine>> {
    sqlx::query_as!(
        AuditLine,
        r#"select id as "id: AuditId", seq, at, actor, action, target, before, after, request_id, network,
               encode(hash, 'hex') as "hash!"
           from identity.audit
           where tenant_id = $1 and ($2::bigint is null or seq < $2)
           order by seq desc
           limit $3"#,
        tenant as TenantId,
        before_seq,
        limit + 1,
    )
    .fetch_all(conn)
    .await
}

/// Lines whose hash is not that of their content after the line before, or whose number leaves a gap.
pub(super) async fn wrong_hashes(conn: &mut PgConnection) -> sqlx::Result<Vec<Break>> {
    sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", seq
           from (
               select line.tenant_id, line.seq, line.hash,
                   identity.audit_hash(line, coalesce(lag(line.hash) over chain, '')) as expected,
                   coalesce(lag(line.seq) over chain, 0) + 1 as place
               from identity.audit line
               window chain as (partition by line.tenant_id order by line.seq)
           ) checked
           where hash <> expected or seq <> place
           order by tenant_id, seq"#
    )
    .map(|row| Break {
        tenant: row.tenant,
        seq: row.seq,
        why: "the line is not what was written, or one before it is missing",
    })
    .fetch_all(conn)
    .await
}

/// Chains whose end is not where the head says.
pub(super) async fn wrong_heads(conn: &mut PgConnection) -> sqlx::Result<Vec<Break>> {
    sqlx::query!(
        r#"select nullif(head.chain, '00000000-0000-0000-0000-000000000000') as "tenant: TenantId", head.seq
           from identity.audit_head head
           left join identity.audit line
               on coalesce(line.tenant_id, '00000000-0000-0000-0000-000000000000') = head.chain and line.seq = head.seq
           where line.hash is distinct from head.hash"#
    )
    .map(|row| Break {
        tenant: row.tenant,
        seq: row.seq,
        why: "the end of the log is missing",
    })
    .fetch_all(conn)
    .await
}
