//! Families of refresh tokens: what a sign-in of an API client leads to.
//!
//! A refresh token is good for one use, which gives the next one. A used token that comes again means that two hold it,
//! and nobody can tell which of them is the thief: the family ends (RFC 9700 §4.14.2). One case is told apart, because
//! it happens to honest clients every day: the answer was lost, or two threads asked at once. A use within ten seconds of
//! the first, from the same network and program, while nobody has used the token that came of it, is refused and no
//! more. Whoever has the new token goes on; whoever lost it signs in again.

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use serde_json::json;
use sqlx::PgConnection;

use super::{LIFETIME, store};
use crate::{
    Error, FamilyId, Identity, Permission, Principal, RequestMeta, TenantId, UserId, audit,
    permission, revocation, secret, session::Proof, user,
};

/// A family that nobody used for this long is over.
pub(super) const IDLE: Duration = Duration::days(30);
/// No family lives longer; its user signs in again.
pub(super) const LONGEST: Duration = Duration::days(90);
/// How long after its use a token may come again without ending its family.
const LOST_ANSWER: Duration = Duration::seconds(10);

/// What all tokens of a family have in common.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) id: FamilyId,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    /// The OAuth client; none for one that took the password itself.
    pub(crate) client: Option<String>,
    /// Empty: all that the user may.
    pub(crate) scopes: Vec<String>,
    pub(crate) proofs: Vec<String>,
    pub(crate) proven_at: DateTime<Utc>,
}

/// Who signed in, for which tenant and how.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) client: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) proofs: Vec<String>,
    pub(crate) proven_at: DateTime<Utc>,
}

impl Entry {
    /// A client that the user gave the password to: it may all that the user may.
    pub(super) fn of_password(
        tenant: TenantId,
        user: UserId,
        proofs: &[Proof],
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            tenant,
            user,
            client: None,
            scopes: Vec::new(),
            proofs: proofs
                .iter()
                .map(|proof| proof.as_str().to_owned())
                .collect(),
            proven_at: now,
        }
    }
}

/// What a refresh token leads to in the database.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) family: Family,
    /// From where the family was used last.
    pub(super) user_agent: String,
    pub(super) network: String,
    pub(super) used_at: Option<DateTime<Utc>>,
    /// Whether a token that came after this one was used.
    pub(super) went_on: bool,
}

impl Found {
    /// Whether a used token comes again because an answer was lost, as far as anyone can tell.
    fn is_retry(&self, meta: &RequestMeta, now: DateTime<Utc>) -> bool {
        self.used_at
            .is_some_and(|used_at| now < used_at + LOST_ANSWER)
            && !self.went_on
            && self.user_agent == meta.user_agent
            && self.network == meta.network()
    }
}

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
    let access_token = super::mint(room, &family, scopes).await?;
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

/// Ends a family because something of it was used twice, which is written down.
pub(crate) async fn end_for_reuse(
    conn: &mut PgConnection,
    cx: &Ctx,
    family: &Family,
    action: &'static str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    if store::end(conn, family.id, None, "used twice", cx.clock.now()).await? {
        revocation::publish(conn, cx, &[family.id.0]).await?;
        metrics::counter!("refresh_token_reuse_total").increment(1);
    }
    audit::Action::new(action, family.id)
        .record(conn, cx, meta, Principal::user(family.tenant, family.user))
        .await?;
    Ok(())
}

/// Ends a family because its client says so.
pub(crate) async fn end_by_client(
    conn: &mut PgConnection,
    cx: &Ctx,
    family: &Family,
    meta: &RequestMeta,
) -> Result<(), Error> {
    if store::end(conn, family.id, None, "revoked", cx.clock.now()).await? {
        revocation::publish(conn, cx, &[family.id.0]).await?;
        audit::Action::new("token.revoke", family.id)
            .record(conn, cx, meta, Principal::user(family.tenant, family.user))
            .await?;
    }
    Ok(())
}

/// What somebody is in a tenant right now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) role: crate::Role,
    pub(crate) operator: bool,
}

impl Standing {
    fn scope(self) -> String {
        let words: Vec<&str> = Permission::ALL
            .into_iter()
            .filter(|one| match one {
                Permission::HouseOperate => self.operator,
                one => permission::allows(self.role, *one),
            })
            .map(Permission::as_str)
            .collect();
        words.join(" ")
    }
}

/// The scopes asked for, unless one is not among those that there are.
fn narrow(scopes: &[String], wanted: Option<&[String]>) -> Result<Vec<String>, Error> {
    let wanted = wanted.unwrap_or(scopes);
    let within = wanted.iter().all(|scope| scopes.contains(scope));
    // an empty list means everything, so nobody gets to it by asking for nothing
    if within && (wanted.is_empty() == scopes.is_empty()) {
        Ok(wanted.to_vec())
    } else {
        Err(Error::Forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scopes_only_ever_get_fewer() {
        let all = words(&["openid", "usage.read"]);
        assert_eq!(narrow(&all, None).unwrap(), all);
        let one = words(&["usage.read"]);
        assert_eq!(narrow(&all, Some(&one)).unwrap(), one);
        assert!(narrow(&one, Some(&all)).is_err());
        assert!(
            narrow(&all, Some(&[])).is_err(),
            "an empty list would mean everything"
        );
        assert_eq!(narrow(&[], None).unwrap(), words(&[]));
        assert!(narrow(&[], Some(&one)).is_err());
    }

    #[test]
    fn only_a_prompt_retry_from_the_same_place_is_forgiven() {
        let now = DateTime::UNIX_EPOCH;
        let meta = RequestMeta::of_the_house("req_test");
        let found = || Found {
            family: Family {
                id: FamilyId(uuid::Uuid::nil()),
                tenant: TenantId(uuid::Uuid::nil()),
                user: UserId(uuid::Uuid::nil()),
                client: None,
                scopes: Vec::new(),
                proofs: Vec::new(),
                proven_at: now,
            },
            user_agent: "noren (command line)".into(),
            network: String::new(),
            used_at: Some(now),
            went_on: false,
        };
        assert!(found().is_retry(&meta, now + Duration::seconds(9)));
        assert!(!found().is_retry(&meta, now + LOST_ANSWER));
        let elsewhere = Found {
            network: "203.0.113.0/24".into(),
            ..found()
        };
        let other = Found {
            user_agent: "curl".into(),
            ..found()
        };
        let went_on = Found {
            went_on: true,
            ..found()
        };
        for case in [elsewhere, other, went_on] {
            assert!(!case.is_retry(&meta, now), "{case:?}");
        }
    }
}
