use std::{error::Error, iter::successors, time::Duration};

use llm::CodecError;

use super::hush::hush;

/// Why an upstream did not deliver. Texts of the upstream may name accounts and quote people, so they are never shown, and logged by
/// [`Trouble::told`] alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the upstream can't be reached: {}", causes(.0))]
    Unreachable(#[source] reqwest::Error),
    #[error("the upstream answered {status} ({})", code.as_deref().unwrap_or("no code"))]
    Refused {
        status: u16,
        code: Option<String>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        message: String,
    },
    #[error("the upstream broke off: {}", causes(.0))]
    Cut(#[source] reqwest::Error),
    #[error("the upstream is silent")]
    Silent,
    #[error("the upstream's answer can't be read: {0}")]
    Codec(#[from] CodecError),
}

/// What a failure means to whoever waits, in the stable words of a run's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It failed, for now.
    Failed,
    /// It has too much to do.
    Busy,
    /// It does not take what was asked: too long, against its rules, of the wrong form.
    Refused,
    /// It is longer than the model reads: another may read more.
    TooLong,
    /// It does not know us, or has no such model: the operator's to mend.
    Denied,
    Stalled,
    Garbled,
}

impl Meaning {
    /// The word for it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Failed => "upstream_failed",
            Self::Busy => "upstream_busy",
            Self::Refused => "upstream_refused",
            Self::TooLong => "context_length_exceeded",
            Self::Denied => "upstream_denied",
            Self::Stalled => "upstream_stalled",
            Self::Garbled => "upstream_garbled",
        }
    }
}

impl Trouble {
    /// What is written into the log: with the provider's own words, unless they repeat those that it was asked.
    pub(crate) fn told<'a>(&self, asked: impl Iterator<Item = &'a str>) -> String {
        match self {
            Self::Refused { message, .. } | Self::Codec(CodecError::Upstream { message, .. }) => {
                format!("{self}: {}", hush(message, asked))
            }
            _ => self.to_string(),
        }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        match self {
            Self::Unreachable(_) | Self::Cut(_) | Self::Codec(CodecError::Truncated) => {
                Meaning::Failed
            }
            Self::Silent => Meaning::Stalled,
            Self::Refused { status, code, .. } => of_status(*status, code.as_deref()),
            Self::Codec(CodecError::Garbled { .. }) => Meaning::Garbled,
            Self::Codec(CodecError::Upstream { code, .. }) => of_code(code.as_deref()),
        }
    }

    /// Whether it is about what was asked, and says nothing of the target.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.meaning(), Meaning::Refused | Meaning::TooLong)
    }

    /// Whether a target with a larger window may take what was asked.
    pub(crate) fn is_too_long(&self) -> bool {
        self.meaning() == Meaning::TooLong
    }

    /// Whether another key of the same provider may do better.
    pub(crate) fn is_of_the_key(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                matches!(status, 401 | 402 | 403 | 429) || is_of_the_account(code.as_deref())
            }
            _ => false,
        }
    }

    /// Whether the same call may do better in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } if is_of_the_account(code.as_deref()) => false,
            Self::Refused { status, .. } => {
                matches!(status, 408 | 409 | 425 | 429) || *status >= 500
            }
            Self::Unreachable(_) | Self::Cut(_) => true,
            Self::Silent => false,
            Self::Codec(error) => error.retryable(),
        }
    }

    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What was at the bottom of it: a refused connection, an unknown name, a wrong certificate. The outer words are the same for all,
/// and have the address in them, in which a password may be.
fn causes(error: &reqwest::Error) -> String {
    let innermost = successors(error.source(), |&error| error.source()).last();
    innermost.map_or_else(|| "for no known cause".to_owned(), ToString::to_string)
}

/// What OpenAI calls a question that is longer than the model reads; other providers' words are read as this.
const TOO_LONG: &str = "context_length_exceeded";

fn of_status(status: u16, code: Option<&str>) -> Meaning {
    match status {
        _ if code == Some(TOO_LONG) => Meaning::TooLong,
        _ if is_of_the_account(code) => Meaning::Denied,
        400 | 413 | 422 => Meaning::Refused,
        401..=405 => Meaning::Denied,
        408 | 409 | 425 | 429 | 503 | 529 => Meaning::Busy,
        _ => Meaning::Failed,
    }
}

