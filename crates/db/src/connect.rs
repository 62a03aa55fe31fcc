//! How a connection is made and handed back: addresses, roles, what a server must be.

use std::{str::FromStr, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use sqlx::{
    Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// The application's login role: no owner, no BYPASSRLS, and without a scope it sees nothing.
const APP_ROLE: &str = "noren_app";

/// The oldest server that the migrations were written for.
const OLDEST_SERVER: u32 = 150_000;

/// A connection that nobody used for this long may have died unnoticed.
const RESTED: Duration = Duration::from_secs(1);

/// A `postgres://` URL; it may hold a password, so it is never printed.
pub type Url = SecretString;

/// The most connections that one process opens for its work; six more stand aside.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize(pub u32);

/// Why a pool could not be made; the message is for an operator's eyes.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database URL can't be read; expected postgres://user:password@host:port/name")]
    BadUrl,
    #[error("the database can't be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    #[error("PostgreSQL {found} is too old, 15 or newer is needed")]
    TooOld { found: u32 },
    #[error("the database's encoding is {0}, UTF8 is needed (createdb --encoding=UTF8)")]
    NotUtf8(String),
    #[error("the character type locale is {0}; Japanese search needs a UTF-8 one, such as C.UTF-8")]
    NoUnicodeLocale(String),
}

pub(crate) fn pool_options(size: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(5))
        // a connection was tested when it was given back, so only one that rested is tested again
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for >= RESTED {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        // sqlx 0.9.0 can hand back a connection that is still inside a transaction when `begin` was
        // dropped half way (sqlx#4385); the next borrower's writes would vanish with it. A bare rollback
        // would write a warning to the server's log each time that there is nothing to roll back; where
        // `begin` is refused, inside of what failed, the connection is closed
        .after_release(|conn, _| {
            Box::pin(async move {
                conn.execute("begin; rollback").await?;
                Ok(true)
            })
        })
}

/// The application's URL when the operator gave only the owner's: same place, the app role, and a password
/// derived from the owner's, so that every node derives the same one. Without a password (a private cluster
/// behind its socket) the role has none either.
///
/// # Errors
/// When the owner's URL can't be read.
pub fn app_url(owner: &Url) -> Result<Url, ConnectError> {
    let mut url = url::Url::parse(owner.expose_secret()).map_err(|_| ConnectError::BadUrl)?;
    let password = derived_password(&url);
    url.set_username(APP_ROLE)
        .map_err(|()| ConnectError::BadUrl)?;
    url.set_password(password.as_deref())
        .map_err(|()| ConnectError::BadUrl)?;
    if url
        .query_pairs()
        .any(|(key, _)| key == "user" || key == "password")
    {
        return Err(ConnectError::BadUrl);
    }
    Ok(SecretString::from(String::from(url)))
}

/// Makes the roles of the house, which belong to the whole cluster. Safe to repeat, also by many nodes at once.
pub(crate) async fn ensure_roles(conn: &mut PgConnection, owner: &Url) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    // one key for all databases of the cluster: "noren roles"
    sqlx::query("select pg_advisory_xact_lock(7814551023)")
        .execute(&mut *tx)
        .await?;
    for role in ["anon", "authenticated", "service_role"] {
        ensure_role(&mut tx, role, "nologin").await?;
    }
    ensure_role(&mut tx, "auditor", "login").await?;
    ensure_role(&mut tx, APP_ROLE, "login noinherit").await?;
    let url = url::Url::parse(owner.expose_secret()).map_err(sqlx::Error::config)?;
    if let Some(password) = derived_password(&url) {
        // role DDL takes no parameters; the password is hexadecimal digits only
        let set = format!("alter role {APP_ROLE} password '{password}'");
        sqlx::query(sqlx::AssertSqlSafe(set))
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("grant anon, authenticated, service_role to noren_app")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

async fn ensure_role(
    conn: &mut PgConnection,
    role: &'static str,
    options: &'static str,
) -> Result<(), sqlx::Error> {
    let known: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(role)
        .fetch_one(&mut *conn)
        .await?;
    if !known {
        let create = format!("create role {role} {options}");
        sqlx::query(sqlx::AssertSqlSafe(create))
            .execute(conn)
            .await?;
    }
    Ok(())
}

pub(crate) fn connect_options(url: &Url) -> Result<PgConnectOptions, ConnectError> {
    let options =
        PgConnectOptions::from_str(url.expose_secret()).map_err(|_| ConnectError::BadUrl)?;
    Ok(options.application_name("noren").options([
        ("statement_timeout", "15s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "20s"),
        // the hook above rolls back outside of transactions too, which would warn each time
        ("client_min_messages", "error"),
        ("timezone", "UTC"),
    ]))
}

pub(crate) async fn check_server(options: &PgConnectOptions) -> Result<(), ConnectError> {
    let connect = PgConnection::connect_with(options);
    let mut conn = match tokio::time::timeout(Duration::from_secs(5), connect).await {
        Ok(conn) => conn.map_err(ConnectError::Unreachable)?,
        Err(_) => return Err(ConnectError::Unreachable(sqlx::Error::PoolTimedOut)),
    };
    let (version, encoding, collation): (i32, String, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int, pg_encoding_to_char(encoding), datcollate::text
         from pg_database where datname = current_database()",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(ConnectError::Unreachable)?;
    judge_server(version, encoding, collation)?;
    let _ = conn.close().await;
    Ok(())
}

/// Whether a server of this `server_version_num`, encoding and collation can hold our data.
fn judge_server(version: i32, encoding: String, collation: String) -> Result<(), ConnectError> {
    let found = u32::try_from(version).unwrap_or_default();
    if found < OLDEST_SERVER {
        return Err(ConnectError::TooOld {
            found: found / 10_000,
        });
    }
    if encoding != "UTF8" {
        return Err(ConnectError::NotUtf8(encoding));
    }
    if matches!(collation.as_str(), "C" | "POSIX") {
        return Err(ConnectError::NoUnicodeLocale(collation));
    }
    Ok(())
}

fn derived_password(owner: &url::Url) -> Option<String> {
    let password = owner.password()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(password.as_bytes()).ok()?;
    mac.update(b"noren app role");
    Some(hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_can_not_hold_our_data_is_told_why() {
        let judge = |version, encoding: &str, collation: &str| {
            judge_server(version, encoding.to_owned(), collation.to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(judge(150_018, "UTF8", "C.UTF-8"), Ok(()));
        assert_eq!(judge(180_001, "UTF8", "ja_JP.utf8"), Ok(()));
        for (version, encoding, collation, why) in [
            (140_020, "UTF8", "C.UTF-8", "PostgreSQL 14 is too old"),
            (90_624, "UTF8", "C.UTF-8", "PostgreSQL 9 is too old"),
            (150_018, "SQL_ASCII", "C.UTF-8", "encoding is SQL_ASCII"),
            (150_018, "UTF8", "C", "locale is C;"),
        ] {
            let error = judge(version, encoding, collation).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_app_role_gets_a_password_only_when_the_owner_has_one() {
        let derived =
            |url: &str| app_url(&SecretString::from(url)).map(|u| u.expose_secret().to_owned());
        let with =
            derived("postgres://owner:secret@db.example:5433/noren?sslmode=require").unwrap();
        assert!(
            with.starts_with("postgres://noren_app:") && !with.contains("secret"),
            "{with}"
        );
        assert!(
            with.ends_with("@db.example:5433/noren?sslmode=require"),
            "{with}"
        );
        assert_eq!(
            with,
            derived("postgres://owner:secret@db.example:5433/noren?sslmode=require").unwrap()
        );
        assert_eq!(
            derived("postgres://postgres@localhost/noren?host=/run/pg").unwrap(),
            "postgres://noren_app@localhost/noren?host=/run/pg"
        );
        assert!(derived("not a url").is_err());
        assert!(derived("postgres://localhost/noren?user=root").is_err());
    }
}
