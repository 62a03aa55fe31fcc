use db::{Ctx, Scope};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    LIFETIME, end_for_reuse,
    family::{Entry, Family, Standing, narrow},
    mint, store,
};
use crate::{Error, Identity, Principal, RequestMeta, audit, secret, user};

/// The answer to a client that signed in or asked for fresh tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) family: Family,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i64,
    /// What the access token is good for, as words with spaces in between.
    pub(crate) scope: String,
}

/// Begins a family in the caller's transaction; gives its first refresh token.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    cx: &Ctx,
    entry: Entry,
    meta: &RequestMeta,
) -> Result<(Family, String), Error> {
    let family = Family {
        id: cx.ids.new_id(),
        tenant: entry.tenant,
        user: entry.user,
        client: entry.client,
        scopes: entry.scopes,
        proofs: entry.proofs,
        proven_at: entry.proven_at,
    };
    user::lock(conn, family.user).await?;
    let now = cx.clock.now();
    store::insert_family(conn, &family, meta, now).await?;
    let token = secret::new_token()?;
    store::insert_token(conn, family.id, &secret::hash(&token), now).await?;
    audit::Action::new("token.start", family.id)
        .after(json!({ "client": family.client, "scopes": family.scopes, "proofs": family.proofs }))
        .record(conn, cx, meta, Principal::user(family.tenant, family.user))
        .await?;
    Ok((family, token))
}

/// Uses a refresh token up and gives the next ones; of twenty at once one succeeds. `narrowed` takes away from what the
/// access token is good for, this once.
///
/// # Errors
/// `Unauthenticated` whatever is wrong with it; `Forbidden` when more is asked for than the family has.
pub(crate) async fn refresh(
    room: &Identity,
    token: &str,
    client: Option<&str>,
    narrowed: Option<&[String]>,
    meta: &RequestMeta,
) -> Result<Tokens, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let hash = secret::hash(token);
    let mut tx = cx.db.begin(Scope::House("refresh")).await?;
    let found = store::lock_by_token(&mut tx, &hash, now)
        .await?
        .filter(|found| found.family.client.as_deref() == client)
        .ok_or(Error::Unauthenticated)?;
    if found.used_at.is_some() {
        if !found.is_retry(meta, now) {
            end_for_reuse(&mut tx, cx, &found.family, "token.reuse", meta).await?;
            tx.commit().await?;
            tracing::warn!(family = %found.family.id, "a used refresh token came again; its family has ended");
        }
        return Err(Error::Unauthenticated);
    }
    let family = found.family;
    let scopes = narrow(&family.scopes, narrowed)?;
    let standing = store::standing(&mut tx, family.tenant, family.user)
        .await?
        .ok_or(Error::Unauthenticated)?;
    store::use_token(&mut tx, &hash, now).await?;
    let next = secret::new_token()?;
    store::insert_token(&mut tx, family.id, &secret::hash(&next), now).await?;
    store::touch_family(&mut tx, family.id, meta, now).await?;
    tx.commit().await?;
    answer(room, family, &scopes, standing, next).await
}

/// Mints the access token that goes with a refresh token.
pub(crate) async fn answer(
    room: &Identity,
    family: Family,
    scopes: &[String],
    standing: Standing,
    refresh_token: String,
) -> Result<Tokens, Error> {
    let access_token = mint(room, &family, scopes).await?;
    Ok(Tokens {
        access_token,
        refresh_token,
        expires_in: LIFETIME.num_seconds(),
        scope: if scopes.is_empty() {
            standing.scope()
        } else {
            scopes.join(" ")
        },
        family,
    })
}
