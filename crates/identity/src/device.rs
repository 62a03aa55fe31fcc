mod store;

use chrono::Duration;
use db::Ctx;
use sqlx::PgConnection;

use crate::{DeviceId, Error, RequestMeta, UserId, secret};

/// How long a browser is known after its last sign-in.
pub(crate) const LIFETIME: Duration = Duration::days(365);

/// The known browser behind a request, if its user signed in from it before. Its guesses are counted apart from
/// everyone else's (the device cookies of the OWASP authentication sheet).
pub(crate) async fn known(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    meta: &RequestMeta,
) -> sqlx::Result<Option<DeviceId>> {
    match &meta.device {
        Some(token) => {
            let since = cx.clock.now() - LIFETIME;
            store::find(conn, user, &secret::hash(token), since).await
        }
        None => Ok(None),
    }
}

/// Remembers the browser that a user signs in from; gives the token for its cookie when it is a new one.
pub(crate) async fn remember(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    meta: &RequestMeta,
) -> Result<Option<String>, Error> {
    let now = cx.clock.now();
    if let Some(device) = known(conn, cx, user, meta).await? {
        store::used(conn, device, now).await?;
        return Ok(None);
    }
    let token = secret::new_token()?;
    let before = meta.device.as_deref().map(secret::hash);
    let id = cx.ids.new_id();
    store::insert(
        conn,
        id,
        user,
        &secret::hash(&token),
        before.as_deref(),
        now,
    )
    .await?;
    Ok(Some(token))
}

/// Whether the user signed in from some browser before.
pub(crate) async fn any(conn: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    store::any(conn, user).await
}

/// Forgets every browser of a user, as after a reset of the password.
pub(crate) async fn forget_all(conn: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    store::delete_all(conn, user).await
}
