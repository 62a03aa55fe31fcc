use api::{Check, Created, FieldErrors, Okay, Refusals, ValidJson};
use axum::extract::{Path, State};
use identity::{Caller, Granted, RequestMeta, may};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    LONGEST_NOTE, ModelVersion, ModelsDiff, NewModels, apply_models, change_canary, diff_models,
    model_text, model_versions, roll_back_models,
};
use crate::{
    Error, Gateway, Operator,
    models::{self, ModelDesk},
};

/// The account listener's routes.
pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(get_model_desk))
        .routes(routes!(list_model_versions, apply_model_version))
        .routes(routes!(get_model_version))
        .routes(routes!(check_models))
        .routes(routes!(roll_back_model_version))
        .routes(routes!(change_model_canary))
}

/// The models in force with what stands behind them, how targets and providers answer, over all nodes, and what shadows found.
#[utoipa::path(get, path = "/admin/models", operation_id = "get_model_desk", tag = "admin",
    security(("session" = [])), responses((status = 200, body = ModelDesk), Refusals))]
async fn get_model_desk(
    State(room): State<Gateway>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<ModelDesk>, Error> {
    Ok(Okay(models::desk(&room).await?))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ModelVersions {
    items: Vec<ModelVersion>,
}

/// Versions of the models' file, the newest first: the first is in force. The last, number 0, is the file of the settings.
#[utoipa::path(get, path = "/admin/models/versions", operation_id = "list_model_versions", tag = "admin",
    security(("session" = [])), responses((status = 200, body = ModelVersions), Refusals))]
async fn list_model_versions(
    State(room): State<Gateway>,
    _: Granted<may::HouseOperate>,
) -> Result<Okay<ModelVersions>, Error> {
    let items = model_versions(&room.cx, &room.of_settings()?).await?;
    Ok(Okay(ModelVersions { items }))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ModelVersionText {
    version: i32,
    /// In TOML, as it was written.
    text: String,
}

/// The text of one version.
#[utoipa::path(get, path = "/admin/models/versions/{version}", operation_id = "get_model_version", tag = "admin",
    params(("version" = i32, Path, description = "Its number; 0 is the file of the settings.")),
    security(("session" = [])), responses((status = 200, body = ModelVersionText), Refusals))]
async fn get_model_version(
    State(room): State<Gateway>,
    _: Granted<may::HouseOperate>,
    Path(version): Path<String>,
) -> Result<Okay<ModelVersionText>, Error> {
    let version = version.parse().map_err(|_| Error::ModelsVersionNotFound)?;
    let (version, text) = model_text(&room.cx, &room.of_settings()?, Some(version)).await?;
    Ok(Okay(ModelVersionText { version, text }))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ModelsText {
    /// In TOML, as `gateway.models_file` has it.
    #[schema(max_length = 262_144)]
    text: String,
}

impl Check for ModelsText {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Checks a text whole and says what it would change. Changes nothing.
#[utoipa::path(post, path = "/admin/models/check", operation_id = "check_models", tag = "admin", request_body = ModelsText,
    security(("session" = [])), responses((status = 200, body = ModelsDiff), Refusals))]
async fn check_models(
    State(room): State<Gateway>,
    _: Granted<may::HouseOperate>,
    ValidJson(body): ValidJson<ModelsText>,
) -> Result<Okay<ModelsDiff>, Error> {
    let catalogue = room.entitlement.catalogue.now();
    let diff = diff_models(&room.cx, &room.of_settings()?, &catalogue, &body.text).await?;
    Ok(Okay(diff))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewModelVersion {
    /// In TOML, as `gateway.models_file` has it.
    #[schema(max_length = 262_144)]
    text: String,
    #[schema(max_length = 200)]
    note: Option<String>,
    /// The version that it was made from; refused when another is in force by now.
    seen: i32,
}

impl Check for NewModelVersion {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(note) = &self.note {
            errors.length(note, "/note", 0, LONGEST_NOTE);
        }
    }
}

/// Puts a text in force as the next version. All nodes follow within a few seconds; runs under way go on with what they began with.
#[utoipa::path(post, path = "/admin/models/versions", operation_id = "apply_model_version", tag = "admin", request_body = NewModelVersion,
    security(("session" = [])), responses((status = 201, body = ModelVersion), Refusals))]
async fn apply_model_version(
    State(room): State<Gateway>,
    caller: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewModelVersion>,
) -> Result<Created<ModelVersion>, Error> {
    let note = body.note.as_deref().map(str::trim);
    let new = NewModels {
        text: &body.text,
        note: note.filter(|note| !note.is_empty()),
        seen: Some(body.seen),
    };
    let by = operator(&caller, &meta);
    let applied = apply_models(&room.cx, &room.of_settings()?, by, new).await?;
    follow(&room).await;
    Ok(Created(applied))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ToModelVersion {
    /// Its number; 0 is the file of the settings.
    version: i32,
}

impl Check for ToModelVersion {
    fn check(&self, _: &mut FieldErrors) {}
}

/// Puts a version of before in force again, as the next one.
#[utoipa::path(post, path = "/admin/models/rollback", operation_id = "roll_back_models", tag = "admin", request_body = ToModelVersion,
    security(("session" = [])), responses((status = 201, body = ModelVersion), Refusals))]
async fn roll_back_model_version(
    State(room): State<Gateway>,
    caller: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<ToModelVersion>,
) -> Result<Created<ModelVersion>, Error> {
    let by = operator(&caller, &meta);
    let applied = roll_back_models(&room.cx, &room.of_settings()?, by, body.version).await?;
    follow(&room).await;
    Ok(Created(applied))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct CanaryShare {
    #[schema(max_length = 80)]
    model: String,
    /// Of a hundred calls; 0 takes the canary back.
    #[schema(minimum = 0, maximum = 100)]
    percent: u32,
    /// The version in force as it was seen; refused when another is by now.
    seen: i32,
}

impl Check for CanaryShare {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.model, "/model", 1, 80);
        errors.require(
            self.percent <= 100,
            "/percent",
            "out_of_range",
            Text::new(
                "0〜100の数にしてください。",
                "It has to be between 0 and 100.",
            ),
        );
    }
}

/// Gives the canary of a model another share of its calls, as the next version; nothing else of the file changes.
#[utoipa::path(post, path = "/admin/models/canary", operation_id = "change_model_canary", tag = "admin", request_body = CanaryShare,
    security(("session" = [])), responses((status = 201, body = ModelVersion), Refusals))]
async fn change_model_canary(
    State(room): State<Gateway>,
    caller: Granted<may::HouseOperate>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<CanaryShare>,
) -> Result<Created<ModelVersion>, Error> {
    let by = operator(&caller, &meta);
    let share = (body.model.as_str(), body.percent, body.seen);
    let applied = change_canary(&room.cx, &room.of_settings()?, by, share).await?;
    follow(&room).await;
    Ok(Created(applied))
}

/// This process need not wait for its next look; where it can't look now, it will.
async fn follow(room: &Gateway) {
    if let Err(error) = room.refresh_routes().await {
        tracing::warn!(%error, "the models just applied are taken up a little later");
    }
}

fn operator<'a>(caller: &Caller, meta: &'a RequestMeta) -> Operator<'a> {
    Operator {
        principal: Some(caller.principal),
        meta,
    }
}
