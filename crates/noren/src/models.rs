use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use gateway::{
    ApiKey, Effort, Kind, ModelFile, OfSettings, Price, Provider, Routes, Substitutes, Target,
};
use kernel::{Clock, NanoUsd};
use secrecy::ExposeSecret;
use serde::Deserialize;
use settings::{Gateway, OpenAi, without_userinfo};

/// The stand-in as a provider.
const STAND_IN: &str = "sandbox";
/// The routes that the plans name, and the stand-in that answers for each.
const ROUTES: [(&str, &str); 9] = [
    ("misaki-small", "sandbox-small"),
    ("misaki-medium", "sandbox-medium"),
    ("misaki-large", "sandbox-large"),
    ("webgpt-small", "sandbox-small"),
    ("webgpt-medium", "sandbox-medium"),
    ("webgpt-large", "sandbox-large"),
    ("genai-small", "sandbox-small"),
    ("genai-medium", "sandbox-medium"),
    ("genai-large", "sandbox-large"),
];
/// What the stand-ins cost for 1,000 tokens in and out: made up, so that costs can be seen.
const STAND_IN_PRICES: [(&str, i64, i64); 3] = [
    ("sandbox-small", 100_000, 400_000),
    ("sandbox-medium", 250_000, 1_000_000),
    ("sandbox-large", 3_000_000, 15_000_000),
];

/// Routes to the configured OpenAI-compatible server.
///
/// # Errors
/// When its effort is none.
pub(crate) async fn openai(settings: &OpenAi) -> Result<Routes> {
    let effort = effort(&settings.effort)?;
    let model = if settings.model.is_empty() {
        first_model(settings).await
    } else {
        settings.model.clone()
    };
    let base_url = without_userinfo(&settings.base_url);
    tracing::info!(base_url, model, "models");
    let key = settings.api_key.expose_secret();
    let target = Target {
        provider: "openai".to_owned(),
        base_url: settings.base_url.clone(),
        keys: keys(key),
        model,
        price: Price {
            input: NanoUsd(settings.input_nano_usd),
            output: NanoUsd(settings.output_nano_usd),
            ..Price::default()
        },
        streams: settings.streams,
        effort,
        weight: 1,
        ..Target::default()
    };
    let routes = ROUTES.map(|(route, _)| (route.to_owned(), vec![target.clone()]));
    Ok(Routes::new(routes))
}

/// Builds what the settings say of models as a house does at its start, and asks nobody.
///
/// # Errors
/// With what a house would refuse to start with.
pub(crate) fn check(settings: &Gateway) -> Result<()> {
    effort(&settings.openai.effort)?;
    named(settings, Routes::default(), None).map(drop)
}

/// The effort of that name, none for an empty one.
fn effort(name: &str) -> Result<Option<Effort>> {
    if name.is_empty() {
        return Ok(None);
    }
    let found = Effort::ALL
        .into_iter()
        .find(|effort| effort.as_str() == name);
    let known = || Effort::ALL.map(Effort::as_str).join(", ");
    let found = found.with_context(|| {
        format!(
            "gateway.openai.effort is {name}: it is empty or one of {}",
            known()
        )
    })?;
    Ok(Some(found))
}

/// Routes to the stand-in models at `base_url`.
pub(crate) fn stand_ins(base_url: &str) -> Routes {
    Routes::new(ROUTES.map(|(route, model)| {
        let price = STAND_IN_PRICES.iter().find(|(name, ..)| *name == model);
        let (input, output) = price.map_or((0, 0), |(_, input, output)| (*input, *output));
        let target = Target {
            provider: STAND_IN.to_owned(),
            base_url: base_url.to_owned(),
            model: model.to_owned(),
            price: Price {
                input: NanoUsd(input),
                output: NanoUsd(output),
                ..Price::default()
            },
            streams: true,
            weight: 1,
            pdf: true,
            ..Target::default()
        };
        (route.to_owned(), vec![target])
    }))
}

