use std::time::Duration;

use gateway::{Price, Routes, Target};
use kernel::NanoUsd;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use settings::OpenAi;

/// The routes that the plans name.
const ROUTES: [&str; 4] = [
    "genai-small",
    "misaki-small",
    "misaki-medium",
    "misaki-large",
];
/// The stand-in models for them, with made-up prices so that costs can be seen.
const STAND_INS: [(&str, i64, i64); 4] = [
    ("sandbox-small", 100_000, 400_000),
    ("sandbox-small", 100_000, 400_000),
    ("sandbox-medium", 250_000, 1_000_000),
    ("sandbox-large", 3_000_000, 15_000_000),
];

/// Routes to the configured OpenAI-compatible server.
pub(crate) async fn openai(settings: &OpenAi) -> Routes {
    let model = if settings.model.is_empty() {
        first_model(settings).await
    } else {
        settings.model.clone()
    };
    tracing::info!(base_url = settings.base_url, model, "models");
    let key = settings.api_key.expose_secret();
    let target = Target {
        base_url: settings.base_url.clone(),
        api_key: (!key.is_empty()).then(|| SecretString::from(key)),
        model,
        price: Price {
            input: NanoUsd(settings.input_nano_usd),
            output: NanoUsd(settings.output_nano_usd),
        },
        streams: settings.streams,
    };
    Routes::new(ROUTES.map(|route| (route.to_owned(), vec![target.clone()])))
}

/// Routes to the stand-in models at `base_url`.
pub(crate) fn stand_ins(base_url: &str) -> Routes {
    let targets = STAND_INS.map(|(model, input, output)| Target {
        base_url: base_url.to_owned(),
        api_key: None,
        model: model.to_owned(),
        price: Price {
            input: NanoUsd(input),
            output: NanoUsd(output),
        },
        streams: true,
    });
    Routes::new(
        ROUTES
            .into_iter()
            .zip(targets)
            .map(|(route, target)| (route.to_owned(), vec![target])),
    )
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
        };
        first_model(&settings).await
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
}
