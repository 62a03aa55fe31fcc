use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// How far an issuer's clock may be from ours.
const SKEW: Duration = Duration::minutes(1);
/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;
/// What we accept of what an issuer announces: asymmetric algorithms, so that no public key can be taken for a shared
/// secret.
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("PS256", Algorithm::PS256),
    ("EdDSA", Algorithm::EdDSA),
];

/// Why a token was refused, for the log.
pub(super) type Refusal = &'static str;

/// What an ID token has to be (OpenID Connect Core §3.1.3.7).
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// None: whoever brings the token got it without us.
    pub(super) nonce: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// The claims that we read. What only decorates may have any form; what decides may not.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    nbf: Option<i64>,
    iat: i64,
    auth_time: Option<i64>,
    nonce: Option<String>,
    /// Cognito's word for what a token is.
    token_use: Option<String>,
    #[serde(default)]
    email: Value,
    #[serde(default, deserialize_with = "spelt_bool")]
    pub(super) email_verified: bool,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    locale: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    pub(super) fn email(&self) -> Option<&str> {
        self.email.as_str()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_str()
    }

    pub(super) fn locale(&self) -> Option<&str> {
        self.locale.as_str()
    }

    /// When the user last proved to the issuer who they are, never later than now.
    pub(super) fn proven_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let said = self.auth_time.unwrap_or(self.iat);
        DateTime::from_timestamp(said, 0).map_or(DateTime::UNIX_EPOCH, |said| said.min(now))
    }
}

/// The algorithms of an issuer that we accept; RS256 when it announces nothing.
pub(super) fn accepted(announced: Option<&[String]>) -> Vec<Algorithm> {
    let Some(announced) = announced else {
        return vec![Algorithm::RS256];
    };
    ALGORITHMS
        .into_iter()
        .filter(|(name, _)| announced.iter().any(|one| one == name))
        .map(|(_, algorithm)| algorithm)
        .collect()
}

/// The header of a token that we may have a key for.
pub(super) fn header(token: &str, algorithms: &[Algorithm]) -> Result<Header, Refusal> {
    if token.len() > LONGEST {
        return Err("the token is too long");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| "the token can't be read")?;
    if !algorithms.contains(&header.alg) {
        return Err("the issuer does not sign like this");
    }
    if header.crit.is_some() {
        return Err("the token asks for what we don't know");
    }
    if header
        .typ
        .as_deref()
        .is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt"))
    {
        return Err("the token is no ID token");
    }
    Ok(header)
}

/// The key that a token names. `Ok(None)` when the issuer may have made it since we looked. A token that names none is
/// taken only if the issuer has just one key that it can be of.
pub(super) fn key_for<'k>(keys: &'k [Jwk], header: &Header) -> Result<Option<&'k Jwk>, Refusal> {
    let mut fitting = keys.iter().filter(|key| fits(key, header.alg));
    match &header.kid {
        Some(kid) => {
            let mut named = fitting.filter(|key| key.common.key_id.as_ref() == Some(kid));
            match (named.next(), named.next()) {
                (key, None) => Ok(key),
                _ => Err("two keys have the id that the token names"),
            }
        }
        None => match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(Some(key)),
            _ => Err("the token does not say which key it was signed with"),
        },
    }
}

/// Whether a key is for signatures of this algorithm.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    let signs = !matches!(
        common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    );
    let named = common
        .key_algorithm
        .is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    signs && named && kind
}

/// Checks a token with the key that it names.
pub(super) fn check(
    token: &str,
    header: &Header,
    key: &Jwk,
    rules: &Rules<'_>,
) -> Result<Claims, Refusal> {
    let key = DecodingKey::from_jwk(key).map_err(|_| "the issuer's key can't be read")?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[rules.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // the library asks the machine's clock, and takes one audience among many for enough: both are checked below
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|_| "signature, issuer or form are wrong")?
        .claims;
    judge(&claims, rules)?;
    Ok(claims)
}

fn judge(claims: &Claims, rules: &Rules<'_>) -> Result<(), Refusal> {
    let (named, many) = match &claims.aud {
        Audience::One(one) => (one == rules.client_id, false),
        Audience::Many(all) => (all.iter().any(|one| one == rules.client_id), all.len() > 1),
    };
    let now = rules.now.timestamp();
    let skew = SKEW.num_seconds();
    let made_for_us = match &claims.azp {
        Some(party) => party == rules.client_id,
        None => !many,
    };
    let nonce_fits = rules
        .nonce
        .is_none_or(|nonce| claims.nonce.as_deref() == Some(nonce));
    let is_id_token = claims.token_use.as_deref().is_none_or(|used| used == "id");
    for (holds, why) in [
        (named, "the token is for somebody else"),
        (made_for_us, "the token was made for another party"),
        (claims.exp > now - skew, "the token has expired"),
        (claims.iat <= now + skew, "the token is from the future"),
        (
            claims.nbf.is_none_or(|from| from <= now + skew),
            "the token is not good yet",
        ),
        (nonce_fits, "the token answers another request"),
        (is_id_token, "the token is no ID token"),
        (
            (1..=255).contains(&claims.sub.len()),
            "the token names nobody",
        ),
    ] {
        if !holds {
            return Err(why);
        }
    }
    Ok(())
}

