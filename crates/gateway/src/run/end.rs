use entitlement::{Outcome, Settled, Usage, settle};

use super::{
    Event, Tokens, ends,
    event::the_end,
    store::{self, Ending},
    words::{Line, seal_answer},
};
use crate::{Error, Gateway, RunId, State, state::Verdict};

/// A run's end that is written, and what it frees once the transaction has committed.
pub(super) struct Ended {
    event: Event,
    settled: Option<Settled>,
}

impl Ended {
    /// The transaction has committed.
    pub(super) fn done(self) -> Event {
        if let Some(settled) = self.settled {
            settled.done();
        }
        self.event
    }
}

/// Ends a run in the caller's transaction, unless it has ended; of all who try exactly one does.
pub(super) async fn end(
    conn: &mut sqlx::PgConnection,
    room: &Gateway,
    reservation: entitlement::ReservationId,
    ending: &Ending,
) -> Result<Option<Ended>, Error> {
    let (vault, whose) = (room.identity.vault(), (ending.id, ending.tenant));
    let sealed = seal_answer(vault, whose, &ending.output)?;
    let answered = (ending, sealed.as_deref());
    let closed = store::close_all(conn, &[answered], room.cx.clock.now()).await?;
    if closed.is_empty() {
        return Ok(None);
    }
    let event = last_event(ending);
    let line = Line::of(vault, whose, &event)?;
    store::insert_all_events(conn, &[(ending.id, ending.tenant, &line)]).await?;
    let used = usage_of(ending);
    let settled = match settle(conn, &room.entitlement, reservation, &used).await {
        Ok(settled) => Some(settled),
        // it lapsed while we were away, so its units are back already
        Err(entitlement::Error::ReservationClosed) => None,
        Err(error) => return Err(error.into()),
    };
    ends::ended(conn, &room.cx, &[ending], &closed).await?;
    Ok(Some(Ended { event, settled }))
}

/// The event that ends a run.
pub(super) fn last_event(ending: &Ending) -> Event {
    let (state, reason) = (ending.verdict.state(), ending.verdict.reason());
    let bill = (ending.tokens, ending.cost_nano_usd);
    the_end(ending.seq, (state, reason), bill)
}

/// What a run's end says in its usage row.
pub(super) fn usage_of(ending: &Ending) -> Usage {
    Usage {
        amount: i64::from(!ending.is_cached && ending.verdict.is_charged(ending.was_shown)),
        model: ending.model.clone(),
        tokens_in: ending.tokens.input,
        tokens_out: ending.tokens.output,
        cost_nano_usd: ending.cost_nano_usd,
        outcome: match ending.verdict.state() {
            State::Completed => Outcome::Completed,
            State::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        },
    }
}

/// The run that a rescue ends; see [`super::rescue`].
pub(super) fn lost(id: RunId, tenant: identity::TenantId, last_event: i32, model: &str) -> Ending {
    Ending {
        id,
        tenant,
        verdict: Verdict::NodeLost,
        seq: last_event + 1,
        output: String::new(),
        model: model.to_owned(),
        tokens: Tokens::default(),
        cost_nano_usd: 0,
        is_cached: false,
        was_shown: last_event > 0,
        refused_for: None,
        cached_as: None,
    }
}