fn of_code(code: Option<&str>) -> Meaning {
    match code {
        Some(TOO_LONG) => Meaning::TooLong,
        Some(
            "content_filter"
            | "content_policy_violation"
            | "invalid_prompt"
            | "bio_policy"
            | "misalignment_policy_violation",
        ) => Meaning::Refused,
        // a response that fails tells of a picture so, in some ten ways
        Some(code) if code.contains("image") => Meaning::Refused,
        Some(
            "overloaded_error"
            | "overloaded"
            | "rate_limit_exceeded"
            | "rate_limit_error"
            | "throttlingException"
            | "serviceUnavailableException",
        ) => Meaning::Busy,
        Some("validationException") => Meaning::Refused,
        _ if is_of_the_account(code) => Meaning::Denied,
        _ => match code.and_then(|code| code.parse().ok()) {
            Some(status) => of_status(status, None),
            None => Meaning::Failed,
        },
    }
}

/// Whether it is about our account at the provider, whatever was asked and by which status it comes: OpenAI tells a reached limit by
/// 429 or 400, others a wrong key by 400.
fn is_of_the_account(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "account_deactivated"
                | "billing_error"
                | "billing_hard_limit_reached"
                | "billing_not_active"
                | "insufficient_quota"
                | "invalid_api_key"
                | "unsupported_country_region_territory"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<&str>) -> Trouble {
        Trouble::Refused {
            status,
            code: code.map(Into::into),
            retry_after: None,
            message: String::new(),
        }
    }

    #[test]
    fn every_failure_has_one_meaning() {
        for (status, code, meaning) in [
            (400, None, Meaning::Refused),
            (400, Some("context_length_exceeded"), Meaning::TooLong),
            (400, Some("invalid_request_error"), Meaning::Refused),
            (400, Some("billing_error"), Meaning::Denied),
            (400, Some("invalid_api_key"), Meaning::Denied),
            (401, None, Meaning::Denied),
            (403, None, Meaning::Denied),
            (404, None, Meaning::Denied),
            (413, None, Meaning::Refused),
            (429, None, Meaning::Busy),
            (429, Some("insufficient_quota"), Meaning::Denied),
            (500, None, Meaning::Failed),
            (502, None, Meaning::Failed),
            (503, None, Meaning::Busy),
            (529, None, Meaning::Busy),
        ] {
            assert_eq!(
                refused(status, code).meaning(),
                meaning,
                "{status} {code:?}"
            );
        }
        let told = |code: Option<&str>| {
            Trouble::Codec(CodecError::Upstream {
                message: String::new(),
                code: code.map(Into::into),
            })
            .meaning()
        };
        assert_eq!(told(Some("overloaded_error")), Meaning::Busy);
        assert_eq!(told(Some("503")), Meaning::Busy);
        assert_eq!(told(Some("throttlingException")), Meaning::Busy);
        assert_eq!(told(Some("server_error")), Meaning::Failed);
        assert_eq!(told(Some("invalid_prompt")), Meaning::Refused);
        assert_eq!(told(Some("invalid_image_url")), Meaning::Refused);
        assert_eq!(told(None), Meaning::Failed);
        assert_eq!(Trouble::Silent.meaning(), Meaning::Stalled);
    }

    #[test]
    fn what_is_about_our_account_is_of_the_key_whatever_its_status() {
        for (status, code) in [(401, None), (400, Some("invalid_api_key"))] {
            let trouble = refused(status, code);
            assert!(trouble.is_of_the_key() && !trouble.is_ours() && !trouble.may_pass());
        }
        assert!(!refused(400, Some("invalid_request_error")).is_of_the_key());
    }

    #[test]
    fn what_lacks_money_does_not_pass_by_waiting() {
        assert!(refused(429, None).may_pass());
        assert!(!refused(429, Some("insufficient_quota")).may_pass());
        assert!(refused(429, Some("insufficient_quota")).is_of_the_key());
    }
}
