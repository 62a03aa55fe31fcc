mod cache;
mod http;
mod secret;
mod store;

use std::{net::IpAddr, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use ipnet::IpNet;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Caller, Error, Identity, KeyId, Permission, Principal, RequestMeta, Role, TenantId, UserId,
    Via, audit, letters, permission, revocation, tenant,
};

pub(crate) use cache::Cache;
pub(crate) use http::router;
pub(crate) use secret::PREFIX;

/// The most keys that a tenant may have at a time.
const MOST: i64 = 100;
/// The longest that an old secret goes on after a rotation.
pub(crate) const LONGEST_GRACE: Duration = Duration::days(30);
/// The storefront whose API keys are for.
const STOREFRONT: &str = "genai";

/// What is known of a key once its secret was seen; good until something about the key changes.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) id: KeyId,
    pub(crate) tenant: TenantId,
    pub(crate) storefront: String,
    pub(crate) scopes: Vec<Permission>,
    pub(crate) models: Option<Vec<String>>,
    pub(crate) ip_ranges: Option<Vec<IpNet>>,
    pub(crate) daily_cap: Option<i64>,
    pub(crate) daily_cost_nano_usd: Option<i64>,
    pub(crate) made_by: Option<UserId>,
    /// When this secret or the key runs out, whichever is first.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A key as shown: never its secret.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    /// Beginning and end of the newest secret.
    pub hint: String,
    pub storefront: String,
    pub scopes: Vec<String>,
    /// The only models that it may use; `null` for all that the plan has.
    #[schema(required)]
    pub models: Option<Vec<String>>,
    /// The only networks that it may come from; `null` for all.
    #[schema(required)]
    pub ip_ranges: Option<Vec<String>>,
    /// The most requests in a day of the tenant's time zone; `null` for as many as the plan has.
    #[schema(required)]
    pub daily_cap: Option<i64>,
    /// What its work of a day of the tenant's time zone may cost, in billionths of a US dollar; `null` for no such limit.
    #[schema(required)]
    pub daily_cost_nano_usd: Option<i64>,
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// To within some seconds.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
    /// Until when the secret before the newest one works; `null` when only the newest does.
    #[schema(required)]
    pub grace_until: Option<DateTime<Utc>>,
    pub status: KeyStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    Active,
    Expired,
    Revoked,
}

/// A key with its secret, which is shown this once and kept nowhere.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewKey {
    pub key: Key,
    pub secret: String,
}

/// What a key is to be.
#[derive(Clone, Debug)]
pub struct KeyTerms {
    pub name: String,
    pub storefront: String,
    pub scopes: Vec<Permission>,
    pub models: Option<Vec<String>>,
    pub ip_ranges: Option<Vec<IpNet>>,
    pub daily_cap: Option<i64>,
    pub daily_cost_nano_usd: Option<i64>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl KeyTerms {
    /// A key for inference with all that the plan has.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            storefront: STOREFRONT.to_owned(),
            scopes: vec![Permission::InferenceUse, Permission::UsageRead],
            models: None,
            ip_ranges: None,
            daily_cap: None,
            daily_cost_nano_usd: None,
            expires_at: None,
        }
    }

    fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "storefront": self.storefront, "scopes": self.scopes, "models": self.models,
            "ip_ranges": self.ip_ranges, "daily_cap": self.daily_cap,
            "daily_cost_nano_usd": self.daily_cost_nano_usd, "expires_at": self.expires_at,
        })
    }
}

