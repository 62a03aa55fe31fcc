//! Which models a plan has: a purpose's own route, and those that may be asked for by name.

use entitlement::{Catalogue, Plan, plan_of};
use identity::Principal;

use crate::{Error, Gateway, Price, Use};

/// The longest name of a model that is repeated in a refusal.
const LONGEST_NAME: usize = 80;

/// The route that a request takes. The plan decides; a name only chooses among what the plan has.
///
/// # Errors
/// `RouteNotFound` when the plan has nothing for this purpose, `ModelNotAllowed` to the caller's key, `ModelNotInPlan` for
/// a model of another plan, `ModelUnknown` for any other name.
pub(crate) fn route_of(
    plan: &Plan,
    catalogue: &Catalogue,
    purpose: &str,
    wanted: Option<&str>,
    keys_own: Option<&[String]>,
) -> Result<String, Error> {
    let usual = plan.terms.routes.get(purpose);
    let route = match wanted {
        None => usual.ok_or(Error::RouteNotFound)?.clone(),
        Some(name) if has(plan, purpose, name) => name.to_owned(),
        Some(name) => {
            let is_sold = catalogue
                .of(&plan.storefront)
                .any(|other| has(other, purpose, name));
            return Err(if is_sold {
                Error::ModelNotInPlan {
                    model: name.to_owned(),
                    suggestion: catalogue.suggest(plan, |other| has(other, purpose, name)),
                }
            } else {
                Error::ModelUnknown(name.chars().take(LONGEST_NAME).collect())
            });
        }
    };
    if keys_own.is_some_and(|models| !models.contains(&route)) {
        return Err(Error::ModelNotAllowed);
    }
    Ok(route)
}

fn has(plan: &Plan, purpose: &str, name: &str) -> bool {
    plan.terms
        .routes
        .get(purpose)
        .is_some_and(|own| own == name)
        || plan.terms.models.iter().any(|own| own == name)
}

/// The names that a plan's holder may ask for, the purpose's own first.
pub(crate) fn names<'a>(plan: &'a Plan, purpose: &str) -> Vec<&'a str> {
    let usual = plan.terms.routes.get(purpose).into_iter();
    let mut names: Vec<&str> = usual.map(String::as_str).collect();
    for name in &plan.terms.models {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// A model as it is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    pub name: String,
    pub use_for: Use,
    /// What 1,000 tokens cost now, at the target that is tried first.
    pub price: Price,
    /// Whether the caller's plan has it, and its key may use it.
    pub in_plan: bool,
    /// The cheapest plan that has it.
    pub cheapest_plan: Option<String>,
}

/// The models that plans of a storefront have, those of the caller's own plan first.
///
/// # Errors
/// When the database is away.
pub async fn offers(
    room: &Gateway,
    caller: Principal,
    storefront: &str,
) -> Result<Vec<Offer>, Error> {
    let now = room.cx.clock.now();
    let purpose = format!("{storefront}.chat");
    let catalogue = room.entitlement.catalogue.now();
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let standing = plan_of(&mut tx, &catalogue, caller, storefront, now).await?;
    tx.commit().await?;
    let own = names(&standing.plan, &purpose);
    let mut offers: Vec<Offer> = Vec::new();
    let plans = std::iter::once(&standing.plan).chain(catalogue.of(storefront));
    for name in plans.flat_map(|plan| names(plan, &purpose)) {
        let Some(use_for) = room.routes.use_of(name) else {
            continue;
        };
        if offers.iter().any(|offer| offer.name == name) {
            continue;
        }
        let targets = room.routes.targets(name, now);
        let cheapest = catalogue
            .of(storefront)
            .find(|plan| has(plan, &purpose, name));
        offers.push(Offer {
            name: name.to_owned(),
            use_for,
            price: targets
                .first()
                .map(|target| target.price)
                .unwrap_or_default(),
            in_plan: own.contains(&name),
            cheapest_plan: cheapest.map(|plan| plan.id.clone()),
        });
    }
    Ok(offers)
}
