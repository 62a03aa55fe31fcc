use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use seal::Vault;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{CredentialId, CredentialView, begin, place, store};
use crate::{
    Error, Gateway,
    route::{AfterBreak, ApiKey, Routes, Target, Use},
    shadow::Shadow,
};

/// How often a node looks whether keys were changed.
const EVERY: Duration = Duration::from_secs(2);

/// A credential as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) view: CredentialView,
    pub(super) sealed: Vec<u8>,
}

impl Row {
    /// What matters for calls; that it was refused does not.
    fn is_as(&self, other: &Self) -> bool {
        let of = |row: &Self| (row.view.id, row.view.weight, row.view.enabled);
        of(self) == of(other) && self.sealed == other.sealed
    }
}

/// A registered key that is in use, and the door that it opens.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) view: CredentialView,
    pub(crate) key: ApiKey,
}

/// The routes as they are now: those of the settings with the keys that were registered.
#[derive(Debug)]
pub(crate) struct LiveRoutes {
    settings: Routes,
    now: RwLock<Arc<Routes>>,
    taken_up: Mutex<TakenUp>,
}

#[derive(Debug, Default)]
struct TakenUp {
    rows: Vec<Row>,
    keys: BTreeMap<CredentialId, (Vec<u8>, ApiKey)>,
}

impl LiveRoutes {
    pub(crate) fn new(settings: Routes) -> Self {
        Self {
            now: RwLock::new(Arc::new(settings.clone())),
            settings,
            taken_up: Mutex::default(),
        }
    }

    fn now(&self) -> Arc<Routes> {
        Arc::clone(&*self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn keys(&self, base_url: &str, model: &str) -> Vec<ApiKey> {
        self.now().keys(base_url, model)
    }

    pub(crate) fn targets(&self, route: &str, now: DateTime<Utc>) -> Vec<Target> {
        self.now().targets(route, now)
    }

    pub(crate) fn after_break(&self, route: &str) -> AfterBreak {
        self.now().after_break(route)
    }

    pub(crate) fn has_shadow(&self, route: &str) -> bool {
        self.now().has_shadow(route)
    }

    pub(crate) fn shadow(&self, route: &str) -> Option<Shadow> {
        self.now().shadow(route)
    }

    pub(crate) fn use_of(&self, route: &str) -> Option<Use> {
        self.now().use_of(route)
    }

    pub(crate) fn is_degraded(&self, route: &str) -> bool {
        self.now().is_degraded(route)
    }

    /// Makes the routes anew if the keys are others than before. One that can't be opened is left out, and told.
    fn take_up(&self, rows: Vec<Row>, vault: &Vault) {
        let mut taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        let same = taken_up.rows.len() == rows.len()
            && taken_up.rows.iter().zip(&rows).all(|(a, b)| a.is_as(b));
        if same {
            return;
        }
        let mut keys = BTreeMap::new();
        let mut credentials = Vec::new();
        for row in rows.iter().filter(|row| row.view.enabled) {
            let weight = u32::try_from(row.view.weight).unwrap_or(1);
            let known = taken_up.keys.get(&row.view.id);
            let key = match known.filter(|(sealed, _)| *sealed == row.sealed) {
                // what is known of how it does stays
                Some((_, key)) => ApiKey {
                    weight,
                    ..key.clone()
                },
                None => match open(vault, row) {
                    Ok(secret) => ApiKey {
                        id: Some(row.view.id),
                        ..ApiKey::new(secret, weight)
                    },
                    Err(error) => {
                        tracing::error!(%error, credential = %row.view.id, "a provider's key can't be opened; others are used");
                        continue;
                    }
                },
            };
            keys.insert(row.view.id, (row.sealed.clone(), key.clone()));
            let view = row.view.clone();
            credentials.push(Credential { view, key });
        }
        tracing::info!(keys = credentials.len(), "keys of providers were taken up");
        let routes = Arc::new(self.settings.with_credentials(&credentials));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = routes;
        *taken_up = TakenUp { rows, keys };
    }
}

fn open(vault: &Vault, row: &Row) -> Result<SecretString, seal::Error> {
    let secret = vault.open(&place(row.view.id), &row.sealed)?;
    let text = std::str::from_utf8(secret.expose_secret()).map_err(|_| seal::Error::Broken)?;
    Ok(text.into())
}

/// Reads what is registered and takes it up.
pub(crate) async fn refresh(room: &Gateway) -> Result<(), Error> {
    let mut tx = begin(&room.cx).await?;
    let rows = store::all(&mut tx).await?;
    tx.commit().await?;
    room.routes.take_up(rows, room.identity.vault());
    Ok(())
}

/// Takes up keys that are registered, changed or switched off, until `stop`.
pub async fn follow_credentials(room: Gateway, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = refresh(&room).await {
            tracing::warn!(%error, "keys of providers can't be read; those that are known are used");
        }
    }
}
