mod http;
mod id_token;
mod issuer;
mod store;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use db::Scope;
use kernel::{Fault, Lang};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Caller, Error, Identity, NewSession, Principal, RequestMeta, Session, UserId, Via, access,
    audit, ceremony, secret,
    session::Proof,
    sign_in::{self, Comer},
    tenant,
    throttle::{self, Limit},
    user,
};

use id_token::Claims;
use issuer::{Code, Issuer, Question};
use store::Subject;

pub(crate) use http::router;

/// Trips that may begin in one network.
const TRIPS: Limit = Limit {
    name: "trip",
    tries: 600,
    window: Duration::minutes(15),
};
/// How often a new user is tried when others come in at the same time; each try ends with somebody's success.
const TRIES: usize = 5;

/// An issuer outside, as configured.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// Its name in our paths.
    pub id: String,
    /// What its tokens say as `iss`, and where its configuration is.
    pub url: String,
    /// Our name at the issuer.
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<SecretString>,
    /// What its button says; the name in paths unless given.
    pub title: Option<String>,
    /// Where its keys are, if not where its configuration says.
    pub jwks_url: Option<String>,
    /// What is asked for, with spaces in between; `openid` among it.
    pub scopes: String,
    /// Whether an address that it calls verified counts as proven here.
    pub trust_email: bool,
}

/// The issuers outside. Nothing is asked of them before somebody comes.
#[derive(Debug)]
pub(crate) struct Issuers(Vec<Issuer>);

impl Issuers {
    pub(crate) fn new(issuers: Vec<IssuerConfig>) -> Result<Self, Fault> {
        if issuers.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let http = issuer::client()?;
        let issuers = issuers
            .into_iter()
            .map(|mut config| {
                // an operator leaves a variable empty to say that there is none
                config.client_secret = config
                    .client_secret
                    .filter(|secret| !secret.expose_secret().is_empty());
                config.title = config.title.filter(|title| !title.trim().is_empty());
                config.jwks_url = config.jwks_url.filter(|url| !url.is_empty());
                Issuer::new(config, http.clone())
            })
            .collect();
        Ok(Self(issuers))
    }

    fn named(&self, id: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.config.id == id)
    }

    /// The issuer that a token says it is from; of two clients at one issuer the one that it says it is for.
    fn of_token(&self, token: &str) -> Option<&Issuer> {
        let said: Said = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
        let mut from = self.0.iter().filter(|issuer| issuer.is(&said.iss));
        let is_for = |issuer: &&Issuer| {
            let id = &issuer.config.client_id;
            said.aud == **id
                || said
                    .aud
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one == id))
        };
        from.clone().find(is_for).or_else(|| from.next())
    }
}

/// What a token says before it is checked: only for choosing whose rules to check it by.
#[derive(Deserialize)]
struct Said {
    iss: String,
    #[serde(default)]
    aud: serde_json::Value,
}

/// What is remembered while somebody is at an issuer.
#[derive(Debug, Serialize, Deserialize)]
struct Trip {
    issuer: String,
    nonce: String,
    verifier: String,
    /// The hash of the cookie of the browser that set out.
    browser: String,
    next: Option<String>,
}

/// Somebody about to leave for an issuer.
#[derive(Debug)]
struct Departure {
    url: String,
    /// For the cookie that ties the trip to this browser.
    browser: String,
}

/// Sends somebody to an issuer. `browser` is the cookie of a trip that began here before: two tabs share it, so that
/// both come back.
async fn set_out(
    room: &Identity,
    id: &str,
    next: Option<String>,
    again: bool,
    browser: Option<String>,
    meta: &RequestMeta,
) -> Result<Departure, Error> {
    let cx = &room.cx;
    let issuer = room.issuers.named(id).ok_or(Error::NotFound)?;
    throttle::count(cx, TRIPS, &meta.source()).await?;
    let browser = match browser.filter(|token| (40..=50).contains(&token.len())) {
        Some(browser) => browser,
        None => secret::new_token()?,
    };
    let trip = Trip {
        issuer: id.to_owned(),
        nonce: secret::new_token()?,
        verifier: secret::new_token()?,
        browser: hex::encode(secret::hash(&browser)),
        next,
    };
    let mut tx = cx.db.begin(Scope::House("a trip to an issuer")).await?;
    let state = serde_json::to_value(&trip)
        .map_err(|e| Fault::internal("a trip can't be written down", e))?;
    let state = ceremony::begin(&mut tx, cx, ceremony::Kind::Oidc, None, state).await?;
    tx.commit().await?;
    let question = Question {
        redirect_uri: &redirect_uri(room),
        state: &state,
        nonce: &trip.nonce,
        challenge: &URL_SAFE_NO_PAD.encode(secret::hash(&trip.verifier)),
        again,
    };
    let url = issuer.sign_in_url(&question, cx.clock.now()).await?;
    Ok(Departure { url, browser })
}

