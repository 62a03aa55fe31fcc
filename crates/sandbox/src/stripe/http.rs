//! The interface that programs use.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};

use super::{
    StripeDouble,
    books::{Books, PriceChange, first_item, invoice_subscription, number, text},
    shape,
};

pub(super) type Form = BTreeMap<String, String>;

pub(super) fn router() -> Router<StripeDouble> {
    Router::new()
        .route("/v1/{*path}", any(call))
        .route("/sandbox/flags", get(show_flags))
        .route("/sandbox/events", get(show_events))
}

async fn show_flags(State(double): State<StripeDouble>) -> Response {
    answer(200, &json!({ "flags": double.books().flags }))
}

async fn show_events(State(double): State<StripeDouble>, RawQuery(query): RawQuery) -> Response {
    let old = read_form(query.unwrap_or_default().as_bytes())
        .get("shape")
        .is_some_and(|shape| shape == "old");
    answer(200, &json!({ "events": double.events(old) }))
}

pub(super) fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// Reads `a=b&c[d]=e`.
pub(super) fn read_form(body: &[u8]) -> Form {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is answered: a status and an object.
type Reply = (u16, Value);

fn refuse(code: &str, status: u16, message: &str) -> Reply {
    let kind = if code == "idempotency_error" {
        code
    } else {
        "invalid_request_error"
    };
    (
        status,
        json!({ "error": { "type": kind, "code": code, "message": message } }),
    )
}

fn missing(what: &str, id: &str) -> Reply {
    refuse("resource_missing", 404, &format!("No such {what}: '{id}'"))
}

async fn call(
    State(double): State<StripeDouble>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = format!("Bearer {}", double.0.config.secret_key);
    if header("authorization") != Some(&key) {
        let (status, body) = refuse("api_key_invalid", 401, "Invalid API Key provided");
        return answer(status, &body);
    }
    let old = shape::is_old(header("stripe-version"));
    let form = if method == Method::GET {
        read_form(query.unwrap_or_default().as_bytes())
    } else {
        read_form(&body)
    };
    let (status, object) = match method {
        Method::GET => find(&double, &path, &form),
        Method::POST | Method::DELETE => {
            let once = header("idempotency-key").map(str::to_owned);
            change_once(&double, &method, &path, &form, once)
        }
        _ => refuse("method", 405, "no such method"),
    };
    if method == Method::GET {
        // what was read is read; only its way takes long
        double.hold(&path).await;
    } else if status < 300 && double.loses_answer() {
        return lost();
    }
    answer(status, &shown(object, old))
}

/// An answer whose connection breaks before it is whole: what was asked is done.
fn lost() -> Response {
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]);
    Body::from_stream(broken).into_response()
}

fn shown(object: Value, old: bool) -> Value {
    if text(&object, "object") != "list" {
        return shape::shown(&object, old);
    }
    let mut list = object;
    if let Some(data) = list.get_mut("data").and_then(Value::as_array_mut) {
        for item in data {
            *item = if text(item, "object") == "event" {
                shape::event(item, old)
            } else {
                shape::shown(item, old)
            };
        }
    }
    list
}

/// Does what was asked, once for each key.
fn change_once(
    double: &StripeDouble,
    method: &Method,
    path: &str,
    form: &Form,
    key: Option<String>,
) -> Reply {
    let digest = format!("{method} {path} {form:?}");
    let Some(key) = key else {
        if *method == Method::POST {
            double.write(|books| {
                books
                    .flags
                    .push(format!("POST {path} without an Idempotency-Key"));
            });
        }
        return change(double, method, path, form);
    };
    // two calls under one key at the same time are one as well
    let _line = double.line();
    let before = double.books().answers.get(&key).cloned();
    if let Some((same, status, object)) = before {
        if same == digest {
            return (status, object);
        }
        return refuse(
            "idempotency_error",
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
        );
    }
    let (status, object) = change(double, method, path, form);
    // as at Stripe, what was refused before anything began is not remembered
    if status < 400 {
        double.write(|books| books.answers.insert(key, (digest, status, object.clone())));
    }
    (status, object)
}

