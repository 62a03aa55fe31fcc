use std::collections::{BTreeMap, BTreeSet};

use db::{Ctx, Scope};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Customers, Feature, Leftover, Plan, PlanFile, StoredPlan, Terms,
    enrolment::store as enrolments, store,
};
use crate::Error;

/// For whom a change is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Customers get more, or pay less.
    Gain,
    Lose,
    /// It is only different.
    Other,
}

/// One term that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub term: String,
    /// `null` when it is new.
    pub before: Value,
    /// `null` when it goes.
    pub after: Value,
    pub direction: Direction,
}

/// What the plan file would make of one plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlanChange {
    pub storefront: String,
    pub plan: String,
    /// The newest version now; none for a new plan.
    pub version: Option<i32>,
    /// Nothing differs when empty.
    pub changes: Vec<Change>,
    /// Who is on which version; they stay on it.
    pub customers: Vec<Customers>,
    /// Whether those without a subscription are on it, who get the new version at once.
    pub default_for: Option<super::Audience>,
    /// Not in the file: it stays as it is.
    pub absent: bool,
}

/// Compares a plan file with what is sold now; changes nothing.
pub async fn diff(cx: &Ctx, file: &PlanFile) -> Result<Vec<PlanChange>, Error> {
    let mut tx = cx.db.begin(Scope::House("plans diff")).await?;
    let newest: Vec<Plan> = store::newest(&mut tx)
        .await?
        .into_iter()
        .map(StoredPlan::read)
        .collect::<Result<_, _>>()?;
    let customers = enrolments::customers(&mut tx, cx.clock.now()).await?;
    tx.commit().await?;
    let of = |storefront: &str, plan: &str| -> Vec<Customers> {
        let of = customers
            .iter()
            .filter(|one| one.storefront == storefront && one.plan == plan);
        of.cloned().collect()
    };
    let mut found: Vec<PlanChange> = file
        .plan
        .iter()
        .map(|entry| {
            let before = newest
                .iter()
                .find(|plan| plan.storefront == entry.storefront && plan.id == entry.id);
            PlanChange {
                storefront: entry.storefront.clone(),
                plan: entry.id.clone(),
                version: before.map(|plan| plan.version),
                changes: compare(before.map(|plan| &plan.terms), &entry.terms()),
                customers: of(&entry.storefront, &entry.id),
                default_for: entry.default_for,
                absent: false,
            }
        })
        .collect();
    let absent = newest.iter().filter(|plan| {
        let mut entries = file.plan.iter();
        !entries.any(|entry| entry.storefront == plan.storefront && entry.id == plan.id)
    });
    found.extend(absent.map(|plan| PlanChange {
        storefront: plan.storefront.clone(),
        plan: plan.id.clone(),
        version: Some(plan.version),
        changes: Vec::new(),
        customers: of(&plan.storefront, &plan.id),
        default_for: plan.terms.default_for,
        absent: true,
    }));
    Ok(found)
}

/// Every term that differs, in the order of their names.
pub(super) fn compare(before: Option<&Terms>, after: &Terms) -> Vec<Change> {
    let before = before.map(flat).unwrap_or_default();
    let after = flat(after);
    let terms: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    terms
        .into_iter()
        .filter_map(|term| {
            let (old, new) = (before.get(term), after.get(term));
            (old != new).then(|| Change {
                term: term.clone(),
                before: old.cloned().unwrap_or_default(),
                after: new.cloned().unwrap_or_default(),
                direction: direction(term, old, new),
            })
        })
        .collect()
}

