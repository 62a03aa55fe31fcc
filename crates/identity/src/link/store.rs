use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{About, Kind, Link, Row};
use crate::{InvitationId, LinkId, UserId};

pub(super) async fn insert(conn: &mut PgConnection, row: &Row<'_>) -> sqlx::Result<()> {
    let (user, invitation) = row.about.parts();
    sqlx::query!(
        "insert into identity.link (id, kind, token_hash, user_id, invitation_id, email, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        row.id as LinkId,
        row.kind.as_str(),
        row.token_hash,
        user as Option<UserId>,
        invitation as Option<InvitationId>,
        row.email,
        row.created_at,
        row.expires_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn void(
    conn: &mut PgConnection,
    kind: Option<Kind>,
    about: About,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (user, invitation) = about.parts();
    sqlx::query!(
        "update identity.link set voided_at = $4
         where (user_id = $1 or invitation_id = $2) and ($3::text is null or kind = $3) and used_at is null and voided_at is null",
        user as Option<UserId>,
        invitation as Option<InvitationId>,
        kind.map(Kind::as_str),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn use_up(
    conn: &mut PgConnection,
    kind: Kind,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Link>> {
    let row = sqlx::query!(
        r#"update identity.link set used_at = $3
           where token_hash = $1 and kind = $2 and used_at is null and voided_at is null and expires_at > $3
           returning user_id as "user: UserId", invitation_id as "invitation: InvitationId", email"#,
        token_hash,
        kind.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| {
        Some(Link {
            about: About::from_parts(row.user, row.invitation)?,
            email: row.email,
            stale: false,
        })
    }))
}

pub(super) async fn find(
    conn: &mut PgConnection,
    kind: Kind,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Link>> {
    let row = sqlx::query!(
        r#"select user_id as "user: UserId", invitation_id as "invitation: InvitationId", email,
               used_at is not null or voided_at is not null or expires_at <= $3 as "stale!"
           from identity.link where token_hash = $1 and kind = $2"#,
        token_hash,
        kind.as_str(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| {
        Some(Link {
            about: About::from_parts(row.user, row.invitation)?,
            email: row.email,
            stale: row.stale,
        })
    }))
}

pub(super) async fn delete_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from identity.link where id in (select id from identity.link where expires_at < $1 limit $2)",
        before,
        most
    )
    .execute(conn)
    .await
    .map(drop)
}
