use sqlx::{AssertSqlSafe, Postgres, Transaction};
use uuid::Uuid;

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

/// Begins a transaction and takes the scope's role and claims for the rest of it, in one round trip.
pub(crate) fn enter(scope: Scope, commit: Commit) -> AssertSqlSafe<String> {
    let soon = match commit {
        Commit::Durable => "",
        Commit::Soon => "; set local synchronous_commit = off",
    };
    enter_by("begin", scope, soon)
}

/// As [`enter`], for a transaction that writes nothing.
pub(crate) fn enter_reading(scope: Scope) -> AssertSqlSafe<String> {
    enter_by("begin read only", scope, "")
}

fn enter_by(begin: &str, scope: Scope, then: &str) -> AssertSqlSafe<String> {
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
    // safe in quotes: the claims are words of ours and ids
    AssertSqlSafe(format!(
        "{begin}; set local role {role}; set local request.jwt.claims = '{claims}'{then}"
    ))
}
