use chrono::{DateTime, Utc};
use identity::TenantId;
use kernel::PageRequest;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{AttemptView, DeliveryId, DeliveryState, DeliveryView, Due};
use crate::{EventId, HookId, OffReason, dial::Tried};

/// A delivery that waits, with everything that it takes to send it.
pub(super) async fn due(
    conn: &mut PgConnection,
    id: DeliveryId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        r#"select e.id as "event: EventId", e.type as event_type, e.payload, e.created_at as happened_at,
                  p.id as "endpoint: HookId", coalesce(d.url, p.url) as "url!", d.url is not null as "is_of_run!", p.secret,
                  case when p.old_until > $2 then p.old_secret end as old_secret, p.off_reason is not null as "off!"
           from hooks.delivery d join hooks.event e on e.id = d.event_id join hooks.endpoint p on p.id = d.endpoint_id
           where d.id = $1 and d.state = 'waiting'"#,
        id as DeliveryId,
        now,
    )
    .fetch_optional(conn)
    .await
}

/// Writes down a try under the delivery's next number.
pub(super) async fn tried(
    conn: &mut PgConnection,
    id: DeliveryId,
    tried: &Tried,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hooks.attempt (delivery_id, number, tenant_id, at, milliseconds, status, error, answer)
         select id, attempts + 1, tenant_id, $2, $3, $4, $5, $6 from hooks.delivery where id = $1",
        id as DeliveryId,
        at,
        i32::try_from(tried.took.as_millis()).unwrap_or(i32::MAX),
        tried.status.map(i32::from),
        tried.error,
        tried.answer,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn end(
    conn: &mut PgConnection,
    id: DeliveryId,
    state: DeliveryState,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update hooks.delivery
         set attempts = attempts + 1, state = $2, closed_at = case when $2 <> 'waiting' then $3::timestamptz end
         where id = $1",
        id as DeliveryId,
        state.as_str(),
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn works(conn: &mut PgConnection, endpoint: HookId) -> sqlx::Result<()> {
    sqlx::query!(
        "update hooks.endpoint set failing_since = null where id = $1 and failing_since is not null",
        endpoint as HookId,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Notes that a try failed; since when all do.
pub(super) async fn fails(
    conn: &mut PgConnection,
    endpoint: HookId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let since = sqlx::query_scalar!(
        "update hooks.endpoint set failing_since = coalesce(failing_since, $2) where id = $1 returning failing_since",
        endpoint as HookId,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(since.flatten())
}

pub(super) async fn switch_off(
    conn: &mut PgConnection,
    endpoint: HookId,
    reason: OffReason,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update hooks.endpoint set off_reason = $2 where id = $1 and off_reason is null",
        endpoint as HookId,
        reason.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn has_endpoint(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from hooks.endpoint where tenant_id = $1 and id = $2) as "is_there!""#,
        tenant as TenantId,
        id as HookId,
    )
    .fetch_one(conn)
    .await
}

/// A delivery with its tries.
struct Row {
    id: DeliveryId,
    event: EventId,
    event_type: String,
    url: Option<String>,
    state: String,
    created_at: DateTime<Utc>,
    attempts: Json<Vec<AttemptView>>,
}

impl From<Row> for DeliveryView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            event: row.event,
            event_type: row.event_type,
            url: row.url,
            state: DeliveryState::from_stored(&row.state),
            created_at: row.created_at,
            attempts: row.attempts.0,
        }
    }
}

pub(super) async fn list(
    conn: &mut PgConnection,
    tenant: TenantId,
    hook: HookId,
    request: &PageRequest,
) -> sqlx::Result<Vec<DeliveryView>> {
    let after = request.after;
    let rows = sqlx::query_as!(
        Row,
        r#"select d.id as "id: DeliveryId", e.id as "event: EventId", e.type as event_type, d.url, d.state, d.created_at,
                  coalesce((select jsonb_agg(jsonb_build_object('number', a.number, 'at', a.at, 'milliseconds', a.milliseconds,
                      'status', a.status, 'error', a.error, 'answer', a.answer) order by a.number)
                   from hooks.attempt a where a.delivery_id = d.id), '[]') as "attempts!: Json<Vec<AttemptView>>"
           from hooks.delivery d join hooks.event e on e.id = d.event_id
           where d.tenant_id = $1 and d.endpoint_id = $2
             and ($3::timestamptz is null or (d.created_at, d.id) < ($3, $4))
           order by d.created_at desc, d.id desc
           limit $5"#,
        tenant as TenantId,
        hook as HookId,
        after.map(|cursor| cursor.at),
        after.map(|cursor| cursor.id),
        request.limit + 1,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(DeliveryView::from).collect())
}

pub(super) async fn of_run(
    conn: &mut PgConnection,
    tenant: TenantId,
    run: Uuid,
) -> sqlx::Result<Vec<DeliveryView>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select d.id as "id: DeliveryId", e.id as "event: EventId", e.type as event_type, d.url, d.state, d.created_at,
                  coalesce((select jsonb_agg(jsonb_build_object('number', a.number, 'at', a.at, 'milliseconds', a.milliseconds,
                      'status', a.status, 'error', a.error, 'answer', a.answer) order by a.number)
                   from hooks.attempt a where a.delivery_id = d.id), '[]') as "attempts!: Json<Vec<AttemptView>>"
           from hooks.delivery d join hooks.event e on e.id = d.event_id
           where d.tenant_id = $1 and d.run_id = $2 order by d.created_at desc, d.id desc limit 10"#,
        tenant as TenantId,
        run,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(DeliveryView::from).collect())
}

/// A delivery's state, and whether its endpoint is off; locked until the transaction ends.
pub(super) async fn standing(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: DeliveryId,
) -> sqlx::Result<Option<(String, bool)>> {
    sqlx::query!(
        r#"select d.state, p.off_reason is not null as "off!"
           from hooks.delivery d join hooks.endpoint p on p.id = d.endpoint_id
           where d.tenant_id = $1 and d.id = $2 for update of d"#,
        tenant as TenantId,
        id as DeliveryId,
    )
    .map(|row| (row.state, row.off))
    .fetch_optional(conn)
    .await
}

/// Deliveries that wait, in the order of their ids, locked until the transaction ends; those that others work on are passed
/// over.
pub(super) async fn waiting_after(
    conn: &mut PgConnection,
    after: DeliveryId,
    most: i64,
) -> sqlx::Result<Vec<DeliveryId>> {
    sqlx::query_scalar!(
        r#"select id as "id: DeliveryId" from hooks.delivery where state = 'waiting' and id > $1
           order by id limit $2 for update skip locked"#,
        after as DeliveryId,
        most,
    )
    .fetch_all(conn)
    .await
}

/// Ends deliveries without another try.
pub(super) async fn give_up(
    conn: &mut PgConnection,
    ids: &[DeliveryId],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update hooks.delivery set state = 'dead', closed_at = $2 where id = any($1)",
        &ids,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn reopen(conn: &mut PgConnection, id: DeliveryId) -> sqlx::Result<()> {
    sqlx::query!(
        "update hooks.delivery set state = 'waiting', closed_at = null where id = $1",
        id as DeliveryId,
    )
    .execute(conn)
    .await
    .map(drop)
}
