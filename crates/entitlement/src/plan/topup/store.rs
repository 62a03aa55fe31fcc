use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use super::{Stored, TopUp, TopUpTerms, TopUpVersionId};

pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select distinct on (storefront, topup) id as "id: TopUpVersionId", storefront, topup, version, terms
           from entitlement.topup_version
           order by storefront, topup, version desc"#,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn version(
    conn: &mut PgConnection,
    id: TopUpVersionId,
) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select id as "id: TopUpVersionId", storefront, topup, version, terms
           from entitlement.topup_version where id = $1"#,
        id as TopUpVersionId,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    topup: &TopUp,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into entitlement.topup_version (id, storefront, topup, version, terms, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        topup.version_id as TopUpVersionId,
        topup.storefront,
        topup.id,
        topup.version,
        Json(&topup.terms) as Json<&TopUpTerms>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}
