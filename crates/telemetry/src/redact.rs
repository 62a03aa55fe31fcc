//! What never gets into a log, whoever writes the line and however much was asked to be logged.
//!
//! Two rules, both where lines leave the process. Crates that are not ours say nothing below `info`: their details are bytes of
//! requests. And every line is read once more before it is written: what looks like a secret, or stands behind a name that says
//! it is one, is left out. Words of people's have no shape, so no line of ours has a place for them; a test asks for each of
//! these at the most verbose level.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// The rooms, whose details may be logged.
const OURS: [&str; 20] = [
    "api",
    "billing",
    "db",
    "entitlement",
    "gateway",
    "genai",
    "hooks",
    "identity",
    "jobs",
    "kernel",
    "ledger",
    "llm",
    "mail",
    "misaki",
    "noren",
    "sandbox",
    "seal",
    "settings",
    "telemetry",
    "testkit",
];
/// Names whose values are left out.
const NAMES: [&str; 24] = [
    "access_token",
    "anthropic-api-key",
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "client_secret",
    "code_verifier",
    "cookie",
    "email",
    "id_token",
    "passphrase",
    "password",
    "prompt",
    "proxy-authorization",
    "refresh_token",
    "secret",
    "set-cookie",
    "stripe-signature",
    "token",
    "webhook_secret",
    "x-api-key",
    "x-auth-token",
    "x-runpod-api-key",
];
/// How secrets begin: ours, those of providers and of Stripe, and JSON Web Tokens.
const BEGINNINGS: [&str; 10] = [
    "nrn_", "sk-", "sk_", "rk_", "whsec_", "rpa_", "hf_", "AKIA", "eyJ", "ghp_",
];
/// What a scheme of `Authorization` is followed by.
const SCHEMES: [&str; 3] = ["Bearer", "Basic", "Negotiate"];
const LEFT_OUT: &str = "[redacted]";

/// Whether the details of this part of the process may be logged.
pub(crate) fn is_ours(target: &str) -> bool {
    let room = target.split("::").next().unwrap_or_default();
    OURS.contains(&room)
}

/// What the words so far say of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Anything,
    /// It is a secret if a colon comes first: `"name": "value"`.
    AfterColon,
    Secret,
}

/// A line without what does not belong into a log.
fn redact(line: &str) -> String {
    let line = without_queries(line);
    let mut kept = String::with_capacity(line.len());
    let mut rest = line.as_str();
    let mut next = Next::Anything;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (mut word, after) = rest.split_at(end);
        let gap_end = after.find(is_of_word).unwrap_or(after.len());
        let (gap, following) = after.split_at(gap_end);
        rest = following;
        if next == Next::AfterColon {
            next = Next::Anything;
            if let Some(value) = word.strip_prefix(':') {
                kept.push(':');
                word = value;
                next = Next::Secret;
            }
        }
        let is_scheme = SCHEMES.iter().any(|scheme| {
            *scheme == word || (next == Next::Secret && scheme.eq_ignore_ascii_case(word))
        });
        if next == Next::Secret && !is_scheme && !word.is_empty() {
            kept.push_str(LEFT_OUT);
        } else {
            say(word, &mut kept);
        }
        kept.push_str(gap);
        // a list of cookies goes on behind a semicolon, a signature behind a comma, any other value ends where its word does
        let goes_on = next == Next::Secret
            && (word.is_empty() || gap.starts_with(';') || matches!(gap, "=" | ","));
        next = match () {
            () if goes_on || (is_scheme && gap.starts_with(' ')) => Next::Secret,
            () if !is_name(word) => Next::Anything,
            () if gap.contains('=') || word.ends_with(':') => Next::Secret,
            () if gap.chars().all(|c| matches!(c, '"' | '\'' | '\\' | ' ')) && !gap.is_empty() => {
                Next::AfterColon
            }
            () => Next::Anything,
        };
    }
    kept
}

/// What is asked for, without what was asked.
fn without_queries(line: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\');
    let mut kept = String::with_capacity(line.len());
    for part in line.split_inclusive(is_end) {
        match part.split_once('?') {
            Some((path, query)) if path.contains('/') => {
                kept.push_str(path);
                kept.push_str("?…");
                kept.extend(query.chars().last().filter(|last| is_end(*last)));
            }
            _ => kept.push_str(part),
        }
    }
    kept
}