/// The terms by name, each a number, a word or yes and no.
fn flat(terms: &Terms) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::from([
        (
            "limits.concurrent".to_owned(),
            json!(terms.limits.concurrent),
        ),
        (
            "limits.per_minute".to_owned(),
            json!(terms.limits.per_minute),
        ),
        ("price_yen".to_owned(), json!(terms.price_yen)),
        ("title".to_owned(), json!(terms.title)),
    ]);
    flat.extend(
        terms
            .default_for
            .map(|who| ("default_for".to_owned(), json!(who))),
    );
    flat.extend(
        terms
            .stripe_price
            .as_ref()
            .map(|price| ("stripe_price".to_owned(), json!(price))),
    );
    if !terms.highlights.is_empty() {
        flat.insert("highlights".to_owned(), json!(terms.highlights));
    }
    if terms.at_end != Leftover::Keep {
        flat.insert("at_end".to_owned(), json!(terms.at_end));
    }
    for grant in &terms.grants {
        let term = format!(
            "grants.{}.{}",
            grant.unit,
            json!(grant.every).as_str().unwrap_or_default()
        );
        let sum = flat.get(&term).and_then(Value::as_u64).unwrap_or_default();
        if let Some(roll) = grant.roll_over {
            flat.insert(format!("{term}.roll_over.most"), json!(roll.most));
            flat.insert(format!("{term}.roll_over.months"), json!(roll.months));
        }
        flat.insert(term, json!(sum + u64::from(grant.amount)));
    }
    for (purpose, route) in &terms.routes {
        flat.insert(format!("routes.{purpose}"), json!(route));
    }
    for (name, feature) in &terms.features {
        let value = match feature {
            Feature::Has(has) => json!(has),
            Feature::Number(number) => json!(number),
            Feature::Words(words) => json!(words),
        };
        flat.insert(format!("features.{name}"), value);
    }
    flat
}

fn direction(term: &str, before: Option<&Value>, after: Option<&Value>) -> Direction {
    let promised = ["limits.", "grants.", "features.", "routes."]
        .iter()
        .any(|start| term.starts_with(start));
    match (before, after) {
        (None, Some(value)) if promised && *value != json!(false) => return Direction::Gain,
        (Some(value), None) if promised && *value != json!(false) => return Direction::Lose,
        _ => {}
    }
    let amount = |value: Option<&Value>| match value {
        Some(Value::Bool(has)) => Some(i64::from(*has)),
        Some(value) => value.as_i64(),
        None => None,
    };
    let (Some(before), Some(after)) = (amount(before), amount(after)) else {
        return Direction::Other;
    };
    let more = if term == "price_yen" {
        after < before
    } else {
        after > before
    };
    if more {
        Direction::Gain
    } else {
        Direction::Lose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(change: impl Fn(&mut serde_json::Map<String, Value>)) -> Terms {
        let mut terms = json!({
            "default_for": null, "title": { "ja": "あ", "en": "a" }, "price_yen": 980,
            "limits": { "per_minute": 10, "concurrent": 2 },
            "grants": [{ "unit": "misaki.chat", "amount": 100, "every": "month" }],
            "routes": { "misaki.chat": "small" },
            "features": { "embed": true, "sites": 3, "support": "mail" },
        });
        change(terms.as_object_mut().unwrap());
        serde_json::from_value(terms).unwrap()
    }

    #[test]
    fn each_changed_term_is_named_with_who_it_is_good_for() {
        let before = terms(|_| ());
        assert_eq!(compare(Some(&before), &before), []);
        let after = terms(|terms| {
            terms["price_yen"] = json!(1280);
            terms["limits"] = json!({ "per_minute": 20, "concurrent": 1 });
            terms["grants"] = json!([
                { "unit": "misaki.chat", "amount": 90, "every": "month" },
                { "unit": "misaki.voice", "amount": 5, "every": "day", "roll_over": { "most": 3, "months": 1 } },
            ]);
            terms["routes"] = json!({ "misaki.chat": "medium" });
            terms["features"] = json!({ "sites": 5, "support": "phone", "seal": false });
        });
        let found: Vec<(String, Direction)> = compare(Some(&before), &after)
            .into_iter()
            .map(|change| (change.term, change.direction))
            .collect();
        let expected = [
            ("features.embed", Direction::Lose),
            ("features.seal", Direction::Other),
            ("features.sites", Direction::Gain),
            ("features.support", Direction::Other),
            ("grants.misaki.chat.month", Direction::Lose),
            ("grants.misaki.voice.day", Direction::Gain),
            ("grants.misaki.voice.day.roll_over.months", Direction::Gain),
            ("grants.misaki.voice.day.roll_over.most", Direction::Gain),
            ("limits.concurrent", Direction::Lose),
            ("limits.per_minute", Direction::Gain),
            ("price_yen", Direction::Lose),
            ("routes.misaki.chat", Direction::Other),
        ];
        assert_eq!(
            found,
            expected.map(|(term, direction)| (term.to_owned(), direction))
        );
        assert_eq!(
            compare(None, &before).len(),
            flat(&before).len(),
            "a new plan is new in everything"
        );
    }
}
