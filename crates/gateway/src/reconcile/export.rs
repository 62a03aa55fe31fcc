//! What providers give out about what they counted: OpenAI's and Anthropic's usage reports as their APIs answer (JSON), the
//! files that their consoles save (CSV), Bedrock's log of invocations
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html>), and lists of single requests with the
//! ids that they were told.

use std::collections::{BTreeMap, btree_map::Entry};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use llm::bedrock::CALLED;
use serde_json::{Map, Value};

use super::{Counts, Line};
use crate::{EmbeddingId, RunId};

/// The most lines of an export.
const MOST_LINES: usize = 1_000_000;

/// Where one of the two tells when something was.
const TIMES: [&str; 8] = [
    "start_time_iso",
    "start_time",
    "starting_at",
    "usage_date_utc",
    "usage_date",
    "date",
    "timestamp",
    "created_at",
];
const MODELS: [&str; 3] = ["model", "model_version", "snapshot_id"];
/// The id that we told the provider, which not every export has. Bedrock's own stands for calls that were not ours.
const REQUESTS: [&str; 5] = [
    "client_request_id",
    "x_client_request_id",
    "request_id",
    CALLED,
    "requestId",
];
/// What was said stands in Bedrock's log beside what was counted, and has counts of its own.
const SAID: [&str; 2] = ["inputBodyJson", "outputBodyJson"];
/// OpenAI's count of input has what came from its cache in it.
const INPUT: [&str; 3] = ["input_tokens", "prompt_tokens", "n_context_tokens_total"];
/// Anthropic's has not, and tells it in parts.
const INPUT_PARTS: [&[&str]; 5] = [
    &[
        "uncached_input_tokens",
        "usage_input_tokens_no_cache",
        "inputTokenCount",
    ],
    &[
        "cache_read_input_tokens",
        "usage_input_tokens_cache_read",
        "cacheReadInputTokenCount",
    ],
    &[
        "ephemeral_5m_input_tokens",
        "usage_input_tokens_cache_write_5m",
    ],
    &[
        "ephemeral_1h_input_tokens",
        "usage_input_tokens_cache_write_1h",
    ],
    &[
        "cache_creation_input_tokens",
        "usage_input_tokens_cache_write",
        "cacheWriteInputTokenCount",
    ],
];
const OUTPUT: [&str; 5] = [
    "output_tokens",
    "outputTokenCount",
    "usage_output_tokens",
    "completion_tokens",
    "n_generated_tokens_total",
];
const COUNTS: [&str; 2] = ["num_model_requests", "n_requests"];

/// An export that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub(super) lines: BTreeMap<Line, Counts>,
    pub(super) from: DateTime<Utc>,
    /// Exclusive.
    pub(super) to: DateTime<Utc>,
}

/// Why an export can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it is no JSON: {0}")]
    NotJson(String),
    #[error("nothing is in it")]
    Empty,
    #[error("it has more than {MOST_LINES} lines")]
    TooLong,
    #[error("line {line}: {what}")]
    Line { line: usize, what: &'static str },
}

/// One row, with the names of its fields.
type Row = BTreeMap<String, String>;

