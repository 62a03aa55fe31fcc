use identity::TenantId;
use sqlx::PgConnection;

use crate::{age, carry, chat, memory};

/// Removes all chats of a tenant that goes, and all that came of them, in the caller's transaction.
pub async fn forget(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<()> {
    age::forget(conn, tenant).await?;
    memory::forget(conn, tenant).await?;
    carry::forget(conn, tenant).await?;
    chat::forget(conn, tenant).await
}
