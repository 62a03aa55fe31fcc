mod http;

use std::time::Duration;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use mail::Template;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use webauthn_rs::prelude::PublicKeyCredential;

use crate::{
    Error, Identity, NewSession, RequestMeta, Session, UserId, audit, ceremony, device, factor,
    letters,
    session::{self, Entry, Proof},
    tenant,
    throttle::{self, Limit},
    user::{self, Known, Stamp, fold_email},
};

pub use http::came_in;
pub(crate) use http::{check_pin, router};

/// A refused sign-in takes at least this long, so that its time tells nothing: not whether the account exists, nor how
/// its password is kept.
const REFUSAL: Duration = Duration::from_millis(300);
/// Wrong passwords of the whole house in a quarter of an hour that are worth a look.
const MANY_FAILURES: Limit = Limit {
    name: "failures_of_the_house",
    tries: 1000,
    window: chrono::Duration::minutes(15),
};

/// How a password was answered.
#[derive(Debug)]
pub enum SignedIn {
    /// In.
    Session(NewSession),
    /// The password was right, and a second factor is asked for.
    Waiting {
        /// To be brought along with the second factor, within five minutes.
        ticket: String,
        methods: Vec<factor::Method>,
    },
}

/// Opens a session for whoever knows the password, or asks for the second factor.
///
/// An unknown address takes as long and says the same. Tries are counted before the password is looked at; those from a
/// browser that the account knows are counted apart, so that others can't lock its owner out.
///
/// # Errors
/// `WrongCredentials`, `TooManyAttempts`, `Busy`.
pub async fn sign_in(
    room: &Identity,
    email: &str,
    password: SecretString,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<SignedIn, Error> {
    let checked = check_password(room, email, password, meta).await?;
    finish(room, checked, Proof::Password, before, meta).await
}

/// Somebody whose password or PIN was right when it was looked at. Until something is made of that it may have changed.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) user: UserId,
    pub(crate) password: Stamp,
}

/// Somebody who comes in.
#[derive(Debug)]
pub(crate) struct Comer<'a> {
    pub(crate) user: UserId,
    pub(crate) proofs: &'a [Proof],
    /// The password that let them in; it must be the same when the session is made.
    pub(crate) password: Option<Stamp>,
}

impl<'a> Comer<'a> {
    /// Who came without a password.
    pub(crate) const fn without_password(user: UserId, proofs: &'a [Proof]) -> Self {
        Self {
            user,
            proofs,
            password: None,
        }
    }
}

/// Whose address and password these are; the first half of every sign-in with a password.
///
/// # Errors
/// `WrongCredentials`, `TooManyAttempts`, `Busy`.
pub(crate) async fn check_password(
    room: &Identity,
    email: &str,
    password: SecretString,
    meta: &RequestMeta,
) -> Result<Checked, Error> {
    let place = room.passwords.place().await?;
    let started = Instant::now();
    let email = fold_email(email);
    let known = find(&room.cx, Name::Email(&email), meta).await?;
    let guess = Guess {
        place,
        started,
        name: &email,
        limit: throttle::PASSWORD,
        secret: password,
    };
    check(room, guess, known, meta).await
}

/// Takes the code of a second factor, once; tries are counted before it is looked at.
///
/// # Errors
/// `WrongCode`, `TooManyAttempts`.
pub(crate) async fn check_code(
    room: &Identity,
    user: UserId,
    code: &str,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let started = Instant::now();
    throttle::count(&room.cx, throttle::CODE, &user.to_string()).await?;
    if factor::accept_code(room, user, code, meta).await? {
        return Ok(());
    }
    tokio::time::sleep_until(started + REFUSAL).await;
    Err(Error::WrongCode)
}

/// Opens a session for a child of a family, who has a PIN instead of an address and a password.
///
/// # Errors
/// `WrongCredentials` whichever of the three is wrong, `TooManyAttempts`, `Busy`.
pub(crate) async fn sign_in_child(
    room: &Identity,
    login_name: &str,
    pin: SecretString,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let place = room.passwords.place().await?;
    let started = Instant::now();
    let known = find(&room.cx, Name::Login(login_name), meta).await?;
    let guess = Guess {
        place,
        started,
        name: login_name,
        limit: throttle::PIN,
        secret: pin,
    };
    let checked = check(room, guess, known, meta).await?;
    let comer = Comer {
        user: checked.user,
        proofs: &[Proof::Pin],
        password: Some(checked.password),
    };
    enter(room, comer, before, meta).await
}

/// Opens a session for whoever holds a passkey. It is both factors: something had, and a PIN or a finger to use it.
///
/// # Errors
/// As [`factor::holder_of_passkey`].
pub(crate) async fn sign_in_with_passkey(
    room: &Identity,
    ceremony: &str,
    answer: &PublicKeyCredential,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let user = factor::holder_of_passkey(room, ceremony, answer, meta).await?;
    let comer = Comer::without_password(user, &[Proof::Passkey]);
    enter(room, comer, before, meta).await
}

