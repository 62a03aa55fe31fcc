mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use mail::Template;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Caller, Error, Identity, RequestMeta, TenantId, UserId, Via, access, audit, device, key,
    letters, link, session,
};

pub(crate) use http::router;

/// How long an account can still be kept after its deletion was asked for.
const UNDO: Duration = Duration::days(30);

/// Asks for the caller's account to be deleted once the undo window is over. Whatever else lets them in ends now.
///
/// # Errors
/// `LastOwner` while they alone own a school or team that has other members.
pub(crate) async fn ask(
    room: &Identity,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<DateTime<Utc>, Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("a deletion is asked for")).await?;
    store::lock_owned(&mut tx, user).await?;
    if store::leaves_others_without_owner(&mut tx, user).await? {
        return Err(Error::LastOwner);
    }
    let at = cx.clock.now() + UNDO;
    store::set_deletion(&mut tx, user, Some(at)).await?;
    session::end_everything(&mut tx, cx, user, caller.via).await?;
    audit::Action::new("account.delete_asked", user)
        .after(json!({ "deletion_at": at }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    let letter = format!("account_deletion:{}", meta.request_id);
    let data = json!({ "at": at, "link": format!("{}/account/data", room.account_url) });
    letters::tell(&mut tx, cx, user, &letter, Template::AccountDeletion, data).await?;
    tx.commit().await?;
    Ok(at)
}

/// Keeps an account whose deletion was asked for.
pub(crate) async fn keep(
    room: &Identity,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("a deletion is undone")).await?;
    store::set_deletion(&mut tx, user, None).await?;
    audit::Action::new("account.kept", user)
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Somebody whose account's time has come.
#[derive(Clone, Debug)]
pub struct Leaver {
    pub user: UserId,
    /// The tenants that go with them: their own, and those in which they leave nobody but children behind.
    pub tenants: Vec<TenantId>,
}

/// Whose time has come, at most so many.
pub async fn leavers(cx: &Ctx, most: i64) -> Result<Vec<Leaver>, Error> {
    let mut tx = cx.db.begin(Scope::House("whose time has come")).await?;
    let mut leavers = Vec::new();
    for user in store::due(&mut tx, cx.clock.now(), most).await? {
        let tenants = store::tenants_that_go(&mut tx, user).await?;
        leavers.push(Leaver { user, tenants });
    }
    tx.commit().await?;
    Ok(leavers)
}

pub(crate) async fn tenants_that_go(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Vec<TenantId>> {
    store::tenants_that_go(conn, user).await
}

pub(crate) async fn forget_tenant(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
) -> sqlx::Result<()> {
    store::forget_tenant(conn, tenant, cx.clock.now()).await
}

/// Removes the person from the account, in the caller's transaction: who they were, how they came in, where from. The
/// rows that the books and the audit log refer to stay, without a name. The rooms above have forgotten the tenants
/// before.
pub async fn forget(
    conn: &mut PgConnection,
    room: &Identity,
    leaver: &Leaver,
) -> Result<(), Error> {
    let cx = &room.cx;
    for tenant in &leaver.tenants {
        for child in store::children(conn, *tenant).await? {
            forget_person(conn, cx, child).await?;
        }
        key::revoke_all(conn, cx, *tenant).await?;
        store::forget_tenant(conn, *tenant, cx.clock.now()).await?;
    }
    let going: Vec<Uuid> = leaver.tenants.iter().map(|tenant| tenant.0).collect();
    for tenant in store::tenants_that_stay(conn, leaver.user, &going).await? {
        key::revoke_made_by(conn, cx, tenant, leaver.user).await?;
    }
    forget_person(conn, cx, leaver.user).await?;
    let meta = RequestMeta::of_the_house("req_farewell");
    audit::Action::new("account.delete", leaver.user)
        .record_as(conn, cx, &meta, None, "house")
        .await?;
    Ok(())
}

/// Takes everything out of an account that says who it was or lets somebody in.
pub(crate) async fn forget_person(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
) -> Result<(), Error> {
    session::end_everything(conn, cx, user, Via::Outside).await?;
    device::forget_all(conn, user).await?;
    link::void_all(conn, cx, link::About::User(user)).await?;
    store::forget_factors(conn, user).await?;
    store::forget_traces(conn, user).await?;
    store::forget_user(conn, user, cx.clock.now()).await?;
    Ok(())
}

/// What identity knows of the caller, for their own reading.
pub async fn export(room: &Identity, caller: &Caller) -> Result<Value, Error> {
    let cx = &room.cx;
    let user = caller.person()?;
    let me = crate::me(room, caller).await?;
    let keys = key::list(cx, caller.principal).await?;
    let mut tx = cx.db.begin(Scope::House("export of an account")).await?;
    let sessions = session::all_of(&mut tx, cx, user).await?;
    let api_clients = access::list(&mut tx, user, cx.clock.now()).await?;
    let issuers = store::issuers(&mut tx, user).await?;
    let consents = store::consents(&mut tx, user).await?;
    tx.commit().await?;
    Ok(json!({
        "me": me,
        "keys": if caller.may(crate::Permission::KeysManage) { json!(keys) } else { Value::Null },
        "sessions": sessions,
        "api_clients": api_clients,
        "issuers": issuers,
        "consents_given": consents,
    }))
}
