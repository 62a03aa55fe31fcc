use identity::{Caller, RequestMeta};

use crate::{Billing, Error, customer, stripe::PortalSession};

/// The way to the page where people change how they pay, and cancel. It is short-lived, so each request is an operation of
/// its own.
pub(crate) async fn start(
    room: &Billing,
    caller: &Caller,
    meta: &RequestMeta,
) -> Result<String, Error> {
    let shop = room.shop()?;
    let customer = customer::known(&room.cx, shop, caller.principal.tenant)
        .await?
        .ok_or(Error::NoCustomer)?;
    let back = format!("{}/account/plan", room.terms.account_url);
    let form = [
        ("customer", customer.as_str()),
        ("return_url", back.as_str()),
    ];
    let key = format!("portal:{}", meta.request_id);
    let session: PortalSession = shop
        .stripe
        .post("/v1/billing_portal/sessions", &form, &key)
        .await?;
    Ok(session.url)
}
