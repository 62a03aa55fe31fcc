//! What the house lets a tenant use in a month, at the command line.

use anyhow::Result;
use clap::Subcommand;
use entitlement::{Cap, Giver};
use identity::{RequestMeta, TenantId};
use settings::Settings;

use crate::{admin, output::say};

#[derive(Debug, Subcommand)]
pub(crate) enum CapsCommand {
    /// Sets what a tenant may use of a unit in a month, whatever it allows itself.
    Set {
        tenant: TenantId,
        /// Such as misaki.chat; misaki.cost is what the models cost there, in billionths of a US dollar.
        unit: String,
        #[arg(value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000))]
        monthly: i64,
    },
    /// The caps of a tenant, and what it used of them this month.
    List { tenant: TenantId },
    /// Takes a cap away.
    Remove { tenant: TenantId, unit: String },
}

pub(crate) async fn command(settings: &Settings, command: CapsCommand) -> Result<()> {
    let room = admin::entitlement(admin::open_identity(settings).await?).await?;
    let meta = RequestMeta::of_the_house("req_caps");
    let by = Giver {
        principal: None,
        meta: &meta,
    };
    match command {
        CapsCommand::Set {
            tenant,
            unit,
            monthly,
        } => {
            let set = entitlement::set_cap(&room, by, (tenant, &unit), Some(monthly)).await?;
            set.iter().try_for_each(show)
        }
        CapsCommand::List { tenant } => {
            let caps = entitlement::caps_of(&room, tenant).await?;
            caps.iter().try_for_each(show)
        }
        CapsCommand::Remove { tenant, unit } => {
            entitlement::set_cap(&room, by, (tenant, &unit), None).await?;
            Ok(())
        }
    }
}

fn show(cap: &Cap) -> Result<()> {
    say(&format!(
        "{}  {} of {} a month used  by {} at {}\n",
        cap.unit,
        cap.used,
        cap.monthly,
        cap.set_by,
        cap.set_at.to_rfc3339()
    ))
}
