use std::future::Future;

use api::Refusals;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use billing::Billing;
use bytes::Bytes;
use chrono::Duration;
use db::Scope;
use futures::{StreamExt, stream};
use identity::{Caller, Granted, Identity, Leaver, may};
use jobs::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::house::House;

/// How many are looked for at once.
const BATCH: i64 = 100;

/// What a person takes along, and what becomes of what they leave. Every room that keeps something of a person's is named
/// here, twice.
pub(crate) fn router() -> OpenApiRouter<House> {
    OpenApiRouter::new().routes(routes!(export_account))
}

/// Everything that the house keeps of the caller and of the tenant that they act for, as one JSON file.
#[utoipa::path(get, path = "/account/export", operation_id = "export_account", tag = "identity",
    security(("session" = []), ("access_token" = [])),
    responses((status = 200, description = "One JSON object with a member for each room.", body = Object), Refusals))]
async fn export_account(
    State(house): State<House>,
    caller: Granted<may::ProfileManage>,
) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"noren-export.json\""),
        ),
    ];
    (headers, Body::from_stream(parts(&house, &caller))).into_response()
}

/// The file's members one after the other, so that never more than one room's is in memory.
fn parts(
    house: &House,
    caller: &Caller,
) -> impl stream::Stream<Item = anyhow::Result<Bytes>> + use<> {
    let by = caller.principal;
    let account = {
        let (room, caller) = (house.identity.clone(), caller.clone());
        member(
            "account",
            async move { identity::export(&room, &caller).await },
        )
    };
    let usage = {
        let room = house.entitlement.clone();
        member("usage", async move {
            entitlement::export_usage(&room, by).await
        })
    };
    let ledger = {
        let room = house.ledger.clone();
        member("ledger", async move { ledger::export(&room, by).await })
    };
    let billing = {
        let room = house.billing.clone();
        member("billing", async move { billing::export(&room, by).await })
    };
    let misaki = {
        let room = house.misaki.clone();
        member("misaki", async move { misaki::export(&room, by).await })
    };
    let genai = {
        let room = house.genai.clone();
        member("genai", async move { genai::export(&room, by).await })
    };
    let told = {
        let room = house.hooks.clone();
        member("hooks", async move { hooks::export(&room, by).await })
    };
    let head = json!({ "made_at": house.identity.cx.clock.now(), "house": "Noren" }).to_string();
    let head = head.trim_end_matches('}').to_owned();
    stream::iter([Ok(Bytes::from(head))])
        .chain(account)
        .chain(usage)
        .chain(ledger)
        .chain(billing)
        .chain(misaki)
        .chain(genai)
        .chain(told)
        .chain(stream::iter([Ok(Bytes::from_static(b"}\n"))]))
}

fn member<T, E>(
    name: &'static str,
    read: impl Future<Output = Result<T, E>> + Send + 'static,
) -> stream::BoxStream<'static, anyhow::Result<Bytes>>
where
    T: Serialize,
    E: std::error::Error + Send + Sync + 'static,
{
    let text = async move {
        let value = serde_json::to_string(&read.await?)?;
        Ok(Bytes::from(format!(",\"{name}\":{value}")))
    };
    stream::once(text).boxed()
}

/// Sees off those whose account's time has come: what they pay for ends at Stripe, then the storefronts and the gateway forget what they said, then identity
/// forgets who they were; all of it in one transaction each.
pub(crate) async fn see_off(house: &House, most: i64) -> anyhow::Result<()> {
    for leaver in identity::leavers(&house.identity.cx, most).await? {
        // one whose subscription can't be ended now goes in a later round, and keeps nobody else
        if let Err(error) = see_off_one(house, &leaver).await {
            tracing::warn!(%error, user = %leaver.user, "an account can't be deleted yet");
            continue;
        }
        tracing::info!(user = %leaver.user, "an account is deleted");
    }
    Ok(())
}

/// The rooms that keep something of a person's, and how long what was begun and left is kept.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    pub(crate) identity: Identity,
    pub(crate) billing: Billing,
    /// None: for ever.
    pub(crate) unconfirmed: Option<Duration>,
    pub(crate) guests: Option<Duration>,
}

/// Removes accounts whose address nobody ever confirmed, and guests who do not come back. What the books refer to stays.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClearIdle {}

impl Job for ClearIdle {
    const NAME: &'static str = "house.clear_idle";
    const LIMIT: std::time::Duration = std::time::Duration::from_mins(30);
    type Room = Idle;

    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }

    async fn run(&self, room: &Idle, _: &Attempt) -> Result<(), JobError> {
        let (accounts, guests) = room
            .clear()
            .await
            .map_err(|error| JobError::Retry(format!("{error:#}")))?;
        if accounts + guests > 0 {
            tracing::info!(accounts, guests, "what was begun and left is cleared away");
        }
        Ok(())
    }
}

impl Idle {
    async fn clear(&self) -> anyhow::Result<(u64, u64)> {
        let cx = &self.identity.cx;
        let (mut accounts, mut guests) = (0, 0);
        if let Some(kept) = self.unconfirmed {
            let (since, mut after) = (cx.clock.now() - kept, None);
            loop {
                let found = identity::unconfirmed(cx, since, after, BATCH).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.user);
                for leaver in &found {
                    if !self.pays(leaver).await? {
                        forget(&self.identity, leaver).await?;
                        accounts += 1;
                    }
                }
            }
        }
        if let Some(kept) = self.guests {
            let since = cx.clock.now() - kept;
            loop {
                let found = identity::idle_guests(cx, since, BATCH).await?;
                let before = guests;
                for tenant in found {
                    let mut tx = cx.db.begin(Scope::House("a guest is forgotten")).await?;
                    misaki::forget(&mut tx, tenant).await?;
                    genai::forget(&mut tx, tenant).await?;
                    gateway::forget(&mut tx, tenant).await?;
                    if identity::forget_guest(&mut tx, &self.identity, tenant, since).await? {
                        tx.commit().await?;
                        guests += 1;
                    }
                }
                if guests == before {
                    break;
                }
            }
        }
        Ok((accounts, guests))
    }

    async fn pays(&self, leaver: &Leaver) -> anyhow::Result<bool> {
        for tenant in &leaver.tenants {
            if billing::pays(&self.billing, *tenant).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn see_off_one(house: &House, leaver: &Leaver) -> anyhow::Result<()> {
    // before the transaction, since Stripe is asked; what was ended stays so if the rest has to be tried again
    for tenant in &leaver.tenants {
        billing::see_off(&house.billing, *tenant).await?;
    }
    forget(&house.identity, leaver).await
}

async fn forget(room: &Identity, leaver: &Leaver) -> anyhow::Result<()> {
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("an account is deleted"))
        .await?;
    for tenant in &leaver.tenants {
        misaki::forget(&mut tx, *tenant).await?;
        genai::forget(&mut tx, *tenant).await?;
        gateway::forget(&mut tx, *tenant).await?;
        hooks::forget(&mut tx, *tenant).await?;
    }
    genai::forget_person(&mut tx, leaver.user).await?;
    identity::forget(&mut tx, room, leaver).await?;
    tx.commit().await?;
    Ok(())
}
