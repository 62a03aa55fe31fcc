//! The words of the stand-in: small talk across a bar counter.
//!
//! Chosen by a hash of the question, so that different questions sound different and the same one never changes.

use llm::tokens;

use super::tells::Tells;

/// An answer, cut as it will be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The id of the completion.
    pub(super) id: String,
    /// The chunks, none of them empty.
    pub(super) pieces: Vec<String>,
    /// Why it ends, as OpenAI says it.
    pub(super) finish: &'static str,
}

/// The longest quotation of a question in Japanese, in characters.
const QUOTE: usize = 18;
/// The same in an alphabet, which says less with each character.
const QUOTE_IN_ALPHABET: usize = 40;

struct Words {
    open: &'static [&'static str],
    heard: &'static [(&'static str, &'static str)],
    body: &'static [&'static str],
    list: &'static [&'static str],
    close: &'static [&'static str],
    about: &'static str,
}

const JA: Words = Words {
    open: &[
        "あら、いらっしゃい。",
        "ふふ、待ってたのよ。",
        "まあ、座って座って。",
        "はい、おしぼりどうぞ。",
        "いい声ね、ちゃんと聞こえたわ。",
    ],
    heard: &[
        ("**「", "」**なんて、いい話の入り口じゃない。"),
        ("**「", "」**か……今夜はその話をしましょう。"),
        ("そう、**「", "」**ね。ちゃんと聞いてるわよ。"),
        ("**「", "」**って言うときの顔、ちょっと見てみたいわ。"),
    ],
    body: &[
        "私はね、そういう話をするお客さんが好きなの。",
        "急いで答えを出さなくてもいいのよ、氷が溶けるくらいの間で考えましょう。",
        "うまくいった日も、そうでない日も、ここではおんなじ一杯よ。",
        "昔からのお客さんもね、同じことを言ってカウンターで笑ってたわ。",
        "それで、そのあとどうなったの？続きが気になるじゃない。",
        "ため息ひとつくらい、灰皿の横に置いていっていいのよ。",
        "誰かに話すだけで、半分は軽くなるものよね。",
        "窓の外の雨も、ちょっと耳をすませているみたい。",
        "あなたが決めたことなら、ママは応援するわ。",
        "でもね、無理だけはだめ。ちゃんと食べて、ちゃんと寝ること。",
    ],
    list: &[
        "\n\nこんな夜には、\n\n- 薄めの水割り\n- 温かいお茶漬け\n- **好きな歌**を一曲\n\nのどれかがいいと思うの。",
        "\n\nママのおすすめはね、\n\n1. 深呼吸をひとつ\n2. お水を一杯\n3. それから*ゆっくり*話すこと\n\nこの順番がいちばんよ。",
    ],
    close: &[
        "ね、もう少し聞かせて？",
        "グラスが空いたら声をかけてね。",
        "今夜はゆっくりしていって。",
        "続きは、あなたのペースでどうぞ。",
    ],
    about: "\n\n（この返事は、お試し用の代役 `sandbox` が決まりに沿って作っています。本物のモデルではありません。）",
};

const EN: Words = Words {
    open: &[
        "Well, come on in. ",
        "There you are, I kept your seat warm. ",
        "Sit down, love, and have a warm towel. ",
        "Ah, good to hear your voice. ",
    ],
    heard: &[
        ("**“", "”**, you say? That is how all good stories begin. "),
        ("So, **“", "”**. Let us make that tonight’s topic. "),
        ("I heard you: **“", "”**. I am all ears. "),
    ],
    body: &[
        "I like guests who bring a story instead of an umbrella. ",
        "There is no hurry to find an answer; let us think while the ice melts. ",
        "Good day or bad day, the glass is the same here. ",
        "An old regular once said just that, and then laughed until closing time. ",
        "And what happened next? You cannot leave me wondering. ",
        "Saying it out loud makes it half as heavy, I find. ",
        "If you have made up your mind, I am on your side. ",
        "Only promise me that you eat properly and sleep enough. ",
    ],
    list: &[
        "\n\nOn a night like this I would suggest:\n\n- a light whisky and water\n- something warm to eat\n- **one song** that you love\n\n",
        "\n\nMy advice is simple:\n\n1. one deep breath\n2. one glass of water\n3. then tell me *slowly*\n\n",
    ],
    close: &[
        "Tell me a little more, will you?",
        "Call me when your glass is empty.",
        "Stay as long as you like tonight.",
    ],
    about: "\n\n(This reply was made by rule by the `sandbox` stand-in, not by a real model.)",
};

