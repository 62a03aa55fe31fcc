//! Documents as parts of a message.

mod read;

use serde::{Deserialize, Serialize};

pub(crate) use read::{Caption, few};

/// The most pages that are guessed, which is the most that Anthropic takes unless a model reads a million tokens
/// (<https://platform.claude.com/docs/en/build-with-claude/pdf-support>).
const MOST_GUESSED: u32 = 100;

/// A PDF to read. Plain text is no document to a model, but words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is called.
    pub title: Option<String>,
    /// What the person says about it.
    pub context: Option<String>,
    /// Where it is.
    pub source: DocumentSource,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentSource {
    /// Where the provider finds it.
    Url(String),
    /// The document itself.
    Base64 {
        /// Standard base64 with padding.
        data: String,
        /// How many pages it has, as far as that can be seen.
        pages: u32,
    },
}

impl Document {
    /// How many pages it is thought to have; as many as can be where nobody here has seen it.
    pub fn pages(&self) -> u32 {
        match &self.source {
            DocumentSource::Url(_) => MOST_GUESSED,
            DocumentSource::Base64 { pages, .. } => *pages,
        }
    }

    /// Its title as the name of a file.
    pub(crate) fn file_name(&self) -> String {
        let title = self.title.as_deref().unwrap_or("document");
        let is_named = title.to_ascii_lowercase().ends_with(".pdf");
        format!("{title}{}", if is_named { "" } else { ".pdf" })
    }
}
