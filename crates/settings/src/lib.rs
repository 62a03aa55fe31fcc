//! Settings: the embedded defaults, then one TOML file, then `NOREN__ROOM__FIELD` variables.
//!
//! The only room that reads the environment. Unknown names are refused, so that a misspelt setting is not silently
//! without effect.

mod check;
mod describe;

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use check::{
    check_address, check_issuer, check_public_url, check_registration_number, check_smtp_url,
    check_upstream_url,
};
pub use describe::without_userinfo;

const DEFAULTS: &str = include_str!("defaults.toml");

/// Everything that an operator can set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub database: Database,
    pub plans: Plans,
    pub log: Log,
    pub traces: Traces,
    pub mail: Mail,
    pub identity: Identity,
    pub billing: Billing,
    pub gateway: Gateway,
    pub hooks: Hooks,
    pub metering: Metering,
    pub seal: Seal,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub account_url: String,
    pub inference_url: String,
    pub connections: usize,
    pub connections_per_address: usize,
    pub drain_seconds: u64,
    pub trusted_proxies: String,
    /// Web origins whose pages may call the inference listener, beside our own: with commas between, or `*` for all. Empty: none.
    pub browser_origins: String,
}

impl Server {
    /// The parts of `browser_origins`.
    pub fn origins(&self) -> Vec<String> {
        let parts = self.browser_origins.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        parts.map(ToOwned::to_owned).collect()
    }

    /// An origin is compared letter by letter with what a browser sends, so it has to be written as browsers do.
    fn check_origins(&self) -> Result<(), Error> {
        let is_origin = |part: &String| {
            let url = url::Url::parse(part).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
            part == "*" || url.is_some_and(|url| url.origin().ascii_serialization() == *part)
        };
        let wrong = self.origins().into_iter().find(|part| !is_origin(part));
        wrong.map_or(Ok(()), |text| {
            Err(Error::NotOrigin {
                field: "server.browser_origins",
                text,
            })
        })
    }

    /// The networks of `trusted_proxies`.
    ///
    /// # Errors
    /// With the part that is none.
    pub fn proxies(&self) -> Result<Vec<IpNet>, Error> {
        self.trusted_proxies
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.parse()
                    .or_else(|_| part.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| Error::NotNetwork {
                        field: "server.trusted_proxies",
                        text: part.to_owned(),
                    })
            })
            .collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `DATABASE_URL`: the owner's. None: the private cluster.
    #[serde(skip)]
    pub url: Option<SecretString>,
    /// `DATABASE_APP_URL`: the application role's, derived from the owner's unless given.
    #[serde(skip)]
    pub app_url: Option<SecretString>,
    /// A replica that serves reads; `READ_DATABASE_URL` does as well. Empty: the primary serves them all.
    pub read_url: SecretString,
    pub connections: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    pub file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// Where spans are sent by OTLP over HTTP, such as `http://localhost:4318`. Empty: nowhere.
    pub endpoint: String,
    /// Headers that go with them, such as a key: `name=value` with commas between.
    pub headers: SecretString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Plain,
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// It holds a password, so it is never shown. Empty: letters wait.
    pub smtp_url: SecretString,
    pub from: String,
}

impl Mail {
    /// Whether letters can go out.
    pub fn is_configured(&self) -> bool {
        !self.smtp_url.expose_secret().is_empty()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    pub grace_days: u16,
    pub issuer: ReceiptIssuer,
    pub stripe: Stripe,
}

/// Who sells, as receipts say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptIssuer {
    pub name: String,
    /// Empty: receipts are no qualified invoices.
    pub registration_number: String,
    pub address: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// Empty: nothing can be bought.
    pub secret_key: SecretString,
    /// One or two, with a comma between.
    pub webhook_secrets: SecretString,
    pub api_url: String,
    pub api_version: String,
}

impl Stripe {
    /// Whether anything can be bought.
    pub fn is_configured(&self) -> bool {
        !self.secret_key.expose_secret().is_empty()
    }

