use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::{Minute, ShadowTally};

pub(super) async fn add_minute(
    conn: &mut PgConnection,
    (minute, provider, model): (DateTime<Utc>, &str, &str),
    more: &Minute,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.target_minute as t
             (minute, provider, model, calls, failed, first_words, trouble, trouble_at, rests_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (minute, provider, model) do update set
             calls = t.calls + excluded.calls,
             failed = t.failed + excluded.failed,
             first_words = (select array_agg(a + b order by at)
                            from unnest(t.first_words, excluded.first_words) with ordinality as both_ (a, b, at)),
             trouble = coalesce(excluded.trouble, t.trouble),
             trouble_at = coalesce(excluded.trouble_at, t.trouble_at),
             rests_until = excluded.rests_until",
        minute,
        provider,
        model,
        more.calls,
        more.failed,
        &more.first_words,
        more.trouble,
        more.trouble_at,
        more.rests_until,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn add_shadow(
    conn: &mut PgConnection,
    (day, model, shadow): (NaiveDate, &str, &str),
    more: ShadowTally,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.shadow_day as t (day, model, shadow, answered, failed, left_out, agreement, tokens)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (day, model, shadow) do update set
             answered = t.answered + excluded.answered, failed = t.failed + excluded.failed,
             left_out = t.left_out + excluded.left_out, agreement = t.agreement + excluded.agreement,
             tokens = t.tokens + excluded.tokens",
        day,
        model,
        shadow,
        more.answered,
        more.failed,
        more.left_out,
        more.agreement,
        more.tokens,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn forget_before(
    conn: &mut PgConnection,
    minute: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.target_minute where minute < $1",
        minute
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The oldest first.
pub(super) async fn minutes_since(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> sqlx::Result<Vec<(String, String, Minute)>> {
    sqlx::query!(
        "select provider, model, calls, failed, first_words, trouble, trouble_at, rests_until
         from gateway.target_minute where minute > $1 order by minute",
        since,
    )
    .map(|row| {
        let minute = Minute {
            calls: row.calls,
            failed: row.failed,
            first_words: row.first_words,
            trouble: row.trouble,
            trouble_at: row.trouble_at,
            rests_until: row.rests_until,
        };
        (row.provider, row.model, minute)
    })
    .fetch_all(conn)
    .await
}

pub(super) async fn shadows_since(
    conn: &mut PgConnection,
    since: NaiveDate,
) -> sqlx::Result<Vec<(String, String, ShadowTally)>> {
    sqlx::query!(
        r#"select model, shadow, sum(answered)::bigint as "answered!", sum(failed)::bigint as "failed!",
                  sum(left_out)::bigint as "left_out!", sum(agreement)::bigint as "agreement!", sum(tokens)::bigint as "tokens!"
           from gateway.shadow_day where day >= $1 group by model, shadow"#,
        since,
    )
    .map(|row| {
        let found = ShadowTally {
            answered: row.answered,
            failed: row.failed,
            left_out: row.left_out,
            agreement: row.agreement,
            tokens: row.tokens,
        };
        (row.model, row.shadow, found)
    })
    .fetch_all(conn)
    .await
}
