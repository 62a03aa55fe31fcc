use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::Db;

/// On whose behalf a transaction runs. The database itself refuses rows outside of it.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// One tenant, perhaps with the user who acts for it.
    Tenant { tenant: Uuid, user: Option<Uuid> },
    /// The house itself, for what precedes a tenant (sign-in) or spans tenants (sweeps); the reason is logged.
    House(&'static str),
}

/// A transaction that carries its scope as role and claims until it ends.
pub type Tx = Transaction<'static, Postgres>;

impl Db {
    /// Opens a transaction in `scope`.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin(&self, scope: Scope) -> sqlx::Result<Tx> {
        let mut tx = self.pool.begin().await?;
        enter(&mut tx, scope).await?;
        Ok(tx)
    }

    /// Begins a transaction on a connection apart from the pool: for short work that somebody waits for who may hold one of
    /// the pool's connections meanwhile, so that a pool can't wait for itself.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin_aside(&self, scope: Scope) -> sqlx::Result<Tx> {
        let mut tx = self.aside.begin().await?;
        enter(&mut tx, scope).await?;
        Ok(tx)
    }
}

/// Takes the scope's role and claims for the rest of the transaction, in one round trip.
async fn enter(conn: &mut PgConnection, scope: Scope) -> sqlx::Result<()> {
    let (role, claims) = match scope {
        Scope::Tenant { tenant, user } => (
            "authenticated",
            serde_json::json!({ "role": "authenticated", "tenant_id": tenant, "sub": user }),
        ),
        Scope::House(reason) => {
            tracing::trace!(reason, "house scope");
            (
                "service_role",
                serde_json::json!({ "role": "service_role" }),
            )
        }
    };
    sqlx::query("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)")
        .bind(role)
        .bind(claims.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
