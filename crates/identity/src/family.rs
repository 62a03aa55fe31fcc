use utoipa_axum::router::OpenApiRouter;

use crate::Identity;

pub(crate) fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
}

/// What a child signs in with: its name and the family's code, as they are stored.
pub(crate) fn login_name(name: &str, code: &str) -> String {
    format!(
        "{}@{}",
        name.trim().to_lowercase(),
        code.trim().to_lowercase()
    )
}
