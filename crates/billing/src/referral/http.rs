use api::{Check, Created, FieldErrors, Okay, Refusals, ValidJson};
use axum::extract::State;
use identity::{Granted, RequestMeta, may};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{CodeView, ReferralView, ReferralsView};
use crate::{Billing, Error};

pub(crate) fn router() -> OpenApiRouter<Billing> {
    OpenApiRouter::new()
        .routes(routes!(get_referrals))
        .routes(routes!(make_referral_code))
        .routes(routes!(accept_referral))
}

/// The programmes of invitations, the tenant's codes, and what became of its invitations.
#[utoipa::path(get, path = "/me/referrals", operation_id = "get_referrals", tag = "billing",
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = ReferralsView), Refusals))]
async fn get_referrals(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
) -> Result<Okay<ReferralsView>, Error> {
    Ok(Okay(super::view(&room, caller.principal).await?))
}

/// In which programme somebody wants to invite.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeReferralCode {
    /// The programme's id.
    #[schema(min_length = 1, max_length = 30)]
    programme: String,
}

impl Check for MakeReferralCode {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.programme, "/programme", 1, 30);
    }
}

/// Gives the tenant's code in a programme; it is the same one however often it is asked for.
#[utoipa::path(post, path = "/referrals", operation_id = "make_referral_code", tag = "billing",
    request_body = MakeReferralCode, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = CodeView), Refusals))]
async fn make_referral_code(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<MakeReferralCode>,
) -> Result<Created<CodeView>, Error> {
    let code = super::invite(&room, &caller, &meta, &body.programme).await?;
    Ok(Created(code))
}

/// The code of whoever invited.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptReferral {
    /// Eight letters and digits.
    #[schema(min_length = 8, max_length = 8)]
    code: String,
}

impl Check for AcceptReferral {
    fn check(&self, errors: &mut FieldErrors) {
        errors.length(&self.code, "/code", 8, 8);
    }
}

/// Accepts an invitation, once in each programme. Invitations of oneself, one's family or one's own browser are refused.
#[utoipa::path(post, path = "/referrals/accept", operation_id = "accept_referral", tag = "billing",
    request_body = AcceptReferral, security(("session" = []), ("access_token" = [])),
    responses((status = 201, body = ReferralView), Refusals))]
async fn accept_referral(
    State(room): State<Billing>,
    caller: Granted<may::BillingManage>,
    meta: RequestMeta,
    ValidJson(body): ValidJson<AcceptReferral>,
) -> Result<Created<ReferralView>, Error> {
    let accepted = super::accept(&room, &caller, &meta, &body.code).await?;
    Ok(Created(accepted))
}
