mod authenticator;
mod http;
mod passkey;
mod recovery;
mod step_up;
mod store;
mod totp;

use db::{Ctx, Scope};
use kernel::Fault;
use seal::Resealed;
use serde::Serialize;
use sqlx::PgConnection;
use webauthn_rs::Webauthn;

use crate::{Caller, Error, Identity, RequestMeta, UserId, user};

pub(crate) use http::router;
pub(crate) use passkey::holder_of_passkey;

/// A second factor that a sign-in may be finished with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Totp,
    Recovery,
    Passkey,
}

/// What the house needs to check factors.
#[derive(Debug)]
pub(crate) struct Factors {
    /// None where the account listener's address can't have passkeys.
    webauthn: Option<Webauthn>,
}

impl Factors {
    pub(crate) fn new(account_url: &str) -> Result<Self, Fault> {
        let webauthn = passkey::relying_party(account_url)?;
        if webauthn.is_none() {
            tracing::warn!("an IP address can't have passkeys: they are off");
        }
        Ok(Self { webauthn })
    }

    fn webauthn(&self) -> Result<&Webauthn, Error> {
        self.webauthn.as_ref().ok_or(Error::PasskeysOff)
    }
}

/// How many of each factor a user has set up.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    totp: bool,
    /// Recovery codes that were not used yet.
    recovery_codes: i64,
    passkeys: i64,
}

impl Held {
    /// A passkey alone asks nobody for more than the password: it is another way in, not a second lock. That takes an
    /// authenticator, which can be had again with the recovery codes.
    fn second_factors(self) -> Vec<Method> {
        if !self.totp {
            return Vec::new();
        }
        let others = [
            (self.recovery_codes > 0, Method::Recovery),
            (self.passkeys > 0, Method::Passkey),
        ];
        std::iter::once(Method::Totp)
            .chain(
                others
                    .into_iter()
                    .filter_map(|(has, method)| has.then_some(method)),
            )
            .collect()
    }
}

/// What a user has set up, as shown to them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Factors)]
struct View {
    /// Whether there is a password; who came from an issuer outside may have none.
    password: bool,
    totp: bool,
    recovery_codes_left: i64,
    /// The oldest first.
    passkeys: Vec<passkey::View>,
}

async fn view(cx: &Ctx, caller: &Caller) -> Result<View, Error> {
    let user = caller.person()?;
    let mut tx = cx.db.begin(Scope::House("a user's factors")).await?;
    let known = user::find_by_id(&mut tx, user).await?;
    let held = store::held(&mut tx, user).await?;
    let passkeys = passkey::list(&mut tx, user).await?;
    tx.commit().await?;
    Ok(View {
        password: known.is_some_and(|known| known.password_hash.is_some()),
        totp: held.totp,
        recovery_codes_left: held.recovery_codes,
        passkeys,
    })
}

/// What a user's sign-in asks for after the password; empty when nothing is set up.
pub(crate) async fn second_factors(
    conn: &mut PgConnection,
    user: UserId,
) -> sqlx::Result<Vec<Method>> {
    Ok(store::held(conn, user).await?.second_factors())
}

/// Whether the code is the user's, now and for the first time. Of several tries with one code at a time, one gets it.
///
/// # Errors
/// `SecretClosed` when the authenticator's secret can't be opened: then no code of it is right.
pub(crate) async fn accept_code(
    room: &Identity,
    user: UserId,
    code: &str,
    meta: &RequestMeta,
) -> Result<bool, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a code")).await?;
    let accepted = match Code::read(code) {
        Some(Code::Totp(digits)) => authenticator::accept(&mut tx, room, user, &digits).await?,
        Some(Code::Recovery(code)) => recovery::accept(&mut tx, cx, user, &code, meta).await?,
        None => false,
    };
    tx.commit().await?;
    Ok(accepted)
}

/// Whether a passkey of the user's has let them in before: one that was only made may not work where they are.
pub(crate) async fn has_used_passkey(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    store::has_used_passkey(conn, user).await
}

