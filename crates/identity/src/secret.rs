use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::Fault;
use sha2::{Digest, Sha256};

/// 256 random bits as text, for a cookie or a link.
pub(crate) fn new_token() -> Result<String, Fault> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Fault::internal("no entropy for a secret", e.to_string()))?;
    Ok(bytes)
}

/// What is kept of a random token. A fast hash is enough: 256 random bits can't be guessed.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
