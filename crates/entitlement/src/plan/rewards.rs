mod store;

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use db::Ctx;
use kernel::{Fault, Text};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::PlanFileError;
use crate::{
    Error,
    unit::{is_name, is_unit},
};

/// The unit of points; they are the house's, whatever storefront they came from.
pub const POINT: &str = "house.point";
/// The longest that rewards live, as units that were bought.
const LONGEST_DAYS: u16 = 180;
/// The most invitations that one code is good for.
const MOST: u32 = 1000;

/// What points are earned for and become, and how invitations are rewarded. All of it is replaced by a new version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewards {
    pub earn: Vec<Earning>,
    pub exchange: Vec<Exchange>,
    pub referral: Vec<Programme>,
}

/// What points are earned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// An invoice that is paid.
    Invoice,
    /// A review that a storefront took in.
    Review,
}

impl Occasion {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Review => "review",
        }
    }
}

/// Points for an occasion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Earning {
    pub event: Occasion,
    #[schema(minimum = 1)]
    pub points: u32,
    /// For each whole time of so many yen that were paid; without it once, whatever was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_yen: Option<u32>,
    /// How many days the points live.
    pub days: u16,
}

/// Points that become units of a storefront.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub id: String,
    pub title: Text,
    #[schema(minimum = 1)]
    pub points: u32,
    pub unit: String,
    #[schema(minimum = 1)]
    pub amount: u32,
    /// How many days the units live.
    pub days: u16,
}

/// When an invitation is fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// When somebody new accepts it.
    SignUp,
    /// When whoever accepted it pays for the first time.
    Invoice,
}

/// A programme of invitations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Programme {
    pub id: String,
    pub title: Text,
    pub trigger: Trigger,
    /// How many invitations one code is good for.
    #[schema(minimum = 1, maximum = 1000)]
    pub most: u32,
    /// What whoever invites gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Reward>,
    /// What whoever is invited gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited: Option<Reward>,
}

/// Units for one side of an invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    pub unit: String,
    #[schema(minimum = 1)]
    pub amount: u32,
    /// How many days they live.
    pub days: u16,
}

/// Until when something lives that is granted at `at` for so many days.
pub fn lives_until(at: DateTime<Utc>, days: u16) -> DateTime<Utc> {
    at + Duration::days(days.into())
}

impl Rewards {
    /// The points for an occasion on which `yen` were paid, and how many days they live; each rule's apart.
    pub fn earned(&self, event: Occasion, yen: i64) -> impl Iterator<Item = (i64, u16)> + '_ {
        let rules = self.earn.iter().filter(move |rule| rule.event == event);
        let points = rules.map(move |rule| {
            let times = rule.per_yen.map_or(1, |step| yen.max(0) / i64::from(step));
            (i64::from(rule.points).saturating_mul(times), rule.days)
        });
        points.filter(|(points, _)| *points > 0)
    }

    pub fn exchange(&self, id: &str) -> Option<&Exchange> {
        self.exchange.iter().find(|one| one.id == id)
    }

    pub fn programme(&self, id: &str) -> Option<&Programme> {
        self.referral.iter().find(|one| one.id == id)
    }
}

/// Checks that rewards make sense.
pub(super) fn check(rewards: &Rewards) -> Result<(), PlanFileError> {
    let live = |days: u16| (1..=LONGEST_DAYS).contains(&days);
    let wrong = |plan: String, what| PlanFileError::Plan { plan, what };
    for rule in &rewards.earn {
        let name = || format!("{} (points)", rule.event.as_str());
        if rule.points == 0 || rule.per_yen == Some(0) {
            return Err(wrong(name(), "it needs points, and yen above 0"));
        }
        if rule.per_yen.is_some() && rule.event != Occasion::Invoice {
            return Err(wrong(name(), "only an invoice has yen"));
        }
        if !live(rule.days) {
            return Err(wrong(name(), "points live 1 to 180 days"));
        }
    }
    let mut ids = HashSet::new();
    for one in &rewards.exchange {
        let name = || format!("{} (exchange)", one.id);
        if !is_name(&one.id) || !ids.insert(("exchange", &one.id)) {
            return Err(wrong(name(), "an id is lower-case letters, and its own"));
        }
        if one.points == 0 || one.amount == 0 || !is_unit(&one.unit) || one.unit == POINT {
            return Err(wrong(
                name(),
                "points become an amount above 0 of a unit such as narai.ticket",
            ));
        }
        if !live(one.days) {
            return Err(wrong(name(), "units live 1 to 180 days"));
        }
    }
    for one in &rewards.referral {
        let name = || format!("{} (referral)", one.id);
        if !is_name(&one.id) || !ids.insert(("referral", &one.id)) {
            return Err(wrong(name(), "an id is lower-case letters, and its own"));
        }
        if !(1..=MOST).contains(&one.most) {
            return Err(wrong(name(), "a code is good for 1 to 1000 invitations"));
        }
        let mut sides = one.referrer.iter().chain(&one.invited).peekable();
        if sides.peek().is_none() {
            return Err(wrong(name(), "it rewards one side or both"));
        }
        if sides.any(|side| side.amount == 0 || !is_unit(&side.unit) || !live(side.days)) {
            return Err(wrong(
                name(),
                "a reward is an amount above 0 of a unit, for 1 to 180 days",
            ));
        }
    }
    Ok(())
}

/// The rules in force, and their version; those of a house that never had any are empty.
async fn newest_with_version(conn: &mut PgConnection) -> Result<(i32, Rewards), Error> {
    let Some((version, terms)) = store::newest(conn).await? else {
        return Ok((0, Rewards::default()));
    };
    let terms = serde_json::from_value(terms)
        .map_err(|error| Fault::internal("the rules of rewards can't be read", error))?;
    Ok((version, terms))
}

pub(super) async fn newest(conn: &mut PgConnection) -> Result<Rewards, Error> {
    Ok(newest_with_version(conn).await?.1)
}

/// Makes a new version of the rules when they differ.
pub(super) async fn apply(
    conn: &mut PgConnection,
    cx: &Ctx,
    rewards: &Rewards,
) -> Result<(), Error> {
    let (version, known) = newest_with_version(conn).await?;
    if known != *rewards {
        store::insert(conn, version + 1, rewards, cx.clock.now()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(event: Occasion, points: u32, per_yen: Option<u32>) -> Earning {
        Earning {
            event,
            points,
            per_yen,
            days: 180,
        }
    }

    #[test]
    fn points_are_for_whole_steps_of_what_was_paid() {
        let rewards = Rewards {
            earn: vec![
                rule(Occasion::Invoice, 1, Some(100)),
                rule(Occasion::Review, 50, None),
            ],
            ..Rewards::default()
        };
        for (event, yen, points) in [
            (Occasion::Invoice, 980, vec![(9, 180)]),
            (Occasion::Invoice, 99, vec![]),
            (Occasion::Invoice, -500, vec![]),
            (Occasion::Review, 0, vec![(50, 180)]),
        ] {
            let earned: Vec<_> = rewards.earned(event, yen).collect();
            assert_eq!(earned, points, "{event:?} {yen}");
        }
    }
}
