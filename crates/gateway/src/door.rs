//! The doors: other vendors' protocols on the one run engine.
//!
//! A door reads its dialect, starts the run that every other door would start, and tells its events in its own words.

mod anthropic;
mod choices;
mod completions;
mod embeddings;
mod native;
mod nowhere;
mod openai;
mod responses;
mod runpod;
mod tell;
mod visit;

use identity::TenantId;
use sqlx::PgConnection;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Gateway;

pub use nowhere::{no_such_method, no_such_path};
pub(crate) use openai::face;
pub(crate) use responses::kept_body;
pub use runpod::Teller;
use tell::unless_gone;
pub(crate) use tell::{collect, so_far, sse};
pub(crate) use visit::{Begun, Beside, Visit, check_length, priority, wants_no_trace};

/// The doors' routes.
pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(native::start_inference))
        .routes(routes!(native::quote_inference))
        .routes(routes!(native::get_inference))
        .routes(routes!(native::get_inference_result))
        .routes(routes!(native::get_inference_events))
        .routes(routes!(native::cancel_inference))
        .routes(routes!(openai::create_chat_completion))
        .routes(routes!(completions::create_completion))
        .routes(routes!(openai::list_models))
        .routes(routes!(openai::get_model))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(responses::create_response))
        .routes(routes!(responses::get_response, responses::delete_response))
        .routes(routes!(responses::cancel_response))
        .routes(routes!(anthropic::create_message))
        .routes(routes!(anthropic::count_message_tokens))
        .routes(routes!(runpod::run_job))
        .routes(routes!(runpod::run_job_and_wait))
        .routes(routes!(runpod::get_job))
        .routes(routes!(runpod::stream_job))
        .routes(routes!(runpod::retry_job))
        .routes(routes!(runpod::get_health))
        .routes(routes!(runpod::purge_queue))
        .routes(routes!(runpod::cancel_job))
}

/// Removes what the doors keep of a tenant that goes, in the caller's transaction.
pub(crate) async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    responses::forget(conn, tenant).await?;
    runpod::forget(conn, tenant).await
}
