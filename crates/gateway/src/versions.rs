//! Versions of the models' file: put in force by an operator while the house runs, followed by every node within seconds, and
//! taken back by one step. Without any, the file of the settings is used.

mod diff;
mod http;
mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::{Ctx, Scope};
use entitlement::Catalogue;
use identity::AuditAction;
use kernel::Fault;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Error, Gateway, Kind, ModelFile, Operator, credential, gate,
    models::{NotPassed, OfSettings},
};

pub use diff::{ModelChange, ModelChangeKind, ModelField};

pub(crate) use http::router;

/// The number of the file of the settings.
const OF_SETTINGS: i32 = 0;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 200;

/// A version in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModelVersion {
    /// 0 is the file of the settings.
    pub version: i32,
    /// How many it names.
    pub models: i32,
    #[schema(required)]
    pub note: Option<String>,
    /// Such as `usr_…`, or `operator` at the command line; `null` for the file of the settings.
    #[schema(required)]
    pub applied_by: Option<String>,
    #[schema(required)]
    pub applied_at: Option<DateTime<Utc>>,
}

/// What a text would change, were it applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModelsDiff {
    /// The version that it is compared with: the one in force.
    pub version: i32,
    pub changes: Vec<ModelChange>,
    /// Names that plans lead to or sell, that are in force, and that it doesn't have any more.
    pub lost: Vec<String>,
    /// Canaries whose share would grow, and that have not passed what is asked of them: while there are any, it is refused.
    pub not_passed: Vec<NotPassed>,
}

/// The file in force and its number.
pub(crate) async fn in_force(
    conn: &mut PgConnection,
    settings: &OfSettings,
) -> Result<(i32, ModelFile), Error> {
    let version = store::newest(conn).await?.unwrap_or(OF_SETTINGS);
    let text = text_of(conn, settings, version).await?;
    Ok((version, read(version, &text)?))
}

/// The file in force where it is another than the one with the number `known`.
pub(crate) async fn since(
    conn: &mut PgConnection,
    known: Option<i32>,
) -> Result<Option<(i32, ModelFile)>, Error> {
    let newest = store::newest(conn).await?;
    let Some(version) = newest.filter(|_| newest != known) else {
        return Ok(None);
    };
    let text = store::text(conn, version).await?;
    let text = text.ok_or(Error::ModelsVersionNotFound)?;
    Ok(Some((version, read(version, &text)?)))
}

/// What stands behind a model that is in force, and the evaluations that names ask for whose canary it is.
///
/// # Errors
/// `ModelNotConfigured` when the models in force have none of that name.
pub async fn subject_of(
    cx: &Ctx,
    settings: &OfSettings,
    model: &str,
) -> Result<(String, Vec<String>), Error> {
    let mut tx = cx.db.begin(Scope::House("a model is evaluated")).await?;
    let (_, file) = in_force(&mut tx, settings).await?;
    tx.commit().await?;
    let subject = file.subject(model);
    let subject = subject.ok_or_else(|| Error::ModelNotConfigured(model.to_owned()))?;
    Ok((subject, file.gates_of(model)))
}

fn read(version: i32, text: &str) -> Result<ModelFile, Fault> {
    ModelFile::parse(text).map_err(|error| {
        tracing::error!(version, "this program can't read the models in force");
        Fault::internal("the models in force can't be read", error)
    })
}

async fn text_of(
    conn: &mut PgConnection,
    settings: &OfSettings,
    version: i32,
) -> Result<String, Error> {
    if version == OF_SETTINGS {
        return Ok(settings.file.text().to_owned());
    }
    let text = store::text(conn, version).await?;
    text.ok_or(Error::ModelsVersionNotFound)
}

