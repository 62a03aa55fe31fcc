//! Titles and texts that come in, cut to what a chat may have.

/// The longest message, in characters.
const LONGEST: usize = 20_000;

/// A title that fits.
pub(super) fn title(title: &str) -> String {
    let title = title.replace('\0', "");
    title.trim().chars().take(100).collect()
}

/// A text that fits; none when there is nothing in it.
pub(super) fn text(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| *c != '\0')
        .take(LONGEST)
        .collect();
    (!text.is_empty()).then_some(text)
}
