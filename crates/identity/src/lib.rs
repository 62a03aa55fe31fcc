//! Identity: everyone who may come in, and nobody else.
//!
//! Owns: users, tenants and who belongs to them, sessions, second factors, API keys, tokens, issuers outside, the audit
//! log.
//! Never: a price, a limit of a plan, a model. A password, key or token is never stored or logged as it is, only a hash;
//! the secrets of authenticators, which have to be read again, are sealed.

mod access;
mod audit;
mod caller;
mod ceremony;
mod cookie;
mod device;
mod double;
mod error;
mod factor;
mod family;
mod farewell;
mod figures;
mod http;
mod idle;
mod invitation;
mod key;
mod kin;
mod letters;
mod link;
mod member;
mod oauth;
mod oidc;
mod password;
mod permission;
mod recovery;
mod request;
mod revocation;
mod secret;
mod session;
mod sign_in;
mod tenant;
mod throttle;
mod token;
mod upkeep;
mod user;

use std::sync::Arc;

use cookie::CookieStyle;
use db::{Ctx, Scope};
use kernel::Fault;
use seal::{Resealed, Vault};
use secrecy::SecretSlice;

pub use access::rotate_issuer_key;
pub use audit::{
    Action as AuditAction, AuditLine, Break as AuditBreak, list as audit_lines,
    verify as verify_audit,
};
pub use caller::{Action, Caller, Granted, PROOF_COUNTS, Proven, Via, may};
pub use error::Error;
pub use farewell::{Leaver, export, forget, leavers};
pub use figures::{Arrivals, arrivals};
pub use http::router;
pub use idle::{forget_guest, idle_guests, unconfirmed};
pub use key::{
    Key, KeyStatus, KeyTerms, NewKey, create as create_key, list as list_keys, note_key_use,
    revoke as revoke_key, rotate as rotate_key, scopes_for_keys,
};
pub use kin::{Kin, kin};
pub use letters::{Addressee, billing_contacts, tenants_with_members, write_letters};
pub use oauth::{Client as OauthClient, add_client, disable_client, list_clients};
pub use oidc::IssuerConfig;
pub use permission::{Permission, Role};
pub use request::RequestMeta;
pub use revocation::follow_revocations;
pub use session::{NewSession, Session, guest, sign_out};
pub use sign_in::{SignedIn, came_in, sign_in};
pub use tenant::{
    Kind as TenantKind, TenantRow, TenantView, create as create_tenant, find_tenant,
    names as tenant_names, role_of, search as search_tenants, tenant_exists, tenant_zone,
};
pub use token::{CallerSeen, InferenceCaller, InferenceToken, KeyLimits, mint_inference_token};
pub use upkeep::tidy_up;
pub use user::{
    Me, NewUser, Registered, UserView, add_user, email_is_plausible, entered, import_user, me,
    register,
};

kernel::id!(
    /// A person who signs in.
    UserId, "usr"
);
kernel::id!(
    /// Who owns data and pays.
    TenantId, "tnt"
);
kernel::id!(
    /// A browser that came in.
    SessionId, "ses"
);
kernel::id!(
    /// The refresh tokens that one sign-in of an API client led to.
    FamilyId, "fam"
);
kernel::id!(
    /// A browser that is known again.
    DeviceId, "dev"
);
kernel::id!(
    /// A line of the audit log.
    AuditId, "aud"
);
kernel::id!(
    /// An API key; it stays when the secret changes.
    KeyId, "key"
);
kernel::id!(
    /// A one-use link that was mailed.
    LinkId, "lnk"
);
kernel::id!(
    /// An invitation into a tenant.
    InvitationId, "inv"
);
kernel::id!(
    /// What takes two requests, such as a passkey's challenge.
    CeremonyId, "cer"
);
kernel::id!(
    /// A passkey.
    PasskeyId, "psk"
);

/// What identity is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people reach the account listener, without a slash at the end. Links in letters begin with it, whatever a
    /// request's headers say.
    pub account_url: String,
    /// Issuers outside that people may sign in at.
    pub issuers: Vec<IssuerConfig>,
    /// What the secrets of authenticators are sealed with, and those of the rooms above.
    pub vault: Vault,
}

