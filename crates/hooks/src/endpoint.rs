mod sealer;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::Scope;
use identity::{AuditAction, Principal, RequestMeta, TenantId};
use seal::Resealed;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{Error, Hooks, sign};

pub(crate) use sealer::Sealer;

kernel::id!(
    /// Where a tenant wants to be told.
    HookId, "hok"
);

/// How many endpoints a tenant may have.
const MOST: i64 = 20;

/// Why an endpoint is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OffReason {
    /// It was switched off.
    Owner,
    /// Every try has failed for days.
    Failing,
    /// It answered 410.
    Gone,
}

impl OffReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "failing" => Self::Failing,
            "gone" => Self::Gone,
            _ => Self::Owner,
        }
    }
}

/// An endpoint as its tenant sees it; never its secret.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct HookView {
    pub id: HookId,
    /// None: its secret signs what goes to the addresses that single runs name.
    #[schema(required)]
    pub url: Option<String>,
    /// Empty: all.
    pub event_types: Vec<String>,
    pub description: String,
    pub enabled: bool,
    /// Why it is told nothing.
    #[schema(required)]
    pub off_reason: Option<OffReason>,
    /// Since when every try fails.
    #[schema(required)]
    pub failing_since: Option<DateTime<Utc>>,
    /// Until then the secret before signs as well.
    #[schema(required)]
    pub old_secret_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// What an endpoint is to be.
#[derive(Debug)]
pub(crate) struct NewHook {
    pub(crate) url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) description: String,
}

/// What is to change; none: nothing.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) url: Option<String>,
    pub(crate) event_types: Option<Vec<String>>,
    pub(crate) description: Option<String>,
    pub(crate) enabled: Option<bool>,
}

pub(crate) async fn begin(room: &Hooks) -> Result<db::Tx, Error> {
    // the house's, because secrets and the audit log are not a tenant's to write; each statement names the tenant
    Ok(room
        .cx
        .db
        .begin(Scope::House("endpoints of a tenant"))
        .await?)
}

