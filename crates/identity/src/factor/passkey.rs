mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, OnConstraint, Scope};
use kernel::Fault;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sqlx::PgConnection;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{
        DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
        RegisterPublicKeyCredential, Url, WebauthnError,
    },
};
use webauthn_rs_proto::{
    AllowCredentials, PublicKeyCredentialCreationOptions, ResidentKeyRequirement,
};

use crate::{
    Caller, Error, Identity, PasskeyId, RequestMeta, Session, UserId, audit,
    ceremony::{self, Ceremony, Kind},
    tenant,
    throttle::{self, Limit},
    user,
};

/// The name that browsers show the house under.
const NAME: &str = "Noren";
/// The most passkeys that a user may have.
const MOST: usize = 20;
/// Challenges asked for by one network; a sign-in page asks for one each time that it is opened.
const CHALLENGES: Limit = Limit {
    name: "passkey_challenges",
    tries: 600,
    window: chrono::Duration::minutes(15),
};

/// Whom passkeys are made for: the host of the account listener. None for an IP address, which `WebAuthn` has no
/// passkeys for.
pub(super) fn relying_party(account_url: &str) -> Result<Option<Webauthn>, Fault> {
    let origin = Url::parse(account_url)
        .map_err(|e| Fault::internal("the account listener's address can't be read", e))?;
    let Some(host) = origin.domain() else {
        return Ok(None);
    };
    WebauthnBuilder::new(host, &origin)
        .and_then(|builder| builder.rp_name(NAME).build())
        .map(Some)
        .map_err(|e| Fault::internal("passkeys can't be set up", e))
}

/// A passkey as shown to its owner.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Passkey)]
pub(super) struct View {
    pub(super) id: PasskeyId,
    pub(super) name: String,
    pub(super) created_at: DateTime<Utc>,
    #[schema(required)]
    pub(super) last_used_at: Option<DateTime<Utc>>,
}

/// What a browser needs to make or use a passkey.
#[derive(Debug)]
pub(super) struct Challenge {
    /// To be brought along with the answer, within five minutes.
    pub(super) ceremony: String,
    pub(super) options: Value,
}

/// A new passkey as it is kept.
#[derive(Debug)]
struct Row<'a> {
    id: PasskeyId,
    user: UserId,
    credential_id: &'a [u8],
    credential: Value,
    name: &'a str,
    created_at: DateTime<Utc>,
}

pub(super) async fn list(conn: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<View>> {
    store::list(conn, user).await
}

/// Asks the user's device for a new passkey: one that it finds by itself (so that no name is needed to sign in) and that
/// checks who holds it (so that it is both factors).
///
/// # Errors
/// `TooMany`, `PasskeysOff`.
pub(super) async fn begin_add(room: &Identity, caller: &Caller) -> Result<Challenge, Error> {
    let cx = &room.cx;
    let webauthn = room.factors.webauthn()?;
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("a new passkey")).await?;
    let view = user::find_view(&mut tx, user)
        .await?
        .ok_or(Error::NotFound)?;
    let before = store::credential_ids(&mut tx, user).await?;
    if before.len() >= MOST {
        return Err(Error::TooMany);
    }
    let name = view.email.as_deref().unwrap_or(&view.display_name);
    let (mut asked, state) = webauthn
        .start_passkey_registration(user.0, name, &view.display_name, Some(before))
        .map_err(|e| Fault::internal("a passkey can't be asked for", e))?;
    require_discoverable(&mut asked.public_key);
    let state = stored(&state)?;
    let ceremony = ceremony::begin(&mut tx, cx, Kind::PasskeyAdd, Some(user), state).await?;
    tx.commit().await?;
    Ok(Challenge {
        ceremony,
        options: stored(&asked.public_key)?,
    })
}

fn require_discoverable(options: &mut PublicKeyCredentialCreationOptions) {
    let wanted = options
        .authenticator_selection
        .get_or_insert_with(Default::default);
    wanted.resident_key = Some(ResidentKeyRequirement::Required);
    wanted.require_resident_key = true;
}

