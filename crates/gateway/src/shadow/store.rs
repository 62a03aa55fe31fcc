use identity::{KeyId, TenantId};
use sqlx::PgConnection;

/// Whether the rules of retention let what is asked be kept.
pub(super) async fn keeps_texts(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: Option<KeyId>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select gateway.keeps_texts($1, $2) as "keeps!""#,
        tenant as TenantId,
        key as Option<KeyId>,
    )
    .fetch_one(conn)
    .await
}
