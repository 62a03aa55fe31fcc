use std::collections::BTreeMap;

use utoipa::{
    OpenApi as _,
    openapi::{
        ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
        response::Response,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{FieldError, ProblemBody, SuggestedTopUp, Suggestion};

/// The answers that every operation may give instead of its own: problem+json.
#[derive(Debug)]
pub struct Refusals;

impl utoipa::IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            ResponseBuilder::new()
                .description(description)
                .content(
                    "application/problem+json",
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                )
                .build()
                .into()
        };
        BTreeMap::from([
            (
                "4XX".to_owned(),
                problem("The request is refused; `code` says why."),
            ),
            (
                "5XX".to_owned(),
                problem("We failed; trying again may help."),
            ),
        ])
    }
}

/// What [`Refusals`] refers to.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ProblemBody, FieldError, Suggestion, SuggestedTopUp, kernel::Text)))]
struct Shared;

/// The OpenAPI document before any room adds its routes.
pub fn base_document(version: &str) -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Noren")
                .version(version)
                .description(Some(
                    "One counter for several subscription services: identity, plans, ledger, inference. JSON may be sent with \
                     Content-Encoding gzip, deflate, br or zstd; limits count for what it unfolds to.",
                ))
                .build(),
        )
        .build();
    document.merge(Shared::openapi());
    let components = document.components.get_or_insert_with(Default::default);
    let cookie = ApiKeyValue::with_description(
        "noren_session",
        "The browser's session; __Host-noren_session behind https.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "The five-minute inference token of GET /billing/plan.",
        ))
        .build();
    components.add_security_scheme("inference_token", SecurityScheme::Http(bearer));
    let access = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "An access token of POST /auth/token or POST /oauth/token, or an ID token of a configured issuer.",
        ))
        .build();
    components.add_security_scheme("access_token", SecurityScheme::Http(access));
    let key = ApiKeyValue::with_description(
        "X-API-Key",
        "An API key; Authorization: Bearer takes it too.",
    );
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    document
}