/// All of them, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn model_versions(cx: &Ctx, settings: &OfSettings) -> Result<Vec<ModelVersion>, Error> {
    let mut tx = cx.db.begin(Scope::House("versions of the models")).await?;
    let mut versions = store::all(&mut tx).await?;
    tx.commit().await?;
    versions.push(ModelVersion {
        version: OF_SETTINGS,
        models: count(&settings.file),
        note: None,
        applied_by: None,
        applied_at: None,
    });
    Ok(versions)
}

/// The text of one; of the one in force unless said.
///
/// # Errors
/// `ModelsVersionNotFound`.
pub async fn model_text(
    cx: &Ctx,
    settings: &OfSettings,
    version: Option<i32>,
) -> Result<(i32, String), Error> {
    let mut tx = cx.db.begin(Scope::House("a version of the models")).await?;
    let version = match version {
        Some(version) => version,
        None => store::newest(&mut tx).await?.unwrap_or(OF_SETTINGS),
    };
    let text = text_of(&mut tx, settings, version).await?;
    tx.commit().await?;
    Ok((version, text))
}

/// Checks a text whole, and says what it would change. Changes nothing.
///
/// # Errors
/// `BadModels` with the field and what is wrong with it.
pub async fn diff_models(
    cx: &Ctx,
    settings: &OfSettings,
    catalogue: &Catalogue,
    text: &str,
) -> Result<ModelsDiff, Error> {
    let mut tx = cx.db.begin(Scope::House("models are compared")).await?;
    let file = checked(&mut tx, cx, settings, text).await?;
    let (version, before) = in_force(&mut tx, settings).await?;
    let not_passed = gate::not_passed(&mut tx, &before, &file).await?;
    tx.commit().await?;
    let has = |file: &ModelFile, name: &str| file.names().any(|(known, _)| known == name);
    let mut lost: Vec<String> = sold(catalogue)
        .filter(|name| has(&before, name) && !has(&file, name))
        .map(str::to_owned)
        .collect();
    lost.sort();
    lost.dedup();
    let changes = diff::between(&before, &file);
    Ok(ModelsDiff {
        version,
        changes,
        lost,
        not_passed,
    })
}

/// The names that plans in force lead to or sell.
fn sold(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    catalogue.all().flat_map(|plan| {
        let routes = plan.terms.routes.values().map(String::as_str);
        routes.chain(plan.terms.models.iter().map(String::as_str))
    })
}

async fn checked(
    conn: &mut PgConnection,
    cx: &Ctx,
    settings: &OfSettings,
    text: &str,
) -> Result<ModelFile, Error> {
    let file = ModelFile::parse(text)?;
    file.check_prices(cx.clock.now())?;
    let mut known = settings.providers.clone();
    for name in credential::providers(conn).await? {
        let kind = Kind::named(&name).unwrap_or_default();
        known.entry(name).or_insert(kind);
    }
    file.check_providers(&known)?;
    Ok(file)
}

/// A text that is to be put in force.
#[derive(Clone, Copy, Debug)]
pub struct NewModels<'a> {
    pub text: &'a str,
    pub note: Option<&'a str>,
    /// The version that it was made from; whatever is in force where none is said.
    pub seen: Option<i32>,
}

/// Puts a text in force, as the next version. Nodes follow within seconds; runs under way go on with what they began with.
///
/// # Errors
/// `BadModels` with the field and what is wrong with it, `ModelsChanged` when another version than the seen one is in force,
/// `CanaryNotPassed` when a share would grow that has to pass an evaluation first.
pub async fn apply_models(
    cx: &Ctx,
    settings: &OfSettings,
    by: Operator<'_>,
    new: NewModels<'_>,
) -> Result<ModelVersion, Error> {
    let mut tx = cx.db.begin(Scope::House("models are applied")).await?;
    store::lock(&mut tx).await?;
    let (before, old) = in_force(&mut tx, settings).await?;
    if new.seen.is_some_and(|seen| seen != before) {
        return Err(Error::ModelsChanged);
    }
    let file = checked(&mut tx, cx, settings, new.text).await?;
    check_gates(&mut tx, &old, &file).await?;
    let applied = put(&mut tx, cx, by, (before, &file, new.note)).await?;
    tx.commit().await?;
    Ok(applied)
}

