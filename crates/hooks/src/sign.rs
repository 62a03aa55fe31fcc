use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kernel::Fault;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// Bytes of a secret; Standard Webhooks asks for 24 to 64.
const SECRET: usize = 32;

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
}