/// Opens a session for somebody who brought the second factor of a sign-in that waits for it.
///
/// # Errors
/// `WrongCode`, `TooManyAttempts`; `Unauthenticated` when the ticket is too old.
pub(crate) async fn second(
    room: &Identity,
    ticket: &str,
    code: &str,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("second factor")).await?;
    let waiting = ceremony::look_at(&mut tx, cx, ceremony::Kind::SecondFactor, ticket).await?;
    tx.commit().await?;
    let waiting = waiting.ok_or(Error::Unauthenticated)?;
    let user = waiting.user.ok_or(Error::Unauthenticated)?;
    let password = waiting
        .state
        .get("password")
        .and_then(|stamp| stamp.as_str())
        .map(Stamp::from_stored)
        .ok_or(Error::Unauthenticated)?;
    check_code(room, user, code, meta).await?;
    let mut tx = cx.db.begin(Scope::House("second factor")).await?;
    let taken = ceremony::take(&mut tx, cx, ceremony::Kind::SecondFactor, ticket).await?;
    tx.commit().await?;
    taken.ok_or(Error::Unauthenticated)?;
    throttle::give_back(cx, throttle::CODE, &user.to_string()).await?;
    let comer = Comer {
        user,
        proofs: &[Proof::Password, Proof::Code],
        password: Some(password),
    };
    enter(room, comer, before, meta).await
}

/// Checks the password of somebody who is signed in already.
///
/// # Errors
/// `WrongCredentials`, `TooManyAttempts`, `Busy`.
pub(crate) async fn confirm_password(
    room: &Identity,
    user: UserId,
    password: SecretString,
) -> Result<(), Error> {
    let cx = &room.cx;
    let started = Instant::now();
    throttle::count(cx, throttle::CODE, &user.to_string()).await?;
    let mut tx = cx.db.begin(Scope::House("step up")).await?;
    let known = user::find_by_id(&mut tx, user).await?;
    tx.commit().await?;
    let hash = known.and_then(|known| known.password_hash);
    if !room.passwords.verify(password, hash).await? {
        tokio::time::sleep_until(started + REFUSAL).await;
        return Err(Error::WrongCredentials);
    }
    throttle::give_back(cx, throttle::CODE, &user.to_string()).await
}

/// Opens a session for somebody who proved who they are; the one before ends.
///
/// # Errors
/// `WrongCredentials` when the password that let them in was changed meanwhile.
pub(crate) async fn enter(
    room: &Identity,
    comer: Comer<'_>,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let now = room.cx.clock.now();
    enter_since(room, comer, now, before, meta).await
}

/// As [`enter`], for somebody who proved who they are at that time, elsewhere: an old proof is no fresh one here.
pub(crate) async fn enter_since(
    room: &Identity,
    comer: Comer<'_>,
    proven_at: DateTime<Utc>,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let user = comer.user;
    let mut tx = cx.db.begin(Scope::House("sign-in")).await?;
    // from here on a change of the password waits, and then ends the session that is made
    let same = match &comer.password {
        Some(stamp) => user::lock_and_compare(&mut tx, user, stamp).await?,
        None => user::lock(&mut tx, user).await.map(|()| true)?,
    };
    if !same {
        return Err(Error::WrongCredentials);
    }
    if let Some(before) = before {
        session::end(&mut tx, cx, before.id).await?;
    }
    let known_elsewhere = device::any(&mut tx, user).await?;
    let entry = Entry {
        tenant: tenant::of_sign_in(&mut tx, user).await?,
        user: Some(user),
        proofs: comer.proofs,
    };
    let opened = session::open_since(&mut tx, cx, &entry, proven_at, meta).await?;
    if opened.device.is_some() && known_elsewhere {
        tell_of_new_device(&mut tx, cx, user, &opened, meta).await?;
    }
    tx.commit().await?;
    Ok(opened)
}

async fn tell_of_new_device(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    opened: &NewSession,
    meta: &RequestMeta,
) -> Result<(), Error> {
    let key = format!("new_device:{}", opened.session.id);
    let data = json!({ "device": meta.user_agent, "at": cx.clock.now() });
    letters::tell(conn, cx, user, &key, Template::NewDevice, data).await
}

/// By what somebody says who they are.
#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Email(&'a str),
    Login(&'a str),
}

/// An account that may be meant, and whether the browser is one that it knows.
#[derive(Debug)]
struct Found {
    known: Known,
    device: Option<crate::DeviceId>,
}

