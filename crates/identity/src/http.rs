use utoipa_axum::router::OpenApiRouter;

use crate::{
    Identity, access, audit, factor, family, farewell, invitation, key, member, oauth, oidc,
    recovery, session, sign_in, tenant, user,
};

/// The account listener's routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(user::router())
        .merge(sign_in::router())
        .merge(session::router())
        .merge(recovery::router())
        .merge(factor::router())
        .merge(oidc::router())
        .merge(access::router())
        .merge(oauth::router())
        .merge(key::router())
        .merge(tenant::router())
        .merge(member::router())
        .merge(invitation::router())
        .merge(family::router())
        .merge(farewell::router())
        .merge(audit::router())
}
