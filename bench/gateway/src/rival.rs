//! Other gateways with the same mock as their model, in one process each and without a database: LiteLLM's client for one
//! fetches a program when it is installed, which is not always to be had. So neither counts or writes down what is used.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{Door, meter::Pids};

/// How long a gateway may take until it answers.
const PATIENCE: Duration = Duration::from_mins(3);
const MASTER_KEY: &str = "sk-bench-master";

/// Which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With its one master key.
    LiteLlm,
    /// Without any.
    Portkey,
}

pub(crate) struct Rival {
    kind: Kind,
    child: Child,
    url: String,
    key: String,
    headers: Vec<(&'static str, String)>,
    /// What it says to the upstream who it is.
    secret: String,
    _data: tempfile::TempDir,
}

impl Rival {
    /// `program` is LiteLLM's command, or Portkey's `start-server.js`.
    pub(crate) async fn start(kind: Kind, program: &str, upstream: &str) -> Result<Self> {
        let data = tempfile::tempdir()?;
        std::fs::set_permissions(data.path(), PermissionsExt::from_mode(0o755))?;
        let port = free_port()?.to_string();
        let url = format!("http://127.0.0.1:{port}");
        let secret = format!("sk-{kind:?}");
        let log = std::fs::File::create(std::env::temp_dir().join(format!("{kind:?}.log")))?;
        let mut command = match kind {
            Kind::LiteLlm => {
                let config = data.path().join("config.json");
                std::fs::write(&config, litellm(upstream, &secret).to_string())?;
                let mut command = Command::new(program);
                command
                    .arg("--config")
                    .arg(config)
                    .args(["--host", "127.0.0.1", "--port", &port])
                    // it would wait for a list of prices from elsewhere
                    .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
                    .env_remove("DATABASE_URL");
                command
            }
            Kind::Portkey => {
                let mut command = Command::new("node");
                command
                    .args([program, "--headless", &format!("--port={port}")])
                    .env("NODE_ENV", "production")
                    .env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1");
                command
            }
        };
        let child = command
            .current_dir(data.path())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} can't be started"))?;
        let mut rival = Self {
            kind,
            child,
            url,
            key: MASTER_KEY.to_owned(),
            headers: Vec::new(),
            secret,
            _data: data,
        };
        rival.wait().await?;
        if kind == Kind::Portkey {
            // it passes the caller's own key on
            rival.key.clone_from(&rival.secret);
            rival.headers = vec![
                ("x-portkey-provider", "openai".to_owned()),
                ("x-portkey-custom-host", format!("{upstream}/v1")),
            ];
        }
        Ok(rival)
    }

    async fn wait(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let path = match self.kind {
            Kind::LiteLlm => "/health/readiness",
            Kind::Portkey => "/",
        };
        let client = crate::client()?;
        while client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .is_err()
        {
            if let Some(status) = self.child.try_wait()? {
                bail!("{:?} has ended: {status}", self.kind);
            }
            if Instant::now() > until {
                bail!("{:?} does not answer", self.kind);
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    pub(crate) fn door(&self) -> Result<Door> {
        Ok(Door {
            name: format!("{:?}", self.kind).to_lowercase(),
            url: self.url.clone(),
            key: self.key.clone(),
            headers: self.headers.clone(),
            pids: Pids {
                own: self.child.id().context("it has ended")?,
                database: None,
            },
            is_rival: true,
        })
    }

    /// Its calls among those that the upstream counted.
    pub(crate) fn calls(&self, calls: &HashMap<String, u64>) -> u64 {
        let made = calls.get(&format!("Bearer {}", self.secret));
        made.copied().unwrap_or_default()
    }
}

/// LiteLLM's configuration; YAML can be JSON.
fn litellm(upstream: &str, secret: &str) -> Value {
    json!({
        "model_list": [{
            "model_name": "misaki-small",
            "litellm_params": { "model": "openai/mock", "api_base": format!("{upstream}/v1"), "api_key": secret },
        }],
        "general_settings": { "master_key": MASTER_KEY },
    })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}
