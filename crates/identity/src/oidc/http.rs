use api::{Check, FieldErrors, Okay, PathId, Refusals, ValidJson, ValidQuery};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::Text;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Return, come_back, come_with, set_out};
use crate::{
    Error, Identity, Me, RequestMeta, Session, ceremony, cookie::Cookie, me, user::with_cookies,
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_issuers))
        .routes(routes!(get_oidc))
        .routes(routes!(post_callback))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Issuer)]
struct IssuerView {
    id: String,
    /// What its button says.
    name: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Issuers)]
struct IssuerViews {
    items: Vec<IssuerView>,
}

/// Where one may sign in beside here.
#[utoipa::path(get, path = "/auth/issuers", operation_id = "get_issuers", tag = "identity",
    responses((status = 200, body = IssuerViews), Refusals))]
async fn get_issuers(State(room): State<Identity>) -> Okay<IssuerViews> {
    let items = room
        .issuers
        .0
        .iter()
        .map(|issuer| IssuerView {
            id: issuer.config.id.clone(),
            name: issuer
                .config
                .title
                .clone()
                .unwrap_or_else(|| issuer.config.id.clone()),
        })
        .collect();
    Okay(IssuerViews { items })
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Outward {
    /// A path of ours to go on to afterwards.
    #[param(max_length = 2000)]
    next: Option<String>,
    /// `true`: prove who you are even if the issuer still knows you, as for a sensitive action.
    #[serde(default)]
    again: bool,
}

impl Check for Outward {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            self.next.as_deref().is_none_or(is_own_path),
            "?next",
            "path",
            Text::new(
                "このサイトの中のパスにしてください。",
                "Please name a path of this site.",
            ),
        );
    }
}

/// Whether a browser that goes there stays here: `//host` and `/\host` are other hosts.
fn is_own_path(path: &str) -> bool {
    path.len() <= 2000
        && path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
}

/// Sends the browser to an issuer to sign in.
#[utoipa::path(get, path = "/auth/oidc/{issuer}", operation_id = "sign_in_at_issuer", tag = "identity",
    params(("issuer" = String, Path), Outward),
    responses((status = 303, description = "To the issuer."), Refusals))]
async fn get_oidc(
    State(room): State<Identity>,
    PathId(issuer): PathId<String>,
    headers: HeaderMap,
    meta: RequestMeta,
    ValidQuery(query): ValidQuery<Outward>,
) -> Result<Response, Error> {
    let browser = room.cookie.read(Cookie::Trip, &headers).map(str::to_owned);
    let departure = set_out(&room, &issuer, query.next, query.again, browser, &meta).await?;
    let headers = [
        (header::LOCATION, departure.url),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let lifetime = ceremony::Kind::Oidc.lifetime();
    let cookie = room.cookie.set(Cookie::Trip, &departure.browser, lifetime);
    with_cookies((StatusCode::SEE_OTHER, headers).into_response(), &[cookie])
}

/// What an issuer's answer was: `code` and `state` as they came to the page, or an `id_token` that a front end got itself.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct Callback {
    #[schema(min_length = 1, max_length = 4096)]
    code: Option<String>,
    #[schema(min_length = 20, max_length = 100)]
    state: Option<String>,
    /// As it came to the page, if it did (RFC 9207).
    #[schema(max_length = 500)]
    iss: Option<String>,
    #[schema(min_length = 1, max_length = 16384)]
    id_token: Option<String>,
}

impl Check for Callback {
    fn check(&self, errors: &mut FieldErrors) {
        let (code, state) = (self.code.as_deref(), self.state.as_deref());
        errors.require(
            self.id_token.is_none() == code.is_some() && code.is_some() == state.is_some(),
            "",
            "one_of",
            Text::new(
                "code と state の組か、id_token のどちらかを送ってください。",
                "Please send either code and state, or an id_token.",
            ),
        );
        errors.length(code.unwrap_or("-"), "/code", 1, 4096);
        errors.length(state.unwrap_or("--------------------"), "/state", 20, 100);
        errors.length(self.iss.as_deref().unwrap_or_default(), "/iss", 0, 500);
        errors.length(
            self.id_token.as_deref().unwrap_or("-"),
            "/id_token",
            1,
            16_384,
        );
    }
}

/// Who came in, and where they wanted to go.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Arrived {
    #[serde(flatten)]
    me: Me,
    /// The path that the trip began with.
    #[schema(required)]
    next: Option<String>,
}

/// Signs in with what an issuer answered; the first time makes the account.
#[utoipa::path(post, path = "/auth/callback", operation_id = "sign_in_from_issuer", tag = "identity", request_body = Callback,
    responses((status = 200, body = Arrived), Refusals))]
async fn post_callback(
    State(room): State<Identity>,
    before: Option<Session>,
    headers: HeaderMap,
    meta: RequestMeta,
    ValidJson(body): ValidJson<Callback>,
) -> Result<Response, Error> {
    let arrival = if let Some(token) = &body.id_token {
        come_with(&room, token, before, &meta).await?
    } else {
        let brought = Return {
            code: body.code.as_deref().unwrap_or_default(),
            state: body.state.as_deref().unwrap_or_default(),
            iss: body.iss.as_deref(),
            browser: room.cookie.read(Cookie::Trip, &headers),
        };
        come_back(&room, &brought, before, &meta).await?
    };
    let arrived = Arrived {
        me: me(&room, &arrival.opened.session.into()).await?,
        next: arrival.next,
    };
    let cookies = arrival.opened.cookies(room.cookie);
    with_cookies(Okay(arrived).into_response(), &cookies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for (path, own) in [
            ("/", true),
            ("/account/keys?tab=1#a", true),
            ("", false),
            ("account", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("/a\r\nSet-Cookie: x=y", false),
        ] {
            assert_eq!(is_own_path(path), own, "{path}");
        }
    }
}
