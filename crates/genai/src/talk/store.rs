use chrono::{DateTime, Utc};
use gateway::RunId;
use identity::{TenantId, UserId};
use kernel::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Place, Row, TalkId, Told};

pub(super) async fn insert(
    conn: &mut PgConnection,
    id: TalkId,
    (tenant, user): (TenantId, Option<UserId>),
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into genai.talk (id, tenant_id, user_id, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        id as TalkId,
        tenant as TenantId,
        user as Option<UserId>,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The caller's talks, the last used first, each with its first run.
pub(super) async fn list(conn: &mut PgConnection, page: &PageRequest) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select t.id as "id: TalkId", t.title, t.created_at, t.updated_at, first.run_id as "first: RunId"
           from genai.talk t
           cross join lateral (select run_id from genai.talk_run where talk_id = t.id order by asked_at, place, run_id limit 1) as first
           where t.tenant_id = (select auth.tenant_id()) and t.user_id is not distinct from (select auth.uid())
             and ($1::timestamptz is null or (t.updated_at, t.id) < ($1, $2))
           order by t.updated_at desc, t.id desc limit $3"#,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn find(conn: &mut PgConnection, id: TalkId) -> sqlx::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select t.id as "id: TalkId", t.title, t.created_at, t.updated_at, first.run_id as "first: RunId"
           from genai.talk t
           cross join lateral (select run_id from genai.talk_run where talk_id = t.id order by asked_at, place, run_id limit 1) as first
           where t.id = $1"#,
        id as TalkId,
    )
    .fetch_optional(conn)
    .await
}

/// Holds a talk, so that what is added to it comes in a line; tells how many runs it has.
pub(super) async fn lock(conn: &mut PgConnection, id: TalkId) -> sqlx::Result<Option<i64>> {
    let held = sqlx::query_scalar!(
        "select 1 from genai.talk where id = $1 for update",
        id as TalkId
    )
    .fetch_optional(&mut *conn)
    .await?;
    if held.is_none() {
        return Ok(None);
    }
    sqlx::query_scalar!(
        r#"select count(*) as "runs!" from genai.talk_run where talk_id = $1"#,
        id as TalkId
    )
    .fetch_one(conn)
    .await
    .map(Some)
}

/// Puts a run into a talk, unless it is in one already; tells whether it did.
pub(super) async fn add(
    conn: &mut PgConnection,
    talk: TalkId,
    tenant: TenantId,
    (run, asked_at): (RunId, DateTime<Utc>),
    place: Place,
) -> sqlx::Result<bool> {
    let added = sqlx::query!(
        "insert into genai.talk_run (run_id, talk_id, tenant_id, turn, place, asked_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (run_id) do nothing",
        run as RunId,
        talk as TalkId,
        tenant as TenantId,
        place.turn,
        place.place,
        asked_at,
    )
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// The talk that a run is in.
pub(super) async fn talk_of(conn: &mut PgConnection, run: RunId) -> sqlx::Result<Option<TalkId>> {
    sqlx::query_scalar!(
        r#"select r.talk_id as "talk: TalkId" from genai.talk_run r join genai.talk t on t.id = r.talk_id where r.run_id = $1"#,
        run as RunId
    )
    .fetch_optional(conn)
    .await
}

/// Its runs, in the order in which they were asked for.
pub(super) async fn runs(conn: &mut PgConnection, talk: TalkId) -> sqlx::Result<Vec<Told>> {
    sqlx::query_as!(
        Told,
        r#"select run_id as "run: RunId", turn, place from genai.talk_run where talk_id = $1 order by asked_at, place, run_id"#,
        talk as TalkId,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn touch(
    conn: &mut PgConnection,
    id: TalkId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update genai.talk set updated_at = $2 where id = $1",
        id as TalkId,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn rename(
    conn: &mut PgConnection,
    id: TalkId,
    title: Option<&str>,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update genai.talk set title = $2 where id = $1",
        id as TalkId,
        title
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

pub(super) async fn delete(conn: &mut PgConnection, id: TalkId) -> sqlx::Result<()> {
    sqlx::query!("delete from genai.talk where id = $1", id as TalkId)
        .execute(conn)
        .await
        .map(drop)
}

/// Removes the talks of a tenant that goes, or of a person wherever they talked.
pub(super) async fn forget(
    conn: &mut PgConnection,
    tenant: Option<Uuid>,
    user: Option<Uuid>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from genai.talk where tenant_id = $1 or user_id = $2",
        tenant,
        user
    )
    .execute(conn)
    .await
    .map(drop)
}
