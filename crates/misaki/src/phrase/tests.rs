use super::*;

#[derive(Deserialize)]
struct Vector {
    text: String,
    hour: u32,
    seed: String,
    #[serde(default = "november")]
    month: u32,
    #[serde(default = "again")]
    visits: Visits,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    recent: Vec<String>,
    expect: Option<Hit>,
}

fn november() -> u32 {
    11
}

fn again() -> Visits {
    Visits::Again
}

fn at(hour: u32, seed: &str) -> Scene<'_> {
    Scene {
        hour,
        month: november(),
        visits: again(),
        plan: "",
        recent: &[],
        seed,
    }
}

fn house() -> Matcher {
    Matcher::new(&PhraseSet::parse(DEFAULT_JSON).unwrap())
}

fn set(phrases: &str) -> Result<PhraseSet, PhraseError> {
    PhraseSet::parse(&format!(r#"{{"version":1,"phrases":[{phrases}]}}"#))
}

const REPLY: &str = r#""replies":[{"when":"any","text":"はい"}]"#;

#[test]
fn the_vectors_shared_with_the_browser_hold() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../phrases/vectors.json")).unwrap();
    assert!(vectors.len() >= 80);
    let house = house();
    for vector in vectors {
        let scene = Scene {
            month: vector.month,
            visits: vector.visits,
            plan: &vector.plan,
            recent: &vector.recent,
            ..at(vector.hour, &vector.seed)
        };
        let hit = house.match_phrase(&vector.text, &scene);
        assert_eq!(hit, vector.expect, "{:?} in {scene:?}", vector.text);
    }
}

#[test]
fn the_house_has_its_phrases_and_safety_comes_first() {
    let set = PhraseSet::parse(DEFAULT_JSON).unwrap();
    let english = set
        .phrases
        .iter()
        .filter(|p| p.id.starts_with("en."))
        .count();
    assert!(english >= 15 && set.phrases.len() - english >= 40);
    assert!(
        set.phrases
            .iter()
            .filter(|p| p.chip)
            .all(|p| !p.matches.is_empty())
    );
    let first_other = set.phrases.iter().position(|p| !p.safety).unwrap();
    assert!(set.phrases[first_other..].iter().all(|p| !p.safety));
}

#[test]
fn every_entry_of_the_house_is_answered_by_its_phrase_at_every_hour() {
    let set = PhraseSet::parse(DEFAULT_JSON).unwrap();
    let house = house();
    for phrase in &set.phrases {
        for entry in &phrase.matches {
            for hour in 0..24 {
                let hit = house.match_phrase(entry, &at(hour, "seed")).unwrap();
                assert_eq!(hit.id, phrase.id, "{entry}");
                let rule = if phrase.safety {
                    Rule::Folded
                } else {
                    Rule::Exact
                };
                assert_eq!(hit.rule, rule, "{entry}");
            }
        }
    }
}

#[test]
fn a_safety_entry_is_heard_inside_any_text() {
    let set = PhraseSet::parse(DEFAULT_JSON).unwrap();
    let house = house();
    let long = "今日はいろいろあってね。".repeat(100);
    for phrase in set.phrases.iter().filter(|phrase| phrase.safety) {
        for entry in &phrase.matches {
            let text = format!("{long} {entry} {long}");
            let hit = house.match_phrase(&text, &at(3, "seed")).unwrap();
            assert_eq!(hit.id, phrase.id, "{entry}");
        }
    }
}

#[test]
fn the_seed_chooses_among_all_replies() {
    let house = house();
    let replies: std::collections::HashSet<String> = (0..100)
        .filter_map(|seed| house.match_phrase("ありがとう", &at(12, &seed.to_string())))
        .map(|hit| hit.reply)
        .collect();
    assert_eq!(replies.len(), 3);
}

#[test]
fn a_reply_is_for_a_season_for_visits_and_for_a_plan_and_is_not_said_twice_running() {
    let replies = r#""replies":[{"when":"any","text":"はい"},
        {"when":"any","season":"winter","text":"雪ね"},
        {"when":"any","visits":"regular","text":"いつもの"},
        {"when":"any","plan":"vip","text":"奥へどうぞ"}]"#;
    let asked = Matcher::new(&set(&format!(r#"{{"id":"a","match":["x"],{replies}}}"#)).unwrap());
    let all = |scene: Scene<'_>| {
        let seeds = (0..60).map(|seed| seed.to_string());
        let said = seeds.filter_map(|seed| {
            asked.match_phrase(
                "x",
                &Scene {
                    seed: &seed,
                    ..scene
                },
            )
        });
        said.map(|hit| hit.reply)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let plain = at(12, "");
    let of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(all(plain), of(&["はい"]));
    assert_eq!(all(Scene { month: 1, ..plain }), of(&["はい", "雪ね"]));
    let regular = Scene {
        visits: Visits::Regular,
        plan: "vip",
        ..plain
    };
    assert_eq!(all(regular), of(&["いつもの", "はい", "奥へどうぞ"]));
    let recent = ["はい".to_owned(), "いつもの".to_owned()];
    assert_eq!(
        all(Scene {
            recent: &recent,
            ..regular
        }),
        of(&["奥へどうぞ"])
    );
    assert_eq!(
        all(Scene {
            recent: &recent,
            ..plain
        }),
        of(&["はい"]),
        "there is nothing else to say"
    );
    let only =
        r#"{"id":"a","match":["x"],"replies":[{"when":"any","season":"winter","text":"雪ね"}]}"#;
    assert!(set(only).is_err(), "nothing to say in summer");
}

#[test]
fn fnv_is_fnv() {
    assert_eq!(fnv1a(""), 0x811c_9dc5);
    assert_eq!(fnv1a("foobar"), 0xbf9c_f968);
}

#[test]
fn a_set_that_means_two_things_is_refused() {
    let refused = |phrases: &str| set(phrases).unwrap_err().to_string();
    for (phrases, reason) in [
        (
            format!(r#"{{"id":"a","match":["x"],{REPLY}}},{{"id":"a","match":["y"],{REPLY}}}"#),
            "there twice",
        ),
        (
            format!(
                r#"{{"id":"a","match":["ビール"],{REPLY}}},{{"id":"b","match":["びーる!"],{REPLY}}}"#
            ),
            "both claim",
        ),
        (
            format!(
                r#"{{"id":"a","patterns":["{{n}}です"],{REPLY}}},{{"id":"b","patterns":["{{m}}デス"],{REPLY}}}"#
            ),
            "both claim",
        ),
        (
            format!(r#"{{"id":"a","match":["！？"],{REPLY}}}"#),
            "can never match",
        ),
        (format!(r#"{{"id":"a",{REPLY}}}"#), "can never match"),
        (
            format!(r#"{{"id":"a","match":["x"],"unless":["y"],{REPLY}}}"#),
            "can never match",
        ),
        (
            r#"{"id":"a","match":["x"],"replies":[]}"#.to_owned(),
            "no reply",
        ),
        (
            r#"{"id":"a","match":["x"],"replies":[{"when":"night","text":"a"}]}"#.to_owned(),
            "no reply",
        ),
        (
            r#"{"id":"a","match":["x"],"replies":[{"when":"any","text":" "}]}"#.to_owned(),
            "empty one",
        ),
        (
            format!(r#"{{"id":"a","patterns":["abc"],{REPLY}}}"#),
            "no slot",
        ),
        (
            format!(r#"{{"id":"a","patterns":["{{n"],{REPLY}}}"#),
            "an open slot",
        ),
        (
            format!(r#"{{"id":"a","patterns":["{{n}}と{{n}}"],{REPLY}}}"#),
            "more than one slot",
        ),
        (
            format!(r#"{{"id":"a","patterns":["{{N}}です"],{REPLY}}}"#),
            "small letters",
        ),
        (
            format!(r#"{{"id":"a","patterns":["{{n}}！"],{REPLY}}}"#),
            "nothing around",
        ),
        (
            format!(r#"{{"id":"a","patterns":["{{n}}です","{{m}}だよ"],{REPLY}}}"#),
            "another slot",
        ),
        (
            format!(r#"{{"id":"a","safety":true,"patterns":["{{n}}です"],{REPLY}}}"#),
            "safety",
        ),
        (
            r#"{"id":"a","match":["x"],"replies":[{"when":"any","text":"{n}さん"}]}"#.to_owned(),
            "nothing fills",
        ),
        (
            format!(r#"{{"id":"a","match":["x"],"mach":["y"],{REPLY}}}"#),
            "not the form",
        ),
    ] {
        let error = refused(&phrases);
        assert!(error.contains(reason), "{phrases}: {error}");
    }
    let version = PhraseSet::parse(r#"{"version":2,"phrases":[]}"#).unwrap_err();
    assert!(version.to_string().contains("version 2"));
}

#[test]
fn a_set_is_written_as_it_was_read() {
    let set = PhraseSet::parse(DEFAULT_JSON).unwrap();
    let written: serde_json::Value = serde_json::to_value(&set).unwrap();
    let read: serde_json::Value = serde_json::from_str(DEFAULT_JSON).unwrap();
    assert_eq!(written, read);
}

#[test]
fn folding_twice_is_folding_once() {
    for text in [
        "ｺﾝﾊﾞﾝﾊ！",
        "ΑΣ",
        "İstanbul",
        "ヴァイオリン〜♪",
        "が\u{3099}ァー",
    ] {
        assert_eq!(fold(&fold(text)), fold(text), "{text}");
    }
}
