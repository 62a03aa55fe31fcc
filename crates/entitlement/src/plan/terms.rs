use std::collections::BTreeMap;

use kernel::{Text, Yen};
use serde::{Deserialize, Serialize};

use crate::limit::Limits;

/// What a plan has beside what is metered: a thing that it has or has not, a number, or words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Feature {
    Has(bool),
    Number(i64),
    Words(String),
}

/// What becomes of what is left when a subscription ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leftover {
    /// It can be used until it expires.
    #[default]
    Keep,
    /// It is gone.
    Void,
    /// It is gone, and its money goes back.
    Refund,
}

impl Leftover {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(super) fn is_kept(&self) -> bool {
        *self == Self::Keep
    }
}

/// Who is on a plan without subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    Guest,
    User,
}

/// What a plan promises. Kept as it was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub default_for: Option<Audience>,
    pub title: Text,
    pub price_yen: Yen,
    /// The price at Stripe that people subscribe to; without one the plan is not for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_price: Option<String>,
    pub limits: Limits,
    pub grants: Vec<PeriodicGrant>,
    /// Purpose, such as `misaki.chat`, to the name of the gateway's route.
    pub routes: BTreeMap<String, String>,
    /// The gateway's routes that may be asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, Feature>,
    /// What a comparison of plans says of it, in a few lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Text>,
    /// What becomes of units that came with an invoice and are left when the subscription ends.
    #[serde(default, skip_serializing_if = "Leftover::is_kept")]
    pub at_end: Leftover,
}

impl Terms {
    /// Whether the plan has a feature: said to have it, a number above zero, or words.
    pub fn has(&self, feature: &str) -> bool {
        match self.features.get(feature) {
            Some(Feature::Has(has)) => *has,
            Some(Feature::Number(number)) => *number > 0,
            Some(Feature::Words(words)) => !words.is_empty(),
            None => false,
        }
    }

    /// The number of a feature; none when it has none.
    pub fn number(&self, feature: &str) -> Option<i64> {
        match self.features.get(feature) {
            Some(Feature::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Units granted at the start of each period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodicGrant {
    pub unit: String,
    pub amount: u32,
    pub every: Every,
    /// What becomes of units that nobody used in their period; nothing unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_over: Option<RollOver>,
}

/// Unused units that may be used for a while after their period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollOver {
    /// The most of the unit that is kept so at a time.
    pub most: u32,
    /// How many months of the tenant's calendar they live on.
    pub months: u8,
}

impl RollOver {
    /// Whether the plan file may say so: what is paid for by invoice goes back with its money, and has to stay in one lot.
    pub(super) fn is_good(self, every: Every) -> bool {
        self.most > 0 && (1..=24).contains(&self.months) && every != Every::Invoice
    }
}

/// A period of the tenant's own calendar, or one that was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    Day,
    Month,
    /// Once for each invoice that is paid, until the end of what it pays for.
    Invoice,
}
