use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use kernel::Lang;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::Value;

use super::{Kind, Misfit, Template, check};

/// What a letter of each kind says, in both languages, once as text and once as HTML.
const SOURCES: [(Template, &str); Template::ALL.len()] = [
    (
        Template::VerifyEmail,
        include_str!("../templates/verify_email.jinja"),
    ),
    (
        Template::AddressKnown,
        include_str!("../templates/address_known.jinja"),
    ),
    (
        Template::ResetPassword,
        include_str!("../templates/reset_password.jinja"),
    ),
    (
        Template::ChangeEmail,
        include_str!("../templates/change_email.jinja"),
    ),
    (
        Template::EmailChanging,
        include_str!("../templates/email_changing.jinja"),
    ),
    (
        Template::PasswordChanged,
        include_str!("../templates/password_changed.jinja"),
    ),
    (
        Template::Invitation,
        include_str!("../templates/invitation.jinja"),
    ),
    (
        Template::NewDevice,
        include_str!("../templates/new_device.jinja"),
    ),
    (
        Template::KeyLeaked,
        include_str!("../templates/key_leaked.jinja"),
    ),
    (
        Template::AccountDeletion,
        include_str!("../templates/account_deletion.jinja"),
    ),
    (
        Template::SubscriptionBegan,
        include_str!("../templates/subscription_began.jinja"),
    ),
    (
        Template::SubscriptionCanceled,
        include_str!("../templates/subscription_canceled.jinja"),
    ),
    (
        Template::PlanChanged,
        include_str!("../templates/plan_changed.jinja"),
    ),
    (
        Template::PaymentFailed,
        include_str!("../templates/payment_failed.jinja"),
    ),
    (
        Template::Refunded,
        include_str!("../templates/refunded.jinja"),
    ),
    (
        Template::SpreadAttack,
        include_str!("../templates/spread_attack.jinja"),
    ),
    (Template::News, include_str!("../templates/news.jinja")),
];

/// The longest name that is shown.
const LONGEST_NAME: usize = 60;
/// The longest line of our own making, such as a title.
const LONGEST_LINE: usize = 200;

/// A letter in words.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What is in every letter beside its own words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// The house's front door.
    pub(crate) home: &'a str,
    /// Where one stops letters of this kind, if one can.
    pub(crate) unsubscribe: Option<&'a str>,
}

/// Why a letter can't be put into words; it says nothing of the letter's data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("the template is broken: {:?}", .0.kind())]
    Template(#[from] minijinja::Error),
}

/// The templates, read once.
#[derive(Debug)]
pub(crate) struct Templates(Environment<'static>);

/// The same words are rendered twice.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Html,
}

impl Form {
    const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Html => "html",
        }
    }

    const fn layout(self) -> &'static str {
        match self {
            Self::Text => "layout.txt",
            Self::Html => "layout.html",
        }
    }

    /// A link that was checked, made fit for this form. The engine's own escaping would also turn every `/` into an
    /// entity, which some mail programs show as it is.
    fn link(self, link: &str) -> minijinja::Value {
        minijinja::Value::from_safe_string(match self {
            Self::Text => link.to_owned(),
            Self::Html => link
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&#x27;"),
        })
    }
}

impl Templates {
    /// Reads the built-in templates.
    pub(crate) fn load() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.strip_suffix(".html").is_some() {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        for form in [Form::Text, Form::Html] {
            for (template, source) in SOURCES {
                environment.add_template_owned(file(template, form), source)?;
            }
        }
        environment.add_template("layout.txt", include_str!("../templates/layout.txt"))?;
        environment.add_template("layout.html", include_str!("../templates/layout.html"))?;
        Ok(Self(environment))
    }

    /// Puts a letter into words.
    pub(crate) fn render(
        &self,
        template: Template,
        lang: Lang,
        data: &Value,
        around: Surroundings<'_>,
    ) -> Result<Rendered, RenderError> {
        check(template, data)?;
        let fields: BTreeMap<&str, String> = template
            .fields()
            .iter()
            .map(|(field, kind)| (*field, shown(*kind, lang, data.get(*field))))
            .collect();
        let (subject, text) = self.form(template, lang, Form::Text, &fields, around)?;
        let (_, html) = self.form(template, lang, Form::Html, &fields, around)?;
        Ok(Rendered {
            subject,
            text,
            html,
        })
    }