impl Config {
    /// With no issuers outside and no sealing key.
    pub fn at(account_url: &str) -> Self {
        Self {
            account_url: account_url.trim_end_matches('/').to_owned(),
            issuers: Vec::new(),
            vault: Vault::without_keys(),
        }
    }
}

/// The room with what it needs to work.
#[derive(Clone, Debug)]
pub struct Identity {
    pub cx: Ctx,
    account_url: Arc<str>,
    passwords: password::Hasher,
    tokens: Arc<token::Keys>,
    cookie: CookieStyle,
    keys: Arc<key::Cache>,
    revocations: Arc<revocation::Revocations>,
    issuers: Arc<oidc::Issuers>,
    factors: Arc<factor::Factors>,
    access: Arc<access::Signer>,
    vault: Vault,
}

impl Identity {
    /// Opens the room; the first node makes the keys that all share, the others find them.
    ///
    /// # Errors
    /// When the database is away, or the configuration can't be used.
    pub async fn open(cx: Ctx, config: Config) -> Result<Self, Fault> {
        let tokens = Arc::new(token::Keys::load(&cx).await?);
        let cookie = if config.account_url.starts_with("https://") {
            CookieStyle::Https
        } else {
            CookieStyle::PlainHttp
        };
        Ok(Self {
            account_url: config.account_url.as_str().into(),
            passwords: password::Hasher::new(),
            tokens,
            cookie,
            keys: Arc::default(),
            revocations: Arc::default(),
            issuers: Arc::new(oidc::Issuers::new(config.issuers)?),
            factors: Arc::new(factor::Factors::new(&config.account_url)?),
            access: Arc::new(access::Signer::load(&cx, &config.account_url).await?),
            vault: config.vault,
            cx,
        })
    }

    /// The password of a demo user. It comes from this house's own secret, so it is worth nothing in another house, nor in
    /// this one to whoever was not shown it.
    pub fn demo_password(&self, email: &str) -> String {
        self.tokens.derive(&format!("demo:{email}"))
    }

    /// What secrets are sealed with that have to be read again.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Seals under the first key what is not: what was sealed under another, and what was kept before there was sealing.
    ///
    /// # Errors
    /// When there is no key, or the database is away.
    pub async fn reseal(&self) -> Result<Resealed, Fault> {
        factor::reseal(self).await
    }

    /// A secret of its own for another room's signatures, the same on every node.
    pub fn derived_secret(&self, purpose: &str) -> SecretSlice<u8> {
        self.tokens.derive_bytes(&format!("room:{purpose}"))
    }
}

/// For whom something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    /// None for a guest or a key.
    pub user: Option<UserId>,
    /// The API key that the tenant gave to a program.
    pub key: Option<KeyId>,
}

impl Principal {
    pub const fn guest(tenant: TenantId) -> Self {
        Self {
            tenant,
            user: None,
            key: None,
        }
    }

    pub const fn user(tenant: TenantId, user: UserId) -> Self {
        Self {
            tenant,
            user: Some(user),
            key: None,
        }
    }

    pub const fn key(tenant: TenantId, key: KeyId) -> Self {
        Self {
            tenant,
            user: None,
            key: Some(key),
        }
    }

    /// Whether nobody has said yet who they are.
    pub const fn is_guest(&self) -> bool {
        self.user.is_none() && self.key.is_none()
    }

    /// The row-level scope of this caller.
    pub fn scope(&self) -> Scope {
        Scope::Tenant {
            tenant: self.tenant.0,
            user: self.user.map(|user| user.0),
        }
    }

    /// How the audit log names it.
    pub fn actor(&self) -> String {
        match (self.user, self.key) {
            (Some(user), _) => user.to_string(),
            (None, Some(key)) => key.to_string(),
            (None, None) => format!("guest:{}", self.tenant),
        }
    }
}

impl From<Principal> for Scope {
    fn from(principal: Principal) -> Self {
        principal.scope()
    }
}
