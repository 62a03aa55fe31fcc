use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Row;

/// All and by group, of one snapshot; the groups beyond so many together.
pub(super) async fn sums(
    conn: &mut PgConnection,
    storefront: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    by: &str,
    zone: &str,
    most: i64,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"with meant as materialized (
               select *, (extract(epoch from ended_at - created_at) * 1000)::bigint as ms,
                   case $4::text
                       when 'model' then route
                       when 'key' then coalesce(key_id::text, '')
                       when 'day' then to_char(created_at at time zone $5, 'YYYY-MM-DD')
                       when 'hour' then to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"')
                       when 'minute' then to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:00"Z"')
                       else '' end as place
               from gateway.run
               where tenant_id = (select auth.tenant_id()) and storefront = $1 and created_at >= $2 and created_at < $3),
           grouped as (
               select true as is_total, '' as name, meant.* from meant
               union all
               select false, coalesce(tag.name, place), meant.* from meant
                   left join lateral unnest(case $4 when 'tag' then tags end) as tag (name) on true
               where $4 <> 'none'),
           -- those with the most runs are shown by themselves
           ranked as (
               select name, row_number() over (order by count(*) desc, name) as rank from grouped where not is_total group by name),
           placed as (
               select rank > $6 as is_rest, case when rank > $6 then '' else grouped.name end as place_name, grouped.*
               from grouped left join ranked on not is_total and ranked.name = grouped.name)
           select is_total as "is_total!", coalesce(is_rest, false) as "is_rest!", place_name as "name!",
                  count(distinct name) as "names!", count(*) as "requests!",
                  count(*) filter (where state = 'completed') as "completed!",
                  count(*) filter (where state = 'failed') as "failed!",
                  count(*) filter (where state = 'cancelled') as "cancelled!",
                  round(avg(ms))::bigint as mean_ms, percentile_disc(0.95) within group (order by ms) as p95_ms,
                  sum(tokens_in)::bigint as "tokens_in!", sum(tokens_out)::bigint as "tokens_out!",
                  sum(tokens_cached)::bigint as "tokens_cached!", sum(tokens_written)::bigint as "tokens_written!",
                  sum(tokens_thought)::bigint as "tokens_thought!",
                  sum(cost_nano_usd)::bigint as "cost_nano_usd!"
           from placed group by is_total, is_rest, place_name order by is_total desc, is_rest, place_name"#,
        storefront,
        from,
        to,
        by,
        zone,
        most,
    )
    .fetch_all(conn)
    .await
}
