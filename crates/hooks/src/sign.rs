use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kernel::Fault;
use seal::Vault;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::HookId;

/// Bytes of a secret; Standard Webhooks asks for 24 to 64.
const SECRET: usize = 32;

/// Closes and opens the secrets of endpoints, each bound to its endpoint.
#[derive(Debug)]
pub(crate) struct Sealer {
    vault: Vault,
    /// What they were sealed under before the keys came from outside the database.
    before: SecretSlice<u8>,
}

impl Sealer {
    pub(crate) const fn new(vault: Vault, before: SecretSlice<u8>) -> Self {
        Self { vault, before }
    }

    pub(crate) fn prefix(&self) -> Result<Vec<u8>, seal::Error> {
        self.vault.prefix()
    }

    pub(crate) fn seal(&self, endpoint: HookId, secret: &[u8]) -> Result<Vec<u8>, seal::Error> {
        self.vault.seal(&place(endpoint), secret)
    }

    pub(crate) fn open(
        &self,
        endpoint: HookId,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, seal::Error> {
        if seal::key_of(sealed).is_some() {
            return self.vault.open(&place(endpoint), sealed);
        }
        let key: &[u8; 32] = self
            .before
            .expose_secret()
            .try_into()
            .map_err(|_| seal::Error::BadKey)?;
        seal::disclose(key, endpoint.0.as_bytes(), sealed)
    }
}

fn place(endpoint: HookId) -> String {
    format!("hooks.endpoint:{endpoint}")
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
    fn a_secret_opens_for_its_endpoint_alone_also_one_that_was_sealed_before() {
        let vault = Vault::of_keys(&seal::new_key().unwrap()).unwrap();
        let sealer = Sealer::new(vault, vec![7; 32].into());
        let (one, other) = (
            HookId(uuid::Uuid::from_u128(1)),
            HookId(uuid::Uuid::from_u128(2)),
        );
        let before = seal::close(&[7; 32], one.0.as_bytes(), b"secret").unwrap();
        for closed in [sealer.seal(one, b"secret").unwrap(), before] {
            assert_eq!(
                sealer.open(one, &closed).unwrap().expose_secret(),
                b"secret"
            );
            assert!(sealer.open(other, &closed).is_err());
        }
        assert!(sealer.open(one, &[]).is_err());
    }
}
