//! The same request twice: an Idempotency-Key names one run, however often and at however many nodes it arrives.

mod store;

use axum::http::HeaderMap;
use chrono::Duration;
use identity::{InferenceCaller, TenantId};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{Error, Gateway, RunId, failure::failure};
use store::Found;

/// How long a key names its run.
const KEPT: Duration = Duration::hours(24);
const LONGEST: usize = 255;

/// A request that may come again.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    key: String,
    fingerprint: Vec<u8>,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing yet: the run of this request is to be remembered.
    New,
    Before(RunId),
}

impl Repeat {
    /// Reads `Idempotency-Key`, quoted or bare; none without it.
    ///
    /// # Errors
    /// `RepeatKeyInvalid`.
    pub(crate) fn of(
        headers: &HeaderMap,
        caller: &InferenceCaller,
        door: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Error> {
        let Some(value) = headers.get("idempotency-key") else {
            return Ok(None);
        };
        let text = value.to_str().map_err(|_| Error::RepeatKeyInvalid)?.trim();
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        if text.is_empty() || text.len() > LONGEST {
            return Err(Error::RepeatKeyInvalid);
        }
        let who = caller
            .principal
            .key
            .map(|key| key.0)
            .or(caller.principal.user.map(|user| user.0));
        let who = who.unwrap_or_default().simple();
        Ok(Some(Self {
            key: format!("{door} {who} {text}"),
            fingerprint: Sha256::digest(body).to_vec(),
        }))
    }

    /// Looks a key up, and locks it to this transaction when it is new: of many at once one starts its run, and the others
    /// wait here until they can be told which. A run that failed in vain, for what may pass, is no answer to keep: the key goes
    /// to the next.
    ///
    /// # Errors
    /// `RepeatKeyReused` when it came with another body.
    pub(crate) async fn look(
        &self,
        conn: &mut PgConnection,
        room: &Gateway,
        caller: &InferenceCaller,
        run: RunId,
    ) -> Result<Known, Error> {
        let now = room.cx.clock.now();
        let tenant = caller.principal.tenant;
        store::forget(conn, tenant, now - KEPT).await?;
        if store::insert(conn, tenant, self, run, now).await? {
            return Ok(Known::New);
        }
        let known = self.find(conn, tenant).await?;
        if !known.failed_for.as_deref().is_some_and(may_pass) {
            return Ok(Known::Before(known.run));
        }
        // of several retries at once one frees the key, and the others wait for it here and find its run
        store::free(conn, tenant, &self.key, known.run).await?;
        if store::insert(conn, tenant, self, run, now).await? {
            return Ok(Known::New);
        }
        Ok(Known::Before(self.find(conn, tenant).await?.run))
    }

    async fn find(&self, conn: &mut PgConnection, tenant: TenantId) -> Result<Found, Error> {
        let found = store::find(conn, tenant, &self.key).await?;
        let found = found.ok_or(Error::RunNotFound)?;
        if found.fingerprint != self.fingerprint {
            return Err(Error::RepeatKeyReused);
        }
        Ok(found)
    }
}

/// Whether what failed for this reason may go well another time, which is what the doors answer it with.
fn may_pass(reason: &str) -> bool {
    matches!(failure(reason).status.as_u16(), 429 | 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_itself_is_not_asked_again() {
        for (reason, again) in [
            ("upstream_busy", true),
            ("upstream_unavailable", true),
            ("line_full", true),
            ("upstream_failed", true),
            ("upstream_stalled", true),
            ("deadline", true),
            ("node_lost", true),
            ("upstream_refused", false),
            ("stopped", false),
        ] {
            assert_eq!(may_pass(reason), again, "{reason}");
        }
    }
}
