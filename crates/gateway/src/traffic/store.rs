use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Hour;

pub(super) async fn since(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<Hour>> {
    sqlx::query_as!(
        Hour,
        r#"select route, count(*) filter (where state = 'completed') as "good!",
                  count(*) filter (where state = 'failed' and reason not in ('upstream_refused', 'context_length_exceeded', 'node_lost')) as "bad!",
                  percentile_disc(0.5) within group (order by (extract(epoch from ended_at - created_at) * 1000)::bigint)
                      filter (where state = 'completed') as p50_ms
           from gateway.run where created_at > $1 and ended_at is not null and not is_cached group by route"#,
        since,
    )
    .fetch_all(conn)
    .await
}
