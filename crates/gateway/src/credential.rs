//! What opens the doors of providers: registered by an operator, kept sealed, taken up by every node within seconds, and rested
//! for a while when a provider refuses it.

mod http;
mod refused;
mod store;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use identity::{AuditAction, Principal, RequestMeta};
use seal::{Resealed, Vault};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{CredentialId, Error, key::ApiKey, models, route::Kind};

pub(crate) use http::router;
pub(crate) use refused::refused;

/// How many there may be.
const MOST: i64 = 200;
/// Shorter secrets would be told by their end.
const SHOWN_FROM: usize = 12;
/// Characters of a secret's end that are shown.
const SHOWN: usize = 4;

/// A provider's key as an operator sees it: all but the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ProviderCredential)]
pub struct CredentialView {
    pub id: CredentialId,
    /// As the model file names it.
    pub provider: String,
    pub kind: Kind,
    pub base_url: String,
    /// Of Bedrock; empty elsewhere.
    pub region: String,
    /// The end of the secret.
    pub suffix: String,
    /// Its share of the calls among the keys of the provider.
    pub weight: i32,
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    /// When the provider last would not have it: on any node.
    #[schema(required)]
    pub refused_at: Option<DateTime<Utc>>,
    /// What it answered then.
    #[schema(required)]
    pub refused_status: Option<i16>,
}

/// A key to be registered.
#[derive(Debug)]
pub struct NewCredential {
    pub provider: String,
    /// Empty: as the provider's name says.
    pub kind: String,
    /// Empty: where the provider usually answers.
    pub base_url: String,
    pub region: String,
    pub secret: SecretString,
    pub weight: i32,
}

/// What is to change; none: nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct CredentialChange {
    pub weight: Option<i32>,
    pub enabled: Option<bool>,
}

/// Who changes them: an operator in the browser, or at the command line.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// None at the command line.
    pub principal: Option<Principal>,
    pub meta: &'a RequestMeta,
}

impl Operator<'_> {
    /// Such as `usr_…`; `operator` at the command line.
    pub(crate) fn actor(self) -> String {
        self.principal
            .map_or_else(|| "operator".to_owned(), |by| by.actor())
    }

    pub(crate) async fn write_down(
        self,
        conn: &mut PgConnection,
        cx: &Ctx,
        action: AuditAction,
    ) -> sqlx::Result<()> {
        match self.principal {
            Some(by) => action.record(conn, cx, self.meta, by).await,
            None => {
                action
                    .record_as(conn, cx, self.meta, None, "operator")
                    .await
            }
        }
    }
}

/// Registers a key.
///
/// # Errors
/// `BadProvider` with what is wrong, `TooManyCredentials`, `SecretClosed` without a sealing key.
pub async fn add_credential(
    cx: &Ctx,
    vault: &Vault,
    by: Operator<'_>,
    new: NewCredential,
) -> Result<CredentialView, Error> {
    check_name(&new.provider)?;
    check_secret(&new.secret)?;
    let (kind, base_url) = models::site(&new.provider, &new.kind, &new.base_url, &new.region)
        .map_err(Error::BadProvider)?;
    let (id, now) = (cx.ids.new_id(), cx.clock.now());
    let sealed = vault.seal(&place(id), new.secret.expose_secret().as_bytes())?;
    let view = CredentialView {
        id,
        provider: new.provider,
        kind,
        base_url,
        region: new.region,
        suffix: suffix(&new.secret),
        weight: new.weight,
        enabled: true,
        created_at: now,
        changed_at: now,
        refused_at: None,
        refused_status: None,
    };
    let mut tx = begin(cx).await?;
    store::lock(&mut tx).await?;
    if store::count(&mut tx).await? >= MOST {
        return Err(Error::TooManyCredentials);
    }
    store::insert(&mut tx, &view, &sealed).await?;
    let action = AuditAction::new("provider.add", id).after(json!({
        "provider": view.provider, "base_url": view.base_url, "suffix": view.suffix, "weight": view.weight,
    }));
    by.write_down(&mut tx, cx, action).await?;
    tx.commit().await?;
    Ok(view)
}

/// All of them, the oldest first.
///
/// # Errors
/// When the database is away.
pub async fn list_credentials(cx: &Ctx) -> Result<Vec<CredentialView>, Error> {
    let mut tx = begin(cx).await?;
    let found = store::all(&mut tx).await?;
    tx.commit().await?;
    Ok(found.into_iter().map(|row| row.view).collect())
}

/// Changes the share of one, or switches it off or on.
///
/// # Errors
/// `CredentialNotFound`.
pub async fn change_credential(
    cx: &Ctx,
    by: Operator<'_>,
    id: CredentialId,
    change: CredentialChange,
) -> Result<CredentialView, Error> {
    let mut tx = begin(cx).await?;
    let before = find(&mut tx, id).await?;
    let mut view = before.clone();
    view.weight = change.weight.unwrap_or(view.weight);
    view.enabled = change.enabled.unwrap_or(view.enabled);
    view.changed_at = cx.clock.now();
    store::update(&mut tx, &view).await?;
    let told = |view: &CredentialView| json!({ "weight": view.weight, "enabled": view.enabled });
    let action = AuditAction::new("provider.change", id)
        .before(told(&before))
        .after(told(&view));
    by.write_down(&mut tx, cx, action).await?;
    tx.commit().await?;
    Ok(view)
}

