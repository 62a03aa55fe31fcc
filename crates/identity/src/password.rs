use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{Error, secret};

/// The most hashes that are computed at once: each takes 19 MiB and a core, so a flood of sign-ins must queue.
const MOST: usize = 4;
/// The most sign-ins that are looked at at once. The others wait before they ask the database for anything: a flood of them would
/// take all its connections, and other requests would wait for those.
const PLACES: usize = 2 * MOST;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(15);
/// How far a computation stands back for everything else (`nice`): a flood of sign-ins must not slow other requests much, and a
/// busy machine must still let people in (ten steps further back, a single sign-in waited for seconds beside busy neighbours);
/// on a machine that is not busy it takes no longer.
const MODESTY: i32 = 5;
/// The most memory that an imported hash may ask for, in KiB.
const LARGEST: u32 = 256 * 1024;

/// Argon2id with the parameters of the OWASP password storage sheet (19 MiB, 2 passes, 1 lane).
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    benches: Arc<Mutex<Vec<Bench>>>,
}

/// The memory of one computation, used again and again: given back and asked for anew, blocks of this size and
/// alignment pile up in the allocator, a gigabyte after some hundred sign-ins.
#[derive(Default)]
struct Bench(Vec<Block>);

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bench({} KiB)", self.0.len())
    }
}

impl Bench {
    /// The memory that these parameters need. What an imported hash needs beyond the usual is not kept.
    fn blocks(&mut self, params: &Params) -> &mut [Block] {
        let needed = params.block_count();
        if self.0.len() < needed {
            self.0.resize(needed, Block::default());
        }
        self.0.get_mut(..needed).unwrap_or_default()
    }

    fn put_back(mut self, benches: &Mutex<Vec<Self>>) {
        let usual = Params::default().block_count();
        if self.0.len() > usual {
            self = Self::default();
        }
        let mut benches = benches.lock().unwrap_or_else(PoisonError::into_inner);
        if benches.len() < MOST {
            benches.push(self);
        }
    }
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            turns: Arc::new(Semaphore::new(parallel())),
            benches: Arc::default(),
        }
    }

    /// A place among the sign-ins that are looked at, as long as it is kept.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|e| Fault::internal("the places are closed", e))?;
        Ok(place)
    }

    /// The PHC string of a password, with a fresh salt.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, Error> {
        self.in_turn(move |bench| {
            let hash = new_hash(bench, &password)
                .map_err(|e| Fault::internal("a password can't be hashed", e.to_string()))?;
            Ok(hash.to_string())
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
        self.in_turn(move |bench| {
            let Some(hash) = hash else {
                let _ = new_hash(bench, &password);
                return Ok(false);
            };
            if is_bcrypt(&hash) {
                return Ok(bcrypt::verify(password.expose_secret(), &hash).unwrap_or(false));
            }
            let right = fits(bench, &password, &hash).map_err(|e| {
                Fault::internal("a stored password hash can't be read", e.to_string())
            })?;
            Ok(right)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Bench) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|e| Fault::internal("the turns are closed", e))?;
        let benches = Arc::clone(&self.benches);
        let (answer, answered) = oneshot::channel();
        let run = move || {
            // on Linux this is the thread's own; elsewhere the computation is as urgent as everything else
            let _ = rustix::process::nice(MODESTY);
            let mut bench = benches
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .unwrap_or_default();
            let result = work(&mut bench);
            bench.put_back(&benches);
            drop(turn);
            // nobody waits any more: they hung up
            let _ = answer.send(result);
        };
        thread::Builder::new()
            .name("password".to_owned())
            .spawn(run)
            .map_err(|e| Fault::internal("no thread for a password", e))?;
        answered
            .await
            .map_err(|e| Fault::internal("a password task failed", e))?
    }
}

/// How many hashes are computed at once: half of the cores, so that a flood of sign-ins leaves the others to everybody else.
fn parallel() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, MOST)
}

fn new_hash(
    bench: &mut Bench,
    password: &SecretString,
) -> Result<PasswordHash, Box<dyn std::error::Error + Send + Sync>> {
    let argon = Argon2::default();
    let params = argon.params().clone();
    let salt = secret::random::<16>()?;
    let mut out = [0_u8; Params::DEFAULT_OUTPUT_LEN];
    let password = password.expose_secret().as_bytes();
    argon.hash_password_into_with_memory(password, &salt, &mut out, bench.blocks(&params))?;
    Ok(PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(Output::new(&out)?),
    })
}

/// Whether the password is the one of a PHC string.
fn fits(
    bench: &mut Bench,
    password: &SecretString,
    hash: &str,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let parsed = PasswordHash::new(hash)?;
    let params = Params::try_from(&parsed)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
        return Ok(false);
    };
    if params.m_cost() > LARGEST {
        return Ok(false);
    }
    let version = parsed
        .version
        .map(Version::try_from)
        .transpose()?
        .unwrap_or_default();
    let argon = Argon2::new(
        Algorithm::try_from(parsed.algorithm.as_str())?,
        version,
        params.clone(),
    );
    let mut out = vec![0_u8; expected.len()];
    let password = password.expose_secret().as_bytes();
    argon.hash_password_into_with_memory(password, &salt, &mut out, bench.blocks(&params))?;
    // the library compares in constant time
    Ok(Output::new(&out)? == expected)
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
    async fn hashes_are_those_of_the_library_and_memory_is_used_again() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let hasher = Hasher::new();
        let ours = hasher.hash("correct horse".into()).await.unwrap();
        let argon = Argon2::default();
        argon.verify_password(b"correct horse", &*ours).unwrap();
        let theirs = argon.hash_password(b"correct horse").unwrap().to_string();
        assert!(
            hasher
                .verify("correct horse".into(), Some(theirs))
                .await
                .unwrap()
        );
        let small = Params::new(64, 1, 1, None).unwrap();
        let small = Argon2::from(small)
            .hash_password(b"correct horse")
            .unwrap()
            .to_string();
        assert!(
            hasher
                .verify("correct horse".into(), Some(small))
                .await
                .unwrap()
        );
        let benches = hasher.benches.lock().unwrap();
        assert_eq!(benches.len(), 1, "one after the other needs one");
        assert_eq!(benches[0].0.len(), Params::default().block_count());
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
