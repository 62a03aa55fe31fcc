use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Takings;

pub(super) async fn takings(
    conn: &mut PgConnection,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    zone: &str,
    shape: &str,
) -> sqlx::Result<Vec<Takings>> {
    sqlx::query_as!(
        Takings,
        r#"select to_char(p.paid_at at time zone $3, $4) as "period!", coalesce(r.storefront, s.storefront, '') as "storefront!",
                  p.currency, sum(p.amount)::bigint as "paid!", sum(p.refunded)::bigint as "refunded!"
           from billing.payment p
           left join billing.receipt r on r.payment_id = p.id
           left join billing.subscription s on s.id = p.subscription
           where p.paid_at >= $1 and p.paid_at < $2 group by 1, 2, 3 order by 1, 2, 3"#,
        from,
        to,
        zone,
        shape,
    )
    .fetch_all(conn)
    .await
}
