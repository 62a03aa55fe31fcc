mod store;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use hooks::EventType;
use identity::{Addressee, TenantId};
use kernel::Lang;
use ledger::PeriodStock;
use mail::{Letter, Template};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;

/// Shares of what was granted, of which people are told once in each period.
const PERCENTS: [i16; 3] = [50, 80, 100];
/// How long after its end a block is still looked at: much longer than any round is late.
const LATELY: Duration = Duration::minutes(10);
/// How long it is known of what people were told, beyond the period.
const KEPT: Duration = Duration::days(30);

/// A tenant's unit that was used lately.
#[derive(Clone, Debug)]
struct Moved {
    tenant: TenantId,
    unit: String,
    storefront: String,
}

/// How much of a period's units is used.
#[derive(Debug)]
struct Level {
    moved: Moved,
    used: i64,
    granted: i64,
    until: DateTime<Utc>,
}

/// Finds who has used half, four fifths or all of what a period grants, and tells them: each once in a period, a letter of the
/// highest share that is news, and an event of every one. Every node does this all the time; a row's key decides who tells.
/// Guests are not told. Links begin with `account_url`.
///
/// # Errors
/// When the database is away.
pub async fn note_thresholds(cx: &Ctx, account_url: &str, most: i64) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut told = 0;
    let mut after = (TenantId(uuid::Uuid::nil()), String::new());
    loop {
        let mut tx = cx.db.begin(Scope::House("thresholds of usage")).await?;
        let moved = store::moved_after(&mut tx, &after, now - LATELY, most).await?;
        let Some(last) = moved.last() else {
            store::clear(&mut tx, now - KEPT, most).await?;
            tx.commit().await?;
            return Ok(told);
        };
        after = (last.tenant, last.unit.clone());
        let news = news(&mut tx, moved, now).await?;
        tx.commit().await?;
        for level in news {
            let mut tx = cx.db.begin(Scope::House("a threshold of usage")).await?;
            told += usize::from(tell(&mut tx, cx, account_url, &level).await?);
            tx.commit().await?;
        }
    }
}

/// Those whose tenants may have something to be told.
async fn news(
    conn: &mut PgConnection,
    moved: Vec<Moved>,
    now: DateTime<Utc>,
) -> Result<Vec<Level>, Error> {
    let units: Vec<(TenantId, &str)> = moved
        .iter()
        .map(|moved| (moved.tenant, moved.unit.as_str()))
        .collect();
    // the books first: a block that is closed in between is then missed until the next round, and not counted twice
    let stocks = ledger::period_stocks(conn, &units, now).await?;
    let unsettled = store::unsettled(conn, &stocks).await?;
    let mut levels: Vec<Level> = moved
        .into_iter()
        .filter_map(|moved| {
            let is_it = |tenant: TenantId, unit: &str| tenant == moved.tenant && unit == moved.unit;
            let stock = stocks.iter().find(|s| is_it(s.tenant, &s.unit))?;
            let open = unsettled
                .iter()
                .find(|(tenant, unit, _)| is_it(*tenant, unit));
            Some(Level {
                used: stock.spent + open.map_or(0, |(_, _, used)| *used),
                granted: stock.granted,
                until: stock.until,
                moved,
            })
        })
        .filter(|level| !reached(level.used, level.granted).is_empty())
        .collect();
    if levels.is_empty() {
        return Ok(levels);
    }
    let highest = store::highest_noted(conn, &levels).await?;
    levels.retain(|level| {
        let noted = highest
            .iter()
            .find(|(tenant, unit, _)| *tenant == level.moved.tenant && *unit == level.moved.unit);
        reached(level.used, level.granted).last() > noted.map(|(_, _, percent)| percent)
    });
    let tenants: Vec<TenantId> = levels.iter().map(|level| level.moved.tenant).collect();
    let peopled = identity::tenants_with_members(conn, &tenants).await?;
    levels.retain(|level| peopled.contains(&level.moved.tenant));
    Ok(levels)
}