/// The parameters that each call takes; a name that ends in `[` takes what begins so.
fn known_parameters(path: &[&str]) -> &'static [&'static str] {
    match path {
        ["customers"] => &["email", "name", "metadata[", "description", "test_clock"],
        ["test_helpers", "test_clocks"] => &["frozen_time", "name"],
        ["test_helpers", "test_clocks", _, "advance"] => &["frozen_time"],
        ["checkout", "sessions"] => &[
            "mode",
            "customer",
            "line_items[0][price]",
            "line_items[0][quantity]",
            "client_reference_id",
            "subscription_data[metadata][",
            "invoice_creation[enabled]",
            "invoice_creation[invoice_data][metadata][",
            "metadata[",
            "success_url",
            "cancel_url",
            "locale",
        ],
        ["billing_portal", "sessions"] => &["customer", "return_url", "locale"],
        ["refunds"] => &["charge", "payment_intent", "amount", "reason", "metadata["],
        ["subscriptions", _] => &[
            "cancel_at_period_end",
            "items[0][id]",
            "items[0][price]",
            "metadata[",
            "payment_behavior",
            "proration_behavior",
            "proration_date",
        ],
        ["invoices"] => &[
            "customer",
            "auto_advance",
            "collection_method",
            "pending_invoice_items_behavior",
            "currency",
            "metadata[",
        ],
        ["invoiceitems"] => &["customer", "invoice", "pricing[price]", "price", "quantity"],
        ["invoices", _, "finalize"] => &["auto_advance"],
        ["invoices", _, "pay"] => &["off_session", "payment_method"],
        ["invoices", "create_preview"] => &[
            "customer",
            "subscription",
            "subscription_details[items][0][id]",
            "subscription_details[items][0][price]",
            "subscription_details[proration_behavior]",
            "subscription_details[proration_date]",
        ],
        _ => &[],
    }
}

fn change(double: &StripeDouble, method: &Method, path: &str, form: &Form) -> Reply {
    let segments: Vec<&str> = path.split('/').collect();
    let known = known_parameters(&segments);
    let unknown = form.keys().find(|name| {
        !known
            .iter()
            .any(|known| known == name || known.ends_with('[') && name.starts_with(known))
    });
    if let Some(name) = unknown {
        return refuse(
            "parameter_unknown",
            400,
            &format!("Received unknown parameter: {name}"),
        );
    }
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    match (method, segments.as_slice()) {
        (&Method::POST, ["customers"]) => {
            let clock = form.get("test_clock");
            if let Some(clock) = clock.filter(|clock| double.books().get(clock).is_none()) {
                return missing("test clock", clock);
            }
            let metadata = under(form, "metadata[");
            let id = double.write(|books| {
                let id = books.add_customer(form.get("email"), form.get("name"), &metadata);
                books.set(&id, &json!({ "test_clock": clock }));
                id
            });
            shown_of(&double.books(), &id)
        }
        (&Method::POST, ["test_helpers", "test_clocks", rest @ ..]) => clock(double, rest, form),
        (&Method::POST, ["checkout", "sessions"]) => checkout(double, form),
        (&Method::POST, ["checkout", "sessions", id, "expire"]) => {
            let open = double
                .books()
                .get(id)
                .is_some_and(|session| text(session, "status") == "open");
            if !open {
                return refuse(
                    "invalid_state",
                    400,
                    "Only Checkout Sessions with a status in [\"open\"] can be expired.",
                );
            }
            double.write(|books| {
                books.set(id, &json!({ "status": "expired" }));
                books.tell("checkout.session.expired", id);
            });
            shown_of(&double.books(), id)
        }
        (&Method::POST, ["billing_portal", "sessions"]) => {
            let customer = value("customer");
            if double.books().get(&customer).is_none() {
                return missing("customer", &customer);
            }
            let base = &double.0.config.base_url;
            let id = double.write(|books| books.add_portal(base, &customer, &value("return_url")));
            shown_of(&double.books(), &id)
        }
        (&Method::POST, ["subscriptions", id]) if double.books().get(id).is_some() => {
            change_subscription(double, id, form)
        }
        (&Method::POST, ["invoices", "create_preview"]) => preview(double, form),
        (&Method::POST, ["invoices" | "invoiceitems", ..]) => {
            manual(double, segments.get(1..).unwrap_or_default(), form)
        }
        (&Method::DELETE, ["subscriptions", id]) if double.books().get(id).is_some() => {
            double.write(|books| {
                let customer = books.get(id).map(|of| text(of, "customer"));
                let now = books.now_of(&customer.unwrap_or_default());
                books.end(id, now);
            });
            shown_of(&double.books(), id)
        }
        (&Method::POST, ["refunds"]) => {
            let charge = charge_of(&double.books(), &value("charge"), &value("payment_intent"));
            let amount = form.get("amount").map(|amount| amount.parse().unwrap_or(0));
            match charge.and_then(|charge| double.write(|books| books.refund(&charge, amount))) {
                Some(id) => shown_of(&double.books(), &id),
                None => refuse(
                    "charge_already_refunded",
                    400,
                    "There is not so much to refund.",
                ),
            }
        }
        _ => refuse(
            "unknown_url",
            404,
            &format!("Unrecognized request URL ({method}: /v1/{path})."),
        ),
    }
}

