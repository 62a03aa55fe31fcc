use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::Error;

/// Hashes that may be computed at once: each takes 19 MiB and a core, so a flood of sign-ins must queue.
const PARALLEL: usize = 2;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Argon2id with the parameters of the OWASP password storage sheet (19 MiB, 2 passes, 1 lane).
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(PARALLEL)),
        }
    }

    /// The PHC string of a password, with a fresh salt.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, Error> {
        self.in_turn(move || {
            Argon2::default()
                .hash_password(password.expose_secret().as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|e| Fault::internal("a password can't be hashed", e.to_string()).into())
        })
        .await
    }

    /// As [`hash`](Self::hash), for a password that somebody chooses now.
    ///
    /// # Errors
    /// `WeakPassword` for one that would be guessed soon: common words, the address itself, runs of keys.
    pub(crate) async fn hash_new(
        &self,
        password: SecretString,
        email: &str,
    ) -> Result<String, Error> {
        let guess = zxcvbn::zxcvbn(password.expose_secret(), &[email, "noren"]);
        if guess.score() < zxcvbn::Score::Two {
            return Err(Error::WeakPassword);
        }
        self.hash(password).await
    }

    /// Whether the password belongs to `hash`. Without a hash the same work is done for nothing, so that the time
    /// taken does not tell whether an account exists.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        self.in_turn(move || {
            let Some(hash) = hash else {
                let _ = Argon2::default().hash_password(password.expose_secret().as_bytes());
                return Ok(false);
            };
            if is_bcrypt(&hash) {
                return Ok(bcrypt::verify(password.expose_secret(), &hash).unwrap_or(false));
            }
            let parsed = PasswordHash::new(&hash).map_err(|e| {
                Fault::internal("a stored password hash can't be read", e.to_string())
            })?;
            Ok(Argon2::default()
                .verify_password(password.expose_secret().as_bytes(), &parsed)
                .is_ok())
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|e| Fault::internal("the turns are closed", e))?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
        .map_err(|e| Fault::internal("a password task failed", e))?
    }
}

/// Whether a hash should be replaced at the next sign-in: one that came from another system.
pub(crate) fn is_stale(hash: &str) -> bool {
    is_bcrypt(hash)
}

/// Whether a hash from elsewhere is one that we can check.
pub(crate) fn is_known(hash: &str) -> bool {
    let bcrypt = is_bcrypt(hash) && hash.len() == 60;
    bcrypt || (hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok())
}

/// The prefixes that bcrypt's implementations write.
fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|prefix| hash.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_salts_differ() {
        let hasher = Hasher::new();
        let hash = hasher.hash("correct horse".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, hasher.hash("correct horse".into()).await.unwrap());
        assert!(
            hasher
                .verify("correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .verify("correct house".into(), Some(hash))
                .await
                .unwrap()
        );
        assert!(!hasher.verify("correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn imported_hashes_verify_and_are_told_as_stale() {
        let hasher = Hasher::new();
        let imported = bcrypt::hash("correct horse", 4).unwrap();
        assert!(is_stale(&imported), "{imported}");
        assert!(
            hasher
                .verify("correct horse".into(), Some(imported.clone()))
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .verify("correct house".into(), Some(imported))
                .await
                .unwrap()
        );
        let own = hasher.hash("correct horse".into()).await.unwrap();
        assert!(!is_stale(&own));
        let broken = hasher
            .verify("x".into(), Some("$2b$04$short".into()))
            .await
            .unwrap();
        assert!(!broken);
    }

    #[tokio::test]
    async fn passwords_that_would_be_guessed_soon_are_refused() {
        let hasher = Hasher::new();
        for weak in [
            "password",
            "12345678",
            "qwertyui",
            "password1",
            "taro@example.jp",
        ] {
            let refused = hasher.hash_new(weak.into(), "taro@example.jp").await;
            assert!(matches!(refused, Err(Error::WeakPassword)), "{weak}");
        }
        assert!(
            hasher
                .hash_new("暖簾をくぐる夜".into(), "taro@example.jp")
                .await
                .is_ok()
        );
        assert!(
            hasher
                .hash_new("correct horse".into(), "taro@example.jp")
                .await
                .is_ok()
        );
    }
}
