mod csv;
mod parquet;

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

/// How the sums are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Parquet,
}

impl Form {
    /// The first of the tables that `Accept` names; JSON otherwise.
    fn wanted(headers: &HeaderMap) -> Self {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        accept
            .split(',')
            .find_map(|part| match part.split(';').next().map(str::trim) {
                Some("text/csv") => Some(Self::Csv),
                Some(parquet::TYPE) => Some(Self::Parquet),
                _ => None,
            })
            .unwrap_or(Self::Json)
    }
}

/// Sums up the runs of the caller's tenant that were asked for in a time; as CSV or as Parquet when that is what `Accept` says.
/// The totals equal what the history lists and what the usage rows say. Of more than 5,000 groups those with the fewest runs are
/// added up as `others`, in a table as its last row, whose `id` is `others`. The Parquet file has the rows and columns of the CSV, typed,
/// and for groups of time a column more: when each begins.
#[utoipa::path(get, path = "/statistics", operation_id = "get_statistics", tag = "genai", params(StatisticsQuery),
    security(("session" = []), ("api_key" = []), ("access_token" = [])),
    responses((status = 200, content((Statistics = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"))), Refusals))]
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
    Ok(match Form::wanted(&headers) {
        Form::Json => Okay(found).into_response(),
        Form::Csv => file("text/csv; charset=utf-8", "csv", csv::file(&lines(&found))),
        Form::Parquet => file(parquet::TYPE, "parquet", parquet::file(&found, query.by)?),
    })
}

/// One row of a table.
#[derive(Debug)]
struct Line<'a> {
    name: String,
    /// Of a key; `others` where the row is about the groups that have none of their own.
    id: Option<String>,
    sums: &'a Sums,
}

/// The groups, or the totals where there are none asked for, and at the end what is not shown by itself.
fn lines(found: &Statistics) -> Vec<Line<'_>> {
    let groups = found.groups.iter().map(|group| Line {
        name: group.name.clone(),
        id: group.id.map(|id| id.to_string()),
        sums: &group.sums,
    });
    let total = found.groups.is_empty().then(|| Line {
        name: "total".to_owned(),
        id: None,
        sums: &found.totals,
    });
    let others = found.others.as_ref().map(|others| Line {
        name: format!("others ({})", others.groups),
        id: Some("others".to_owned()),
        sums: &others.sums,
    });
    total.into_iter().chain(groups).chain(others).collect()
}

fn file(kind: &'static str, ending: &str, content: impl IntoResponse) -> Response {
    let name = format!("attachment; filename=\"noren-genai.{ending}\"");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_that_is_named_is_the_form() {
        for (accept, want) in [
            ("application/json", Form::Json),
            ("*/*", Form::Json),
            ("text/csv", Form::Csv),
            ("text/csv;q=0.9, */*", Form::Csv),
            ("application/vnd.apache.parquet, text/csv", Form::Parquet),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(Form::wanted(&headers), want, "{accept}");
        }
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
