//! Answers and vectors that are given again: for whoever asks for it, of its own tenant, until they are too old. What is
//! given again costs nothing and is marked.

mod store;
mod vector;

use axum::http::{HeaderMap, HeaderValue, header::HeaderName};
use chrono::{DateTime, Duration, Utc};
use db::Scope;
use identity::TenantId;
use llm::ChatRequest;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{Error, Gateway, RunId, Target};

pub(crate) use vector::Known;

/// How long something is kept at most.
const KEPT: Duration = Duration::days(7);
/// What a caller says what it wants by, and is told what it got by.
const NAME: HeaderName = HeaderName::from_static("x-noren-cache");

/// What a caller wants of the cache; nothing unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    pub reads: bool,
    pub writes: bool,
    /// Nothing older is wanted.
    pub max_age: Option<Duration>,
}

impl CacheUse {
    pub const ON: Self = Self {
        reads: true,
        writes: true,
        max_age: None,
    };

    /// Reads `X-Noren-Cache: on|read|write|off`, with `; max-age=SECONDS` where wanted.
    ///
    /// # Errors
    /// `CacheUseInvalid`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let Some(value) = headers.get(&NAME) else {
            return Ok(Self::default());
        };
        let text = value.to_str().map_err(|_| Error::CacheUseInvalid)?;
        Self::parse(text).ok_or(Error::CacheUseInvalid)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let mut parts = text.split([';', ',']).map(str::trim);
        let mut wanted = match parts.next()? {
            "on" => Self::ON,
            "read" => Self {
                writes: false,
                ..Self::ON
            },
            "write" => Self {
                reads: false,
                ..Self::ON
            },
            "off" => Self::default(),
            _ => return None,
        };
        for part in parts {
            let seconds: u32 = part.strip_prefix("max-age=")?.trim().parse().ok()?;
            wanted.max_age = Some(Duration::seconds(seconds.into()));
        }
        Some(wanted)
    }

    /// What it comes to where nothing is kept.
    pub(crate) fn where_kept(self, is_kept: bool) -> Self {
        if is_kept { self } else { Self::default() }
    }

    fn longest(self) -> Duration {
        self.max_age.map_or(KEPT, |age| age.min(KEPT))
    }
}

/// How much of an answer was given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    All,
    Some,
    None,
}

impl Cached {
    /// Tells whoever asked for it.
    pub(crate) fn mark(self, headers: &mut HeaderMap) {
        let word = match self {
            Self::All => "hit",
            Self::Some => "partial",
            Self::None => "miss",
        };
        headers.insert(NAME, HeaderValue::from_static(word));
    }
}

/// Under which an answer is found again: who answers, and everything that was asked. Whether it is wanted piece by piece
/// makes no other answer.
pub(crate) fn key_of_answer(
    target: &Target,
    request: &ChatRequest,
) -> Result<Vec<u8>, serde_json::Error> {
    let request = ChatRequest {
        model: target.model.clone(),
        stream: false,
        ..request.clone()
    };
    let mut hash = begin(b"answer 1", target);
    hash.update(serde_json::to_vec(&request)?);
    Ok(hash.finalize().to_vec())
}

/// Each part with its length, so that no two stand for one.
fn begin(what: &[u8], target: &Target) -> Sha256 {
    let name = target.name();
    let mut hash = Sha256::new();
    for part in [
        what,
        target.kind.as_str().as_bytes(),
        target.region.as_bytes(),
        name.as_bytes(),
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash
}

fn scope(tenant: TenantId) -> Scope {
    Scope::Tenant {
        tenant: tenant.0,
        user: None,
    }
}

/// The run that this target answered when the tenant asked the same before.
pub(crate) async fn find(
    conn: &mut PgConnection,
    (tenant, wanted, now): (TenantId, CacheUse, DateTime<Utc>),
    (target, request): (&Target, &ChatRequest),
) -> Result<Option<RunId>, Error> {
    let key = key_of_answer(target, request).map_err(unwritten)?;
    Ok(store::answer(conn, tenant, &key, now - wanted.longest()).await?)
}

/// Keeps the answers of runs under their keys, where the rules of their API keys and tenants let texts stay.
pub(crate) async fn keep(
    conn: &mut PgConnection,
    answers: &[(RunId, &[u8])],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if answers.is_empty() {
        return Ok(());
    }
    store::keep_answers(conn, answers, now).await
}

fn unwritten(error: serde_json::Error) -> Error {
    kernel::Fault::internal("a request can't be written down", error).into()
}

/// Removes what is too old, at most `most` of each kind.
///
/// # Errors
/// When the database is away.
pub async fn forget_cached(room: &Gateway, most: i64) -> Result<u64, Error> {
    let before = room.cx.clock.now() - KEPT;
    let mut tx = room.cx.db.begin(Scope::House("an old cache")).await?;
    let gone = store::forget(&mut tx, before, most).await?;
    tx.commit().await?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use llm::Message;

    use super::*;

    #[test]
    fn a_caller_says_what_it_wants() {
        let hour = Some(Duration::hours(1));
        for (text, reads, writes, max_age) in [
            ("on", true, true, None),
            ("READ", true, false, None),
            ("write", false, true, None),
            ("off", false, false, None),
            ("on; max-age=3600", true, true, hour),
            ("read,max-age=3600", true, false, hour),
        ] {
            let wanted = CacheUse {
                reads,
                writes,
                max_age,
            };
            assert_eq!(CacheUse::parse(text), Some(wanted), "{text}");
        }
        for text in [
            "",
            "yes",
            "on; max-age=",
            "on; max-age=-1",
            "on; s-maxage=1",
            "on;",
        ] {
            assert_eq!(CacheUse::parse(text), None, "{text}");
        }
        let years = CacheUse::parse("on; max-age=4000000000").map(CacheUse::longest);
        assert_eq!(years, Some(KEPT));
    }

    fn target(model: &str) -> Target {
        Target {
            provider: "here".to_owned(),
            model: model.to_owned(),
            ..Target::default()
        }
    }

    #[test]
    fn whatever_changes_an_answer_changes_its_key() {
        let asked = ChatRequest {
            messages: vec![Message::user("こんばんは")],
            ..ChatRequest::default()
        };
        let key = |target: &Target, request: &ChatRequest| key_of_answer(target, request).unwrap();
        let first = key(&target("a"), &asked);
        let streamed = ChatRequest {
            stream: true,
            model: "by another name".to_owned(),
            ..asked.clone()
        };
        assert_eq!(key(&target("a"), &streamed), first);
        let others = [
            ChatRequest {
                temperature: Some(0.0),
                ..asked.clone()
            },
            ChatRequest {
                seed: Some(1),
                ..asked.clone()
            },
            ChatRequest {
                max_tokens: Some(5),
                ..asked.clone()
            },
            ChatRequest {
                messages: vec![Message::system("こんばんは")],
                ..asked.clone()
            },
        ];
        assert!(others.iter().all(|other| key(&target("a"), other) != first));
        assert_ne!(key(&target("b"), &asked), first);
    }
}
