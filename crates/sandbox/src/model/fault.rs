//! Models that fail by name, whatever is said to them.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Broken, tells::Tells};

/// How a model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    ServerError,
    TooMany,
    /// The connection breaks before the first byte of the body.
    Reset,
    /// Nothing comes, for as long as anyone waits.
    Hang,
    /// Each piece takes long.
    Drip,
    Garbled,
    /// The stream breaks off after some pieces.
    Half,
    /// A page instead of an answer.
    WrongType,
    /// A good answer that claims to have cost nothing.
    ZeroUsage,
}

impl Fault {
    pub(super) fn of(model: &str) -> Option<Self> {
        Some(match model.strip_prefix("sandbox-fault-")? {
            "500" => Self::ServerError,
            "429" => Self::TooMany,
            "reset" => Self::Reset,
            "hang" => Self::Hang,
            "drip" => Self::Drip,
            "garbled" => Self::Garbled,
            "half" => Self::Half,
            "type" => Self::WrongType,
            "zero" => Self::ZeroUsage,
            _ => return None,
        })
    }

    /// Says in tells what can be said so.
    pub(super) fn tell(self, tells: &mut Tells) {
        match self {
            Self::ServerError => tells.fail = true,
            Self::TooMany => tells.too_many = true,
            Self::Drip => tells.slow = true,
            Self::Garbled => tells.garble = true,
            Self::Half => tells.fail_after = Some(3),
            Self::Reset | Self::Hang | Self::WrongType | Self::ZeroUsage => {}
        }
    }
}

/// Says that an answer comes, and breaks the connection.
pub(super) fn reset() -> Response {
    let broken = futures::stream::iter([Err::<String, _>(Broken)]);
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(broken)).into_response()
}

/// Answers with a page.
pub(super) fn wrong_type() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html")];
    let page = "<html><h1>It works!</h1></html>";
    (StatusCode::OK, headers, page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        assert_eq!(Fault::of("sandbox-fault-500"), Some(Fault::ServerError));
        assert_eq!(Fault::of("sandbox-fault-nothing"), None);
        assert_eq!(Fault::of("sandbox-small"), None);
        let mut tells = Tells::default();
        Fault::Half.tell(&mut tells);
        assert_eq!(tells.fail_after, Some(3));
    }
}