async fn find(cx: &Ctx, name: Name<'_>, meta: &RequestMeta) -> Result<Option<Found>, Error> {
    let mut tx = cx.db.begin(Scope::House("sign-in")).await?;
    let known = match name {
        Name::Email(email) => user::find_by_email(&mut tx, email).await?,
        Name::Login(login_name) => user::find_by_login_name(&mut tx, login_name).await?,
    };
    // asked for an unknown account too, so that it takes as long
    let user = known
        .as_ref()
        .map_or(UserId(uuid::Uuid::nil()), |known| known.user);
    let device = device::known(&mut tx, cx, user, meta).await?;
    tx.commit().await?;
    Ok(known.map(|known| Found { known, device }))
}

/// A password or PIN that somebody tries.
#[derive(Debug)]
struct Guess<'a> {
    /// Given back before a refusal takes its time.
    place: OwnedSemaphorePermit,
    started: Instant,
    /// Whose it is said to be.
    name: &'a str,
    limit: Limit,
    secret: SecretString,
}

/// Checks a guess against the account found, and takes as long when there is none.
async fn check(
    room: &Identity,
    guess: Guess<'_>,
    found: Option<Found>,
    meta: &RequestMeta,
) -> Result<Checked, Error> {
    let cx = &room.cx;
    let limit = guess.limit;
    // what comes from a browser that the account knows is counted for that browser alone
    let source = match found.as_ref().and_then(|found| found.device) {
        Some(device) => device.to_string(),
        None => guess.name.to_owned(),
    };
    throttle::count(cx, throttle::NETWORK, &meta.source()).await?;
    throttle::count(cx, limit, &source).await?;
    let hash = found
        .as_ref()
        .and_then(|found| found.known.password_hash.clone());
    let right = room
        .passwords
        .verify(guess.secret.clone(), hash.clone())
        .await?;
    let Some((found, hash)) = found.zip(hash).filter(|_| right) else {
        metrics::counter!("sign_in_failures_total").increment(1);
        if throttle::count(cx, MANY_FAILURES, "house").await.is_err() {
            metrics::counter!("sign_in_attacks_total").increment(1);
            tracing::warn!("many sign-ins fail all over the house: passwords are being tried");
        }
        drop(guess.place);
        tokio::time::sleep_until(guess.started + REFUSAL).await;
        return Err(Error::WrongCredentials);
    };
    throttle::give_back(cx, limit, &source).await?;
    throttle::give_back(cx, throttle::NETWORK, &meta.source()).await?;
    let user = found.known.user;
    let hash = if crate::password::is_stale(&hash) {
        refresh(room, user, guess.secret, hash).await?
    } else {
        hash
    };
    Ok(Checked {
        user,
        password: Stamp::of(&hash),
    })
}

/// Replaces the hash of another system by one of ours; gives the one that is there now. Of several at once one replaces it,
/// and nobody puts an old password back over one that was changed meanwhile.
async fn refresh(
    room: &Identity,
    user: UserId,
    password: SecretString,
    before: String,
) -> Result<String, Error> {
    let cx = &room.cx;
    let fresh = room.passwords.hash(password.clone()).await?;
    let mut tx = cx.db.begin(Scope::House("a newer password hash")).await?;
    let replaced = user::refresh_password(&mut tx, user, &before, &fresh).await?;
    let now = user::find_by_id(&mut tx, user).await?;
    tx.commit().await?;
    if replaced {
        return Ok(fresh);
    }
    let now = now
        .and_then(|known| known.password_hash)
        .ok_or(Error::WrongCredentials)?;
    if room.passwords.verify(password, Some(now.clone())).await? {
        Ok(now)
    } else {
        Err(Error::WrongCredentials)
    }
}

/// After the first factor: in, or a ticket for the second.
async fn finish(
    room: &Identity,
    checked: Checked,
    proof: Proof,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<SignedIn, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("second factor")).await?;
    let user = checked.user;
    let methods = factor::second_factors(&mut tx, user).await?;
    let ticket = if methods.is_empty() {
        None
    } else {
        let state = json!({ "proof": proof.as_str(), "password": checked.password.as_str() });
        Some(ceremony::begin(&mut tx, cx, ceremony::Kind::SecondFactor, Some(user), state).await?)
    };
    tx.commit().await?;
    match ticket {
        Some(ticket) => Ok(SignedIn::Waiting { ticket, methods }),
        None => Ok(SignedIn::Session(
            enter(
                room,
                Comer {
                    user,
                    proofs: &[proof],
                    password: Some(checked.password),
                },
                before,
                meta,
            )
            .await?,
        )),
    }
}

/// Writes down that somebody proved once more who they are, with a new session id.
pub(crate) async fn step_up(
    room: &Identity,
    session: Session,
    proof: Proof,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("step up")).await?;
    let tenant = session.principal.tenant;
    let opened = session::renew(&mut tx, cx, session, tenant, Some(proof), meta).await?;
    audit::Action::new("session.step_up", opened.session.id)
        .after(json!({ "proof": proof.as_str() }))
        .record(&mut tx, cx, meta, session.principal)
        .await?;
    tx.commit().await?;
    Ok(opened)
}
