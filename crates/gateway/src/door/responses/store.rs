use chrono::{DateTime, Utc};
use identity::{KeyId, TenantId};
use llm::{Message, openai::door::ResponseCard};
use seal::Vault;
use sqlx::{PgConnection, types::Json};

use crate::{
    Error, RunId,
    run::{Part, Place},
};

/// What is kept of a request for a response.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) model: String,
    pub(super) card: ResponseCard,
    pub(super) created_at: DateTime<Utc>,
    /// What was said up to the answer, where that may be kept.
    pub(super) conversation: Option<Vec<Message>>,
}

/// Keeps it; the first that is kept for a run stays. The rule of the key or the tenant says whether texts are kept.
pub(super) async fn insert(
    conn: &mut PgConnection,
    vault: &Vault,
    (tenant, key): (TenantId, Option<KeyId>),
    run: RunId,
    kept: &Kept,
) -> Result<(), Error> {
    let place = |part| Place::new(tenant, run, part);
    let conversation = kept.conversation.as_ref();
    let conversation = conversation.map(|said| place(Part::Conversation).seal_json(vault, said));
    sqlx::query!(
        "insert into gateway.response (run_id, tenant_id, model, sealed_card, created_at, sealed_conversation)
         values ($1, $2, $3, $4, $5, case when gateway.keeps_texts($2, $7) then $6::bytea end)
         on conflict (run_id) do nothing",
        run as RunId,
        tenant as TenantId,
        kept.model,
        place(Part::Card).seal_json(vault, &kept.card)?,
        kept.created_at,
        conversation.transpose()?,
        key.map(|key| key.0),
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn find(
    conn: &mut PgConnection,
    vault: &Vault,
    run: RunId,
) -> Result<Option<Kept>, Error> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant: TenantId", model, card as "card: Json<ResponseCard>", sealed_card, created_at,
                  conversation as "conversation: Json<Vec<Message>>", sealed_conversation
           from gateway.response where run_id = $1"#,
        run as RunId,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let place = |part| Place::new(row.tenant, run, part);
    let card = match (row.sealed_card, row.card) {
        (Some(sealed), _) => place(Part::Card).open_json(vault, &sealed)?,
        (None, Some(Json(card))) => card,
        (None, None) => return Ok(None),
    };
    let conversation = match row.sealed_conversation {
        Some(sealed) => Some(place(Part::Conversation).open_json(vault, &sealed)?),
        None => row.conversation.map(|Json(said)| said),
    };
    Ok(Some(Kept {
        model: row.model,
        card,
        created_at: row.created_at,
        conversation,
    }))
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
