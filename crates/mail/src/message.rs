use chrono::{DateTime, Utc};
use kernel::Lang;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{LetterId, template::Rendered};

/// A letter as it goes over the wire. The same letter gives the same bytes each time it is tried.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) id: LetterId,
    pub(crate) envelope: Envelope,
    pub(crate) bytes: Vec<u8>,
}

/// What the headers say beside the words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers<'a> {
    pub(crate) id: LetterId,
    pub(crate) from: &'a Mailbox,
    pub(crate) to: &'a str,
    pub(crate) lang: Lang,
    pub(crate) at: DateTime<Utc>,
    pub(crate) unsubscribe: Option<&'a str>,
}

/// Why a letter can't be put on the wire; it names no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the address can't be written to")]
    Address,
    #[error("the message can't be built")]
    Build,
}

/// Puts the words into a message of two parts, text and HTML.
pub(crate) fn build(headers: Headers<'_>, words: Rendered) -> Result<Wire, WireError> {
    let to: Address = headers.to.parse().map_err(|_| WireError::Address)?;
    let mut message = Message::builder()
        .from(headers.from.clone())
        // no display name: it would be one more place for someone else's words
        .to(Mailbox::new(None, to.clone()))
        .subject(words.subject)
        .date(headers.at.into())
        .message_id(Some(format!(
            "<{}@{}>",
            headers.id,
            headers.from.email.domain()
        )))
        .raw_header(header("Content-Language", headers.lang.as_str())?)
        // keeps holiday notes from answering us (RFC 3834)
        .raw_header(header("Auto-Submitted", "auto-generated")?);
    if let Some(link) = headers.unsubscribe.filter(|link| link.is_ascii()) {
        // RFC 8058; written as it is, since readers don't unfold or decode it
        let name = header_name("List-Unsubscribe")?;
        let value = format!("<{link}>");
        message = message
            .raw_header(HeaderValue::dangerous_new_pre_encoded(
                name,
                value.clone(),
                value,
            ))
            .raw_header(header(
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click",
            )?);
    }
    let parts = MultiPart::alternative()
        .boundary(headers.id.0.simple().to_string())
        .singlepart(SinglePart::plain(words.text))
        .singlepart(SinglePart::html(words.html));
    let message = message.multipart(parts).map_err(|_| WireError::Build)?;
    let envelope =
        Envelope::new(Some(headers.from.email.clone()), vec![to]).map_err(|_| WireError::Build)?;
    Ok(Wire {
        id: headers.id,
        envelope,
        bytes: message.formatted(),
    })
}

fn header_name(name: &'static str) -> Result<HeaderName, WireError> {
    HeaderName::new_from_ascii(name.to_owned()).map_err(|_| WireError::Build)
}

fn header(name: &'static str, value: &str) -> Result<HeaderValue, WireError> {
    Ok(HeaderValue::new(header_name(name)?, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use uuid::Uuid;

    use super::*;

    fn wire(subject: &str, unsubscribe: Option<&str>) -> Wire {
        let words = Rendered {
            subject: subject.to_owned(),
            text: format!("こんにちは\n{}\n", long_link()),
            html: "<p>こんにちは</p>".to_owned(),
        };
        let headers = Headers {
            id: LetterId(Uuid::from_u128(7)),
            from: &"Noren 暖簾 <noreply@noren.example>".parse().unwrap(),
            to: "chidori@example.test",
            lang: Lang::Ja,
            at: "2026-11-20T09:00:00Z".parse().unwrap(),
            unsubscribe,
        };
        build(headers, words).unwrap()
    }

    fn long_link() -> String {
        format!("https://noren.example/link/verify#{}", "A".repeat(120))
    }

    #[test]
    fn what_was_written_is_what_is_read() {
        let wire = wire(
            "「千鳥家」への招待が届いています。どうぞごらんください。とても長い件名でも読めます",
            None,
        );
        let read = MessageParser::default().parse(&wire.bytes).unwrap();
        assert_eq!(
            read.message_id(),
            Some("ltr_00000000000000000000000000000007@noren.example")
        );
        assert_eq!(
            read.subject(),
            Some(
                "「千鳥家」への招待が届いています。どうぞごらんください。とても長い件名でも読めます"
            )
        );
        assert!(
            read.body_text(0)
                .unwrap()
                .lines()
                .any(|line| line == long_link())
        );
        assert!(read.body_html(0).unwrap().contains("こんにちは"));
        assert_eq!(
            read.from().unwrap().first().unwrap().name(),
            Some("Noren 暖簾")
        );
        assert_eq!(
            read.to().unwrap().first().unwrap().address(),
            Some("chidori@example.test")
        );
        assert!(wire.bytes.is_ascii(), "any server takes it");
        assert!(
            wire.bytes
                .split(|b| *b == b'\n')
                .all(|line| line.len() <= 998),
            "RFC 5322 §2.1.1"
        );
        assert!(read.header_raw("List-Unsubscribe").is_none());
    }

    #[test]
    fn the_same_letter_is_the_same_bytes() {
        assert_eq!(wire("a", None).bytes, wire("a", None).bytes);
    }

    #[test]
    fn a_line_break_in_a_subject_makes_no_header() {
        let wire = wire("x\r\nBcc: all@evil.example\r\n\r\nHello", None);
        let read = MessageParser::default().parse(&wire.bytes).unwrap();
        assert!(read.bcc().is_none());
        assert!(
            !String::from_utf8_lossy(&wire.bytes)
                .lines()
                .any(|line| line.starts_with("Bcc"))
        );
    }

    #[test]
    fn one_click_unsubscription_is_offered_in_the_headers() {
        let link = format!("https://noren.example/mail/unsubscribe/{}", "a".repeat(100));
        let wire = wire("秋のお知らせ", Some(&link));
        let raw = String::from_utf8(wire.bytes).unwrap();
        assert!(
            raw.lines()
                .any(|line| line == format!("List-Unsubscribe: <{link}>")),
            "{raw}"
        );
        assert!(
            raw.lines()
                .any(|line| line == "List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_it() {
        let from = "noreply@noren.example".parse().unwrap();
        for to in [
            "",
            "nobody",
            "a@b@c",
            "a@b.example\r\nBcc: c@d.example",
            "a b@c.example",
        ] {
            let words = Rendered {
                subject: "x".to_owned(),
                text: "x".to_owned(),
                html: "x".to_owned(),
            };
            let headers = Headers {
                id: LetterId(Uuid::nil()),
                from: &from,
                to,
                lang: Lang::En,
                at: DateTime::UNIX_EPOCH,
                unsubscribe: None,
            };
            assert_eq!(
                build(headers, words).unwrap_err().to_string(),
                "the address can't be written to",
                "{to}"
            );
        }
    }
}
