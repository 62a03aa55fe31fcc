use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use db::Scope;
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    EMAIL, OPENID, PROFILE,
    form::Parameters,
    refusal::{Code, Refusal},
    store,
};
use crate::{
    Error, Identity, RequestMeta, UserId, UserView,
    access::{self, Entry, Family, LIFETIME, Tokens},
    secret, user,
};

/// What a client gets for a grant.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) tokens: Tokens,
    pub(super) id_token: Option<String>,
}

/// The claims of an ID token (OpenID Connect Core §2).
#[derive(Debug, Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    #[serde(flatten)]
    person: Person,
}

/// What a client learns about somebody, as far as its scopes go (OpenID Connect Core §5.1).
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = UserInfo)]
pub(super) struct Person {
    sub: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

impl Person {
    pub(super) fn seen_with(view: UserView, has_scope: impl Fn(&str) -> bool) -> Self {
        let (profile, email) = (has_scope(PROFILE), has_scope(EMAIL));
        let address = view.email.filter(|_| email);
        Self {
            sub: view.id,
            name: profile.then_some(view.display_name),
            locale: profile.then(|| view.locale.as_str().to_owned()),
            email_verified: address.is_some().then_some(view.email_verified),
            email: address,
        }
    }
}

/// Exchanges a code, once. A code that comes again ends what came of it: two had it, and one should not.
pub(super) async fn exchange(
    room: &Identity,
    form: &Parameters,
    meta: &RequestMeta,
) -> Result<Granted, Refusal> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let missing = |why| Refusal::OAuth(Code::InvalidRequest, why);
    let code = form.get("code").ok_or(missing("code is missing"))?;
    let verifier = form
        .get("code_verifier")
        .ok_or(missing("code_verifier is missing"))?;
    let redirect_uri = form
        .get("redirect_uri")
        .ok_or(missing("redirect_uri is missing"))?;
    let hash = secret::hash(code);
    let mut tx = cx.db.begin(Scope::House("a code comes back")).await?;
    let client = known_client(&mut tx, form).await?;
    let refused = |why| Refusal::OAuth(Code::InvalidGrant, why);
    let written = store::lock_code(&mut tx, &hash).await?;
    let written = written.ok_or(refused("the code is none of ours"))?;
    if written.used_at.is_some() {
        if let Some(id) = written.family
            && let Some(family) = access::find(&mut tx, id).await?
        {
            access::end_for_reuse(&mut tx, cx, &family, "code.reuse", meta).await?;
            tracing::warn!(family = %family.id, "a used code came again; what came of it has ended");
        }
        tx.commit().await?;
        return Err(refused("the code was used"));
    }
    for (holds, why) in [
        (written.expires_at > now, "the code is too old"),
        (written.client == client, "the code is another client's"),
        (
            written.redirect_uri == redirect_uri,
            "redirect_uri is not the one of the code",
        ),
        (
            fits(verifier, &written.challenge),
            "code_verifier does not fit",
        ),
    ] {
        if !holds {
            return Err(refused(why));
        }
    }
    let standing = access::standing(&mut tx, written.tenant, written.user).await?;
    let standing = standing.ok_or(refused("the user is no member any more"))?;
    let view = user::find_view(&mut tx, written.user).await?;
    let view = view.ok_or(refused("the user is gone"))?;
    let entry = Entry {
        tenant: written.tenant,
        user: written.user,
        client: Some(client),
        scopes: written.scopes,
        proofs: written.proofs,
        proven_at: written.proven_at,
    };
    let (family, token) = access::begin(&mut tx, cx, entry, meta).await?;
    store::use_code(&mut tx, &hash, family.id, now).await?;
    tx.commit().await?;
    let scopes = family.scopes.clone();
    let tokens = access::answer(room, family, &scopes, standing, token).await?;
    let id_token = if scopes.iter().any(|scope| scope == OPENID) {
        Some(id_token(room, &tokens, view, written.nonce.as_deref()).await?)
    } else {
        None
    };
    Ok(Granted { tokens, id_token })
}

/// Uses a refresh token up; `scope` may ask for less.
pub(super) async fn refresh(
    room: &Identity,
    form: &Parameters,
    meta: &RequestMeta,
) -> Result<Granted, Refusal> {
    let token = form.get("refresh_token").ok_or(Refusal::OAuth(
        Code::InvalidRequest,
        "refresh_token is missing",
    ))?;
    let mut tx = room.cx.db.begin(Scope::House("which client")).await?;
    let client = known_client(&mut tx, form).await?;
    tx.commit().await?;
    let narrowed: Option<Vec<String>> = form
        .get("scope")
        .map(|scope| scope.split(' ').map(ToOwned::to_owned).collect());
    let tokens = access::refresh(room, token, Some(&client), narrowed.as_deref(), meta).await?;
    Ok(Granted {
        tokens,
        id_token: None,
    })
}

