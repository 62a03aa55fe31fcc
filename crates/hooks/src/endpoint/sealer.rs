use seal::Vault;
use secrecy::{ExposeSecret, SecretSlice};

use super::HookId;

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

#[cfg(test)]
mod tests {
    use super::*;

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
