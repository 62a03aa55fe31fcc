//! The kernel: what every room speaks. Tiny and stable, because an edit here rebuilds all.
//!
//! Owns: typed ids, the clock, the id source, money, cursor pages, two-language text, [`Fault`].
//! Never: HTTP, SQL, configuration, or a type that belongs to one room.

mod clock;
mod fault;
mod id;
mod money;
mod page;
mod text;

pub use clock::{Clock, ManualClock};
pub use fault::{Fault, FaultKind};
pub use id::{IdParseError, IdSource, parse_prefixed};
pub use money::{NanoUsd, Yen};
pub use page::{BadCursor, Cursor, Page, PageRequest};
pub use text::{Lang, Text};
