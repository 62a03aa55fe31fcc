//! The routes as they are now on this node: what the settings say, the models that were applied, the keys that were registered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use db::Scope;
use seal::Vault;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    CredentialId, Error, Gateway, ModelFile, OfSettings,
    credential::{self, Credential, Row},
    key::ApiKey,
    pulse,
    route::{AfterBreak, Shadow, Target, Use},
    routes::Routes,
    versions,
};

/// How often a node looks whether keys or models were changed.
const EVERY: Duration = Duration::from_secs(2);

/// The routes as they are now: those of the settings, or of the models that were applied, with the keys that were registered.
#[derive(Debug)]
pub(crate) struct LiveRoutes {
    settings: Routes,
    now: RwLock<Arc<Routes>>,
    taken_up: Mutex<TakenUp>,
}

#[derive(Debug, Default)]
struct TakenUp {
    /// The models that were applied, and their number.
    models: Option<(i32, ModelFile)>,
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

    pub(crate) fn keys(&self, base_url: &str) -> Vec<ApiKey> {
        self.now().keys(base_url)
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

    /// All names, and what stands behind them by provider and model.
    pub(crate) fn names(&self) -> Vec<String> {
        self.now().names().map(str::to_owned).collect()
    }

    pub(crate) fn available(&self) -> BTreeSet<(String, String)> {
        self.now().available()
    }

    pub(crate) fn is_degraded(&self, route: &str) -> bool {
        self.now().is_degraded(route)
    }

    pub(crate) fn of_settings(&self) -> Option<OfSettings> {
        self.settings.of_settings()
    }

    /// The number of the models that were taken up; none for those of the settings.
    fn version(&self) -> Option<i32> {
        let taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        taken_up.models.as_ref().map(|(version, _)| *version)
    }

    /// Makes the routes anew if the keys are others than before, or there are other models. A key that can't be opened is left
    /// out, and told.
    fn take_up(&self, rows: Vec<Row>, models: Option<(i32, ModelFile)>, vault: &Vault) {
        let mut taken_up = self.taken_up.lock().unwrap_or_else(PoisonError::into_inner);
        let same = taken_up.rows.len() == rows.len()
            && taken_up.rows.iter().zip(&rows).all(|(a, b)| a.is_as(b));
        // whoever read later may have come before
        let newer = models.filter(|(version, _)| {
            let known = taken_up.models.as_ref();
            known.is_none_or(|(known, _)| known < version)
        });
        if same && newer.is_none() {
            return;
        }
        let models = newer.or_else(|| taken_up.models.take());
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
                None => match row.open(vault) {
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
        let version = models.as_ref().map(|(version, _)| *version);
        tracing::info!(
            keys = credentials.len(),
            version,
            "keys of providers and models were taken up"
        );
        let routes = match &models {
            Some((_, file)) => self.settings.with_file(file.clone()),
            None => self.settings.clone(),
        };
        let routes = Arc::new(routes.with_credentials(&credentials));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = routes;
        *taken_up = TakenUp { models, rows, keys };
    }
}

impl Gateway {
    /// Takes up what was registered or applied since; nodes do it by themselves in [`follow_routes`].
    ///
    /// # Errors
    /// When the database is away, or this program can't read the models.
    pub async fn refresh_routes(&self) -> Result<(), Error> {
        let scope = Scope::House("keys of providers and models");
        let mut tx = self.cx.db.begin(scope).await?;
        let rows = credential::all(&mut tx).await?;
        let models = versions::since(&mut tx, self.routes.version()).await;
        tx.commit().await?;
        // what this program can't read must not keep it from a key that was taken back
        let (models, unread) = match models {
            Ok(models) => (models, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.routes.take_up(rows, models, self.identity.vault());
        unread
    }

    /// Writes down how targets and shadows answered since; nodes do it by themselves in [`follow_routes`].
    ///
    /// # Errors
    /// When the database is away.
    pub async fn write_down_pulses(&self) -> Result<(), Error> {
        pulse::write_down(self).await
    }
}

/// Takes up keys that are registered, changed or switched off, and models that are applied, until `stop`; and writes down how
/// targets answer.
pub async fn follow_routes(room: Gateway, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = room.refresh_routes().await {
            tracing::warn!(%error, "keys of providers or models can't be read; those that are known are used");
        }
        if let Err(error) = room.write_down_pulses().await {
            tracing::warn!(%error, "how targets answer is written down later");
        }
    }
}
