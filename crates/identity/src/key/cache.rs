use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Facts;
use crate::KeyId;

/// The most keys that a node remembers; beyond it the memory starts anew.
const MOST: usize = 50_000;

/// The SHA-256 of a secret. Looking it up tells an attacker nothing by its time: they can't choose the hash.
pub(crate) type Hash = [u8; 32];

/// The keys that this node has seen, by the hash of their secret. What is here is used only while the feed of
/// revocations is fresh.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: RwLock<Known>,
    used: Mutex<HashMap<KeyId, DateTime<Utc>>>,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<Hash, Arc<Facts>>,
    /// Grows with every forgetting, so that an answer read before it is not kept after it.
    epoch: u64,
}

pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

impl Cache {
    pub(crate) fn get(&self, hash: &Hash) -> Option<Arc<Facts>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys.get(hash).map(Arc::clone)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .epoch
    }

    /// Keeps what was read, unless something was forgotten since `epoch`.
    pub(super) fn keep(&self, hash: Hash, facts: Arc<Facts>, epoch: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.epoch != epoch {
            return;
        }
        if known.keys.len() >= MOST {
            known.keys.clear();
        }
        known.keys.insert(hash, facts);
    }

    /// Forgets a key of this id, if `subject` is one.
    pub(crate) fn forget(&self, subject: Uuid) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.epoch += 1;
        known.keys.retain(|_, facts| facts.id.0 != subject);
    }

    /// Notes that a key was used.
    pub(super) fn used(&self, id: KeyId, at: DateTime<Utc>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(id, at);
    }

    pub(super) fn take_used(&self) -> HashMap<KeyId, DateTime<Utc>> {
        mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, time::Instant};

    use super::*;
    use crate::TenantId;

    /// Welch's t of two classes, without the slowest tenth, which is other work on the machine.
    fn welch(classes: [Vec<f64>; 2]) -> f64 {
        let [(n, mean, variance), (m, other, spread)] = classes.map(|mut class| {
            class.sort_by(f64::total_cmp);
            class.truncate(class.len() * 9 / 10);
            let n = f64::from(u32::try_from(class.len()).unwrap());
            let mean = class.iter().sum::<f64>() / n;
            let squares = class.iter().map(|value| (value - mean).powi(2));
            (n, mean, squares.sum::<f64>() / (n - 1.0))
        });
        (mean - other) / (variance / n + spread / m).sqrt()
    }

    /// In the manner of dudect (Reparaz, Balasch, Verbauwhede 2017): 20,000 samples, the classes in an order that nobody
    /// could foresee.
    #[test]
    fn a_wrong_key_that_begins_like_a_known_one_takes_as_long_as_any_other() {
        let cache = Cache::default();
        let known = format!("nrn_{}", "a1B2c3D4".repeat(6));
        let facts = Facts {
            id: KeyId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            storefront: "genai".into(),
            scopes: Vec::new(),
            models: None,
            ip_ranges: None,
            daily_cap: None,
            daily_cost_nano_usd: None,
            made_by: None,
            expires_at: None,
        };
        cache.keep(hash(&known), Arc::new(facts), cache.epoch());
        let alike: Vec<String> = (0..64_u8)
            .map(|n| format!("{}{}", &known[..known.len() - 2], hex::encode([n])))
            .collect();
        let unlike: Vec<String> = (0..64_u8)
            .map(|n| format!("nrn_{}", &hex::encode(hash(&n.to_string()))[..48]))
            .collect();
        let classes = [alike, unlike];
        let mut ts = Vec::new();
        // a machine with other work may spoil a round, not five
        for _ in 0..5 {
            let mut took = [Vec::new(), Vec::new()];
            let mut state = 88_172_645_463_325_252_u64;
            for n in 0..20_000 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let class = usize::from(state & 1 == 1);
                let secret = classes[class][n % 64].as_str();
                let begun = Instant::now();
                let found = black_box(cache.get(&hash(black_box(secret))));
                let nanos = begun.elapsed().as_nanos();
                assert!(found.is_none());
                took[class].push(f64::from(u32::try_from(nanos).unwrap_or(u32::MAX)));
            }
            ts.push(welch(took).abs());
            if ts.iter().any(|t| *t < 4.5) {
                return;
            }
        }
        panic!("t is {ts:?}");
    }

    #[test]
    fn what_was_read_before_a_forgetting_is_not_kept_after_it() {
        let cache = Cache::default();
        let id = KeyId(Uuid::from_u128(1));
        let facts = Arc::new(Facts {
            id,
            tenant: TenantId(Uuid::from_u128(2)),
            storefront: "genai".into(),
            scopes: Vec::new(),
            models: None,
            ip_ranges: None,
            daily_cap: None,
            daily_cost_nano_usd: None,
            made_by: None,
            expires_at: None,
        });
        let before = cache.epoch();
        cache.forget(id.0);
        cache.keep(hash("a"), Arc::clone(&facts), before);
        assert!(cache.get(&hash("a")).is_none());
        cache.keep(hash("a"), facts, cache.epoch());
        assert!(cache.get(&hash("a")).is_some());
        cache.forget(id.0);
        assert!(cache.get(&hash("a")).is_none());
    }
}
