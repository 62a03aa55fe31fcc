use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{HookId, OpenError};

/// Bytes of a secret; Standard Webhooks asks for 24 to 64.
const SECRET: usize = 32;
const NONCE: usize = 12;

/// Closes and opens the secrets of endpoints under a key of the house, each bound to its endpoint (AES-256-GCM).
pub(crate) struct Sealer(Aes256Gcm);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    pub(crate) fn new(key: &SecretSlice<u8>) -> Result<Self, OpenError> {
        Aes256Gcm::new_from_slice(key.expose_secret())
            .map(Self)
            .map_err(|_| OpenError::BadKey)
    }

    pub(crate) fn seal(&self, endpoint: HookId, secret: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload {
            msg: secret,
            aad: endpoint.0.as_bytes(),
        };
        let closed = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Fault::broken("a secret can't be sealed"))?;
        Ok([nonce.as_slice(), &closed].concat())
    }

    pub(crate) fn open(&self, endpoint: HookId, sealed: &[u8]) -> Result<SecretSlice<u8>, Fault> {
        let broken = || Fault::broken("a sealed secret can't be opened");
        let (nonce, closed) = sealed.split_at_checked(NONCE).ok_or_else(broken)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| broken())?;
        let payload = Payload {
            msg: closed,
            aad: endpoint.0.as_bytes(),
        };
        let secret = self
            .0
            .decrypt(&Nonce::from(nonce), payload)
            .map_err(|_| broken())?;
        Ok(secret.into())
    }
}

/// A new secret.
pub(crate) fn new_secret() -> Result<[u8; SECRET], Fault> {
    random()
}

/// A secret as its owner is shown it, once.
pub(crate) fn shown(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// `webhook-signature`: one signature per secret, so that whoever knows any of them can check.
pub(crate) fn signatures(
    secrets: &[SecretSlice<u8>],
    id: &str,
    timestamp: i64,
    body: &str,
) -> Result<String, Fault> {
    let mut all = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose_secret())
            .map_err(|_| Fault::broken("a secret can't sign"))?;
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        all.push(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ));
    }
    Ok(all.join(" "))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::internal("there is no randomness", error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
        let secret: SecretSlice<u8> = STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap()
            .into();
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signed.unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_sealed_secret_opens_for_its_endpoint_alone() {
        let sealer = Sealer::new(&vec![7; 32].into()).unwrap();
        let (one, other) = (
            HookId(uuid::Uuid::from_u128(1)),
            HookId(uuid::Uuid::from_u128(2)),
        );
        let closed = sealer.seal(one, b"secret").unwrap();
        assert_eq!(
            sealer.open(one, &closed).unwrap().expose_secret(),
            b"secret"
        );
        assert!(sealer.open(other, &closed).is_err());
        assert!(sealer.open(one, &[]).is_err());
        assert_ne!(sealer.seal(one, b"secret").unwrap(), closed);
    }
}
