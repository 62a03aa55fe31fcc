use entitlement::plan_of;
use identity::InferenceCaller;
use serde::Serialize;

use super::{Ask, bound, way, weigh};
use crate::{Error, Gateway};

/// What a request would cost at most.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Quote {
    /// The public name.
    model: String,
    /// The provider's own name of the model that would be asked first.
    target_model: String,
    /// As we count; the provider's own count is what is billed.
    input_tokens: u64,
    max_output_tokens: u64,
    /// Billionths of a US dollar, at the dearest of the models that may answer.
    cost_upper_bound_nano_usd: i64,
    units: QuotedUnits,
}

/// What it would take of the plan.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct QuotedUnits {
    unit: String,
    amount: i64,
}

/// Tells what a request would cost at most; reserves nothing.
///
/// # Errors
/// As starting it, but for limits that are used up.
pub(crate) async fn quote(
    room: &Gateway,
    caller: &InferenceCaller,
    ask: &Ask,
) -> Result<Quote, Error> {
    let standing = {
        let catalogue = room.entitlement.catalogue.now();
        let mut tx = room.cx.db.begin(caller.principal.scope()).await?;
        let now = room.cx.clock.now();
        let standing = plan_of(
            &mut tx,
            &catalogue,
            caller.principal,
            &caller.storefront,
            now,
        )
        .await?;
        tx.commit().await?;
        standing
    };
    let (model, mut targets) = way(room, caller, &standing.plan, &ask.way()).await?;
    let bound = bound(&targets, &ask.request);
    weigh(&mut targets, &ask.request, room.cx.clock.now());
    let first = targets
        .iter()
        .min_by_key(|target| (target.rank, target.weight == 0, target.dear));
    Ok(Quote {
        target_model: first.map(|target| target.model.clone()).unwrap_or_default(),
        model,
        input_tokens: bound.input,
        max_output_tokens: bound.output,
        cost_upper_bound_nano_usd: bound.cost.0,
        units: QuotedUnits {
            unit: ask.purpose.clone(),
            amount: 1,
        },
    })
}
