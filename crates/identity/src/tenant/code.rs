use kernel::Fault;

use crate::secret;

/// Letters and digits that are not mistaken for one another, and no vowels, so that no code is a word.
const ALPHABET: &[u8; 28] = b"bcdfghjkmnpqrstvwxyz23456789";
const CODE_LENGTH: usize = 8;

/// A code for a family. It is no secret, but 28^8 of them can't be tried one by one.
pub(super) fn new_code() -> Result<String, Fault> {
    let mut code = String::with_capacity(CODE_LENGTH);
    while code.len() < CODE_LENGTH {
        code.extend(
            secret::random::<16>()?
                .into_iter()
                .filter_map(letter)
                .take(CODE_LENGTH - code.len()),
        );
    }
    Ok(code)
}

/// None for the bytes at the end that would make some letters likelier than others.
fn letter(byte: u8) -> Option<char> {
    let letters = u8::try_from(ALPHABET.len()).ok()?;
    if byte >= u8::MAX - u8::MAX % letters {
        return None;
    }
    ALPHABET
        .get(usize::from(byte % letters))
        .copied()
        .map(char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_eight_letters_that_nobody_mistakes() {
        let codes: Vec<String> = (0..200).map(|_| new_code().unwrap()).collect();
        for code in &codes {
            assert_eq!(code.len(), CODE_LENGTH, "{code}");
            assert!(
                code.bytes().all(|byte| ALPHABET.contains(&byte))
                    && !code.contains(['0', 'o', '1', 'l', 'i']),
                "{code}"
            );
        }
        let different: std::collections::HashSet<&String> = codes.iter().collect();
        assert_eq!(different.len(), codes.len());
        let each = (0..=u8::MAX).filter_map(letter);
        let counts = each.fold(std::collections::HashMap::new(), |mut counts, letter| {
            *counts.entry(letter).or_insert(0) += 1;
            counts
        });
        assert_eq!(counts.len(), ALPHABET.len());
        assert!(
            counts.values().all(|count| *count == 9),
            "every letter is as likely"
        );
    }
}
