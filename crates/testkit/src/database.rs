use std::{fs, path::PathBuf};

use db::{
    Db, MIGRATOR, PoolSize, Url,
    cluster::{Cluster, Durability},
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How many databases of ended tests stay for a look; the disk holds up to twice as many, of some 14 MB each.
const KEPT: i64 = 100;

/// A database cloned from a template that has every migration. It is left behind for a look after a failure, until
/// enough younger ones are.
#[derive(Debug)]
pub struct TestDatabase {
    owner: Url,
}

impl TestDatabase {
    /// Clones the template, making it first if this set of migrations has none.
    ///
    /// # Panics
    /// When there is no database server to be had.
    pub async fn create() -> Self {
        let server = server();
        let mut conn = PgConnection::connect(server.expose_secret())
            .await
            .expect("the test server answers");
        let template = ensure_template(&mut conn, &server).await;
        let name = format!("t_{}_{}", std::process::id(), uuid::Uuid::new_v4().simple());
        run(
            &mut conn,
            format!("create database {name} template {template}"),
        )
        .await;
        sweep(&mut conn).await;
        conn.close().await.expect("the connection closes");
        Self {
            owner: with_database(&server, &name),
        }
    }

    /// The owner's URL.
    pub fn owner_url(&self) -> &Url {
        &self.owner
    }

    /// A new pool of the application role.
    ///
    /// # Panics
    /// When the database is gone.
    pub async fn connect(&self) -> Db {
        let url = db::app_url(&self.owner).expect("the owner's URL is good");
        Db::connect(&url, PoolSize(8))
            .await
            .expect("the app role connects")
    }

    /// A connection of the owner, for looking behind the scenes.
    ///
    /// # Panics
    /// When the database is gone.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(self.owner.expose_secret())
            .await
            .expect("the owner connects")
    }
}

fn server() -> Url {
    if let Ok(url) = std::env::var("NOREN_TEST_DATABASE_URL") {
        return SecretString::from(url);
    }
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/testkit");
    fs::create_dir_all(&dir).expect("target can be written");
    let lock = fs::File::create(dir.join("lock")).expect("the lock file can be made");
    lock.lock().expect("the lock can be had");
    Cluster::start(&dir, Durability::Throwaway)
        .expect("the test cluster starts")
        .url()
}

async fn ensure_template(conn: &mut PgConnection, server: &Url) -> String {
    let fingerprint = MIGRATOR.iter().fold(0_u64, |hash, migration| {
        migration.checksum.iter().fold(hash, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
    let template = format!("template_{fingerprint:016x}");
    sqlx::query("select pg_advisory_lock(7814551025)")
        .execute(&mut *conn)
        .await
        .expect("the lock can be had");
    let ready: bool = sqlx::query_scalar(
        "select exists (select from pg_database where datname = $1 and datistemplate)",
    )
    .bind(&template)
    .fetch_one(&mut *conn)
    .await
    .expect("the catalog can be read");
    if !ready {
        run(conn, format!("drop database if exists {template}")).await;
        run(conn, format!("create database {template}")).await;
        db::migrate(&with_database(server, &template))
            .await
            .expect("the migrations apply");
        run(conn, format!("alter database {template} is_template true")).await;
    }
    sqlx::query("select pg_advisory_unlock(7814551025)")
        .execute(conn)
        .await
        .expect("the lock is given back");
    template
}

/// Drops what ended tests left, all but the youngest; rarely and many at once, since every drop waits for a checkpoint.
async fn sweep(conn: &mut PgConnection) {
    let old: Vec<String> = sqlx::query_scalar(
        "select datname from pg_database where datname like 't\\_%' order by oid desc offset $1",
    )
    .bind(KEPT)
    .fetch_all(&mut *conn)
    .await
    .expect("the catalog can be read");
    if i64::try_from(old.len()).is_ok_and(|old| old < KEPT) {
        return;
    }
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_lock(7814551026)")
        .fetch_one(&mut *conn)
        .await
        .expect("the lock can be asked for");
    if !alone {
        return;
    }
    for name in old.iter().filter(|name| has_ended(name)) {
        run(conn, format!("drop database if exists {name} with (force)")).await;
    }
    sqlx::query("select pg_advisory_unlock(7814551026)")
        .execute(conn)
        .await
        .expect("the lock is given back");
}

/// Whether the process that a database's name tells of is gone.
fn has_ended(name: &str) -> bool {
    name.split('_')
        .nth(1)
        .and_then(|pid| pid.parse().ok())
        .and_then(rustix::process::Pid::from_raw)
        .is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

async fn run(conn: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(conn)
        .await
        .unwrap_or_else(|e| panic!("{statement}: {e}"));
}

fn with_database(server: &Url, name: &str) -> Url {
    let mut url = url::Url::parse(server.expose_secret()).expect("the server's URL is good");
    url.set_path(name);
    SecretString::from(String::from(url))
}
