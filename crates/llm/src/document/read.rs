//! What is read of documents at the doors, and how long they are thought to be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Document, DocumentSource, MOST_GUESSED};
use crate::json::Node;
use crate::{Message, Part, Refusal};

/// The most documents of one request.
const MOST_DOCUMENTS: usize = 100;
const LONGEST_TITLE: usize = 500;
const LONGEST_CONTEXT: usize = 100_000;
const PDF: &str = "application/pdf";
/// A PDF says what it is here; readers have long been lenient about bytes before it (PDF Reference 1.7, appendix H, note 13).
const HEAD: usize = 1_024;
/// What a page takes where pages can't be seen, in bytes: little, so that rather too much is set aside.
const BYTES_A_PAGE: usize = 16 * 1_024;

/// What is said beside a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caption {
    title: Option<String>,
    context: Option<String>,
}

impl Caption {
    /// Reads the title, and what is said about the document where the dialect has a place for it.
    pub(crate) fn read(title: Option<Node>, context: Option<Node>) -> Result<Self, Refusal> {
        let said = |node: Option<Node>, most: usize| -> Result<Option<String>, Refusal> {
            let Some(node) = node else { return Ok(None) };
            let text = node.text()?;
            if text.chars().nth(most).is_some() {
                return Err(node.fail(format!("This has to have {most} characters at most.")));
            }
            Ok((!text.trim().is_empty()).then(|| text.to_owned()))
        };
        let title = said(title, LONGEST_TITLE)?;
        Ok(Self {
            // it becomes the name of a file at some providers
            title: title.map(|title| title.replace(char::is_control, " ")),
            context: said(context, LONGEST_CONTEXT)?,
        })
    }

    /// A document that the provider fetches.
    pub(crate) fn at(self, url: &Node) -> Result<Part, Refusal> {
        let said = url.text()?;
        if !(said.starts_with("https://") || said.starts_with("http://")) {
            return Err(url.fail("This has to be an http or https URL."));
        }
        Ok(self.document(DocumentSource::Url(said.to_owned())))
    }

    /// A document as `data:<media type>;base64,<data>`, or as base64 alone, which is a PDF's then.
    pub(crate) fn of_data_url(self, node: &Node) -> Result<Part, Refusal> {
        let said = node.text()?;
        match said.strip_prefix("data:") {
            None => self.of_data(node, node, PDF, said),
            Some(rest) => {
                let (kind, data) = rest
                    .split_once(";base64,")
                    .ok_or_else(|| node.fail("This has to be data:<media type>;base64,<data>."))?;
                let kind = kind.split(';').next().unwrap_or(kind);
                self.of_data(node, node, kind, data)
            }
        }
    }

    /// A document that came along: a PDF, or text, which becomes words.
    pub(crate) fn of_data(
        self,
        kind_at: &Node,
        data_at: &Node,
        kind: &str,
        data: &str,
    ) -> Result<Part, Refusal> {
        let is_text = kind.starts_with("text/") || kind == "application/json";
        if kind != PDF && !is_text {
            let message = "The media type has to be application/pdf, application/json or of text.";
            return Err(kind_at.fail(message).coded("invalid_value"));
        }
        if data.is_empty() {
            return Err(data_at.fail("The document is empty."));
        }
        let bytes = STANDARD
            .decode(data)
            .map_err(|_| data_at.fail("This is no base64."))?;
        if is_text {
            let text = String::from_utf8(bytes)
                .ok()
                .filter(|text| !text.contains('\0'))
                .ok_or_else(|| data_at.fail("This is no text in UTF-8."))?;
            return Ok(Part::Text(self.words(&text)));
        }
        let mut head = bytes.get(..HEAD).unwrap_or(&bytes).windows(5);
        if !head.any(|at| at == b"%PDF-") {
            return Err(data_at.fail("This is no PDF."));
        }
        Ok(self.document(DocumentSource::Base64 {
            data: data.to_owned(),
            pages: pages(&bytes),
        }))
    }

    /// A text with what is said about it before it.
    pub(crate) fn words(self, text: &str) -> String {
        let before = self.title.into_iter().chain(self.context);
        let lines: Vec<String> = before.chain([text.to_owned()]).collect();
        lines.join("\n")
    }

    fn document(self, source: DocumentSource) -> Part {
        Part::Document(Document {
            title: self.title,
            context: self.context,
            source,
        })
    }
}

/// Refuses more documents than one request may have.
pub(crate) fn few(messages: &[Message], place: &Node) -> Result<(), Refusal> {
    let count: usize = messages
        .iter()
        .map(|message| message.documents().count())
        .sum();
    if count > MOST_DOCUMENTS {
        let message = format!("There may be {MOST_DOCUMENTS} documents at most.");
        return Err(place.fail(message).coded("invalid_value"));
    }
    Ok(())
}

/// How many pages a PDF has: as many objects as say `/Type /Page`. Newer files may keep these in compressed streams; such a one is
/// thought to have as many as would fit its size.
fn pages(pdf: &[u8]) -> u32 {
    let mut names = pdf.split(|byte| *byte == b'/');
    let mut before = names.next().unwrap_or_default();
    let mut seen: u32 = 0;
    for name in names {
        let is_page = name
            .strip_prefix(b"Page")
            .is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric));
        if is_page && before.trim_ascii_end() == b"Type" {
            seen = seen.saturating_add(1);
        }
        before = name;
    }
    if seen > 0 {
        return seen;
    }
    let guessed = u32::try_from(pdf.len().div_ceil(BYTES_A_PAGE)).unwrap_or(MOST_GUESSED);
    guessed.clamp(1, MOST_GUESSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_where_they_can_be_seen_and_guessed_by_size_where_not() {
        for (pdf, count) in [
            (
                "%PDF-1.4 << /Type /Pages /Count 2 >> << /Type /Page /Parent 1 0 R >> <</Type/Page>>",
                2,
            ),
            (
                "%PDF-1.4 <</Type\n/Page\n>> <</Type/PageLabel>> <</Type /Page/MediaBox [0 0 1 1]>>",
                2,
            ),
            ("%PDF-1.5 <</Type/ObjStm>>", 1),
        ] {
            assert_eq!(pages(pdf.as_bytes()), count, "{pdf}");
        }
        let closed = |size: usize| pages(&vec![b'x'; size]);
        assert_eq!(closed(10 * BYTES_A_PAGE), 10);
        assert_eq!(closed(10 * 1_024 * 1_024), MOST_GUESSED);
        let many = b"<</Type/Page>>".repeat(300);
        assert_eq!(pages(&many), 300, "what is seen is believed");
    }
}
