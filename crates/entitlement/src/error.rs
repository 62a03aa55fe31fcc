use api::{Problem, SuggestedTopUp, Suggestion};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use kernel::{Fault, Text};

use crate::{
    limit::{CONCURRENT, KEY_DAY, KEY_DAY_COST, PER_MINUTE},
    unit::dollars,
};

/// What entitlement refuses. Every refusal says when it would pass or what would make it pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the rate of {per_minute} a minute is used up")]
    RateExceeded {
        per_minute: u32,
        retry_after_secs: u64,
        suggestion: Option<Suggestion>,
    },
    #[error("{concurrent} pieces of work are under way")]
    ConcurrencyExceeded {
        concurrent: u32,
        suggestion: Option<Suggestion>,
    },
    #[error("the quota of {unit} is used up")]
    QuotaExhausted {
        unit: String,
        resets_at: Option<DateTime<Utc>>,
        retry_after_secs: Option<u64>,
        suggestion: Option<Suggestion>,
        topup: Option<Box<SuggestedTopUp>>,
    },
    #[error("the tenant's own limit of {monthly} of {unit} a month is reached")]
    BudgetReached {
        unit: String,
        monthly: i64,
        /// Whether it is the house's cap, which the tenant can't raise.
        by_house: bool,
        retry_after_secs: u64,
    },
    #[error("the tenant has set no limit of the unit")]
    NoBudget,
    #[error("the key's cap of {cap} a day is reached")]
    KeyCapReached { cap: i64, retry_after_secs: u64 },
    #[error("the work might cost more than the tenant's own limit of a month leaves")]
    CostLimitReached {
        unit: String,
        limit: i64,
        by_house: bool,
        spent: i64,
        most: i64,
        retry_after_secs: u64,
    },
    #[error("the limit of {monthly} of {unit} a month that is set for the member is reached")]
    MemberBudgetReached {
        unit: String,
        monthly: i64,
        retry_after_secs: u64,
    },
    #[error("the work might cost more than what is set for the member leaves of the month")]
    MemberCostReached {
        unit: String,
        limit: i64,
        spent: i64,
        most: i64,
        retry_after_secs: u64,
    },
    #[error("no such member")]
    NoMember,
    #[error("the work might cost more than the key's limit of a day leaves")]
    KeyCostReached {
        limit: i64,
        spent: i64,
        most: i64,
        retry_after_secs: u64,
    },
    #[error("no plan of this storefront applies")]
    NoPlan,
    #[error("the reservation is closed")]
    ReservationClosed,
    #[error("the tenant's leases change all the time")]
    LeasesUnsettled,
    #[error("no such tenant")]
    TenantNotFound,
    #[error("no such grant")]
    GrantNotFound,
    #[error("the grant can't be: {}", wrong_in(.0))]
    BadGrant(Box<Problem>),
    #[error("the key was used for another grant")]
    GrantMismatch,
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::RateExceeded { per_minute, retry_after_secs, suggestion } => Problem::new(
                429,
                "rate_exceeded",
                Text::owned(
                    format!("1分に{per_minute}回までです。あと{retry_after_secs}秒お待ちください。"),
                    format!("The limit is {per_minute} a minute. Please wait {retry_after_secs} seconds."),
                ),
            )
            .with_retry_after(retry_after_secs)
            .with_violated(PER_MINUTE)
            .with_suggestion(suggestion),
            Error::ConcurrencyExceeded { concurrent, suggestion } => Problem::new(
                429,
                "concurrency_exceeded",
                Text::owned(
                    format!("同時に進められるのは{concurrent}件までです。前の返事が終わってからお試しください。"),
                    format!("Only {concurrent} at a time. Please wait for the answer under way."),
                ),
            )
            .with_retry_after(1)
            .with_violated(CONCURRENT)
            .with_suggestion(suggestion),
            Error::QuotaExhausted { unit, retry_after_secs, suggestion, topup, .. } => {
                let problem = Problem::new(
                    402,
                    "quota_exhausted",
                    Text::new(
                        "今回の期間の分を使い切りました。次の期間か、別のプランでお使いいただけます。",
                        "This period's allowance is used up. It returns with the next period or a larger plan.",
                    ),
                )
                .with_violated(&unit)
                .with_suggestion(suggestion)
                .with_topup(topup);
                match retry_after_secs {
                    Some(seconds) => problem.with_retry_after(seconds),
                    None => problem,
                }
            }
            Error::BudgetReached { unit, monthly, by_house: true, retry_after_secs } => {
                limited(402, "house_cap_reached", reached_the_houses(monthly), retry_after_secs, &unit)
            }
            Error::BudgetReached { unit, monthly, by_house: false, retry_after_secs } => {
                limited(402, "budget_reached", reached_their_own(monthly), retry_after_secs, &unit)
            }
            Error::NoBudget => Problem::new(
                404,
                "budget_not_found",
                Text::new("この上限は設定されていません。", "No such limit is set."),
            ),
            Error::KeyCapReached { cap, retry_after_secs } => {
                limited(429, "key_cap_reached", asked_all_day(cap), retry_after_secs, KEY_DAY)
            }
            Error::CostLimitReached { unit, limit, by_house: true, spent, most, retry_after_secs } => {
                limited(402, "house_cost_cap_reached", over_the_houses([limit, spent, most]), retry_after_secs, &unit)
            }
            Error::CostLimitReached { unit, limit, by_house: false, spent, most, retry_after_secs } => {
                limited(402, "cost_limit_reached", over_the_month([limit, spent, most]), retry_after_secs, &unit)
            }
            Error::MemberBudgetReached { unit, monthly, retry_after_secs } => {
                limited(402, "member_budget_reached", reached_the_members(monthly), retry_after_secs, &unit)
            }
            Error::MemberCostReached { unit, limit, spent, most, retry_after_secs } => {
                limited(402, "member_cost_reached", over_the_members([limit, spent, most]), retry_after_secs, &unit)
            }
            Error::KeyCostReached { limit, spent, most, retry_after_secs } => {
                limited(429, "key_cost_reached", over_the_day([limit, spent, most]), retry_after_secs, KEY_DAY_COST)
            }
            Error::NoPlan => {
                Problem::new(404, "no_plan", Text::new("このお店のプランがありません。", "This storefront has no plan for you."))
            }
            Error::ReservationClosed => {
                Problem::new(409, "reservation_closed", Text::new("この予約枠は終わっています。", "This reservation is closed already."))
            }
            Error::LeasesUnsettled => Problem::new(
                503,
                "limits_unsettled",
                Text::new("ただいま混み合っています。すぐにもう一度お試しください。", "It is busy right now. Please try again at once."),
            )
            .with_retry_after(1),
            Error::TenantNotFound | Error::GrantNotFound | Error::NoMember => Problem::not_found(),
            Error::BadGrant(problem) => *problem,
            Error::GrantMismatch => ledger::Error::TransferMismatch.into(),
            Error::Identity(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

/// What is wrong with which field, for the command line.
fn wrong_in(problem: &Problem) -> String {
    let wrong = problem.fields.iter();
    let wrong = wrong.map(|one| format!("{} {}", one.pointer.trim_start_matches('/'), one.text.en));
    wrong.collect::<Vec<_>>().join(" ")
}

fn limited(
    status: u16,
    code: &'static str,
    text: Text,
    retry_after_secs: u64,
    by: &str,
) -> Problem {
    Problem::new(status, code, text)
        .with_retry_after(retry_after_secs)
        .with_violated(by)
}

fn asked_all_day(cap: i64) -> Text {
    Text::owned(
        format!("このキーは1日{cap}回までです。日付が変わるとまた使えます。"),
        format!("This key is limited to {cap} requests a day. It works again tomorrow."),
    )
}

fn reached_their_own(monthly: i64) -> Text {
    Text::owned(
        format!(
            "ご自身で決めた今月の上限（{monthly}）に達しました。「プランと使用量」で上限を上げると、すぐに使えます。"
        ),
        format!(
            "The limit of {monthly} a month that you set is reached. Raise it under Plan and usage to go on at once."
        ),
    )
}

fn reached_the_houses(monthly: i64) -> Text {
    Text::owned(
        format!(
            "この店がお客様に決めた今月の上限（{monthly}）に達しました。次の月にまた使えます。"
        ),
        format!(
            "The cap of {monthly} a month that this house set for you is reached. It works again next month."
        ),
    )
}

fn reached_the_members(monthly: i64) -> Text {
    Text::owned(
        format!(
            "チームの管理者があなたに決めた今月の上限（{monthly}）に達しました。管理者が上限を上げると、すぐに使えます。"
        ),
        format!(
            "The limit of {monthly} a month that your team's administrator set for you is reached. It works again at once when they raise it."
        ),
    )
}

/// For amounts in nano-dollars: the limit, what is spent, the most that is asked for.
fn over_the_month(amounts: [i64; 3]) -> Text {
    let [limit, spent, most] = amounts.map(dollars);
    Text::owned(
        format!(
            "ご自身で決めた今月の費用の上限（{limit}）を超えるおそれがあるため、止めました。今月の費用は{spent}、この依頼は最大{most}です。\
             「プランと使用量」で上限を上げると、すぐに使えます。"
        ),
        format!(
            "This might pass the limit of {limit} a month that you set: {spent} is spent, and this may cost up to {most}. \
             Raise the limit under Plan and usage to go on at once."
        ),
    )
}

/// As [`over_the_month`], for what the house has set.
fn over_the_houses(amounts: [i64; 3]) -> Text {
    let [limit, spent, most] = amounts.map(dollars);
    Text::owned(
        format!(
            "この店がお客様に決めた今月の費用の上限（{limit}）を超えるおそれがあるため、止めました。今月の費用は{spent}、\
             この依頼は最大{most}です。次の月にまた使えます。"
        ),
        format!(
            "This might pass the cap of {limit} a month that this house set for you: {spent} is spent, and this may cost up to {most}. \
             It works again next month."
        ),
    )
}

/// As [`over_the_month`], for what is set for a member.
fn over_the_members(amounts: [i64; 3]) -> Text {
    let [limit, spent, most] = amounts.map(dollars);
    Text::owned(
        format!(
            "チームの管理者があなたに決めた今月の費用の上限（{limit}）を超えるおそれがあるため、止めました。今月の費用は{spent}、\
             この依頼は最大{most}です。管理者が上限を上げると、すぐに使えます。"
        ),
        format!(
            "This might pass the limit of {limit} a month that your team's administrator set for you: {spent} is spent, and this may \
             cost up to {most}. It works again at once when they raise it."
        ),
    )
}

/// As [`over_the_month`], for a key's day.
fn over_the_day(amounts: [i64; 3]) -> Text {
    let [limit, spent, most] = amounts.map(dollars);
    Text::owned(
        format!(
            "このキーの1日の費用の上限（{limit}）を超えるおそれがあります。今日の費用は{spent}、この依頼は最大{most}です。\
             日付が変わるか、キーの設定で上限を上げると使えます。"
        ),
        format!(
            "This might pass the key's limit of {limit} a day: {spent} is spent, and this may cost up to {most}. \
             It works again tomorrow, or once the key's limit is raised."
        ),
    )
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// A refusal of the ledger that our own input rules out.
pub(crate) fn unexpected(error: ledger::Error) -> Error {
    match error {
        ledger::Error::Fault(fault) => Error::Fault(fault),
        other => Error::Fault(Fault::internal(
            "the ledger refused what was checked before",
            other,
        )),
    }
}
