use uuid::Uuid;

use crate::Clock;

/// The only source of ids: UUIDv7 (RFC 9562 §5.7) of the injected clock, so that ids sort by time.
#[derive(Clone, Debug)]
pub struct IdSource {
    clock: Clock,
}

impl IdSource {
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// A new id of any kind made by [`id!`](crate::id!).
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        T::from(self.uuid())
    }

    fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        let mut random = [0_u8; 10];
        // without entropy nothing that guards anything works; the time-only id then fails on its constraint
        let _ = getrandom::fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The text is not an id of the expected kind.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected}_ and 32 hexadecimal digits")]
pub struct IdParseError {
    pub expected: &'static str,
}

/// Reads `prefix_<32 lower-case hex digits>`.
pub fn parse_prefixed(prefix: &'static str, text: &str) -> Result<Uuid, IdParseError> {
    let error = IdParseError { expected: prefix };
    let Some(digits) = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
    else {
        return Err(error);
    };
    if digits.len() != 32 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(error);
    }
    Uuid::try_parse(digits).map_err(|_| error)
}

/// Declares a typed id in the room that owns the entity: a native `uuid` in Postgres, `prefix_…` outside.
///
/// The room needs `serde`, `sqlx`, `utoipa` and `uuid`.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub ::uuid::Uuid);

        impl From<::uuid::Uuid> for $name {
            fn from(id: ::uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::IdParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::parse_prefixed($prefix, text).map(Self)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                ::utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-9a-f]{32}$")))
                    .into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_refuse_other_kinds() {
        let id: Uuid = IdSource::new(Clock::system()).new_id();
        let text = format!("run_{}", id.simple());
        assert_eq!(parse_prefixed("run", &text).unwrap(), id);
        for bad in [
            "",
            "run",
            "run_",
            "chat_0190",
            &text.to_uppercase(),
            &format!("{text}0"),
            "run_\u{0}",
        ] {
            assert!(parse_prefixed("run", bad).is_err(), "{bad:?}");
        }
        assert!(parse_prefixed("chat", &text).is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let manual = crate::ManualClock::starting_at(chrono::DateTime::UNIX_EPOCH);
        let ids = IdSource::new(manual.clock());
        let first: Uuid = ids.new_id();
        manual.advance(chrono::Duration::milliseconds(1));
        assert!(ids.new_id::<Uuid>() > first);
    }
}