/// Writes the answer to a question; `rank` is the place of the model in `MODELS`.
pub(super) fn compose(question: &str, rank: usize, tells: &Tells) -> Answer {
    let japanese = is_japanese(&tells.rest);
    let words = if japanese { &JA } else { &EN };
    let mut dice = Dice(fnv1a(question, rank));
    let id = format!("chatcmpl-sandbox-{:016x}", dice.0);

    let mut text = pick(words.open, &mut dice).to_owned();
    let longest = if japanese { QUOTE } else { QUOTE_IN_ALPHABET };
    let quote = quote(&tells.rest, longest);
    if !quote.is_empty()
        && let Some((before, after)) = words.heard.get(dice.below(words.heard.len()))
    {
        text.push_str(before);
        text.push_str(&quote);
        text.push_str(after);
    }
    let from = dice.below(words.body.len());
    // A sentence has more words than its Japanese counterpart has pieces, so that one less makes as many chunks.
    let sentences = if japanese { 2 } else { 1 } + rank * 2;
    for sentence in words.body.iter().cycle().skip(from).take(sentences) {
        text.push_str(sentence);
    }
    // The two larger models show a list to every second question, the smallest to every fourth.
    if dice.below(if rank == 0 { 4 } else { 2 }) == 0 {
        text.push_str(pick(words.list, &mut dice));
    }
    text.push_str(pick(words.close, &mut dice));

    let mut pieces = cut(&text, japanese);
    if let Some(count) = tells.long {
        for sentence in words.body.iter().cycle().skip(from) {
            if pieces.len() >= count {
                break;
            }
            pieces.extend(cut(&format!(" {sentence}"), japanese));
        }
        pieces.truncate(count);
    }
    if tells.about {
        pieces.push(words.about.to_owned());
    }
    Answer {
        id,
        pieces,
        finish: "stop",
    }
}

impl Answer {
    /// Keeps what fits a token limit, and says so.
    pub(super) fn limited(mut self, limit: Option<u64>) -> Self {
        let Some(limit) = limit else { return self };
        let mut said = tokens::Estimate::default();
        let fits = self.pieces.iter().take_while(|piece| {
            said.push(piece);
            said.tokens() <= limit
        });
        let count = fits.count();
        if count < self.pieces.len() {
            self.pieces.truncate(count);
            self.finish = "length";
        }
        self
    }
}

/// Says what the last message that told it to say something told it, whoever wrote that; else it has nothing to say.
pub(super) fn obey(messages: &[String]) -> Answer {
    let told = messages
        .iter()
        .rev()
        .find_map(|text| text.split_once("say:").map(|(_, rest)| rest.trim()))
        .filter(|told| !told.is_empty())
        .unwrap_or("...");
    Answer {
        id: format!("chatcmpl-sandbox-{:016x}", fnv1a(told, 0)),
        pieces: cut(told, is_japanese(told)),
        finish: "stop",
    }
}

/// Says what the files are that came, one in a line.
pub(super) fn name_files(files: &[String]) -> Answer {
    let text = files.join("\n");
    let text = if text.is_empty() { "no files" } else { &text };
    Answer {
        id: format!("chatcmpl-sandbox-{:016x}", fnv1a(text, 0)),
        pieces: cut(text, is_japanese(text)),
        finish: "stop",
    }
}

/// Notes on a talk whose lines are `[number] who: words`, where the first message asks for notes in lines.
pub(super) fn note(asked: &str, talk: &str) -> Option<Answer> {
    if !["fact", "mood", "summary"]
        .iter()
        .all(|kind| asked.contains(kind))
    {
        return None;
    }
    let said = talk.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix('[')?.split_once("] お客さん: ")?;
        Some((number, rest))
    });
    let (number, words) = said.max_by_key(|(_, words)| words.chars().count())?;
    let words = quote(words, 60);
    let text =
        format!("fact {number}: {words}\nmood: 落ち着いている\nsummary: 「{words}」という話をした");
    Some(Answer {
        id: format!("chatcmpl-sandbox-{:016x}", fnv1a(&text, 0)),
        pieces: cut(&text, true),
        finish: "stop",
    })
}

/// Tells whether a message wants a Japanese answer: it has kana or kanji, or no letters at all.
fn is_japanese(text: &str) -> bool {
    let kana_or_kanji = |c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff66}'..='\u{ff9f}');
    text.chars().any(kana_or_kanji) || !text.chars().any(|c| c.is_ascii_alphabetic())
}

/// Takes the first words of a message, never parting a character from the marks that belong to it.
fn quote(text: &str, longest: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Marks that Markdown would take for its own are left out, since the quotation stands in bold.
    let plain: Vec<char> = flat
        .chars()
        .filter(|c| !c.is_control() && !"*_`[]<>「」“”\\".contains(*c))
        .collect();
    let mut quote = String::new();
    let mut joined = false;
    for (index, &c) in plain.iter().enumerate() {
        let mark = belongs_to_the_last(c);
        if index >= longest && !mark && !joined {
            quote.push('…');
            break;
        }
        if index >= longest * 3 {
            quote.push('…'); // a character with dozens of marks is a prank
            break;
        }
        joined = c == '\u{200d}';
        quote.push(c);
    }
    quote.trim().to_owned()
}

