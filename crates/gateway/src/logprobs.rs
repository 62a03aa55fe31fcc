//! Which targets tell how likely each token was. One that can't is not asked, rather than answer without a word of it.

use llm::ChatRequest;

use crate::{
    Error,
    route::{Api, Kind, Target},
};

/// Takes out the targets that can't tell what the request asks of its tokens.
///
/// # Errors
/// `LogprobsUntold` when none is left.
pub(crate) fn keep(
    targets: &mut Vec<Target>,
    route: &str,
    request: &ChatRequest,
) -> Result<(), Error> {
    if request.logprobs.is_none() {
        return Ok(());
    }
    targets.retain(|target| target.kind == Kind::OpenAi && target.api == Api::Chat);
    if targets.is_empty() {
        return Err(Error::LogprobsUntold(route.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chats_by_the_protocol_of_openai_tell_of_their_tokens() {
        let all = [
            (Kind::OpenAi, Api::Chat),
            (Kind::OpenAi, Api::Responses),
            (Kind::Anthropic, Api::Chat),
            (Kind::Bedrock, Api::Chat),
            (Kind::RunPod, Api::Chat),
        ];
        let targets = all.map(|(kind, api)| Target {
            kind,
            api,
            ..Target::default()
        });
        let asked = |logprobs, mut targets: Vec<Target>| {
            let request = ChatRequest {
                logprobs,
                ..ChatRequest::default()
            };
            keep(&mut targets, "m", &request).map(|()| targets.len())
        };
        assert_eq!(asked(None, targets.to_vec()).unwrap(), 5);
        assert_eq!(asked(Some(0), targets.to_vec()).unwrap(), 1);
        let refused = asked(Some(0), targets[1..].to_vec());
        assert!(matches!(refused, Err(Error::LogprobsUntold(route)) if route == "m"));
    }
}
