use db::Scope;
use serde_json::json;

use super::{keep_a_head, may_change, take_out};
use crate::{
    Error, Granted, Identity, NewSession, Permission, RequestMeta, Role, Session, UserId, Via,
    audit, family, may, session, tenant,
};

/// Removes a member, or lets the caller leave. All that acts for the tenant in the member's name ends with the
/// membership, everywhere within a second. A browser that leaves goes on with another tenant of its user.
///
/// # Errors
/// `LastOwner` for the one that a tenant can't be without.
pub(super) async fn remove(
    room: &Identity,
    caller: &Granted<may::MembersRead>,
    session: Option<Session>,
    user: UserId,
    meta: &RequestMeta,
) -> Result<Option<NewSession>, Error> {
    let cx = &room.cx;
    let leaves = caller.person()? == user;
    let wanted = if leaves {
        Permission::ProfileManage
    } else {
        Permission::MembersManage
    };
    if !caller.may(wanted) {
        return Err(Error::Forbidden);
    }
    let mut tx = cx.db.begin(Scope::House("a member goes")).await?;
    let by = tenant::lock_for(&mut tx, caller, wanted).await?;
    let before = tenant::role_of(&mut tx, by.tenant, user)
        .await?
        .ok_or(Error::NotFound)?;
    if before == Role::Child {
        // a child has no account beside the family's, so this is the end of it
        if !caller.may(Permission::ChildrenManage) {
            return Err(Error::Forbidden);
        }
        caller.require_proof(cx.clock.now())?;
        family::erase(&mut tx, cx, by, user, meta).await?;
        tx.commit().await?;
        return Ok(None);
    }
    if !leaves && !may_change(by.role, before, None) {
        return Err(Error::Forbidden);
    }
    keep_a_head(&mut tx, by.tenant, user, before).await?;
    let own = session.filter(|session| leaves && caller.via == Via::Session(session.id));
    if let Some(session) = own {
        session::keep(&mut tx, session).await?;
    }
    take_out(&mut tx, cx, by, user).await?;
    audit::Action::new("member.remove", user)
        .before(json!({ "role": before }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let opened = match own {
        Some(session) => {
            let next = tenant::of_sign_in(&mut tx, user).await?;
            Some(session::carry_over(&mut tx, cx, session, next, None, meta).await?)
        }
        None => None,
    };
    tx.commit().await?;
    Ok(opened)
}
