use chrono::{DateTime, Utc};
use sqlx::{PgConnection, types::Json};

use super::{FIRST, PhrasesVersionView};
use crate::phrase::Phrase;

/// The number of the set that was published last.
pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<i32> {
    let newest = sqlx::query_scalar!("select max(version) from misaki.phrase_set")
        .fetch_one(conn)
        .await?;
    Ok(newest.unwrap_or(FIRST))
}

pub(super) async fn find(
    conn: &mut PgConnection,
    version: i32,
) -> sqlx::Result<Option<Vec<Phrase>>> {
    let phrases = sqlx::query_scalar!(
        r#"select phrases as "phrases: Json<Vec<Phrase>>" from misaki.phrase_set where version = $1"#,
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(phrases.map(|phrases| phrases.0))
}

pub(super) async fn versions(conn: &mut PgConnection) -> sqlx::Result<Vec<PhrasesVersionView>> {
    sqlx::query_as!(
        PhrasesVersionView,
        r#"select version, note, published_at as "published_at?", jsonb_array_length(phrases) as "phrases!"
           from misaki.phrase_set order by version desc limit 50"#
    )
    .fetch_all(conn)
    .await
}

/// The line in which those who edit stand.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('misaki.phrases', 0))")
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn draft(conn: &mut PgConnection) -> sqlx::Result<Option<(i32, Vec<Phrase>)>> {
    let row = sqlx::query!(
        r#"select revision, phrases as "phrases: Json<Vec<Phrase>>" from misaki.phrase_draft"#
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.revision, row.phrases.0)))
}

pub(super) async fn put_draft(
    conn: &mut PgConnection,
    revision: i32,
    phrases: &[Phrase],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.phrase_draft (revision, phrases, updated_at) values ($1, $2, $3)
         on conflict (id) do update set revision = excluded.revision, phrases = excluded.phrases, updated_at = excluded.updated_at",
        revision,
        Json(phrases) as _,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn publish(
    conn: &mut PgConnection,
    (version, phrases): (i32, &[Phrase]),
    note: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.phrase_set (version, phrases, note, published_at) values ($1, $2, $3, $4)",
        version,
        Json(phrases) as _,
        note,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Where these texts lie, as far as it is known.
pub(super) async fn vectors(
    conn: &mut PgConnection,
    model: &str,
    hashes: &[Vec<u8>],
) -> sqlx::Result<Vec<(Vec<u8>, Vec<f32>)>> {
    let rows = sqlx::query!(
        "select hash, vector from misaki.phrase_vector where model = $1 and hash = any ($2)",
        model,
        hashes,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hash, row.vector)).collect())
}

pub(super) async fn put_vector(
    conn: &mut PgConnection,
    model: &str,
    hash: &[u8],
    vector: &[f32],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into misaki.phrase_vector (hash, model, vector) values ($1, $2, $3) on conflict do nothing",
        hash,
        model,
        vector,
    )
    .execute(conn)
    .await
    .map(drop)
}
