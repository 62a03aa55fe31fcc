//! The character card: the form in which personas are carried from house to house (versions 1 to 3 are read; 2 and 3 are
//! written). What we do not know in it is kept and handed on.

use kernel::{Lang, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::phrase::{Visits, When, fold};

/// The longest field of a card, and the longest card, in characters.
const LONGEST_FIELD: usize = 8_000;
const LONGEST_CARD: usize = 200_000;
const MOST_GREETINGS: usize = 30;
const MOST_ENTRIES: usize = 200;
const MOST_KEYS: usize = 20;
const LONGEST_ENTRY: usize = 2_000;
/// What of the book goes along with a question at most.
const ENTRIES_AT_ONCE: usize = 8;
const BOOK_CHARS: usize = 2_000;
/// How many of the last messages are looked through for a book's words, unless it says otherwise, and at most.
const SCAN: usize = 4;
const MOST_SCAN: usize = 10;
/// What of the examples goes along.
const EXAMPLE_CHARS: usize = 2_000;

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) spec: String,
    pub(crate) spec_version: String,
    pub(crate) data: Data,
}

/// What a card says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) personality: String,
    pub(crate) scenario: String,
    pub(crate) first_mes: String,
    pub(crate) mes_example: String,
    pub(crate) creator_notes: String,
    pub(crate) system_prompt: String,
    pub(crate) post_history_instructions: String,
    pub(crate) alternate_greetings: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) creator: String,
    pub(crate) character_version: String,
    pub(crate) extensions: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) character_book: Option<Book>,
    pub(crate) group_only_greetings: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What the persona knows when the talk comes to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Book {
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_depth: Option<u32>,
    extensions: Map<String, Value>,
    pub(crate) entries: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One thing that it knows, and the words that lead to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    pub(crate) keys: Vec<String>,
    pub(crate) content: String,
    extensions: Map<String, Value>,
    pub(crate) enabled: bool,
    insertion_order: f64,
    use_regex: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    constant: Option<bool>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What is ours in a card, under `extensions.noren`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ours {
    /// Who answers, in the language of the talk; instead of what the card's own fields say.
    prompts: Option<Text>,
    pub(crate) greetings: Vec<Greeting>,
}

/// A first message for a time of day and a kind of guest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Greeting {
    pub(crate) when: When,
    pub(crate) visits: Visits,
    pub(crate) text: Text,
}

/// A rule that a card breaks, with the pointer to the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) pointer: String,
    pub(crate) code: &'static str,
}

impl Card {
    /// Reads a card of any version and checks it.
    pub(crate) fn read(value: Value) -> Result<Self, Vec<Flaw>> {
        let flaw = |pointer: &str, code| {
            vec![Flaw {
                pointer: pointer.to_owned(),
                code,
            }]
        };
        let spec = value.get("spec").and_then(Value::as_str);
        let data = match spec {
            Some("chara_card_v2" | "chara_card_v3") => {
                value.get("data").cloned().unwrap_or_default()
            }
            // the first version has its fields at the top
            None if value.get("first_mes").is_some() => value,
            _ => return Err(flaw("/spec", "spec")),
        };
        let data: Data = serde_json::from_value(data).map_err(|_| flaw("/data", "form"))?;
        let card = Self {
            spec: "chara_card_v3".to_owned(),
            spec_version: "3.0".to_owned(),
            data,
        };
        let flaws = card.flaws();
        if flaws.is_empty() {
            Ok(card)
        } else {
            Err(flaws)
        }
    }

    fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut require = |ok: bool, pointer: String, code| {
            if !ok {
                flaws.push(Flaw { pointer, code });
            }
        };
        let chars = |text: &str| text.chars().count();
        let data = &self.data;
        require(
            (1..=60).contains(&chars(data.name.trim())),
            "/data/name".to_owned(),
            "length",
        );
        let fields = [
            ("description", &data.description),
            ("personality", &data.personality),
            ("scenario", &data.scenario),
            ("first_mes", &data.first_mes),
            ("mes_example", &data.mes_example),
            ("creator_notes", &data.creator_notes),
            ("system_prompt", &data.system_prompt),
            ("post_history_instructions", &data.post_history_instructions),
        ];
        for (name, text) in fields {
            require(
                chars(text) <= LONGEST_FIELD,
                format!("/data/{name}"),
                "length",
            );
        }
        require(
            data.alternate_greetings.len() <= MOST_GREETINGS
                && data
                    .alternate_greetings
                    .iter()
                    .all(|text| chars(text) <= LONGEST_FIELD),
            "/data/alternate_greetings".to_owned(),
            "length",
        );
        let entries = data.character_book.iter().flat_map(|book| &book.entries);
        for (at, entry) in entries.enumerate() {
            require(
                at < MOST_ENTRIES
                    && chars(&entry.content) <= LONGEST_ENTRY
                    && entry.keys.len() <= MOST_KEYS
                    && entry.keys.iter().all(|key| chars(key) <= 50),
                format!("/data/character_book/entries/{at}"),
                "length",
            );
        }
        let ours = data.extensions.get("noren");
        require(
            ours.is_none_or(|ours| serde_json::from_value::<Ours>(ours.clone()).is_ok()),
            "/data/extensions/noren".to_owned(),
            "form",
        );
        let text = serde_json::to_string(self).unwrap_or_default();
        require(chars(&text) <= LONGEST_CARD, "/data".to_owned(), "length");
        // Postgres can't store NUL
        require(!text.contains("\\u0000"), "/data".to_owned(), "nul");
        flaws
    }

    /// As version 3.
    pub(crate) fn v3(&self) -> Value {
        json!(self)
    }

    /// As version 2.
    pub(crate) fn v2(&self) -> Value {
        let mut data = json!(self.data);
        if let Some(data) = data.as_object_mut() {
            data.remove("group_only_greetings");
        }
        json!({ "spec": "chara_card_v2", "spec_version": "2.0", "data": data })
    }

    pub(crate) fn ours(&self) -> Ours {
        self.data
            .extensions
            .get("noren")
            .and_then(|ours| serde_json::from_value(ours.clone()).ok())
            .unwrap_or_default()
    }

    /// Who answers, as a model is told: the persona, how she talks, and what she knows of what the talk has come to.
    pub(crate) fn prompt(&self, lang: Lang, recent: &[&str]) -> String {
        let data = &self.data;
        let own = self.ours().prompts.map(|text| text.get(lang).to_owned());
        let mut parts = vec![own.unwrap_or_else(|| {
            [
                &data.system_prompt,
                &data.description,
                &data.personality,
                &data.scenario,
            ]
            .into_iter()
            .filter(|text| !text.trim().is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
        })];
        let example: String = data.mes_example.chars().take(EXAMPLE_CHARS).collect();
        if !example.trim().is_empty() {
            let head = match lang {
                Lang::Ja => "話し方の例:",
                Lang::En => "How she talks, by example:",
            };
            parts.push(format!("{head}\n{}", example.replace("<START>\n", "---\n")));
        }
        let known = self.known(recent);
        if !known.is_empty() {
            parts.push(known.join("\n"));
        }
        parts.push(data.post_history_instructions.clone());
        parts.retain(|part| !part.trim().is_empty());
        self.fill(&parts.join("\n\n"), lang)
    }

    /// What the book says about the newest messages, in its order.
    fn known(&self, recent: &[&str]) -> Vec<&str> {
        let Some(book) = &self.data.character_book else {
            return Vec::new();
        };
        let depth = book
            .scan_depth
            .map_or(SCAN, |depth| usize::try_from(depth).unwrap_or(MOST_SCAN));
        let newest = recent.len().saturating_sub(depth.clamp(1, MOST_SCAN));
        let text: Vec<String> = recent.iter().skip(newest).map(|text| fold(text)).collect();
        let says = |key: &String| {
            let key = fold(key);
            !key.is_empty() && text.iter().any(|text| text.contains(&key))
        };
        // patterns of other people's are not run: one of them could run for ever
        let mut found: Vec<&Entry> = book
            .entries
            .iter()
            .filter(|entry| entry.enabled && !entry.use_regex)
            .filter(|entry| entry.constant == Some(true) || entry.keys.iter().any(says))
            .collect();
        found.sort_by(|a, b| a.insertion_order.total_cmp(&b.insertion_order));
        let mut left = BOOK_CHARS;
        found
            .into_iter()
            .take(ENTRIES_AT_ONCE)
            .map_while(|entry| {
                left = left.checked_sub(entry.content.chars().count())?;
                Some(entry.content.as_str())
            })
            .collect()
    }

    /// Puts names where a card says `{{char}}` and `{{user}}`.
    pub(crate) fn fill(&self, text: &str, lang: Lang) -> String {
        let user = match lang {
            Lang::Ja => "お客さん",
            Lang::En => "the guest",
        };
        text.replace("{{char}}", &self.data.name)
            .replace("{{user}}", user)
            .replace("{{original}}", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(data: &Value) -> Value {
        json!({ "spec": "chara_card_v2", "spec_version": "2.0", "data": data })
    }

    #[test]
    fn cards_of_all_versions_are_read_and_what_we_do_not_know_is_kept() {
        let v1 = json!({ "name": "あき", "description": "d", "personality": "p", "scenario": "s", "first_mes": "やあ", "mes_example": "" });
        assert_eq!(Card::read(v1).unwrap().data.first_mes, "やあ");
        let v2 = card(
            &json!({ "name": "あき", "first_mes": "やあ", "extensions": { "other/tool": { "depth": 4 } }, "unknown": 7,
            "character_book": { "name": "b", "extensions": {}, "entries": [{ "keys": ["x"], "content": "y", "enabled": true, "insertion_order": 1, "extensions": {}, "position": "before_char" }] } }),
        );
        let read = Card::read(v2).unwrap();
        for written in [read.v2(), read.v3()] {
            let data = &written["data"];
            assert_eq!(data["extensions"]["other/tool"]["depth"], 4);
            assert_eq!(
                (&data["unknown"], &data["character_book"]["name"]),
                (&json!(7), &json!("b"))
            );
            assert_eq!(
                data["character_book"]["entries"][0]["position"],
                "before_char"
            );
            assert_eq!(Card::read(written).unwrap(), read);
        }
        assert_eq!(read.v2()["spec"], "chara_card_v2");
        assert_eq!(read.v3()["spec_version"], "3.0");
    }

    #[test]
    fn what_is_no_card_or_too_much_is_refused_with_its_place() {
        let place = |value: Value| Card::read(value).unwrap_err().remove(0).pointer;
        assert_eq!(place(json!({})), "/spec");
        assert_eq!(place(json!([])), "/spec");
        assert_eq!(place(card(&json!({ "name": 3 }))), "/data");
        assert_eq!(place(card(&json!({ "name": " " }))), "/data/name");
        let long = "長".repeat(9_000);
        assert_eq!(
            place(card(&json!({ "name": "あ", "description": long }))),
            "/data/description"
        );
        let book = json!({ "entries": [{ "keys": ["k"], "content": long }] });
        assert_eq!(
            place(card(&json!({ "name": "あ", "character_book": book }))),
            "/data/character_book/entries/0"
        );
        let ours = json!({ "noren": { "greetings": [{ "when": "never" }] } });
        assert_eq!(
            place(card(&json!({ "name": "あ", "extensions": ours }))),
            "/data/extensions/noren"
        );
        assert_eq!(
            place(card(&json!({ "name": "あ", "description": "a\0b" }))),
            "/data"
        );
    }

    #[test]
    fn the_book_is_opened_at_what_the_talk_has_come_to_and_no_further() {
        let entry = |key: &str, content: &str, order: i32| json!({ "keys": [key], "content": content, "enabled": true, "insertion_order": order });
        let mut entries = vec![
            entry("カラオケ", "歌のこと", 2),
            entry("ビール", "酒のこと", 1),
            json!({ "keys": ["."], "content": "型", "enabled": true, "use_regex": true }),
            json!({ "keys": [], "content": "いつも", "enabled": true, "constant": true, "insertion_order": 9 }),
        ];
        let read = |entries: &Vec<Value>| {
            Card::read(card(&json!({ "name": "あき", "description": "{{char}}と{{user}}", "character_book": { "scan_depth": 2, "entries": entries } }))).unwrap()
        };
        let recent = ["ｶﾗｵｹの話", "なにか", "びーるをください"];
        assert_eq!(read(&entries).known(&recent), ["酒のこと", "いつも"]);
        assert_eq!(read(&entries).known(&recent[..1]), ["歌のこと", "いつも"]);
        let prompt = read(&entries).prompt(Lang::Ja, &recent);
        assert!(
            prompt.starts_with("あきとお客さん\n\n酒のこと\nいつも"),
            "{prompt}"
        );
        for n in 0..20 {
            entries.push(entry("ビール", &"あ".repeat(300), n));
        }
        let known = read(&entries);
        let known = known.known(&recent);
        assert!(known.len() <= ENTRIES_AT_ONCE);
        assert!(known.iter().map(|text| text.chars().count()).sum::<usize>() <= BOOK_CHARS);
    }
}
