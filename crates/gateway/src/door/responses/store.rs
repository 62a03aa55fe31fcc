use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use llm::{Message, openai::door::ResponseCard};
use sqlx::{PgConnection, types::Json};

use crate::RunId;

/// What is kept of a request for a response.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) model: String,
    pub(super) card: Json<ResponseCard>,
    pub(super) created_at: DateTime<Utc>,
    /// What was said up to the answer, where that may be kept.
    pub(super) conversation: Option<Json<Vec<Message>>>,
}

/// Keeps it; the first that is kept for a run stays. The rule of the key or the tenant says whether texts are kept.
pub(super) async fn insert(
    conn: &mut PgConnection,
    (tenant, key): (TenantId, Option<KeyId>),
    run: RunId,
    kept: &Kept,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into gateway.response (run_id, tenant_id, model, card, created_at, conversation)
         values ($1, $2, $3, $4, $5, case when gateway.keeps_texts($2, $7) then $6::jsonb end)
         on conflict (run_id) do nothing",
        run as RunId,
        tenant as TenantId,
        kept.model,
        &kept.card as &Json<ResponseCard>,
        kept.created_at,
        kept.conversation.as_ref() as Option<&Json<Vec<Message>>>,
        key.map(|key| key.0),
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(super) async fn find(conn: &mut PgConnection, run: RunId) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"select model, card as "card: Json<ResponseCard>", created_at, conversation as "conversation: Json<Vec<Message>>" from gateway.response where run_id = $1"#,
        run as RunId,
    )
    .fetch_optional(conn)
    .await
}

/// Removes it with what its run said.
pub(super) async fn delete(conn: &mut PgConnection, run: RunId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.response where run_id = $1",
        run as RunId
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("select gateway.forget_runs(array[$1::uuid])", run as RunId)
        .execute(conn)
        .await
        .map(drop)
}

pub(super) async fn delete_all(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from gateway.response where tenant_id = $1",
        tenant as TenantId
    )
    .execute(conn)
    .await
    .map(drop)
}
