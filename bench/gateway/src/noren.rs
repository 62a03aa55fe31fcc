use std::{
    collections::HashMap, fmt, os::unix::fs::PermissionsExt, process::Stdio, time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    Door,
    meter::{Pids, Stat},
};

/// What a usage row's commit waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    Commit,
    Async,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commit => "commit",
            Self::Async => "async",
        })
    }
}

/// The real binary on a private cluster of its own, with the mock as its model.
pub(crate) struct Noren {
    child: Child,
    account: String,
    inference: String,
    database: String,
    /// What it says to the upstream who it is.
    secret: String,
    _data: tempfile::TempDir,
}

impl Noren {
    pub(crate) async fn start(
        binary: &str,
        upstream: &str,
        durability: Durability,
        secret: String,
    ) -> Result<Self> {
        let data = tempfile::tempdir()?;
        // the server's user has to be able to walk there
        std::fs::set_permissions(data.path(), PermissionsExt::from_mode(0o755))?;
        let mut child = Command::new(binary)
            .args([
                "run",
                "--account",
                "127.0.0.1:0",
                "--inference",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data.path())
            .env(
                "NOREN__PLANS__FILE",
                concat!(env!("CARGO_MANIFEST_DIR"), "/plans.toml"),
            )
            .env("NOREN__GATEWAY__OPENAI__BASE_URL", format!("{upstream}/v1"))
            .env("NOREN__GATEWAY__OPENAI__MODEL", "mock")
            .env("NOREN__GATEWAY__OPENAI__API_KEY", &secret)
            .env("NOREN__METERING__DURABILITY", durability.to_string())
            .env("NOREN__LOG__FILTER", "warn")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{binary} can't be started"))?;
        let out = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(out).lines();
        let ready: Value = loop {
            let line = lines.next_line().await?.context("noren did not start")?;
            if let Ok(ready) = serde_json::from_str(&line) {
                break ready;
            }
        };
        let said = |name: &str| {
            let found = ready.get(name).and_then(Value::as_str);
            found
                .map(str::to_owned)
                .with_context(|| format!("no {name}"))
        };
        Ok(Self {
            child,
            account: said("account")?,
            inference: said("inference")?,
            database: said("database")?,
            secret,
            _data: data,
        })
    }

    /// Its OpenAI-compatible door, for a person with a key.
    pub(crate) async fn door(&self, name: String) -> Result<Door> {
        let person =
            json!({ "email": "bench@noren.example", "password": "plum kettle seven rivers" });
        let joined = crate::client()?
            .post(format!("{}/auth/register", self.account))
            .json(&person)
            .send()
            .await?
            .error_for_status()?;
        let joined: Value = joined.json().await?;
        let key = joined.pointer("/api_key/secret").and_then(Value::as_str);
        let own = self.child.id().context("noren has ended")?;
        Ok(Door {
            name,
            url: self.inference.clone(),
            key: key.context("no key")?.to_owned(),
            headers: Vec::new(),
            pids: Pids {
                own,
                database: Some(postmaster(&self.database).await?),
            },
            is_rival: false,
        })
    }

    /// Its usage rows, and its calls among those that the upstream counted.
    pub(crate) async fn usage(&self, calls: &HashMap<String, u64>) -> Result<(u64, u64)> {
        let mut database = PgConnection::connect(&self.database).await?;
        // what was only accepted ends later
        loop {
            let open: i64 =
                sqlx::query_scalar("select count(*) from gateway.run where ended_at is null")
                    .fetch_one(&mut database)
                    .await?;
            if open == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let rows: i64 = sqlx::query_scalar("select count(*) from entitlement.usage")
            .fetch_one(&mut database)
            .await?;
        let made = calls.get(&format!("Bearer {}", self.secret));
        Ok((u64::try_from(rows)?, made.copied().unwrap_or_default()))
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().context("noren has ended by itself")?;
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .await?;
        self.child.wait().await?;
        Ok(())
    }
}

/// The process whose children serve a database on this machine.
async fn postmaster(url: &str) -> Result<u32> {
    let mut database = PgConnection::connect(url).await?;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut database)
        .await?;
    let backend = Stat::of(u32::try_from(backend)?).context("no server on this machine")?;
    Ok(backend.parent)
}
