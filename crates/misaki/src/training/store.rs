use identity::TenantId;
use sqlx::PgConnection;

use crate::ChatId;

/// Those who agreed to training, after one and in their order.
pub(super) async fn agreed(
    conn: &mut PgConnection,
    after: Option<TenantId>,
    most: i64,
) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar!(
        r#"select tenant_id as "tenant: TenantId" from misaki.consent
           where training_at is not null and ($1::uuid is null or tenant_id > $1) order by tenant_id limit $2"#,
        after as Option<TenantId>,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn is_agreed(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from misaki.consent where tenant_id = $1 and training_at is not null) as "is!""#,
        tenant as TenantId
    )
    .fetch_one(conn)
    .await
}

/// The chats of a tenant that began after they agreed, the newest.
pub(super) async fn chats(
    conn: &mut PgConnection,
    tenant: TenantId,
    most: i64,
) -> sqlx::Result<Vec<ChatId>> {
    sqlx::query_scalar!(
        r#"select c.id as "id: ChatId" from misaki.chat c join misaki.consent a on a.tenant_id = c.tenant_id
           where c.tenant_id = $1 and c.created_at >= a.training_at order by c.updated_at desc limit $2"#,
        tenant as TenantId,
        most,
    )
    .fetch_all(conn)
    .await
}
