use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Demand;

pub(super) async fn demand(
    conn: &mut PgConnection,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Demand>> {
    sqlx::query_as!(
        Demand,
        r#"select to_char(at at time zone $3, $4) as "period!", storefront, count(*) as "requests!",
                  count(*) filter (where outcome = 'completed') as "completed!",
                  count(*) filter (where outcome = 'failed') as "failed!",
                  count(*) filter (where outcome = 'cancelled') as "cancelled!",
                  sum(tokens_in)::bigint as "tokens_in!", sum(tokens_out)::bigint as "tokens_out!",
                  sum(cost_nano_usd)::bigint as "cost_nano_usd!"
           from entitlement.usage where at >= $1 and at < $2 group by 1, 2 order by 1, 2"#,
        from,
        to,
        zone,
        shape,
    )
    .fetch_all(conn)
    .await
}
