mod http;
mod name;
mod pin;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Error, Granted, Identity, NewSession, Permission, Principal, Proven, RequestMeta, Role,
    Session, TenantId, UserId, Via, audit, device, farewell, may,
    member::{self, Member},
    secret,
    session::{self, Ending, Entry, Proof},
    tenant::{self, Standing},
    user,
};

pub(crate) use http::router;
pub(crate) use name::login_name;

/// The most children that a family may have.
const MOST: i64 = 10;
/// The version of the words that a guardian agreed to.
const WORDING: &str = "child-account/2026-11";

/// A family as its members see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Family {
    /// What the children sign in with, beside name and PIN.
    code: String,
    guardians: Vec<Member>,
    children: Vec<Child>,
}

/// A child of a family.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
struct Child {
    user: UserId,
    display_name: String,
    /// What the child signs in with.
    name: String,
    #[schema(required)]
    birth_year: Option<i16>,
    created_at: DateTime<Utc>,
    /// When a guardian agreed to the account.
    consent_at: DateTime<Utc>,
}

/// What a guardian says of a new child; that they agree to the account was asked before.
#[derive(Debug)]
struct NewChild {
    name: String,
    display_name: String,
    birth_year: Option<i16>,
    pin: SecretString,
}

/// A guardian's word that there may be an account for a child.
#[derive(Debug)]
struct Consent {
    id: Uuid,
    given_by: UserId,
    wording: &'static str,
}

/// The family that the caller acts for.
///
/// # Errors
/// `NotFound` when the tenant is none.
async fn show(cx: &Ctx, caller: &Granted<may::MembersRead>) -> Result<Family, Error> {
    let tenant = caller.principal.tenant;
    let mut tx = cx.db.begin(Scope::House("a family")).await?;
    let code = store::code(&mut tx, tenant).await?.ok_or(Error::NotFound)?;
    let mut guardians = member::all_of(&mut tx, tenant, caller.role).await?;
    guardians.retain(|member| member.role == Role::Guardian);
    let children = store::list(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(Family {
        code,
        guardians,
        children,
    })
}

/// Makes an account for a child: no address, a name and a PIN to sign in with.
///
/// # Errors
/// `NameTaken` within the family, `TooMany`, `Busy`.
async fn add(
    room: &Identity,
    caller: &Proven<may::ChildrenManage>,
    child: NewChild,
    meta: &RequestMeta,
) -> Result<Child, Error> {
    let cx = &room.cx;
    let pin_hash = room.passwords.hash(child.pin).await?;
    let mut tx = cx.db.begin(Scope::House("a child")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::ChildrenManage).await?;
    let code = store::code(&mut tx, by.tenant)
        .await?
        .ok_or(Error::NotFound)?;
    if store::count(&mut tx, by.tenant).await? >= MOST {
        return Err(Error::TooMany);
    }
    let guardian = user::find_view(&mut tx, by.user)
        .await?
        .ok_or(Error::NotFound)?;
    let user = user::insert_child(
        &mut tx,
        cx,
        &login_name(&child.name, &code),
        &child.display_name,
        guardian.locale,
        &pin_hash,
    )
    .await?;
    tenant::add_member(&mut tx, cx, by.tenant, user, Role::Child).await?;
    let now = cx.clock.now();
    store::insert(&mut tx, by.tenant, user, &child.name, child.birth_year, now).await?;
    let consent = Consent {
        id: cx.ids.new_id(),
        given_by: by.user,
        wording: WORDING,
    };
    store::insert_consent(&mut tx, by.tenant, user, &consent, now).await?;
    audit::Action::new("child.add", user)
        .after(json!({ "consent": consent.wording, "birth_year": child.birth_year.is_some() }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let made = find(&mut tx, by.tenant, user).await?;
    tx.commit().await?;
    Ok(made)
}

/// Changes what a child is called, or its PIN. Whatever was open with the old PIN ends.
async fn change(
    room: &Identity,
    caller: &Proven<may::ChildrenManage>,
    child: UserId,
    display_name: Option<&str>,
    pin: Option<SecretString>,
    meta: &RequestMeta,
) -> Result<Child, Error> {
    let cx = &room.cx;
    let pin_hash = match pin {
        Some(pin) => Some(room.passwords.hash(pin).await?),
        None => None,
    };
    let mut tx = cx.db.begin(Scope::House("a child's account")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::ChildrenManage).await?;
    find(&mut tx, by.tenant, child).await?;
    store::rename(&mut tx, child, display_name).await?;
    if let Some(hash) = &pin_hash {
        user::set_password(&mut tx, child, hash).await?;
        device::forget_all(&mut tx, child).await?;
        session::end_all(&mut tx, cx, child, Ending::default()).await?;
    }
    audit::Action::new("child.change", child)
        .after(json!({ "display_name": display_name.is_some(), "pin": pin_hash.is_some() }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let changed = find(&mut tx, by.tenant, child).await?;
    tx.commit().await?;
    Ok(changed)
}

/// Ends a child's account.
async fn remove(
    room: &Identity,
    caller: &Proven<may::ChildrenManage>,
    child: UserId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a child's account ends")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::ChildrenManage).await?;
    find(&mut tx, by.tenant, child).await?;
    erase(&mut tx, cx, by, child, meta).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a child's account in the caller's transaction, under the family's lock: nothing lets the child in any more, and
/// names, PIN and year of birth are gone. The consent stays as withdrawn, and the books and the audit log as they are.
pub(crate) async fn erase(
    conn: &mut PgConnection,
    cx: &Ctx,
    by: Standing,
    child: UserId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    member::take_out(conn, cx, by, child).await?;
    store::withdraw_consents(conn, by.tenant, child, cx.clock.now()).await?;
    farewell::forget_person(conn, cx, child).await?;
    let principal = Principal::user(by.tenant, by.user);
    audit::Action::new("child.remove", child)
        .record(conn, cx, meta, principal)
        .await?;
    Ok(())
}

/// Hands this browser to a child: the guardian's session ends and the child's begins, so that there is no way back but
/// the guardian's own sign-in.
async fn enter(
    room: &Identity,
    caller: &Granted<may::ChildrenManage>,
    session: Session,
    child: UserId,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    if caller.via != Via::Session(session.id) {
        return Err(Error::Forbidden);
    }
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a child comes in")).await?;
    let by = tenant::lock_for(&mut tx, caller, Permission::ChildrenManage).await?;
    find(&mut tx, by.tenant, child).await?;
    session::keep(&mut tx, session).await?;
    session::end(&mut tx, cx, session.id).await?;
    user::lock(&mut tx, child).await?;
    audit::Action::new("child.enter", child)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let entry = Entry {
        tenant: by.tenant,
        user: Some(child),
        proofs: &[Proof::Guardian],
    };
    let mut opened = session::open(&mut tx, cx, &entry, meta).await?;
    // the browser stays the guardian's: it is known by their cookie, which a child's must not replace
    if let Some(token) = opened.device.take() {
        store::forget_device(&mut tx, &secret::hash(&token)).await?;
    }
    tx.commit().await?;
    Ok(opened)
}

async fn find(conn: &mut PgConnection, tenant: TenantId, child: UserId) -> Result<Child, Error> {
    store::find(conn, tenant, child)
        .await?
        .ok_or(Error::NotFound)
}
