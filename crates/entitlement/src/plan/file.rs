use std::collections::{BTreeMap, HashSet};

use kernel::{Text, Yen};
use serde::Deserialize;

use super::{
    Audience, Earning, Every, Exchange, Feature, Leftover, PeriodicGrant, PlanFileError, Programme,
    Rewards, Terms, rewards, topup,
};
use crate::{
    limit::Limits,
    unit::{is_cost, is_name, is_unit, is_word},
};

/// The plan file as written by the operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub(super) plan: Vec<PlanEntry>,
    #[serde(default)]
    pub(super) topup: Vec<topup::TopUpEntry>,
    #[serde(default)]
    earn: Vec<Earning>,
    #[serde(default)]
    exchange: Vec<Exchange>,
    #[serde(default)]
    referral: Vec<Programme>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanEntry {
    pub(super) storefront: String,
    pub(super) id: String,
    pub(super) default_for: Option<Audience>,
    pub(super) title: Text,
    pub(super) price_yen: Yen,
    pub(super) stripe_price: Option<String>,
    pub(super) limits: Limits,
    pub(super) grants: Vec<PeriodicGrant>,
    pub(super) routes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) models: Vec<String>,
    #[serde(default)]
    pub(super) features: BTreeMap<String, Feature>,
    #[serde(default)]
    pub(super) highlights: Vec<Text>,
    #[serde(default)]
    pub(super) at_end: Leftover,
}

impl PlanEntry {
    pub(super) fn terms(&self) -> Terms {
        Terms {
            default_for: self.default_for,
            title: self.title.clone(),
            price_yen: self.price_yen,
            stripe_price: self.stripe_price.clone(),
            limits: self.limits,
            grants: self.grants.clone(),
            routes: self.routes.clone(),
            models: self.models.clone(),
            features: self.features.clone(),
            highlights: self.highlights.clone(),
            at_end: self.at_end,
        }
    }
}

