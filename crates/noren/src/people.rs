use std::io::{BufRead, Read, stdin};

use anyhow::{Context, Result, bail};
use chrono::Duration;
use clap::{Subcommand, ValueEnum};
use identity::{
    Identity, KeyId, KeyTerms, NewUser, Permission, Principal, RequestMeta, TenantId, TenantKind,
    UserId,
};
use kernel::{Lang, PageRequest};
use mail::LetterId;
use serde::Deserialize;
use serde_json::json;
use settings::Settings;

use crate::{
    admin::{context, open_identity},
    output::say,
};

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Makes a user whose address you vouch for; the password is read from standard input.
    Create {
        #[arg(long)]
        email: String,
        #[arg(long)]
        display_name: Option<String>,
        #[arg(long, default_value = "ja")]
        locale: Lang,
        /// Who also runs this house.
        #[arg(long)]
        operator: bool,
    },
    /// Takes over users from another system: one JSON object a line on standard input, with `email`, `password_hash`
    /// (bcrypt or argon2) and perhaps `display_name` and `locale`. Nobody has to choose a new password.
    Import,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantsCommand {
    /// Makes a family, a school or a team for a user, who becomes its guardian or owner.
    Create {
        #[arg(long)]
        kind: NewKind,
        #[arg(long)]
        name: String,
        #[arg(long)]
        owner: UserId,
    },
    /// Shows a tenant.
    Show { tenant: TenantId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    Family,
    School,
    Team,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes an API key; its secret is printed this once.
    Create {
        #[arg(long)]
        tenant: TenantId,
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "genai")]
        storefront: String,
        /// With commas between, such as inference.use,usage.read.
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
        /// The most requests a day.
        #[arg(long)]
        daily_cap: Option<i64>,
        /// What its work of a day may cost, in billionths of a US dollar.
        #[arg(long)]
        daily_cost_nano_usd: Option<i64>,
    },
    /// Lists the keys of a tenant, without their secrets.
    List {
        #[arg(long)]
        tenant: TenantId,
    },
    /// Gives a key a new secret, printed this once; the one before goes on for a while.
    Rotate {
        key: KeyId,
        #[arg(long)]
        tenant: TenantId,
        #[arg(long, default_value_t = 24)]
        grace_hours: i64,
    },
    /// Ends a key.
    Revoke {
        key: KeyId,
        #[arg(long)]
        tenant: TenantId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// Registers an app that people may sign in to with their account here (OAuth code flow with PKCE; no secret).
    Create {
        #[arg(long)]
        id: String,
        #[arg(long)]
        name: String,
        /// Where codes may be sent, compared letter by letter; may be repeated.
        #[arg(long = "redirect", required = true)]
        redirects: Vec<String>,
    },
    List,
    /// Ends an app and everything that people signed in to with it.
    Disable {
        id: String,
    },
    /// Makes a new key for signing tokens; what the old one signed stays good.
    RotateKey,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prints a tenant's audit log, newest first, one JSON object a line.
    Export {
        #[arg(long)]
        tenant: TenantId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LettersCommand {
    /// Letters that could not be delivered.
    Dead,
    /// Tries a dead letter again.
    Retry { letter: LetterId },
}

fn meta() -> RequestMeta {
    RequestMeta::of_the_house("req_cli")
}

pub(crate) async fn users(settings: &Settings, command: UsersCommand) -> Result<()> {
    let identity = open_identity(settings).await?;
    match command {
        UsersCommand::Create {
            email,
            display_name,
            locale,
            operator,
        } => {
            check_email(&email)?;
            let new = NewUser {
                email,
                password: password_from_stdin()?.into(),
                display_name,
                locale,
            };
            let made = identity::add_user(&identity, new, operator, &meta()).await?;
            say_json(&json!({ "user": made.user, "tenant": made.tenant }))
        }
        UsersCommand::Import => import(&identity).await,
    }
}

/// A user of another system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    email: String,
    password_hash: String,
    display_name: Option<String>,
    #[serde(default)]
    locale: Lang,
}

async fn import(identity: &Identity) -> Result<()> {
    let (mut made, mut known) = (0, 0);
    for (at, line) in stdin().lock().lines().enumerate() {
        let line = line.context("standard input can't be read")?;
        if line.trim().is_empty() {
            continue;
        }
        let import: Import =
            serde_json::from_str(&line).with_context(|| format!("line {}", at + 1))?;
        check_email(&import.email).with_context(|| format!("line {}", at + 1))?;
        let imported = identity::import_user(
            identity,
            &import.email,
            &import.password_hash,
            import.display_name,
            import.locale,
            &meta(),
        )
        .await;
        match imported {
            Ok(_) => made += 1,
            Err(identity::Error::EmailTaken) => known += 1,
            Err(error) => return Err(error).with_context(|| format!("line {}", at + 1)),
        }
    }
    say_json(&json!({ "imported": made, "already_there": known }))
}

fn check_email(email: &str) -> Result<()> {
    if identity::email_is_plausible(email) {
        Ok(())
    } else {
        bail!("{email} is not an e-mail address")
    }
}

fn password_from_stdin() -> Result<String> {
    let mut password = String::new();
    stdin()
        .take(1000)
        .read_to_string(&mut password)
        .context("the password can't be read")?;
    let password = password.trim_end_matches(['\r', '\n']);
    if !(8..=128).contains(&password.chars().count()) {
        bail!("a password has 8 to 128 characters");
    }
    Ok(password.to_owned())
}

pub(crate) async fn tenants(settings: &Settings, command: TenantsCommand) -> Result<()> {
    let identity = open_identity(settings).await?;
    let view = match command {
        TenantsCommand::Create { kind, name, owner } => {
            if !(1..=80).contains(&name.trim().chars().count()) {
                bail!("a name has 1 to 80 characters");
            }
            let kind = match kind {
                NewKind::Family => TenantKind::Family,
                NewKind::School => TenantKind::School,
                NewKind::Team => TenantKind::Team,
            };
            identity::create_tenant(&identity, owner, kind, name.trim(), &meta()).await?
        }
        TenantsCommand::Show { tenant } => identity::find_tenant(&identity, tenant).await?,
    };
    say_json(&json!({ "id": view.id, "kind": view.kind, "name": view.name }))
}

pub(crate) async fn keys(settings: &Settings, command: KeysCommand) -> Result<()> {
    let identity = open_identity(settings).await?;
    match command {
        KeysCommand::Create {
            tenant,
            name,
            storefront,
            scopes,
            daily_cap,
            daily_cost_nano_usd,
        } => {
            identity::find_tenant(&identity, tenant).await?;
            let named = KeyTerms::named(&name);
            let terms = KeyTerms {
                storefront,
                scopes: if scopes.is_empty() {
                    named.scopes.clone()
                } else {
                    read_scopes(&scopes)?
                },
                daily_cap,
                daily_cost_nano_usd,
                ..named
            };
            let new =
                identity::create_key(&identity, &terms, Principal::guest(tenant), &meta()).await?;
            say_json(&json!({ "key": new.key.id, "secret": new.secret }))
        }
        KeysCommand::List { tenant } => {
            for key in identity::list_keys(&identity.cx, Principal::guest(tenant)).await? {
                say_json(&json!(key))?;
            }
            Ok(())
        }
        KeysCommand::Rotate {
            key,
            tenant,
            grace_hours,
        } => {
            if !(0..=720).contains(&grace_hours) {
                bail!("--grace-hours is 0 to 720");
            }
            let grace = Duration::hours(grace_hours);
            let by = Principal::guest(tenant);
            let new = identity::rotate_key(&identity, key, grace, by, &meta()).await?;
            say_json(&json!({ "key": new.key.id, "secret": new.secret }))
        }
        KeysCommand::Revoke { key, tenant } => {
            identity::revoke_key(&identity, key, Principal::guest(tenant), &meta()).await?;
            say(&format!("{key} is revoked\n"))
        }
    }
}

fn read_scopes(words: &[String]) -> Result<Vec<Permission>> {
    identity::scopes_for_keys(words).context(
        "keys may have inference.use, usage.read, keys.manage, members.read and audit.read",
    )
}

pub(crate) async fn clients(settings: &Settings, command: ClientsCommand) -> Result<()> {
    let identity = open_identity(settings).await?;
    match command {
        ClientsCommand::Create {
            id,
            name,
            redirects,
        } => {
            let client = identity::add_client(&identity, &id, &name, &redirects, &meta()).await?;
            say_json(&json!(client))
        }
        ClientsCommand::List => {
            for client in identity::list_clients(&identity).await? {
                say_json(&json!(client))?;
            }
            Ok(())
        }
        ClientsCommand::Disable { id } => {
            identity::disable_client(&identity, &id, &meta()).await?;
            say(&format!("{id} is disabled\n"))
        }
        ClientsCommand::RotateKey => {
            let kid = identity::rotate_issuer_key(&identity, &meta()).await?;
            say(&format!("{kid} signs from now on\n"))
        }
    }
}

pub(crate) async fn audit(settings: &Settings, command: AuditCommand) -> Result<()> {
    let AuditCommand::Export { tenant } = command;
    let cx = context(settings).await?;
    let mut request = PageRequest {
        limit: 500,
        after: None,
    };
    loop {
        let page = identity::audit_lines(&cx, Principal::guest(tenant), request).await?;
        for line in &page.items {
            say_json(&json!(line))?;
        }
        let next = page
            .next_cursor
            .and_then(|next| kernel::Cursor::decode(&next).ok());
        match next {
            Some(next) => request.after = Some(next),
            None => return Ok(()),
        }
    }
}

pub(crate) async fn letters(settings: &Settings, command: LettersCommand) -> Result<()> {
    let cx = context(settings).await?;
    match command {
        LettersCommand::Dead => {
            for letter in mail::list_dead(&cx, 1000).await? {
                say(&format!(
                    "{}  {}  {} tries  {}  {}\n",
                    letter.id,
                    letter.template,
                    letter.attempts,
                    letter.created_at.to_rfc3339(),
                    letter.last_error
                ))?;
            }
            Ok(())
        }
        LettersCommand::Retry { letter } => {
            if mail::retry(&cx, letter).await? {
                say(&format!("{letter} is on its way again\n"))
            } else {
                bail!("{letter} is not dead, or its text is gone")
            }
        }
    }
}

fn say_json(value: &serde_json::Value) -> Result<()> {
    say(&format!("{value}\n"))
}
