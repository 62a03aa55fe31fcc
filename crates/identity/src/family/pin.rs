/// PINs that follow no rule below and are still among the first that anybody tries: patterns of the number pad, pairs.
const COMMON: [&str; 16] = [
    "112233", "332211", "123321", "654456", "147258", "258369", "159753", "753159", "159357",
    "357159", "789456", "456789", "123654", "321654", "147852", "102030",
];

/// Whether a PIN would be guessed soon: equal steps from digit to digit (000000, 123456, 024680), the same half or third
/// again (123123, 121212), or one that everybody takes.
pub(super) fn is_trivial(pin: &str) -> bool {
    let digits: Vec<u8> = pin
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|byte| byte - b'0')
        .collect();
    steps_equal(&digits) || repeats(&digits, 2) || repeats(&digits, 3) || COMMON.contains(&pin)
}

/// Nine is followed by zero, so that 890123 is a run too.
fn steps_equal(digits: &[u8]) -> bool {
    let mut steps = digits
        .iter()
        .zip(digits.iter().skip(1))
        .map(|(a, b)| (b + 10 - a) % 10);
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

fn repeats(digits: &[u8], period: usize) -> bool {
    digits
        .iter()
        .zip(digits.iter().skip(period))
        .all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_that_anybody_tries_first_are_refused() {
        for trivial in [
            "000000", "777777", "123456", "654321", "890123", "210987", "024680", "123123",
            "121212", "909090", "112233", "159753", "123321",
        ] {
            assert!(is_trivial(trivial), "{trivial}");
        }
        for good in ["402915", "271828", "100200", "998877", "120387", "123457"] {
            assert!(!is_trivial(good), "{good}");
        }
        let refused = (0..1_000_000)
            .filter(|pin| is_trivial(&format!("{pin:06}")))
            .count();
        assert!(refused < 1_300, "{refused} of a million are refused");
    }
}
