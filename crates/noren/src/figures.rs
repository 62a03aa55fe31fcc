//! The operator's figures: who came, what they asked, what it cost and what it brought, side by side. Each room sums up what is its
//! own, in one snapshot; they are joined here, since only this floor knows all of them.

use std::collections::BTreeMap;

use api::{Check, FieldErrors, Okay, Problem, Refusals, ValidQuery};
use axum::extract::State;
use billing::Takings;
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeZone, Utc};
use chrono_tz::Asia::Tokyo;
use db::Scope;
use entitlement::Demand;
use identity::{Arrivals, Granted, may};
use kernel::{Fault, Text};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::house::House;

pub(crate) fn router() -> OpenApiRouter<House> {
    OpenApiRouter::new().routes(routes!(operator_figures))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct FiguresQuery {
    /// A month (`2026-11`), told by days, or a year (`2026`), told by months.
    #[param(min_length = 4, max_length = 7)]
    of: String,
}

impl Check for FiguresQuery {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(
            Span::named(&self.of).is_some(),
            "?of",
            "format",
            Text::new(
                "2026-11のような月か、2026のような年を指定してください。",
                "Please use a month such as 2026-11, or a year such as 2026.",
            ),
        );
    }
}

/// Days or months that are told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: NaiveDate,
    /// Exclusive.
    end: NaiveDate,
    /// How PostgreSQL writes one of them.
    shape: &'static str,
}

impl Span {
    fn named(text: &str) -> Option<Self> {
        let (day, months, shape) = match text.len() {
            7 => (format!("{text}-01"), 1, "YYYY-MM-DD"),
            4 => (format!("{text}-01-01"), 12, "YYYY-MM"),
            _ => return None,
        };
        let first: NaiveDate = day.parse().ok()?;
        (1970..9999).contains(&first.year()).then_some(())?;
        let end = first.checked_add_months(Months::new(months))?;
        Some(Self { first, end, shape })
    }

    /// The house counts its days in Tokyo, where every day begins.
    fn instants(self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let instant = |day: NaiveDate| {
            let begin = day.and_hms_opt(0, 0, 0)?;
            Some(Tokyo.from_local_datetime(&begin).earliest()?.to_utc())
        };
        Some((instant(self.first)?, instant(self.end)?))
    }
}

/// What a storefront took in one currency, in its smallest unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct Revenue {
    /// As ISO 4217 says, in small letters.
    currency: String,
    paid: i64,
    /// Of what was paid in this time, whenever it went back.
    refunded: i64,
    /// What was paid without what went back.
    net: i64,
}

/// One storefront's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct StorefrontFigures {
    /// Empty where money came in for none of them.
    storefront: String,
    requests: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
    tokens_in: i64,
    tokens_out: i64,
    /// Billionths of a US dollar, as models are paid.
    cost_nano_usd: i64,
    revenue: Vec<Revenue>,
}

/// The figures of a day, of a month, or of all that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
struct PeriodFigures {
    /// `2026-11-22`, `2026-11`, or what was asked for.
    period: String,
    sign_ups: i64,
    sign_ins: i64,
    storefronts: Vec<StorefrontFigures>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Figures {
    /// The time zone in which days begin.
    zone: &'static str,
    total: PeriodFigures,
    /// Only those in which something happened, the earliest first.
    items: Vec<PeriodFigures>,
}

/// Shows an operator sign-ups, sign-ins, requests, tokens, cost and revenue side by side, by day or month and storefront.
#[utoipa::path(get, path = "/admin/figures", operation_id = "operator_figures", tag = "operator", params(FiguresQuery),
    security(("session" = []), ("access_token" = [])), responses((status = 200, body = Figures), Refusals))]
async fn operator_figures(
    State(house): State<House>,
    _: Granted<may::HouseOperate>,
    ValidQuery(query): ValidQuery<FiguresQuery>,
) -> Result<Okay<Figures>, Problem> {
    let rooms = read(&house, &query.of).await.map_err(Problem::from)?;
    Ok(Okay(joined(&query.of, &rooms)))
}

/// What the rooms tell.
#[derive(Debug, Default)]
struct Rooms {
    arrivals: Vec<Arrivals>,
    demand: Vec<Demand>,
    takings: Vec<Takings>,
}

async fn read(house: &House, of: &str) -> Result<Rooms, Fault> {
    let broken = || Fault::broken("a span that was checked can't be read");
    let span = Span::named(of).ok_or_else(broken)?;
    let (instants, zone) = (span.instants().ok_or_else(broken)?, Tokyo.name());
    let rooms = async {
        let scope = Scope::House("an operator reads the figures");
        let mut tx = house.identity.cx.db.read(scope).await?;
        let rooms = Rooms {
            arrivals: identity::arrivals(&mut tx, instants, zone, span.shape).await?,
            demand: entitlement::demand(&mut tx, instants, zone, span.shape).await?,
            takings: billing::takings(&mut tx, instants, zone, span.shape).await?,
        };
        tx.commit().await?;
        Ok(rooms)
    };
    rooms.await.map_err(db::fault)
}

