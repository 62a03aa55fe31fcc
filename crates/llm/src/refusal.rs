//! Why a door turns a request away, before any dialect spells it.

/// What kind of refusal it is; each dialect has its own status and name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request is wrong in itself.
    Invalid,
    /// The request is larger than the door.
    TooLarge,
    /// Nobody knows who asks.
    Unauthenticated,
    /// Who asks may not.
    Forbidden,
    /// There is no such model, run or path.
    NotFound,
    /// The same is under way, or its state doesn't allow it.
    Conflict,
    /// Too many requests for the moment.
    RateLimited,
    /// The plan or the purse has nothing left.
    OutOfQuota,
    /// The house failed.
    Internal,
    /// The provider failed.
    Upstream,
    /// Nothing free just now.
    Overloaded,
    /// It took too long.
    TimedOut,
}

impl RefusalKind {
    /// The HTTP status that most dialects use.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::TooLarge => 413,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RateLimited | Self::OutOfQuota => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Overloaded => 503,
            Self::TimedOut => 504,
        }
    }
}

/// A request turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// For the person who wrote the request.
    pub message: String,
    /// Where in the body, as a JSON pointer (RFC 6901).
    pub pointer: Option<String>,
    /// A stable word for programs, where the dialect has a place for one.
    pub code: Option<String>,
}

impl Refusal {
    /// Refuses without a place and a code.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            pointer: None,
            code: None,
        }
    }

    /// Refuses a value at a place of the body.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            ..Self::new(RefusalKind::Invalid, message)
        }
    }

    /// Adds a word for programs.
    #[must_use]
    pub fn coded(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The message with its place before it, for dialects without a field for the place.
    pub fn placed(&self) -> String {
        match &self.pointer {
            Some(pointer) => format!("{pointer}: {}", self.message),
            None => self.message.clone(),
        }
    }
}
