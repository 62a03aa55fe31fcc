use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::{extract::State, http::StatusCode, response::Response};
use kernel::Text;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Child, Family, NewChild, add, change, enter, pin, remove, show};
use crate::{
    Error, Granted, Identity, Me, Proven, RequestMeta, Session, UserId, may, sign_in::check_pin,
    tenant::check_name, user::entered,
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_family))
        .routes(routes!(add_child))
        .routes(routes!(update_child, remove_child))
        .routes(routes!(enter_as_child))
}

/// The family that the caller acts for. Children see no addresses.
#[utoipa::path(get, path = "/family", operation_id = "get_family", tag = "identity",
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Family), Refusals))]
async fn get_family(
    State(room): State<Identity>,
    caller: Granted<may::MembersRead>,
) -> Result<Okay<Family>, Error> {
    Ok(Okay(show(&room.cx, &caller).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct AddChild {
    /// What the child signs in with; width and case don't matter.
    #[schema(min_length = 1, max_length = 30)]
    name: String,
    #[schema(min_length = 1, max_length = 50)]
    display_name: String,
    #[schema(minimum = 1990, maximum = 2100)]
    birth_year: Option<i16>,
    /// Six digits that are not the first to be tried.
    #[schema(value_type = String, pattern = "^[0-9]{6}$")]
    pin: SecretString,
    /// That the guardian agrees to an account for the child.
    consent: bool,
}

impl Check for AddChild {
    fn check(&self, errors: &mut FieldErrors) {
        check_name(&self.name, "/name", 30, errors);
        check_name(&self.display_name, "/display_name", 50, errors);
        errors.require(
            self.birth_year
                .is_none_or(|year| (1990..=2100).contains(&year)),
            "/birth_year",
            "range",
            Text::new(
                "西暦4桁で入力してください。",
                "Please use a year of four digits.",
            ),
        );
        check_new_pin(&self.pin, errors);
        errors.require(
            self.consent,
            "/consent",
            "consent",
            Text::new(
                "お子さまのアカウントには保護者の同意が必要です。",
                "A guardian has to agree to a child's account.",
            ),
        );
    }
}

/// Makes an account for a child of the family, which the guardian agrees to.
#[utoipa::path(post, path = "/family/children", operation_id = "add_child", tag = "identity", request_body = AddChild,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = Child), Refusals))]
async fn add_child(
    State(room): State<Identity>,
    caller: Proven<may::ChildrenManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<AddChild>,
) -> Result<Created<Child>, Error> {
    let new = NewChild {
        name: body.name.trim().to_owned(),
        display_name: body.display_name.trim().to_owned(),
        birth_year: body.birth_year,
        pin: body.pin,
    };
    Ok(Created(add(&room, &caller, new, &meta).await?))
}

/// What is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct UpdateChild {
    #[schema(min_length = 1, max_length = 50)]
    display_name: Option<String>,
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6}$")]
    pin: Option<SecretString>,
}

impl Check for UpdateChild {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(name) = &self.display_name {
            check_name(name, "/display_name", 50, errors);
        }
        if let Some(pin) = &self.pin {
            check_new_pin(pin, errors);
        }
    }
}

/// Changes what a child is called, or its PIN, which ends the child's sessions.
#[utoipa::path(patch, path = "/family/children/{user}", operation_id = "update_child", tag = "identity", request_body = UpdateChild,
    params(("user" = UserId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 200, body = Child), Refusals))]
async fn update_child(
    State(room): State<Identity>,
    caller: Proven<may::ChildrenManage>,
    PathId(user): PathId<UserId>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<UpdateChild>,
) -> Result<Okay<Child>, Error> {
    let name = body.display_name.as_deref().map(str::trim);
    let child = change(&room, &caller, user, name, body.pin, &meta).await?;
    Ok(Okay(child))
}

/// Ends a child's account, with all that says who it was.
#[utoipa::path(delete, path = "/family/children/{user}", operation_id = "remove_child", tag = "identity",
    params(("user" = UserId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204, description = "The account is gone."), Refusals))]
async fn remove_child(
    State(room): State<Identity>,
    caller: Proven<may::ChildrenManage>,
    PathId(user): PathId<UserId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    remove(&room, &caller, user, &meta).await?;
    Ok(NoContent)
}

/// Hands this browser to a child: the guardian's session ends and the child's begins.
#[utoipa::path(post, path = "/family/children/{user}/enter", operation_id = "enter_as_child", tag = "identity",
    params(("user" = UserId, Path)), security(("session" = [])), responses((status = 200, body = Me), Refusals))]
async fn enter_as_child(
    State(room): State<Identity>,
    session: Session,
    caller: Granted<may::ChildrenManage>,
    PathId(user): PathId<UserId>,
    meta: RequestMeta,
) -> Result<Response, Error> {
    let opened = enter(&room, &caller, session, user, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

fn check_new_pin(new: &SecretString, errors: &mut FieldErrors) {
    check_pin(new, errors);
    errors.require(
        !pin::is_trivial(new.expose_secret()),
        "/pin",
        "weak_pin",
        Text::new(
            "推測されやすい番号です。並びや繰り返しのないものにしてください。",
            "This would be guessed soon. Please avoid runs and repeats.",
        ),
    );
}