/// Makes an endpoint; its secret is told this once.
pub(crate) async fn create(
    room: &Hooks,
    by: Principal,
    meta: &RequestMeta,
    new: NewHook,
) -> Result<(HookView, String), Error> {
    let url = room.dialler.check(&new.url)?;
    let (id, now) = (room.cx.ids.new_id(), room.cx.clock.now());
    let secret = sign::new_secret()?;
    let sealed = room.sealer.seal(id, &secret)?;
    let mut tx = begin(room).await?;
    store::lock(&mut tx, by.tenant).await?;
    if store::count(&mut tx, by.tenant).await? >= MOST {
        return Err(Error::TooMany);
    }
    let view = HookView {
        id,
        url: Some(url.into()),
        event_types: new.event_types,
        description: new.description,
        enabled: true,
        off_reason: None,
        failing_since: None,
        old_secret_until: None,
        created_at: now,
    };
    store::insert(&mut tx, by.tenant, &view, &sealed).await?;
    AuditAction::new("hook.create", id)
        .after(json!({ "event_types": view.event_types }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok((view, sign::shown(&secret)))
}

/// The endpoints of the caller's tenant, oldest first.
pub(crate) async fn list(room: &Hooks, by: Principal) -> Result<Vec<HookView>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let found = store::list(&mut tx, by.tenant, room.cx.clock.now()).await?;
    tx.commit().await?;
    Ok(found)
}

/// An endpoint of a tenant, locked until the transaction ends.
pub(crate) async fn find(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: HookId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<HookView>> {
    store::find(conn, tenant, id, now).await
}

/// Changes an endpoint. Switched on again, it starts with a clean sheet.
pub(crate) async fn change(
    room: &Hooks,
    by: Principal,
    meta: &RequestMeta,
    id: HookId,
    change: Change,
) -> Result<HookView, Error> {
    let url = match change.url {
        Some(url) => Some(String::from(room.dialler.check(&url)?)),
        None => None,
    };
    let mut tx = begin(room).await?;
    let mut view = store::find(&mut tx, by.tenant, id, room.cx.clock.now())
        .await?
        .ok_or(Error::NotFound)?;
    // where runs are told of is named by each of them
    view.url = view.url.map(|before| url.unwrap_or(before));
    view.event_types = change.event_types.unwrap_or(view.event_types);
    view.description = change.description.unwrap_or(view.description);
    match change.enabled {
        Some(true) => (view.off_reason, view.failing_since) = (None, None),
        Some(false) => view.off_reason = view.off_reason.or(Some(OffReason::Owner)),
        None => {}
    }
    view.enabled = view.off_reason.is_none();
    store::update(&mut tx, by.tenant, &view).await?;
    AuditAction::new("hook.change", id)
        .after(json!({ "event_types": view.event_types, "enabled": view.enabled }))
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(view)
}

/// Removes an endpoint with everything that it was told.
pub(crate) async fn delete(
    room: &Hooks,
    by: Principal,
    meta: &RequestMeta,
    id: HookId,
) -> Result<(), Error> {
    let mut tx = begin(room).await?;
    if !store::delete(&mut tx, by.tenant, id).await? {
        return Err(Error::NotFound);
    }
    AuditAction::new("hook.delete", id)
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Makes a new secret. The one before signs beside it for `grace`, so that whoever checks can change over in peace.
pub(crate) async fn roll_secret(
    room: &Hooks,
    by: Principal,
    meta: &RequestMeta,
    id: HookId,
    grace: Duration,
) -> Result<(String, DateTime<Utc>), Error> {
    let until = room.cx.clock.now() + grace;
    let secret = sign::new_secret()?;
    let sealed = room.sealer.seal(id, &secret)?;
    let mut tx = begin(room).await?;
    if !store::roll(&mut tx, by.tenant, id, &sealed, until).await? {
        return Err(Error::NotFound);
    }
    AuditAction::new("hook.secret", id)
        .record(&mut tx, &room.cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok((sign::shown(&secret), until))
}

/// Makes sure that there is a secret to sign with for single runs.
pub(crate) async fn ready_for_runs(room: &Hooks, tenant: TenantId) -> Result<HookId, Error> {
    let mut tx = begin(room).await?;
    if let Some(id) = store::for_runs(&mut tx, tenant).await? {
        return Ok(id);
    }
    let (id, now) = (room.cx.ids.new_id(), room.cx.clock.now());
    let sealed = room.sealer.seal(id, &sign::new_secret()?)?;
    let is_first = store::insert_for_runs(&mut tx, tenant, id, &sealed, now).await?;
    let id = if is_first {
        Some(id)
    } else {
        store::for_runs(&mut tx, tenant).await?
    };
    tx.commit().await?;
    id.ok_or(Error::NotFound)
}

/// Seals under the first key what is not.
pub(crate) async fn reseal(room: &Hooks) -> Result<Resealed, Error> {
    let prefix = room.sealer.prefix()?;
    let (mut resealed, mut after) = (Resealed::default(), HookId(uuid::Uuid::nil()));
    loop {
        let mut tx = begin(room).await?;
        let kept = store::sealed_otherwise(&mut tx, &prefix, after, MOST).await?;
        let Some(last) = kept.last() else {
            return Ok(resealed);
        };
        after = last.id;
        for one in &kept {
            let again = |sealed: &Vec<u8>| {
                let secret = room.sealer.open(one.id, sealed)?;
                room.sealer.seal(one.id, secret.expose_secret())
            };
            let anew = again(&one.secret).and_then(|secret| {
                let old = one.old_secret.as_ref().map(again).transpose()?;
                Ok((secret, old))
            });
            match anew {
                Ok((secret, old)) => {
                    store::reseal(&mut tx, one.id, &secret, old.as_deref()).await?;
                    resealed.done += 1;
                }
                Err(error) if error.lacks_key() => resealed.closed += 1,
                Err(error) => return Err(error.into()),
            }
        }
        tx.commit().await?;
    }
}

/// What the room keeps of the caller's tenant.
///
/// # Errors
/// When the database is away.
pub async fn export(room: &Hooks, by: Principal) -> Result<Vec<HookView>, Error> {
    list(room, by).await
}

/// Removes everything of a tenant that goes, in the caller's transaction.
///
/// # Errors
/// The database's own.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    store::forget(conn, tenant).await
}
