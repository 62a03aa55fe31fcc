//! Mail: every letter of the house, written in both languages and delivered once.
//!
//! Owns: letters from their posting to their end, the templates, who wants no news.
//! Never: a decision who gets a letter and why; a network call inside a transaction; an address or a payload in a log.
//!
//! [`post`] joins the caller's transaction, so a letter exists exactly when what it tells of does. Delivery is by lease:
//! any node takes what is due, sends it outside of any transaction, and records the end under its own lease only.

mod delivery;
mod error;
mod http;
mod letter;
mod message;
mod sandbox;
mod suppression;
mod template;
mod transport;

use std::{sync::Arc, time::Duration};

use db::Ctx;
use lettre::message::Mailbox;
use secrecy::SecretSlice;

pub use delivery::{clear_due, deliver_due};
pub use error::Error;
pub use http::{router, sandbox_router};
pub use letter::{DeadLetter, Letter, LetterId, list_dead, post, retry};
pub use sandbox::{SandboxLetter, sandbox_letters};
pub use template::{Template, Topic};
pub use transport::{OpenError, Way};

use suppression::Seal;
use template::Templates;
use transport::Transport;

/// How the room is set up.
#[derive(Debug)]
pub struct Config {
    pub way: Way,
    /// Such as `Noren <noreply@noren.example>`; letters are named after its domain.
    pub from: String,
    /// Where people reach the house.
    pub account_url: String,
    /// Seals the unsubscribe links and hides the addresses of those who used them, so it has to stay the same for ever;
    /// 32 bytes or more.
    pub secret: SecretSlice<u8>,
}

/// The room with what it needs to work.
#[derive(Clone, Debug)]
pub struct Mail {
    pub cx: Ctx,
    /// How often a node that is sending says so; well within the minute after which others take it for dead.
    pub renew_every: Duration,
    transport: Transport,
    from: Mailbox,
    account_url: Arc<str>,
    seal: Seal,
    templates: Arc<Templates>,
}

impl Mail {
    /// Opens the room. No server is asked for anything yet.
    ///
    /// # Errors
    /// When a setting can't be used; the message names it and shows no password.
    pub fn open(cx: Ctx, config: Config) -> Result<Self, OpenError> {
        let from: Mailbox = config.from.parse().map_err(|_| OpenError::BadFrom)?;
        Ok(Self {
            cx,
            renew_every: Duration::from_secs(20),
            transport: Transport::open(config.way, from.email.domain())?,
            from,
            account_url: config.account_url.trim_end_matches('/').into(),
            seal: Seal::new(&config.secret)?,
            templates: Arc::new(Templates::load()?),
        })
    }
}
