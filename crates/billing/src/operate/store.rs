use identity::TenantId;
use kernel::PageRequest;
use sqlx::PgConnection;

use super::{EventView, TenantSubscription};

pub(super) async fn events(
    conn: &mut PgConnection,
    state: Option<&str>,
    request: &PageRequest,
) -> sqlx::Result<Vec<EventView>> {
    sqlx::query_as!(
        EventView,
        r#"select id, type as kind, state, attempts, received_at, note as last_error, md5(id)::uuid as "place!"
           from billing.event
           where ($1::text is null or state = $1)
               and ($2::timestamptz is null or (received_at, md5(id)::uuid) < ($2, $3))
           order by received_at desc, md5(id)::uuid desc limit $4"#,
        state,
        request.after.map(|after| after.at),
        request.after.map(|after| after.id),
        request.limit + 1,
    )
    .fetch_all(conn)
    .await
}

/// With the version's id in the place of the plan's name, which is another room's to know.
pub(super) async fn subscriptions(
    conn: &mut PgConnection,
    storefront: Option<&str>,
    status: Option<&str>,
    request: &PageRequest,
) -> sqlx::Result<Vec<TenantSubscription>> {
    sqlx::query_as!(
        TenantSubscription,
        r#"select id, tenant_id as "tenant: TenantId", storefront, plan_version_id::text as "plan!", status, period_end,
                  cancel_at, created_at, md5(id)::uuid as "place!"
           from billing.subscription
           where ($1::text is null or storefront = $1) and ($2::text is null or status = $2)
               and ($3::timestamptz is null or (created_at, md5(id)::uuid) < ($3, $4))
           order by created_at desc, md5(id)::uuid desc limit $5"#,
        storefront,
        status,
        request.after.map(|after| after.at),
        request.after.map(|after| after.id),
        request.limit + 1,
    )
    .fetch_all(conn)
    .await
}
