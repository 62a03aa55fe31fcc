//! What of a request a target is told. Models that think take no sampling, others know no effort, and all refuse what they
//! don't know.

use std::{borrow::Cow, time::Duration};

use llm::{ChatRequest, Effort};

use crate::{Target, route::Kind};

/// How long a model that thinks may be silent before its first word, as the vendors' own clients wait.
const THOUGHT: Duration = Duration::from_mins(10);

/// The request as this target takes it: what only colours an answer is left out where it would be refused.
pub(super) fn suited<'a>(target: &Target, request: &'a ChatRequest) -> Cow<'a, ChatRequest> {
    let effort = target.effort.map(|usual| request.effort.unwrap_or(usual));
    let has_sampling = request.temperature.is_some() || request.top_p.is_some();
    let drops_sampling = has_sampling && !samples(target, request);
    // one that isn't known to think may refuse to tell what it thinks
    let display = request.display.filter(|_| thinks(target, request));
    if effort == request.effort && display == request.display && !drops_sampling {
        return Cow::Borrowed(request);
    }
    let mut suited = request.clone();
    (suited.effort, suited.display) = (effort, display);
    if drops_sampling {
        (suited.temperature, suited.top_p) = (None, None);
    }
    Cow::Owned(suited)
}

/// Whether a model thinks before it answers this, which may take minutes in which nothing is heard of it.
fn thinks(target: &Target, request: &ChatRequest) -> bool {
    let effort = target.effort.map(|usual| request.effort.unwrap_or(usual));
    effort.is_some_and(|effort| effort != Effort::None)
}

/// How long the first word of a target may take.
pub(crate) fn patience(target: &Target, request: &ChatRequest, usual: Duration) -> Duration {
    let usual = target.start.unwrap_or(usual);
    if thinks(target, request) {
        usual.max(THOUGHT)
    } else {
        usual
    }
}

/// Whether a target may be told how freely to choose. OpenAI's models may only where they don't think.
///
/// Source: <https://developers.openai.com/api/docs/guides/latest-model>.
fn samples(target: &Target, request: &ChatRequest) -> bool {
    !(target.fixed_sampling || target.kind == Kind::OpenAi && thinks(target, request))
}

/// Whether a server is OpenAI's own or Azure's, where the limit of an answer is called `max_completion_tokens`: models that think
/// refuse the older name there. Other servers know the older one alone.
///
/// Source: <https://platform.openai.com/docs/api-reference/chat/create>.
pub(super) fn counts_completions(base_url: &str) -> bool {
    // most servers are neither, and need not be taken apart for each call
    if !base_url.to_ascii_lowercase().contains("openai") {
        return false;
    }
    let url = reqwest::Url::parse(base_url).ok();
    let host = url.as_ref().and_then(|url| url.host_str());
    host.is_some_and(|host| {
        host == "api.openai.com"
            || host.ends_with(".api.openai.com")
            || host.ends_with(".openai.azure.com")
    })
}

/// Whether a target is handed back what was told beside calls (`extra_content`): Google's models refuse a call without the
/// `thought_signature` that they gave it, while OpenAI and others refuse a field that they don't know. It is known by the model's name,
/// since these models are had through others' servers too, or by the address.
///
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
pub(super) fn signs_calls(target: &Target) -> bool {
    if target.model.to_ascii_lowercase().contains("gemini") {
        return true;
    }
    let url = reqwest::Url::parse(&target.base_url).ok();
    let host = url.as_ref().and_then(|url| url.host_str());
    host.is_some_and(|host| host.ends_with(".googleapis.com"))
}

#[cfg(test)]
mod tests {
    use llm::ThinkingDisplay;

    use super::*;

    fn target(kind: Kind, effort: Option<Effort>, fixed_sampling: bool) -> Target {
        Target {
            kind,
            effort,
            fixed_sampling,
            ..Target::default()
        }
    }

