use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::OpenError;

/// How far an event's time may be from ours, into the past and into the future.
const TOLERANCE: Duration = Duration::seconds(300);
/// More signatures than this in one header are nobody's.
const MOST: usize = 8;

/// What events are signed with; two while one replaces the other.
pub(crate) struct Secrets(Vec<Hmac<Sha256>>);

impl Secrets {
    pub(crate) fn new(secrets: &[SecretString]) -> Result<Self, OpenError> {
        if !(1..=2).contains(&secrets.len()) {
            return Err(OpenError::BadSecrets);
        }
        let keyed = secrets.iter().map(|secret| {
            let secret = secret.expose_secret();
            if !secret.starts_with("whsec_") || secret.len() < 16 {
                return Err(OpenError::BadSecrets);
            }
            // the whole text is the key, its beginning too
            Hmac::new_from_slice(secret.as_bytes()).map_err(|_| OpenError::BadSecrets)
        });
        Ok(Self(keyed.collect::<Result<_, _>>()?))
    }

    /// Whether these very bytes were signed with one of the secrets, about now.
    pub(crate) fn accept(&self, header: &str, body: &[u8], now: DateTime<Utc>) -> bool {
        let Some((at, signatures)) = read(header) else {
            return false;
        };
        let Some(time) = at
            .parse()
            .ok()
            .and_then(|at| DateTime::from_timestamp(at, 0))
        else {
            return false;
        };
        if (now - time).abs() > TOLERANCE {
            return false;
        }
        self.0.iter().any(|keyed| {
            signatures.iter().any(|signature| {
                let mut mac = keyed.clone();
                mac.update(at.as_bytes());
                mac.update(b".");
                mac.update(body);
                mac.verify_slice(signature).is_ok()
            })
        })
    }
}

/// The time as it was written and the signatures of the one scheme that counts.
fn read(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let mut at = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value) if at.is_none() => at = Some(value),
            // two times would leave open which one was signed
            ("t", _) => return None,
            ("v1", value) => signatures.push(hex::decode(value).ok()?),
            _ => {}
        }
    }
    let found = (at?, signatures);
    (1..=MOST).contains(&found.1.len()).then_some(found)
}

/// The header that Stripe would send with `body`; for whoever stands in for it.
///
/// # Errors
/// When the secret can't be used.
pub fn sign(secret: &SecretString, body: &[u8], at: DateTime<Utc>) -> Result<String, OpenError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .map_err(|_| OpenError::BadSecrets)?;
    mac.update(format!("{}.", at.timestamp()).as_bytes());
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(format!("t={},v1={signature}", at.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id": "evt_1"}"#;

    fn secrets(of: &[&str]) -> Secrets {
        let of: Vec<SecretString> = of.iter().map(|&secret| secret.into()).collect();
        Secrets::new(&of).unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn header(secret: &str, seconds: i64) -> String {
        sign(
            &secret.into(),
            BODY,
            DateTime::UNIX_EPOCH + Duration::seconds(seconds),
        )
        .unwrap()
    }

    fn accepts(secrets: &Secrets, header: &str, body: &[u8]) -> bool {
        secrets.accept(
            header,
            body,
            DateTime::UNIX_EPOCH + Duration::seconds(10_000),
        )
    }

    #[test]
    fn only_the_signed_bytes_about_now_are_accepted() {
        let known = secrets(&["whsec_0123456789abcdef"]);
        let right = header("whsec_0123456789abcdef", 10_000);
        assert!(accepts(&known, &right, BODY));
        assert!(
            !accepts(&known, &right, br#"{"id":"evt_1"}"#),
            "written anew"
        );
        for (seconds, good) in [
            (9_700, true),
            (9_699, false),
            (10_300, true),
            (10_301, false),
        ] {
            let header = header("whsec_0123456789abcdef", seconds);
            assert_eq!(accepts(&known, &header, BODY), good, "{seconds}");
        }
        let other = header("whsec_another_secret_0", 10_000);
        assert!(!accepts(&known, &other, BODY));
        assert!(
            !accepts(&known, &right.replace("v1=", "v0="), BODY),
            "v0 alone"
        );
        let moved = right.replace("t=10000", "t=10001");
        assert!(!accepts(&known, &moved, BODY), "the time is signed too");
        for broken in [
            "",
            "t=10000",
            "v1=00",
            "t=x,v1=00",
            "t=10000,v1=zz",
            "t=10000,v1=",
        ] {
            assert!(!accepts(&known, broken, BODY), "{broken:?}");
        }
        assert!(
            !accepts(&known, &format!("t=10000,{right}"), BODY),
            "two times"
        );
    }

    #[test]
    fn while_a_secret_is_replaced_both_count() {
        let (old, new) = ("whsec_the_old_secret_1", "whsec_the_new_secret_2");
        let both = secrets(&[old, new]);
        assert!(accepts(&both, &header(old, 10_000), BODY));
        assert!(accepts(&both, &header(new, 10_000), BODY));
        // Stripe signs with both, the unknown one first
        let of = |secret| header(secret, 10_000).split_once(',').unwrap().1.to_owned();
        let two = format!("t=10000,{},{}", of("whsec_somebody_elses"), of(new));
        assert!(accepts(&secrets(&[new]), &two, BODY));
        assert!(Secrets::new(&[]).is_err());
        assert!(Secrets::new(&["secret".into()]).is_err());
    }
}
