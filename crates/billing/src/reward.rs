use chrono::{DateTime, Utc};
use entitlement::{Occasion, POINT, Reward, Rewards, lives_until};
use identity::TenantId;
use kernel::{Lang, Text};
use ledger::{Grant, LotId, Source};
use mail::{Letter, Template};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Billing, Error};

/// Units that somebody is owed for something; given for free, and once for each name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owed {
    pub(crate) tenant: TenantId,
    pub(crate) unit: String,
    pub(crate) name: String,
    pub(crate) amount: i64,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) reason: String,
}

impl Owed {
    pub(crate) fn of(
        reward: &Reward,
        tenant: TenantId,
        (name, reason): (String, String),
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            tenant,
            unit: reward.unit.clone(),
            amount: i64::from(reward.amount),
            expires_at: lives_until(at, reward.days),
            reason,
            name,
        }
    }

    pub(crate) fn grant(&self) -> Grant<'_> {
        Grant {
            id: Uuid::new_v5(&self.tenant.0, self.name.as_bytes()),
            tenant: self.tenant,
            unit: &self.unit,
            amount: self.amount,
            source: Source::Free,
            priority: 0,
            reason: &self.reason,
            expires_at: Some(self.expires_at),
        }
    }
}

/// The points that an occasion is good for.
pub(crate) fn points(
    rewards: &Rewards,
    tenant: TenantId,
    event: Occasion,
    (key, yen): (&str, i64),
    at: DateTime<Utc>,
) -> Vec<Owed> {
    let earned = rewards.earned(event, yen).enumerate();
    earned
        .map(|(rule, (amount, days))| Owed {
            tenant,
            unit: POINT.to_owned(),
            name: format!("points:{}:{rule}:{key}", event.as_str()),
            amount,
            expires_at: lives_until(at, days),
            reason: format!("points/{} {key}", event.as_str()),
        })
        .collect()
}

/// Posts what is owed, in the order in which everybody takes the ledger's locks.
pub(crate) async fn post(
    conn: &mut PgConnection,
    room: &Billing,
    mut owed: Vec<Owed>,
) -> Result<Vec<(LotId, Owed)>, Error> {
    owed.sort();
    let mut posted = Vec::with_capacity(owed.len());
    for one in owed {
        let lot = ledger::grant(conn, &room.cx, &one.grant()).await?;
        posted.push((lot, one));
    }
    Ok(posted)
}

/// A letter of good news to those who pay for a tenant.
pub(crate) async fn tell(
    conn: &mut PgConnection,
    room: &Billing,
    tenant: TenantId,
    key: &str,
    (title, body): (&Text, &Text),
) -> Result<(), Error> {
    for to in identity::billing_contacts(conn, tenant).await? {
        let (title, body) = match to.lang {
            Lang::Ja => (&title.ja, &body.ja),
            Lang::En => (&title.en, &body.en),
        };
        let letter = Letter {
            key: &format!("{key}:{}", to.user),
            to: &to.email,
            lang: to.lang,
            template: Template::News,
            data: json!({ "title": title, "body": body,
                "link": format!("{}/account/rewards", room.terms.account_url) }),
        };
        mail::post(conn, &room.cx, letter).await?;
    }
    Ok(())
}
