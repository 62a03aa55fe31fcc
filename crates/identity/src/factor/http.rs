use api::{Check, Created, FieldErrors, NoContent, Okay, PathId, Refusals, ValidJson};
use axum::{extract::State, http::StatusCode, response::Response};
use kernel::Text;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::{
    View,
    authenticator::{self, TotpSetup},
    passkey, recovery,
    step_up::{Brought, step_up},
    view,
};
use crate::{
    Error, Granted, Identity, Me, PasskeyId, Proven, RequestMeta, Session, may,
    sign_in::sign_in_with_passkey, user::entered,
};

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(get_factors))
        .routes(routes!(post_totp, delete_totp))
        .routes(routes!(post_totp_confirm))
        .routes(routes!(post_recovery_codes))
        .routes(routes!(post_new_passkey_options))
        .routes(routes!(post_new_passkey))
        .routes(routes!(delete_passkey))
        .routes(routes!(post_passkey_options))
        .routes(routes!(post_passkey_login))
        .routes(routes!(post_step_up))
}

/// What the user has set up to sign in with.
#[utoipa::path(get, path = "/auth/factors", operation_id = "get_factors", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = View), Refusals))]
async fn get_factors(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
) -> Result<Okay<View>, Error> {
    Ok(Okay(view(&room.cx, &caller).await?))
}

/// Begins to set up an authenticator (RFC 6238). It is asked for once a code of it was seen.
#[utoipa::path(post, path = "/auth/factors/totp", operation_id = "begin_totp", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = TotpSetup), Refusals))]
async fn post_totp(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
) -> Result<Okay<TotpSetup>, Error> {
    Ok(Okay(authenticator::begin(&room, &caller).await?))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct TotpCode {
    #[schema(min_length = 6, max_length = 30)]
    code: String,
}

impl Check for TotpCode {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.code, "/code", 6, 30);
    }
}

/// Codes that stand in for the authenticator, once each. They are in this answer and nowhere else.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// Puts the authenticator in force with a code of it.
#[utoipa::path(post, path = "/auth/factors/totp/confirm", operation_id = "confirm_totp", tag = "identity", request_body = TotpCode,
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = RecoveryCodes), Refusals))]
async fn post_totp_confirm(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<TotpCode>,
) -> Result<Okay<RecoveryCodes>, Error> {
    let recovery_codes = authenticator::confirm(&room, &caller, &body.code, &meta).await?;
    Ok(Okay(RecoveryCodes { recovery_codes }))
}

/// Removes the authenticator and its recovery codes.
#[utoipa::path(delete, path = "/auth/factors/totp", operation_id = "remove_totp", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 204, description = "It is asked for no more."), Refusals))]
async fn delete_totp(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    authenticator::remove(&room.cx, &caller, &meta).await?;
    Ok(NoContent)
}

/// Makes ten new recovery codes; those before are void.
#[utoipa::path(post, path = "/auth/factors/recovery-codes", operation_id = "renew_recovery_codes", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = RecoveryCodes), Refusals))]
async fn post_recovery_codes(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    meta: RequestMeta,
) -> Result<Okay<RecoveryCodes>, Error> {
    let recovery_codes = recovery::regenerate(&room.cx, &caller, &meta).await?;
    Ok(Okay(RecoveryCodes { recovery_codes }))
}