    /// The secrets of `webhook_secrets`.
    pub fn secrets(&self) -> Vec<SecretString> {
        let text = self.webhook_secrets.expose_secret();
        let parts = text.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(SecretString::from)
            .collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Origins of this machine, with commas between; without effect unless this is a demo.
    pub demo_origins: String,
}

impl Hooks {
    /// The parts of `demo_origins`.
    pub fn origins(&self) -> Vec<String> {
        let parts = self.demo_origins.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// Where the keys are that secrets in the database are sealed under.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    pub keys: SecretString,
    pub keys_file: String,
}

impl Seal {
    /// Whether it is said where the keys are.
    pub fn is_configured(&self) -> bool {
        !self.keys.expose_secret().is_empty() || !self.keys_file.is_empty()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metering {
    pub durability: Durability,
}

/// When a caller sees the end of metered work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once its usage is on the disk.
    Commit,
    /// At once; its usage is written within moments. A process that is killed takes along what it had not written yet, at most
    /// 512 answers, and the death of the database server the rows of its last moment.
    Async,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// 0: for ever.
    pub unconfirmed_days: u16,
    pub guest_days: u16,
    /// Issuers outside that people may sign in at, by the name that they have in our paths.
    #[serde(default)]
    pub issuers: BTreeMap<String, Issuer>,
}

/// One OpenID Connect issuer, such as a Cognito user pool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What its tokens say as `iss`; its configuration is at `/.well-known/openid-configuration` below.
    pub url: String,
    /// Our name at the issuer.
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<SecretString>,
    /// What its button says; the name unless given.
    pub title: Option<String>,
    /// Where its keys are, if not where its configuration says.
    pub jwks_url: Option<String>,
    #[serde(default = "usual_scopes")]
    pub scopes: String,
    /// Whether an address that it calls verified counts as proven here. Whoever controls such an issuer controls the
    /// accounts with those addresses.
    #[serde(default)]
    pub trust_email: bool,
}

fn usual_scopes() -> String {
    "openid email profile".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub silence_seconds: u64,
    pub run_seconds: u64,
    /// Whether providers outside of the house are asked: hosted models such as Claude and GPT.
    pub external: bool,
    /// A model file instead of the built-in one.
    pub models_file: String,
    /// Who answers for the models of the file, by the name that it uses.
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    pub openai: OpenAi,
}

impl Gateway {
    /// Whether the settings name anybody who answers.
    pub fn is_configured(&self) -> bool {
        !self.openai.base_url.is_empty() || !self.providers.is_empty()
    }
}

/// Where a provider answers and what opens its door.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// openai (and whatever speaks its protocol), anthropic, bedrock, runpod (the vLLM worker) or runpod-text (a handler of the house).
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub base_url: String,
    /// Where it works, such as ap-northeast-1: Bedrock is asked there, and requests may ask for regions.
    #[serde(default)]
    pub region: String,
    /// Keys with commas between; `key*3` takes three times the work of `key`. A key of Bedrock is `id:secret`.
    pub api_keys: SecretString,
    #[serde(default = "yes")]
    pub streams: bool,
    /// How long the first word may take; 0 is as long as any silence, and two minutes at RunPod.
    #[serde(default)]
    pub start_seconds: u64,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAi {
    pub base_url: String,
    pub api_key: SecretString,
    pub model: String,
    pub input_nano_usd: i64,
    pub output_nano_usd: i64,
    pub streams: bool,
    /// Empty, or the name of an effort.
    pub effort: String,
}

/// What is wrong with the settings, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the settings can't be read: {0}")]
    Unreadable(#[from] config::ConfigError),
    #[error("{field} has a part that is no network, such as 10.0.0.0/8: {text}")]
    NotNetwork { field: &'static str, text: String },
    #[error("{field} has a part that is no origin, such as https://app.example, and not *: {text}")]
    NotOrigin { field: &'static str, text: String },
    #[error("{field} is not a URL: {text}")]
    NotUrl { field: String, text: String },
    #[error(
        "{field} is {text}: plain http is for this machine only (localhost). Put TLS in front and name the https URL"
    )]
    PlainHttp { field: String, text: String },
    #[error(
        "identity.issuers.{0}: a name has 1 to 30 lower-case letters, digits and hyphens; it is part of a path"
    )]
    IssuerName(String),
    #[error("identity.issuers.{name}.{field} {what}")]
    Issuer {
        name: String,
        field: &'static str,
        what: &'static str,
    },
    #[error(
        "mail.smtp_url is not an SMTP URL; expected smtp://user:password@host:587 or smtps://user:password@host"
    )]
    NotSmtp,
    #[error(
        "mail.smtp_url: smtp:// goes in the clear to this machine alone and by STARTTLS to every other; options can't change that"
    )]
    PlainSmtp,
    #[error(
        "billing.issuer.registration_number is not T and thirteen digits: {0}; leave it empty without one"
    )]
    NotRegistrationNumber(String),
    #[error("{field} is not an address: {text}; expected Name <name@domain>")]
    NotAddress { field: &'static str, text: String },
    #[error("{0} is 0: it is at least 1")]
    Zero(&'static str),
}

impl Settings {
    /// Reads the settings; `file` must exist when it is named.
    ///
    /// # Errors
    /// With the name of the setting and what is wrong with it.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("NOREN")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true);
        let mut settings: Self = builder.add_source(environment).build()?.try_deserialize()?;
        settings.database.url = secret("DATABASE_URL");
        settings.database.app_url = secret("DATABASE_APP_URL");
        if let Some(url) = secret("READ_DATABASE_URL") {
            settings.database.read_url = url;
        }
        settings.check_zeros()?;
        check_public_url("server.account_url", &settings.server.account_url)?;
        check_public_url("server.inference_url", &settings.server.inference_url)?;
        check_upstream_url("gateway.openai.base_url", &settings.gateway.openai.base_url)?;
        for (name, provider) in &settings.gateway.providers {
            let field = format!("gateway.providers.{name}.base_url");
            check_upstream_url(&field, &provider.base_url)?;
        }
        check_public_url("billing.stripe.api_url", &settings.billing.stripe.api_url)?;
        check_registration_number(&settings.billing.issuer.registration_number)?;
        settings.server.proxies()?;
        settings.server.check_origins()?;
        check_smtp_url(&settings.mail.smtp_url)?;
        check_address("mail.from", &settings.mail.from)?;
        for (name, issuer) in &settings.identity.issuers {
            check_issuer(name, issuer)?;
        }
        Ok(settings)
    }

    /// Refuses what nothing could be done with.
    fn check_zeros(&self) -> Result<(), Error> {
        let (server, gateway) = (&self.server, &self.gateway);
        let zero = [
            ("server.connections", server.connections == 0),
            (
                "server.connections_per_address",
                server.connections_per_address == 0,
            ),
            ("database.connections", self.database.connections == 0),
            ("gateway.silence_seconds", gateway.silence_seconds == 0),
            ("gateway.run_seconds", gateway.run_seconds == 0),
        ]
        .into_iter()
        .find(|(_, is_zero)| *is_zero);
        zero.map_or(Ok(()), |(name, _)| Err(Error::Zero(name)))
    }

    /// What a production set-up still lacks, in words.
    pub fn missing_for_production(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.server.account_url.is_empty() || self.server.inference_url.is_empty() {
            missing.push("server.account_url and server.inference_url: the https URLs that people reach the listeners at");
        }
        if !self.gateway.is_configured() {
            missing.push("gateway.providers or gateway.openai: a model that answers");
        }
        if !self.mail.is_configured() || self.mail.from.contains("@localhost") {
            missing.push("mail.smtp_url and mail.from: letters wait until they can go out");
        }
        if !self.billing.stripe.is_configured() {
            missing.push("billing.stripe.secret_key and webhook_secrets: nothing can be bought");
        }
        if !self.seal.is_configured() {
            missing.push(
                "seal.keys or seal.keys_file: keys for the secrets in the database, the same on every node and kept apart from its backups",
            );
        }
        if self.database.url.is_none() {
            missing.push(
                "DATABASE_URL: a database with backups (the private cluster is on this disk only)",
            );
        }
        missing
    }
}

