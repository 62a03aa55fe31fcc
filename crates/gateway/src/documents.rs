//! Which targets can read the documents of a request. One that can't is not asked, not even instead of another.

use llm::{ChatRequest, Document, DocumentSource, Message};

use crate::{
    Error,
    route::{Api, Kind, Target},
};

/// The most documents of one message at Bedrock, and the largest of them, in bytes
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html>).
const MOST_AT_BEDROCK: usize = 5;
const LARGEST_AT_BEDROCK: usize = 4_500_000;

/// Takes out the targets that can't read the documents of a request.
///
/// # Errors
/// `DocumentsUnreadable` when none is left.
pub(crate) fn keep(
    targets: &mut Vec<Target>,
    route: &str,
    request: &ChatRequest,
) -> Result<(), Error> {
    targets.retain(|target| can_read(target, request));
    if targets.is_empty() {
        return Err(Error::DocumentsUnreadable(route.to_owned()));
    }
    Ok(())
}

/// Whether a target can read the documents of a request.
pub(crate) fn can_read(target: &Target, request: &ChatRequest) -> bool {
    let all = |can: &dyn Fn(&Document) -> bool| {
        let mut documents = request.messages.iter().flat_map(Message::documents);
        documents.all(can)
    };
    match target.kind {
        Kind::Anthropic => all(&|_| target.pdf),
        Kind::OpenAi => {
            let follows = target.api == Api::Responses;
            all(&|document| target.pdf && (follows || bytes(document).is_some()))
        }
        Kind::Bedrock => {
            let mut messages = request.messages.iter();
            let is_small = |bytes: Option<usize>| bytes.is_some_and(|b| b <= LARGEST_AT_BEDROCK);
            all(&|document| target.pdf && is_small(bytes(document)))
                && messages.all(|message| message.documents().count() <= MOST_AT_BEDROCK)
        }
        Kind::RunPod | Kind::RunPodText => all(&|_| false),
    }
}

/// How large a document is; none where only its address is known, which Anthropic's models follow, and OpenAI's where they are
/// asked by the Responses API.
fn bytes(document: &Document) -> Option<usize> {
    match &document.source {
        DocumentSource::Url(_) => None,
        DocumentSource::Base64 { data, .. } => Some(data.len() / 4 * 3),
    }
}

#[cfg(test)]
mod tests {
    use llm::{Part, Role, ToolResult};

    use super::*;

    fn pdf(bytes: usize) -> Document {
        let source = DocumentSource::Base64 {
            data: "A".repeat(bytes.div_ceil(3) * 4),
            pages: 1,
        };
        Document {
            title: None,
            context: None,
            source,
        }
    }

    fn with(documents: Vec<Document>) -> ChatRequest {
        let parts = documents.into_iter().map(Part::Document).collect();
        ChatRequest {
            messages: vec![Message {
                role: Role::User,
                parts,
            }],
            ..ChatRequest::default()
        }
    }

    fn readers(request: &ChatRequest) -> Vec<Kind> {
        let all = [
            Kind::OpenAi,
            Kind::Anthropic,
            Kind::Bedrock,
            Kind::RunPod,
            Kind::RunPodText,
        ];
        let mut targets: Vec<Target> = all
            .into_iter()
            .flat_map(|kind| [(kind, true), (kind, false)])
            .map(|(kind, pdf)| Target {
                kind,
                pdf,
                ..Target::default()
            })
            .collect();
        keep(&mut targets, "m", request).unwrap();
        targets.iter().map(|target| target.kind).collect()
    }

    #[test]
    fn who_says_so_reads_documents_as_its_protocol_allows() {
        let some = [Kind::OpenAi, Kind::Anthropic, Kind::Bedrock];
        let url = Document {
            source: DocumentSource::Url("https://example.test/a.pdf".to_owned()),
            ..pdf(0)
        };
        assert_eq!(readers(&with(vec![pdf(9)])), some);
        assert_eq!(readers(&with(vec![pdf(9); 5])), some);
        assert_eq!(readers(&with(vec![pdf(9); 6])), some[..2]);
        assert_eq!(readers(&with(vec![pdf(4_500_003)])), some[..2]);
        assert_eq!(readers(&with(vec![pdf(9), url])), [Kind::Anthropic]);
        let result = ToolResult {
            documents: vec![pdf(9)],
            ..ToolResult::default()
        };
        let by_tool = ChatRequest {
            messages: vec![Message {
                role: Role::Tool,
                parts: vec![Part::Result(result)],
            }],
            ..ChatRequest::default()
        };
        assert_eq!(readers(&by_tool), some);
    }

    #[test]
    fn without_documents_everybody_is_asked_and_with_none_to_read_them_nobody() {
        let plain = with(vec![]);
        assert_eq!(readers(&plain).len(), 10);
        let refused = keep(&mut vec![Target::default()], "m", &with(vec![pdf(9)]));
        assert!(matches!(refused, Err(Error::DocumentsUnreadable(route)) if route == "m"));
    }
}
