use chrono::{DateTime, Utc};
use kernel::Text;
use serde::Serialize;
use serde_json::Value;

kernel::id!(
    /// Something that happened, as it is told; the `webhook-id` of every try to tell it.
    EventId, "evt"
);

/// What can be told. A name is never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    UsageThresholdReached,
    SubscriptionChanged,
    PaymentSucceeded,
    PaymentFailed,
    RunCompleted,
    RunFailed,
    TestPing,
}

impl EventType {
    pub const ALL: [Self; 7] = [
        Self::UsageThresholdReached,
        Self::SubscriptionChanged,
        Self::PaymentSucceeded,
        Self::PaymentFailed,
        Self::RunCompleted,
        Self::RunFailed,
        Self::TestPing,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsageThresholdReached => "usage.threshold_reached",
            Self::SubscriptionChanged => "subscription.changed",
            Self::PaymentSucceeded => "payment.succeeded",
            Self::PaymentFailed => "payment.failed",
            Self::RunCompleted => "run.completed",
            Self::RunFailed => "run.failed",
            Self::TestPing => "test.ping",
        }
    }

    /// What it means, for people.
    pub const fn text(self) -> Text {
        match self {
            Self::UsageThresholdReached => Text::new(
                "利用量が設定した割合に達しました。",
                "Usage has reached a set share of its limit.",
            ),
            Self::SubscriptionChanged => {
                Text::new("ご契約が変わりました。", "A subscription has changed.")
            }
            Self::PaymentSucceeded => {
                Text::new("お支払いが完了しました。", "A payment has come in.")
            }
            Self::PaymentFailed => {
                Text::new("お支払いができませんでした。", "A payment has failed.")
            }
            Self::RunCompleted => Text::new("生成が完了しました。", "A run is complete."),
            Self::RunFailed => Text::new("生成が失敗しました。", "A run has failed."),
            Self::TestPing => Text::new("送信の確認です。", "A test of this endpoint."),
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// The body that is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) data: &'a Value,
}
