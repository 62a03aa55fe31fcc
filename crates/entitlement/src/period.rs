//! Days and months of a tenant's own calendar.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use db::Ctx;
use identity::TenantId;
use kernel::Fault;
use sqlx::PgConnection;

use crate::{Error, Every};

/// A stretch of time: from the first instant to just before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
}

/// The running day of a tenant's own time zone.
pub(crate) async fn today(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
) -> Result<Period, Error> {
    running(conn, cx, tenant, Every::Day).await
}

/// The running day or month of a tenant's own time zone.
pub(crate) async fn running(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    every: Every,
) -> Result<Period, Error> {
    let zone = zone_of(conn, tenant).await?;
    Ok(period(every, cx.clock.now(), zone)?)
}

/// Begin and end of the running month of a tenant's own time zone.
///
/// # Errors
/// When the database is away.
pub async fn running_month(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Error> {
    let month = running(conn, cx, tenant, Every::Month).await?;
    Ok((month.start, month.end))
}

/// The midnight of `zone` so many months after one.
pub(crate) fn months_after(
    end: DateTime<Utc>,
    months: u8,
    zone: Tz,
) -> Result<DateTime<Utc>, Fault> {
    let day = end.with_timezone(&zone).date_naive();
    day.checked_add_months(Months::new(u32::from(months)))
        .and_then(|day| midnight(day, zone))
        .ok_or(Fault::broken("the calendar has no such month"))
}

/// A month of `zone`, named by its first day.
pub(crate) fn month(first: NaiveDate, zone: Tz) -> Result<Period, Fault> {
    let next = first.checked_add_months(Months::new(1));
    match (
        midnight(first, zone),
        next.and_then(|next| midnight(next, zone)),
    ) {
        (Some(start), Some(end)) => Ok(Period { start, end }),
        _ => Err(Fault::broken("the calendar has no such month")),
    }
}

pub(crate) async fn zone_of(conn: &mut PgConnection, tenant: TenantId) -> Result<Tz, Error> {
    let name = identity::tenant_zone(conn, tenant).await?;
    Ok(name
        .parse()
        .map_err(|e| Fault::internal("a tenant's time zone is unknown", e))?)
}

/// The running day or month of `zone`.
pub(crate) fn period(every: Every, now: DateTime<Utc>, zone: Tz) -> Result<Period, Fault> {
    let today = now.with_timezone(&zone).date_naive();
    let (first, next) = match every {
        Every::Day => (Some(today), today.checked_add_days(Days::new(1))),
        Every::Month => {
            let first = today.with_day(1);
            (
                first,
                first.and_then(|first| first.checked_add_months(Months::new(1))),
            )
        }
        Every::Invoice => return Err(Fault::broken("an invoice's period is no calendar's")),
    };
    match (
        first.and_then(|day| midnight(day, zone)),
        next.and_then(|day| midnight(day, zone)),
    ) {
        (Some(start), Some(end)) => Ok(Period { start, end }),
        _ => Err(Fault::broken("the calendar has no such day")),
    }
}

/// The first instant of a day; where the clocks skip midnight, the first that exists.
fn midnight(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let start = day.and_time(NaiveTime::MIN);
    (0..4)
        .find_map(|hour| {
            zone.from_local_datetime(&(start + chrono::Duration::hours(hour)))
                .earliest()
        })
        .map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn periods_follow_the_tenants_own_calendar() {
        for (every, now, zone, start, end) in [
            (
                Every::Day,
                "2026-11-20T14:59:59Z",
                "Asia/Tokyo",
                "2026-11-19T15:00:00Z",
                "2026-11-20T15:00:00Z",
            ),
            (
                Every::Day,
                "2026-11-20T15:00:00Z",
                "Asia/Tokyo",
                "2026-11-20T15:00:00Z",
                "2026-11-21T15:00:00Z",
            ),
            (
                Every::Month,
                "2028-02-29T14:59:59Z",
                "Asia/Tokyo",
                "2028-01-31T15:00:00Z",
                "2028-02-29T15:00:00Z",
            ),
            (
                Every::Month,
                "2026-12-31T16:00:00Z",
                "Asia/Tokyo",
                "2026-12-31T15:00:00Z",
                "2027-01-31T15:00:00Z",
            ),
            (
                Every::Day,
                "2026-03-08T12:00:00Z",
                "America/New_York",
                "2026-03-08T05:00:00Z",
                "2026-03-09T04:00:00Z",
            ),
            // clocks go from 00:00 to 01:00 on this day
            (
                Every::Day,
                "2026-09-06T12:00:00Z",
                "America/Santiago",
                "2026-09-06T04:00:00Z",
                "2026-09-07T03:00:00Z",
            ),
        ] {
            let got = period(every, at(now), zone.parse().unwrap()).unwrap();
            assert_eq!(
                got,
                Period {
                    start: at(start),
                    end: at(end)
                },
                "{every:?} {now} {zone}"
            );
        }
    }
}
