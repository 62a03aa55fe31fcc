use std::path::Path;

use chrono::{DateTime, Utc};
use kernel::Fault;
use mail_parser::MessageParser;
use serde::Serialize;

/// The most letters that are shown.
const MOST: usize = 200;

/// A letter of the demo, as its reader would see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SandboxLetter {
    pub id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub at: DateTime<Utc>,
    /// The addresses in the text, in their order: what the button leads to comes first.
    pub links: Vec<String>,
}

/// The letters in a folder, newest first, at most 200.
///
/// # Errors
/// When the folder can't be read.
pub async fn sandbox_letters(dir: &Path) -> Result<Vec<SandboxLetter>, Fault> {
    let fault = |error| Fault::internal("the letters' folder can't be read", error);
    let mut entries = tokio::fs::read_dir(dir).await.map_err(fault)?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(fault)? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            names.push(path);
        }
    }
    // a file's name is its letter's id, which sorts by time
    names.sort_unstable_by(|a, b| b.cmp(a));
    let mut letters = Vec::new();
    for path in names.into_iter().take(MOST) {
        let Ok(bytes) = tokio::fs::read(&path).await else {
            continue;
        };
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        letters.extend(read(&id, &bytes));
    }
    Ok(letters)
}

fn read(id: &str, bytes: &[u8]) -> Option<SandboxLetter> {
    let message = MessageParser::default().parse(bytes)?;
    let text = message
        .body_text(0)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    Some(SandboxLetter {
        id: id.to_owned(),
        to: message
            .to()
            .and_then(|to| to.first())
            .and_then(|to| to.address())
            .unwrap_or_default()
            .to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        html: message.body_html(0).unwrap_or_default().into_owned(),
        at: message
            .date()
            .and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0))
            .unwrap_or_default(),
        links: links(&text),
        text,
    })
}

fn links(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_link = word.starts_with("https://") || word.starts_with("http://");
        if is_link && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}
