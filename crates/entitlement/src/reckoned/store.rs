use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{ModelDay, ModelUse};

pub(super) async fn model_days(
    conn: &mut PgConnection,
    kind: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Vec<ModelDay>> {
    sqlx::query_as!(
        ModelDay,
        r#"select (u.created_at at time zone 'UTC')::date as "day!", u.model, count(*) as "requests!",
                  sum(u.tokens_in)::bigint as "tokens_in!", sum(u.tokens_out)::bigint as "tokens_out!"
           from entitlement.usage u
           where u.at >= $2 and u.at < $3::timestamptz + interval '1 day' and starts_with(u.ref, $1 || '_')
               and u.created_at >= $2 and u.created_at < $3
               and u.tokens_in + u.tokens_out > 0
           group by 1, 2"#,
        kind,
        from,
        to,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn model_uses(
    conn: &mut PgConnection,
    kind: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    named: &[String],
) -> sqlx::Result<Vec<ModelUse>> {
    sqlx::query_as!(
        ModelUse,
        r#"select u.ref as reference, u.model, u.tokens_in, u.tokens_out
           from entitlement.usage u
           where starts_with(u.ref, $1 || '_') and u.tokens_in + u.tokens_out > 0
               and (u.ref = any($4) or u.at >= $2 and u.at < $3::timestamptz + interval '1 day'
                   and u.created_at >= $2 and u.created_at < $3)"#,
        kind,
        from,
        to,
        named,
    )
    .fetch_all(conn)
    .await
}
