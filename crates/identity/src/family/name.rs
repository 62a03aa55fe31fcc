use unicode_normalization::UnicodeNormalization;

/// What a child signs in with: its name and the family's code, as they are stored. Full width, half width and case don't
/// matter, since a child types what the keyboard gives.
pub(crate) fn login_name(name: &str, code: &str) -> String {
    format!("{}@{}", fold(name), fold(code))
}

fn fold(text: &str) -> String {
    let wide: String = text.nfkc().collect();
    // lower case may compose anew, such as the Turkish dotted I
    let lower: String = wide.to_lowercase().nfkc().collect();
    lower.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_and_case_of_a_name_do_not_matter() {
        let stored = login_name("ハナコ Ann", "k7q2m9xd");
        assert_eq!(stored, "ハナコ ann@k7q2m9xd");
        for (name, code) in [
            ("ﾊﾅｺ ann", "K7Q2M9XD"),
            (" ハナコ　ＡＮＮ ", "ｋ７ｑ２ｍ９ｘｄ"),
            ("ハナコ Ann", " k7q2m9xd "),
        ] {
            assert_eq!(login_name(name, code), stored, "{name} {code}");
        }
        assert_ne!(login_name("はなこ Ann", "k7q2m9xd"), stored);
        assert_eq!(login_name("İ", "a"), login_name("i\u{307}", "A"));
    }
}