pub(crate) async fn reseal(room: &Identity) -> Result<Resealed, Fault> {
    authenticator::reseal(room)
        .await
        .map_err(|error| match error {
            Error::Fault(fault) => fault,
            error => Fault::unavailable("authenticators can't be sealed", error),
        })
}

/// What somebody typed as a code.
#[derive(Debug, PartialEq, Eq)]
enum Code {
    /// Six digits.
    Totp(String),
    /// A recovery code in the form that is hashed.
    Recovery(String),
}

impl Code {
    /// Spaces and dashes are for the eye only.
    fn read(text: &str) -> Option<Self> {
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Totp(plain));
        }
        recovery::read(&plain).map(Self::Recovery)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Lang;

    use super::*;
    use crate::{Config, NewUser, secret, user::add_user};

    async fn wins(room: &Identity, user: UserId, code: &str) -> usize {
        let meta = RequestMeta::of_the_house("req_test");
        let tries = (0..20).map(|_| accept_code(room, user, code, &meta));
        let tries = futures::future::join_all(tries).await;
        tries
            .into_iter()
            .filter(|accepted| *accepted.as_ref().unwrap())
            .count()
    }

    #[tokio::test]
    async fn of_twenty_uses_of_one_code_at_a_time_one_wins() {
        let test = testkit::context().await;
        let vault = seal::Vault::of_keys(&seal::new_key().unwrap()).unwrap();
        let config = Config {
            vault,
            ..Config::at("https://account.example.test")
        };
        let room = Identity::open(test.cx.clone(), config).await.unwrap();
        let new = NewUser {
            email: "a@example.test".to_owned(),
            password: "correct horse".into(),
            display_name: None,
            locale: Lang::En,
        };
        let meta = RequestMeta::of_the_house("req_test");
        let user = add_user(&room, new, false, &meta)
            .await
            .unwrap()
            .user
            .unwrap();
        let (now, key) = (test.cx.clock.now(), b"12345678901234567890");
        let mut tx = test.cx.db.begin(Scope::House("test")).await.unwrap();
        store::put_totp(&mut tx, user, key, now).await.unwrap();
        store::confirm_totp(&mut tx, user, 0, now).await.unwrap();
        let recovery_code = "K7Q2M9XD0000ABCD";
        let hashes = [secret::hash(recovery_code)];
        store::insert_recovery_codes(&mut tx, user, &hashes, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();

        let seconds = now.timestamp().try_into().unwrap();
        let code = totp::generator(key, "").unwrap().generate(seconds);
        let code = code.to_string();
        assert_eq!(wins(&room, user, &code).await, 1);
        assert_eq!(wins(&room, user, &code).await, 0);
        assert_eq!(wins(&room, user, recovery_code).await, 1);
        assert_eq!(wins(&room, user, recovery_code).await, 0);
    }

    #[test]
    fn nothing_is_asked_for_unless_an_authenticator_is_set_up() {
        let held = |totp, recovery_codes, passkeys| {
            Held {
                totp,
                recovery_codes,
                passkeys,
            }
            .second_factors()
        };
        assert_eq!(held(false, 0, 2), []);
        assert_eq!(held(true, 0, 0), [Method::Totp]);
        assert_eq!(held(true, 3, 0), [Method::Totp, Method::Recovery]);
        assert_eq!(
            held(true, 1, 1),
            [Method::Totp, Method::Recovery, Method::Passkey]
        );
    }

    #[test]
    fn codes_are_read_as_people_write_them() {
        let totp = |digits: &str| Some(Code::Totp(digits.to_owned()));
        assert_eq!(Code::read("123456"), totp("123456"));
        assert_eq!(Code::read(" 123 456 "), totp("123456"));
        assert_eq!(
            Code::read("k7q2-m9xd-0000-abcd"),
            Some(Code::Recovery("K7Q2M9XD0000ABCD".to_owned()))
        );
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", "+12345"] {
            assert_eq!(Code::read(wrong), None, "{wrong}");
        }
    }
}