    fn form(
        &self,
        template: Template,
        lang: Lang,
        form: Form,
        fields: &BTreeMap<&str, String>,
        around: Surroundings<'_>,
    ) -> Result<(String, String), minijinja::Error> {
        let words = self.0.get_template(&file(template, form))?;
        let mut words = words.render_captured(minijinja::Value::from_pairs(fields.clone()))?;
        let mut block = |suffix: &str| {
            let name = format!("{}{suffix}", lang.as_str());
            words.with_state_mut(|state| state.render_block(&name))
        };
        let subject = block("_subject")?.trim().to_owned();
        let safe = minijinja::Value::from_safe_string;
        let link = fields.get("link").map_or(around.home, String::as_str);
        let page = context! {
            lang => lang.as_str(),
            subject => safe(subject.clone()),
            paragraphs => paragraphs(&block("")?).into_iter().map(safe).collect::<Vec<_>>(),
            button => safe(block("_button")?.trim().to_owned()),
            why => safe(block("_why")?.trim().to_owned()),
            link => form.link(link),
            home => form.link(around.home),
            unsubscribe => around.unsubscribe.map(|link| form.link(link)),
        };
        let page = self.0.get_template(form.layout())?.render(page)?;
        Ok((subject, page))
    }
}

fn file(template: Template, form: Form) -> String {
    format!("{}.{}", template.as_str(), form.extension())
}

/// What stands between empty lines.
fn paragraphs(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines().map(str::trim) {
        match found.last_mut() {
            Some(last) if !line.is_empty() => {
                if !last.is_empty() {
                    last.push('\n');
                }
                last.push_str(line);
            }
            _ => found.push(String::new()),
        }
    }
    found.retain(|paragraph| !paragraph.is_empty());
    found
}

/// A field as it is shown; data that does not fit was refused before.
fn shown(kind: Kind, lang: Lang, value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    match kind {
        Kind::Name => disarmed(text),
        Kind::Line => one_line(text, LONGEST_LINE),
        Kind::Role => role(lang, text),
        Kind::Prose => text
            .lines()
            .map(|line| one_line(line, usize::MAX))
            .collect::<Vec<_>>()
            .join("\n"),
        Kind::Link => text.to_owned(),
        Kind::Instant => instant(lang, text),
        Kind::Count => value
            .and_then(Value::as_u64)
            .map(|count| count.to_string())
            .unwrap_or_default(),
    }
}

/// One line without what would break a header, turn the writing direction or hide.
fn one_line(text: &str, longest: usize) -> String {
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let text: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| visible(*c))
        .collect();
    let text = text.trim();
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A name in which mail programs find no address to make a link of: whoever registers someone else's address chooses
/// the name, and our letter shall not carry their advertisement.
fn disarmed(text: &str) -> String {
    let name = one_line(text, LONGEST_NAME);
    let next = name.chars().skip(1).map(Some).chain([None]);
    name.chars()
        .zip(next)
        .map(|(c, next)| match c {
            '.' if next.is_some_and(char::is_alphanumeric) => '\u{2024}',
            '/' => '\u{2215}',
            '@' => '＠',
            _ => c,
        })
        .collect()
}

fn role(lang: Lang, role: &str) -> String {
    let (ja, en) = match role {
        "owner" => ("持ち主", "owner"),
        "admin" => ("管理者", "administrator"),
        "member" => ("メンバー", "member"),
        "guardian" => ("保護者", "guardian"),
        "child" => ("子ども", "child"),
        other => return one_line(other, LONGEST_NAME),
    };
    match lang {
        Lang::Ja => ja,
        Lang::En => en,
    }
    .to_owned()
}

