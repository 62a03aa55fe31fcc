mod code;
mod http;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, OnConstraint, Scope};
use kernel::{Cursor, Page, PageRequest};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Caller, Error, Granted, Identity, NewSession, Permission, Principal, RequestMeta, Role,
    Session, TenantId, UserId, audit, may, permission, session,
};

pub(crate) use http::{check_name, router};

/// The most tenants that somebody may belong to, their own among them.
const MOST: i64 = 20;

/// A tenant that somebody may act for.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TenantView {
    pub id: TenantId,
    /// person, family, school or team.
    pub kind: String,
    /// Empty for a person's own.
    pub name: String,
    /// What the caller is in it.
    pub role: Role,
}

/// Who a tenant is for, which decides the roles that there are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Person,
    Family,
    School,
    Team,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Family => "family",
            Self::School => "school",
            Self::Team => "team",
        }
    }

    /// Whatever is unknown is like a person's own: nobody else gets in.
    pub(crate) fn from_stored(text: &str) -> Self {
        match text {
            "family" => Self::Family,
            "school" => Self::School,
            "team" => Self::Team,
            _ => Self::Person,
        }
    }

    /// Whether somebody can be invited or appointed as `role`. Children are neither: a guardian makes their account.
    pub(crate) const fn gives(self, role: Role) -> bool {
        match self {
            Self::Person => false,
            Self::Family => matches!(role, Role::Guardian),
            Self::School | Self::Team => matches!(role, Role::Owner | Role::Admin | Role::Member),
        }
    }

    /// What whoever makes such a tenant is in it.
    const fn founder(self) -> Role {
        match self {
            Self::Family => Role::Guardian,
            Self::Person | Self::School | Self::Team => Role::Owner,
        }
    }
}

/// Where a caller stands in the tenant that they act for, read under the tenant's lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) kind: Kind,
    pub(crate) role: Role,
}

/// A tenant for one person, or for a guest.
pub(crate) async fn new_personal(conn: &mut PgConnection, cx: &Ctx) -> sqlx::Result<TenantId> {
    let tenant = cx.ids.new_id();
    let kind = Kind::Person.as_str();
    store::insert(conn, tenant, kind, "", None, cx.clock.now()).await?;
    Ok(tenant)
}

