use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Arrivals;

pub(super) async fn arrivals(
    conn: &mut PgConnection,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Arrivals>> {
    sqlx::query_as!(
        Arrivals,
        r#"select to_char(at at time zone $3, $4) as "period!", count(*) filter (where is_new) as "sign_ups!",
                  count(*) filter (where not is_new) as "sign_ins!"
           from (select created_at as at, true as is_new from identity.app_user where created_at >= $1 and created_at < $2
                 union all
                 select at, false from identity.audit
                 where action = 'session.start' and at >= $1 and at < $2 and actor like 'usr\_%') as came
           group by 1 order by 1"#,
        from,
        to,
        zone,
        shape,
    )
    .fetch_all(conn)
    .await
}
