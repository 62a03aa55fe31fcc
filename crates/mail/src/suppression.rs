mod store;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use db::Scope;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{Error, Mail, OpenError, Topic};

const HASH: usize = 32;

/// What an unsubscribe link stands for: one address, known by its hash alone, and one topic. It needs no session and
/// never runs out, since a letter may be opened years later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    address_hash: [u8; HASH],
    pub(crate) topic: Topic,
}

/// The house's secret, ready to seal links and to hide addresses.
#[derive(Clone)]
pub(crate) struct Seal(Hmac<Sha256>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    pub(crate) fn new(secret: &SecretSlice<u8>) -> Result<Self, OpenError> {
        let secret = secret.expose_secret();
        if secret.len() < HASH {
            return Err(OpenError::ShortSecret);
        }
        Hmac::new_from_slice(secret)
            .map(Self)
            .map_err(|_| OpenError::ShortSecret)
    }

    /// Reads a link's token; only the house can have written it.
    pub(crate) fn read(&self, token: &str) -> Option<Wish> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (address_hash, rest) = bytes.split_first_chunk::<HASH>()?;
        let (seal, topic) = rest.split_first_chunk::<HASH>()?;
        let topic = [Topic::News]
            .into_iter()
            .find(|known| known.as_str().as_bytes() == topic)?;
        let wish = Wish {
            address_hash: *address_hash,
            topic,
        };
        // compared in constant time
        self.sealing(wish).verify_slice(seal).ok()?;
        Some(wish)
    }

    fn write(&self, wish: Wish) -> String {
        let seal = self.sealing(wish).finalize().into_bytes();
        let topic = wish.topic.as_str().as_bytes();
        URL_SAFE_NO_PAD.encode([&wish.address_hash, seal.as_slice(), topic].concat())
    }

    fn sealing(&self, wish: Wish) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(b"unsubscribe\0");
        mac.update(&wish.address_hash);
        mac.update(wish.topic.as_str().as_bytes());
        mac
    }

    /// An address in hiding: without the secret nobody can try addresses against it.
    fn hash(&self, address: &str) -> [u8; HASH] {
        let mut mac = self.0.clone();
        mac.update(b"address\0");
        mac.update(address.trim().to_lowercase().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Where one stops letters of a topic to an address.
pub(crate) fn link(room: &Mail, address: &str, topic: Topic) -> String {
    let wish = Wish {
        address_hash: room.seal.hash(address),
        topic,
    };
    format!(
        "{}/mail/unsubscribe/{}",
        room.account_url,
        room.seal.write(wish)
    )
}

/// Notes that an address wants no letters on a topic. Twice is as good as once.
pub(crate) async fn suppress(room: &Mail, wish: Wish) -> Result<(), Error> {
    let mut tx = room.cx.db.begin(Scope::House("unsubscription")).await?;
    store::insert(&mut tx, &wish.address_hash, wish.topic, room.cx.clock.now()).await?;
    tx.commit().await?;
    tracing::info!(topic = wish.topic.as_str(), "someone unsubscribed");
    Ok(())
}

pub(crate) async fn is_suppressed(room: &Mail, address: &str, topic: Topic) -> Result<bool, Fault> {
    let hash = room.seal.hash(address);
    let mut tx = room
        .cx
        .db
        .begin(Scope::House("who wants no letters"))
        .await
        .map_err(db::fault)?;
    let suppressed = store::exists(&mut tx, &hash, topic)
        .await
        .map_err(db::fault)?;
    tx.commit().await.map_err(db::fault)?;
    Ok(suppressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::new(&vec![byte; 32].into()).unwrap()
    }

    #[test]
    fn a_token_reads_back_and_nothing_else_does() {
        let ours = seal(1);
        let wish = Wish {
            address_hash: ours.hash("Chidori@example.test "),
            topic: Topic::News,
        };
        assert_eq!(wish.address_hash, ours.hash("chidori@example.test"));
        let token = ours.write(wish);
        assert_eq!(ours.read(&token), Some(wish));
        assert!(!token.contains("chidori"));
        assert_eq!(seal(2).read(&token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(
                ours.read(&URL_SAFE_NO_PAD.encode(forged)),
                None,
                "byte {at}"
            );
            assert_eq!(
                ours.read(&URL_SAFE_NO_PAD.encode(&bytes[..at])),
                None,
                "cut at {at}"
            );
        }
        for bad in ["", "x", "////", "あ"] {
            assert_eq!(ours.read(bad), None, "{bad:?}");
        }
        let account = Wish {
            topic: Topic::Account,
            ..wish
        };
        assert_eq!(
            ours.read(&ours.write(account)),
            None,
            "account letters can't be stopped"
        );
        assert!(Seal::new(&vec![1; 31].into()).is_err());
    }
}
