use api::{SuggestedTopUp, Suggestion};
use db::{Ctx, Scope};
use kernel::Yen;

use super::{Audience, POINT, Plan, Rewards, StoredPlan, Terms, TopUp, rewards, store, topup};
use crate::Error;

/// The newest version of every plan, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    plans: Vec<Plan>,
    topups: Vec<TopUp>,
    rewards: Rewards,
}

impl Catalogue {
    /// Reads the newest versions.
    ///
    /// # Errors
    /// When the database is away or holds terms that this version can't read.
    pub async fn load(cx: &Ctx) -> Result<Self, Error> {
        let mut tx = cx.db.begin(Scope::House("plan catalogue")).await?;
        let plans = store::newest(&mut tx)
            .await?
            .into_iter()
            .map(StoredPlan::read)
            .collect::<Result<_, _>>()?;
        let topups = topup::newest(&mut tx).await?;
        let rewards = rewards::newest(&mut tx).await?;
        tx.commit().await?;
        Ok(Self {
            plans,
            topups,
            rewards,
        })
    }

    /// Whether no plan was ever applied.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// The plans of one storefront, cheapest first.
    pub fn of<'a>(&'a self, storefront: &'a str) -> impl Iterator<Item = &'a Plan> {
        self.plans
            .iter()
            .filter(move |plan| plan.storefront == storefront)
    }

    /// The plan of whoever has no subscription.
    pub(crate) fn default_for(&self, storefront: &str, audience: Audience) -> Option<&Plan> {
        self.plans
            .iter()
            .find(|plan| plan.storefront == storefront && plan.terms.default_for == Some(audience))
    }

    /// The newest version of every plan.
    pub fn all(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter()
    }

    /// The newest version of a plan that is sold.
    pub fn find(&self, storefront: &str, plan: &str) -> Option<&Plan> {
        self.plans
            .iter()
            .find(|known| known.storefront == storefront && known.id == plan)
    }

    /// The newest version of every top-up, cheapest first.
    pub fn topups(&self) -> impl Iterator<Item = &TopUp> {
        self.topups.iter()
    }

    /// Every unit that there is to have: of plans, top-ups, and points and what they become.
    pub(crate) fn units(&self) -> Vec<&str> {
        let plans = self.plans.iter().flat_map(|plan| &plan.terms.grants);
        let exchange = self.rewards.exchange.iter();
        let mut units: Vec<&str> = plans
            .map(|grant| grant.unit.as_str())
            .chain(self.topups.iter().map(|topup| topup.terms.unit.as_str()))
            .chain(exchange.map(|one| one.unit.as_str()))
            .chain((!self.rewards.earn.is_empty()).then_some(POINT))
            .collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    /// The newest version of a top-up.
    pub fn topup(&self, storefront: &str, id: &str) -> Option<&TopUp> {
        self.topups()
            .find(|known| known.storefront == storefront && known.id == id)
    }

    /// The rules of points and invitations in force.
    pub fn rewards(&self) -> &Rewards {
        &self.rewards
    }

    /// The cheapest other plan of which `better` holds, as it is told to whoever was refused.
    pub fn suggest(&self, than: &Plan, better: impl Fn(&Plan) -> bool) -> Option<Suggestion> {
        let plans = self
            .of(&than.storefront)
            .filter(|plan| plan.id != than.id && plan.terms.default_for != Some(Audience::Guest));
        let found = plans
            .filter(|plan| better(plan))
            .min_by_key(|plan| plan.terms.price_yen)?;
        Some(suggestion(found))
    }

    /// The cheapest top-up of so many units that can be bought beside a plan; guests buy nothing.
    pub(crate) fn topup_for(
        &self,
        plan: &Plan,
        unit: &str,
        amount: i64,
    ) -> Option<Box<SuggestedTopUp>> {
        if plan.terms.default_for == Some(Audience::Guest) {
            return None;
        }
        let found = self.topups().find(|topup| {
            let terms = &topup.terms;
            terms.unit == unit && i64::from(terms.amount) >= amount && terms.stripe_price.is_some()
        })?;
        Some(Box::new(SuggestedTopUp {
            topup: found.id.clone(),
            title: found.terms.title.clone(),
            price_yen: found.terms.price_yen.0,
            url: format!("/billing/topups/{}?choose={}", found.storefront, found.id),
        }))
    }

    /// The cheapest other plan of which `better` holds.
    pub(crate) fn cheapest(&self, than: &Plan, better: impl Fn(&Terms) -> bool) -> Option<&Plan> {
        self.plans
            .iter()
            .filter(|plan| plan.storefront == than.storefront && plan.id != than.id)
            .filter(|plan| plan.terms.default_for != Some(Audience::Guest) && better(&plan.terms))
            .min_by_key(|plan| plan.terms.price_yen)
    }
}

/// A plan as it is told to whoever was refused, and the page where one press buys it.
pub(crate) fn suggestion(plan: &Plan) -> Suggestion {
    let is_free = plan.terms.price_yen == Yen::ZERO;
    Suggestion {
        plan: plan.id.clone(),
        title: plan.terms.title.clone(),
        url: if is_free {
            "/sign-up".to_owned()
        } else {
            format!("/billing/confirm/{}/{}", plan.storefront, plan.id)
        },
    }
}
