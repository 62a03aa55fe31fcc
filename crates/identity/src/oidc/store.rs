use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::UserId;

/// Who somebody is at an issuer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
}

/// The user that a subject is, and whether the account is still there.
pub(super) async fn find(
    conn: &mut PgConnection,
    of: Subject<'_>,
) -> sqlx::Result<Option<(UserId, bool)>> {
    sqlx::query!(
        r#"select s.user_id as "user: UserId", u.deleted_at is null as "there!"
           from identity.subject s join identity.app_user u on u.id = s.user_id
           where s.issuer = $1 and s.subject = $2"#,
        of.issuer,
        of.subject,
    )
    .map(|row| (row.user, row.there))
    .fetch_optional(conn)
    .await
}

pub(super) async fn used(
    conn: &mut PgConnection,
    of: Subject<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update identity.subject set last_used_at = $3 where issuer = $1 and subject = $2",
        of.issuer,
        of.subject,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Says that a subject is a user; false when another transaction was first.
pub(super) async fn insert(
    conn: &mut PgConnection,
    of: Subject<'_>,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!(
        "insert into identity.subject (issuer, subject, user_id, created_at, last_used_at) values ($1, $2, $3, $4, $4)
         on conflict (issuer, subject) do nothing",
        of.issuer,
        of.subject,
        user as UserId,
        now,
    )
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}