impl PlanFile {
    /// Reads a plan file and checks that its plans make sense together.
    ///
    /// # Errors
    /// With the line, or the plan and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PlanFileError> {
        let file: Self = toml::from_str(text)?;
        let mut ids = HashSet::new();
        let mut defaults = HashSet::new();
        let mut prices = HashSet::new();
        for plan in &file.plan {
            let wrong = |what| PlanFileError::Plan {
                plan: format!("{}/{}", plan.storefront, plan.id),
                what,
            };
            if !is_name(&plan.storefront) || !is_name(&plan.id) {
                return Err(wrong("storefront and id are lower-case letters"));
            }
            if !ids.insert((&plan.storefront, &plan.id)) {
                return Err(wrong("there are two of them"));
            }
            if plan
                .default_for
                .is_some_and(|audience| !defaults.insert((&plan.storefront, audience)))
            {
                return Err(wrong("another plan is the default for the same audience"));
            }
            if plan.price_yen < Yen::ZERO {
                return Err(wrong("a price can't be negative"));
            }
            if plan.default_for.is_some() && plan.price_yen > Yen::ZERO {
                return Err(wrong("a default plan can't cost anything"));
            }
            if let Some(price) = &plan.stripe_price {
                if plan.price_yen == Yen::ZERO {
                    return Err(wrong("what costs nothing has no price at Stripe"));
                }
                if !price.starts_with("price_") {
                    return Err(wrong("a price at Stripe begins with price_"));
                }
                if !prices.insert(price) {
                    return Err(wrong("another plan has the same price at Stripe"));
                }
            }
            if plan.price_yen == Yen::ZERO
                && plan
                    .grants
                    .iter()
                    .any(|grant| grant.every == Every::Invoice)
            {
                return Err(wrong("a grant for each invoice needs a price"));
            }
            if plan.price_yen == Yen::ZERO && !plan.at_end.is_kept() {
                return Err(wrong(
                    "what costs nothing has nothing to take back at its end",
                ));
            }
            if plan.features.keys().any(|name| !is_word(name)) {
                return Err(wrong("a feature's name is lower-case letters and _"));
            }
            if plan
                .features
                .values()
                .any(|feature| matches!(feature, Feature::Number(number) if *number < 0))
            {
                return Err(wrong("a feature's number can't be negative"));
            }
            if plan.limits.per_minute == 0 || plan.limits.concurrent == 0 {
                return Err(wrong("a limit of 0 would admit nothing"));
            }
            if plan.grants.iter().any(|grant| {
                grant
                    .roll_over
                    .is_some_and(|roll| !roll.is_good(grant.every))
            }) {
                return Err(wrong(
                    "roll_over needs most above 0 and months of 1 to 24, and is not for grants by invoice",
                ));
            }
            if plan
                .grants
                .iter()
                .any(|grant| grant.amount == 0 || !is_unit(&grant.unit) || is_cost(&grant.unit))
            {
                return Err(wrong(
                    "a grant needs an amount above 0 and a unit such as misaki.chat",
                ));
            }
        }
        topup::check(&file.topup, &mut prices)?;
        rewards::check(&file.rewards())?;
        Ok(file)
    }

    /// What it says of points and invitations.
    pub(super) fn rewards(&self) -> Rewards {
        Rewards {
            earn: self.earn.clone(),
            exchange: self.exchange.clone(),
            referral: self.referral.clone(),
        }
    }

    /// Gives everything that costs something and has no price at Stripe one of a stand-in's, so that a demo can sell it.
    pub fn with_stand_in_prices(mut self) -> Self {
        for topup in &mut self.topup {
            topup.with_stand_in_price();
        }
        for plan in &mut self.plan {
            if plan.price_yen > Yen::ZERO && plan.stripe_price.is_none() {
                plan.stripe_price = Some(format!("price_sandbox_{}_{}", plan.storefront, plan.id));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_good_and_broken_ones_are_told_why() {
        PlanFile::parse(crate::DEFAULT_PLANS).unwrap();
        for (from, to, why) in [
            ("price_yen = 980", "price_yen = -1", "can't be negative"),
            ("price_yen = 980", "price_yen = 9.8", "can't be read"),
            ("price_yen = 980", "price = 980", "can't be read"),
            (
                "id = \"vip\"",
                "id = \"paid\"",
                "misaki/paid: there are two",
            ),
            ("id = \"vip\"", "id = \"V I P\"", "lower-case"),
            ("amount = 3000", "amount = 0", "misaki/vip: a grant needs"),
            (
                "unit = \"misaki.chat\", amount = 3000",
                "unit = \"chat\", amount = 3000",
                "a unit such as",
            ),
            ("per_minute = 30", "per_minute = 0", "would admit nothing"),
            (
                "price_yen = 980",
                "price_yen = 980\ndefault_for = \"user\"",
                "another plan is the default",
            ),
            ("every = \"day\"", "every = \"week\"", "can't be read"),
            (
                "unit = \"misaki.chat\", amount = 30, every = \"day\"",
                "unit = \"misaki.chat\", amount = 30, every = \"invoice\"",
                "for each invoice needs a price",
            ),
            ("days = 90", "days = 181", "1 to 180 days"),
            ("days = 90", "days = 0", "1 to 180 days"),
            ("price_yen = 300\n", "price_yen = 0\n", "costs something"),
            (
                "price_yen = 0",
                "price_yen = 0\nat_end = \"void\"",
                "nothing to take back",
            ),
            ("per_yen = 100", "per_yen = 0", "yen above 0"),
            ("event = \"review\"", "event = \"rain\"", "can't be read"),
            ("points = 500", "points = 0", "an amount above 0"),
            ("most = 20", "most = 1001", "1 to 1000"),
            (
                "trigger = \"invoice\"",
                "trigger = \"luck\"",
                "can't be read",
            ),
            ("sites = 3", "sites = -3", "can't be negative"),
            ("sites = 3", "sites = 3.5", "can't be read"),
            ("sites = 3", "Sites = 3", "a feature's name"),
            (
                "price_yen = 980",
                "price_yen = 980\nstripe_price = \"prod_1\"",
                "begins with price_",
            ),
            (
                "price_yen = 0",
                "price_yen = 0\nstripe_price = \"price_1\"",
                "costs nothing",
            ),
        ] {
            let broken = crate::DEFAULT_PLANS.replacen(from, to, 1);
            assert_ne!(broken, crate::DEFAULT_PLANS, "{from}");
            let error = PlanFile::parse(&broken).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
    }

    #[test]
    fn the_default_file_sells_at_every_storefront() {
        let file = PlanFile::parse(crate::DEFAULT_PLANS).unwrap();
        let of = |storefront: &str| -> Vec<&str> {
            let plans = file.plan.iter();
            plans
                .filter(|plan| plan.storefront == storefront)
                .map(|plan| plan.id.as_str())
                .collect()
        };
        assert_eq!(of("misaki"), ["guest", "free", "paid", "vip"]);
        assert_eq!(of("webgpt"), ["starter", "pro", "enterprise"]);
        assert_eq!(of("genai"), ["free", "pro", "enterprise"]);
        assert_eq!(of("narai"), ["visitor", "light", "standard", "family"]);
        for plan in &file.plan {
            assert!(
                !plan.highlights.is_empty(),
                "{}/{}",
                plan.storefront,
                plan.id
            );
            let terms = plan.terms();
            let kept = serde_json::to_value(&terms).unwrap();
            assert_eq!(serde_json::from_value::<Terms>(kept).unwrap(), terms);
        }
        let pro = file
            .plan
            .iter()
            .find(|plan| plan.id == "pro" && plan.storefront == "webgpt");
        let terms = pro.unwrap().terms();
        assert!(terms.has("embed") && terms.number("sites") == Some(3) && !terms.has("nothing"));
    }
}
