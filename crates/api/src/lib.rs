//! The HTTP kit: what every room's handlers are made of.
//!
//! Owns: the accept loop with its caps, problem+json in two languages, checked input, answers, request ids, access
//! log, security headers, the Origin check, the OpenAPI base.
//! Never: a route of a room, authentication, SQL.

mod answer;
mod encoding;
mod input;
mod layers;
mod openapi;
mod origin;
mod pace;
mod problem;
mod proxies;
mod server;

pub use answer::{Accepted, Created, NoContent, Okay};
pub use encoding::refuse_encoded;
pub use input::{
    Check, FieldErrors, PageQuery, PathId, ValidJson, ValidQuery, read_body, read_body_as_sent,
    require_json,
};
pub use layers::{HungUp, RequestId, answer_in_shape, wrap};
pub use openapi::{Refusals, base_document};
pub use origin::{Origins, allow_browser_origins, refuse_foreign_origins};
pub use pace::Stalled;
pub use problem::{FieldError, Problem, ProblemBody, SuggestedTopUp, Suggestion, Violated};
pub use proxies::Proxies;
pub use server::{ClientAddr, Limits, serve};
