use kernel::Fault;

/// What every key of this house begins with, so that scanners of public code know it.
pub(crate) const PREFIX: &str = "nrn_";
const BODY: usize = 43;
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new secret: the prefix, 43 digits of base 62 (256 bits), and six digits of their CRC-32, so that a mistyped or
/// invented key is refused without asking anyone (the form of GitHub's tokens).
pub(super) fn new() -> Result<String, Fault> {
    let mut body = String::with_capacity(BODY);
    while body.len() < BODY {
        for byte in crate::secret::random::<64>()? {
            // 248 is the largest multiple of 62 in a byte: above it the digits would not be equally likely
            if byte < 248
                && body.len() < BODY
                && let Some(digit) = ALPHABET.get(usize::from(byte % 62))
            {
                body.push(char::from(*digit));
            }
        }
    }
    let checksum = checksum(&body);
    Ok(format!("{PREFIX}{body}{checksum}"))
}

/// Whether the text can be a key at all.
pub(super) fn is_well_formed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    rest.len() == BODY + CHECKSUM
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest
            .split_at_checked(BODY)
            .is_some_and(|(body, given)| checksum(body) == given)
}

/// What is shown of a secret: enough to tell keys apart.
pub(super) fn hint(secret: &str) -> String {
    let start: String = secret.chars().take(PREFIX.len() + 4).collect();
    let end: String = secret
        .chars()
        .skip(secret.chars().count().saturating_sub(4))
        .collect();
    format!("{start}…{end}")
}

fn checksum(body: &str) -> String {
    let mut left = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        if let Some(value) = ALPHABET.get((left % 62) as usize) {
            *digit = *value;
        }
        left /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_a_changed_letter_shows() {
        let secret = new().unwrap();
        assert!(is_well_formed(&secret), "{secret}");
        assert_ne!(secret, new().unwrap());
        for at in PREFIX.len()..secret.len() {
            let mut changed = secret.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_well_formed(std::str::from_utf8(&changed).unwrap()));
        }
        for wrong in ["", "nrn_", &secret[1..], &format!("{secret}0"), "nrn_あ"] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
        let shown = hint(&secret);
        assert_eq!(shown.chars().count(), 13);
        assert!(secret.starts_with(&shown[..8]), "{shown}");
    }
}
