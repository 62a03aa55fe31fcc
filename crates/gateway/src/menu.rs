//! Which models a plan has: a purpose's own route, and those that may be asked for by name.

use entitlement::{Catalogue, Plan};

use crate::Error;

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
