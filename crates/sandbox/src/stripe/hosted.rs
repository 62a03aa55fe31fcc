//! The pages that people see: checkout and portal. Both say at the top what they are.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::Value;

use super::{
    StripeDouble,
    books::{PriceChange, number, text},
    http::read_form,
};

pub(super) fn router() -> Router<StripeDouble> {
    Router::new()
        .route("/sandbox/checkout/{id}", get(show_checkout))
        .route("/sandbox/checkout/{id}/{act}", post(act_on_checkout))
        .route("/sandbox/invoice/{id}", get(show_invoice))
        .route("/sandbox/portal/{id}", get(show_portal))
        .route("/sandbox/portal/{id}/{act}", post(act_on_portal))
}

impl StripeDouble {
    /// The price and customer of a checkout that is open.
    pub(super) fn open_checkout(&self, id: &str) -> Option<(String, String)> {
        let books = self.books();
        let session = books
            .get(id)
            .filter(|session| text(session, "status") == "open")?;
        Some((text(session, "sandbox_price"), text(session, "customer")))
    }
}

/// A page in both languages, with no script and nothing from elsewhere.
fn page(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:16px/1.6 system-ui;max-width:26rem;margin:2rem auto;padding:0 1rem}}\
         aside{{border:2px dashed #b45309;padding:.5rem 1rem;margin-bottom:1rem}}\
         button{{font:inherit;width:100%;padding:.75rem;margin:.25rem 0;\
         white-space:normal}}button:focus-visible,a:focus-visible{{outline:3px solid #b45309;outline-offset:2px}}</style>\
         <aside><strong>SANDBOX</strong><br>これは決済サービスの代わりです。お金は動きません。<br>\
         This stands in for Stripe. No money moves.</aside><h1>{title}</h1>{body}</html>"
    );
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn button(action: &str, value: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{}\"><button name=\"of\" value=\"{}\">{label}</button></form>",
        escaped(action),
        escaped(value)
    )
}

fn gone() -> Response {
    let mut page = page("終わったページです / This page is over", "");
    *page.status_mut() = StatusCode::GONE;
    page
}

async fn show_checkout(State(double): State<StripeDouble>, Path(id): Path<String>) -> Response {
    let Some((price, _)) = double.open_checkout(&id) else {
        return gone();
    };
    let (amount, title, often) = double
        .price(&price)
        .map_or((0, String::new(), ""), |price| {
            let often = if price.once {
                "1回 (once)"
            } else {
                "月 (month)"
            };
            (price.amount, price.title.clone(), often)
        });
    let at = |act: &str| format!("/sandbox/checkout/{id}/{act}");
    let body = format!(
        "<p>{} — <strong>{amount}円</strong> / {often}</p>{}{}{}",
        escaped(&title),
        button(&at("pay"), "", "支払う / Pay"),
        button(
            &at("decline"),
            "",
            "カードが断られる / The card is declined"
        ),
        button(&at("cancel"), "", "やめる / Cancel"),
    ) + &button(
        &at("secure"),
        "",
        "本人認証（3Dセキュア）をする / Pay with 3-D Secure",
    );
    page("お支払い / Checkout", &body)
}

async fn act_on_checkout(
    State(double): State<StripeDouble>,
    Path((id, act)): Path<(String, String)>,
) -> Response {
    let session = double.books().get(&id).cloned();
    let Some(session) = session.filter(|session| text(session, "status") == "open") else {
        return gone();
    };
    match act.as_str() {
        "pay" if double.complete_checkout(&id) => {
            Redirect::to(&text(&session, "success_url")).into_response()
        }
        "secure" => {
            let at = |act: &str| format!("/sandbox/checkout/{id}/{act}");
            let body = format!(
                "<p>カード会社の確認画面の代わりです。/ This stands in for your bank asking whether it is you.</p>{}{}",
                button(&at("pay"), "", "認証する / Yes, it is me"),
                button(&at("decline"), "", "認証しない / No")
            );
            page("本人認証 / 3-D Secure", &body)
        }
        "cancel" => Redirect::to(&text(&session, "cancel_url")).into_response(),
        _ => {
            let again = button(
                &format!("/sandbox/checkout/{id}/pay"),
                "",
                "別のカードで支払う / Pay with another card",
            );
            let body = format!(
                "<p role=\"alert\">カードが断られました。/ Your card was declined.</p>{again}"
            );
            page("お支払い / Checkout", &body)
        }
    }
}

async fn show_invoice(State(double): State<StripeDouble>, Path(id): Path<String>) -> Response {
    let found = double.books().get(&id).cloned();
    let Some(invoice) = found.filter(|found| text(found, "object") == "invoice") else {
        return gone();
    };
    let body = format!(
        "<p>{} — <strong>{}円</strong> — {}</p>",
        escaped(&text(&invoice, "number")),
        number(&invoice, "total"),
        escaped(&text(&invoice, "status"))
    );
    page("請求書 / Invoice", &body)
}

/// A portal session and the customer's subscriptions that are not over.
fn portal(double: &StripeDouble, id: &str) -> Option<(Value, Vec<Value>)> {
    let books = double.books();
    let session = books
        .get(id)
        .filter(|session| text(session, "object") == "billing_portal.session")?;
    let customer = text(session, "customer");
    let alive = books
        .all("subscription")
        .filter(|known| text(known, "customer") == customer && text(known, "status") != "canceled");
    Some((session.clone(), alive.cloned().collect()))
}

async fn show_portal(State(double): State<StripeDouble>, Path(id): Path<String>) -> Response {
    let Some((session, subscriptions)) = portal(&double, &id) else {
        return gone();
    };
    let at = |act: &str| format!("/sandbox/portal/{id}/{act}");
    let mut parts = Vec::new();
    for known in &subscriptions {
        let of = text(known, "id");
        let price = known
            .pointer("/items/data/0/price")
            .cloned()
            .unwrap_or_default();
        let ending = known.get("cancel_at_period_end") == Some(&Value::Bool(true));
        let title = double
            .price(&text(&price, "id"))
            .map(|price| price.title.clone())
            .unwrap_or_default();
        let (act, label) = if ending {
            ("resume", "続ける / Keep it")
        } else {
            ("cancel", "解約する / Cancel at the period's end")
        };
        parts.push(format!(
            "<h2>{}</h2><p>{}円 / 月 — {}</p>{}",
            escaped(&title),
            number(&price, "unit_amount"),
            escaped(&text(known, "status")),
            button(&at(act), &of, label)
        ));
        let shop = text(&price, "id")
            .rsplit_once('_')
            .map(|(shop, _)| shop.to_owned());
        let others = double.0.config.prices.iter().filter(|other| {
            other.id != text(&price, "id")
                && other.id.rsplit_once('_').map(|(shop, _)| shop) == shop.as_deref()
        });
        for other in others {
            let label = format!(
                "「{}」に変える / Change to it ({}円)",
                escaped(&other.title),
                other.amount
            );
            parts.push(button(&at("change"), &format!("{of}:{}", other.id), &label));
        }
    }
    parts.push(button(
        &at("break"),
        "",
        "カードを使えなくする / Let the card fail from now on",
    ));
    parts.push(button(
        &at("mend"),
        "",
        "カードを更新する / Use a good card",
    ));
    let back = escaped(&text(&session, "return_url"));
    parts.push(format!("<p><a href=\"{back}\">戻る / Back</a></p>"));
    page("契約の管理 / Billing portal", &parts.concat())
}

async fn act_on_portal(
    State(double): State<StripeDouble>,
    Path((id, act)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let Some((session, subscriptions)) = portal(&double, &id) else {
        return gone();
    };
    let of = read_form(&body).remove("of").unwrap_or_default();
    let own = subscriptions.iter().any(|known| text(known, "id") == of);
    match act.as_str() {
        "cancel" | "resume" if own => {
            double.write(|books| books.cancel_at_period_end(&of, act == "cancel"));
        }
        "change" => {
            let Some((sub, price)) = of.split_once(':') else {
                return gone();
            };
            let known = subscriptions.iter().any(|known| text(known, "id") == sub);
            let Some(price) = double.price(price).filter(|_| known) else {
                return gone();
            };
            let change = PriceChange {
                price: price.id.clone(),
                amount: price.amount,
                settles: true,
                at: double.books().now_of(&text(&session, "customer")),
            };
            if !double.write(|books| books.change_price(sub, &change)) {
                return page(
                    "契約の管理 / Billing portal",
                    "<p role=\"alert\">カードが断られました。/ Your card was declined.</p>",
                );
            }
        }
        "break" => double.decline(&text(&session, "customer"), true),
        "mend" => double.decline(&text(&session, "customer"), false),
        _ => return gone(),
    }
    Redirect::to(&format!("/sandbox/portal/{id}")).into_response()
}
