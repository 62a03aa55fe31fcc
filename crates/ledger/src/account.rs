pub(crate) mod store;

use db::Ctx;
use identity::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

/// The five accounts of one tenant and unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts {
    pub(crate) issued: Uuid,
    pub(crate) available: Uuid,
    pub(crate) held: Uuid,
    pub(crate) spent: Uuid,
    pub(crate) expired: Uuid,
}

/// The accounts, made if this is the first grant. Call it under [`store::lock`].
pub(crate) async fn open(
    conn: &mut PgConnection,
    cx: &Ctx,
    tenant: TenantId,
    unit: &str,
) -> sqlx::Result<Accounts> {
    if let Some(accounts) = store::find(conn, tenant, unit).await? {
        return Ok(accounts);
    }
    let accounts = Accounts {
        issued: cx.ids.new_id(),
        available: cx.ids.new_id(),
        held: cx.ids.new_id(),
        spent: cx.ids.new_id(),
        expired: cx.ids.new_id(),
    };
    store::insert(conn, tenant, unit, &accounts).await?;
    Ok(accounts)
}
