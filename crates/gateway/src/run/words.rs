//! The words of runs, sealed for the one place where they stand: a row that is put elsewhere, or given to another tenant, does
//! not open there.

use std::fmt;

use identity::TenantId;
use seal::Vault;
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Event, EventKind, RunId};
use crate::Error;

/// Which words of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// What the history shows of the request.
    Asked,
    /// The whole answer.
    Answered,
    /// What one event says.
    Event(i32),
    /// What a response repeats of its request.
    Card,
    /// What was said up to a response.
    Conversation,
    /// What a job would ask again.
    Again,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("asked"),
            Self::Answered => f.write_str("answered"),
            Self::Event(seq) => write!(f, "event {seq}"),
            Self::Card => f.write_str("card"),
            Self::Conversation => f.write_str("conversation"),
            Self::Again => f.write_str("again"),
        }
    }
}

/// Where words stand, and alone open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) run: RunId,
    pub(crate) part: Part,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, run, part } = self;
        write!(f, "gateway.run:{}:{}:{part}", tenant.0, run.0)
    }
}

impl Place {
    pub(crate) const fn new(tenant: TenantId, run: RunId, part: Part) -> Self {
        Self { tenant, run, part }
    }

    pub(crate) fn seal(self, vault: &Vault, words: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vault.seal(&self.to_string(), words)?)
    }

    pub(crate) fn seal_json(self, vault: &Vault, words: &impl Serialize) -> Result<Vec<u8>, Error> {
        let words = serde_json::to_vec(words)
            .map_err(|error| kernel::Fault::internal("words can't be written down", error))?;
        self.seal(vault, &words)
    }

    pub(crate) fn open(self, vault: &Vault, sealed: &[u8]) -> Result<String, Unopened> {
        let opened = vault
            .open(&self.to_string(), sealed)
            .map_err(|error| self.closed(&error))?;
        let text = std::str::from_utf8(opened.expose_secret());
        text.map(str::to_owned).map_err(|error| self.closed(&error))
    }

    pub(crate) fn open_json<T: DeserializeOwned>(
        self,
        vault: &Vault,
        sealed: &[u8],
    ) -> Result<T, Unopened> {
        let opened = vault
            .open(&self.to_string(), sealed)
            .map_err(|error| self.closed(&error))?;
        serde_json::from_slice(opened.expose_secret()).map_err(|error| self.closed(&error))
    }

    fn closed(self, error: &dyn std::error::Error) -> Unopened {
        metrics::counter!("gateway_texts_closed_total").increment(1);
        tracing::error!(run = %self.run, part = %self.part, %error, "words of a run don't open");
        Unopened
    }
}

/// Words that are here and don't open: their key is not among ours, or the row is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unopened;

impl From<Unopened> for Error {
    fn from(Unopened: Unopened) -> Self {
        Self::TextClosed
    }
}

/// A run whose words may be written has to have a key to seal them with.
pub(crate) fn require_key(vault: &Vault) -> Result<(), Error> {
    vault.prefix()?;
    Ok(())
}

/// An event as it is written: what it says stands apart, sealed.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) seq: i32,
    pub(super) kind: EventKind,
    pub(super) data: Value,
    pub(super) sealed: Option<Vec<u8>>,
}

impl Line {
    pub(super) fn of(
        vault: &Vault,
        (run, tenant): (RunId, TenantId),
        event: &Event,
    ) -> Result<Self, Error> {
        let Event { seq, kind, data } = event;
        let place = Place::new(tenant, run, Part::Event(*seq));
        let (data, sealed) = if *kind == EventKind::Delta {
            let sealed = place.seal_json(vault, data)?;
            (Value::Object(serde_json::Map::new()), Some(sealed))
        } else {
            (data.clone(), None)
        };
        Ok(Self {
            seq: *seq,
            kind: *kind,
            data,
            sealed,
        })
    }

    pub(super) fn open(
        self,
        vault: &Vault,
        run: RunId,
        tenant: TenantId,
    ) -> Result<Event, Unopened> {
        let place = Place::new(tenant, run, Part::Event(self.seq));
        Ok(Event {
            seq: self.seq,
            kind: self.kind,
            data: match self.sealed {
                Some(sealed) => place.open_json(vault, &sealed)?,
                None => self.data,
            },
        })
    }
}

/// An answer as it is written; none where nothing was said.
pub(super) fn seal_answer(
    vault: &Vault,
    (run, tenant): (RunId, TenantId),
    text: &str,
) -> Result<Option<Vec<u8>>, Error> {
    let place = Place::new(tenant, run, Part::Answered);
    (!text.is_empty())
        .then(|| place.seal(vault, text.as_bytes()))
        .transpose()
}

/// An answer as it was written: sealed, or before there was sealing.
pub(super) fn open_answer(
    vault: &Vault,
    (run, tenant): (RunId, TenantId),
    sealed: Option<&[u8]>,
    before: String,
) -> Result<String, Unopened> {
    match sealed {
        Some(sealed) => Place::new(tenant, run, Part::Answered).open(vault, sealed),
        None => Ok(before),
    }
}