/// What a word is made of; everything else parts it from the next.
const fn is_of_word(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(
            c,
            '"' | '\''
                | '\\'
                | ','
                | ';'
                | '='
                | '{'
                | '}'
                | '('
                | ')'
                | '['
                | ']'
                | '<'
                | '>'
                | '&'
        )
}

fn is_name(word: &str) -> bool {
    let name = word.trim_end_matches(':').to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || name.starts_with("noren_") || name.starts_with("__host-noren")
}

fn say(word: &str, kept: &mut String) {
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((_, place)) = rest.split_once('@')
    {
        kept.push_str(scheme);
        kept.push_str("://");
        kept.push_str(LEFT_OUT);
        kept.push('@');
        kept.push_str(place);
    } else if begins_as_a_secret(word) || is_address(word) {
        kept.push_str(LEFT_OUT);
    } else {
        kept.push_str(word);
    }
}

fn begins_as_a_secret(word: &str) -> bool {
    let mut parts = word.split([':', '/']);
    parts.any(|part| BEGINNINGS.iter().any(|start| part.starts_with(start)))
}

/// An e-mail address, in a word that may have a colon before it.
fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.trim_end_matches('.').contains('.')
    })
}

/// Standard error, to which only redacted lines go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redacted;

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Redacted {
    /// A whole line at once, as the formatter hands it over.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = redact(&String::from_utf8_lossy(line));
        io::stderr().lock().write_all(kept.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_and_the_rest_stays() {
        for (line, want) in [
            (
                "answered method=POST route=/v1/chat/{id} status=200 ms=3",
                None,
            ),
            ("tokens_in=3 tokens_out=4 key=key_0123 run=run_0123", None),
            ("a key was reported as leaked and is revoked", None),
            ("basic rules hold here: the token was used before", None),
            (
                r#"{"level":"INFO","fields":{"route":"/auth/token"},"id":"req_01"}"#,
                None,
            ),
            (
                "authorization: Bearer abc.def-1",
                Some("authorization: Bearer [redacted]"),
            ),
            (
                r#"{"authorization":"Bearer abc","status":200}"#,
                Some(r#"{"authorization":"Bearer [redacted]","status":200}"#),
            ),
            (
                r#"headers={"cookie": "noren_session=abc; other=def"}"#,
                Some(r#"headers={"cookie": "[redacted]=[redacted]; [redacted]=[redacted]"}"#),
            ),
            (
                r#"{"stripe-signature": "t=1,v1=abc"}"#,
                Some(r#"{"stripe-signature": "[redacted]=[redacted],[redacted]=[redacted]"}"#),
            ),
            ("noren_session=abcdef", Some("noren_session=[redacted]")),
            (
                "password=hunter2 status=1",
                Some("password=[redacted] status=1"),
            ),
            (
                r#"{"refresh_token":"x1y2"}"#,
                Some(r#"{"refresh_token":"[redacted]"}"#),
            ),
            (
                "a letter to taro@example.test failed",
                Some("a letter to [redacted] failed"),
            ),
            (
                "GET /link/email?token=abc&next=/x done",
                Some("GET /link/email?… done"),
            ),
            (
                r#"{"why":"asked \"/x?a=b\" in vain"}"#,
                Some(r#"{"why":"asked \"/x?…\" in vain"}"#),
            ),
            ("https://h.test/cb?code=abc", Some("https://h.test/cb?…")),
            (
                "postgres://noren:pw@localhost/noren",
                Some("postgres://[redacted]@localhost/noren"),
            ),
            ("why=nrn_0123456789", Some("why=[redacted]")),
            ("eyJhbGciOi.J9.x", Some("[redacted]")),
        ] {
            assert_eq!(redact(line), want.unwrap_or(line), "{line}");
        }
    }

    #[test]
    fn every_room_is_ours_and_nothing_else() {
        let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut rooms: Vec<String> = std::fs::read_dir(crates)
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        rooms.sort();
        assert_eq!(rooms, OURS);
        assert!(is_ours("gateway::run::drive") && !is_ours("hyper::proto") && !is_ours("dbx"));
    }
}
