use std::fmt;

/// A currency's code in lower case, as Stripe writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency(String);

/// Currencies without a smaller unit at Stripe: 980 yen is the amount 980.
const WHOLE: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// Currencies whose smallest unit is a thousandth.
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Currency {
    /// Reads a code; none unless it is three letters.
    pub fn read(code: &str) -> Option<Self> {
        (code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()))
            .then(|| Self(code.to_ascii_lowercase()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many digits its smallest unit stands behind the point.
    pub fn digits(&self) -> u32 {
        if WHOLE.contains(&self.0.as_str()) {
            0
        } else if THOUSANDTHS.contains(&self.0.as_str()) {
            3
        } else {
            2
        }
    }
}

/// An amount in its currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    pub amount: i64,
    pub currency: Currency,
}

impl Money {
    /// Reads what people write, such as `9.80` of dollars and `980` of yen; none when it has more digits than the currency,
    /// or is too large.
    pub fn read(text: &str, currency: Currency) -> Option<Self> {
        let digits = usize::try_from(currency.digits()).ok()?;
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(part) || part.len() > digits {
            return None;
        }
        let amount = format!("{sign}{whole}{part:0<digits$}").parse().ok()?;
        Some(Self { amount, currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits();
        let unit = 10_u64.pow(digits);
        let (sign, size) = (
            if self.amount < 0 { "-" } else { "" },
            self.amount.unsigned_abs(),
        );
        write!(f, "{sign}{}", size / unit)?;
        if let Ok(width @ 1..) = usize::try_from(digits) {
            write!(f, ".{:0width$}", size % unit)?;
        }
        write!(f, " {}", self.currency.0.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn yen_have_no_smaller_unit() {
        let yen = Currency::read("JPY").unwrap();
        let shown = Money {
            amount: 980,
            currency: yen.clone(),
        };
        assert_eq!(shown.to_string(), "980 JPY");
        assert_eq!(Money::read("980", yen.clone()).unwrap().amount, 980);
        assert!(Money::read("9.80", yen).is_none());
        let dollars = Currency::read("usd").unwrap();
        assert_eq!(Money::read("9.8", dollars).unwrap().amount, 980);
        assert!(Currency::read("yen!").is_none());
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_in_every_currency(amount in any::<i64>(), code in "[a-z]{3}|jpy|krw|kwd|tnd") {
            let money = Money { amount, currency: Currency::read(&code).unwrap() };
            let text = money.to_string();
            let (number, shown) = text.split_once(' ').unwrap();
            prop_assert_eq!(shown.to_lowercase(), code);
            let point = number.split_once('.').map_or(0, |(_, part)| part.len());
            prop_assert_eq!(u32::try_from(point).unwrap(), money.currency.digits());
            prop_assert_eq!(Money::read(number, money.currency.clone()), Some(money));
        }

        #[test]
        fn nothing_that_is_written_by_hand_breaks_it(text in ".{0,24}") {
            let _ = Money::read(&text, Currency::read("jpy").unwrap());
        }
    }
}