/// Puts a version of before in force again, as the next one.
///
/// # Errors
/// `ModelsVersionNotFound`, `BadModels` when a provider of it is gone, `CanaryNotPassed` as [`apply_models`].
pub async fn roll_back_models(
    cx: &Ctx,
    settings: &OfSettings,
    by: Operator<'_>,
    to: i32,
) -> Result<ModelVersion, Error> {
    let mut tx = cx
        .db
        .begin(Scope::House("models of before are applied"))
        .await?;
    store::lock(&mut tx).await?;
    let (before, old) = in_force(&mut tx, settings).await?;
    let text = text_of(&mut tx, settings, to).await?;
    let file = checked(&mut tx, cx, settings, &text).await?;
    check_gates(&mut tx, &old, &file).await?;
    let note = format!("← {to}");
    let applied = put(&mut tx, cx, by, (before, &file, Some(&note))).await?;
    tx.commit().await?;
    Ok(applied)
}

/// Gives the canary of a model another share of its calls, as the next version; 0 takes it back.
///
/// # Errors
/// `ModelsChanged` when another version than the seen one is in force, `ModelHasNoCanary`, and as [`apply_models`].
pub async fn change_canary(
    cx: &Ctx,
    settings: &OfSettings,
    by: Operator<'_>,
    (model, percent, seen): (&str, u32, i32),
) -> Result<ModelVersion, Error> {
    let (version, text) = model_text(cx, settings, None).await?;
    if version != seen {
        return Err(Error::ModelsChanged);
    }
    let text = read(version, &text)?.with_canary(model, percent);
    let text = text.ok_or(Error::ModelHasNoCanary)?;
    let note: String = format!("{model}: {percent} %");
    let note = note.chars().take(LONGEST_NOTE).collect::<String>();
    let new = NewModels {
        text: &text,
        note: Some(&note),
        seen: Some(version),
    };
    apply_models(cx, settings, by, new).await
}

/// Refuses a file by which a share would grow that has not passed what is asked of it.
async fn check_gates(
    conn: &mut PgConnection,
    before: &ModelFile,
    after: &ModelFile,
) -> Result<(), Error> {
    let missing = gate::not_passed(conn, before, after).await?;
    match missing.into_iter().next() {
        Some(first) => Err(Error::CanaryNotPassed(first)),
        None => Ok(()),
    }
}

async fn put(
    conn: &mut PgConnection,
    cx: &Ctx,
    by: Operator<'_>,
    (before, file, note): (i32, &ModelFile, Option<&str>),
) -> Result<ModelVersion, Error> {
    let applied = ModelVersion {
        version: before.saturating_add(1),
        models: count(file),
        note: note.map(str::to_owned),
        applied_by: Some(by.actor()),
        applied_at: Some(cx.clock.now()),
    };
    store::insert(conn, &applied, file.text()).await?;
    let action = AuditAction::new("models.apply", applied.version)
        .before(json!({ "version": before }))
        .after(
            json!({ "version": applied.version, "models": applied.models, "note": applied.note }),
        );
    by.write_down(conn, cx, action).await?;
    Ok(applied)
}

fn count(file: &ModelFile) -> i32 {
    i32::try_from(file.len()).unwrap_or(i32::MAX)
}

impl Gateway {
    /// What the settings say of models. Without a file there, the one that is built in.
    pub(crate) fn of_settings(&self) -> Result<OfSettings, Error> {
        match self.routes.of_settings() {
            Some(settings) => Ok(settings),
            None => Ok(OfSettings {
                file: ModelFile::parse(crate::DEFAULT_MODELS)?,
                providers: BTreeMap::new(),
            }),
        }
    }
}