    fn asked(effort: Option<Effort>) -> ChatRequest {
        ChatRequest {
            effort,
            temperature: Some(0.5),
            top_p: Some(0.9),
            ..ChatRequest::default()
        }
    }

    #[test]
    fn a_target_is_told_of_effort_only_where_it_knows_it() {
        let low = Some(Effort::Low);
        let told =
            |usual, wish| suited(&target(Kind::Anthropic, usual, false), &asked(wish)).effort;
        assert_eq!(told(None, None), None);
        assert_eq!(told(None, low), None);
        assert_eq!(told(low, None), low);
        assert_eq!(told(low, Some(Effort::Max)), Some(Effort::Max));
    }

    #[test]
    fn sampling_is_left_out_where_it_would_be_refused() {
        let told = |kind, effort, fixed| {
            let suited = suited(&target(kind, effort, fixed), &asked(None)).into_owned();
            (suited.temperature.is_some(), suited.top_p.is_some())
        };
        assert_eq!(told(Kind::OpenAi, None, false), (true, true));
        assert_eq!(told(Kind::OpenAi, Some(Effort::None), false), (true, true));
        assert_eq!(told(Kind::OpenAi, Some(Effort::Low), false), (false, false));
        assert_eq!(
            told(Kind::Anthropic, Some(Effort::Low), false),
            (true, true)
        );
        assert_eq!(told(Kind::Anthropic, None, true), (false, false));
        assert_eq!(told(Kind::Bedrock, None, true), (false, false));
    }

    #[test]
    fn who_thinks_is_known_by_target_and_caller() {
        let low = Some(Effort::Low);
        let none = Some(Effort::None);
        let thinks = |usual, wish| thinks(&target(Kind::OpenAi, usual, false), &asked(wish));
        assert!(thinks(low, None) && thinks(none, low));
        assert!(!thinks(None, low) && !thinks(none, None) && !thinks(low, none));
    }

    #[test]
    fn who_does_not_think_is_not_asked_what_it_thinks() {
        let wish = |effort| ChatRequest {
            display: Some(ThinkingDisplay::Auto),
            ..asked(effort)
        };
        let told = |usual, effort| {
            let target = target(Kind::Anthropic, usual, false);
            suited(&target, &wish(effort)).display.is_some()
        };
        let (low, none) = (Some(Effort::Low), Some(Effort::None));
        assert!(told(low, None) && told(none, low));
        assert!(!told(None, low) && !told(low, none) && !told(none, None));
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let request = asked(None);
        let same = suited(&target(Kind::OpenAi, None, false), &request);
        assert!(matches!(same, Cow::Borrowed(_)));
    }

    #[test]
    fn googles_models_alone_are_handed_back_what_they_told_beside_calls() {
        for (model, base_url, signs) in [
            ("google/Gemini-3-pro", "https://openrouter.ai/api/v1", true),
            (
                "tuned",
                "https://generativelanguage.googleapis.com/v1beta/openai",
                true,
            ),
            ("gpt-6", "https://api.openai.com/v1", false),
            ("m", "https://googleapis.com.example/v1", false),
            ("m", "no address", false),
        ] {
            let target = Target {
                model: model.to_owned(),
                base_url: base_url.to_owned(),
                ..Target::default()
            };
            assert_eq!(signs_calls(&target), signs, "{model} at {base_url}");
        }
    }

    #[test]
    fn the_limit_has_its_newer_name_at_openai_and_azure_alone() {
        for (url, newer) in [
            ("https://api.openai.com/v1", true),
            ("https://eu.api.openai.com/v1/", true),
            ("https://house.openai.azure.com/openai/v1", true),
            ("https://API.OpenAI.com/v1", true),
            ("https://api.together.xyz/v1", false),
            ("http://127.0.0.1:8080/v1", false),
            ("https://api.openai.com.example/v1", false),
            ("no address", false),
        ] {
            assert_eq!(counts_completions(url), newer, "{url}");
        }
    }
}