/// What the browser needs to make or use a passkey.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct PasskeyChallenge {
    /// Bring it along with the answer, once, within five minutes.
    ceremony: String,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON` of Web Authentication.
    #[schema(value_type = BTreeMap<String, Value>)]
    options: Value,
}

impl From<passkey::Challenge> for PasskeyChallenge {
    fn from(challenge: passkey::Challenge) -> Self {
        Self {
            ceremony: challenge.ceremony,
            options: challenge.options,
        }
    }
}

/// Asks for a new passkey.
#[utoipa::path(post, path = "/auth/factors/passkeys/options", operation_id = "begin_passkey", tag = "identity",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = PasskeyChallenge), Refusals))]
async fn post_new_passkey_options(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
) -> Result<Okay<PasskeyChallenge>, Error> {
    Ok(Okay(passkey::begin_add(&room, &caller).await?.into()))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewPasskey {
    #[schema(min_length = 20, max_length = 100)]
    ceremony: String,
    /// What the user calls it.
    #[schema(min_length = 1, max_length = 50)]
    name: String,
    /// `RegistrationResponseJSON` of Web Authentication.
    #[schema(value_type = BTreeMap<String, Value>)]
    credential: RegisterPublicKeyCredential,
}

impl Check for NewPasskey {
    fn check(&self, errors: &mut FieldErrors) {
        check_ceremony(&self.ceremony, errors);
        errors.length(self.name.trim(), "/name", 1, 50);
    }
}

/// Keeps the passkey that the user's device made.
#[utoipa::path(post, path = "/auth/factors/passkeys", operation_id = "add_passkey", tag = "identity", request_body = NewPasskey,
    security(("session" = []), ("access_token" = [])), responses((status = 201, body = passkey::View), Refusals))]
async fn post_new_passkey(
    State(room): State<Identity>,
    caller: Granted<may::ProfileManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<NewPasskey>,
) -> Result<Created<passkey::View>, Error> {
    let name = body.name.trim();
    let added = passkey::add(
        &room,
        &caller,
        &body.ceremony,
        name,
        &body.credential,
        &meta,
    )
    .await?;
    Ok(Created(added))
}

/// Removes a passkey.
#[utoipa::path(delete, path = "/auth/factors/passkeys/{passkey}", operation_id = "remove_passkey", tag = "identity",
    params(("passkey" = PasskeyId, Path)), security(("session" = []), ("access_token" = [])),
    responses((status = 204, description = "It works no more."), Refusals))]
async fn delete_passkey(
    State(room): State<Identity>,
    caller: Proven<may::ProfileManage>,
    PathId(passkey): PathId<PasskeyId>,
    meta: RequestMeta,
) -> Result<NoContent, Error> {
    passkey::remove(&room.cx, &caller, passkey, &meta).await?;
    Ok(NoContent)
}

/// Asks for a passkey: to sign in without a name, or, with a session, for one of the user's own.
#[utoipa::path(post, path = "/auth/passkey/options", operation_id = "passkey_options", tag = "identity",
    responses((status = 200, body = PasskeyChallenge), Refusals))]
async fn post_passkey_options(
    State(room): State<Identity>,
    session: Option<Session>,
    meta: RequestMeta,
) -> Result<Okay<PasskeyChallenge>, Error> {
    let challenge = passkey::begin_use(&room, session, &meta).await?;
    Ok(Okay(challenge.into()))
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct PasskeyLogin {
    #[schema(min_length = 20, max_length = 100)]
    ceremony: String,
    /// `AuthenticationResponseJSON` of Web Authentication.
    #[schema(value_type = BTreeMap<String, Value>)]
    credential: PublicKeyCredential,
}

impl Check for PasskeyLogin {
    fn check(&self, errors: &mut FieldErrors) {
        check_ceremony(&self.ceremony, errors);
    }
}

/// Signs in with a passkey; no second factor is asked for.
#[utoipa::path(post, path = "/auth/passkey/login", operation_id = "login_passkey", tag = "identity", request_body = PasskeyLogin,
    responses((status = 200, body = Me), Refusals))]
async fn post_passkey_login(
    State(room): State<Identity>,
    before: Option<Session>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<PasskeyLogin>,
) -> Result<Response, Error> {
    let opened =
        sign_in_with_passkey(&room, &body.ceremony, &body.credential, before, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

/// One proof of who one is: a password, a code, or a passkey's answer.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct StepUp {
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    password: Option<SecretString>,
    /// Six digits of an authenticator, or a recovery code.
    #[schema(min_length = 6, max_length = 30)]
    code: Option<String>,
    #[schema(min_length = 20, max_length = 100)]
    ceremony: Option<String>,
    /// `AuthenticationResponseJSON` of Web Authentication.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    credential: Option<PublicKeyCredential>,
}

impl Check for StepUp {
    fn check(&self, errors: &mut FieldErrors) {
        let passkey = self.ceremony.is_some() || self.credential.is_some();
        let proofs = [self.password.is_some(), self.code.is_some(), passkey];
        errors.require(
            proofs.into_iter().filter(|brought| *brought).count() == 1
                && self.ceremony.is_some() == self.credential.is_some(),
            "",
            "one_proof",
            Text::new(
                "パスワード、コード、パスキーのどれか1つで確認してください。",
                "Please use one of password, code and passkey.",
            ),
        );
        if let Some(password) = &self.password {
            errors.length(password.expose_secret(), "/password", 1, 128);
        }
        if let Some(code) = &self.code {
            errors.length(code, "/code", 6, 30);
        }
        if let Some(ceremony) = &self.ceremony {
            check_ceremony(ceremony, errors);
        }
    }
}

impl StepUp {
    fn brought(self) -> Option<Brought> {
        match self {
            Self {
                password: Some(password),
                ..
            } => Some(Brought::Password(password)),
            Self {
                code: Some(code), ..
            } => Some(Brought::Code(code)),
            Self {
                ceremony: Some(ceremony),
                credential: Some(answer),
                ..
            } => Some(Brought::Passkey {
                ceremony,
                answer: Box::new(answer),
            }),
            _ => None,
        }
    }
}

/// Proves once more who one is, for sensitive actions in the next 15 minutes. Where an authenticator is set up, a password is
/// answered with `step_up_required`: it takes a code or a passkey.
#[utoipa::path(post, path = "/auth/step-up", operation_id = "step_up", tag = "identity", request_body = StepUp,
    security(("session" = [])), responses((status = 200, body = Me), Refusals))]
async fn post_step_up(
    State(room): State<Identity>,
    session: Session,
    meta: RequestMeta,
    ValidJson(body): ValidJson<StepUp>,
) -> Result<Response, Error> {
    let brought = body.brought().ok_or(Error::StepUpRequired)?;
    let opened = step_up(&room, session, brought, &meta).await?;
    entered(&room, StatusCode::OK, &opened).await
}

fn check_ceremony(ceremony: &str, errors: &mut FieldErrors) {
    errors.length(ceremony, "/ceremony", 20, 100);
}
