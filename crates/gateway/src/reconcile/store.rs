use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Counts, Line, Ours};
use crate::RunId;

/// What models did from `from` until before `to`, by day.
pub(super) async fn days(
    conn: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<Ours> {
    let rows = sqlx::query!(
        r#"select (coalesce(started_at, created_at) at time zone 'UTC')::date as "day!", model,
                  count(*) as "requests!", sum(tokens_in)::bigint as "input!", sum(tokens_out)::bigint as "output!"
           from gateway.run
           where created_at >= $1::timestamptz - interval '1 day' and created_at < $2
               and coalesce(started_at, created_at) >= $1 and coalesce(started_at, created_at) < $2
               and ended_at is not null and not is_cached and tokens_in + tokens_out > 0
           group by 1, 2"#,
        from,
        to,
    )
    .fetch_all(conn)
    .await?;
    let line = |day, model| Line::Day { day, model };
    Ok(rows
        .into_iter()
        .map(|row| {
            let counts = Counts {
                requests: Some(row.requests),
                input: row.input,
                output: row.output,
            };
            (line(row.day, row.model.clone()), (row.model, counts))
        })
        .collect())
}

/// The runs that are named, and those that began from `from` until before `to`.
pub(super) async fn requests(
    conn: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    named: &[RunId],
) -> sqlx::Result<Ours> {
    let named: Vec<Uuid> = named.iter().map(|run| run.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: RunId", model, tokens_in, tokens_out from gateway.run
           where ended_at is not null and not is_cached and tokens_in + tokens_out > 0
               and (id = any($3) or created_at >= $1::timestamptz - interval '1 day' and created_at < $2
                   and coalesce(started_at, created_at) >= $1 and coalesce(started_at, created_at) < $2)"#,
        from,
        to,
        &named,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let counts = Counts {
                requests: Some(1),
                input: row.tokens_in,
                output: row.tokens_out,
            };
            (Line::Request(row.id.to_string()), (row.model, counts))
        })
        .collect())
}
