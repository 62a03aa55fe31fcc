//! Seal: secrets that have to be read again are closed under keys that the database does not have.
//!
//! Owns: the keys, where they come from, and the form of what is sealed (AES-256-GCM).
//! Never: a table, or what a secret is for. Whatever can't be opened is an error, never nothing.

mod file;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use aes_gcm::{
    Aes256Gcm, Key as CipherKey, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

/// Bytes of a key.
const KEY: usize = 32;
const NONCE: usize = 12;
/// What everything begins with that a vault sealed, before the id of its key.
const MARK: [u8; 4] = *b"nrs1";
/// Bytes before the nonce: the mark and the key's id.
const HEAD: usize = MARK.len() + 8;

/// Which key something is sealed under; it is made of the key and tells nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why something can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no sealing key: set seal.keys or seal.keys_file")]
    NoKey,
    #[error("it is sealed under key {0}, which is not among seal.keys")]
    UnknownKey(KeyId),
    #[error("it was changed, or belongs elsewhere")]
    Broken,
    #[error("a sealing key is not 32 bytes in base64; openssl rand -base64 32 makes one")]
    BadKey,
    #[error("the sealing keys in {0}: {1}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("there is no randomness: {0}")]
    NoRandomness(String),
}

impl Error {
    /// Whether the key is what is missing, which an operator can mend.
    pub const fn lacks_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::UnknownKey(_))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if error.lacks_key() {
            Self::unavailable("a secret is closed", error)
        } else {
            Self::internal("a secret can't be sealed or opened", error)
        }
    }
}

/// What came of sealing everything under the first key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub done: u64,
    /// Sealed under a key that is not here.
    pub closed: u64,
}

impl std::ops::AddAssign for Resealed {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.closed += other.closed;
    }
}

/// The keys: the first one seals, all of them open.
#[derive(Clone, Debug)]
pub struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Read again when something is sealed under a key that is not known yet.
    file: Option<PathBuf>,
    ring: RwLock<Arc<Ring>>,
}

#[derive(Default)]
struct Ring(Vec<(KeyId, Aes256Gcm)>);

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

impl Vault {
    /// Without a key nothing is sealed and nothing opens.
    pub fn without_keys() -> Self {
        Self::of(None, Ring::default())
    }

    /// Keys in base64 with commas or lines between.
    ///
    /// # Errors
    /// `BadKey`.
    pub fn of_keys(keys: &SecretString) -> Result<Self, Error> {
        Ok(Self::of(None, Ring::read(keys)?))
    }

    /// The keys of a file.
    ///
    /// # Errors
    /// `File` when it can't be read, `BadKey`.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let ring = Ring::read(&file::read(path)?)?;
        Ok(Self::of(Some(path.to_owned()), ring))
    }

    fn of(file: Option<PathBuf>, ring: Ring) -> Self {
        let ring = RwLock::new(Arc::new(ring));
        Self(Arc::new(Inner { file, ring }))
    }

    /// Reads the file again, if the keys are in one.
    ///
    /// # Errors
    /// As [`Vault::of_file`]; the keys stay as they were.
    pub fn refresh(&self) -> Result<(), Error> {
        if let Some(path) = &self.0.file {
            let ring = Arc::new(Ring::read(&file::read(path)?)?);
            *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        }
        Ok(())
    }

    /// The ids of the keys; the first one seals.
    pub fn ids(&self) -> Vec<KeyId> {
        self.ring().0.iter().map(|(id, _)| *id).collect()
    }

    /// What everything begins with that is sealed under the first key.
    ///
    /// # Errors
    /// `NoKey`.
    pub fn prefix(&self) -> Result<Vec<u8>, Error> {
        let (id, _) = self.ring().first()?;
        Ok([MARK.as_slice(), &id.0].concat())
    }

    /// Seals a secret for one place, where alone it opens.
    ///
    /// # Errors
    /// `NoKey`.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let (id, cipher) = self.ring().first()?;
        let closed = encrypt(&cipher, place.as_bytes(), secret)?;
        Ok([MARK.as_slice(), &id.0, &closed].concat())
    }

    /// Opens what was sealed for a place.
    ///
    /// # Errors
    /// `UnknownKey`, or `NoKey` where there are none at all; `Broken` for anything that was not sealed for the place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, Error> {
        let id = key_of(sealed).ok_or(Error::Broken)?;
        let closed = sealed.get(HEAD..).ok_or(Error::Broken)?;
        let cipher = match self.ring().find(id) {
            Ok(cipher) => cipher,
            Err(_) if self.0.file.is_some() => {
                self.refresh()?;
                self.ring().find(id)?
            }
            Err(error) => return Err(error),
        };
        decrypt(&cipher, place.as_bytes(), closed)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&*self.0.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn read(text: &SecretString) -> Result<Self, Error> {
        let parts = text.expose_secret().split([',', '\n']).map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(|part| {
                let bytes: SecretSlice<u8> =
                    STANDARD.decode(part).map_err(|_| Error::BadKey)?.into();
                let key: &[u8; KEY] = bytes
                    .expose_secret()
                    .try_into()
                    .map_err(|_| Error::BadKey)?;
                Ok((
                    id_of(key),
                    Aes256Gcm::new(&CipherKey::<Aes256Gcm>::from(*key)),
                ))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn first(&self) -> Result<(KeyId, Aes256Gcm), Error> {
        self.0.first().cloned().ok_or(Error::NoKey)
    }

    fn find(&self, id: KeyId) -> Result<Aes256Gcm, Error> {
        if self.0.is_empty() {
            return Err(Error::NoKey);
        }
        self.0
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, cipher)| cipher.clone())
            .ok_or(Error::UnknownKey(id))
    }
}