/// Makes a user the owner of a tenant.
pub(crate) async fn insert_owner(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<()> {
    let now = cx.clock.now();
    store::insert_member(conn, tenant, user, Role::Owner, None, now)
        .await
        .map(drop)
}

/// The tenant that a user acts for when they sign in: the one they used last, else their own.
pub(crate) async fn of_sign_in(conn: &mut PgConnection, user: UserId) -> Result<TenantId, Error> {
    store::last_used(conn, user)
        .await?
        .ok_or(Error::Unauthenticated)
}

/// All tenants that a user may act for, their own first.
pub(crate) async fn all_of(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<TenantView>> {
    store::all_of(conn, user).await
}

/// The tenant that a caller acts for, as the caller sees it.
pub(crate) async fn current(
    conn: &mut PgConnection,
    by: Principal,
) -> sqlx::Result<Option<TenantView>> {
    store::find(conn, by.tenant, by.user).await
}

/// A tenant as an operator finds it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TenantRow {
    pub id: TenantId,
    /// person, family, school or team.
    pub kind: String,
    /// Empty for a person's own.
    pub name: String,
    /// An address of somebody who decides there; none of a guest's.
    #[schema(required)]
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Whether there is such a tenant, in the caller's transaction, which runs as the house.
pub async fn tenant_exists(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    store::exists(conn, tenant).await
}

/// Tenants, the newest first, for an operator: all, or those that a text names by id, by a part of their name, or by the
/// address of a member. In the caller's transaction, which runs as the house.
pub async fn search(
    conn: &mut PgConnection,
    text: Option<&str>,
    page: &PageRequest,
) -> sqlx::Result<Page<TenantRow>> {
    let text = text.map(|text| text.trim().to_lowercase());
    let text = text.as_deref().filter(|text| !text.is_empty());
    let id = text.and_then(|text| text.parse().ok());
    let rows = store::search(conn, text, id, page).await?;
    Ok(Page::from_rows(rows, page, |row| Cursor {
        at: row.created_at,
        id: row.id.0,
    }))
}

/// The names of tenants; empty for a person's own. In the caller's transaction, which runs as the house.
pub async fn names(
    conn: &mut PgConnection,
    tenants: &[TenantId],
) -> sqlx::Result<Vec<(TenantId, String)>> {
    let ids: Vec<_> = tenants.iter().map(|tenant| tenant.0).collect();
    store::names(conn, &ids).await
}

/// The time zone (IANA name) in which a tenant's days and months begin.
pub async fn tenant_zone(conn: &mut PgConnection, tenant: TenantId) -> Result<String, Error> {
    store::zone(conn, tenant)
        .await?
        .ok_or(Error::Unauthenticated)
}

/// A tenant with its kind and name, at the operator's command line.
pub async fn find_tenant(room: &Identity, tenant: TenantId) -> Result<TenantView, Error> {
    let mut tx = room.cx.db.begin(Scope::House("which tenant")).await?;
    let found = store::find(&mut tx, tenant, None).await?;
    tx.commit().await?;
    found.ok_or(Error::NotFound)
}

/// What somebody is in a tenant right now; none for whoever does not belong to it.
pub async fn role_of(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<Role>> {
    store::role_of(conn, tenant, user).await
}

/// Locks a tenant against every other change of who belongs to it, until the transaction ends.
///
/// # Errors
/// `NotFound` when there is no such tenant any more.
pub(crate) async fn lock(conn: &mut PgConnection, tenant: TenantId) -> Result<Kind, Error> {
    store::lock(conn, tenant).await?.ok_or(Error::NotFound)
}

/// Locks the tenant that a caller acts for, and asks once more whether they may do this: what they were when the request
/// came in may have changed while it waited for the lock.
pub(crate) async fn lock_for(
    conn: &mut PgConnection,
    caller: &Caller,
    wanted: Permission,
) -> Result<Standing, Error> {
    let user = caller.person()?;
    let tenant = caller.principal.tenant;
    let kind = lock(conn, tenant).await?;
    let role = role_of(conn, tenant, user)
        .await?
        .filter(|role| permission::allows(*role, wanted))
        .ok_or(Error::Forbidden)?;
    Ok(Standing {
        tenant,
        user,
        kind,
        role,
    })
}

/// Lets somebody into a tenant, in the caller's transaction. A guardian takes the seat that is free: which one it is, and
/// whether there is one, the constraint decides, however many come at once.
///
/// # Errors
/// `TwoGuardians`, `AlreadyMember`, `TooMany` when the user belongs to as many tenants as one may.
pub(crate) async fn add_member(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    user: UserId,
    role: Role,
) -> Result<(), Error> {
    // one after the other for each user, so that the count holds
    store::lock_user(conn, user).await?;
    if store::count_of(conn, user).await? >= MOST {
        return Err(Error::TooMany);
    }
    let seats: &[Option<i16>] = match role {
        Role::Guardian => &[Some(1), Some(2)],
        _ => &[None],
    };
    for seat in seats {
        let sat = store::insert_member(conn, tenant, user, role, *seat, cx.clock.now())
            .await
            .on_constraint("membership_pkey", || Error::AlreadyMember)?;
        if sat {
            return Ok(());
        }
    }
    Err(Error::TwoGuardians)
}

/// Makes a family, a school or a team; who makes it is its first guardian or owner.
pub async fn create(
    room: &Identity,
    user: UserId,
    kind: Kind,
    name: &str,
    meta: &RequestMeta,
) -> Result<TenantView, Error> {
    let cx = &room.cx;
    let tenant: TenantId = cx.ids.new_id();
    let principal = Principal::user(tenant, user);
    let mut tx = cx.db.begin(Scope::House("a new tenant")).await?;
    loop {
        let code = match kind {
            Kind::Family => Some(code::new_code()?),
            Kind::Person | Kind::School | Kind::Team => None,
        };
        let now = cx.clock.now();
        // of the many codes the one that was drawn may be taken, and then another is drawn
        if store::insert(&mut tx, tenant, kind.as_str(), name, code.as_deref(), now).await? {
            break;
        }
    }
    add_member(&mut tx, cx, tenant, user, kind.founder()).await?;
    audit::Action::new("tenant.create", tenant)
        .after(json!({ "kind": kind.as_str() }))
        .record(&mut tx, cx, meta, principal)
        .await?;
    let view = store::find(&mut tx, tenant, Some(user)).await?;
    tx.commit().await?;
    view.ok_or(Error::NotFound)
}

/// All tenants that the caller may act for.
async fn list(cx: &Ctx, caller: &Granted<may::ProfileManage>) -> Result<Vec<TenantView>, Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("which tenants")).await?;
    let views = store::all_of(&mut tx, user).await?;
    tx.commit().await?;
    Ok(views)
}

/// Renames the tenant that the caller acts for; a person's own has no name.
async fn rename(
    room: &Identity,
    caller: &Granted<may::TenantManage>,
    name: &str,
    meta: &RequestMeta,
) -> Result<TenantView, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a tenant's name")).await?;
    let by = lock_for(&mut tx, caller, Permission::TenantManage).await?;
    if by.kind == Kind::Person {
        return Err(Error::RoleDoesNotFit);
    }
    store::rename(&mut tx, by.tenant, name).await?;
    audit::Action::new("tenant.change", by.tenant)
        .after(json!({ "name": true }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let view = store::find(&mut tx, by.tenant, Some(by.user)).await?;
    tx.commit().await?;
    view.ok_or(Error::NotFound)
}

/// Lets a session act for another tenant of its user, with a new id and token.
///
/// # Errors
/// `NotFound` whether there is no such tenant or the user does not belong to it; `Forbidden` for guests.
async fn switch(
    room: &Identity,
    session: Session,
    tenant: TenantId,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let user = Caller::from(session).person()?;
    let mut tx = cx.db.begin(Scope::House("another tenant")).await?;
    role_of(&mut tx, tenant, user)
        .await?
        .ok_or(Error::NotFound)?;
    let opened = session::renew(&mut tx, cx, session, tenant, None, meta).await?;
    audit::Action::new("session.switch", opened.session.id)
        .record(&mut tx, cx, meta, opened.session.principal)
        .await?;
    tx.commit().await?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_tenant_gives_its_own_roles() {
        let roles = [
            Role::Guest,
            Role::Owner,
            Role::Admin,
            Role::Member,
            Role::Guardian,
            Role::Child,
        ];
        for (kind, given) in [
            (Kind::Person, "------"),
            (Kind::Family, "----y-"),
            (Kind::School, "-yyy--"),
            (Kind::Team, "-yyy--"),
        ] {
            let row: String = roles
                .into_iter()
                .map(|role| if kind.gives(role) { 'y' } else { '-' })
                .collect();
            assert_eq!(row, given, "{kind:?}");
            assert_eq!(Kind::from_stored(kind.as_str()), kind);
            assert!(kind == Kind::Person || kind.gives(kind.founder()));
        }
        assert_eq!(Kind::from_stored("club"), Kind::Person);
    }
}