/// The page of the web app that issuers send people back to.
fn redirect_uri(room: &Identity) -> String {
    format!("{}/auth/callback", room.account_url)
}

/// What somebody brought back from an issuer.
#[derive(Debug)]
struct Return<'a> {
    code: &'a str,
    state: &'a str,
    /// Whom the answer says it is from (RFC 9207).
    iss: Option<&'a str>,
    /// The cookie of the browser.
    browser: Option<&'a str>,
}

/// Somebody who came in through an issuer, and where they wanted to go.
#[derive(Debug)]
struct Arrival {
    opened: NewSession,
    next: Option<String>,
}

/// Lets somebody in who comes back from an issuer with a code.
async fn come_back(
    room: &Identity,
    brought: &Return<'_>,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<Arrival, Error> {
    let cx = &room.cx;
    let trip = take_trip(room, brought).await?;
    let issuer = room
        .issuers
        .named(&trip.issuer)
        .ok_or(Error::IssuerRefused("the issuer is no longer configured"))?;
    if brought.iss.is_some_and(|iss| !issuer.is(iss)) {
        return Err(Error::IssuerRefused("the answer is another issuer's"));
    }
    let now = cx.clock.now();
    let code = Code {
        text: brought.code,
        verifier: &trip.verifier,
        redirect_uri: &redirect_uri(room),
    };
    let token = issuer.exchange(&code, now).await?;
    let claims = issuer.check(&token, Some(&trip.nonce), now).await?;
    let opened = let_in(room, issuer, &claims, before, meta).await?;
    Ok(Arrival {
        opened,
        next: trip.next,
    })
}

/// The trip that a state belongs to, once, and only for the browser that set out.
async fn take_trip(room: &Identity, brought: &Return<'_>) -> Result<Trip, Error> {
    const UNKNOWN: Error = Error::IssuerRefused("no trip of this browser has this state");
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("back from an issuer")).await?;
    let found = ceremony::look_at(&mut tx, cx, ceremony::Kind::Oidc, brought.state).await?;
    let trip: Trip = found
        .and_then(|found| serde_json::from_value(found.state).ok())
        .ok_or(UNKNOWN)?;
    let browser = brought
        .browser
        .map(|token| hex::encode(secret::hash(token)));
    // looked at before it is taken, so that another browser can't use it up
    if browser.as_ref() != Some(&trip.browser) {
        return Err(UNKNOWN);
    }
    ceremony::take(&mut tx, cx, ceremony::Kind::Oidc, brought.state)
        .await?
        .ok_or(UNKNOWN)?;
    tx.commit().await?;
    Ok(trip)
}

