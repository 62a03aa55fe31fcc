use serde::{Deserialize, Serialize};

use crate::provider::Meaning;

/// Where a run stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl State {
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Completed,
    Stopped,
    /// The storefront's rules let the answer not be said.
    Moderated,
    UpstreamFailed,
    UpstreamBusy,
    UpstreamRefused,
    /// What was asked is longer than any target's model reads.
    TooLong,
    UpstreamDenied,
    /// Every target was left alone, since none answered of late.
    UpstreamUnavailable,
    /// Too many wait for every target already, or it took too long.
    LineFull,
    UpstreamStalled,
    UpstreamGarbled,
    Deadline,
    NodeLost,
    /// Another node ended it; nothing more is to be written.
    Fenced,
}

impl Verdict {
    pub(super) const fn state(self) -> State {
        match self {
            Self::Completed => State::Completed,
            Self::Stopped | Self::Moderated => State::Cancelled,
            _ => State::Failed,
        }
    }

    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Completed | Self::Fenced => None,
            Self::Stopped => Some("stopped"),
            Self::Moderated => Some("moderated"),
            Self::UpstreamFailed => Some(Meaning::Failed.reason()),
            Self::UpstreamBusy => Some(Meaning::Busy.reason()),
            Self::UpstreamRefused => Some(Meaning::Refused.reason()),
            Self::TooLong => Some(Meaning::TooLong.reason()),
            Self::UpstreamDenied => Some(Meaning::Denied.reason()),
            Self::UpstreamUnavailable => Some("upstream_unavailable"),
            Self::LineFull => Some("line_full"),
            Self::UpstreamStalled => Some(Meaning::Stalled.reason()),
            Self::UpstreamGarbled => Some(Meaning::Garbled.reason()),
            Self::Deadline => Some("deadline"),
            Self::NodeLost => Some("node_lost"),
        }
    }

    pub(crate) const fn of(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Failed => Self::UpstreamFailed,
            Meaning::Busy => Self::UpstreamBusy,
            Meaning::Refused => Self::UpstreamRefused,
            Meaning::TooLong => Self::TooLong,
            Meaning::Denied => Self::UpstreamDenied,
            Meaning::Stalled => Self::UpstreamStalled,
            Meaning::Garbled => Self::UpstreamGarbled,
        }
    }

    /// Whether the upstream is to blame, so that another may do better.
    pub(super) const fn is_the_upstreams(self) -> bool {
        matches!(
            self,
            Self::UpstreamFailed
                | Self::UpstreamBusy
                | Self::UpstreamStalled
                | Self::UpstreamGarbled
        )
    }

    /// Whether the unit is kept: for an answer, and for one that was stopped after it had begun. A failure is free.
    pub(super) const fn is_charged(self, was_shown: bool) -> bool {
        match self {
            Self::Completed => true,
            Self::Stopped | Self::Moderated => was_shown,
            _ => false,
        }
    }
}
