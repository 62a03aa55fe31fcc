use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use kernel::Fault;
use seal::{Resealed, Vault};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use totp_rs::{Builder, Totp};

use super::{Code, recovery, store};
use crate::{Caller, Error, Identity, RequestMeta, UserId, audit, secret, throttle, user};

/// What authenticators show the account under.
const ISSUER: &str = "Noren";
/// A clock may be one step of 30 seconds ahead or behind (RFC 6238 §5.2).
const SKEW: u16 = 1;
/// How long a set-up waits for its first code.
const SET_UP_WITHIN: Duration = Duration::hours(1);
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

/// A user's secret as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sealed: Vec<u8>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) confirmed_at: Option<DateTime<Utc>>,
}

impl Kept {
    fn waits_at(&self, now: DateTime<Utc>) -> bool {
        self.confirmed_at.is_none() && now < self.created_at + SET_UP_WITHIN
    }
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

/// Where alone a user's secret opens.
fn place(user: UserId) -> String {
    format!("identity.totp:{user}")
}

/// A user's secret. One that was kept before there was sealing is as it is, until the next [`reseal`].
fn open(vault: &Vault, user: UserId, sealed: &[u8]) -> Result<SecretSlice<u8>, seal::Error> {
    if seal::key_of(sealed).is_some() {
        vault.open(&place(user), sealed)
    } else {
        Ok(sealed.to_vec().into())
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

/// The step whose code this is, if it is near enough.
fn step_of(secret: &[u8], digits: &str, now: DateTime<Utc>) -> Result<Option<i64>, Fault> {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let step = generator(secret, "")?.check(digits, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// SHA-1, six digits, steps of 30 seconds: what every authenticator can do.
pub(super) fn generator(secret: &[u8], account: &str) -> Result<Totp, Fault> {
    Builder::new()
        .with_secret(secret)
        .with_skew(SKEW)
        .with_issuer(Some(ISSUER))
        // the label is ISSUER:account, so a colon in a name would move the border
        .with_account_name(account.replace(':', " "))
        .build()
        .map_err(|e| Fault::internal("a secret for codes can't be used", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, the last six of its eight digits
        let secret = b"12345678901234567890";
        for (seconds, digits, step) in [
            (59, "287082", 1),
            (1_111_111_109, "081804", 37_037_036),
            (1_111_111_111, "050471", 37_037_037),
            (2_000_000_000, "279037", 66_666_666),
        ] {
            assert_eq!(step_of(secret, digits, at(seconds)).unwrap(), Some(step));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step() {
        let secret = b"12345678901234567890";
        // the code of step 37037036, which began at 1111111080
        for (seconds, near) in [
            (1_111_111_049, false),
            (1_111_111_050, true),
            (1_111_111_139, true),
            (1_111_111_140, false),
        ] {
            let step = step_of(secret, "081804", at(seconds)).unwrap();
            assert_eq!(step.is_some(), near, "{seconds}");
        }
        assert_eq!(step_of(secret, "81804", at(1_111_111_109)).unwrap(), None);
    }

    #[test]
    fn the_address_names_the_house_and_the_account() {
        let uri = generator(&[7; 20], "taro:x@example.test")
            .unwrap()
            .to_url()
            .unwrap();
        assert!(
            uri.starts_with("otpauth://totp/Noren:taro%20x%40example.test?secret="),
            "{uri}"
        );
        assert!(uri.contains("issuer=Noren"), "{uri}");
    }

    #[test]
    fn a_set_up_waits_for_an_hour() {
        let mut kept = Kept {
            sealed: Vec::new(),
            created_at: at(0),
            confirmed_at: None,
        };
        assert!(kept.waits_at(at(3599)) && !kept.waits_at(at(3600)));
        kept.confirmed_at = Some(at(10));
        assert!(!kept.waits_at(at(20)));
    }
}
