//! Phrases as a table for a spreadsheet: a line for each text, `id,field,when,text`. RFC 4180, UTF-8.

use std::collections::HashSet;

use kernel::Text;
use serde::Serialize;

use crate::phrase::{Phrase, Reply, When};

const HEAD: [&str; 4] = ["id", "field", "when", "text"];
const WHENS: [(&str, When); 5] = [
    ("any", When::Any),
    ("morning", When::Morning),
    ("day", When::Day),
    ("evening", When::Evening),
    ("night", When::Night),
];
/// What a spreadsheet would take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// The most errors that are told, and the longest text in characters.
const MOST_ERRORS: usize = 100;
const LONGEST: usize = 4_000;

/// What is wrong in a line.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct LineError {
    /// From 1, the head included.
    pub(crate) line: usize,
    pub(crate) code: &'static str,
    pub(crate) text: Text,
}

pub(super) fn write(phrases: &[Phrase]) -> String {
    // a mark without which spreadsheets guess at the letters
    let mut page = "\u{feff}".to_owned() + &HEAD.join(",") + "\r\n";
    let mut line = |id: &str, field: &str, when: &str, text: &str| {
        let cells = [id, field, when, text].map(cell);
        page += &(cells.join(",") + "\r\n");
    };
    for phrase in phrases {
        let id = phrase.id.as_str();
        for (is, field) in [(phrase.safety, "safety"), (phrase.chip, "chip")] {
            if is {
                line(id, field, "", "true");
            }
        }
        let lists = [
            ("match", &phrase.matches),
            ("pattern", &phrase.patterns),
            ("unless", &phrase.unless),
        ];
        for (field, texts) in lists {
            for text in texts {
                line(id, field, "", text);
            }
        }
        for reply in &phrase.replies {
            let when = WHENS.iter().find(|(_, when)| *when == reply.when);
            line(
                id,
                "reply",
                when.map_or("any", |(name, _)| *name),
                &reply.text,
            );
        }
    }
    page
}

fn cell(text: &str) -> String {
    let text = if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Reads a table; with every line that is wrong.
pub(super) fn read(text: &str) -> (usize, Result<Vec<Phrase>, Vec<LineError>>) {
    let mut errors = Vec::new();
    let mut fail = |line: usize, code, ja: &'static str, en: &'static str| {
        if errors.len() < MOST_ERRORS {
            errors.push(LineError {
                line,
                code,
                text: Text::new(ja, en),
            });
        }
    };
    let records = records(text.trim_start_matches('\u{feff}'));
    let count = records.len();
    let mut phrases: Vec<Phrase> = Vec::new();
    let mut seen = HashSet::new();
    let mut records = records.into_iter();
    if records.next().is_none_or(|(_, cells)| cells != HEAD) {
        fail(
            1,
            "head",
            "1行目は id,field,when,text にしてください。",
            "The first line has to be id,field,when,text.",
        );
    }
    for (line, cells) in records {
        let Ok([id, field, when, text]) = <[String; 4]>::try_from(cells) else {
            fail(line, "columns", "列は4つです。", "A line has four columns.");
            continue;
        };
        let text = plain(&text);
        if id.trim().is_empty() || id.chars().count() > 60 {
            fail(
                line,
                "id",
                "idは1〜60文字です。",
                "An id has 1 to 60 characters.",
            );
            continue;
        }
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            fail(
                line,
                "text",
                "textは1〜4000文字です。",
                "A text has 1 to 4000 characters.",
            );
            continue;
        }
        let when = match (field.as_str(), when.as_str()) {
            ("reply", "") => Some(When::Any),
            ("reply", name) => WHENS.iter().find(|(known, _)| *known == name).map(|w| w.1),
            (_, "") => Some(When::Any),
            _ => None,
        };
        let Some(when) = when else {
            fail(
                line,
                "when",
                "whenはreplyの行だけで、any・morning・day・evening・nightのどれかです。",
                "Only a reply has a when: any, morning, day, evening or night.",
            );
            continue;
        };
        let id = plain(id.trim());
        if !seen.contains(&id) {
            seen.insert(id.clone());
            phrases.push(empty(&id));
        }
        let Some(phrase) = phrases.iter_mut().find(|phrase| phrase.id == id) else {
            continue;
        };
        match field.as_str() {
            "match" => phrase.matches.push(text),
            "pattern" => phrase.patterns.push(text),
            "unless" => phrase.unless.push(text),
            "reply" => phrase.replies.push(Reply { when, text }),
            "chip" => phrase.chip = is_true(&text),
            "safety" => phrase.safety = is_true(&text),
            _ => fail(
                line,
                "field",
                "fieldは match・pattern・reply・unless・chip・safety のどれかです。",
                "A field is match, pattern, reply, unless, chip or safety.",
            ),
        }
    }
    let read = if errors.is_empty() {
        Ok(phrases)
    } else {
        Err(errors)
    };
    (count, read)
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_lowercase().as_str(), "true" | "1" | "yes")
}

fn plain(text: &str) -> String {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) => rest.to_owned(),
        _ => text.to_owned(),
    }
}

fn empty(id: &str) -> Phrase {
    Phrase {
        id: id.to_owned(),
        matches: Vec::new(),
        patterns: Vec::new(),
        replies: Vec::new(),
        chip: false,
        safety: false,
        unless: Vec::new(),
    }
}

/// The records of a table with the lines at which they begin; empty lines are none.
fn records(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut records = Vec::new();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut line, mut begun, mut quoted) = (1, 1, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                if cells.iter().any(|cell| !cell.is_empty()) {
                    records.push((begun, std::mem::take(&mut cells)));
                }
                cells.clear();
                begun = line;
            }
            other => cell.push(other),
        }
    }
    cells.push(cell);
    if cells.iter().any(|cell| !cell.is_empty()) {
        records.push((begun, cells));
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phrase::{DEFAULT_JSON, PhraseSet};

    #[test]
    fn the_phrases_of_the_house_go_out_and_come_back() {
        let phrases = PhraseSet::parse(DEFAULT_JSON).unwrap().phrases;
        let (lines, read) = read(&write(&phrases));
        assert_eq!(read.unwrap(), phrases);
        assert!(lines > phrases.len());
    }

    #[test]
    fn each_wrong_line_is_told() {
        let table = "id,field,when,text\r\na,match,,やあ\na,reply,noon,はい\n,match,,x\na,hum,,x\na,match,,\na,reply\n\"a\",reply,any,\"二行の\n\"\"返事\"\"\"\na,match,night,x\n";
        let errors = read(table).1.unwrap_err();
        let told: Vec<_> = errors
            .iter()
            .map(|error| (error.line, error.code))
            .collect();
        assert_eq!(
            told,
            [
                (3, "when"),
                (4, "id"),
                (5, "field"),
                (6, "text"),
                (7, "columns"),
                (10, "when")
            ]
        );
        assert_eq!(read("nothing").1.unwrap_err()[0].code, "head");
        let good = "id,field,when,text\na,match,,'=1+1\na,reply,,\"一\n二\"\n";
        let phrase = &read(good).1.unwrap()[0];
        assert_eq!(
            (phrase.matches[0].as_str(), phrase.replies[0].text.as_str()),
            ("=1+1", "一\n二")
        );
        assert!(
            write(&read(good).1.unwrap()).contains("'=1+1"),
            "no formula"
        );
    }
}
