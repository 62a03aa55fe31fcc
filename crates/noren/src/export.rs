//! What a person takes along. Every room that keeps something of a person's is named here, and again where what they leave is
//! forgotten.

use std::future::Future;

use api::Refusals;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use identity::{Caller, Granted, may};
use serde::Serialize;
use serde_json::json;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::house::House;

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
