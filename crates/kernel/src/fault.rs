use std::error::Error;

/// Something that went wrong inside and that no caller can mend: it is logged with its chain and shown
/// to the caller without its text.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct Fault {
    pub kind: FaultKind,
    context: &'static str,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether trying again later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A bug or broken data (500).
    Internal,
    /// The database or another part that we need is away (503).
    Unavailable,
}

impl Fault {
    /// An internal fault; `context` says what was being done.
    pub fn internal(
        context: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind: FaultKind::Internal,
            context,
            source: Some(source.into()),
        }
    }

    /// A fault that may pass by itself.
    pub fn unavailable(
        context: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind: FaultKind::Unavailable,
            context,
            source: Some(source.into()),
        }
    }

    /// A state that the code rules out.
    pub fn broken(context: &'static str) -> Self {
        Self {
            kind: FaultKind::Internal,
            context,
            source: None,
        }
    }
}
