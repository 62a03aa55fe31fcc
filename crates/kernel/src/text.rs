use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A sentence in both languages of the house, written separately, not translated word by word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Text {
    #[schema(value_type = String)]
    pub ja: Cow<'static, str>,
    #[schema(value_type = String)]
    pub en: Cow<'static, str>,
}

impl Text {
    pub const fn new(ja: &'static str, en: &'static str) -> Self {
        Self {
            ja: Cow::Borrowed(ja),
            en: Cow::Borrowed(en),
        }
    }

    pub fn owned(ja: String, en: String) -> Self {
        Self {
            ja: Cow::Owned(ja),
            en: Cow::Owned(en),
        }
    }

    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ja => &self.ja,
            Lang::En => &self.en,
        }
    }
}

/// A language of the house. Japanese is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    Ja,
    En,
}

impl Lang {
    /// The first of our languages in an `Accept-Language` value; weights are taken to be in order, as browsers send them.
    pub fn from_accept_language(value: &str) -> Self {
        value
            .split(',')
            .find_map(|part| {
                let tag = part
                    .trim()
                    .split([';', '-', '_'])
                    .next()
                    .unwrap_or_default();
                if tag.eq_ignore_ascii_case("ja") {
                    Some(Self::Ja)
                } else if tag.eq_ignore_ascii_case("en") {
                    Some(Self::En)
                } else {
                    None
                }
            })
            .unwrap_or_default()
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

impl std::str::FromStr for Lang {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ja" => Ok(Self::Ja),
            "en" => Ok(Self::En),
            _ => Err("expected ja or en"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_unless_english_comes_first() {
        for (header, lang) in [
            ("", Lang::Ja),
            ("*", Lang::Ja),
            ("fr-FR,en;q=0.8", Lang::En),
            ("ja-JP,en;q=0.5", Lang::Ja),
            ("en-GB", Lang::En),
            ("EN", Lang::En),
        ] {
            assert_eq!(Lang::from_accept_language(header), lang, "{header:?}");
        }
    }
}
