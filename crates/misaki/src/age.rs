//! The gate of a bar: who said that they are of age. Pages that look like a bar ask before they open; nothing else hangs on it.

use api::{Check, FieldErrors, Okay, Refusals, ValidJson};
use axum::extract::State;
use chrono::{DateTime, Utc};
use identity::{Granted, TenantId, may};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Error, Misaki};

mod store;

pub(crate) fn router() -> OpenApiRouter<Misaki> {
    OpenApiRouter::new().routes(routes!(get_age, set_age))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Age {
    /// When the caller said that they are of age; `null` when they did not.
    #[schema(required)]
    confirmed_at: Option<DateTime<Utc>>,
}

/// Whether the caller said that they are of age. A guest's word stays with the account that they open.
#[utoipa::path(get, path = "/api/misaki/age", operation_id = "get_age", tag = "misaki",
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Age), Refusals))]
async fn get_age(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
) -> Result<Okay<Age>, Error> {
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    let confirmed_at = store::find(&mut tx, caller.principal.tenant).await?;
    tx.commit().await?;
    Ok(Okay(Age { confirmed_at }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewAge {
    /// `false` takes it back.
    of_age: bool,
}

impl Check for NewAge {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Says that the caller is of age, or takes it back.
#[utoipa::path(put, path = "/api/misaki/age", operation_id = "set_age", tag = "misaki", request_body = NewAge,
    security(("session" = []), ("api_key" = []), ("access_token" = [])), responses((status = 200, body = Age), Refusals))]
async fn set_age(
    State(room): State<Misaki>,
    caller: Granted<may::InferenceUse>,
    ValidJson(body): ValidJson<NewAge>,
) -> Result<Okay<Age>, Error> {
    let tenant = caller.principal.tenant;
    let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
    if body.of_age {
        store::insert(&mut tx, tenant, room.cx.clock.now()).await?;
    } else {
        store::delete(&mut tx, tenant).await?;
    }
    let confirmed_at = store::find(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(Okay(Age { confirmed_at }))
}

/// Forgets a tenant that goes.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::delete(conn, tenant).await
}