/// Who holds a secret, for the inference listener; no round trip when this node knows the key already.
///
/// # Errors
/// `KeyRefused` whatever is wrong with the key: unknown, revoked, run out, or from a network that it may not come
/// from.
pub(crate) async fn facts(
    room: &Identity,
    secret: &str,
    address: Option<IpAddr>,
) -> Result<Arc<Facts>, Error> {
    if !secret::is_well_formed(secret) {
        return Err(Error::KeyRefused);
    }
    let now = room.cx.clock.now();
    let hash = cache::hash(secret);
    let known = room.keys.get(&hash).filter(|_| room.revocations.is_fresh());
    let facts = match known {
        Some(facts) => facts,
        None => look_up(room, hash).await?.ok_or(Error::KeyRefused)?,
    };
    let expired = facts.expires_at.is_some_and(|expires_at| expires_at <= now);
    if expired || !comes_from(facts.ip_ranges.as_deref(), address) {
        return Err(Error::KeyRefused);
    }
    room.keys.used(facts.id, now);
    Ok(facts)
}

async fn look_up(room: &Identity, hash: cache::Hash) -> Result<Option<Arc<Facts>>, Error> {
    let epoch = room.keys.epoch();
    let mut tx = room.cx.db.begin(Scope::House("whose key")).await?;
    let found = store::find_by_secret(&mut tx, &hash).await?.map(Arc::new);
    tx.commit().await?;
    if let Some(facts) = &found {
        room.keys.keep(hash, Arc::clone(facts), epoch);
    }
    Ok(found)
}

/// What a key may do now, whoever holds its secret; none when it is over.
pub(crate) async fn facts_of(room: &Identity, id: KeyId) -> Result<Option<Facts>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("what a key may do")).await?;
    let found = store::facts(&mut tx, id, room.cx.clock.now()).await?;
    tx.commit().await?;
    Ok(found)
}

/// An empty list means nowhere; a request whose origin is not known comes from nowhere on a list.
fn comes_from(ranges: Option<&[IpNet]>, address: Option<IpAddr>) -> bool {
    let Some(ranges) = ranges else { return true };
    address.is_some_and(|address| {
        let address = address.to_canonical();
        ranges.iter().any(|range| range.contains(&address))
    })
}

/// The caller that a key makes on the account listener.
pub(crate) async fn caller(
    room: &Identity,
    secret: &str,
    address: Option<IpAddr>,
) -> Result<Caller, Error> {
    let facts = facts(room, secret, address).await?;
    Ok(Caller {
        principal: Principal::key(facts.tenant, facts.id),
        role: Role::Guest,
        operator: false,
        via: Via::Key(facts.id),
        proven_at: None,
        scopes: Some(facts.scopes.clone()),
    })
}

/// Makes a key in the caller's transaction, which runs as the house.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    cx: &Ctx,
    terms: &KeyTerms,
    by: Principal,
    meta: &RequestMeta,
) -> Result<(KeyId, String), Error> {
    let secret = secret::new()?;
    let id: KeyId = cx.ids.new_id();
    let now = cx.clock.now();
    store::insert(conn, id, by, terms, now).await?;
    store::insert_secret(
        conn,
        id,
        by.tenant,
        &cache::hash(&secret),
        &secret::hint(&secret),
        now,
    )
    .await?;
    audit::Action::new("key.create", id)
        .after(terms.shown())
        .record(conn, cx, meta, by)
        .await?;
    Ok((id, secret))
}

/// A key as shown, in the caller's transaction.
pub(crate) async fn show(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    id: KeyId,
) -> Result<Key, Error> {
    store::find(conn, tenant, id, cx.clock.now())
        .await?
        .ok_or(Error::NotFound)
}

/// Makes a key of the tenant that `by` acts for.
pub async fn create(
    room: &Identity,
    terms: &KeyTerms,
    by: Principal,
    meta: &RequestMeta,
) -> Result<NewKey, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a new key")).await?;
    still_may(&mut tx, cx, by).await?;
    if store::count_live(&mut tx, by.tenant).await? >= MOST {
        return Err(Error::TooMany);
    }
    let (id, secret) = insert(&mut tx, cx, terms, by, meta).await?;
    let key = show(&mut tx, cx, by.tenant, id).await?;
    tx.commit().await?;
    Ok(NewKey { key, secret })
}

