use api::Problem;
use axum::response::{IntoResponse, Response};
use kernel::{Fault, Text};

use crate::stripe::StripeError;

/// What billing refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no Stripe is set up")]
    Closed,
    #[error("the plan is not for sale")]
    NotForSale,
    #[error("there is no such top-up, or it is not for sale")]
    NoTopUp,
    #[error("nothing is bought by itself at the storefront")]
    NoAutoTopUp,
    #[error("no card is kept that could be charged")]
    NoCard,
    #[error("the month's ceiling is below one price")]
    CeilingTooLow,
    #[error("the tenant has a subscription at this storefront")]
    AlreadySubscribed,
    #[error("the tenant never bought anything")]
    NoCustomer,
    #[error("there is no such order")]
    NoOrder,
    #[error("what the order told of has changed since, or its time is over")]
    OrderStale,
    #[error("there is no such subscription, or it is over")]
    NoSubscription,
    #[error("there is no such receipt")]
    NoReceipt,
    #[error("there is no such event, or it is in line")]
    NoEvent,
    #[error("the subscription owes a payment")]
    PaymentOwed,
    #[error("the subscription changes to a cheaper plan already")]
    ChangePending,
    #[error("the payment was declined")]
    PaymentFailed,
    #[error("there is no such exchange of points")]
    NoExchange,
    #[error("there are fewer points")]
    PointsShort,
    #[error("there is no such programme or code")]
    NoReferral,
    #[error("the invitation is of oneself, one's family or one's own browser")]
    ReferralOwn,
    #[error("an invitation of the programme was accepted before")]
    ReferralTwice,
    #[error("the code was accepted as often as it is good for")]
    ReferralUsedUp,
    #[error("the tenant is no new one")]
    ReferralNotNew,
    #[error("the tenant has no proven address")]
    ReferralUnconfirmed,
    #[error("the event's signature is not right")]
    BadSignature,
    #[error("the event is not sent as JSON")]
    NotJson,
    #[error("the event can't be read")]
    BadEvent,
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Entitlement(#[from] entitlement::Error),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
}

