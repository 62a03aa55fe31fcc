//! The codes of authenticators (RFC 6238), and how the secret behind them is kept.

use chrono::{DateTime, Duration, Utc};
use kernel::Fault;
use seal::Vault;
use secrecy::SecretSlice;
use totp_rs::{Builder, Totp};

use crate::UserId;

/// What authenticators show the account under.
const ISSUER: &str = "Noren";
/// A clock may be one step of 30 seconds ahead or behind (RFC 6238 §5.2).
const SKEW: u16 = 1;
/// How long a set-up waits for its first code.
const SET_UP_WITHIN: Duration = Duration::hours(1);

/// A user's secret as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) sealed: Vec<u8>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) confirmed_at: Option<DateTime<Utc>>,
}

impl Kept {
    pub(super) fn waits_at(&self, now: DateTime<Utc>) -> bool {
        self.confirmed_at.is_none() && now < self.created_at + SET_UP_WITHIN
    }
}

/// Where alone a user's secret opens.
pub(super) fn place(user: UserId) -> String {
    format!("identity.totp:{user}")
}

/// A user's secret. One that was kept before there was sealing is as it is, until the next [`super::reseal`].
pub(super) fn open(
    vault: &Vault,
    user: UserId,
    sealed: &[u8],
) -> Result<SecretSlice<u8>, seal::Error> {
    if seal::key_of(sealed).is_some() {
        vault.open(&place(user), sealed)
    } else {
        Ok(sealed.to_vec().into())
    }
}

/// The step whose code this is, if it is near enough.
pub(super) fn step_of(
    secret: &[u8],
    digits: &str,
    now: DateTime<Utc>,
) -> Result<Option<i64>, Fault> {
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