/// Lets somebody in whose front end got the ID token itself.
async fn come_with(
    room: &Identity,
    token: &str,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<Arrival, Error> {
    let issuer = room
        .issuers
        .of_token(token)
        .ok_or(Error::IssuerRefused("no configured issuer made the token"))?;
    let claims = issuer.check(token, None, room.cx.clock.now()).await?;
    let opened = let_in(room, issuer, &claims, before, meta).await?;
    Ok(Arrival { opened, next: None })
}

async fn let_in(
    room: &Identity,
    issuer: &Issuer,
    claims: &Claims,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<NewSession, Error> {
    let user = provision(room, issuer, claims, before, meta).await?;
    let proven_at = claims.proven_at(room.cx.clock.now());
    let comer = Comer::without_password(user, &[Proof::Issuer]);
    sign_in::enter_since(room, comer, proven_at, before, meta).await
}

/// The user that somebody at an issuer is; made at the first time, and once however many tabs come in together.
async fn provision(
    room: &Identity,
    issuer: &Issuer,
    claims: &Claims,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<UserId, Error> {
    for _ in 0..TRIES {
        match find_or_make(room, issuer, claims, before, meta).await {
            Ok(Some(user)) => return Ok(user),
            // the address was proven by somebody else in the meantime: they are the one to link to
            Ok(None) | Err(Error::LinkExpired) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Fault::unavailable("a new user met others each time", "too many tries").into())
}

/// None when somebody else was first: what was made here is taken back with the transaction.
async fn find_or_make(
    room: &Identity,
    issuer: &Issuer,
    claims: &Claims,
    before: Option<Session>,
    meta: &RequestMeta,
) -> Result<Option<UserId>, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let subject = Subject {
        issuer: &claims.iss,
        subject: &claims.sub,
    };
    let mut tx = cx.db.begin(Scope::House("somebody from outside")).await?;
    if let Some((user, there)) = store::find(&mut tx, subject).await? {
        if !there {
            return Err(Error::IssuerRefused("the account was deleted"));
        }
        store::used(&mut tx, subject, now).await?;
        tx.commit().await?;
        return Ok(Some(user));
    }
    let (user, action) = match linked(&mut tx, issuer, claims).await? {
        Some(user) => (user, "subject.link"),
        None => (
            insert(&mut tx, room, issuer, claims, before).await?,
            "user.register",
        ),
    };
    if !store::insert(&mut tx, subject, user, now).await? {
        return Ok(None);
    }
    let by = Principal::user(tenant::of_sign_in(&mut tx, user).await?, user);
    audit::Action::new(action, user)
        .after(json!({ "issuer": issuer.config.id }))
        .record(&mut tx, cx, meta, by)
        .await?;
    tx.commit().await?;
    Ok(Some(user))
}

/// An address that an issuer vouches for and that we believe it about.
fn proven_email<'a>(issuer: &Issuer, claims: &'a Claims) -> Option<&'a str> {
    claims.email().filter(|email| {
        issuer.config.trust_email && claims.email_verified && user::email_is_plausible(email)
    })
}

/// The account that proved the address which the issuer vouches for.
async fn linked(
    conn: &mut PgConnection,
    issuer: &Issuer,
    claims: &Claims,
) -> Result<Option<UserId>, Error> {
    let Some(email) = proven_email(issuer, claims) else {
        return Ok(None);
    };
    let known = user::find_by_email(conn, &user::fold_email(email)).await?;
    Ok(known.filter(|known| known.verified).map(|known| known.user))
}

async fn insert(
    conn: &mut PgConnection,
    room: &Identity,
    issuer: &Issuer,
    claims: &Claims,
    guest: Option<Session>,
) -> Result<UserId, Error> {
    let email = claims
        .email()
        .filter(|email| user::email_is_plausible(email));
    let name = claims.name().map(|name| name.chars().take(50).collect());
    let locale = claims
        .locale()
        .map_or(Lang::default(), Lang::from_accept_language);
    let user = user::insert_from_outside(conn, &room.cx, email, name, locale, guest).await?;
    if let Some(email) = proven_email(issuer, claims) {
        user::prove_email(conn, &room.cx, user, &user::fold_email(email)).await?;
    }
    Ok(user)
}

/// The caller of an ID token of a configured issuer: somebody who signed in here before.
pub(crate) async fn caller(room: &Identity, token: &str) -> Result<Caller, Error> {
    let now: DateTime<Utc> = room.cx.clock.now();
    let issuer = room.issuers.of_token(token).ok_or(Error::Unauthenticated)?;
    let claims = match issuer.check(token, None, now).await {
        Err(Error::IssuerRefused(why)) => {
            tracing::debug!(why, "an ID token was refused");
            return Err(Error::Unauthenticated);
        }
        checked => checked?,
    };
    let subject = Subject {
        issuer: &claims.iss,
        subject: &claims.sub,
    };
    let mut tx = room.cx.db.begin(Scope::House("whose ID token")).await?;
    let found = store::find(&mut tx, subject).await?;
    let (user, _) = found.ok_or(Error::Unauthenticated)?;
    let tenant = tenant::of_sign_in(&mut tx, user).await?;
    let standing = access::standing(&mut tx, tenant, user).await?;
    tx.commit().await?;
    let standing = standing.ok_or(Error::Unauthenticated)?;
    Ok(Caller {
        principal: Principal::user(tenant, user),
        role: standing.role,
        operator: standing.operator,
        via: Via::Outside,
        proven_at: Some(claims.proven_at(now)),
        scopes: None,
    })
}