/// Adds the models of the model file for which a provider is configured. With a stand-in at hand it is one more provider,
/// and answers for the models that would have none.
///
/// # Errors
/// When the file can't be read or a provider is of no known kind.
pub(crate) fn named(settings: &Gateway, routes: Routes, stand_in: Option<&str>) -> Result<Routes> {
    let file = file(settings)?;
    let mut providers = BTreeMap::new();
    for (name, provider) in &settings.providers {
        providers.insert(name.clone(), read(name, provider)?);
    }
    file.check_kinds(&kinds(settings)?)?;
    file.check_prices(Clock::system().now())?;
    if let Some(base_url) = stand_in {
        let provider = Provider {
            kind: Kind::OpenAi,
            base_url: base_url.to_owned(),
            region: String::new(),
            keys: Vec::new(),
            streams: true,
            start: None,
        };
        providers.insert(STAND_IN.to_owned(), provider);
    }
    let routes = Routes::of_file(file, providers, routes, settings.external);
    let Some(base_url) = stand_in else {
        return Ok(routes);
    };
    let substitute = |model: &str| Target {
        provider: STAND_IN.to_owned(),
        base_url: base_url.to_owned(),
        model: model.to_owned(),
        streams: true,
        weight: 1,
        pdf: true,
        ..Target::default()
    };
    Ok(routes.with_substitutes(Substitutes {
        chat: substitute("sandbox-medium"),
        embedding: substitute("sandbox-embedding"),
    }))
}

/// The operator's model file, or the one that is built in.
///
/// # Errors
/// When it can't be read.
pub(crate) fn file(settings: &Gateway) -> Result<ModelFile> {
    if settings.models_file.is_empty() {
        return Ok(ModelFile::parse(gateway::DEFAULT_MODELS)?);
    }
    let path = &settings.models_file;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("gateway.models_file: {path} can't be read"))?;
    ModelFile::parse(&text).with_context(|| format!("gateway.models_file: {path}"))
}

/// What the settings say of models, for the command line.
///
/// # Errors
/// When the file can't be read or a provider is of no known kind.
pub(crate) fn of_settings(settings: &Gateway) -> Result<OfSettings> {
    Ok(OfSettings {
        file: file(settings)?,
        providers: kinds(settings)?,
    })
}

/// What the providers of the settings speak.
///
/// # Errors
/// When one is of no known kind.
pub(crate) fn kinds(settings: &Gateway) -> Result<BTreeMap<String, Kind>> {
    let providers = settings.providers.iter();
    providers
        .map(|(name, provider)| Ok((name.clone(), read(name, provider)?.kind)))
        .collect()
}

fn read(name: &str, provider: &settings::Provider) -> Result<Provider> {
    let (kind, base_url) =
        gateway::site(name, &provider.kind, &provider.base_url, &provider.region)
            .map_err(|why| anyhow::anyhow!("gateway.providers.{name}: {why}"))?;
    let keys = keys(provider.api_keys.expose_secret());
    let is_whole = |key: &ApiKey| key.secret.expose_secret().contains(':');
    if kind == Kind::Bedrock && !keys.iter().all(is_whole) {
        bail!("gateway.providers.{name}.api_keys: a key of Bedrock is id:secret");
    }
    Ok(Provider {
        kind,
        base_url,
        region: provider.region.clone(),
        keys,
        streams: provider.streams,
        start: match provider.start_seconds {
            0 => kind.cold_start(),
            seconds => Some(Duration::from_secs(seconds)),
        },
    })
}

/// Reads keys with commas between, each with `*` and its weight behind if it is not 1.
fn keys(text: &str) -> Vec<ApiKey> {
    text.split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(|key| match key.rsplit_once('*') {
            Some((key, weight)) if weight.parse::<u32>().is_ok() => {
                ApiKey::new(key.into(), weight.parse().unwrap_or(1))
            }
            _ => ApiKey::new(key.into(), 1),
        })
        .collect()
}