fn joined(of: &str, rooms: &Rooms) -> Figures {
    let mut by_period: BTreeMap<&str, Rooms> = BTreeMap::new();
    for one in &rooms.arrivals {
        let of = by_period.entry(&one.period).or_default();
        of.arrivals.push(one.clone());
    }
    for one in &rooms.demand {
        let of = by_period.entry(&one.period).or_default();
        of.demand.push(one.clone());
    }
    for one in &rooms.takings {
        let of = by_period.entry(&one.period).or_default();
        of.takings.push(one.clone());
    }
    Figures {
        zone: Tokyo.name(),
        total: summed(of, rooms),
        items: by_period
            .into_iter()
            .map(|(period, rooms)| summed(period, &rooms))
            .collect(),
    }
}

fn summed(period: &str, rooms: &Rooms) -> PeriodFigures {
    let mut storefronts: BTreeMap<&str, StorefrontFigures> = BTreeMap::new();
    for one in &rooms.demand {
        let of = storefronts.entry(&one.storefront).or_default();
        of.requests += one.requests;
        of.completed += one.completed;
        of.failed += one.failed;
        of.cancelled += one.cancelled;
        of.tokens_in += one.tokens_in;
        of.tokens_out += one.tokens_out;
        of.cost_nano_usd += one.cost_nano_usd;
    }
    let mut takings: BTreeMap<(&str, &str), Revenue> = BTreeMap::new();
    for one in &rooms.takings {
        let of = takings.entry((&one.storefront, &one.currency)).or_default();
        of.paid += one.paid;
        of.refunded += one.refunded;
        of.net += one.paid - one.refunded;
    }
    for ((storefront, currency), revenue) in takings {
        let of = storefronts.entry(storefront).or_default();
        of.revenue.push(Revenue {
            currency: currency.to_owned(),
            ..revenue
        });
    }
    PeriodFigures {
        period: period.to_owned(),
        sign_ups: rooms.arrivals.iter().map(|one| one.sign_ups).sum(),
        sign_ins: rooms.arrivals.iter().map(|one| one.sign_ins).sum(),
        storefronts: storefronts
            .into_iter()
            .map(|(storefront, figures)| StorefrontFigures {
                storefront: storefront.to_owned(),
                ..figures
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_month_of_days_or_a_year_of_months_in_tokyo() {
        let span = Span::named("2026-02").unwrap();
        let (from, to) = span.instants().unwrap();
        assert_eq!(span.shape, "YYYY-MM-DD");
        assert_eq!(from.to_rfc3339(), "2026-01-31T15:00:00+00:00");
        assert_eq!(to.to_rfc3339(), "2026-02-28T15:00:00+00:00");
        let year = Span::named("2026").unwrap();
        assert_eq!(
            (year.shape, year.end.to_string()),
            ("YYYY-MM", "2027-01-01".to_owned())
        );
        for wrong in ["", "2026-13", "26-1", "2026-1-", "0001-01", "2026-11-22"] {
            assert_eq!(Span::named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_rooms_tell_stands_side_by_side_and_adds_up_by_currency() {
        let demand = |period: &str, storefront: &str, requests| Demand {
            period: period.to_owned(),
            storefront: storefront.to_owned(),
            requests,
            completed: requests,
            failed: 0,
            cancelled: 0,
            tokens_in: 1,
            tokens_out: 2,
            cost_nano_usd: 3,
        };
        let takings = |period: &str, currency: &str, paid, refunded| Takings {
            period: period.to_owned(),
            storefront: "genai".to_owned(),
            currency: currency.to_owned(),
            paid,
            refunded,
        };
        let rooms = Rooms {
            arrivals: vec![Arrivals {
                period: "2026-11-03".to_owned(),
                sign_ups: 2,
                sign_ins: 5,
            }],
            demand: vec![
                demand("2026-11-01", "misaki", 4),
                demand("2026-11-02", "misaki", 6),
            ],
            takings: vec![
                takings("2026-11-01", "jpy", 980, 0),
                takings("2026-11-02", "jpy", 2980, 980),
                takings("2026-11-02", "usd", 500, 0),
            ],
        };
        let figures = joined("2026-11", &rooms);
        let days: Vec<_> = figures
            .items
            .iter()
            .map(|one| one.period.as_str())
            .collect();
        assert_eq!(days, ["2026-11-01", "2026-11-02", "2026-11-03"]);
        let total = figures.total;
        assert_eq!(
            (total.sign_ups, total.sign_ins, total.period.as_str()),
            (2, 5, "2026-11")
        );
        let [genai, misaki] = total.storefronts.as_slice() else {
            panic!("{:?}", total.storefronts);
        };
        let money: Vec<_> = genai
            .revenue
            .iter()
            .map(|one| (one.currency.as_str(), one.paid, one.refunded, one.net))
            .collect();
        assert_eq!(money, [("jpy", 3960, 980, 2980), ("usd", 500, 0, 500)]);
        assert_eq!(
            (misaki.requests, misaki.cost_nano_usd, misaki.revenue.len()),
            (10, 6, 0)
        );
    }
}