/// Clocks of single customers: a new one, or one that is moved on.
fn clock(double: &StripeDouble, rest: &[&str], form: &Form) -> Reply {
    let shows = form.get("frozen_time").and_then(|at| at.parse().ok());
    let Some(shows) = shows else {
        return refuse(
            "parameter_missing",
            400,
            "Missing required param: frozen_time.",
        );
    };
    match rest {
        [] => {
            let id = double.write(|books| books.add_clock(shows, form.get("name")));
            shown_of(&double.books(), &id)
        }
        [id, "advance"] if double.write(|books| books.set_clock(id, shows)) => {
            shown_of(&double.books(), id)
        }
        _ => refuse(
            "test_clock_not_advanced",
            400,
            "A clock can only be moved on.",
        ),
    }
}

/// Invoices that the caller writes: `invoices`, `invoiceitems`, and what is done with one.
fn manual(double: &StripeDouble, rest: &[&str], form: &Form) -> Reply {
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    let customer = value("customer");
    let not_so = |what: &str| refuse("invoice_not_editable", 400, what);
    match rest {
        [] if double.books().get(&customer).is_none() => missing("customer", &customer),
        [] if form.contains_key("invoice") => {
            // the newest shape names the price below `pricing`
            let price = form.get("pricing[price]").or_else(|| form.get("price"));
            let Some(price) = price.and_then(|price| double.price(price)).cloned() else {
                return missing("price", "pricing[price]");
            };
            let of = (price.id.as_str(), price.amount);
            match double.write(|books| books.add_item(&value("invoice"), &customer, of)) {
                Some(id) => shown_of(&double.books(), &id),
                None => not_so("The invoice is no draft of this customer's."),
            }
        }
        [] => {
            let metadata = under(form, "metadata[");
            let id = double.write(|books| books.draft(&customer, &metadata));
            shown_of(&double.books(), &id)
        }
        [id, "finalize"] if double.write(|books| books.finalize(id)) => {
            shown_of(&double.books(), id)
        }
        [id, "void"] if double.write(|books| books.void(id)) => shown_of(&double.books(), id),
        [id, "pay"] => {
            let of = double.books().get(id).cloned().unwrap_or_default();
            if text(&of, "status") != "open" {
                return not_so("Only an open invoice can be paid.");
            }
            let customer = text(&of, "customer");
            let wanted = value("payment_method");
            let mut kept = double.books().kept_cards(&customer).into_iter();
            let has_card = kept.any(|card| wanted.is_empty() || text(&card, "id") == wanted);
            if has_card && double.write(|books| books.pay(id)) {
                shown_of(&double.books(), id)
            } else {
                refuse("card_declined", 402, "Your card was declined.")
            }
        }
        _ => not_so("The invoice is not in a state for this."),
    }
}

/// The change of price that a form asks for, under the names that begin so; none when it asks for none.
fn price_change(double: &StripeDouble, id: &str, form: &Form, prefix: &str) -> Option<PriceChange> {
    let value = |name: &str| form.get(&format!("{prefix}{name}"));
    let nested = if prefix.is_empty() {
        "items[0][price]"
    } else {
        "subscription_details[items][0][price]"
    };
    let price = double.price(form.get(nested)?)?;
    let nest = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("[{name}]")
        }
    };
    let behavior = value(&nest("proration_behavior"));
    let at = value(&nest("proration_date")).and_then(|at| at.parse().ok());
    Some(PriceChange {
        price: price.id.clone(),
        amount: price.amount,
        settles: behavior.is_none_or(|behavior| behavior == "always_invoice"),
        at: at.unwrap_or_else(|| {
            let books = double.books();
            books.now_of(
                &books
                    .get(id)
                    .map(|of| text(of, "customer"))
                    .unwrap_or_default(),
            )
        }),
    })
}