db::from_sqlx!(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Closed => Problem::new(
                503,
                "billing_closed",
                Text::new(
                    "お支払いの受付はまだ準備中です。",
                    "Payments are not set up here yet.",
                ),
            ),
            Error::NotForSale => Problem::new(
                409,
                "plan_not_for_sale",
                Text::new(
                    "このプランは今お申し込みいただけません。",
                    "This plan can't be subscribed to right now.",
                ),
            ),
            Error::AlreadySubscribed => Problem::new(
                409,
                "already_subscribed",
                Text::new(
                    "このお店ではすでにご契約中です。プランの変更やお支払い方法は、「プランと使用量」のページからどうぞ。",
                    "You have a subscription here already. Change it, or how you pay, under “Plan and usage”.",
                ),
            ),
            Error::NoCustomer => Problem::new(
                409,
                "nothing_bought",
                Text::new(
                    "まだご契約がありません。",
                    "There is no subscription to manage yet.",
                ),
            ),
            Error::NoTopUp
            | Error::NoAutoTopUp
            | Error::NoCard
            | Error::CeilingTooLow
            | Error::NoOrder
            | Error::OrderStale
            | Error::NoSubscription
            | Error::NoReceipt
            | Error::NoEvent
            | Error::PaymentOwed
            | Error::ChangePending
            | Error::PaymentFailed => order_problem(&error),
            Error::NoExchange
            | Error::PointsShort
            | Error::NoReferral
            | Error::ReferralOwn
            | Error::ReferralTwice
            | Error::ReferralUsedUp
            | Error::ReferralNotNew
            | Error::ReferralUnconfirmed => reward_problem(&error),
            Error::BadSignature => Problem::new(
                400,
                "bad_signature",
                Text::new("署名が正しくありません。", "The signature is not right."),
            ),
            Error::NotJson => Problem::new(
                415,
                "unsupported_media_type",
                Text::new(
                    "Content-Type は application/json にしてください。",
                    "Send the body as application/json.",
                ),
            ),
            Error::BadEvent => Problem::new(
                400,
                "malformed_body",
                Text::new("本文を読み取れません。", "The body can't be read."),
            ),
            Error::Stripe(error) => stripe_problem(error),
            Error::Identity(error) => error.into(),
            Error::Entitlement(error) => error.into(),
            Error::Ledger(error) => error.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

/// What stands against an order, a change, or a look at what is not there.
fn order_problem(error: &Error) -> Problem {
    match error {
        Error::NoTopUp => Problem::new(
            404,
            "topup_not_found",
            Text::new(
                "この買い足しは今お求めいただけません。",
                "There is no such top-up, or it can't be bought right now.",
            ),
        ),
        Error::NoAutoTopUp => Problem::new(
            404,
            "auto_topup_not_found",
            Text::new(
                "自動の買い足しは設定されていません。",
                "Automatic top-ups are not on here.",
            ),
        ),
        Error::NoCard => Problem::new(
            409,
            "no_card_kept",
            Text::new(
                "保存されたカードがありません。先にプランに申し込むか、お支払い方法を登録してください。",
                "No card is stored. Subscribe to a plan or add a way to pay first.",
            ),
        ),
        Error::CeilingTooLow => Problem::new(
            422,
            "ceiling_too_low",
            Text::new(
                "1か月の上限は、1回の価格以上にしてください。",
                "The month's ceiling has to be at least the price of one.",
            ),
        ),
        Error::NoOrder => Problem::new(
            404,
            "order_not_found",
            Text::new("この注文は見つかりません。", "There is no such order."),
        ),
        Error::OrderStale => Problem::new(
            409,
            "order_stale",
            Text::new(
                "ご確認いただいた内容が変わったか、時間が過ぎました。もう一度内容をご確認ください。",
                "What you were shown has changed since, or its time is over. Please look at the order again.",
            ),
        ),
        Error::NoSubscription => Problem::new(
            404,
            "subscription_not_found",
            Text::new(
                "この契約は見つからないか、終了しています。",
                "There is no such subscription, or it is over.",
            ),
        ),
        Error::NoReceipt => Problem::new(
            404,
            "receipt_not_found",
            Text::new("この領収書は見つかりません。", "There is no such receipt."),
        ),
        Error::NoEvent => Problem::new(
            404,
            "event_not_found",
            Text::new(
                "このイベントはないか、いま処理を待っています。",
                "There is no such event, or it is in line already.",
            ),
        ),
        Error::PaymentOwed => Problem::new(
            409,
            "payment_owed",
            Text::new(
                "お支払いが済んでいないため、プランを変えられません。先にお支払い方法を更新してください。",
                "A payment is owed, so the plan can't change. Please update how you pay first.",
            ),
        ),
        Error::ChangePending => Problem::new(
            409,
            "change_pending",
            Text::new(
                "次の期間からのプラン変更を受け付けています。先にその変更を取り消してください。",
                "The plan changes with the next period already. Please take that back first.",
            ),
        ),
        _ => Problem::new(
            402,
            "payment_failed",
            Text::new(
                "お支払いができなかったため、プランはそのままです。お支払い方法をご確認ください。",
                "The payment did not go through, so the plan stays as it is. Please check how you pay.",
            ),
        ),
    }
}

/// What stands against an exchange or an invitation.
fn reward_problem(error: &Error) -> Problem {
    match error {
        Error::NoExchange => Problem::new(
            404,
            "exchange_not_found",
            Text::new(
                "この交換は今お使いいただけません。",
                "There is no such exchange right now.",
            ),
        ),
        Error::PointsShort => Problem::new(
            409,
            "points_short",
            Text::new("ポイントが足りません。", "There are not enough points."),
        ),
        Error::NoReferral => Problem::new(
            404,
            "referral_not_found",
            Text::new(
                "この招待コードは見つからないか、受付を終えています。",
                "There is no such invitation, or it is over.",
            ),
        ),
        Error::ReferralOwn => Problem::new(
            409,
            "referral_own",
            Text::new(
                "ご自身やご家族、同じ端末からの招待は受けられません。",
                "An invitation of yourself, your family or your own device can't be accepted.",
            ),
        ),
        Error::ReferralTwice => Problem::new(
            409,
            "referral_accepted",
            Text::new(
                "招待をお受けいただけるのは1回だけです。",
                "An invitation can be accepted only once.",
            ),
        ),
        Error::ReferralUsedUp => Problem::new(
            409,
            "referral_used_up",
            Text::new(
                "この招待コードは、使える回数に達しました。",
                "This code was accepted as often as it is good for.",
            ),
        ),
        Error::ReferralNotNew => Problem::new(
            409,
            "referral_not_new",
            Text::new(
                "招待は、はじめての方だけがお受けいただけます。",
                "Only somebody new can accept an invitation.",
            ),
        ),
        _ => Problem::new(
            409,
            "referral_unconfirmed",
            Text::new(
                "先にメールアドレスの確認をお済ませください。",
                "Please confirm your e-mail address first.",
            ),
        ),
    }
}

/// Stripe's own words may name accounts, so they are logged and never shown.
fn stripe_problem(error: StripeError) -> Problem {
    if !error.may_pass() {
        return Fault::internal("Stripe refused what we asked", error).into();
    }
    tracing::warn!(%error, "Stripe is away");
    Problem::new(
        503,
        "stripe_unavailable",
        Text::new(
            "決済サービスにつながりません。少し待ってもう一度お試しください。",
            "The payment service does not answer. Please try again in a moment.",
        ),
    )
    .with_retry_after(5)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
