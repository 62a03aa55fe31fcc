mod credential;

use std::{marker::PhantomData, ops::Deref};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Duration, Utc};

use crate::{
    Error, FamilyId, Identity, KeyId, Permission, Principal, Role, Session, SessionId, permission,
};

pub(crate) use credential::Credential;

/// How long a proof of who one is (password, code, passkey) counts for sensitive actions (ASVS 5.0, 7.5.3).
pub const PROOF_COUNTS: Duration = Duration::minutes(15);

/// The authenticated caller of one request on the account listener. As an extractor it refuses requests of nobody
/// (401); what the caller may do is asked with [`Granted`].
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    /// What the caller is in the tenant that it acts for.
    pub role: Role,
    /// Whether the caller runs this house.
    pub operator: bool,
    pub via: Via,
    /// When the caller last proved who they are; none for guests and keys.
    pub proven_at: Option<DateTime<Utc>>,
    /// What the credential is narrowed to; none for a session, which is all that its holder is.
    pub scopes: Option<Vec<Permission>>,
}

/// By what the caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Session(SessionId),
    Key(KeyId),
    /// An access token of ours, of this family.
    Token(FamilyId),
    /// An ID token of a configured issuer.
    Outside,
}

impl Caller {
    /// Whether the caller may do this, by the one table and what its credential is narrowed to.
    pub fn may(&self, wanted: Permission) -> bool {
        let base = match self.via {
            Via::Key(_) => permission::key_allows(wanted),
            _ if wanted == Permission::HouseOperate => self.operator,
            _ => permission::allows(self.role, wanted),
        };
        base && self
            .scopes
            .as_ref()
            .is_none_or(|scopes| scopes.contains(&wanted))
    }

    /// Refuses (403) unless the caller proved who they are within the last minutes. A key proves itself by being there
    /// and by its scope.
    pub fn require_proof(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let proven = match self.via {
            Via::Key(_) => true,
            _ => self
                .proven_at
                .is_some_and(|proven| proven + PROOF_COUNTS > now),
        };
        proven.then_some(()).ok_or(Error::StepUpRequired)
    }

    /// The signed-in person behind the call; keys and guests have none.
    pub fn person(&self) -> Result<crate::UserId, Error> {
        match self.via {
            Via::Key(_) => Err(Error::Forbidden),
            _ => self.principal.user.ok_or(Error::Forbidden),
        }
    }
}

impl From<Session> for Caller {
    fn from(session: Session) -> Self {
        Self {
            principal: session.principal,
            role: session.role,
            operator: session.operator,
            via: Via::Session(session.id),
            proven_at: session.proven_at,
            scopes: None,
        }
    }
}

/// What a handler's caller must be allowed; one type for each [`Permission`], in [`may`].
pub trait Action: Send + Sync + 'static {
    const PERMISSION: Permission;
}

/// A caller who is allowed `A` in the tenant that it acts for. Whoever is not gets 403, nobody gets 401.
#[derive(Clone, Debug)]
pub struct Granted<A> {
    caller: Caller,
    action: PhantomData<A>,
}

/// As [`Granted`], with a recent proof of who they are (403 `step_up_required` otherwise).
#[derive(Clone, Debug)]
pub struct Proven<A>(Granted<A>);

impl<A> Deref for Granted<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<A> Deref for Proven<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

macro_rules! actions {
    ($($name:ident),* $(,)?) => {
        /// The actions that handlers name in their signature.
        pub mod may {
            $(
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl super::Action for $name {
                    const PERMISSION: crate::Permission = crate::Permission::$name;
                }
            )*
        }
    };
}

actions!(
    InferenceUse,
    UsageRead,
    BillingManage,
    ProfileManage,
    KeysManage,
    MembersRead,
    MembersManage,
    ChildrenManage,
    TenantManage,
    AuditRead,
    HouseOperate,
);

impl<S, A> FromRequestParts<S> for Granted<A>
where
    S: Send + Sync,
    A: Action,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if !caller.may(A::PERMISSION) {
            return Err(Error::Forbidden);
        }
        Ok(Self {
            caller,
            action: PhantomData,
        })
    }
}

impl<S, A> FromRequestParts<S> for Proven<A>
where
    S: Send + Sync,
    A: Action,
    Identity: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let granted = Granted::from_request_parts(parts, state).await?;
        granted.require_proof(Identity::from_ref(state).cx.clock.now())?;
        Ok(Self(granted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(via: Via, role: Role, scopes: Option<Vec<Permission>>) -> Caller {
        Caller {
            principal: Principal::guest(crate::TenantId(uuid::Uuid::nil())),
            role,
            operator: false,
            via,
            proven_at: None,
            scopes,
        }
    }

    #[test]
    fn a_key_may_what_its_scopes_say_and_never_more_than_a_key_may() {
        let key = Via::Key(KeyId(uuid::Uuid::nil()));
        let scoped = caller(
            key,
            Role::Owner,
            Some(vec![Permission::UsageRead, Permission::BillingManage]),
        );
        assert!(scoped.may(Permission::UsageRead));
        assert!(
            !scoped.may(Permission::InferenceUse),
            "not among its scopes"
        );
        assert!(!scoped.may(Permission::BillingManage), "no key may pay");
        let session = Via::Session(SessionId(uuid::Uuid::nil()));
        assert!(caller(session, Role::Owner, None).may(Permission::BillingManage));
        assert!(!caller(session, Role::Owner, None).may(Permission::HouseOperate));
        assert!(!caller(session, Role::Child, None).may(Permission::BillingManage));
    }

    #[test]
    fn a_proof_counts_for_fifteen_minutes() {
        let now = DateTime::UNIX_EPOCH;
        let session = Via::Session(SessionId(uuid::Uuid::nil()));
        let mut caller = caller(session, Role::Owner, None);
        assert!(caller.require_proof(now).is_err());
        caller.proven_at = Some(now);
        assert!(caller.require_proof(now + Duration::minutes(14)).is_ok());
        assert!(caller.require_proof(now + PROOF_COUNTS).is_err());
    }
}
