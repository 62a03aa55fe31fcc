pub(crate) mod http;
mod store;

use chrono::{DateTime, Duration, Utc};
use db::{Ctx, Scope};
use hooks::EventType;
use identity::{Addressee, AuditAction, Principal, RequestMeta, TenantId};
use kernel::Lang;
use mail::{Letter, Template};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Entitlement, Error, Every, lease,
    limit::Limit,
    period,
    unit::{cost_of, dollars, is_cost, storefront_of},
};

pub(crate) use store::stopped;

/// How long it is known of what people were told, beyond the month.
const KEPT: Duration = Duration::days(30);
/// How long after its end a block is still looked at.
const LATELY: Duration = Duration::minutes(10);

/// A tenant's own limit of a unit, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Budget {
    pub(crate) unit: String,
    /// What may be used in a month; none: nothing is stopped.
    #[schema(required)]
    pub(crate) monthly: Option<i64>,
    /// What the house lets the tenant use in a month, whatever is set here.
    #[schema(required)]
    pub(crate) house_cap: Option<i64>,
    /// At which amounts the tenant's people are told.
    pub(crate) alerts: Vec<i64>,
    /// In the running month of the tenant's own time zone.
    pub(crate) used: i64,
    pub(crate) resets_at: DateTime<Utc>,
    /// Whether work was refused this month since it might have passed the limit of cost.
    pub(crate) stopped: bool,
}

/// What somebody wants of a budget.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) monthly: Option<i64>,
    pub(crate) alerts: Vec<i64>,
}

/// A budget as it is kept.
#[derive(Clone, Debug)]
struct Kept {
    tenant: TenantId,
    unit: String,
    monthly: Option<i64>,
    cap: Option<i64>,
    alerts: Vec<i64>,
    stopped_at: Option<DateTime<Utc>>,
    /// Whether the tenant has set it; otherwise there is only a cap of the house.
    is_own: bool,
}

/// What a budget leaves to be set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) units: i64,
    pub(crate) limit: Limit,
    pub(crate) resets_at: DateTime<Utc>,
}

/// Whether a tenant has a limit of what its work at a storefront may cost in a month.
pub(crate) async fn limits_cost(
    conn: &mut PgConnection,
    tenant: TenantId,
    storefront: &str,
) -> sqlx::Result<bool> {
    let found = cost_limit(conn, tenant, &cost_of(storefront)).await?;
    Ok(found.is_some())
}

