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

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// What is committed is on the disk.
    #[default]
    Durable,
    /// Nothing. When the database server or its machine dies, what was committed in the last moment (three times
    /// `wal_writer_delay`, 0.6 s unless set) may be gone, the newest first and each transaction as a whole.
    Soon,
}

impl Db {
    /// Opens a transaction in `scope`.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin(&self, scope: Scope) -> sqlx::Result<Tx> {
        self.begin_as(scope, Commit::Durable).await
    }

    /// Opens a transaction in `scope` whose commit waits for what `commit` says.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin_as(&self, scope: Scope, commit: Commit) -> sqlx::Result<Tx> {
        let mut tx = self.pool.begin().await?;
        enter(&mut tx, scope, commit).await?;
        Ok(tx)
    }

    /// Begins a transaction on a connection apart from the pool: for short work that somebody waits for who may hold one of
    /// the pool's connections meanwhile, so that a pool can't wait for itself.
    ///
    /// # Errors
    /// When no connection can be had or the role cannot be taken.
    pub async fn begin_aside(&self, scope: Scope) -> sqlx::Result<Tx> {
        let mut tx = self.aside.begin().await?;
        enter(&mut tx, scope, Commit::Durable).await?;
        Ok(tx)
    }
}

/// Takes the scope's role and claims for the rest of the transaction, in one round trip.
async fn enter(conn: &mut PgConnection, scope: Scope, commit: Commit) -> sqlx::Result<()> {
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
    let statement = match commit {
        Commit::Durable => {
            "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)"
        }
        Commit::Soon => {
            "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
                 set_config('synchronous_commit', 'off', true)"
        }
    };
    sqlx::query(statement)
        .bind(role)
        .bind(claims.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