/// The shares that are used up, lowest first.
fn reached(used: i64, granted: i64) -> &'static [i16] {
    let count = PERCENTS
        .iter()
        .filter(|percent| {
            granted > 0 && i128::from(used) * 100 >= i128::from(granted) * i128::from(**percent)
        })
        .count();
    PERCENTS.get(..count).unwrap_or_default()
}

/// Notes what is reached and tells of what nobody noted before; whether there was anything.
async fn tell(
    conn: &mut PgConnection,
    cx: &Ctx,
    account_url: &str,
    level: &Level,
) -> Result<bool, Error> {
    let percents = reached(level.used, level.granted);
    let mut noted = store::note(conn, level, percents, cx.clock.now()).await?;
    noted.sort_unstable();
    let Some(highest) = noted.last().copied() else {
        return Ok(false);
    };
    let tenant = level.moved.tenant;
    for percent in noted {
        let said = payload(level, percent);
        hooks::emit(conn, cx, tenant, EventType::UsageThresholdReached, &said).await?;
    }
    for to in identity::billing_contacts(conn, tenant).await? {
        let (title, body) = words(level, highest, &to);
        let letter = Letter {
            key: &format!(
                "threshold:{tenant}:{}:{}:{highest}:{}",
                level.moved.unit,
                level.until.timestamp(),
                to.user
            ),
            to: &to.email,
            lang: to.lang,
            template: Template::News,
            data: json!({ "title": title, "body": body,
                "link": format!("{account_url}/plans/{}", level.moved.storefront) }),
        };
        mail::post(conn, cx, letter).await?;
    }
    Ok(true)
}

fn payload(level: &Level, percent: i16) -> Value {
    json!({ "storefront": level.moved.storefront, "unit": level.moved.unit, "percent": percent, "used": level.used,
        "granted": level.granted, "period_end": level.until })
}

/// The title and the text of a letter.
fn words(level: &Level, percent: i16, to: &Addressee) -> (String, String) {
    let Level { used, granted, .. } = level;
    let unit = &level.moved.unit;
    let japan = level.until.with_timezone(&chrono_tz::Asia::Tokyo);
    let until = japan.format("%Y-%m-%d %H:%M");
    match (to.lang, percent) {
        (Lang::Ja, 100) => (
            format!("{unit}のご利用が上限に達しました"),
            format!(
                "{unit}を{granted}のうち{used}ご利用になりました。\n\n日本時間{until}に次の期間が始まるまで、{unit}を使う新しいご利用は\
                 お受けできません。ほかのご利用は止まりません。続けてお使いになるには、プランをご覧ください。"
            ),
        ),
        (Lang::En, 100) => (
            format!("All of {unit} is used"),
            format!(
                "You have used {used} of {granted} of {unit}.\n\nNew work that needs {unit} is refused until the next period begins at \
                 {until} Japan time. Nothing else stops. The plans show how to go on before."
            ),
        ),
        (Lang::Ja, _) => (
            format!("{unit}のご利用が{percent}%に達しました"),
            format!(
                "{unit}を{granted}のうち{used}ご利用になりました。\n\nこの期間は日本時間{until}までです。使い切ると、次の期間まで{unit}を使う\
                 新しいご利用はお受けできません。"
            ),
        ),
        (Lang::En, _) => (
            format!("{percent} % of {unit} is used"),
            format!(
                "You have used {used} of {granted} of {unit}.\n\nThis period ends at {until} Japan time. Once all is used, new work that \
                 needs {unit} is refused until the next."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_exactly_when_so_much_is_used() {
        for (used, granted, shares) in [
            (0, 0, &[][..]),
            (5, 0, &[]),
            (14, 30, &[]),
            (15, 30, &[50]),
            (1, 2, &[50]),
            (23, 30, &[50]),
            (24, 30, &[50, 80]),
            (29, 30, &[50, 80]),
            (30, 30, &[50, 80, 100]),
            (31, 30, &[50, 80, 100]),
            (i64::MAX, i64::MAX, &[50, 80, 100]),
        ] {
            assert_eq!(reached(used, granted), shares, "{used} of {granted}");
        }
    }
}
