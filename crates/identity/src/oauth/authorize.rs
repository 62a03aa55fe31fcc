use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration};
use db::Scope;
use kernel::Fault;
use url::{Url, form_urlencoded};

use super::{CODE_LIFETIME, Client, NewCode, form::Parameters, scopes, store};
use crate::{Error, Identity, Session, UserId, secret, session};

/// The longest state or nonce that is carried along.
const LONGEST: usize = 1000;
/// A sign-in that a client asked for anew has to be this young when its user comes back.
const ANEW: Duration = Duration::minutes(2);

/// Where the browser goes next.
#[derive(Debug)]
pub(super) enum Decision {
    /// To sign in, and then here again.
    SignIn(String),
    /// Back to the client, with a code or with a refusal.
    Back(String),
}

/// What a client asks for, once everything about it is in order.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    challenge: String,
    nonce: Option<String>,
    scopes: Vec<String>,
    prompt: Prompt,
    max_age: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    /// As it comes.
    Any,
    /// No page may be shown.
    None,
    /// The user has to sign in once more.
    Login,
}

/// A refusal that the client is told, with what it may tell its makers (RFC 6749 §4.1.2.1).
type Told = (&'static str, &'static str);

/// Answers a client's request for a code. Until it is clear that the answer goes where the client registered, the answer
/// goes nowhere.
///
/// # Errors
/// `ClientRefused` when there is no such client, or it did not register the redirect URI.
pub(super) async fn authorize(
    room: &Identity,
    query: &str,
    session: Option<Session>,
) -> Result<Decision, Error> {
    let cx = &room.cx;
    let asked = Parameters::parse(query);
    let id = asked.get("client_id").ok_or(Error::ClientRefused)?;
    let redirect_uri = asked.get("redirect_uri").ok_or(Error::ClientRefused)?;
    let mut tx = cx.db.begin(Scope::House("which client")).await?;
    let client = store::client(&mut tx, id).await?;
    tx.commit().await?;
    let client = client
        .filter(|client| client.redirect_uris.iter().any(|uri| uri == redirect_uri))
        .ok_or(Error::ClientRefused)?;

    let state = asked.get("state").filter(|state| state.len() <= LONGEST);
    let issuer = room.access.issuer();
    let refuse = |(error, description): Told| {
        let answer = [("error", error), ("error_description", description)];
        back(redirect_uri, &answer, state, issuer).map(Decision::Back)
    };
    let question = match read(&asked) {
        Ok(question) => question,
        Err(told) => return refuse(told),
    };
    let now = cx.clock.now();
    let person = session.and_then(|session| Some((session, session.principal.user?)));
    let is_too_old = |session: &Session| {
        let since = session.proven_at.unwrap_or(DateTime::UNIX_EPOCH);
        question.max_age.is_some_and(|most| now - since > most)
    };
    let (session, user) = match (person, question.prompt) {
        (None, Prompt::None) => return refuse(("login_required", "nobody is signed in")),
        (Some((session, _)), Prompt::None) if is_too_old(&session) => {
            return refuse(("login_required", "the sign-in is too long ago"));
        }
        (_, Prompt::Login) => return Ok(sign_in(room, &anew(query))),
        (Some((session, user)), _) if !is_too_old(&session) => (session, user),
        _ => return Ok(sign_in(room, query)),
    };
    let code = write_code(room, &client, redirect_uri, &question, &session, user).await?;
    back(redirect_uri, &[("code", &code)], state, issuer).map(Decision::Back)
}

/// Writes a code down for the user of a session.
async fn write_code(
    room: &Identity,
    client: &Client,
    redirect_uri: &str,
    question: &Question,
    session: &Session,
    user: UserId,
) -> Result<String, Error> {
    let cx = &room.cx;
    let now = cx.clock.now();
    let code = secret::new_token()?;
    let mut tx = cx.db.begin(Scope::House("a code for a client")).await?;
    let proofs = session::proofs(&mut tx, session.id).await?;
    let row = NewCode {
        hash: secret::hash(&code),
        client: &client.id,
        tenant: session.principal.tenant,
        user,
        redirect_uri,
        challenge: &question.challenge,
        nonce: question.nonce.as_deref(),
        scopes: &question.scopes,
        proofs: &proofs,
        proven_at: session.proven_at.unwrap_or(now),
        created_at: now,
        expires_at: now + CODE_LIFETIME,
    };
    store::insert_code(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(code)
}

/// Reads what a known client asks for.
fn read(asked: &Parameters) -> Result<Question, Told> {
    let invalid = |why| Err(("invalid_request", why));
    if !asked.are_sound() {
        return invalid("a parameter came twice or holds a NUL");
    }
    if asked.get("request").is_some() {
        return Err(("request_not_supported", "send plain parameters"));
    }
    if asked.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "send plain parameters"));
    }
    match asked.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "response_type has to be code")),
        None => return invalid("response_type is missing"),
    }
    if asked
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return invalid("response_mode has to be query");
    }
    if asked.get("code_challenge_method") != Some("S256") {
        return invalid("code_challenge_method has to be S256");
    }
    let is_hash = |text: &&str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|hash| hash.len() == 32)
    };
    let Some(challenge) = asked.get("code_challenge").filter(is_hash) else {
        return invalid("code_challenge has to be the SHA-256 of the verifier in base64url");
    };
    let too_long = |name| asked.get(name).is_some_and(|text| text.len() > LONGEST);
    if too_long("state") || too_long("nonce") {
        return invalid("state and nonce have at most 1000 bytes");
    }
    let prompt = match asked.get("prompt") {
        Some("none") => Prompt::None,
        Some(prompt) if prompt.split(' ').any(|one| one == "none") => {
            return invalid("prompt is none or something else");
        }
        Some(prompt)
            if prompt
                .split(' ')
                .any(|one| one == "login" || one == "select_account") =>
        {
            Prompt::Login
        }
        _ => Prompt::Any,
    };
    let max_age = match asked.get("max_age").map(str::parse::<u32>) {
        None => None,
        Some(Ok(seconds)) => Some(Duration::seconds(seconds.into())),
        Some(Err(_)) => return invalid("max_age is a number of seconds"),
    };
    // words that we don't know are passed over (OpenID Connect Core §3.1.2.1)
    let words: Vec<&str> = asked.get("scope").unwrap_or_default().split(' ').collect();
    let scopes: Vec<String> = scopes()
        .filter(|scope| words.contains(scope))
        .map(ToOwned::to_owned)
        .collect();
    if scopes.is_empty() {
        // a family without scopes may everything, which no client gets by asking for nothing
        return Err(("invalid_scope", "scope names nothing that there is"));
    }
    Ok(Question {
        challenge: challenge.to_owned(),
        nonce: asked.get("nonce").map(ToOwned::to_owned),
        scopes,
        prompt,
        max_age,
    })
}

