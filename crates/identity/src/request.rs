use std::{convert::Infallible, net::IpAddr};

use api::{ClientAddr, RequestId};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{Extensions, header, request::Parts},
};

use crate::{Identity, cookie::Cookie};

/// What the house calls itself where others name their browser.
const HOUSE: &str = "noren (command line)";

/// What is remembered of the request behind an action.
#[derive(Clone, Debug)]
pub struct RequestMeta {
    pub request_id: String,
    pub user_agent: String,
    /// None when the house itself acts.
    pub address: Option<IpAddr>,
    /// The token of the cookie by which a browser is known again.
    pub(crate) device: Option<String>,
    /// The token of the cookie by which guests of one browser are counted.
    pub(crate) guest: Option<String>,
}

impl RequestMeta {
    /// The house itself, or its operator at the command line.
    pub fn of_the_house(request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            user_agent: HOUSE.to_owned(),
            address: None,
            device: None,
            guest: None,
        }
    }

    pub(crate) fn is_of_the_house(&self) -> bool {
        self.address.is_none() && self.user_agent == HOUSE
    }

    /// The network of the request, roughly: enough to recognise, too little to follow a person around.
    pub(crate) fn network(&self) -> String {
        match self.address.map(|address| address.to_canonical()) {
            None => String::new(),
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }

    /// What tries are counted by: the address, for IPv6 the /64 that one subscriber has.
    pub(crate) fn source(&self) -> String {
        match self.address {
            Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}")
            }
            Some(address) => address.to_canonical().to_string(),
            None => "house".to_owned(),
        }
    }
}

impl<S> FromRequestParts<S> for RequestMeta
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let room = Identity::from_ref(state);
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Ok(Self {
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|id| id.0.clone())
                .unwrap_or_default(),
            user_agent: user_agent.chars().take(200).collect(),
            address: address(&parts.extensions),
            device: room
                .cookie
                .read(Cookie::Device, &parts.headers)
                .map(str::to_owned),
            guest: room
                .cookie
                .read(Cookie::Guest, &parts.headers)
                .map(str::to_owned),
        })
    }
}

/// The address that a request came from.
pub(crate) fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ClientAddr>().map(|address| address.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_kept_roughly_and_counted_by_subscriber() {
        let meta = |address: &str| RequestMeta {
            address: Some(address.parse().unwrap()),
            ..RequestMeta::of_the_house("req_test")
        };
        for (address, network, source) in [
            ("203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
            ("::ffff:203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48", "2001:db8:1:2"),
        ] {
            assert_eq!(meta(address).network(), network);
            assert_eq!(meta(address).source(), source);
        }
    }
}
