mod store;

use db::Ctx;
use sqlx::PgConnection;

use crate::{Error, TenantId, UserId};

/// Makes codes that a user's clients have not used yet worthless: all, or those for one tenant.
pub(crate) async fn void_codes(
    conn: &mut PgConnection,
    cx: &Ctx,
    user: UserId,
    tenant: Option<TenantId>,
) -> Result<(), Error> {
    store::void_codes(conn, user, tenant, cx.clock.now()).await?;
    Ok(())
}
