use std::fmt::Write;

use api::{Check, FieldErrors, Okay, Refusals, ValidQuery};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, Duration, Utc};
use gateway::statistics::{By, Statistics, Sums, statistics};
use identity::{Granted, may};
use kernel::Text;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Error, Genai, STOREFRONT};

/// What is summed up unless it is said.
const USUAL: Duration = Duration::days(30);

pub(crate) fn router() -> OpenApiRouter<Genai> {
    OpenApiRouter::new().routes(routes!(get_statistics))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct StatisticsQuery {
    /// As long before `to` as can be grouped so, 30 days at most, unless said.
    from: Option<DateTime<Utc>>,
    /// Exclusive; now unless said.
    to: Option<DateTime<Utc>>,
    #[serde(default)]
    #[param(inline)]
    by: By,
}

impl StatisticsQuery {
    fn span(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let to = self.to.unwrap_or(now);
        let before = |time| to.checked_sub_signed(time).unwrap_or(to);
        let from = self
            .from
            .unwrap_or_else(|| before(USUAL.min(self.by.longest())));
        (from.max(before(self.by.longest())), to)
    }
}

impl Check for StatisticsQuery {
    fn check(&self, errors: &mut FieldErrors) {
        check_time(errors, self.from, "?from");
        check_time(errors, self.to, "?to");
        let (Some(from), Some(to)) = (self.from, self.to) else {
            return;
        };
        errors.require(
            from < to && to.signed_duration_since(from) <= self.by.longest(),
            "?from",
            "range",
            Text::new(
                "期間が長すぎるか、順番が逆です。",
                "The time is too long for this grouping, or ends before it begins.",
            ),
        );
    }
}

/// Refuses times that no run can have, which the database may not know either.
pub(crate) fn check_time(errors: &mut FieldErrors, time: Option<DateTime<Utc>>, pointer: &str) {
    errors.require(
        time.is_none_or(|time| (1970..10_000).contains(&time.year())),
        pointer,
        "range",
        Text::new(
            "1970年から9999年までで指定してください。",
            "Please use the years 1970 to 9999.",
        ),
    );
}

/// Sums up the runs of the caller's tenant that were asked for in a time; as CSV when that is what `Accept` says. The totals
/// equal what the history lists and what the usage rows say.
#[utoipa::path(get, path = "/statistics", operation_id = "get_statistics", tag = "genai", params(StatisticsQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Statistics), Refusals))]
async fn get_statistics(
    State(room): State<Genai>,
    caller: Granted<may::UsageRead>,
    ValidQuery(query): ValidQuery<StatisticsQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (from, to) = query.span(room.cx.clock.now());
    let found = statistics(
        &room.gateway,
        caller.principal,
        STOREFRONT,
        (from, to),
        query.by,
    )
    .await?;
    let wants_csv = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/csv"));
    Ok(if wants_csv {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (headers, csv(&found)).into_response()
    } else {
        Okay(found).into_response()
    })
}

const COLUMNS: &str = "name,id,requests,completed,failed,cancelled,success_rate,mean_ms,p95_ms,tokens_input,tokens_output,tokens_cached,cost_nano_usd";

/// The groups, or the totals where there are none asked for.
fn csv(found: &Statistics) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    if found.groups.is_empty() {
        line(&mut text, "total", "", &found.totals);
    }
    for group in &found.groups {
        let id = group.id.map(|id| id.to_string()).unwrap_or_default();
        line(&mut text, &cell(&group.name), &id, &group.sums);
    }
    text
}

fn line(text: &mut String, name: &str, id: &str, sums: &Sums) {
    let shown = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let rate = sums.success_rate.map(|rate| rate.to_string());
    let _ = write!(
        text,
        "{name},{id},{},{},{},{},{},{},{},{},{},{},{}\r\n",
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

    #[test]
    fn the_usual_time_is_a_month_or_what_the_grouping_allows() {
        let now = DateTime::UNIX_EPOCH + Duration::days(400);
        let span = |by, from| {
            let query = StatisticsQuery { from, to: None, by };
            let (from, to) = query.span(now);
            to - from
        };
        assert_eq!(span(By::Model, None), Duration::days(30));
        assert_eq!(span(By::Minute, None), Duration::days(1));
        let from = now - Duration::days(3);
        assert_eq!(span(By::Day, Some(from)), Duration::days(3));
    }
}