/// The first model that the server lists, since small servers have just one; a usual name if it lists none.
async fn first_model(settings: &OpenAi) -> String {
    match list_models(settings).await {
        Ok(Some(model)) => model,
        Ok(None) => "default".to_owned(),
        Err(error) => {
            tracing::warn!(%error, "the server's models can't be listed; name one as gateway.openai.model");
            "default".to_owned()
        }
    }
}

async fn list_models(settings: &OpenAi) -> reqwest::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Models {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let url = format!("{}/models", settings.base_url.trim_end_matches('/'));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let mut call = client.get(url);
    if !settings.api_key.expose_secret().is_empty() {
        call = call.bearer_auth(settings.api_key.expose_secret());
    }
    let models: Models = call.send().await?.error_for_status()?.json().await?;
    Ok(models.data.into_iter().next().map(|model| model.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn first_of(base_url: String) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = OpenAi {
            base_url,
            api_key: String::new().into(),
            model: String::new(),
            input_nano_usd: 0,
            output_nano_usd: 0,
            streams: true,
            effort: String::new(),
        };
        first_model(&settings).await
    }

    #[test]
    fn keys_have_weights() {
        let read = |text| -> Vec<(String, u32)> {
            let known = keys(text).into_iter();
            known
                .map(|key| (key.secret.expose_secret().to_owned(), key.weight))
                .collect()
        };
        assert_eq!(read(""), []);
        assert_eq!(
            read("sk-a, sk-b*3,sk*c,"),
            [("sk-a".into(), 1), ("sk-b".into(), 3), ("sk*c".into(), 1)]
        );
    }

    #[tokio::test]
    async fn without_a_name_the_servers_first_model_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, sandbox::model_router()).await });
        assert_eq!(
            first_of(format!("http://{server}/v1/")).await,
            "sandbox-small"
        );
        assert_eq!(
            first_of(format!("http://{server}/nowhere")).await,
            "default"
        );
    }

    #[test]
    fn without_providers_outside_the_next_model_of_the_house_answers_and_is_marked() {
        let file = r#"
            [[model]]
            name = "misaki-large"
            targets = [{ provider = "anthropic", model = "claude" }]
            [[model]]
            name = "misaki-medium"
            targets = [{ provider = "runpod", model = "mistral" }]
            [[model]]
            name = "mixed"
            targets = [{ provider = "anthropic", model = "claude" }, { provider = "runpod", model = "mistral", rank = 1 }]
        "#;
        let provider = |kind, base_url: &str| Provider {
            kind,
            base_url: base_url.to_owned(),
            region: String::new(),
            keys: Vec::new(),
            streams: true,
            start: None,
        };
        let providers = BTreeMap::from([
            (
                "anthropic".to_owned(),
                provider(Kind::Anthropic, "https://api.anthropic.com"),
            ),
            (
                "runpod".to_owned(),
                provider(Kind::RunPod, "https://api.runpod.ai/v2"),
            ),
        ]);
        let file = ModelFile::parse(file).unwrap();
        let routes = Routes::of_file(file, providers, Routes::default(), false);
        let models = |route| -> Vec<(String, bool)> {
            let targets = routes.configured(route).into_iter();
            targets
                .map(|target| (target.model, routes.is_degraded(route)))
                .collect()
        };
        assert_eq!(models("misaki-large"), [("mistral".to_owned(), true)]);
        assert_eq!(models("misaki-medium"), [("mistral".to_owned(), false)]);
        assert_eq!(models("mixed"), [("mistral".to_owned(), true)]);
    }

    #[test]
    fn an_effort_that_is_none_is_told_at_the_start() {
        assert_eq!(effort("").unwrap(), None);
        assert_eq!(effort("none").unwrap(), Some(Effort::None));
        let error = effort("much").unwrap_err().to_string();
        assert!(error.contains("gateway.openai.effort is much"), "{error}");
        assert!(error.contains("none, minimal, low"), "{error}");
    }
}
