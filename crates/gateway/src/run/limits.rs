//! What a run may cost at most, said before it begins.

use chrono::{DateTime, Utc};
use kernel::NanoUsd;
use llm::{
    ChatRequest, Usage,
    tokens::{self, Vocabulary},
};

use crate::{
    Error, Target,
    route::{Choice, Kind},
};

/// The most tokens of an answer whose caller names no limit. Vendors' clients name none, and count on all that a model can.
const MOST: u32 = 4_096;
/// The same at workers, whose small models' windows hold it beside the question.
const MOST_OF_WORKERS: u32 = 1_024;
/// What is left of a window however long the question is: whether that fits is the provider's to say.
const LEAST: u32 = 256;

/// The most tokens of an answer whose caller names no limit: what fits into every target.
fn usual(targets: &[Target], request: &ChatRequest) -> u32 {
    let fits = |target: &Target| match (target.window, target.kind) {
        (Some(window), _) => {
            let asked = tokens::count_request(request, Vocabulary::of(&target.model));
            let left = u64::from(window).saturating_sub(at_most(asked));
            u32::try_from(left).unwrap_or(MOST).clamp(LEAST, MOST)
        }
        (None, Kind::RunPod | Kind::RunPodText) => MOST_OF_WORKERS,
        (None, _) => MOST,
    };
    targets.iter().map(fits).min().unwrap_or(MOST)
}

/// A provider's own count of what it reads may be higher than ours by a fifth.
const fn at_most(input: u64) -> u64 {
    input.saturating_add(input.div_ceil(5)).saturating_add(16)
}

/// What a request is thought to read and may write, and what that costs at the dearest of its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: NanoUsd,
}

/// The upper bound of a request.
pub(crate) fn bound(targets: &[Target], request: &ChatRequest) -> Bound {
    let counts = targets
        .iter()
        .map(|target| tokens::count_request(request, Vocabulary::of(&target.model)));
    let input = counts.max().unwrap_or(0);
    let output = u64::from(asked_for(targets, request));
    Bound {
        input,
        output,
        cost: dearest(targets, input, output),
    }
}

/// The most tokens of an answer, as its caller says or as is usual, and as every target takes it.
pub(super) fn asked_for(targets: &[Target], request: &ChatRequest) -> u32 {
    let open = || usual(targets, request);
    let asked = request.max_tokens.unwrap_or_else(open);
    asked.max(least(targets))
}

/// The fewest tokens that the answer of each of the targets may be held to.
fn least(targets: &[Target]) -> u32 {
    let least = targets.iter().map(|target| target.api.least_tokens());
    least.max().unwrap_or(1)
}

/// Says of each target what a request may cost there, for those who choose by that.
pub(crate) fn weigh(targets: &mut [Target], request: &ChatRequest, now: DateTime<Utc>) {
    let output = u64::from(asked_for(targets, request));
    for target in targets {
        if target.choice == Choice::Cheap {
            let usage = Usage {
                input: tokens::count_request(request, Vocabulary::of(&target.model)),
                output,
                ..Usage::default()
            };
            target.weigh(usage, now);
        }
    }
}

fn dearest(targets: &[Target], input: u64, output: u64) -> NanoUsd {
    let read = Usage {
        input: at_most(input),
        output,
        ..Usage::default()
    };
    // a provider may put all that it reads into its cache, which may cost more
    let kept = Usage {
        written: read.input,
        ..read
    };
    let costs = targets
        .iter()
        .flat_map(|target| [read, kept].map(|usage| target.price.of(usage)));
    costs.max().unwrap_or(NanoUsd(0))
}

/// Holds a request to the most that it may cost: an answer whose length was left open is cut to what that allows.
///
/// # Errors
/// `CostAboveLimit` when what was asked for does not fit, or not even the shortest answer.
pub(super) fn keep_to(
    targets: &[Target],
    request: &mut ChatRequest,
    most: Option<NanoUsd>,
) -> Result<(), Error> {
    let Some(most) = most else {
        return Ok(());
    };
    let asked = bound(targets, request);
    if asked.cost <= most {
        return Ok(());
    }
    let fits = |output: u32| dearest(targets, asked.input, u64::from(output)) <= most;
    let least = least(targets);
    if request.max_tokens.is_some() || !fits(least) {
        return Err(Error::CostAboveLimit {
            bound: asked.cost,
            most,
        });
    }
    // the most tokens that fit, by halving
    let (mut fitting, mut above) = (least, usual(targets, request));
    while above - fitting > 1 {
        let middle = fitting + (above - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            above = middle;
        }
    }
    request.max_tokens = Some(fitting);
    Ok(())
}