fn secret(name: &str) -> Option<SecretString> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn load(toml: &str) -> Result<Settings, Error> {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let dir = std::env::temp_dir().join(format!(
            "noren-settings-{}-{}",
            std::process::id(),
            FILES.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::write(&dir, toml).unwrap();
        let loaded = Settings::load(Some(&dir));
        std::fs::remove_file(&dir).unwrap();
        loaded
    }

    #[test]
    fn defaults_are_whole_and_secrets_stay_masked() {
        let settings = load(
            "[gateway.openai]\nbase_url = \"https://api.example/v1\"\napi_key = \"sk-canary\"",
        )
        .unwrap();
        let text = settings.describe();
        assert!(
            text.contains("gateway.openai.api_key = (set)") && !text.contains("canary"),
            "{text}"
        );
        assert!(!format!("{settings:?}").contains("canary"));
        for line in DEFAULTS
            .lines()
            .filter_map(|line| line.split_once(" = ").filter(|_| !line.starts_with('#')))
        {
            assert!(
                text.contains(&format!(".{} ", line.0)) || text.contains(&format!(".{}=", line.0)),
                "{}",
                line.0
            );
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_printed() {
        let url = "https://user:can@ry@models.example/v1";
        assert_eq!(without_userinfo(url), "https://models.example/v1");
        assert_eq!(
            without_userinfo("https://models.example"),
            "https://models.example"
        );
        let settings = load(
            "[gateway.openai]\nbase_url = \"https://user:canary@models.example/v1\"
            [gateway.providers.own]\nbase_url = \"https://canary@own.example\"\napi_keys = \"a\"",
        )
        .unwrap();
        let text = settings.describe();
        assert!(
            text.contains("gateway.openai.base_url = \"https://models.example/v1\""),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
        let wrong = "[gateway.openai]\nbase_url = \"ftp://user:canary@models.example\"";
        let error = load(wrong).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn a_provider_by_its_name_is_a_model_that_answers() {
        let missing = |toml| load(toml).unwrap().missing_for_production().join(" ");
        assert!(missing("").contains("a model that answers"));
        for toml in [
            "[gateway.providers.openai]\napi_keys = \"sk-one\"",
            "[gateway.openai]\nbase_url = \"https://models.example/v1\"",
        ] {
            assert!(!missing(toml).contains("a model that answers"), "{toml}");
        }
    }

    #[test]
    fn the_replicas_password_shows_nowhere() {
        let settings =
            load("[database]\nread_url = \"postgres://user:canary@copy.example/noren\"").unwrap();
        let text = settings.describe();
        assert!(
            text.contains("database.read_url (READ_DATABASE_URL) = (set)"),
            "{text}"
        );
        assert!(!format!("{text} {settings:?}").contains("canary"));
    }

    #[test]
    fn the_mail_servers_password_shows_nowhere() {
        let settings = load("[mail]\nsmtp_url = \"smtps://user:canary@mail.example\"").unwrap();
        assert!(settings.mail.is_configured());
        assert!(settings.describe().contains("mail.smtp_url = (set)"));
        assert!(!format!("{} {settings:?}", settings.describe()).contains("canary"));
        let error = load("[mail]\nsmtp_url = \"smtps//user:canary@mail.example\"").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
        let missing = load("").unwrap().missing_for_production().join(" ");
        assert!(missing.contains("mail.smtp_url"), "{missing}");
    }

    #[test]
    fn issuers_are_read_by_name_and_their_secret_shows_nowhere() {
        let toml = "[identity.issuers.cognito]
            url = \"https://cognito-idp.ap-northeast-1.amazonaws.com/ap-northeast-1_x\"
            client_id = \"4ab\"
            client_secret = \"canary\"";
        let settings = load(toml).unwrap();
        let issuer = &settings.identity.issuers["cognito"];
        assert_eq!(
            (issuer.scopes.as_str(), issuer.trust_email),
            ("openid email profile", false)
        );
        let text = settings.describe();
        assert!(
            text.contains("identity.issuers.cognito.client_secret = (set)"),
            "{text}"
        );
        assert!(
            text.contains("identity.issuers.cognito.client_id = \"4ab\""),
            "{text}"
        );
        assert!(!format!("{text} {settings:?}").contains("canary"));
        assert!(load("").unwrap().identity.issuers.is_empty());

        // each variable on its own lands in the same issuer
        let with = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = Environment::with_prefix("NOREN")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .source(Some(
                [
                    with(
                        "NOREN__IDENTITY__ISSUERS__COGNITO__URL",
                        "https://id.example",
                    ),
                    with("NOREN__IDENTITY__ISSUERS__COGNITO__CLIENT_ID", "12345"),
                    with("NOREN__IDENTITY__ISSUERS__COGNITO__TRUST_EMAIL", "true"),
                ]
                .into(),
            ));
        let settings: Settings = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(environment)
            .build()
            .unwrap()
            .try_deserialize()
            .unwrap();
        let issuer = &settings.identity.issuers["cognito"];
        assert_eq!(
            (issuer.client_id.as_str(), issuer.trust_email),
            ("12345", true)
        );
    }

    #[test]
    fn mistakes_are_told_by_name() {
        for (toml, why) in [
            ("[server]\naccount_ulr = \"x\"", "account_ulr"),
            (
                "[server]\naccount_url = \"x\"",
                "server.account_url is not a URL",
            ),
            (
                "[server]\naccount_url = \"ftp://noren.example\"",
                "not a URL",
            ),
            (
                "[server]\naccount_url = \"http://noren.example\"",
                "plain http is for this machine only",
            ),
            (
                "[gateway.openai]\nbase_url = \"api.openai.com\"",
                "gateway.openai.base_url is not a URL",
            ),
            (
                "[mail]\nsmtp_url = \"http://mail.example\"",
                "mail.smtp_url is not an SMTP URL",
            ),
            (
                "[mail]\nsmtp_url = \"smtp://mail.example?tls=none\"",
                "in the clear to this machine alone",
            ),
            ("[mail]\nfrom = \"Noren\"", "mail.from is not an address"),
            (
                "[identity.issuers.x]\nurl = \"http://id.example\"\nclient_id = \"a\"",
                "identity.issuers.x.url is http://id.example: plain http",
            ),
            (
                "[identity.issuers.x]\nurl = \"\"\nclient_id = \"a\"",
                "identity.issuers.x.url is not a URL",
            ),
            (
                "[identity.issuers.x]\nurl = \"https://id.example?a=b\"\nclient_id = \"a\"",
                "identity.issuers.x.url is not a URL",
            ),
            (
                "[identity.issuers.x]\nurl = \"https://id.example\"",
                "client_id",
            ),
            (
                "[identity.issuers.x]\nurl = \"https://id.example\"\nclient_id = \" \"",
                "identity.issuers.x.client_id is empty",
            ),
            (
                "[identity.issuers.x]\nurl = \"https://id.example\"\nclient_id = \"a\"\nscopes = \"email\"",
                "identity.issuers.x.scopes lacks openid",
            ),
            (
                "[identity.issuers.\"a/b\"]\nurl = \"https://id.example\"\nclient_id = \"a\"",
                "identity.issuers.a/b: a name",
            ),
            (
                "[identity.issuers.x]\nurl = \"https://id.example\"\nclient_id = \"a\"\nsecret = \"b\"",
                "secret",
            ),
            ("[server]\nconnections = \"many\"", "many"),
            (
                "[server]\nbrowser_origins = \"https://app.example, https://app.example/\"",
                "server.browser_origins has a part that is no origin, such as https://app.example, and not *: https://app.example/",
            ),
            ("[server]\nbrowser_origins = \"app.example\"", "no origin"),
            ("[server]\nconnections = 0", "server.connections is 0"),
            ("[server]\nconnections_per_address = 0", "at least 1"),
            (
                "[database]\nconnections = 0",
                "database.connections is 0: it is at least 1",
            ),
            (
                "[gateway]\nsilence_seconds = 0",
                "gateway.silence_seconds is 0",
            ),
            ("[gateway]\nrun_seconds = 0", "gateway.run_seconds is 0"),
            ("[server", "can't be read"),
        ] {
            let error = load(toml).unwrap_err().to_string();
            assert!(error.contains(why), "{toml}: {error}");
        }
        assert!(Settings::load(Some(Path::new("/nowhere.toml"))).is_err());
        load("[server]\naccount_url = \"http://localhost:8080\"").unwrap();
        for origins in ["", "*", "https://app.example, http://localhost:5173,"] {
            load(&format!("[server]\nbrowser_origins = \"{origins}\"")).unwrap();
        }
    }
}