fn id_of(key: &[u8; KEY]) -> KeyId {
    let mut hash = Sha256::new();
    hash.update(b"noren sealing key");
    hash.update(key);
    let mut id = [0; 8];
    id.iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, from)| *to = from);
    KeyId(id)
}

/// The key that something is sealed under; none for what no vault sealed.
pub fn key_of(sealed: &[u8]) -> Option<KeyId> {
    let rest = sealed.strip_prefix(&MARK)?;
    rest.first_chunk().copied().map(KeyId)
}

/// Seals under a key that is the caller's own, for what `about` says.
///
/// # Errors
/// When there is no randomness.
pub fn close(key: &[u8; KEY], about: &[u8], secret: &[u8]) -> Result<Vec<u8>, Error> {
    encrypt(
        &Aes256Gcm::new(&CipherKey::<Aes256Gcm>::from(*key)),
        about,
        secret,
    )
}

/// Opens what [`close`] gave.
///
/// # Errors
/// `Broken`.
pub fn disclose(key: &[u8; KEY], about: &[u8], closed: &[u8]) -> Result<SecretSlice<u8>, Error> {
    decrypt(
        &Aes256Gcm::new(&CipherKey::<Aes256Gcm>::from(*key)),
        about,
        closed,
    )
}

/// A new key, as settings and files have it.
///
/// # Errors
/// When there is no randomness.
pub fn new_key() -> Result<SecretString, Error> {
    Ok(STANDARD.encode(random::<KEY>()?).into())
}

pub use file::{add as add_to_file, create as create_file};

fn encrypt(cipher: &Aes256Gcm, about: &[u8], secret: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce = random::<NONCE>()?;
    let payload = Payload {
        msg: secret,
        aad: about,
    };
    let closed = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| Error::Broken)?;
    Ok([nonce.as_slice(), &closed].concat())
}

fn decrypt(cipher: &Aes256Gcm, about: &[u8], closed: &[u8]) -> Result<SecretSlice<u8>, Error> {
    let (nonce, closed) = closed.split_first_chunk::<NONCE>().ok_or(Error::Broken)?;
    let payload = Payload {
        msg: closed,
        aad: about,
    };
    let secret = cipher
        .decrypt(&Nonce::from(*nonce), payload)
        .map_err(|_| Error::Broken)?;
    Ok(secret.into())
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[&SecretString]) -> Vault {
        let text: Vec<&str> = list.iter().map(|key| key.expose_secret()).collect();
        Vault::of_keys(&text.join(", ").into()).unwrap()
    }

    #[test]
    fn a_secret_opens_at_its_place_alone_and_looks_different_each_time() {
        let vault = keys(&[&new_key().unwrap()]);
        let sealed = vault.seal("a", b"secret").unwrap();
        assert_eq!(vault.open("a", &sealed).unwrap().expose_secret(), b"secret");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(vault.seal("a", b"secret").unwrap(), sealed);
        assert!(matches!(vault.open("b", &sealed), Err(Error::Broken)));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        for broken in [&changed[..], &sealed[..HEAD], b"nrs1", b"", b"secret"] {
            assert!(matches!(vault.open("a", broken), Err(Error::Broken)));
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let (old, new) = (new_key().unwrap(), new_key().unwrap());
        let before = keys(&[&old]);
        let sealed = before.seal("a", b"secret").unwrap();
        let both = keys(&[&new, &old]);
        assert_eq!(both.open("a", &sealed).unwrap().expose_secret(), b"secret");
        let again = both.seal("a", b"secret").unwrap();
        assert!(again.starts_with(&both.prefix().unwrap()));
        assert_eq!(key_of(&again), both.ids().first().copied());
        let after = keys(&[&new]);
        assert!(after.open("a", &again).is_ok());
        let lost = after.open("a", &sealed).unwrap_err();
        assert!(matches!(lost, Error::UnknownKey(id) if id == before.ids()[0]));
        assert!(lost.lacks_key());
    }

    #[test]
    fn without_keys_nothing_is_sealed_or_opened() {
        let sealed = keys(&[&new_key().unwrap()]).seal("a", b"secret").unwrap();
        let none = Vault::without_keys();
        assert!(matches!(none.seal("a", b"secret"), Err(Error::NoKey)));
        assert!(matches!(none.open("a", &sealed), Err(Error::NoKey)));
        for wrong in ["x", "c2hvcnQ=", "c2hvcnQ=,"] {
            assert!(matches!(Vault::of_keys(&wrong.into()), Err(Error::BadKey)));
        }
    }

    #[test]
    fn a_key_that_is_added_to_the_file_is_found_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.keys");
        assert!(create_file(&path).unwrap());
        assert!(!create_file(&path).unwrap(), "what is there stays");
        let (one, other) = (
            Vault::of_file(&path).unwrap(),
            Vault::of_file(&path).unwrap(),
        );
        let old = one.seal("a", b"secret").unwrap();
        add_to_file(&path).unwrap();
        one.refresh().unwrap();
        let new = one.seal("a", b"secret").unwrap();
        assert_ne!(key_of(&new), key_of(&old));
        assert!(other.open("a", &new).is_ok(), "the file was read again");
        assert!(other.open("a", &old).is_ok());
        assert_eq!(format!("{one:?}").matches("KeyId").count(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