/// Asks once more whether a caller may make keys, under the lock that also those take who remove members: whoever is taken
/// out while their request is under way leaves no key behind.
async fn still_may(conn: &mut PgConnection, cx: &Ctx, by: Principal) -> Result<(), Error> {
    tenant::lock(conn, by.tenant).await?;
    let may = match (by.user, by.key) {
        (Some(user), _) => tenant::role_of(conn, by.tenant, user)
            .await?
            .is_some_and(|role| permission::allows(role, Permission::KeysManage)),
        (None, Some(key)) => store::is_live(conn, key, cx.clock.now()).await?,
        // the operator at the command line; no guest gets here
        (None, None) => true,
    };
    may.then_some(()).ok_or(Error::Forbidden)
}

/// All keys of a tenant, the newest first, those that are over at the end.
pub async fn list(cx: &Ctx, by: Principal) -> Result<Vec<Key>, Error> {
    let mut tx = cx.db.begin(by.scope()).await?;
    let keys = store::list(&mut tx, by.tenant, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(keys)
}

/// Gives a key other terms; they hold everywhere within a second.
pub(crate) async fn update(
    room: &Identity,
    id: KeyId,
    change: impl FnOnce(&mut KeyTerms),
    by: Principal,
    meta: &RequestMeta,
) -> Result<Key, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a key's terms")).await?;
    let before = store::lock_terms(&mut tx, by.tenant, id)
        .await?
        .ok_or(Error::NotFound)?;
    let mut after = before.clone();
    change(&mut after);
    store::update(&mut tx, by.tenant, id, &after).await?;
    revocation::publish(&mut tx, cx, &[id.0]).await?;
    audit::Action::new("key.change", id)
        .before(before.shown())
        .after(after.shown())
        .record(&mut tx, cx, meta, by)
        .await?;
    let key = show(&mut tx, cx, by.tenant, id).await?;
    tx.commit().await?;
    room.keys.forget(id.0);
    Ok(key)
}

/// Gives a key a new secret. The one before works for `grace` more, never beyond its own end; those before that one
/// stop now. Id, limits and history stay.
pub async fn rotate(
    room: &Identity,
    id: KeyId,
    grace: Duration,
    by: Principal,
    meta: &RequestMeta,
) -> Result<NewKey, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let secret = secret::new()?;
    let mut tx = cx.db.begin(Scope::House("a key is rotated")).await?;
    store::lock_terms(&mut tx, by.tenant, id)
        .await?
        .ok_or(Error::NotFound)?;
    store::retire_secrets(&mut tx, id, now, now + grace.min(LONGEST_GRACE)).await?;
    store::insert_secret(
        &mut tx,
        id,
        by.tenant,
        &cache::hash(&secret),
        &secret::hint(&secret),
        now,
    )
    .await?;
    revocation::publish(&mut tx, cx, &[id.0]).await?;
    audit::Action::new("key.rotate", id)
        .after(json!({ "grace_hours": grace.num_hours() }))
        .record(&mut tx, cx, meta, by)
        .await?;
    let key = show(&mut tx, cx, by.tenant, id).await?;
    tx.commit().await?;
    room.keys.forget(id.0);
    Ok(NewKey { key, secret })
}

/// Ends a key, everywhere within a second.
pub async fn revoke(
    room: &Identity,
    id: KeyId,
    by: Principal,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a key is revoked")).await?;
    store::lock_terms(&mut tx, by.tenant, id)
        .await?
        .ok_or(Error::NotFound)?;
    store::revoke(&mut tx, id, "revoked", cx.clock.now()).await?;
    revocation::publish(&mut tx, cx, &[id.0]).await?;
    audit::Action::new("key.revoke", id)
        .record(&mut tx, cx, meta, by)
        .await?;
    tx.commit().await?;
    room.keys.forget(id.0);
    Ok(())
}

