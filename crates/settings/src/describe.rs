use secrecy::{ExposeSecret, SecretString};

use crate::Settings;

impl Settings {
    /// The effective values, one `room.field = value` a line, secrets masked.
    pub fn describe(&self) -> String {
        let (server, openai) = (&self.server, &self.gateway.openai);
        let lines = [
            ("server.account_url", shown(&server.account_url)),
            ("server.inference_url", shown(&server.inference_url)),
            ("server.connections", server.connections.to_string()),
            (
                "server.connections_per_address",
                server.connections_per_address.to_string(),
            ),
            ("server.drain_seconds", server.drain_seconds.to_string()),
            ("server.trusted_proxies", quoted(&server.trusted_proxies)),
            ("server.browser_origins", quoted(&server.browser_origins)),
            (
                "database.url (DATABASE_URL)",
                masked(self.database.url.as_ref()),
            ),
            (
                "database.app_url (DATABASE_APP_URL)",
                masked(self.database.app_url.as_ref()),
            ),
            (
                "database.connections",
                self.database.connections.to_string(),
            ),
            ("plans.file", quoted(&self.plans.file)),
            ("log.filter", quoted(&self.log.filter)),
            (
                "log.format",
                format!("{:?}", self.log.format).to_lowercase(),
            ),
            ("traces.endpoint", shown(&self.traces.endpoint)),
            ("traces.headers", masked(Some(&self.traces.headers))),
            ("mail.smtp_url", masked(Some(&self.mail.smtp_url))),
            ("mail.from", quoted(&self.mail.from)),
            ("hooks.demo_origins", quoted(&self.hooks.demo_origins)),
            ("billing.grace_days", self.billing.grace_days.to_string()),
            ("billing.issuer.name", quoted(&self.billing.issuer.name)),
            (
                "billing.issuer.registration_number",
                quoted(&self.billing.issuer.registration_number),
            ),
            (
                "billing.issuer.address",
                quoted(&self.billing.issuer.address),
            ),
            (
                "billing.stripe.secret_key",
                masked(Some(&self.billing.stripe.secret_key)),
            ),
            (
                "billing.stripe.webhook_secrets",
                masked(Some(&self.billing.stripe.webhook_secrets)),
            ),
            (
                "billing.stripe.api_url",
                shown(&self.billing.stripe.api_url),
            ),
            (
                "billing.stripe.api_version",
                quoted(&self.billing.stripe.api_version),
            ),
            (
                "gateway.silence_seconds",
                self.gateway.silence_seconds.to_string(),
            ),
            ("gateway.run_seconds", self.gateway.run_seconds.to_string()),
            ("gateway.external", self.gateway.external.to_string()),
            ("gateway.models_file", quoted(&self.gateway.models_file)),
            ("gateway.openai.base_url", shown(&openai.base_url)),
            ("gateway.openai.api_key", masked(Some(&openai.api_key))),
            ("gateway.openai.model", quoted(&openai.model)),
            (
                "gateway.openai.input_nano_usd",
                openai.input_nano_usd.to_string(),
            ),
            (
                "gateway.openai.output_nano_usd",
                openai.output_nano_usd.to_string(),
            ),
            ("gateway.openai.streams", openai.streams.to_string()),
            ("gateway.openai.effort", quoted(&openai.effort)),
            (
                "metering.durability",
                format!("{:?}", self.metering.durability).to_lowercase(),
            ),
        ];
        let lines = lines.map(|(name, value)| (name.to_owned(), value));
        lines
            .into_iter()
            .chain(self.describe_kept())
            .chain(self.describe_issuers())
            .chain(self.describe_providers())
            .fold(String::new(), |text, (name, value)| {
                text + &name + " = " + &value + "\n"
            })
    }

    fn describe_kept(&self) -> impl Iterator<Item = (String, String)> {
        [
            (
                "database.read_url (READ_DATABASE_URL)",
                masked(Some(&self.database.read_url)),
            ),
            (
                "identity.unconfirmed_days",
                self.identity.unconfirmed_days.to_string(),
            ),
            ("identity.guest_days", self.identity.guest_days.to_string()),
            ("seal.keys", masked(Some(&self.seal.keys))),
            ("seal.keys_file", quoted(&self.seal.keys_file)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
    }

    fn describe_providers(&self) -> impl Iterator<Item = (String, String)> {
        self.gateway.providers.iter().flat_map(|(name, provider)| {
            [
                ("kind", quoted(&provider.kind)),
                ("base_url", shown(&provider.base_url)),
                ("region", quoted(&provider.region)),
                ("api_keys", masked(Some(&provider.api_keys))),
                ("streams", provider.streams.to_string()),
            ]
            .map(|(field, value)| (format!("gateway.providers.{name}.{field}"), value))
        })
    }

    fn describe_issuers(&self) -> impl Iterator<Item = (String, String)> {
        self.identity.issuers.iter().flat_map(|(name, issuer)| {
            let optional =
                |text: &Option<String>| text.as_deref().map_or("(not set)".to_owned(), quoted);
            [
                ("url", shown(&issuer.url)),
                ("client_id", quoted(&issuer.client_id)),
                ("client_secret", masked(issuer.client_secret.as_ref())),
                ("title", optional(&issuer.title)),
                (
                    "jwks_url",
                    optional(&issuer.jwks_url.as_deref().map(without_userinfo)),
                ),
                ("scopes", quoted(&issuer.scopes)),
                ("trust_email", issuer.trust_email.to_string()),
            ]
            .map(|(field, value)| (format!("identity.issuers.{name}.{field}"), value))
        })
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn shown(url: &str) -> String {
    quoted(&without_userinfo(url))
}

/// A URL without the name and the password that may stand before its host. All before the last `@` goes, since a password may hold
/// anything where somebody has mistyped it.
pub fn without_userinfo(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        (_, None) => url.to_owned(),
    }
}

fn masked(secret: Option<&SecretString>) -> String {
    match secret {
        Some(secret) if !secret.expose_secret().is_empty() => "(set)".to_owned(),
        _ => "(not set)".to_owned(),
    }
}
