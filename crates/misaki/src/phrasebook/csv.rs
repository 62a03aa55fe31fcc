//! Phrases as a table for a spreadsheet: a line for each text, `id,field,when,text`. RFC 4180, UTF-8.

use std::collections::HashSet;

use kernel::Text;
use serde::Serialize;

use crate::phrase::{Guarded, Phrase, Reply, Season, Visits, When};

const HEAD: [&str; 4] = ["id", "field", "when", "text"];
const SEASONS: [(&str, Season); 4] = [
    ("spring", Season::Spring),
    ("summer", Season::Summer),
    ("autumn", Season::Autumn),
    ("winter", Season::Winter),
];
const VISITS: [(&str, Visits); 3] = [
    ("first", Visits::First),
    ("again", Visits::Again),
    ("regular", Visits::Regular),
];
/// Stands before a plan's id.
const PLAN: &str = "plan:";
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
        if let Some(guards) = phrase.guards {
            line(id, "guards", "", guards.name());
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
            line(id, "reply", &when_of(reply), &reply.text);
        }
    }
    page
}

/// For when and whom a reply is, joined by plus signs.
fn when_of(reply: &Reply) -> String {
    let name = |found: Option<&'static str>| found.map(str::to_owned);
    let whens = WHENS.iter().find(|(_, when)| *when == reply.when);
    let seasons = SEASONS
        .iter()
        .find(|(_, season)| Some(*season) == reply.season);
    let visits = VISITS
        .iter()
        .find(|(_, visits)| Some(*visits) == reply.visits);
    let parts = [
        name(whens.map(|(name, _)| *name)),
        name(seasons.map(|(name, _)| *name)),
        name(visits.map(|(name, _)| *name)),
        reply.plan.as_ref().map(|plan| format!("{PLAN}{plan}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("+")
}

/// Reads what [`when_of`] writes; none when a part is unknown or of a kind that was named before.
fn reply_of(when: &str, text: String) -> Option<Reply> {
    let mut time = None;
    let mut reply = Reply {
        when: When::Any,
        season: None,
        visits: None,
        plan: None,
        text,
    };
    for part in when.split('+').filter(|part| !part.is_empty()) {
        let is_first = if let Some((_, when)) = WHENS.iter().find(|(name, _)| *name == part) {
            time.replace(*when).is_none()
        } else if let Some((_, season)) = SEASONS.iter().find(|(name, _)| *name == part) {
            reply.season.replace(*season).is_none()
        } else if let Some((_, visits)) = VISITS.iter().find(|(name, _)| *name == part) {
            reply.visits.replace(*visits).is_none()
        } else {
            let plan = part.strip_prefix(PLAN).filter(|plan| !plan.is_empty())?;
            reply.plan.replace(plan.to_owned()).is_none()
        };
        if !is_first {
            return None;
        }
    }
    reply.when = time.unwrap_or(When::Any);
    Some(reply)
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
        let reply = match (field.as_str(), when.as_str()) {
            ("reply", when) => reply_of(when, text.clone()),
            (_, "") => reply_of("", text.clone()),
            _ => None,
        };
        let Some(reply) = reply else {
            fail(
                line,
                "when",
                "whenはreplyの行だけで、時間帯(any・morning・day・evening・night)、季節(spring・summer・autumn・winter)、来店(first・again・regular)、plan:プランを+でつなぎます。",
                "Only a reply has a when: a time of day (any, morning, day, evening, night), a season (spring, summer, autumn, winter), visits (first, again, regular) and plan:PLAN, joined by +.",
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
            "reply" => phrase.replies.push(reply),
            "chip" => phrase.chip = is_true(&text),
            "safety" => phrase.safety = is_true(&text),
            "guards" if Guarded::parse(text.trim()).is_some() => {
                phrase.guards = Guarded::parse(text.trim());
            }
            _ => fail(
                line,
                "field",
                "fieldは match・pattern・reply・unless・chip・safety・guards（minors・self_harm・house）のどれかです。",
                "A field is match, pattern, reply, unless, chip, safety or guards (minors, self_harm, house).",
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
        guards: None,
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
    fn a_reply_says_when_and_to_whom_in_one_cell() {
        let table =
            |when: &str| format!("id,field,when,text\r\na,match,,x\r\na,reply,{when},hello\r\n");
        let (_, phrases) = read(&table("plan:vip+winter+evening+regular"));
        let reply = phrases.unwrap().remove(0).replies.remove(0);
        assert_eq!(when_of(&reply), "evening+winter+regular+plan:vip");
        for wrong in ["noon", "winter+summer", "plan:", "any+evening"] {
            let errors = read(&table(wrong)).1.unwrap_err();
            assert_eq!((errors[0].line, errors[0].code), (3, "when"), "{wrong}");
        }
    }

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