/// Whether the form names the subscription's own item.
fn names_item(double: &StripeDouble, subscription: &str, item: Option<&String>) -> bool {
    let books = double.books();
    let known = books
        .get(subscription)
        .and_then(first_item)
        .map(|item| text(item, "id"));
    known.is_some() && known.as_ref() == item
}

fn change_subscription(double: &StripeDouble, id: &str, form: &Form) -> Reply {
    let ended = double
        .books()
        .get(id)
        .is_some_and(|of| text(of, "status") == "canceled");
    if ended {
        return refuse(
            "resource_missing",
            404,
            "A canceled subscription can only update its cancellation_details and metadata.",
        );
    }
    if form.contains_key("items[0][price]") {
        if !names_item(double, id, form.get("items[0][id]")) {
            return missing("subscription item", "items[0][id]");
        }
        let Some(change) = price_change(double, id, form, "") else {
            return missing("price", "items[0][price]");
        };
        if !double.write(|books| books.change_price(id, &change)) {
            return refuse("card_declined", 402, "Your card was declined.");
        }
    }
    let metadata = under(form, "metadata[");
    let ends = form.get("cancel_at_period_end").map(|ends| ends == "true");
    double.write(|books| {
        books.set_metadata(id, &metadata);
        match ends {
            Some(ends) => books.cancel_at_period_end(id, ends),
            None => books.tell("customer.subscription.updated", id),
        }
    });
    shown_of(&double.books(), id)
}

fn preview(double: &StripeDouble, form: &Form) -> Reply {
    let id = form.get("subscription").cloned().unwrap_or_default();
    let own = {
        let books = double.books();
        let customer = form.get("customer");
        books
            .get(&id)
            .is_some_and(|of| Some(&text(of, "customer")) == customer)
    };
    if !own || !names_item(double, &id, form.get("subscription_details[items][0][id]")) {
        return missing("subscription", &id);
    }
    let Some(change) = price_change(double, &id, form, "subscription_details") else {
        return missing("price", "subscription_details[items][0][price]");
    };
    let lines = double.books().settlement(&id, &change);
    let total: i64 = lines.iter().map(|line| number(line, "amount")).sum();
    (
        200,
        json!({ "object": "invoice", "currency": "jpy", "total": total, "amount_due": total.max(0),
            "amount_paid": 0, "livemode": false, "created": change.at, "subtotal": total,
            "lines": { "object": "list", "has_more": false, "data": lines } }),
    )
}

fn charge_of(books: &Books, charge: &str, intent: &str) -> Option<String> {
    let mut charges = books.all("charge");
    let found = charges
        .find(|known| text(known, "id") == charge || text(known, "payment_intent") == intent);
    found.map(|known| text(known, "id"))
}

fn shown_of(books: &Books, id: &str) -> Reply {
    books
        .get(id)
        .map_or_else(|| missing("object", id), |object| (200, object.clone()))
}

/// The parameters below a name, as an object.
fn under(form: &Form, prefix: &str) -> Value {
    let fields = form.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(prefix)?.strip_suffix(']')?;
        Some((name.to_owned(), json!(value)))
    });
    Value::Object(fields.collect())
}

fn checkout(double: &StripeDouble, form: &Form) -> Reply {
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (customer, price) = (value("customer"), value("line_items[0][price]"));
    let mode = value("mode");
    if !matches!(mode.as_str(), "subscription" | "payment") || value("success_url").is_empty() {
        return refuse(
            "parameter_missing",
            400,
            "Missing required param: mode or success_url.",
        );
    }
    if double.books().get(&customer).is_none() {
        return missing("customer", &customer);
    }
    match double.price(&price) {
        None => return missing("price", &price),
        Some(price) if price.once != (mode == "payment") => {
            return refuse(
                "parameter_invalid",
                400,
                "The price is recurring in `payment` mode, or of one payment in `subscription` mode.",
            );
        }
        Some(_) => {}
    }
    let wish = json!({ "mode": mode, "customer": customer,
        "sandbox_invoiced": value("invoice_creation[enabled]") == "true",
        "invoice_metadata": under(form, "invoice_creation[invoice_data][metadata]["), "sandbox_price": price, "success_url": value("success_url"),
        "cancel_url": value("cancel_url"), "client_reference_id": value("client_reference_id"),
        "metadata": under(form, "metadata["), "subscription_metadata": under(form, "subscription_data[metadata][") });
    let base = &double.0.config.base_url;
    let id = double.write(|books| books.add_checkout(base, &wish));
    shown_of(&double.books(), &id)
}