#[cfg(test)]
mod tests {
    use llm::Message;

    use super::*;
    use crate::Price;

    fn request(max_tokens: Option<u32>) -> ChatRequest {
        ChatRequest {
            messages: vec![Message::user("こんばんは")],
            max_tokens,
            ..ChatRequest::default()
        }
    }

    fn target(output: i64) -> Target {
        Target {
            price: Price {
                input: NanoUsd(1_000),
                output: NanoUsd(output),
                ..Price::default()
            },
            ..Target::default()
        }
    }

    #[test]
    fn the_shortest_answer_that_a_target_takes_is_what_is_set_aside() {
        let thinks = Target {
            api: crate::route::Api::Responses,
            ..target(1_000_000)
        };
        let targets = [target(1_000_000), thinks];
        let output = |asked| bound(&targets, &request(Some(asked))).output;
        assert_eq!((output(1), output(16), output(17)), (16, 16, 17));
        assert_eq!(bound(&targets[..1], &request(Some(1))).output, 1);
        // what fits only shorter ones fits none
        let most = bound(&targets, &request(Some(15))).cost;
        let mut open = request(None);
        assert!(keep_to(&targets, &mut open, Some(most)).is_ok());
        assert_eq!(open.max_tokens, Some(16));
        let less = Some(NanoUsd(most.0 - 1));
        assert!(keep_to(&targets, &mut request(None), less).is_err());
    }

    #[test]
    fn the_bound_is_the_dearest_targets() {
        let request = request(Some(1_000));
        let cheap = bound(&[target(1_000)], &request).cost;
        let both = bound(&[target(1_000), target(5_000)], &request).cost;
        assert_eq!(
            both.0 - cheap.0,
            4_000,
            "a thousand tokens of the dearer one"
        );
        assert!(cheap.0 > 1_000, "what is read costs too");
    }

    #[test]
    fn an_open_length_has_the_room_of_the_narrowest_target() {
        let worker = Target {
            kind: Kind::RunPod,
            ..target(1_000)
        };
        let windowed = |window| Target {
            window: Some(window),
            ..worker.clone()
        };
        let asked = u32::try_from(at_most(bound(&[target(1)], &request(None)).input)).unwrap();
        for (targets, tokens) in [
            (vec![target(1_000)], 4_096),
            (vec![target(1_000), worker.clone()], 1_024),
            (vec![windowed(100_000)], 4_096),
            (vec![target(1_000), windowed(2_000)], 2_000 - asked),
            (vec![windowed(260)], 256),
            (vec![worker], 1_024),
        ] {
            assert_eq!(usual(&targets, &request(None)), tokens);
            assert_eq!(bound(&targets, &request(None)).output, u64::from(tokens));
        }
    }

    #[test]
    fn an_open_length_is_cut_to_the_cost_and_a_given_one_is_refused() {
        let targets = [target(1_000_000)];
        let mut open = request(None);
        keep_to(&targets, &mut open, Some(NanoUsd(300_000))).unwrap();
        let cut = open.max_tokens.unwrap();
        assert!(bound(&targets, &open).cost.0 <= 300_000);
        open.max_tokens = Some(cut + 1);
        assert!(
            bound(&targets, &open).cost.0 > 300_000,
            "not one token less than allowed"
        );
        for (max_tokens, most) in [(Some(1_000), 300_000), (None, 900)] {
            let refused = keep_to(&targets, &mut request(max_tokens), Some(NanoUsd(most)));
            assert!(
                matches!(refused, Err(Error::CostAboveLimit { .. })),
                "{most}"
            );
        }
        let mut free = request(None);
        keep_to(&targets, &mut free, None).unwrap();
        assert_eq!(free.max_tokens, None, "nothing is cut without a limit");
    }
}
