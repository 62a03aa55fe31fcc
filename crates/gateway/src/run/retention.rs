//! How long what was asked and said is kept: a tenant's rule, the rules of single keys, and what a single request wanted. The
//! rows that the books refer to stay, whatever the rule.

mod store;

use std::collections::BTreeMap;

use db::Scope;
use identity::{AuditAction, KeyId, Principal, RequestMeta, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    RunId,
    history::{KeyName, forget_texts, key_names},
};
use crate::{Error, Gateway};

/// What becomes of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// What is asked is never written down; the answer goes a minute after the end.
    None,
    /// What is asked is never written down; the answer can be fetched for ten minutes after the end.
    Metadata,
    /// Both go some days after the end.
    Days,
    /// Both stay until somebody deletes them.
    #[default]
    Always,
}

impl Keep {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Metadata => "metadata",
            Self::Days => "days",
            Self::Always => "always",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "none" => Self::None,
            "metadata" => Self::Metadata,
            "days" => Self::Days,
            _ => Self::Always,
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RetentionRule)]
pub struct Rule {
    pub keep: Keep,
    /// With `days`, how many.
    #[schema(required)]
    pub days: Option<i32>,
}

/// The rule of one key, which goes before its tenant's.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyRule {
    pub key: KeyName,
    #[serde(flatten)]
    pub rule: Rule,
}

/// The rules of a tenant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Retention {
    pub tenant: Rule,
    pub keys: Vec<KeyRule>,
}

/// The rules of the caller's tenant.
///
/// # Errors
/// When the database is away.
pub async fn get(room: &Gateway, caller: Principal) -> Result<Retention, Error> {
    let names = key_names(room, caller).await?;
    let mut tx = room.cx.db.begin(caller.scope()).await?;
    let rules = store::list(&mut tx).await?;
    tx.commit().await?;
    let mut found = Retention {
        tenant: Rule::default(),
        keys: Vec::new(),
    };
    for (key, rule) in rules {
        match key {
            None => found.tenant = rule,
            Some(id) => found.keys.push(KeyRule {
                key: KeyName {
                    id,
                    name: names.get(&id).cloned().unwrap_or_default(),
                },
                rule,
            }),
        }
    }
    Ok(found)
}

/// Makes a rule for the caller's tenant or one of its keys. What is older than the rule allows goes with the next sweep.
///
/// # Errors
/// `KeyNotFound`.
pub async fn set(
    room: &Gateway,
    caller: Principal,
    key: Option<KeyId>,
    rule: Rule,
    meta: &RequestMeta,
) -> Result<Retention, Error> {
    require(room, caller, key).await?;
    let cx = &room.cx;
    // the audit log takes lines from the house alone
    let mut tx = cx.db.begin(Scope::House("a rule of retention")).await?;
    let id = cx.ids.new_id();
    store::upsert(&mut tx, id, caller.tenant, key, rule, cx.clock.now()).await?;
    AuditAction::new("retention.change", target(caller, key))
        .after(json!({ "keep": rule.keep, "days": rule.days }))
        .record(&mut tx, cx, meta, caller)
        .await?;
    tx.commit().await?;
    get(room, caller).await
}

/// Takes back the rule of a key, so that its tenant's holds.
///
/// # Errors
/// `KeyNotFound`.
pub async fn take_back(
    room: &Gateway,
    caller: Principal,
    key: KeyId,
    meta: &RequestMeta,
) -> Result<(), Error> {
    require(room, caller, Some(key)).await?;
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a rule of retention")).await?;
    store::delete(&mut tx, caller.tenant, key).await?;
    AuditAction::new("retention.change", target(caller, Some(key)))
        .record(&mut tx, cx, meta, caller)
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn require(room: &Gateway, caller: Principal, key: Option<KeyId>) -> Result<(), Error> {
    match key {
        Some(key) if !key_names(room, caller).await?.contains_key(&key) => Err(Error::KeyNotFound),
        _ => Ok(()),
    }
}

fn target(caller: Principal, key: Option<KeyId>) -> String {
    key.map_or_else(|| caller.tenant.to_string(), |key| key.to_string())
}

/// Removes the texts whose time is over, at most `most` of each kind; returns how many. Only those of `storefront`: the texts of
/// others are their own talks.
///
/// # Errors
/// When the database is away.
pub async fn forget_due(room: &Gateway, storefront: &str, most: i64) -> Result<i64, Error> {
    let now = room.cx.clock.now();
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("texts past their time"))
        .await?;
    let mut due = store::unkept(&mut tx, now, most).await?;
    due.extend(store::due(&mut tx, storefront, now, most).await?);
    tx.commit().await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<RunId>> = BTreeMap::new();
    for (tenant, run) in due {
        by_tenant.entry(tenant).or_default().push(run);
    }
    let mut gone = 0;
    for (tenant, runs) in by_tenant {
        gone += forget_texts(room, tenant, &runs).await?;
    }
    Ok(gone)
}