fn find(double: &StripeDouble, path: &str, query: &Form) -> Reply {
    let segments: Vec<&str> = path.split('/').collect();
    let books = double.books();
    match segments.as_slice() {
        ["customers", "search"] => {
            let wanted = query.get("query").cloned().unwrap_or_default();
            let matches = |known: &&Value| {
                known
                    .get("metadata")
                    .and_then(Value::as_object)
                    .is_some_and(|all| {
                        all.iter().any(|(name, value)| {
                            wanted
                                == format!(
                                    "metadata['{name}']:'{}'",
                                    value.as_str().unwrap_or_default()
                                )
                        })
                    })
            };
            list(
                books.all("customer").filter(matches).cloned().collect(),
                query,
            )
        }
        ["test_helpers", "test_clocks", id] => shown_of(&books, id),
        ["customers", id, "payment_methods"] => list(books.kept_cards(id), query),
        [
            kind @ ("customers" | "subscriptions" | "invoices" | "charges" | "refunds" | "disputes"
            | "events"),
            id,
        ]
        | ["checkout", kind @ "sessions", id] => {
            match books.get(id).filter(|object| fits(kind, object)) {
                Some(object) => (200, expanded(&books, object, query)),
                None => missing(kind.trim_end_matches('s'), id),
            }
        }
        [
            kind @ ("subscriptions" | "invoices" | "disputes" | "events" | "customers"
            | "invoice_payments" | "charges"),
        ] => {
            let singular = kind.trim_end_matches('s');
            let found = books.all(singular).filter(|object| wanted(object, query));
            list(found.rev().cloned().collect(), query)
        }
        _ => refuse(
            "unknown_url",
            404,
            &format!("Unrecognized request URL (GET: /v1/{path})."),
        ),
    }
}

fn fits(kind: &str, object: &Value) -> bool {
    let own = text(object, "object");
    own == kind.trim_end_matches('s') || (kind == "sessions" && own == "checkout.session")
}

/// Whether a list is to hold an object; subscriptions that are over are only shown to whoever asks for their status.
fn wanted(object: &Value, query: &Form) -> bool {
    let is_over = text(object, "object") == "subscription" && text(object, "status") == "canceled";
    if is_over && !query.contains_key("status") {
        return false;
    }
    query.iter().all(|(name, value)| match name.as_str() {
        "customer" | "payment_intent" | "charge" | "type" => text(object, name) == *value,
        "subscription" => invoice_subscription(object) == *value,
        "status" => value == "all" || text(object, "status") == *value,
        "created[gte]" => number(object, "created") >= value.parse().unwrap_or(0),
        "payment[payment_intent]" => {
            object
                .pointer("/payment/payment_intent")
                .and_then(Value::as_str)
                == Some(value)
        }
        _ => true,
    })
}

/// A page of what was found, the newest first.
fn list(found: Vec<Value>, query: &Form) -> Reply {
    let limit = query
        .get("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(10_usize)
        .clamp(1, 100);
    let after = query.get("starting_after");
    let skipped =
        after.and_then(|after| found.iter().position(|object| text(object, "id") == *after));
    let rest: Vec<Value> = found
        .into_iter()
        .skip(skipped.map_or(0, |place| place + 1))
        .collect();
    let more = rest.len() > limit;
    let data: Vec<Value> = rest.into_iter().take(limit).collect();
    (
        200,
        json!({ "object": "list", "has_more": more, "data": data }),
    )
}

fn expanded(books: &Books, object: &Value, query: &Form) -> Value {
    let mut object = object.clone();
    if query
        .get("expand[]")
        .is_some_and(|what| what == "latest_invoice")
    {
        let invoice = books.get(&text(&object, "latest_invoice")).cloned();
        if let (Some(invoice), Some(fields)) = (invoice, object.as_object_mut()) {
            fields.insert("latest_invoice".to_owned(), invoice);
        }
    }
    object
}