impl Export {
    /// Reads JSON or CSV, whichever it is.
    ///
    /// # Errors
    /// With the line that can't be read and why.
    pub fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ExportError::NotText)?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let rows = if text.starts_with(['{', '[']) {
            of_json(text)?
        } else {
            of_csv(text)?
        };
        let mut read: Option<Self> = None;
        for (line, row) in (1..).zip(&rows) {
            let wrong = |what| ExportError::Line { line, what };
            let at = first(row, &TIMES).ok_or_else(|| wrong("it has no time"))?;
            let at = time(at).ok_or_else(|| wrong("its time can't be read"))?;
            let counts = counts(row).map_err(wrong)?;
            let name = match first(row, &REQUESTS) {
                Some(id) => Line::Request(our_id(id)),
                None => Line::Day {
                    day: at.date_naive(),
                    model: first(row, &MODELS)
                        .ok_or_else(|| wrong("it has no model; please export grouped by model"))?
                        .to_owned(),
                },
            };
            let (from, to) = match &name {
                Line::Day { day, .. } => (midnight(*day), midnight(*day + Days::new(1))),
                Line::Request(_) => (at, at),
            };
            let export = read.get_or_insert_with(|| Self {
                lines: BTreeMap::new(),
                from,
                to,
            });
            export.from = export.from.min(from);
            export.to = export.to.max(to);
            match export.lines.entry(name) {
                Entry::Vacant(place) => drop(place.insert(counts)),
                Entry::Occupied(mut place) => place.get_mut().add(counts),
            }
        }
        read.ok_or(ExportError::Empty)
    }

    /// Whether it lists requests one by one.
    pub(super) fn has_requests(&self) -> bool {
        self.lines
            .keys()
            .any(|line| matches!(line, Line::Request(_)))
    }

    /// The runs that it names.
    pub(super) fn runs(&self) -> Vec<RunId> {
        let named = self.lines.keys().filter_map(|line| match line {
            Line::Request(id) => id.parse().ok(),
            Line::Day { .. } => None,
        });
        named.collect()
    }

    /// The requests for vectors that it names.
    pub(super) fn vectors(&self) -> Vec<String> {
        let named = self.lines.keys().filter_map(|line| match line {
            Line::Request(id) => Some(id.parse::<EmbeddingId>().ok()?.to_string()),
            Line::Day { .. } => None,
        });
        named.collect()
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The id as we write it; servers put words of their own before it.
fn our_id(id: &str) -> String {
    let bare = id.strip_prefix("chatcmpl-").unwrap_or(id);
    if let Ok(vectors) = bare.parse::<EmbeddingId>() {
        return vectors.to_string();
    }
    let prefixed = format!("run_{bare}");
    [bare, &prefixed]
        .iter()
        .find_map(|id| id.parse::<RunId>().ok())
        .map_or_else(|| id.to_owned(), |run| run.to_string())
}

fn first<'a>(row: &'a Row, names: &[&str]) -> Option<&'a str> {
    let found = names.iter().find_map(|name| row.get(*name));
    found
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(seconds) = text.parse() {
        return DateTime::from_timestamp(seconds, 0);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    text.get(..10)?.replace('/', "-").parse().ok().map(midnight)
}

fn counts(row: &Row) -> Result<Counts, &'static str> {
    let number = |names: &[&str]| {
        let read = |text: &str| match text.parse::<i64>() {
            Ok(count) if count >= 0 => Ok(count),
            _ => Err("a count is no number"),
        };
        first(row, names).map(read).transpose()
    };
    let mut parts = None;
    for names in INPUT_PARTS {
        if let Some(part) = number(names)? {
            parts = Some(parts.unwrap_or(0_i64).saturating_add(part));
        }
    }
    let input = match number(&INPUT)? {
        // where both are told, as in a list of single requests, this one is the part that no cache had
        Some(input) => Some(input.saturating_add(parts.unwrap_or(0))),
        None => parts,
    };
    let output = number(&OUTPUT)?;
    if input.is_none() && output.is_none() {
        return Err("it has no count of tokens");
    }
    Ok(Counts {
        requests: number(&COUNTS)?,
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
    })
}

/// The results of pages of buckets, each with the time of its bucket; or a plain list.
fn of_json(text: &str) -> Result<Vec<Row>, ExportError> {
    let mut rows = Vec::new();
    // pages that were saved one after the other are read as well
    for page in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let page = page.map_err(|error| ExportError::NotJson(error.to_string()))?;
        let items = match page {
            Value::Object(mut page) => match page.remove("data") {
                Some(Value::Array(items)) => items,
                _ => vec![Value::Object(page)],
            },
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        for item in items {
            let Value::Object(mut bucket) = item else {
                continue;
            };
            // OpenAI's own pages have both names
            match bucket.remove("results").or(bucket.remove("result")) {
                Some(Value::Array(results)) => rows.extend(
                    results
                        .iter()
                        .filter_map(Value::as_object)
                        .map(|result| flat([&bucket, result])),
                ),
                _ => rows.push(flat([&bucket])),
            }
            if rows.len() > MOST_LINES {
                return Err(ExportError::TooLong);
            }
        }
    }
    Ok(rows)
}

