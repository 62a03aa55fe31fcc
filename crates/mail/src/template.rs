mod render;

use serde_json::Value;

pub(crate) use render::{Rendered, Surroundings, Templates};

/// What a letter says. Each names the fields of its data; one without a `link` leads to the house's front door.
///
/// Names (of people, tenants, devices) may be missing or empty and are cut and disarmed, since a stranger may have
/// chosen them. Instants are RFC 3339 and shown in Japan's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// `name`, `link`: a new account's address is to be confirmed.
    VerifyEmail,
    /// `link` to the sign-in page: someone registered with an address that has an account.
    AddressKnown,
    /// `name`, `link`: the password was forgotten.
    ResetPassword,
    /// `link`, to the new address.
    ChangeEmail,
    /// `name`, `new_masked`, to the old address.
    EmailChanging,
    /// `name`.
    PasswordChanged,
    /// `tenant`, `inviter`, `role`, `link`.
    Invitation,
    /// `name`, `device`, `at`.
    NewDevice,
    /// `name` of the person, `hint` of the key.
    KeyLeaked,
    /// `name`, `at` when the account goes, `link` to keep it.
    AccountDeletion,
    /// `name`, `plan`, `amount`, `at` of the next payment, `link`.
    SubscriptionBegan,
    /// `name`, `plan`, `at` when it ends, `link`.
    SubscriptionCanceled,
    /// `name`, `plan` that holds now, `amount`, `at` of the next payment, `link`.
    PlanChanged,
    /// `name`, `plan`, `amount`, `at` until when the plan goes on, `link` to change the card.
    PaymentFailed,
    /// `name`, `plan`, `amount`, `link`.
    Refunded,
    /// `failures`, to the operators.
    SpreadAttack,
    /// `title`, `body` (paragraphs between empty lines), `link`. The one that can be unsubscribed from.
    News,
}

/// What a letter is for, as people can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LetterTopic)]
pub enum Topic {
    /// What someone asked for or has to know; it can't be unsubscribed from.
    Account,
    News,
}

impl Topic {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::News => "news",
        }
    }
}

/// What kind of value a field has, and so how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Chosen by someone, perhaps not by the one who reads it. May be missing.
    Name,
    /// One line of our own making.
    Line,
    /// A role of a tenant, shown in the letter's language.
    Role,
    /// Paragraphs of our own making.
    Prose,
    Link,
    Instant,
    Count,
}

/// A letter's data does not fit its template.
#[derive(Debug, thiserror::Error)]
#[error("a letter {template} needs {field}")]
pub(crate) struct Misfit {
    template: &'static str,
    field: &'static str,
}

