//! Which targets answer where nothing is said. OpenAI's protocol takes messages without a word; Claude refuses them, and is not asked.

use llm::ChatRequest;

use crate::{
    Error,
    route::{Kind, Target},
};

/// Takes out the targets that need something to answer, where there is nothing.
///
/// # Errors
/// `NothingSaid` when none is left.
pub(crate) fn keep(
    targets: &mut Vec<Target>,
    route: &str,
    request: &ChatRequest,
) -> Result<(), Error> {
    if !request.says_nothing() {
        return Ok(());
    }
    targets.retain(|target| !matches!(target.kind, Kind::Anthropic | Kind::Bedrock));
    if targets.is_empty() {
        return Err(Error::NothingSaid(route.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use llm::Message;

    use super::*;

    #[test]
    fn who_has_nothing_to_answer_is_asked_only_where_that_is_taken() {
        let target = |kind| Target {
            kind,
            ..Target::default()
        };
        let asked = |kinds: &[Kind], words: &str| {
            let request = ChatRequest {
                messages: vec![Message::system(""), Message::user(words)],
                ..ChatRequest::default()
            };
            let mut targets = kinds.iter().copied().map(target).collect();
            keep(&mut targets, "m", &request).map(|()| targets.len())
        };
        let all = [Kind::OpenAi, Kind::Anthropic, Kind::Bedrock];
        assert_eq!(asked(&all, "a").unwrap(), 3);
        assert_eq!(asked(&all, " \n").unwrap(), 1);
        let refused = asked(&all[1..], "");
        assert!(matches!(refused, Err(Error::NothingSaid(route)) if route == "m"));
    }
}
