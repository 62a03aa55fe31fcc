//! Families of refresh tokens: what a sign-in of an API client leads to.
//!
//! A refresh token is good for one use, which gives the next one. A used token that comes again means that two hold it,
//! and nobody can tell which of them is the thief: the family ends (RFC 9700 §4.14.2). One case is told apart, because
//! it happens to honest clients every day: the answer was lost, or two threads asked at once. A use within ten seconds of
//! the first, from the same network and program, while nobody has used the token that came of it, is refused and no
//! more. Whoever has the new token goes on; whoever lost it signs in again.

use chrono::{DateTime, Duration, Utc};

use crate::{
    Error, FamilyId, Permission, RequestMeta, Role, TenantId, UserId, permission, session::Proof,
};

/// A family that nobody used for this long is over.
pub(super) const IDLE: Duration = Duration::days(30);
/// No family lives longer; its user signs in again.
pub(super) const LONGEST: Duration = Duration::days(90);
/// How long after its use a token may come again without ending its family.
const LOST_ANSWER: Duration = Duration::seconds(10);

/// What all tokens of a family have in common.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) id: FamilyId,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    /// The OAuth client; none for one that took the password itself.
    pub(crate) client: Option<String>,
    /// Empty: all that the user may.
    pub(crate) scopes: Vec<String>,
    pub(crate) proofs: Vec<String>,
    pub(crate) proven_at: DateTime<Utc>,
}

/// Who signed in, for which tenant and how.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) client: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) proofs: Vec<String>,
    pub(crate) proven_at: DateTime<Utc>,
}

impl Entry {
    /// A client that the user gave the password to: it may all that the user may.
    pub(super) fn of_password(
        tenant: TenantId,
        user: UserId,
        proofs: &[Proof],
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            tenant,
            user,
            client: None,
            scopes: Vec::new(),
            proofs: proofs
                .iter()
                .map(|proof| proof.as_str().to_owned())
                .collect(),
            proven_at: now,
        }
    }
}

/// What a refresh token leads to in the database.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) family: Family,
    /// From where the family was used last.
    pub(super) user_agent: String,
    pub(super) network: String,
    pub(super) used_at: Option<DateTime<Utc>>,
    /// Whether a token that came after this one was used.
    pub(super) went_on: bool,
}

impl Found {
    /// Whether a used token comes again because an answer was lost, as far as anyone can tell.
    pub(super) fn is_retry(&self, meta: &RequestMeta, now: DateTime<Utc>) -> bool {
        self.used_at
            .is_some_and(|used_at| now < used_at + LOST_ANSWER)
            && !self.went_on
            && self.user_agent == meta.user_agent
            && self.network == meta.network()
    }
}

/// What somebody is in a tenant right now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) role: Role,
    pub(crate) operator: bool,
}

impl Standing {
    pub(super) fn scope(self) -> String {
        let words: Vec<&str> = Permission::ALL
            .into_iter()
            .filter(|one| match one {
                Permission::HouseOperate => self.operator,
                one => permission::allows(self.role, *one),
            })
            .map(Permission::as_str)
            .collect();
        words.join(" ")
    }
}

/// The scopes asked for, unless one is not among those that there are.
pub(super) fn narrow(scopes: &[String], wanted: Option<&[String]>) -> Result<Vec<String>, Error> {
    let wanted = wanted.unwrap_or(scopes);
    let within = wanted.iter().all(|scope| scopes.contains(scope));
    // an empty list means everything, so nobody gets to it by asking for nothing
    if within && (wanted.is_empty() == scopes.is_empty()) {
        Ok(wanted.to_vec())
    } else {
        Err(Error::Forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scopes_only_ever_get_fewer() {
        let all = words(&["openid", "usage.read"]);
        assert_eq!(narrow(&all, None).unwrap(), all);
        let one = words(&["usage.read"]);
        assert_eq!(narrow(&all, Some(&one)).unwrap(), one);
        assert!(narrow(&one, Some(&all)).is_err());
        assert!(
            narrow(&all, Some(&[])).is_err(),
            "an empty list would mean everything"
        );
        assert_eq!(narrow(&[], None).unwrap(), words(&[]));
        assert!(narrow(&[], Some(&one)).is_err());
    }

    #[test]
    fn only_a_prompt_retry_from_the_same_place_is_forgiven() {
        let now = DateTime::UNIX_EPOCH;
        let meta = RequestMeta::of_the_house("req_test");
        let found = || Found {
            family: Family {
                id: FamilyId(uuid::Uuid::nil()),
                tenant: TenantId(uuid::Uuid::nil()),
                user: UserId(uuid::Uuid::nil()),
                client: None,
                scopes: Vec::new(),
                proofs: Vec::new(),
                proven_at: now,
            },
            user_agent: "noren (command line)".into(),
            network: String::new(),
            used_at: Some(now),
            went_on: false,
        };
        assert!(found().is_retry(&meta, now + Duration::seconds(9)));
        assert!(!found().is_retry(&meta, now + LOST_ANSWER));
        let elsewhere = Found {
            network: "203.0.113.0/24".into(),
            ..found()
        };
        let other = Found {
            user_agent: "curl".into(),
            ..found()
        };
        let went_on = Found {
            went_on: true,
            ..found()
        };
        for case in [elsewhere, other, went_on] {
            assert!(!case.is_retry(&meta, now), "{case:?}");
        }
    }
}
