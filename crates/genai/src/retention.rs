use api::{Check, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::extract::State;
use gateway::retention::{self, Keep, Retention, Rule};
use identity::{Granted, KeyId, RequestMeta, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Error, Genai};

const MOST_DAYS: i32 = 3_650;

pub(crate) fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new()
        .routes(routes!(get_retention, set_retention))
        .routes(routes!(set_key_retention, delete_key_retention))
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
struct NewRule {
    keep: Keep,
    /// With `days`, how many; without it nothing.
    #[schema(minimum = 1, maximum = 3650)]
    days: Option<i32>,
}

impl Check for NewRule {
    fn check(&self, errors: &mut FieldErrors) {
        let is_good = match self.days {
            Some(days) => self.keep == Keep::Days && (1..=MOST_DAYS).contains(&days),
            None => self.keep != Keep::Days,
        };
        errors.require(
            is_good,
            "/days",
            "range",
            Text::new(
                "daysのときだけ、1〜3650日を指定してください。",
                "Please say 1 to 3650 days with \"days\", and none otherwise.",
            ),
        );
    }
}

impl From<NewRule> for Rule {
    fn from(new: NewRule) -> Self {
        Self {
            keep: new.keep,
            days: new.days,
        }
    }
}

/// Tells how long what is asked and answered is kept.
#[utoipa::path(get, path = "/genai/retention", operation_id = "get_retention", tag = "genai",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Retention), Refusals))]
async fn get_retention(
    State(room): State<Genai>,
    caller: Granted<may::UsageRead>,
) -> Result<Okay<Retention>, Error> {
    Ok(Okay(retention::get(&room.gateway, caller.principal).await?))
}

/// Says how long what is asked and answered is kept, also of what is there already.
#[utoipa::path(put, path = "/genai/retention", operation_id = "set_retention", tag = "genai", request_body = NewRule,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Retention), Refusals))]
async fn set_retention(
    State(room): State<Genai>,
    caller: Granted<may::TenantManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewRule>,
) -> Result<Okay<Retention>, Error> {
    let rule = body.into();
    Ok(Okay(
        retention::set(&room.gateway, caller.principal, None, rule, &meta).await?,
    ))
}

/// Makes a rule for what one API key asks, which goes before the tenant's.
#[utoipa::path(put, path = "/genai/retention/{key}", operation_id = "set_key_retention", tag = "genai",
    params(("key" = KeyId, Path)), request_body = NewRule,
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Retention), Refusals))]
async fn set_key_retention(
    State(room): State<Genai>,
    caller: Granted<may::KeysManage>,
    PathId(key): PathId<KeyId>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewRule>,
) -> Result<Okay<Retention>, Error> {
    let rule = body.into();
    Ok(Okay(
        retention::set(&room.gateway, caller.principal, Some(key), rule, &meta).await?,
    ))
}

/// Takes back a key's rule, so that its tenant's holds.
#[utoipa::path(delete, path = "/genai/retention/{key}", operation_id = "delete_key_retention", tag = "genai",
    params(("key" = KeyId, Path)), security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 204, description = "The tenant's rule holds."), Refusals))]
async fn delete_key_retention(
    State(room): State<Genai>,
    caller: Granted<may::KeysManage>,
    PathId(key): PathId<KeyId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    retention::take_back(&room.gateway, caller.principal, key, &meta).await?;
    Ok(NoContent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_with_days_alone() {
        let is_good = |keep, days| {
            let mut errors = FieldErrors::default();
            NewRule { keep, days }.check(&mut errors);
            format!("{errors:?}") == format!("{:?}", FieldErrors::default())
        };
        assert!(is_good(Keep::Days, Some(1)) && is_good(Keep::Days, Some(3650)));
        assert!(is_good(Keep::None, None) && is_good(Keep::Always, None));
        for (keep, days) in [
            (Keep::Days, None),
            (Keep::Days, Some(0)),
            (Keep::Days, Some(3651)),
            (Keep::None, Some(1)),
        ] {
            assert!(!is_good(keep, days), "{keep:?} {days:?}");
        }
    }
}
