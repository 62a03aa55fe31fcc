use chrono::{DateTime, Utc};
use kernel::Lang;
use sqlx::PgConnection;

use super::{Addressee, Waiting, Wish};
use crate::{TenantId, UserId};

pub(super) async fn insert(
    conn: &mut PgConnection,
    waiting: &Waiting,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.letter_wish (id, kind, email, user_id, locale, created_at) values ($1, $2, $3, $4, $5, $6)",
        waiting.id,
        waiting.wish.as_str(),
        waiting.email,
        waiting.user as Option<UserId>,
        waiting.lang.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Takes the oldest wishes; they are gone when the transaction commits.
pub(super) async fn take(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query!(
        r#"delete from identity.letter_wish where id in
               (select id from identity.letter_wish order by id limit $1 for update skip locked)
           returning id, kind, email, user_id as "user: UserId", locale"#,
        most
    )
    .map(|row| Waiting {
        id: row.id,
        wish: Wish::from_stored(&row.kind),
        email: row.email,
        user: row.user,
        lang: row.locale.parse::<Lang>().unwrap_or_default(),
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn addressee(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<Addressee>> {
    sqlx::query!(
        r#"select id as "id: UserId", email as "email!", display_name, locale from identity.app_user
           where id = $1 and email_verified_at is not null and deleted_at is null"#,
        user as UserId,
    )
    .map(|row| Addressee {
        user: row.id,
        email: row.email,
        name: row.display_name,
        lang: row.locale.parse::<Lang>().unwrap_or_default(),
    })
    .fetch_optional(conn)
    .await
}

/// Those of a tenant who may manage its keys and can be written to.
pub(super) async fn managers(
    conn: &mut PgConnection,
    tenant: TenantId,
) -> sqlx::Result<Vec<Addressee>> {
    sqlx::query!(
        r#"select u.id as "id: UserId", u.email as "email!", u.display_name, u.locale
           from identity.membership m join identity.app_user u on u.id = m.user_id
           where m.tenant_id = $1 and m.role in ('owner', 'admin', 'guardian') and u.email_verified_at is not null
               and u.deleted_at is null"#,
        tenant as TenantId,
    )
    .map(|row| Addressee {
        user: row.id,
        email: row.email,
        name: row.display_name,
        lang: row.locale.parse::<Lang>().unwrap_or_default(),
    })
    .fetch_all(conn)
    .await
}

/// Those that somebody belongs to.
pub(super) async fn with_members(
    conn: &mut PgConnection,
    tenants: &[TenantId],
) -> sqlx::Result<Vec<TenantId>> {
    let ids: Vec<uuid::Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
    sqlx::query_scalar!(
        r#"select distinct tenant_id as "id: TenantId" from identity.membership where tenant_id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
}