/// An instant in Japan, which has one zone and no summer time.
fn instant(lang: Lang, text: &str) -> String {
    let (Ok(at), Some(japan)) = (
        DateTime::parse_from_rfc3339(text),
        FixedOffset::east_opt(9 * 3600),
    ) else {
        return one_line(text, LONGEST_NAME);
    };
    let format = match lang {
        Lang::Ja => "%Y年%-m月%-d日 %H:%M（日本時間）",
        Lang::En => "%-d %B %Y, %H:%M (Japan time)",
    };
    at.with_timezone(&japan).format(format).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LINK: &str = "https://noren.example/link/verify?a=1&b=2#dG9rZW4_dG9rZW4-dG9rZW4";
    const HOME: &str = "https://noren.example";

    /// Data with every field of every template.
    fn data(name: &str) -> Value {
        json!({
            "name": name, "tenant": name, "inviter": name, "device": name, "role": "guardian", "link": LINK,
            "new_masked": "c•••@example.test", "hint": "nrn_ab12…wxyz", "at": "2026-11-20T09:00:00Z", "failures": 120,
            "plan": "ライト", "amount": "2980円",
            "title": "秋のお知らせ", "body": "新しい<席>ができました。\n\nどうぞお寄りください。",
        })
    }

    fn render(template: Template, lang: Lang, data: &Value) -> Rendered {
        let around = Surroundings {
            home: HOME,
            unsubscribe: (template == Template::News)
                .then_some("https://noren.example/mail/unsubscribe/abc"),
        };
        Templates::load()
            .unwrap()
            .render(template, lang, data, around)
            .unwrap()
    }

    #[test]
    fn every_letter_is_whole_in_both_languages() {
        for template in Template::ALL {
            for lang in [Lang::Ja, Lang::En] {
                let letter = render(template, lang, &data("千鳥"));
                let what = format!("{template:?} {lang:?}\n{}\n{}", letter.text, letter.html);
                assert!(
                    !letter.subject.is_empty() && !letter.subject.contains('\n'),
                    "{what}"
                );
                let has_link = template.fields().iter().any(|(field, _)| *field == "link");
                let link = if has_link { LINK } else { HOME };
                assert!(
                    letter.text.lines().any(|line| line == link),
                    "the link is whole on its line: {what}"
                );
                let escaped = link.replace('&', "&amp;");
                assert_eq!(
                    letter.html.matches(&format!("href=\"{escaped}\"")).count(),
                    if has_link { 2 } else { 3 },
                    "{what}"
                );
                for form in [&letter.subject, &letter.text, &letter.html] {
                    for left in ["{{", "}}", "{%", "%}", "None", "undefined", "none"] {
                        let form = form.replace("text-decoration:none", "");
                        assert!(!form.contains(left), "{left}: {what}");
                    }
                }
                let japanese = letter.text.contains("このアドレスは送信専用です");
                assert_eq!(japanese, lang == Lang::Ja, "{what}");
                assert!(
                    letter.text.contains("Noren 暖簾") && letter.html.contains("Noren 暖簾"),
                    "{what}"
                );
                for (field, kind) in template.fields() {
                    let own = shown(*kind, lang, data("千鳥").get(*field));
                    let first = paragraphs(&own).remove(0);
                    assert!(letter.text.contains(&first), "{field} is shown: {what}");
                }
            }
        }
    }

    #[test]
    fn a_name_is_neither_markup_nor_a_header_nor_a_link() {
        let evil = "<script>alert(1)</script>\r\nBcc: all@evil.example http://evil.example/x www.evil.example";
        for template in Template::ALL {
            for lang in [Lang::Ja, Lang::En] {
                let letter = render(template, lang, &data(evil));
                assert!(
                    !letter.html.contains("<script"),
                    "{template:?} {}",
                    letter.html
                );
                assert!(
                    !letter.subject.contains(['\r', '\n']),
                    "{template:?} {}",
                    letter.subject
                );
                for form in [&letter.subject, &letter.text, &letter.html] {
                    assert!(
                        !form.contains("evil.example") && !form.contains("all@"),
                        "{template:?} {form}"
                    );
                }
            }
        }
        assert_eq!(disarmed("J. R. Tolkien & Söhne"), "J. R. Tolkien & Söhne");
        assert_eq!(disarmed("a\u{202e}b\u{200b}c\nd"), "abc d");
        assert_eq!(disarmed(&"長".repeat(100)).chars().count(), LONGEST_NAME);
    }

    #[test]
    fn a_letter_without_names_is_still_a_letter() {
        for template in Template::ALL {
            for lang in [Lang::Ja, Lang::En] {
                let mut data = data("");
                data["name"] = Value::Null;
                let letter = render(template, lang, &data);
                for odd in ["さんから", "「」", "Hello ,", "（）", " ()"] {
                    assert!(
                        !letter.text.contains(odd),
                        "{template:?} {odd} {}",
                        letter.text
                    );
                }
                assert!(
                    !letter.text.lines().any(|line| line.trim() == "さん"),
                    "{}",
                    letter.text
                );
            }
        }
    }

    #[test]
    fn news_keep_their_paragraphs_and_say_how_to_stop_them() {
        let letter = render(Template::News, Lang::Ja, &data("千鳥"));
        assert_eq!(letter.subject, "秋のお知らせ");
        assert_eq!(letter.html.matches("<p class=\"ink\"").count(), 2);
        assert!(letter.html.contains("新しい&lt;席&gt;"), "{}", letter.html);
        assert!(
            letter
                .text
                .contains("\nhttps://noren.example/mail/unsubscribe/abc\n"),
            "{}",
            letter.text
        );
        assert!(
            letter
                .html
                .contains("href=\"https://noren.example/mail/unsubscribe/abc\"")
        );
    }

    #[test]
    fn instants_and_roles_are_told_as_people_say_them() {
        assert_eq!(
            instant(Lang::Ja, "2026-11-20T15:30:00Z"),
            "2026年11月21日 00:30（日本時間）"
        );
        assert_eq!(
            instant(Lang::En, "2026-11-20T09:00:00Z"),
            "20 November 2026, 18:00 (Japan time)"
        );
        assert_eq!(role(Lang::Ja, "guardian"), "保護者");
        assert_eq!(role(Lang::En, "admin"), "administrator");
    }
}