/// Ends what a token belongs to (RFC 7009). A token that is none of ours is as good as revoked.
pub(super) async fn revoke(
    room: &Identity,
    form: &Parameters,
    meta: &RequestMeta,
) -> Result<(), Refusal> {
    let cx = &room.cx;
    let token = form
        .get("token")
        .ok_or(Refusal::OAuth(Code::InvalidRequest, "token is missing"))?;
    // an access token that is not good any more is as good as revoked, too
    let claims = access::read(room, token).await.ok().flatten();
    let mut tx = cx.db.begin(Scope::House("a client signs out")).await?;
    let family: Option<Family> = match claims {
        Some(claims) => access::find(&mut tx, claims.sid).await?,
        None => access::find_by_token(&mut tx, token).await?,
    };
    if let Some(family) = family {
        if family.client.as_deref() != form.get("client_id") {
            return Err(Refusal::OAuth(
                Code::InvalidClient,
                "the token is another client's",
            ));
        }
        access::end_by_client(&mut tx, cx, &family, meta).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The client that a form names; it stays as it is until the transaction ends, so that nothing comes of a client while
/// it is disabled.
async fn known_client(conn: &mut PgConnection, form: &Parameters) -> Result<String, Refusal> {
    let id = form
        .get("client_id")
        .ok_or(Refusal::OAuth(Code::InvalidClient, "client_id is missing"))?;
    store::hold_client(conn, id).await?.ok_or(Refusal::OAuth(
        Code::InvalidClient,
        "there is no such client",
    ))
}

/// Whether a verifier is the one behind a challenge (RFC 7636 §4.6).
fn fits(verifier: &str, challenge: &str) -> bool {
    let well_formed = (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    well_formed && URL_SAFE_NO_PAD.encode(secret::hash(verifier)) == challenge
}

async fn id_token(
    room: &Identity,
    tokens: &Tokens,
    view: UserView,
    nonce: Option<&str>,
) -> Result<String, Error> {
    let family = &tokens.family;
    let now = room.cx.clock.now();
    let has_scope = |wanted: &str| family.scopes.iter().any(|scope| scope == wanted);
    let claims = IdClaims {
        iss: room.access.issuer(),
        aud: family.client.as_deref().unwrap_or_default(),
        exp: (now + LIFETIME).timestamp(),
        iat: now.timestamp(),
        auth_time: family.proven_at.timestamp(),
        amr: &family.proofs,
        nonce,
        at_hash: half_hash(&tokens.access_token),
        person: Person::seen_with(view, has_scope),
    };
    room.access.sign(&room.cx, "JWT", &claims).await
}

/// Ties an access token to the ID token beside it (OpenID Connect Core §3.1.3.6).
fn half_hash(token: &str) -> String {
    let hash = secret::hash(token);
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use kernel::Lang;

    use super::*;

    #[test]
    fn the_verifier_is_the_one_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(fits(verifier, challenge));
        assert!(!fits(challenge, challenge), "the challenge is no verifier");
        assert!(!fits("", challenge));
        let short = "short";
        let of_short = URL_SAFE_NO_PAD.encode(secret::hash(short));
        assert!(!fits(short, &of_short), "too easily guessed");
    }

    #[test]
    fn the_hash_of_an_access_token_is_the_one_of_the_specification() {
        // the example of OpenID Connect Core, appendix A.3
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn a_client_learns_what_its_scopes_say() {
        let view = || UserView {
            id: UserId(uuid::Uuid::nil()),
            email: Some("a@b.example".into()),
            email_verified: true,
            display_name: "だれか".into(),
            locale: Lang::Ja,
            operator: false,
            login_name: None,
        };
        let seen = |scopes: &[&str]| {
            let person = Person::seen_with(view(), |scope| scopes.contains(&scope));
            let seen = serde_json::to_value(person).unwrap();
            seen.as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(&["openid"]), ["sub"]);
        assert_eq!(seen(&["profile"]), ["locale", "name", "sub"]);
        assert_eq!(seen(&["email"]), ["email", "email_verified", "sub"]);
        let child = UserView {
            email: None,
            ..view()
        };
        let person = Person::seen_with(child, |_| true);
        assert_eq!((person.email, person.email_verified), (None, None));
    }
}
