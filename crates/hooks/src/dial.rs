mod address;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use crate::Error;
use address::is_public;

const CONNECT: Duration = Duration::from_secs(5);
/// The whole of a try.
const ANSWER: Duration = Duration::from_secs(15);
/// How much of an answer is kept, in bytes.
const KEPT: usize = 500;
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// What is wrong with the settings, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "hooks.demo_origins: {0} is not an origin of this machine, such as http://127.0.0.1:4000"
    )]
    NotHere(String),
    #[error("no HTTP client can be made: {0}")]
    Http(#[source] reqwest::Error),
}

/// One try to tell.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) took: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) answer: Option<String>,
}

impl Tried {
    /// Only 2xx is success.
    pub(crate) fn is_success(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends to addresses on the public internet alone. What is judged is the address that is dialled: names are resolved by a
/// resolver that leaves out every other address, literal addresses are looked at themselves, and neither a proxy of the
/// environment nor a redirect leads elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    http: Client,
    /// Origins of this machine that a demo may send to; literal loopback addresses, so nothing is resolved.
    here: Arc<[String]>,
}

impl Dialler {
    pub(crate) fn open(demo_origins: &[String]) -> Result<Self, OpenError> {
        let here = demo_origins
            .iter()
            .map(|text| loopback_origin(text).ok_or_else(|| OpenError::NotHere(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(PublicOnly))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("noren-hooks/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(OpenError::Http)?;
        Ok(Self {
            http,
            here: here.into(),
        })
    }

    /// Whether something may be sent there, as far as the URL alone can tell.
    pub(crate) fn check(&self, text: &str) -> Result<Url, Error> {
        let url = Url::parse(text).map_err(|_| Error::BadUrl("it is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Error::BadUrl("it has a user, a password or a fragment"));
        }
        if self.here.contains(&url.origin().ascii_serialization()) {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(Error::BadUrl("it is not https"));
        }
        let public = match url.host() {
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            // what it resolves to is judged when it is dialled
            Some(Host::Domain(name)) => name.contains('.') && !name.ends_with(".localhost"),
            None => false,
        };
        if public {
            Ok(url)
        } else {
            Err(Error::BadUrl("it is not on the public internet"))
        }
    }

    /// Sends a body and reads how the answer begins.
    pub(crate) async fn send(
        &self,
        url: &str,
        headers: Vec<(&'static str, String)>,
        body: String,
    ) -> Tried {
        let began = Instant::now();
        let outcome = match self.check(url) {
            Ok(url) => self.ask(url, headers, body).await,
            Err(error) => Err(error.to_string()),
        };
        let took = began.elapsed();
        match outcome {
            Ok((status, answer)) => Tried {
                took,
                status: Some(status),
                error: None,
                answer: Some(answer),
            },
            Err(error) => Tried {
                took,
                status: None,
                error: Some(error.chars().take(LONGEST_REASON).collect()),
                answer: None,
            },
        }
    }

    async fn ask(
        &self,
        url: Url,
        headers: Vec<(&'static str, String)>,
        body: String,
    ) -> Result<(u16, String), String> {
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        let mut kept = Vec::new();
        let mut pieces = response.bytes_stream();
        while kept.len() < KEPT {
            match pieces.next().await {
                Some(Ok(piece)) => kept.extend_from_slice(&piece),
                // the status said it all
                Some(Err(_)) | None => break,
            }
        }
        kept.truncate(KEPT);
        Ok((status, readable(&kept)))
    }
}

/// Text that the database takes and that does not steer a terminal.
fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect()
}

/// The last cause says it shortest, and names no address that we resolved.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", ANSWER.as_secs());
    }
    let first: &dyn std::error::Error = error;
    std::iter::successors(Some(first), |e| e.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

fn loopback_origin(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let here = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (here && bare && matches!(url.scheme(), "http" | "https"))
        .then(|| url.origin().ascii_serialization())
}

/// Resolves names to addresses on the public internet, and to nothing else.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name leads to no address on the public internet".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialler(origins: &[&str]) -> Dialler {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let origins: Vec<_> = origins.iter().map(|one| (*one).to_owned()).collect();
        Dialler::open(&origins).unwrap()
    }

    #[test]
    fn urls_that_lead_inside_are_refused() {
        let dialler = dialler(&["http://127.0.0.1:4000"]);
        for good in [
            "https://example.com/hook",
            "https://example.com:8443/?a=b",
            "https://93.184.216.34/",
            "http://127.0.0.1:4000/any/path",
        ] {
            assert!(dialler.check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/",
            "https://localhost/",
            "https://a.localhost/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://user:pass@example.com/",
            "https://example.com/#a",
            "http://127.0.0.1:4001/",
            "http://localhost:4000/",
            "ftp://example.com/",
            "nonsense",
        ] {
            assert!(dialler.check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_demo_names_origins_of_this_machine_and_no_other() {
        for bad in [
            "http://10.0.0.1:80",
            "http://example.com",
            "http://localhost:80",
            "*",
            "http://127.0.0.1/a",
        ] {
            assert!(Dialler::open(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_dialled() {
        let tried = dialler(&[])
            .http
            .post("https://localhost:1/")
            .send()
            .await
            .unwrap_err();
        assert_eq!(
            reason(&tried),
            "the name leads to no address on the public internet"
        );
    }
}
