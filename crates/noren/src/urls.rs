use std::net::SocketAddr;

use api::Origins;
use settings::Settings;

/// Where the listeners are reached from outside.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrls {
    pub(crate) account: String,
    pub(crate) inference: String,
    /// The origins of others whose pages may call the inference listener; `*` for all.
    pub(crate) browser_origins: Vec<String>,
}

impl PublicUrls {
    /// Those of the settings; what they don't name is on this machine, at the port that is listened on.
    pub(crate) fn of(settings: &Settings, account: SocketAddr, inference: SocketAddr) -> Self {
        Self {
            account: public_url(&settings.server.account_url, account),
            inference: public_url(&settings.server.inference_url, inference),
            browser_origins: settings.server.origins(),
        }
    }

    /// The origins whose pages are our own: the public one, and on a single machine every name of it.
    pub(crate) fn origins(&self) -> Origins {
        Origins::new(self.own_origins())
    }

    /// The origins whose pages may call the inference listener, which takes no cookies: our own, and those of the settings.
    pub(crate) fn calling_origins(&self) -> Origins {
        Origins::new(self.own_origins().chain(self.browser_origins.clone()))
    }

    fn own_origins(&self) -> impl Iterator<Item = String> {
        let url = url::Url::parse(&self.account).ok();
        let here = url
            .as_ref()
            .is_some_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")));
        let own = url.as_ref().map(|url| url.origin().ascii_serialization());
        let port = url
            .and_then(|url| url.port_or_known_default())
            .filter(|_| here);
        let names = ["localhost", "127.0.0.1", "[::1]"];
        let here = port
            .into_iter()
            .flat_map(move |port| names.map(|name| format!("http://{name}:{port}")));
        own.into_iter().chain(here)
    }
}

fn public_url(configured: &str, bound: SocketAddr) -> String {
    if configured.is_empty() {
        format!("http://localhost:{}", bound.port())
    } else {
        configured.trim_end_matches('/').to_owned()
    }
}