/// The limit of cost, and when work was last refused by the tenant's own.
pub(crate) async fn cost_limit(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Option<(Limit, Option<DateTime<Utc>>)>> {
    let kept = store::find(conn, tenant, unit).await?;
    Ok(kept.and_then(|kept| {
        let limit = Limit::strictest(kept.monthly, kept.cap);
        limit.map(|limit| (limit, kept.stopped_at))
    }))
}

/// How much of a unit the tenant's own budget, or the house's cap, still lets be set aside this month; none without one. Counted
/// are whole blocks as long as they are open, so what is admitted from them never comes to more; one from before midnight is the
/// last month's.
pub(crate) async fn left(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    unit: &str,
) -> Result<Option<Left>, Error> {
    let (own, cap) = store::limits(conn, tenant, unit).await?;
    let Some(limit) = Limit::strictest(own, cap) else {
        return Ok(None);
    };
    let month = period::running(conn, cx, tenant, Every::Month).await?;
    let taken = store::taken(conn, tenant, unit, month.start).await?;
    Ok(Some(Left {
        units: limit.monthly - taken,
        limit,
        resets_at: month.end,
    }))
}

/// What a tenant used of a unit since.
async fn used_since(
    conn: &mut PgConnection,
    tenant: TenantId,
    unit: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<i64> {
    let storefront = storefront_of(unit);
    if is_cost(unit) {
        store::cost(conn, tenant, storefront, since).await
    } else {
        store::used(conn, tenant, storefront, unit, since).await
    }
}

/// What a tenant used of a unit in the running month.
pub(crate) async fn used(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    unit: &str,
) -> Result<i64, Error> {
    let month = period::running(conn, cx, tenant, Every::Month).await?;
    Ok(used_since(conn, tenant, unit, month.start).await?)
}

async fn view(conn: &mut PgConnection, cx: &Ctx, kept: Kept) -> Result<Budget, Error> {
    let month = period::running(conn, cx, kept.tenant, Every::Month).await?;
    let used = used_since(conn, kept.tenant, &kept.unit, month.start).await?;
    Ok(Budget {
        unit: kept.unit,
        monthly: kept.monthly,
        house_cap: kept.cap,
        alerts: kept.alerts,
        used,
        resets_at: month.end,
        stopped: kept.stopped_at.is_some_and(|at| at >= month.start),
    })
}

/// The caller's budgets and the house's caps, by the names of their units.
pub(crate) async fn list(room: &Entitlement, by: Principal) -> Result<Vec<Budget>, Error> {
    let mut tx = room.cx.db.begin(by.scope()).await?;
    let mut budgets = Vec::new();
    for kept in store::of_tenant(&mut tx, by.tenant).await? {
        budgets.push(view(&mut tx, &room.cx, kept).await?);
    }
    tx.commit().await?;
    Ok(budgets)
}

/// Sets a budget, or takes it away; every process goes by it from its next piece of work on.
pub(crate) async fn set(
    room: &Entitlement,
    by: Principal,
    meta: &RequestMeta,
    unit: &str,
    wish: Option<Wish>,
) -> Result<Option<Budget>, Error> {
    let cx = &room.cx;
    let storefront = storefront_of(unit);
    let mut tx = cx.db.begin(Scope::House("a tenant's own budget")).await?;
    lease::store::lock(&mut tx, by.tenant, storefront).await?;
    let before = store::find(&mut tx, by.tenant, unit).await?;
    let facts =
        |monthly: Option<i64>, alerts: &[i64]| json!({ "monthly": monthly, "alerts": alerts });
    let mut action = AuditAction::new("budget.change", unit);
    let cap = before.as_ref().and_then(|kept| kept.cap);
    let before = before.filter(|kept| kept.is_own);
    if let Some(before) = &before {
        action = action.before(facts(before.monthly, &before.alerts));
    }
    let after = match wish {
        Some(wish) => {
            action = action.after(facts(wish.monthly, &wish.alerts));
            let kept = Kept {
                tenant: by.tenant,
                unit: unit.to_owned(),
                monthly: wish.monthly,
                cap,
                alerts: wish.alerts,
                stopped_at: None,
                is_own: true,
            };
            store::write(&mut tx, &kept, cx.clock.now()).await?;
            Some(view(&mut tx, cx, kept).await?)
        }
        None if before.is_none() => return Err(Error::NoBudget),
        None => {
            store::delete(&mut tx, by.tenant, unit).await?;
            None
        }
    };
    action.record(&mut tx, cx, meta, by).await?;
    lease::changed(&mut tx, by.tenant, storefront).await?;
    tx.commit().await?;
    Ok(after)
}

/// Finds who has used as much as they wanted to be told of, or all that they let themselves use, and tells them: each amount
/// once in a month, one letter of the highest that is news, and an event of every one. Links begin with `account_url`.
///
/// # Errors
/// When the database is away.
pub async fn note_budgets(cx: &Ctx, account_url: &str, most: i64) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut told = 0;
    let mut after = (TenantId(uuid::Uuid::nil()), String::new());
    loop {
        let mut tx = cx.db.begin(Scope::House("tenants' own budgets")).await?;
        let moved = store::moved_after(&mut tx, &after, now - LATELY, most).await?;
        let Some(last) = moved.last() else {
            store::clear(&mut tx, now - KEPT, most).await?;
            tx.commit().await?;
            return Ok(told);
        };
        after = (last.tenant, last.unit.clone());
        for kept in moved {
            let tenant = kept.tenant;
            let budget = view(&mut tx, cx, kept).await?;
            told += usize::from(tell(&mut tx, cx, account_url, tenant, &budget).await?);
        }
        tx.commit().await?;
    }
}

/// The amounts that are used up, lowest first.
fn reached(budget: &Budget) -> Vec<i64> {
    let mut amounts: Vec<i64> = budget
        .alerts
        .iter()
        .copied()
        .chain(budget.monthly)
        .collect();
    if is_cost(&budget.unit)
        && let Some(monthly) = budget.monthly
    {
        amounts.push(i64::try_from(i128::from(monthly) * 8 / 10).unwrap_or(monthly));
    }
    amounts.retain(|amount| *amount > 0 && budget.used >= *amount);
    if budget.stopped {
        amounts.extend(budget.monthly.filter(|monthly| *monthly > 0));
    }
    amounts.sort_unstable();
    amounts.dedup();
    amounts
}

async fn tell(
    conn: &mut PgConnection,
    cx: &Ctx,
    account_url: &str,
    tenant: TenantId,
    budget: &Budget,
) -> Result<bool, Error> {
    let amounts = reached(budget);
    if amounts.is_empty() {
        return Ok(false);
    }
    let mut noted = store::note(conn, tenant, budget, &amounts, cx.clock.now()).await?;
    noted.sort_unstable();
    let Some(highest) = noted.last().copied() else {
        return Ok(false);
    };
    let storefront = storefront_of(&budget.unit);
    for amount in noted {
        let said = json!({ "storefront": storefront, "unit": budget.unit, "amount": amount, "used": budget.used,
            "monthly": budget.monthly, "stopped": budget.monthly == Some(amount), "period_end": budget.resets_at });
        hooks::emit(conn, cx, tenant, EventType::UsageThresholdReached, &said).await?;
    }
    for to in identity::billing_contacts(conn, tenant).await? {
        let (title, body) = words(budget, highest, &to);
        let letter = Letter {
            key: &format!(
                "budget:{tenant}:{}:{}:{highest}:{}",
                budget.unit,
                budget.resets_at.timestamp(),
                to.user
            ),
            to: &to.email,
            lang: to.lang,
            template: Template::News,
            data: json!({ "title": title, "body": body,
                "link": format!("{account_url}/account/plan?storefront={storefront}") }),
        };
        mail::post(conn, cx, letter).await?;
    }
    Ok(true)
}

/// The title and the text of a letter.
fn words(budget: &Budget, amount: i64, to: &Addressee) -> (String, String) {
    let says_cost = is_cost(&budget.unit);
    let number = |n: i64| {
        if says_cost { dollars(n) } else { n.to_string() }
    };
    let storefront = storefront_of(&budget.unit);
    let unit = match (says_cost, to.lang) {
        (false, _) => budget.unit.clone(),
        (true, Lang::Ja) => format!("{storefront}のモデルの費用"),
        (true, Lang::En) => format!("model cost at {storefront}"),
    };
    let stopped = budget.monthly == Some(amount);
    let (used, amount) = (number(budget.used), number(amount));
    let japan = budget.resets_at.with_timezone(&chrono_tz::Asia::Tokyo);
    let until = japan.format("%Y-%m-%d %H:%M");
    match (to.lang, stopped) {
        (Lang::Ja, true) => (
            format!("{unit}のご利用が、ご自身で決めた上限に達しました"),
            format!(
                "今月、{unit}を{used}ご利用になりました。ご自身で決めた上限は{amount}です。\n\n日本時間{until}に次の月が始まるまで、{unit}を\
                 使う新しいご利用は止まります。続けてお使いになるには、「プランと使用量」のページで上限を上げてください。"
            ),
        ),
        (Lang::En, true) => (
            format!("{unit} has reached the limit that you set"),
            format!(
                "You have used {used} of {unit} this month; the limit that you set is {amount}.\n\nNew work that needs {unit} stops until \
                 the next month begins at {until} Japan time. To go on before, raise the limit under Plan and usage."
            ),
        ),
        (Lang::Ja, false) => (
            format!("{unit}のご利用が{amount}に達しました"),
            format!(
                "今月、{unit}を{used}ご利用になりました。{amount}になったらお知らせするように設定されています。"
            ),
        ),
        (Lang::En, false) => (
            format!("{amount} of {unit} is used"),
            format!("You have used {used} of {unit} this month, and asked to be told at {amount}."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_amount_is_reached_exactly_when_so_much_is_used() {
        for (used, monthly, alerts, amounts) in [
            (9, Some(20), &[10_i64][..], &[][..]),
            (10, Some(20), &[10], &[10]),
            (20, Some(20), &[10, 20], &[10, 20]),
            (25, None, &[30, 10], &[10]),
            (0, Some(0), &[], &[]),
        ] {
            let budget = Budget {
                unit: "misaki.chat".to_owned(),
                monthly,
                house_cap: None,
                alerts: alerts.to_vec(),
                used,
                resets_at: DateTime::UNIX_EPOCH,
                stopped: false,
            };
            assert_eq!(reached(&budget), amounts, "{budget:?}");
        }
    }

    #[test]
    fn of_a_cost_people_are_told_at_four_fifths_and_when_work_was_refused() {
        for (used, stopped, amounts) in [
            (799, false, &[][..]),
            (800, false, &[800]),
            (801, true, &[800, 1000]),
            (1000, false, &[800, 1000]),
        ] {
            let budget = Budget {
                unit: cost_of("misaki"),
                monthly: Some(1000),
                house_cap: None,
                alerts: Vec::new(),
                used,
                resets_at: DateTime::UNIX_EPOCH,
                stopped,
            };
            assert_eq!(reached(&budget), amounts, "{budget:?}");
        }
    }

    #[test]
    fn the_house_is_named_where_raising_ones_own_limit_changes_nothing() {
        for (own, cap, limit) in [
            (None, None, None),
            (Some(5), None, Some((5, false))),
            (None, Some(5), Some((5, true))),
            (Some(4), Some(5), Some((4, false))),
            (Some(5), Some(5), Some((5, true))),
            (Some(6), Some(5), Some((5, true))),
        ] {
            let found = Limit::strictest(own, cap).map(|limit| (limit.monthly, limit.by_house));
            assert_eq!(found, limit, "{own:?} {cap:?}");
        }
    }
}
