mod http;
mod removal;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Error, Granted, Identity, Permission, Proven, RequestMeta, Role, TenantId, UserId, access,
    audit, key, may,
    session::{self, Ending},
    tenant::{self, Standing},
};

pub(crate) use http::router;

/// Somebody who belongs to a tenant, as shown to the others.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Member {
    pub(crate) user: UserId,
    pub(crate) display_name: String,
    /// Once it is proven; `null` for a child, and whenever a child asks.
    #[schema(required)]
    pub(crate) email: Option<String>,
    /// What a child signs in with; `null` for others.
    #[schema(required)]
    pub(crate) login_name: Option<String>,
    pub(crate) role: Role,
    pub(crate) joined_at: DateTime<Utc>,
}

/// Who belongs to the tenant that the caller acts for.
async fn list(cx: &Ctx, caller: &Granted<may::MembersRead>) -> Result<Vec<Member>, Error> {
    let mut tx = cx.db.begin(Scope::House("who belongs here")).await?;
    let members = all_of(&mut tx, caller.principal.tenant, caller.role).await?;
    tx.commit().await?;
    Ok(members)
}

/// The members of a tenant as somebody who is `reader` there sees them: children learn no addresses.
pub(crate) async fn all_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    reader: Role,
) -> sqlx::Result<Vec<Member>> {
    let mut members = store::list(conn, tenant).await?;
    if reader == Role::Child {
        for member in &mut members {
            member.email = None;
        }
    }
    Ok(members)
}

/// Gives a member another role.
///
/// Two owners who demote each other at once leave one: the tenant is locked, and what each of them is is read again.
async fn change_role(
    room: &Identity,
    caller: &Proven<may::MembersManage>,
    user: UserId,
    role: Role,
    meta: &RequestMeta,
) -> Result<Member, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a member's role")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::MembersManage).await?;
    let before = tenant::role_of(&mut tx, by.tenant, user)
        .await?
        .ok_or(Error::NotFound)?;
    if !by.kind.gives(role) || !by.kind.gives(before) {
        return Err(Error::RoleDoesNotFit);
    }
    if !may_change(by.role, before, Some(role)) {
        return Err(Error::Forbidden);
    }
    if before != role {
        keep_a_head(&mut tx, by.tenant, user, before).await?;
        store::change_role(&mut tx, by.tenant, user, role).await?;
        audit::Action::new("member.role", user)
            .before(json!({ "role": before }))
            .after(json!({ "role": role }))
            .record(&mut tx, cx, meta, caller.principal)
            .await?;
    }
    let member = store::find(&mut tx, by.tenant, user).await?;
    tx.commit().await?;
    member.ok_or(Error::NotFound)
}

/// Ends a membership and whatever acts for the tenant in the member's name.
pub(crate) async fn take_out(
    conn: &mut PgConnection,
    cx: &Ctx,
    by: Standing,
    user: UserId,
) -> Result<(), Error> {
    store::delete(conn, by.tenant, user).await?;
    let which = Ending {
        except: None,
        tenant: Some(by.tenant),
    };
    session::end_all(conn, cx, user, which).await?;
    access::end_all(conn, cx, user, None, Some(by.tenant)).await?;
    key::revoke_made_by(conn, cx, by.tenant, user).await
}

/// Refuses to take away the last one who can decide everything. Under the tenant's lock.
async fn keep_a_head(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    role: Role,
) -> Result<(), Error> {
    let head = matches!(role, Role::Owner | Role::Guardian);
    if head && !store::has_another(conn, tenant, user, role).await? {
        return Err(Error::LastOwner);
    }
    Ok(())
}

/// Whether somebody who is `by` may make somebody who is `from` into `to`; into nothing when they are removed.
fn may_change(by: Role, from: Role, to: Option<Role>) -> bool {
    match by {
        Role::Owner | Role::Guardian => true,
        Role::Admin => from != Role::Owner && to != Some(Role::Owner),
        Role::Guest | Role::Member | Role::Child => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_neither_touches_an_owner_nor_makes_one() {
        use Role::{Admin, Child, Guardian, Guest, Member, Owner};
        for (by, from, to, may) in [
            (Owner, Owner, Some(Member), true),
            (Owner, Member, Some(Owner), true),
            (Owner, Admin, None, true),
            (Admin, Member, Some(Admin), true),
            (Admin, Admin, None, true),
            (Admin, Member, Some(Owner), false),
            (Admin, Owner, Some(Member), false),
            (Admin, Owner, None, false),
            (Guardian, Guardian, None, true),
            (Member, Member, None, false),
            (Child, Guardian, None, false),
            (Guest, Member, None, false),
        ] {
            assert_eq!(may_change(by, from, to), may, "{by:?}: {from:?} to {to:?}");
        }
    }
}
