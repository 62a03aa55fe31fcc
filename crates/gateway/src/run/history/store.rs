use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use kernel::PageRequest;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Filter, Listed};
use crate::{
    State,
    run::{RunId, view::Row},
};

#[derive(Debug)]
struct ListedRow {
    id: RunId,
    state: State,
    reason: Option<String>,
    route: String,
    model: String,
    door: String,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    tokens_in: i64,
    tokens_out: i64,
    tokens_cached: i64,
    tokens_written: i64,
    tokens_thought: i64,
    cost_nano_usd: i64,
    is_cached: bool,
    is_stored: bool,
    text_gone_at: Option<DateTime<Utc>>,
    tags: Vec<String>,
    last_event: i32,
    key_id: Option<KeyId>,
    bytes: i64,
}

impl From<ListedRow> for Listed {
    fn from(row: ListedRow) -> Self {
        Self {
            key: row.key_id,
            bytes: row.bytes,
            row: Row {
                id: row.id,
                state: row.state,
                reason: row.reason,
                route: row.route,
                model: row.model,
                door: row.door,
                queue_position: None,
                created_at: row.created_at,
                started_at: row.started_at,
                ended_at: row.ended_at,
                tokens_in: row.tokens_in,
                tokens_out: row.tokens_out,
                tokens_cached: row.tokens_cached,
                tokens_written: row.tokens_written,
                tokens_thought: row.tokens_thought,
                cost_nano_usd: row.cost_nano_usd,
                is_cached: row.is_cached,
                is_stored: row.is_stored,
                text_gone_at: row.text_gone_at,
                tags: row.tags,
                last_event: row.last_event,
            },
        }
    }
}

pub(super) async fn list(
    conn: &mut PgConnection,
    storefront: &str,
    filter: &Filter,
    page: &PageRequest,
) -> sqlx::Result<Vec<Listed>> {
    let ids: Option<Vec<Uuid>> = filter
        .ids
        .as_ref()
        .map(|ids| ids.iter().map(|id| id.0).collect());
    let rows = sqlx::query_as!(
        ListedRow,
        r#"select r.id as "id: RunId", r.state as "state: State", r.reason, r.route, r.model, r.door, r.created_at, r.started_at,
                  r.ended_at, r.tokens_in, r.tokens_out, r.tokens_cached, r.tokens_written, r.tokens_thought, r.cost_nano_usd,
                  r.is_cached, r.is_stored, r.text_gone_at, r.tags, r.last_event, r.key_id as "key_id: KeyId",
                  coalesce(octet_length(r.sealed_output), octet_length(r.output))::bigint
                      + coalesce(octet_length(t.sealed), pg_column_size(t.request), 0) as "bytes!"
           from gateway.run r left join gateway.run_text t on t.run_id = r.id
           where r.tenant_id = (select auth.tenant_id()) and r.storefront = $1
             and ($2::text is null or r.route = $2)
             and ($3::text is null or r.state = $3)
             and ($4::uuid is null or r.key_id = $4)
             and ($5::text is null or r.tags @> array[$5])
             and ($6::timestamptz is null or r.created_at >= $6)
             and ($7::timestamptz is null or r.created_at < $7)
             and ($8::uuid[] is null or r.id = any($8))
             and ($9::timestamptz is null or (r.created_at, r.id) < ($9, $10))
           order by r.created_at desc, r.id desc limit $11"#,
        storefront,
        filter.model,
        filter.status.map(|status| status.state().as_str()),
        filter.key.map(|key| key.0),
        filter.tag,
        filter.from,
        filter.to,
        ids.as_deref() as Option<&[Uuid]>,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

/// Which runs of a tenant at one storefront there are among these.
pub(super) async fn these(
    conn: &mut PgConnection,
    storefront: &str,
    ids: &[RunId],
) -> sqlx::Result<Vec<Listed>> {
    let filter = Filter {
        ids: Some(ids.to_vec()),
        ..Filter::default()
    };
    let all = PageRequest {
        limit: i64::try_from(ids.len()).unwrap_or(i64::MAX - 1),
        after: None,
    };
    list(conn, storefront, &filter, &all).await
}

/// The words of runs as they are kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: RunId,
    pub(super) tenant: TenantId,
    pub(super) request: Option<Value>,
    pub(super) sealed_request: Option<Vec<u8>>,
    pub(super) output: String,
    pub(super) sealed_output: Option<Vec<u8>>,
}

pub(super) async fn kept(conn: &mut PgConnection, ids: &[RunId]) -> sqlx::Result<Vec<Kept>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Kept,
        r#"select r.id as "id: RunId", r.tenant_id as "tenant: TenantId", t.request, t.sealed as "sealed_request?", r.output,
                  r.sealed_output
           from gateway.run r left join gateway.run_text t on t.run_id = r.id
           where r.tenant_id = (select auth.tenant_id()) and r.id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
}