impl Template {
    pub const ALL: [Self; 17] = [
        Self::VerifyEmail,
        Self::AddressKnown,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::EmailChanging,
        Self::PasswordChanged,
        Self::Invitation,
        Self::NewDevice,
        Self::KeyLeaked,
        Self::AccountDeletion,
        Self::SubscriptionBegan,
        Self::SubscriptionCanceled,
        Self::PlanChanged,
        Self::PaymentFailed,
        Self::Refunded,
        Self::SpreadAttack,
        Self::News,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::AddressKnown => "address_known",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::EmailChanging => "email_changing",
            Self::PasswordChanged => "password_changed",
            Self::Invitation => "invitation",
            Self::NewDevice => "new_device",
            Self::KeyLeaked => "key_leaked",
            Self::AccountDeletion => "account_deletion",
            Self::SubscriptionBegan => "subscription_began",
            Self::SubscriptionCanceled => "subscription_canceled",
            Self::PlanChanged => "plan_changed",
            Self::PaymentFailed => "payment_failed",
            Self::Refunded => "refunded",
            Self::SpreadAttack => "spread_attack",
            Self::News => "news",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|template| template.as_str() == name)
    }

    pub const fn topic(self) -> Topic {
        match self {
            Self::News => Topic::News,
            _ => Topic::Account,
        }
    }

    const fn fields(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::VerifyEmail | Self::ResetPassword => {
                &[("name", Kind::Name), ("link", Kind::Link)]
            }
            Self::AddressKnown | Self::ChangeEmail => &[("link", Kind::Link)],
            Self::EmailChanging => &[("name", Kind::Name), ("new_masked", Kind::Line)],
            Self::PasswordChanged => &[("name", Kind::Name)],
            Self::Invitation => &[
                ("tenant", Kind::Name),
                ("inviter", Kind::Name),
                ("role", Kind::Role),
                ("link", Kind::Link),
            ],
            Self::NewDevice => &[
                ("name", Kind::Name),
                ("device", Kind::Name),
                ("at", Kind::Instant),
            ],
            Self::KeyLeaked => &[("name", Kind::Name), ("hint", Kind::Line)],
            Self::AccountDeletion => &[
                ("name", Kind::Name),
                ("at", Kind::Instant),
                ("link", Kind::Link),
            ],
            Self::SubscriptionBegan | Self::PlanChanged | Self::PaymentFailed => &[
                ("name", Kind::Name),
                ("plan", Kind::Line),
                ("amount", Kind::Line),
                ("at", Kind::Instant),
                ("link", Kind::Link),
            ],
            Self::SubscriptionCanceled => &[
                ("name", Kind::Name),
                ("plan", Kind::Line),
                ("at", Kind::Instant),
                ("link", Kind::Link),
            ],
            Self::Refunded => &[
                ("name", Kind::Name),
                ("plan", Kind::Line),
                ("amount", Kind::Line),
                ("link", Kind::Link),
            ],
            Self::SpreadAttack => &[("failures", Kind::Count)],
            Self::News => &[
                ("title", Kind::Line),
                ("body", Kind::Prose),
                ("link", Kind::Link),
            ],
        }
    }
}

/// Whether the data has what the template needs.
pub(crate) fn check(template: Template, data: &Value) -> Result<(), Misfit> {
    for (field, kind) in template.fields() {
        let value = data.get(*field).unwrap_or(&Value::Null);
        let fits = match kind {
            Kind::Name => value.is_null() || value.is_string(),
            Kind::Line | Kind::Role | Kind::Prose => {
                value.as_str().is_some_and(|text| !text.trim().is_empty())
            }
            Kind::Link => value.as_str().is_some_and(is_link),
            Kind::Instant => value
                .as_str()
                .is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
            Kind::Count => value.is_u64(),
        };
        if !fits {
            return Err(Misfit {
                template: template.as_str(),
                field,
            });
        }
    }
    Ok(())
}

/// A link is whole on one line and leads to the web, never to a script.
fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_that_does_not_fit_is_refused_when_it_is_posted() {
        let good = json!({ "name": "千鳥", "link": "https://noren.example/link/verify#t" });
        check(Template::VerifyEmail, &good).unwrap();
        check(
            Template::VerifyEmail,
            &json!({ "name": null, "link": "https://noren.example/" }),
        )
        .unwrap();
        for (template, data) in [
            (Template::VerifyEmail, json!({ "name": "千鳥" })),
            (
                Template::VerifyEmail,
                json!({ "link": "javascript:alert(1)" }),
            ),
            (
                Template::VerifyEmail,
                json!({ "link": "https://noren.example/a b" }),
            ),
            (
                Template::VerifyEmail,
                json!({ "link": "https://noren.example/\r\nx" }),
            ),
            (
                Template::VerifyEmail,
                json!({ "name": 1, "link": "https://noren.example/" }),
            ),
            (
                Template::NewDevice,
                json!({ "device": "Firefox", "at": "yesterday" }),
            ),
            (Template::SpreadAttack, json!({ "failures": "many" })),
            (
                Template::News,
                json!({ "title": " ", "body": "x", "link": "https://noren.example/" }),
            ),
            (Template::News, json!(null)),
        ] {
            assert!(check(template, &data).is_err(), "{template:?} {data}");
        }
    }
}
