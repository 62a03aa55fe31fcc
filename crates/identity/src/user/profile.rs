use chrono::{DateTime, Utc};
use db::Scope;
use kernel::Lang;
use serde::Serialize;
use serde_json::json;

use super::{UserView, store};
use crate::{
    Caller, Error, Identity, PROOF_COUNTS, Permission, RequestMeta, audit,
    tenant::{self, TenantView},
};

/// The caller as shown to itself.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Me {
    /// `null` for a guest or a key.
    #[schema(required)]
    pub user: Option<UserView>,
    /// The tenant that the caller acts for.
    pub tenant: TenantView,
    /// All that the user may act for.
    pub tenants: Vec<TenantView>,
    pub guest: bool,
    /// What the caller may do in the tenant.
    pub permissions: Vec<Permission>,
    /// When the user last proved who they are.
    #[schema(required)]
    pub signed_in_at: Option<DateTime<Utc>>,
    /// Until when that proof counts for sensitive actions.
    #[schema(required)]
    pub stepped_up_until: Option<DateTime<Utc>>,
    /// When the account will be deleted, if that was asked for.
    #[schema(required)]
    pub deletion_at: Option<DateTime<Utc>>,
}

/// Who the caller is.
pub async fn me(room: &Identity, caller: &Caller) -> Result<Me, Error> {
    let principal = caller.principal;
    let mut tx = room.cx.db.begin(Scope::House("who am I")).await?;
    let (user, tenants, deletion_at) = match principal.user {
        Some(id) => (
            store::find(&mut tx, id).await?,
            tenant::all_of(&mut tx, id).await?,
            store::deletion_at(&mut tx, id).await?,
        ),
        None => (None, Vec::new(), None),
    };
    let tenant = tenant::current(&mut tx, principal)
        .await?
        .ok_or(Error::Unauthenticated)?;
    tx.commit().await?;
    Ok(Me {
        guest: principal.is_guest(),
        user,
        tenant,
        tenants,
        permissions: Permission::ALL
            .into_iter()
            .filter(|permission| caller.may(*permission))
            .collect(),
        signed_in_at: caller.proven_at,
        stepped_up_until: caller
            .proven_at
            .map(|proven| proven + PROOF_COUNTS)
            .filter(|until| *until > room.cx.clock.now()),
        deletion_at,
    })
}

/// Changes what a user is called and which language they read.
pub(crate) async fn update_profile(
    room: &Identity,
    caller: &Caller,
    display_name: Option<&str>,
    locale: Option<Lang>,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("profile")).await?;
    store::update_profile(&mut tx, user, display_name, locale).await?;
    audit::Action::new("user.change", user)
        .after(json!({ "display_name": display_name.is_some(), "locale": locale }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}