/// The runs that began since, and those of `open`.
pub(super) async fn changing(
    conn: &mut PgConnection,
    storefront: &str,
    since: DateTime<Utc>,
    open: &[RunId],
    most: i64,
) -> sqlx::Result<Vec<Listed>> {
    let open: Vec<Uuid> = open.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        ListedRow,
        r#"select r.id as "id: RunId", r.state as "state: State", r.reason, r.route, r.model, r.door, r.created_at, r.started_at,
                  r.ended_at, r.tokens_in, r.tokens_out, r.tokens_cached, r.tokens_written, r.tokens_thought, r.cost_nano_usd,
                  r.is_cached, r.is_stored, r.text_gone_at, r.tags, r.last_event, r.key_id as "key_id: KeyId",
                  coalesce(octet_length(r.sealed_output), octet_length(r.output))::bigint
                      + coalesce(octet_length(t.sealed), pg_column_size(t.request), 0) as "bytes!"
           from gateway.run r left join gateway.run_text t on t.run_id = r.id
           where r.tenant_id = (select auth.tenant_id()) and r.storefront = $1
             and (r.created_at >= $2 or r.id = any($3) or r.ended_at is null)
           order by r.created_at desc, r.id desc limit $4"#,
        storefront,
        since,
        &open,
        most,
    )
    .fetch_all(conn)
    .await?;
    // told in the order in which they began
    Ok(rows.into_iter().rev().map(Listed::from).collect())
}

pub(super) async fn state(
    conn: &mut PgConnection,
    storefront: &str,
    id: RunId,
) -> sqlx::Result<Option<State>> {
    sqlx::query_scalar!(
        r#"select state as "state: State" from gateway.run where id = $1 and storefront = $2"#,
        id as RunId,
        storefront,
    )
    .fetch_optional(conn)
    .await
}

/// Ended runs that are meant and whose text is still here.
pub(super) async fn with_text(
    conn: &mut PgConnection,
    storefront: &str,
    filter: &Filter,
    most: i64,
) -> sqlx::Result<Vec<RunId>> {
    let ids: Option<Vec<Uuid>> = filter
        .ids
        .as_ref()
        .map(|ids| ids.iter().map(|id| id.0).collect());
    sqlx::query_scalar!(
        r#"select id as "id: RunId" from gateway.run
           where tenant_id = (select auth.tenant_id()) and storefront = $1
             and ended_at is not null and text_gone_at is null
             and ($2::text is null or route = $2)
             and ($3::text is null or state = $3)
             and ($4::timestamptz is null or created_at < $4)
             and ($5::uuid[] is null or id = any($5))
           order by created_at limit $6"#,
        storefront,
        filter.model,
        filter.status.map(|status| status.state().as_str()),
        filter.to,
        ids.as_deref() as Option<&[Uuid]>,
        most,
    )
    .fetch_all(conn)
    .await
}

pub(super) async fn forget(
    conn: &mut PgConnection,
    tenant: TenantId,
    ids: &[RunId],
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_scalar!(
        r#"select gateway.forget_texts($1, $2, $3) as "gone!""#,
        tenant as TenantId,
        &ids,
        now,
    )
    .fetch_one(conn)
    .await
}
