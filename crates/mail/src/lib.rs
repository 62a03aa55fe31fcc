//! Mail: every letter of the house, written in both languages and delivered once.
//!
//! Owns: letters from their posting to their end, the templates, who wants no news.
//! Never: a decision who gets a letter and why; a network call inside a transaction; an address or a payload in a log.
//!
//! [`post`] joins the caller's transaction, so a letter exists exactly when what it tells of does. Delivery is by lease:
//! any node takes what is due, sends it outside of any transaction, and records the end under its own lease only.

mod letter;
mod template;

pub use letter::{Letter, LetterId, post};
pub use template::{Template, Topic};