/// Puts a new secret in the place of the one before.
///
/// # Errors
/// `CredentialNotFound`, `BadProvider`, `SecretClosed` without a sealing key.
pub async fn rotate_credential(
    cx: &Ctx,
    vault: &Vault,
    by: Operator<'_>,
    id: CredentialId,
    secret: &SecretString,
) -> Result<CredentialView, Error> {
    check_secret(secret)?;
    let sealed = vault.seal(&place(id), secret.expose_secret().as_bytes())?;
    let mut tx = begin(cx).await?;
    let before = find(&mut tx, id).await?;
    let view = CredentialView {
        suffix: suffix(secret),
        changed_at: cx.clock.now(),
        refused_at: None,
        refused_status: None,
        ..before.clone()
    };
    store::rotate(&mut tx, &view, &sealed).await?;
    let action = AuditAction::new("provider.rotate", id)
        .before(json!({ "suffix": before.suffix }))
        .after(json!({ "suffix": view.suffix }));
    by.write_down(&mut tx, cx, action).await?;
    tx.commit().await?;
    Ok(view)
}

/// Forgets one with its secret.
///
/// # Errors
/// `CredentialNotFound`.
pub async fn remove_credential(cx: &Ctx, by: Operator<'_>, id: CredentialId) -> Result<(), Error> {
    let mut tx = begin(cx).await?;
    let before = find(&mut tx, id).await?;
    store::delete(&mut tx, id).await?;
    let action = AuditAction::new("provider.remove", id).before(json!({
        "provider": before.provider, "base_url": before.base_url, "suffix": before.suffix,
    }));
    by.write_down(&mut tx, cx, action).await?;
    tx.commit().await?;
    Ok(())
}

/// Seals under the first key what is not.
///
/// # Errors
/// When there is no key, or the database is away.
pub async fn reseal_credentials(cx: &Ctx, vault: &Vault) -> Result<Resealed, Error> {
    let prefix = vault.prefix()?;
    let mut resealed = Resealed::default();
    let mut tx = begin(cx).await?;
    for (id, sealed) in store::sealed_otherwise(&mut tx, &prefix).await? {
        match vault.open(&place(id), &sealed) {
            Ok(secret) => {
                let anew = vault.seal(&place(id), secret.expose_secret())?;
                store::reseal(&mut tx, id, &anew).await?;
                resealed.done += 1;
            }
            Err(error) if error.lacks_key() => resealed.closed += 1,
            Err(error) => return Err(error.into()),
        }
    }
    tx.commit().await?;
    Ok(resealed)
}

/// A credential as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) view: CredentialView,
    pub(crate) sealed: Vec<u8>,
}

impl Row {
    /// What matters for calls; that it was refused does not.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let of = |row: &Self| (row.view.id, row.view.weight, row.view.enabled);
        of(self) == of(other) && self.sealed == other.sealed
    }

    pub(crate) fn open(&self, vault: &Vault) -> Result<SecretString, seal::Error> {
        let secret = vault.open(&place(self.view.id), &self.sealed)?;
        let text = std::str::from_utf8(secret.expose_secret()).map_err(|_| seal::Error::Broken)?;
        Ok(text.into())
    }
}

/// A registered key that is in use, and the door that it opens.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) view: CredentialView,
    pub(crate) key: ApiKey,
}

/// All of them as they are kept, the oldest first.
pub(crate) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
    store::all(conn).await
}

/// The names of the providers that have a registered key.
pub(crate) async fn providers(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    store::providers(conn).await
}

async fn begin(cx: &Ctx) -> Result<db::Tx, Error> {
    Ok(cx.db.begin(Scope::House("keys of providers")).await?)
}

async fn find(conn: &mut PgConnection, id: CredentialId) -> Result<CredentialView, Error> {
    store::find(conn, id)
        .await?
        .ok_or(Error::CredentialNotFound)
}

/// Where alone a secret opens.
fn place(id: CredentialId) -> String {
    format!("gateway.credential:{id}")
}

fn suffix(secret: &SecretString) -> String {
    let letters: Vec<char> = secret.expose_secret().chars().collect();
    if letters.len() < SHOWN_FROM {
        return String::new();
    }
    letters.iter().skip(letters.len() - SHOWN).collect()
}

fn check_name(name: &str) -> Result<(), Error> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = name.bytes();
    let right = name.len() <= 40
        && bytes.next().is_some_and(known)
        && bytes.all(|byte| known(byte) || byte == b'-' || byte == b'_');
    if right {
        Ok(())
    } else {
        Err(Error::BadProvider(
            "a provider's name has 1 to 40 lower-case letters, digits and hyphens".to_owned(),
        ))
    }
}

fn check_secret(secret: &SecretString) -> Result<(), Error> {
    let text = secret.expose_secret();
    if (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::BadProvider(
            "a secret has 1 to 4096 visible ASCII characters".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_secret_is_shown_where_it_tells_nothing() {
        for (secret, shown) in [
            ("sk-1234567890", "7890"),
            ("short", ""),
            ("12345678901", ""),
        ] {
            assert_eq!(suffix(&secret.into()), shown);
        }
    }

    #[test]
    fn names_and_secrets_are_plain() {
        for name in ["openai", "a", "my-vllm_2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "OpenAI", "a b", "あ", &"a".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for secret in ["", "two words", "line\n", "鍵"] {
            assert!(check_secret(&secret.into()).is_err(), "{secret}");
        }
    }
}
