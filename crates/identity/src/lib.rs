//! Identity: everyone who may come in.
//!
//! Owns: users, tenants, sessions, guests, the inference token, the audit log.
//! Never: a price, a limit, a model. A password or a token is never stored or logged as it is, only a hash.

mod audit;
mod error;
mod http;
mod password;
mod session;
mod token;
mod user;

use std::sync::Arc;

use db::{Ctx, Scope};
use kernel::Fault;

pub use error::Error;
pub use http::{entered, router};
pub use session::{CookieStyle, NewSession, RequestMeta, Session, guest, sign_out};
pub use token::{InferenceCaller, InferenceToken, mint_inference_token};
pub use user::{Me, NewUser, UserView, email_is_plausible, me, register, sign_in, tenant_zone};

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
    /// A line of the audit log.
    AuditId, "aud"
);

/// The room with what it needs to work.
#[derive(Clone, Debug)]
pub struct Identity {
    pub cx: Ctx,
    passwords: password::Hasher,
    tokens: Arc<token::Keys>,
    cookie: CookieStyle,
}

impl Identity {
    /// Opens the room; the first node makes the key of the inference token, the others find it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn open(cx: Ctx, cookie: CookieStyle) -> Result<Self, Fault> {
        let tokens = Arc::new(token::Keys::load(&cx).await?);
        Ok(Self {
            cx,
            passwords: password::Hasher::new(),
            tokens,
            cookie,
        })
    }

    /// The password of a demo user. It comes from this house's own secret, so it is worth nothing in another house, nor in
    /// this one to whoever was not shown it.
    pub fn demo_password(&self, email: &str) -> String {
        self.tokens.derive(&format!("demo:{email}"))
    }
}

/// The caller of one request, with the tenant that it acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    /// None for a guest.
    pub user: Option<UserId>,
}

impl Principal {
    /// The row-level scope of this caller.
    pub fn scope(&self) -> Scope {
        Scope::Tenant {
            tenant: self.tenant.0,
            user: self.user.map(|user| user.0),
        }
    }

    fn actor(&self) -> String {
        self.user
            .map_or_else(|| format!("guest:{}", self.tenant), |user| user.to_string())
    }
}

impl From<Principal> for Scope {
    fn from(principal: Principal) -> Self {
        principal.scope()
    }
}
