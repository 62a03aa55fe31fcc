//! What can be wrong with an answer.

/// Why the bytes of a provider are no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The provider itself reports a failure.
    #[error("upstream failed ({})", code.as_deref().unwrap_or("no code"))]
    Upstream {
        /// The provider's words. For neither logs nor the person who waits as they are: they may name accounts and quote people.
        message: String,
        /// The provider's code, or its type where it gives no code.
        code: Option<String>,
    },
    /// The bytes aren't what the protocol promises.
    #[error("upstream answer is garbled: {reason}")]
    Garbled {
        /// What was wrong, without the text of the answer.
        reason: String,
    },
    /// The stream ended before the answer did.
    #[error("upstream stream ended early")]
    Truncated,
}

/// Codes of failures that the same request meets again, however often it is sent.
const LASTING: [&str; 42] = [
    "accessdeniedexception",
    "account_deactivated",
    "authentication_error",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "bio_policy",
    "content_filter",
    "content_policy_violation",
    "context_length_exceeded",
    "data_residency_mismatch",
    "empty_image_file",
    "expiredtokenexception",
    "failed_to_download_image",
    "image_content_policy_violation",
    "image_file_not_found",
    "image_file_too_large",
    "image_parse_error",
    "image_too_large",
    "image_too_small",
    "insufficient_quota",
    "invalid_api_key",
    "invalid_base64_image",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_mode",
    "invalid_image_url",
    "invalid_prompt",
    "invalid_request_error",
    "invalid_type",
    "invalid_value",
    "misalignment_policy_violation",
    "model_not_found",
    "not_found_error",
    "permission_error",
    "request_too_large",
    "resourcenotfoundexception",
    "unrecognizedclientexception",
    "unsupported_country_region_territory",
    "unsupported_image_media_type",
    "unsupported_parameter",
    "validationexception",
];

impl CodecError {
    /// Makes a `Garbled` of a reason.
    pub(crate) fn garbled(reason: impl Into<String>) -> Self {
        Self::Garbled {
            reason: reason.into(),
        }
    }

    /// Tells whether the same request may succeed when it is sent again, to the same target or to another.
    ///
    /// Says nothing on whether sending it again is right: after the first piece of text it rarely is.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Garbled { .. } | Self::Truncated | Self::Upstream { code: None, .. } => true,
            Self::Upstream {
                code: Some(code), ..
            } => match code.parse::<u16>() {
                Ok(status) => passing(status),
                Err(_) => !is_lasting(code),
            },
        }
    }
}

/// Whether the same request would meet a failure of this code again.
pub(crate) fn is_lasting(code: &str) -> bool {
    LASTING.contains(&code.to_ascii_lowercase().as_str())
}

/// Whether a failure of this status may pass.
pub(crate) fn passing(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429) || status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(code: Option<&str>) -> CodecError {
        CodecError::Upstream {
            message: "no".into(),
            code: code.map(Into::into),
        }
    }

    #[test]
    fn a_failure_that_would_repeat_is_not_retryable() {
        for code in [
            "invalid_api_key",
            "Context_Length_Exceeded",
            "insufficient_quota",
            "400",
            "401",
            "404",
        ] {
            assert!(!upstream(Some(code)).retryable(), "{code}");
        }
    }

    #[test]
    fn a_passing_failure_is_retryable() {
        for code in [
            "429",
            "500",
            "503",
            "529",
            "rate_limit_exceeded",
            "server_error",
            "overloaded",
        ] {
            assert!(upstream(Some(code)).retryable(), "{code}");
        }
        assert!(upstream(None).retryable());
        assert!(CodecError::Truncated.retryable());
        assert!(CodecError::garbled("x").retryable());
    }
}
