//! Where an answer is cut here, since its target can't be told to stop there.

use futures::{StreamExt, stream};
use llm::{ChatRequest, Stops, StreamEvent, anthropic};

use super::{Events, Trouble};
use crate::{
    Target,
    route::{Api, Kind},
};

/// The stop sequences that a target is not told: the Responses API has none, and Claude takes none of white space alone.
pub(super) fn untold(target: &Target, request: &ChatRequest) -> Vec<String> {
    let is_untold = |one: &&String| match target.kind {
        Kind::OpenAi => target.api == Api::Responses,
        Kind::Anthropic | Kind::Bedrock => anthropic::is_blank(one),
        Kind::RunPod | Kind::RunPodText => false,
    };
    request.stop.iter().filter(is_untold).cloned().collect()
}

/// Ends what is heard where it was asked to stop.
pub(super) fn until(sequences: &[String], events: Events) -> Events {
    if sequences.is_empty() {
        return events;
    }
    let mut stops = Stops::new(sequences);
    let heard = move |event: Result<StreamEvent, Trouble>| {
        let (heard, trouble) = match event {
            Ok(event) => (stops.take(event), None),
            Err(trouble) => (stops.break_off(), Some(trouble)),
        };
        let trouble = trouble.filter(|_| !stops.has_stopped()).map(Err);
        stream::iter(heard.into_iter().map(Ok).chain(trouble))
    };
    events.flat_map(heard).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_target_is_not_told_is_cut_here() {
        let request = ChatRequest {
            stop: ["\n", "END", "\u{3000}"].map(str::to_owned).to_vec(),
            ..ChatRequest::default()
        };
        for (kind, api, cut) in [
            (Kind::OpenAi, Api::Chat, &[] as &[&str]),
            (Kind::OpenAi, Api::Responses, &["\n", "END", "\u{3000}"]),
            (Kind::Anthropic, Api::Chat, &["\n", "\u{3000}"]),
            (Kind::Bedrock, Api::Chat, &["\n", "\u{3000}"]),
            (Kind::RunPod, Api::Chat, &[]),
        ] {
            let target = Target {
                kind,
                api,
                ..Target::default()
            };
            assert_eq!(untold(&target, &request), cut, "{kind:?}");
        }
    }
}
