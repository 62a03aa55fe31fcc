use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Keep, Rule};
use crate::run::RunId;

pub(super) async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<(Option<KeyId>, Rule)>> {
    sqlx::query!(
        r#"select key_id as "key: KeyId", keep, days from gateway.retention
           where tenant_id = (select auth.tenant_id()) order by key_id nulls first"#
    )
    .map(|row| {
        let rule = Rule {
            keep: Keep::parse(&row.keep),
            days: row.days,
        };
        (row.key, rule)
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn upsert(
    conn: &mut PgConnection,
    id: Uuid,
    tenant: TenantId,
    key: Option<KeyId>,
    rule: Rule,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.retention (id, tenant_id, key_id, keep, days, changed_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id, key_id) do update set keep = excluded.keep, days = excluded.days, changed_at = excluded.changed_at",
        id,
        tenant as TenantId,
        key as Option<KeyId>,
        rule.keep.as_str(),
        rule.days,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn delete(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: KeyId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.retention where tenant_id = $1 and key_id = $2",
        tenant as TenantId,
        key as KeyId,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Runs whose caller wanted no text kept and that ended a minute ago.
pub(super) async fn unkept(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(TenantId, RunId)>> {
    sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", id as "run: RunId" from gateway.run
           where not is_stored and text_gone_at is null and ended_at <= $1::timestamptz - interval '1 minute'
           order by ended_at limit $2"#,
        now,
        most,
    )
    .map(|row| (row.tenant, row.run))
    .fetch_all(conn)
    .await
}

/// Runs whose tenant's or key's rule lets go of their texts by now.
pub(super) async fn due(
    conn: &mut PgConnection,
    storefront: &str,
    now: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<(TenantId, RunId)>> {
    sqlx::query!(
        r#"select r.tenant_id as "tenant: TenantId", r.id as "run: RunId"
           from gateway.retention rule join gateway.run r on r.tenant_id = rule.tenant_id
           where rule.keep <> 'always' and r.storefront = $1 and r.text_gone_at is null
             and r.ended_at <= $2::timestamptz - case rule.keep
                 when 'none' then interval '1 minute' when 'metadata' then interval '10 minutes'
                 else make_interval(days => rule.days) end
             and case when rule.key_id is null
                 then not exists (select from gateway.retention own where own.tenant_id = r.tenant_id and own.key_id = r.key_id)
                 else rule.key_id = r.key_id end
           limit $3"#,
        storefront,
        now,
        most,
    )
    .map(|row| (row.tenant, row.run))
    .fetch_all(conn)
    .await
}