fn belongs_to_the_last(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{200d}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{3099}'
            | '\u{309a}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ff9e}'
            | '\u{ff9f}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

/// Cuts a text as a model would send it: a few characters of Japanese, or a word and the space after it.
fn cut(text: &str, japanese: bool) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for c in text.chars() {
        piece.push(c);
        length += 1;
        let ends = if japanese {
            length >= 3 + pieces.len() % 3 || matches!(c, '。' | '\n')
        } else {
            c.is_whitespace()
        };
        if ends && !piece.trim().is_empty() {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn fnv1a(text: &str, rank: usize) -> u64 {
    text.bytes()
        .chain(std::iter::once(u8::try_from(rank).unwrap_or(u8::MAX)))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Numbers that look thrown and are not (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let count = u64::try_from(count).unwrap_or(1).max(1);
        usize::try_from(z % count).unwrap_or(0)
    }
}

fn pick(words: &[&'static str], dice: &mut Dice) -> &'static str {
    words.get(dice.below(words.len())).copied().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &str, rank: usize) -> Answer {
        compose(question, rank, &Tells::read(question))
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_another_another() {
        assert_eq!(answer("今日は暑かった", 0), answer("今日は暑かった", 0));
        assert_ne!(
            answer("今日は暑かった", 0).pieces,
            answer("今日は寒かった", 0).pieces
        );
    }

    #[test]
    fn notes_are_taken_of_what_the_person_said() {
        let talk = "[1] お客さん: やあ\n[2] ママ: あら、とてもとても長いお返事ですこと\n[3] お客さん: 犬を飼い始めたの";
        let notes = note("fact 番号, mood, summary", talk).unwrap();
        assert!(
            notes
                .pieces
                .concat()
                .starts_with("fact 3: 犬を飼い始めたの\n")
        );
        assert_eq!(note("こんばんは", talk), None);
    }

    #[test]
    fn the_answer_is_in_the_language_of_the_question() {
        assert!(is_japanese(&answer("明日は晴れるかな", 1).pieces.concat()));
        assert!(!is_japanese(
            &answer("Will it be sunny tomorrow?", 1).pieces.concat()
        ));
        assert!(is_japanese("12345 🍶"));
        assert!(is_japanese("ｺﾝﾊﾞﾝﾊ master"));
    }

    #[test]
    fn a_larger_model_says_more() {
        for question in ["仕事の話を聞いて", "let us talk about work"] {
            let lengths: Vec<usize> = (0..3)
                .map(|rank| {
                    (0..40)
                        .map(|n| answer(&format!("{question} {n}"), rank).pieces.len())
                        .sum::<usize>()
                        / 40
                })
                .collect();
            assert!((25..=55).contains(&lengths[0]), "{lengths:?}");
            assert!(
                lengths[0] < lengths[1] && lengths[1] < lengths[2],
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn a_long_answer_has_exactly_as_many_chunks_as_asked() {
        for (question, count) in [
            ("[long 300] 話して", 300),
            ("[long 7] talk", 7),
            ("[long 1]", 1),
        ] {
            let answer = answer(question, 0);
            assert_eq!(answer.pieces.len(), count);
            assert!(answer.pieces.iter().all(|piece| !piece.is_empty()));
        }
    }

    #[test]
    fn a_quotation_is_short_and_keeps_marks_with_their_letters() {
        assert_eq!(quote("  こん\nばんは  ", QUOTE), "こん ばんは");
        assert_eq!(quote("**[x](y)** <b>", QUOTE), "x(y) b");
        assert_eq!(
            quote(&"あ".repeat(30), QUOTE),
            format!("{}…", "あ".repeat(18))
        );
        let parted = format!("{}か\u{3099}き", "あ".repeat(17));
        assert_eq!(
            quote(&parted, QUOTE),
            format!("{}か\u{3099}…", "あ".repeat(17))
        );
        let family = format!("{}👩\u{200d}👧いい", "あ".repeat(17));
        assert_eq!(
            quote(&family, QUOTE),
            format!("{}👩\u{200d}👧…", "あ".repeat(17))
        );
        assert!(quote(&"\u{301}".repeat(500), QUOTE).chars().count() < 100);
    }

    #[test]
    fn a_token_limit_cuts_and_is_told() {
        let whole = answer("話して", 2);
        let total = tokens::estimate(&whole.pieces.concat());
        let cut = answer("話して", 2).limited(Some(10));
        assert_eq!(cut.finish, "length");
        assert!(tokens::estimate(&cut.pieces.concat()) <= 10);
        assert_eq!(answer("話して", 2).limited(Some(total)), whole);
    }

    #[test]
    fn the_obedient_one_says_what_the_last_order_was() {
        let told = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            obey(&texts).pieces.concat()
        };
        assert_eq!(told(&["say: one", "and then say: two words"]), "two words");
        assert_eq!(told(&["say: こんばんは", "hm"]), "こんばんは");
        assert_eq!(told(&["hello"]), "...");
    }

    #[test]
    fn it_says_what_it_is_when_asked() {
        assert!(
            answer("[about] こんばんは", 0)
                .pieces
                .concat()
                .contains("本物のモデルではありません")
        );
        assert!(
            answer("[about] hello", 0)
                .pieces
                .concat()
                .contains("not by a real model")
        );
        assert!(!answer("hello", 0).pieces.concat().contains("sandbox"));
    }
}
