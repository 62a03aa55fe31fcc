//! Where a request may go: which providers, and which regions. What is not allowed is not asked, not even instead of another.

use axum::http::HeaderMap;

use crate::{Error, route::Target};

const PROVIDERS: &str = "x-noren-providers";
const REGIONS: &str = "x-noren-regions";
/// The most names in one header.
const MOST_NAMES: usize = 20;
const LONGEST_NAME: usize = 64;

/// Where a request may go; anywhere unless it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataPolicy {
    /// The operator's names of providers.
    pub providers: Option<Vec<String>>,
    /// Regions as providers name them, or what these begin with: `eu` is also `eu-west-1`.
    pub regions: Option<Vec<String>>,
}

impl DataPolicy {
    /// What a request's headers say.
    ///
    /// # Errors
    /// `DataPolicyInvalid`: what can't be read allows nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self {
            providers: names(headers, PROVIDERS)?,
            regions: names(headers, REGIONS)?,
        })
    }

    /// Whether it rules anything out.
    pub fn limits(&self) -> bool {
        *self != Self::default()
    }

    /// Takes out the targets that are not allowed.
    ///
    /// # Errors
    /// `DataPolicyUnmet` when none is left.
    pub(crate) fn keep(&self, targets: &mut Vec<Target>) -> Result<(), Error> {
        if self.limits() {
            targets.retain(|target| self.allows(target));
            if targets.is_empty() {
                return Err(Error::DataPolicyUnmet);
            }
        }
        Ok(())
    }

    fn allows(&self, target: &Target) -> bool {
        let within = |list: &Option<Vec<String>>, is_it: &dyn Fn(&str) -> bool| {
            let list = list.as_ref();
            list.is_none_or(|list| list.iter().any(|name| is_it(name)))
        };
        let region = target.region.to_ascii_lowercase();
        within(&self.providers, &|name| {
            target.provider.eq_ignore_ascii_case(name)
        }) && within(&self.regions, &|name| {
            let rest = region.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    }
}

/// The names in a header, in small letters; none where it is not sent.
fn names(headers: &HeaderMap, header: &str) -> Result<Option<Vec<String>>, Error> {
    let mut names = None;
    for value in headers.get_all(header) {
        let text = value.to_str().map_err(|_| Error::DataPolicyInvalid)?;
        let names = names.get_or_insert_with(Vec::new);
        for name in text.split(',').map(str::trim) {
            let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_letter) {
                return Err(Error::DataPolicyInvalid);
            }
            names.push(name.to_ascii_lowercase());
        }
        if names.len() > MOST_NAMES {
            return Err(Error::DataPolicyInvalid);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<DataPolicy, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        DataPolicy::of(&map)
    }

    fn left(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let target = |provider: &str, region: &str| Target {
            provider: provider.to_owned(),
            region: region.to_owned(),
            ..Target::default()
        };
        let mut targets = vec![
            target("openai", ""),
            target("bedrock", "ap-northeast-1"),
            target("bedrock", "eu-west-1"),
            target("own", "europe-north1"),
        ];
        match read(headers).unwrap().keep(&mut targets) {
            Ok(()) => targets
                .iter()
                .map(|target| format!("{} {}", target.provider, target.region))
                .collect(),
            Err(error) => {
                assert!(matches!(error, Error::DataPolicyUnmet));
                Vec::new()
            }
        }
    }

    #[test]
    fn only_what_is_allowed_is_left_and_an_unknown_region_is_none() {
        assert_eq!(left(&[]).len(), 4);
        assert_eq!(
            left(&[(PROVIDERS, "OpenAI, own")]),
            ["openai ", "own europe-north1"]
        );
        assert_eq!(left(&[(REGIONS, "eu")]), ["bedrock eu-west-1"]);
        assert_eq!(
            left(&[(REGIONS, "ap-northeast-1"), (REGIONS, "europe-north1")]),
            ["bedrock ap-northeast-1", "own europe-north1"]
        );
        assert_eq!(left(&[(REGIONS, "eu"), (PROVIDERS, "openai")]).len(), 0);
    }

    #[test]
    fn what_cant_be_read_is_refused() {
        let many = "a,".repeat(MOST_NAMES) + "a";
        let many: &'static str = many.leak();
        for wrong in ["", "a,,b", "a b", "\u{7}", many] {
            let Ok(value) = axum::http::HeaderValue::from_str(wrong) else {
                continue;
            };
            let headers = HeaderMap::from_iter([(PROVIDERS.parse().unwrap(), value)]);
            let refused: Result<DataPolicy, Error> = DataPolicy::of(&headers);
            assert!(matches!(refused, Err(Error::DataPolicyInvalid)), "{wrong}");
        }
    }
}
