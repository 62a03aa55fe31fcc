//! Sums as a table of text, for spreadsheets.

use std::fmt::Write;

use gateway::statistics::Sums;

use super::Line;

const COLUMNS: &str = "name,id,requests,completed,failed,cancelled,success_rate,mean_ms,p95_ms,tokens_input,tokens_output,tokens_cached,tokens_written,tokens_thought,cost_nano_usd";

pub(super) fn file(lines: &[Line<'_>]) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for one in lines {
        let id = one.id.as_deref().unwrap_or_default();
        line(&mut text, &cell(&one.name), id, one.sums);
    }
    text
}

fn line(text: &mut String, name: &str, id: &str, sums: &Sums) {
    let shown = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let rate = sums.success_rate.map(|rate| rate.to_string());
    let _ = write!(
        text,
        "{name},{id},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
        sums.requests,
        sums.completed,
        sums.failed,
        sums.cancelled,
        rate.unwrap_or_default(),
        shown(sums.mean_ms),
        shown(sums.p95_ms),
        sums.tokens.input,
        sums.tokens.output,
        sums.tokens.cached,
        sums.tokens.written,
        sums.tokens.thought,
        sums.cost_nano_usd,
    );
}

/// A text as one cell (RFC 4180), and never as a formula of a spreadsheet.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_no_formula() {
        for (text, want) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(cell(text), want);
        }
    }

    #[test]
    fn a_line_has_a_cell_for_every_column() {
        let mut text = String::new();
        line(&mut text, "a", "", &Sums::default());
        assert_eq!(text.matches(',').count(), COLUMNS.matches(',').count());
    }
}