/// Ends the keys that someone made in a tenant which they no longer belong to, in the caller's transaction.
pub(crate) async fn revoke_made_by(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    user: UserId,
) -> Result<(), Error> {
    let ended = store::revoke_made_by(conn, tenant, user, "its maker left", cx.clock.now()).await?;
    revocation::publish(conn, cx, &ended).await
}

/// Ends every key of a tenant, in the caller's transaction.
pub(crate) async fn revoke_all(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
) -> Result<(), Error> {
    let ended = store::revoke_all(conn, tenant, "the account is gone", cx.clock.now()).await?;
    revocation::publish(conn, cx, &ended).await
}

/// Takes a key that somebody found in the open: whoever has it may end it. Its owner gets a letter. Nothing tells the
/// finder whether the key was one.
pub(crate) async fn report_leak(
    room: &Identity,
    secret: &str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    if !secret::is_well_formed(secret) {
        return Ok(());
    }
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a leaked key")).await?;
    let Some(facts) = store::find_by_secret(&mut tx, &cache::hash(secret)).await? else {
        tx.commit().await?;
        return Ok(());
    };
    store::revoke(&mut tx, facts.id, "leaked", cx.clock.now()).await?;
    revocation::publish(&mut tx, cx, &[facts.id.0]).await?;
    audit::Action::new("key.leak", facts.id)
        .record_as(&mut tx, cx, meta, Some(facts.tenant), "finder")
        .await?;
    letters::key_leaked(&mut tx, room, facts.tenant, facts.id, &secret::hint(secret)).await?;
    tx.commit().await?;
    room.keys.forget(facts.id.0);
    tracing::warn!(key = %facts.id, "a key was reported as leaked and is revoked");
    Ok(())
}

/// Whether a key still works at all.
pub(crate) async fn is_live(cx: &Ctx, id: KeyId) -> Result<bool, Error> {
    let mut tx = cx.db.begin(Scope::House("is the key live")).await?;
    let live = store::is_live(&mut tx, id, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(live)
}

/// Writes down when keys were last used, which nodes collect in memory.
pub async fn note_key_use(room: &Identity) -> Result<(), Error> {
    let used = room.keys.take_used();
    if used.is_empty() {
        return Ok(());
    }
    let (ids, times) = used.into_iter().map(|(id, at)| (id.0, at)).unzip();
    let mut tx = room.cx.db.begin(Scope::House("keys were used")).await?;
    store::note_use(&mut tx, ids, times).await?;
    tx.commit().await?;
    Ok(())
}

/// The scopes of the words, unless one is none that a key may have.
pub fn scopes_for_keys(words: &[String]) -> Option<Vec<Permission>> {
    words
        .iter()
        .map(|word| Permission::from_scope(word).filter(|scope| permission::key_allows(*scope)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_list_of_networks_comes_from_nowhere_else() {
        let ranges: Vec<IpNet> = vec![
            "203.0.113.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ];
        let from = |address: &str| comes_from(Some(&ranges), Some(address.parse().unwrap()));
        assert!(from("203.0.113.9") && from("2001:db8::1") && from("::ffff:203.0.113.9"));
        assert!(!from("203.0.114.9") && !from("::1"));
        assert!(
            !comes_from(Some(&ranges), None),
            "an unknown origin is on no list"
        );
        assert!(
            !comes_from(Some(&[]), Some("203.0.113.9".parse().unwrap())),
            "an empty list means nowhere"
        );
        assert!(comes_from(None, None));
    }

    #[test]
    fn no_key_gets_a_scope_that_keys_may_not_have() {
        let words = |list: &[&str]| {
            scopes_for_keys(&list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            words(&["inference.use"]),
            Some(vec![Permission::InferenceUse])
        );
        assert_eq!(words(&["inference.use", "billing.manage"]), None);
        assert_eq!(words(&["*"]), None);
    }
}
