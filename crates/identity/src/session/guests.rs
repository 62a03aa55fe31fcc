use db::{Ctx, Scope};

use super::{Entry, NewSession, open};
use crate::{Error, Identity, RequestMeta, secret, tenant, throttle};

/// Opens a guest's session with a personal tenant of its own, in one transaction. Each guest has a quota, so that they are
/// counted by browser and by network.
///
/// # Errors
/// `TooManyGuests`.
pub async fn guest(room: &Identity, meta: &RequestMeta) -> Result<NewSession, Error> {
    let cx = &room.cx;
    let browser = match &meta.guest {
        Some(token) => token.clone(),
        None => secret::new_token()?,
    };
    if !meta.is_of_the_house() {
        count_guest(cx, &browser, &meta.source()).await?;
    }
    let mut tx = cx.db.begin(Scope::House("a guest comes in")).await?;
    let tenant = tenant::new_personal(&mut tx, cx).await?;
    let entry = Entry {
        tenant,
        user: None,
        proofs: &[],
    };
    let mut new = open(&mut tx, cx, &entry, meta).await?;
    tx.commit().await?;
    new.guest_browser = Some(browser);
    Ok(new)
}

async fn count_guest(cx: &Ctx, browser: &str, network: &str) -> Result<(), Error> {
    for (limit, source) in [
        (throttle::GUESTS_OF_BROWSER, browser),
        (throttle::GUESTS_OF_NETWORK, network),
    ] {
        throttle::count(cx, limit, source)
            .await
            .map_err(|error| match error {
                Error::TooManyAttempts(seconds) => Error::TooManyGuests(seconds),
                other => other,
            })?;
    }
    Ok(())
}
