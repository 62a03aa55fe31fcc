use chrono::NaiveDate;
use entitlement::{model_days, model_uses};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Counts, Export, Line, Of, Ours};
use crate::{RunId, route::Use};

/// What requests for vectors are called.
const VECTORS: &str = "emb";

/// What models did in the time of an export, by day.
pub(super) async fn days(conn: &mut PgConnection, export: &Export) -> sqlx::Result<Ours> {
    let rows = sqlx::query!(
        r#"select (coalesce(started_at, created_at) at time zone 'UTC')::date as "day!", model,
                  count(*) as "requests!", sum(tokens_in)::bigint as "input!", sum(tokens_out)::bigint as "output!"
           from gateway.run
           where created_at >= $1::timestamptz - interval '1 day' and created_at < $2
               and coalesce(started_at, created_at) >= $1 and coalesce(started_at, created_at) < $2
               and ended_at is not null and not is_cached and tokens_in + tokens_out > 0
           group by 1, 2"#,
        export.from,
        export.to,
    )
    .fetch_all(&mut *conn)
    .await?;
    let chats = rows.into_iter().map(|row| {
        let counts = Counts {
            requests: Some(row.requests),
            input: row.input,
            output: row.output,
        };
        line(row.day, row.model, Use::Chat, counts)
    });
    let rows = model_days(conn, VECTORS, (export.from, export.to)).await?;
    let vectors = rows.into_iter().map(|row| {
        let counts = Counts {
            requests: Some(row.requests),
            input: row.tokens_in,
            output: row.tokens_out,
        };
        line(row.day, row.model, Use::Embedding, counts)
    });
    Ok(chats.chain(vectors).collect())
}

fn line(day: NaiveDate, model: String, use_for: Use, counts: Counts) -> (Line, Of, Counts) {
    let line = Line::Day {
        day,
        model: model.clone(),
    };
    (line, Of { model, use_for }, counts)
}

/// What is named, and what began in the time of an export.
pub(super) async fn requests(conn: &mut PgConnection, export: &Export) -> sqlx::Result<Ours> {
    let named: Vec<Uuid> = export.runs().iter().map(|run| run.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: RunId", model, tokens_in, tokens_out from gateway.run
           where ended_at is not null and not is_cached and tokens_in + tokens_out > 0
               and (id = any($3) or created_at >= $1::timestamptz - interval '1 day' and created_at < $2
                   and coalesce(started_at, created_at) >= $1 and coalesce(started_at, created_at) < $2)"#,
        export.from,
        export.to,
        &named,
    )
    .fetch_all(&mut *conn)
    .await?;
    let request = |id, model, use_for, (input, output)| {
        let counts = Counts {
            requests: Some(1),
            input,
            output,
        };
        (Line::Request(id), Of { model, use_for }, counts)
    };
    let chats = rows.into_iter().map(|row| {
        let tokens = (row.tokens_in, row.tokens_out);
        request(row.id.to_string(), row.model, Use::Chat, tokens)
    });
    let span = (export.from, export.to);
    let rows = model_uses(conn, VECTORS, span, &export.vectors()).await?;
    let vectors = rows.into_iter().map(|row| {
        let tokens = (row.tokens_in, row.tokens_out);
        request(row.reference, row.model, Use::Embedding, tokens)
    });
    Ok(chats.chain(vectors).collect())
}