/// Some issuers write `"true"`.
fn spelt_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value == Value::Bool(true) || value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn no_announcement_makes_us_accept_shared_secrets_or_none() {
        assert_eq!(accepted(None), [Algorithm::RS256]);
        let all = words(&["none", "HS256", "HS512", "RS512", "ES256", "RS256"]);
        assert_eq!(accepted(Some(&all)), [Algorithm::RS256, Algorithm::ES256]);
        assert!(accepted(Some(&words(&["HS256", "none"]))).is_empty());
    }

    fn claims(change: impl FnOnce(&mut Value)) -> Claims {
        let mut claims = serde_json::json!({
            "iss": "https://id.example", "sub": "1", "aud": "noren", "exp": 300, "iat": 0, "nonce": "n"
        });
        change(&mut claims);
        serde_json::from_value(claims).unwrap()
    }

    #[test]
    fn every_claim_that_decides_is_looked_at() {
        let judged = |change: &dyn Fn(&mut Value)| {
            let rules = Rules {
                issuer: "https://id.example",
                client_id: "noren",
                nonce: Some("n"),
                now: DateTime::UNIX_EPOCH,
            };
            judge(&claims(|claims| change(claims)), &rules)
        };
        assert_eq!(judged(&|_| ()), Ok(()));
        assert_eq!(judged(&|c| c["aud"] = serde_json::json!(["noren"])), Ok(()));
        assert_eq!(judged(&|c| c["token_use"] = "id".into()), Ok(()));
        let both = serde_json::json!(["other", "noren"]);
        let ours = |c: &mut Value| {
            c["aud"] = both.clone();
            c["azp"] = "noren".into();
        };
        assert_eq!(judged(&ours), Ok(()));
        for change in [
            (&|c: &mut Value| c["aud"] = "other".into()) as &dyn Fn(&mut Value),
            &|c| c["aud"] = serde_json::json!([]),
            &|c| c["aud"] = both.clone(),
            &|c| c["azp"] = "other".into(),
            &|c| c["exp"] = (-60).into(),
            &|c| c["iat"] = 61.into(),
            &|c| c["nbf"] = 61.into(),
            &|c| c["nonce"] = "m".into(),
            &|c| c["nonce"] = Value::Null,
            &|c| c["token_use"] = "access".into(),
            &|c| c["sub"] = "".into(),
        ] {
            assert!(judged(change).is_err());
        }
    }

    #[test]
    fn decoration_may_have_any_form_and_a_spelt_truth_counts() {
        let odd = claims(|c| {
            c["email"] = serde_json::json!({});
            c["email_verified"] = "true".into();
            c["locale"] = 5.into();
        });
        assert_eq!(
            (odd.email(), odd.email_verified, odd.locale()),
            (None, true, None)
        );
        let plain = claims(|c| c["email_verified"] = "yes".into());
        assert!(!plain.email_verified);
        let late = claims(|c| c["auth_time"] = 500.into());
        assert_eq!(late.proven_at(DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH);
    }

    #[test]
    fn a_key_is_chosen_by_id_and_kind_and_never_guessed_among_several() {
        let keys: Vec<Jwk> = serde_json::from_value(serde_json::json!([
            { "kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB" },
            { "kty": "RSA", "kid": "enc", "use": "enc", "n": "AQAB", "e": "AQAB" },
            { "kty": "EC", "kid": "e", "crv": "P-256", "x": "AQAB", "y": "AQAB" },
            { "kty": "EC", "kid": "f", "crv": "P-256", "x": "AQAB", "y": "AQAB" },
        ]))
        .unwrap();
        let named = |alg, kid: Option<&str>| Header {
            kid: kid.map(ToOwned::to_owned),
            ..Header::new(alg)
        };
        let found =
            |alg, kid| key_for(&keys, &named(alg, kid)).map(|key| key?.common.key_id.as_deref());
        assert_eq!(found(Algorithm::RS256, Some("r")), Ok(Some("r")));
        assert_eq!(found(Algorithm::RS256, None), Ok(Some("r")));
        assert_eq!(found(Algorithm::ES256, Some("r")), Ok(None), "another kind");
        assert_eq!(
            found(Algorithm::PS256, Some("r")),
            Ok(None),
            "it is for RS256"
        );
        assert_eq!(
            found(Algorithm::RS256, Some("enc")),
            Ok(None),
            "it is for encryption"
        );
        assert_eq!(found(Algorithm::RS256, Some("x")), Ok(None));
        assert!(found(Algorithm::ES256, None).is_err(), "two could be meant");
    }
}
