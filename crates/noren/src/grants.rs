//! Units beside a plan, at the command line.

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use entitlement::{Giver, GrantId, GrantView, OneOff};
use identity::{RequestMeta, TenantId};
use kernel::{Cursor, PageRequest};
use settings::Settings;

use crate::{admin, output::say};

#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// Gives a tenant units beside its plan.
    Give {
        tenant: TenantId,
        /// Of a plan or a top-up, such as misaki.chat.
        unit: String,
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        amount: i64,
        /// Why, in one line; the customer reads it.
        #[arg(long)]
        reason: String,
        /// Such as 2027-01-31T15:00:00Z; without it they never expire.
        #[arg(long)]
        expires_at: Option<DateTime<Utc>>,
        /// Names the request: said again with the same key, nothing more is given.
        #[arg(long)]
        key: Option<String>,
    },
    /// What a tenant was given, the newest first.
    List { tenant: TenantId },
    /// Takes back what nobody used of a grant.
    Revoke {
        tenant: TenantId,
        grant: GrantId,
        /// Why, in one line; the customer reads it.
        #[arg(long)]
        reason: String,
    },
}

pub(crate) async fn command(settings: &Settings, command: GrantsCommand) -> Result<()> {
    let room = admin::entitlement(admin::open_identity(settings).await?).await?;
    let meta = RequestMeta::of_the_house("req_grants");
    let by = Giver {
        principal: None,
        meta: &meta,
    };
    match command {
        GrantsCommand::Give {
            tenant,
            unit,
            amount,
            reason,
            expires_at,
            key,
        } => {
            let wish = OneOff {
                unit,
                amount,
                expires_at,
                reason,
                key,
            };
            show(&entitlement::give(&room, by, tenant, wish).await?)
        }
        GrantsCommand::List { tenant } => {
            let mut page = PageRequest {
                limit: 100,
                after: None,
            };
            loop {
                let found = entitlement::grants_of(&room, tenant, &page).await?;
                for grant in &found.items {
                    show(grant)?;
                }
                let Some(next) = found.next_cursor else {
                    return Ok(());
                };
                page.after = Some(Cursor::decode(&next)?);
            }
        }
        GrantsCommand::Revoke {
            tenant,
            grant,
            reason,
        } => show(&entitlement::revoke(&room, by, (tenant, grant), &reason).await?),
    }
}

fn show(grant: &GrantView) -> Result<()> {
    let until = grant.expires_at.map_or_else(
        || "for ever".to_owned(),
        |at| format!("until {}", at.to_rfc3339()),
    );
    let revoked = match (&grant.revoked_by, &grant.revoked_reason) {
        (Some(by), Some(reason)) => format!("  taken back by {by}: {reason}"),
        _ => String::new(),
    };
    say(&format!(
        "{}  {}  {} given, {} left, {} held, {} used  {until}  by {}: {}{revoked}\n",
        grant.id,
        grant.unit,
        grant.amount,
        grant.left,
        grant.held,
        grant.used,
        grant.given_by,
        grant.reason
    ))
}