/// The fields of several objects, and of those in them.
fn flat<'a>(objects: impl IntoIterator<Item = &'a Map<String, Value>>) -> Row {
    let mut row = Row::new();
    for object in objects {
        for (name, value) in object {
            match value {
                Value::String(text) => drop(row.insert(name.clone(), text.clone())),
                Value::Number(number) => drop(row.insert(name.clone(), number.to_string())),
                Value::Object(inner) if !SAID.contains(&name.as_str()) => {
                    row.extend(flat([inner]));
                }
                _ => {}
            }
        }
    }
    row
}

fn of_csv(text: &str) -> Result<Vec<Row>, ExportError> {
    let mut lines = records(text)?.into_iter();
    let names: Vec<String> = lines
        .next()
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    Ok(lines
        .map(|fields| names.iter().cloned().zip(fields).collect())
        .collect())
}

/// Reads CSV as RFC 4180 has it; empty lines are passed over.
fn records(text: &str) -> Result<Vec<Vec<String>>, ExportError> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut chars = text.chars().chain(['\n']).peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut field)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut field));
                let whole = std::mem::take(&mut record);
                if whole.iter().any(|field| !field.is_empty()) {
                    records.push(whole);
                }
                if records.len() > MOST_LINES {
                    return Err(ExportError::TooLong);
                }
            }
            c => field.push(c),
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, Option<i64>, i64, i64)> {
        let export = Export::read(text.as_bytes()).unwrap();
        let of = |(line, counts): (Line, Counts)| {
            (
                line.to_string(),
                counts.requests,
                counts.input,
                counts.output,
            )
        };
        export.lines.into_iter().map(of).collect()
    }

    #[test]
    fn openais_report_and_file_are_read() {
        // 1763596800 is the midnight before 2025-11-20
        let page = r#"{"object": "page", "data": [
            {"object": "bucket", "start_time": 1763596800, "end_time": 1763683200, "results": [
                {"object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 500,
                 "input_cached_tokens": 800, "num_model_requests": 5, "project_id": null, "model": "gpt-4o-2024-08-06", "batch": null},
                {"input_tokens": 7, "output_tokens": 3, "num_model_requests": 1, "model": "gpt-4o-2024-08-06"}]},
            {"object": "bucket", "start_time": 1763683200, "end_time": 1763769600, "results": []}],
            "has_more": false, "next_page": null}"#;
        let told = [(
            "2025-11-20 gpt-4o-2024-08-06".to_owned(),
            Some(6),
            1007,
            503,
        )];
        assert_eq!(lines(page), told);
        let file = "start_time,end_time,start_time_iso,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\r\n\
            1763596800,1763683200,2025-11-20T00:00:00+00:00,gpt-4o-2024-08-06,6,1007,503,800\r\n";
        assert_eq!(lines(file), told);
    }

    #[test]
    fn openais_report_of_vectors_is_read() {
        for results in ["results", "result"] {
            let page = format!(
                r#"{{"object": "page", "data": [{{"object": "bucket", "start_time": 1763596800, "end_time": 1763683200, "{results}": [
                {{"object": "organization.usage.embeddings.result", "input_tokens": 16, "num_model_requests": 2, "project_id": null,
                  "user_id": null, "api_key_id": null, "model": "text-embedding-ada-002-v2"}}]}}], "has_more": false, "next_page": null}}"#
            );
            let told = "2025-11-20 text-embedding-ada-002-v2".to_owned();
            assert_eq!(lines(&page), [(told, Some(2), 16, 0)]);
        }
    }

    #[test]
    fn anthropics_report_and_file_are_read() {
        let page = r#"{"data": [{"starting_at": "2025-11-20T00:00:00Z", "ending_at": "2025-11-21T00:00:00Z", "results": [
            {"uncached_input_tokens": 100, "cache_creation": {"ephemeral_1h_input_tokens": 10, "ephemeral_5m_input_tokens": 20},
             "cache_read_input_tokens": 30, "output_tokens": 40, "server_tool_use": {"web_search_requests": 1},
             "api_key_id": null, "workspace_id": null, "model": "claude-sonnet-4-20250514", "service_tier": "standard"}]}],
            "has_more": false, "next_page": null}"#;
        let told = [(
            "2025-11-20 claude-sonnet-4-20250514".to_owned(),
            None,
            160,
            40,
        )];
        assert_eq!(lines(page), told);
        let file = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
            usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
            web_search_count\n2025-11-20,claude-sonnet-4-20250514,\"a, \"\"key\"\"\",Default,standard,≤ 200k,100,20,10,30,40,1\n";
        assert_eq!(lines(file), told);
    }

    #[test]
    fn single_requests_go_by_the_id_that_was_told() {
        let file = "created_at,client_request_id,model,prompt_tokens,completion_tokens\n\
            2025-11-20T10:00:00Z,run_0199a3f0000070008000000000000001,a,3,4\n\
            2025-11-20T10:00:01Z,chatcmpl-0199a3f0000070008000000000000001,a,1,1\n2025-11-20T10:00:02Z,elsewhere,a,5,6\n\
            2025-11-20T10:00:03Z,emb_0199a3f0000070008000000000000002,v,7,\n";
        let ours = "run_0199a3f0000070008000000000000001".to_owned();
        let vectors = "emb_0199a3f0000070008000000000000002".to_owned();
        assert_eq!(
            lines(file),
            [
                ("elsewhere".to_owned(), None, 5, 6),
                (vectors.clone(), None, 7, 0),
                (ours, None, 4, 5)
            ]
        );
        let export = Export::read(file.as_bytes()).unwrap();
        assert_eq!((export.runs().len(), export.vectors()), (1, vec![vectors]));
    }

    #[test]
    fn bedrocks_log_goes_by_the_id_that_was_told_and_reads_nothing_of_what_was_said() {
        let call = |its: &str, ours: &str, input: &str| {
            format!(
                r#"{{"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2025-11-20T10:00:00Z",
                "accountId": "1", "region": "ap-northeast-1", "requestId": "{its}", "operation": "ConverseStream",
                "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
                "input": {{"inputContentType": "application/json", "inputBodyJson": {{"output_tokens": 9}}, {input}}},
                "output": {{"outputContentType": "application/json", "outputTokenCount": 4,
                    "outputBodyJson": [{{"metadata": {{"usage": {{"inputTokens": 9}}}}}}]}}{ours}}}"#
            )
        };
        let run = "run_0199a3f0000070008000000000000001";
        let ours = format!(r#", "requestMetadata": {{"{CALLED}": "{run}", "team": "x"}}"#);
        let cached = r#""inputTokenCount": 3, "cacheReadInputTokenCount": 20, "cacheWriteInputTokenCount": 100"#;
        let log = [
            call("a-1", &ours, cached),
            call("a-2", "", r#""inputTokenCount": 35"#),
        ];
        assert_eq!(
            lines(&log.join("\n")),
            [
                ("a-2".to_owned(), None, 35, 4),
                (run.to_owned(), None, 123, 4)
            ]
        );
    }

    #[test]
    fn what_can_not_be_compared_is_refused_with_its_line() {
        for (text, line) in [
            (
                "date,model,input_tokens,output_tokens\n2025-11-20,a,1,1\n2025-11-21,,1,1\n",
                2,
            ),
            (
                "date,model,input_tokens,output_tokens\nyesterday,a,1,1\n",
                1,
            ),
            (
                "date,model,input_tokens,output_tokens\n2025-11-20,a,-1,1\n",
                1,
            ),
            ("date,model\n2025-11-20,a\n", 1),
            ("model,input_tokens\na,1\n", 1),
        ] {
            let found = Export::read(text.as_bytes());
            assert!(
                matches!(&found, Err(ExportError::Line { line: at, .. }) if *at == line),
                "{text}: {found:?}"
            );
        }
        assert_eq!(Export::read(b"date,model\n"), Err(ExportError::Empty));
        assert_eq!(Export::read(&[0xff]), Err(ExportError::NotText));
        assert!(matches!(Export::read(b"{"), Err(ExportError::NotJson(_))));
    }
}
