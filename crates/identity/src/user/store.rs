use chrono::{DateTime, Utc};
use kernel::Lang;
use sqlx::PgConnection;

use super::{Known, UserView};
use crate::UserId;

pub(super) async fn insert(
    conn: &mut PgConnection,
    user: &UserView,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into identity.app_user (id, email, password_hash, display_name, locale, login_name, operator, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        user.id as UserId,
        user.email,
        password_hash,
        user.display_name,
        user.locale.as_str(),
        user.login_name,
        user.operator,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn verify_email(
    conn: &mut PgConnection,
    id: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set email_verified_at = $2 where id = $1",
        id as UserId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn set_email(
    conn: &mut PgConnection,
    id: UserId,
    email: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set email = $2, email_verified_at = $3 where id = $1 and deleted_at is null",
        id as UserId,
        email,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Takes an address from everybody but its owner.
pub(super) async fn drop_claims(
    conn: &mut PgConnection,
    owner: UserId,
    email: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set email = null where email = $2 and id <> $1 and email_verified_at is null",
        owner as UserId,
        email,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find_by_email(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"select id as "user: UserId", password_hash, email_verified_at is not null as "verified!"
           from identity.app_user
           where email = $1 and deleted_at is null
           order by (email_verified_at is not null) desc, created_at desc
           limit 1"#,
        email,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn find_by_login_name(
    conn: &mut PgConnection,
    login_name: &str,
) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"select id as "user: UserId", password_hash, email_verified_at is not null as "verified!"
           from identity.app_user
           where login_name = $1 and deleted_at is null"#,
        login_name,
    )
    .fetch_optional(conn)
    .await
}

pub(super) async fn find_by_id(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"select id as "user: UserId", password_hash, email_verified_at is not null as "verified!"
           from identity.app_user
           where id = $1 and deleted_at is null"#,
        user as UserId,
    )
    .fetch_optional(conn)
    .await
}

/// Waits until nobody else changes the user; keeps it so until the transaction ends.
pub(super) async fn lock_password(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select password_hash from identity.app_user where id = $1 and deleted_at is null for no key update",
        user as UserId,
    )
    .fetch_optional(conn)
    .await
    .map(Option::flatten)
}

pub(super) async fn find(conn: &mut PgConnection, id: UserId) -> sqlx::Result<Option<UserView>> {
    sqlx::query!(
        r#"select id as "id: UserId", email, email_verified_at is not null as "verified!", display_name, locale, operator,
               login_name
           from identity.app_user where id = $1 and deleted_at is null"#,
        id as UserId,
    )
    .map(|row| UserView {
        id: row.id,
        email: row.email,
        email_verified: row.verified,
        display_name: row.display_name,
        locale: row.locale.parse::<Lang>().unwrap_or_default(),
        operator: row.operator,
        login_name: row.login_name,
    })
    .fetch_optional(conn)
    .await
}

pub(super) async fn deletion_at(
    conn: &mut PgConnection,
    id: UserId,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select deletion_at from identity.app_user where id = $1",
        id as UserId
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn set_password(
    conn: &mut PgConnection,
    id: UserId,
    hash: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set password_hash = $2 where id = $1",
        id as UserId,
        hash
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn clear_password(conn: &mut PgConnection, id: UserId) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.app_user set password_hash = null where id = $1 and password_hash is not null",
        id as UserId,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Says whether the hash was still the one before.
pub(super) async fn refresh_password(
    conn: &mut PgConnection,
    id: UserId,
    before: &str,
    hash: &str,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "update identity.app_user set password_hash = $3 where id = $1 and password_hash = $2",
        id as UserId,
        before,
        hash
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

pub(super) async fn update_profile(
    conn: &mut PgConnection,
    id: UserId,
    display_name: Option<&str>,
    locale: Option<Lang>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.app_user set display_name = coalesce($2, display_name), locale = coalesce($3, locale) where id = $1",
        id as UserId,
        display_name,
        locale.map(Lang::as_str),
    )
    .execute(conn)
    .await
    .map(drop)
}
