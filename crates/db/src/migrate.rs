use std::time::Duration;

use sqlx::{Connection, PgConnection, migrate::Migrator};

use crate::{
    Url,
    connect::{ConnectError, connect_options, ensure_roles},
};

/// The one linear history of the schema, inside the binary.
pub static MIGRATOR: Migrator = Migrator {
    locking: false,
    ..sqlx::migrate!("../../migrations")
};

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the roles of the house can't be made; the owner needs CREATEROLE: {0}")]
    Roles(#[source] sqlx::Error),
    #[error("a migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database went away: {0}")]
    Lost(#[from] sqlx::Error),
}

/// Makes the roles and applies what is missing of [`MIGRATOR`], as the owner. Many nodes may do so at once.
///
/// # Errors
/// When the owner can't connect, may not create roles, or a migration fails.
pub async fn migrate(owner: &Url) -> Result<(), MigrateError> {
    let mut options = connect_options(owner)?;
    options = options.options([
        ("statement_timeout", "0"),
        ("lock_timeout", "30s"),
        ("client_min_messages", "warning"),
    ]);
    let mut conn = PgConnection::connect_with(&options)
        .await
        .map_err(ConnectError::Unreachable)?;
    ensure_roles(&mut conn, owner)
        .await
        .map_err(MigrateError::Roles)?;
    // a waiting advisory lock would hold a snapshot open and block CREATE INDEX CONCURRENTLY, so ask again instead
    while !try_lock(&mut conn).await? {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let result = MIGRATOR.run(&mut conn).await;
    conn.close().await?;
    Ok(result?)
}

async fn try_lock(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_lock(7814551024)")
        .fetch_one(conn)
        .await
}