/// Keeps the passkey that a device made.
///
/// # Errors
/// `PasskeyRefused` when the answer is not whole or too late, `TooMany`, `PasskeysOff`.
pub(super) async fn add(
    room: &Identity,
    caller: &Caller,
    ceremony: &str,
    name: &str,
    answer: &RegisterPublicKeyCredential,
    meta: &RequestMeta,
) -> Result<View, Error> {
    let cx = &room.cx;
    let webauthn = room.factors.webauthn()?;
    let user = caller.person()?;
    let asked = take(cx, &[Kind::PasskeyAdd], ceremony)
        .await?
        .filter(|asked| asked.user == Some(user))
        .ok_or(Error::PasskeyRefused)?;
    let state: PasskeyRegistration = read(asked.state)?;
    let passkey = webauthn
        .finish_passkey_registration(answer, &state)
        .map_err(|e| refused(&e))?;

    let row = Row {
        id: cx.ids.new_id(),
        user,
        credential_id: passkey.cred_id(),
        credential: stored(&passkey)?,
        name,
        created_at: cx.clock.now(),
    };
    let mut tx = cx.db.begin(Scope::House("a new passkey")).await?;
    // others of the same user wait here, so that the count holds until the commit
    store::lock_user(&mut tx, user).await?;
    if store::credential_ids(&mut tx, user).await?.len() >= MOST {
        return Err(Error::TooMany);
    }
    store::insert(&mut tx, &row)
        .await
        .on_constraint("passkey_credential_key", || Error::PasskeyRefused)?;
    audit::Action::new("factor.add", row.id)
        .after(json!({ "kind": "passkey" }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(View {
        id: row.id,
        name: name.to_owned(),
        created_at: row.created_at,
        last_used_at: None,
    })
}

/// Removes a passkey of the caller's.
pub(super) async fn remove(
    cx: &Ctx,
    caller: &Caller,
    id: PasskeyId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("a passkey goes")).await?;
    if !store::delete(&mut tx, user, id).await? {
        return Err(Error::NotFound);
    }
    audit::Action::new("factor.remove", id)
        .before(json!({ "kind": "passkey" }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Asks for any passkey of the house; a user who is signed in and has passkeys is asked for one of those.
pub(super) async fn begin_use(
    room: &Identity,
    session: Option<Session>,
    meta: &RequestMeta,
) -> Result<Challenge, Error> {
    let cx = &room.cx;
    let webauthn = room.factors.webauthn()?;
    throttle::count(cx, CHALLENGES, &meta.source()).await?;
    let (mut asked, state) = webauthn
        .start_discoverable_authentication()
        .map_err(|e| Fault::internal("a passkey can't be asked for", e))?;
    let mut tx = cx.db.begin(Scope::House("a passkey's challenge")).await?;
    let user = session.and_then(|session| session.principal.user);
    let own = match user {
        Some(user) => store::credential_ids(&mut tx, user).await?,
        None => Vec::new(),
    };
    let (kind, user) = if own.is_empty() {
        (Kind::PasskeySignIn, None)
    } else {
        (Kind::PasskeyStepUp, user)
    };
    asked.public_key.allow_credentials = own.into_iter().map(allowed).collect();
    let ceremony = ceremony::begin(&mut tx, cx, kind, user, stored(&state)?).await?;
    tx.commit().await?;
    Ok(Challenge {
        ceremony,
        options: stored(&asked.public_key)?,
    })
}

fn allowed(id: Vec<u8>) -> AllowCredentials {
    AllowCredentials {
        type_: "public-key".to_owned(),
        id,
        transports: None,
    }
}

/// Whose passkey this is, for a sign-in.
///
/// # Errors
/// `PasskeyRefused` whatever is wrong with the answer, `TooManyAttempts`, `PasskeysOff`.
pub(crate) async fn holder_of_passkey(
    room: &Identity,
    ceremony: &str,
    answer: &PublicKeyCredential,
    meta: &RequestMeta,
) -> Result<UserId, Error> {
    // a challenge for a user's own passkeys is good for coming in again, too
    let kinds = [Kind::PasskeySignIn, Kind::PasskeyStepUp];
    check(room, &kinds, ceremony, answer, meta).await
}

/// Checks a passkey of somebody who is signed in already.
///
/// # Errors
/// As [`holder_of_passkey`]; `PasskeyRefused` also for somebody else's passkey.
pub(super) async fn confirm(
    room: &Identity,
    user: UserId,
    ceremony: &str,
    answer: &PublicKeyCredential,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let holder = check(room, &[Kind::PasskeyStepUp], ceremony, answer, meta).await?;
    if holder != user {
        return Err(Error::PasskeyRefused);
    }
    Ok(())
}

/// Whose passkey gave this answer to our challenge, which is used up whatever comes of it.
async fn check(
    room: &Identity,
    kinds: &[Kind],
    ceremony: &str,
    answer: &PublicKeyCredential,
    meta: &RequestMeta,
) -> Result<UserId, Error> {
    let cx = &room.cx;
    let webauthn = room.factors.webauthn()?;
    throttle::count(cx, throttle::NETWORK, &meta.source()).await?;
    let asked = take(cx, kinds, ceremony)
        .await?
        .ok_or(Error::PasskeyRefused)?;
    let user = holder(asked.user, answer.get_user_unique_id()).ok_or(Error::PasskeyRefused)?;
    verify(cx, webauthn, user, asked.state, answer, meta).await?;
    throttle::give_back(cx, throttle::NETWORK, &meta.source()).await?;
    Ok(user)
}

/// The user who is asked for (at a sign-in nobody yet), with the user handle of the answer, which says whom the passkey was
/// made for. A device may leave the handle out only where it was told which passkeys to use.
fn holder(asked: Option<UserId>, handle: Option<&[u8]>) -> Option<UserId> {
    let claimed = match handle {
        Some(handle) => Some(UserId(uuid::Uuid::from_slice(handle).ok()?)),
        None => None,
    };
    match (asked, claimed) {
        (Some(asked), Some(claimed)) => (asked == claimed).then_some(asked),
        (asked, claimed) => asked.or(claimed),
    }
}

/// Checks the answer against the user's passkey and keeps what changed about it. The row is locked meanwhile, so that of two
/// answers with the same count one is taken for the copy that it is.
async fn verify(
    cx: &Ctx,
    webauthn: &Webauthn,
    user: UserId,
    state: Value,
    answer: &PublicKeyCredential,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let state: DiscoverableAuthentication = read(state)?;
    let mut tx = cx.db.begin(Scope::House("a passkey is used")).await?;
    let (id, credential) = store::lock(&mut tx, user, answer.get_credential_id())
        .await?
        .ok_or(Error::PasskeyRefused)?;
    let mut passkey: Passkey = read(credential)?;
    match webauthn.finish_discoverable_authentication_v2(answer, state, &passkey) {
        Ok(result) => {
            passkey.update_credential(&result);
            store::used(&mut tx, id, &stored(&passkey)?, cx.clock.now()).await?;
            tx.commit().await?;
            Ok(())
        }
        Err(error) => {
            if matches!(error, WebauthnError::CredentialPossibleCompromise) {
                let tenant = tenant::of_sign_in(&mut tx, user).await?;
                audit::Action::new("factor.clone", id)
                    .record_as(&mut tx, cx, meta, Some(tenant), &user.to_string())
                    .await?;
                tx.commit().await?;
                tracing::warn!(passkey = %id, "a passkey counted backwards: there may be a copy of it");
            }
            Err(refused(&error))
        }
    }
}

/// Takes a challenge of one of these kinds, once.
async fn take(cx: &Ctx, kinds: &[Kind], ceremony: &str) -> Result<Option<Ceremony>, Error> {
    let mut tx = cx.db.begin(Scope::House("a passkey's answer")).await?;
    let mut taken = None;
    for kind in kinds {
        if taken.is_none() {
            taken = ceremony::take(&mut tx, cx, *kind, ceremony).await?;
        }
    }
    tx.commit().await?;
    Ok(taken)
}

fn refused(error: &WebauthnError) -> Error {
    tracing::info!(%error, "a passkey was refused");
    Error::PasskeyRefused
}

fn stored(value: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(value).map_err(|e| Fault::internal("a passkey can't be written", e))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|e| Fault::internal("a stored passkey can't be read", e))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn passkeys_belong_to_a_host_and_an_ip_address_has_none() {
        let party = |url: &str| relying_party(url).unwrap();
        for url in ["https://account.example.test", "http://localhost:8080"] {
            let party = party(url).unwrap();
            let (asked, _) = party.start_discoverable_authentication().unwrap();
            let host = Url::parse(url).unwrap();
            assert_eq!(Some(asked.public_key.rp_id.as_str()), host.domain());
            assert_eq!(party.get_allowed_origins(), [host]);
        }
        for url in ["http://127.0.0.1:8080", "https://[::1]:8443"] {
            assert!(party(url).is_none(), "{url}");
        }
        assert!(relying_party("nowhere").is_err());
    }

    #[test]
    fn the_handle_says_whose_a_passkey_is_and_must_not_say_anything_else() {
        let (one, other) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let handle = |user: &UserId| Some(*user.0.as_bytes());
        let found = |asked, handle: Option<[u8; 16]>| {
            holder(asked, handle.as_ref().map(<[u8; 16]>::as_slice))
        };
        assert_eq!(found(None, handle(&one)), Some(one));
        assert_eq!(found(Some(one), handle(&one)), Some(one));
        assert_eq!(found(Some(one), None), Some(one));
        assert_eq!(found(Some(one), handle(&other)), None);
        assert_eq!(found(None, None), None);
        assert_eq!(holder(Some(one), Some(b"short")), None);
    }
}
