use db::{Ctx, Scope};
use kernel::Fault;
use seal::Resealed;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::{
    Code, recovery, store,
    totp::{generator, open, place, step_of},
};
use crate::{Caller, Error, Identity, RequestMeta, UserId, audit, secret, throttle, user};

/// Secrets that are sealed anew in one transaction.
const BATCH: i64 = 100;

/// A secret for an authenticator, shown this once.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TotpSetup {
    /// In base 32, to be typed in.
    secret: String,
    /// The same as an `otpauth:` address, for a QR code.
    uri: String,
}

/// Makes a secret, in place of one that was never confirmed. It is in force once a code of it was seen.
///
/// # Errors
/// `TooMany` while an authenticator is in force: it has to be removed first, so that there is no moment without one.
pub(super) async fn begin(room: &Identity, caller: &Caller) -> Result<TotpSetup, Error> {
    let user = caller.person()?;
    let cx = &room.cx;
    let secret: [u8; 20] = secret::random()?;
    let sealed = room.vault.seal(&place(user), &secret)?;
    let mut tx = cx.db.begin(Scope::House("a new authenticator")).await?;
    let view = user::find_view(&mut tx, user)
        .await?
        .ok_or(Error::NotFound)?;
    if !store::put_totp(&mut tx, user, &sealed, cx.clock.now()).await? {
        return Err(Error::TooMany);
    }
    tx.commit().await?;
    let name = view.email.unwrap_or(view.display_name);
    let totp = generator(&secret, &name)?;
    Ok(TotpSetup {
        secret: totp.secret().to_base32(),
        uri: totp
            .to_url()
            .map_err(|e| Fault::internal("an otpauth address can't be written", e))?,
    })
}

/// Puts the secret in force with a code of it; gives the recovery codes, which are shown this once.
///
/// # Errors
/// `NotFound` when nothing waits to be confirmed, `WrongCode`, `TooManyAttempts`.
pub(super) async fn confirm(
    room: &Identity,
    caller: &Caller,
    code: &str,
    meta: &RequestMeta,
) -> Result<Vec<String>, Error> {
    let user = caller.person()?;
    let cx = &room.cx;
    let now = cx.clock.now();
    throttle::count(cx, throttle::CODE, &user.to_string()).await?;
    let mut tx = cx.db.begin(Scope::House("a new authenticator")).await?;
    let kept = store::lock_totp(&mut tx, user)
        .await?
        .filter(|kept| kept.waits_at(now))
        .ok_or(Error::NotFound)?;
    let Some(Code::Totp(digits)) = Code::read(code) else {
        return Err(Error::WrongCode);
    };
    let secret = open(&room.vault, user, &kept.sealed)?;
    let step = step_of(secret.expose_secret(), &digits, now)?.ok_or(Error::WrongCode)?;
    store::confirm_totp(&mut tx, user, step, now).await?;
    let codes = recovery::renew(&mut tx, cx, user).await?;
    audit::Action::new("factor.add", user)
        .after(json!({ "kind": "totp" }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    throttle::give_back(cx, throttle::CODE, &user.to_string()).await?;
    Ok(codes)
}

/// Removes the authenticator and the recovery codes that stand in for it.
pub(super) async fn remove(cx: &Ctx, caller: &Caller, meta: &RequestMeta) -> Result<(), Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("an authenticator goes")).await?;
    if !store::delete_totp(&mut tx, user).await? {
        return Err(Error::NotFound);
    }
    store::delete_recovery_codes(&mut tx, user).await?;
    audit::Action::new("factor.remove", user)
        .before(json!({ "kind": "totp" }))
        .record(&mut tx, cx, meta, caller.principal)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Whether the digits are the user's for a step that was not used before.
pub(super) async fn accept(
    conn: &mut PgConnection,
    room: &Identity,
    user: UserId,
    digits: &str,
) -> Result<bool, Error> {
    let Some(sealed) = store::totp_in_force(conn, user).await? else {
        return Ok(false);
    };
    let secret = open(&room.vault, user, &sealed)?;
    match step_of(secret.expose_secret(), digits, room.cx.clock.now())? {
        Some(step) => Ok(store::use_step(conn, user, step).await?),
        None => Ok(false),
    }
}

/// Seals under the first key what is not.
pub(super) async fn reseal(room: &Identity) -> Result<Resealed, Error> {
    let prefix = room.vault.prefix()?;
    let (mut resealed, mut after) = (Resealed::default(), UserId(uuid::Uuid::nil()));
    loop {
        let scope = Scope::House("authenticators are sealed anew");
        let mut tx = room.cx.db.begin(scope).await?;
        let kept = store::sealed_otherwise(&mut tx, &prefix, after, BATCH).await?;
        let Some((last, _)) = kept.last() else {
            return Ok(resealed);
        };
        after = *last;
        for (user, sealed) in &kept {
            match open(&room.vault, *user, sealed) {
                Ok(secret) => {
                    let anew = room.vault.seal(&place(*user), secret.expose_secret())?;
                    store::reseal_totp(&mut tx, *user, &anew).await?;
                    resealed.done += 1;
                }
                Err(error) if error.lacks_key() => resealed.closed += 1,
                Err(error) => return Err(error.into()),
            }
        }
        tx.commit().await?;
    }
}
