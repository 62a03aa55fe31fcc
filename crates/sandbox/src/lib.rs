//! Stand-ins for the services that the house buys from others, so that it can be tried and tested without them.
//!
//! They are part of the product, not of a test: `noren run --demo` serves them on a port of its own, and `noren`
//! refuses to start in production with one of them configured. They never pretend to a person: whatever they answer
//! is labelled by its model name, `sandbox-…`, which the web app shows.
//!
//! - [`model_router`]: an OpenAI-compatible model that answers by rule, and fails on request.
//! - [`StripeDouble`]: customers, checkout, subscriptions and signed events without any money.

mod model;
mod stripe;

pub use model::{MODELS, model_router, model_router_paced};
pub use stripe::{
    DeliveryFaults, HeldRead, StripeConfig, StripeDouble, StripePrice,
    signature as stripe_signature,
};
