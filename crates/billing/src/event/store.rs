use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{DeadEvent, Received};
use crate::stripe::Event;

/// Keeps events, and returns the ids of those that were not kept before. In the order of their ids, so that two nodes that
/// keep the same ones don't wait for each other.
pub(super) async fn insert_all(
    conn: &mut PgConnection,
    events: &[Received],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<String>> {
    let of = |part: fn(&Event) -> &str| -> Vec<String> {
        let parts = events
            .iter()
            .map(|received| part(&received.event).to_owned());
        parts.collect()
    };
    let may = |part: fn(&Event) -> Option<&str>| -> Vec<Option<String>> {
        let parts = events
            .iter()
            .map(|received| part(&received.event).map(str::to_owned));
        parts.collect()
    };
    let notes: Vec<Option<String>> = events
        .iter()
        .map(|received| received.note.map(str::to_owned))
        .collect();
    let created: Vec<DateTime<Utc>> = events.iter().map(|received| received.created).collect();
    let live: Vec<bool> = events
        .iter()
        .map(|received| received.event.livemode)
        .collect();
    sqlx::query_scalar!(
        "insert into billing.event (id, type, livemode, api_version, object_type, object_id, customer, created_at,
             received_at, next_at, state, note, closed_at)
         select id, type, livemode, api_version, object_type, object_id, customer, created_at, $9, $9,
             case when note is null then 'queued' else 'ignored' end, note,
             case when note is null then null else $9::timestamptz end
         from unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $10::text[])
             as e (id, type, livemode, api_version, object_type, object_id, customer, created_at, note)
         order by id
         on conflict (id) do nothing
         returning id",
        &of(|event| &event.id),
        &of(|event| &event.kind),
        &live,
        &may(|event| event.api_version.as_deref()) as &[Option<String>],
        &of(Event::object_type),
        &of(Event::object_id),
        &may(Event::customer) as &[Option<String>],
        &created,
        now,
        &notes as &[Option<String>],
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn wake(
    conn: &mut PgConnection,
    customer: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update billing.event set state = 'queued', next_at = $2, attempts = 0, note = null
         where state = 'waiting' and customer = $1",
        customer,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn list_dead(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<DeadEvent>> {
    sqlx::query_as!(
        DeadEvent,
        r#"select id, type as kind, attempts, coalesce(note, '') as "note!", received_at
           from billing.event where state = 'dead' order by received_at desc, id limit $1"#,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn revive(
    conn: &mut PgConnection,
    id: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update billing.event set state = 'queued', next_at = $2, attempts = 0, note = null, closed_at = null
         where id = $1 and state in ('dead', 'waiting', 'done')",
        id,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