/// To the web app's page, which comes back here.
fn sign_in(room: &Identity, query: &str) -> Decision {
    let path = format!("/oauth/authorize?{query}");
    let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    Decision::SignIn(format!("{}/sign-in?next={next}", room.account_url))
}

/// The same request for after the sign-in that it asks for: it no longer asks for one, and takes none that is older.
fn anew(query: &str) -> String {
    let kept = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "prompt" && name != "max_age");
    let seconds = ANEW.num_seconds().to_string();
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair("max_age", &seconds)
        .finish()
}

/// The client's address with an answer; what it had in its query stays. The issuer is named, so that a client of several
/// can't be made to show a code to the wrong one (RFC 9207).
fn back(
    redirect_uri: &str,
    answer: &[(&str, &str)],
    state: Option<&str>,
    issuer: &str,
) -> Result<String, Error> {
    let mut url = Url::parse(redirect_uri)
        .map_err(|e| Fault::internal("a registered redirect URI is none", e))?;
    url.query_pairs_mut()
        .extend_pairs(answer)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", issuer);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn asking(change: &[(&str, Option<&str>)]) -> Result<Question, Told> {
        let mut pairs = vec![
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "openid usage.read house.operate nonsense"),
        ];
        for (name, value) in change {
            pairs.retain(|(one, _)| one != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        read(&Parameters::parse(&query))
    }

    #[test]
    fn a_request_that_is_not_in_order_is_refused_with_the_protocols_word() {
        let question = asking(&[]).unwrap();
        assert_eq!(
            question.scopes,
            ["openid", "usage.read"],
            "the house is not run by clients"
        );
        let long = "x".repeat(LONGEST + 1);
        for (name, value, error) in [
            ("response_type", None, "invalid_request"),
            ("response_type", Some("token"), "unsupported_response_type"),
            (
                "response_type",
                Some("code id_token"),
                "unsupported_response_type",
            ),
            ("response_mode", Some("fragment"), "invalid_request"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some("short"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("scope", None, "invalid_scope"),
            ("scope", Some("house.operate"), "invalid_scope"),
            ("state", Some(&*long), "invalid_request"),
            ("nonce", Some(&*long), "invalid_request"),
            ("prompt", Some("none login"), "invalid_request"),
            ("max_age", Some("-1"), "invalid_request"),
            ("request", Some("x"), "request_not_supported"),
            ("request_uri", Some("x"), "request_uri_not_supported"),
        ] {
            let told = asking(&[(name, value)]).unwrap_err().0;
            assert_eq!(told, error, "{name}={value:?}");
        }
    }

    #[test]
    fn a_client_that_asks_for_a_new_sign_in_gets_one_and_no_loop() {
        assert_eq!(
            asking(&[("prompt", Some("login"))]).unwrap().prompt,
            Prompt::Login
        );
        assert_eq!(
            anew("client_id=a&prompt=login&max_age=9&state=%26x"),
            "client_id=a&state=%26x&max_age=120"
        );
    }

    #[test]
    fn an_answer_keeps_the_clients_own_query_and_names_us() {
        let url = back(
            "https://app.example/cb?a=b",
            &[("code", "c d")],
            Some("x&y"),
            "https://noren.example",
        )
        .unwrap();
        assert_eq!(
            url,
            "https://app.example/cb?a=b&code=c+d&state=x%26y&iss=https%3A%2F%2Fnoren.example"
        );
        let app = back(
            "com.example.app:/cb",
            &[("code", "c")],
            None,
            "https://n.example",
        )
        .unwrap();
        assert_eq!(
            app,
            "com.example.app:/cb?code=c&iss=https%3A%2F%2Fn.example"
        );
    }
}
