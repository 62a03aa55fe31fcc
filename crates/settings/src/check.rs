//! Whether a setting is what its name says.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{Error, Issuer, describe::without_userinfo};

pub(super) fn check_issuer(name: &str, issuer: &Issuer) -> Result<(), Error> {
    let named = (1..=30).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !named {
        return Err(Error::IssuerName(name.to_owned()));
    }
    let wrong = |field, what| Error::Issuer {
        name: name.to_owned(),
        field,
        what,
    };
    let url = |field: &str, text: &str| {
        let field = format!("identity.issuers.{name}.{field}");
        let url = parse(&field, text)?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            let text = without_userinfo(text);
            return Err(Error::NotUrl { field, text });
        }
        check_public_url(&field, text)
    };
    url("url", &issuer.url)?;
    if let Some(jwks_url) = &issuer.jwks_url {
        url("jwks_url", jwks_url)?;
    }
    if issuer.client_id.trim().is_empty() {
        return Err(wrong("client_id", "is empty"));
    }
    if !issuer.scopes.split(' ').any(|scope| scope == "openid") {
        return Err(wrong("scopes", "lacks openid"));
    }
    Ok(())
}

pub(super) fn check_public_url(field: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let url = parse(field, text)?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || here {
        Ok(())
    } else {
        Err(Error::PlainHttp {
            field: field.to_owned(),
            text: without_userinfo(text),
        })
    }
}

pub(super) fn check_upstream_url(field: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        Ok(())
    } else {
        parse(field, text).map(drop)
    }
}

pub(super) fn check_smtp_url(url: &SecretString) -> Result<(), Error> {
    if url.expose_secret().is_empty() {
        return Ok(());
    }
    // the text itself is not told: it holds a password
    let url = Url::parse(url.expose_secret()).map_err(|_| Error::NotSmtp)?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let whole = has_host && matches!(url.path(), "" | "/") && url.fragment().is_none();
    match (url.scheme(), url.query()) {
        ("smtp" | "smtps", None) if whole => Ok(()),
        ("smtp" | "smtps", Some(_)) => Err(Error::PlainSmtp),
        _ => Err(Error::NotSmtp),
    }
}

/// A first look, for a message that names the setting; mail itself reads it to the letter.
pub(super) fn check_registration_number(text: &str) -> Result<(), Error> {
    let right = text.strip_prefix('T').is_some_and(|digits| {
        digits.len() == 13 && digits.bytes().all(|digit| digit.is_ascii_digit())
    });
    if right || text.is_empty() {
        Ok(())
    } else {
        Err(Error::NotRegistrationNumber(text.to_owned()))
    }
}

pub(super) fn check_address(field: &'static str, text: &str) -> Result<(), Error> {
    let address = text
        .rsplit_once('<')
        .map_or(text, |(_, rest)| rest.trim_end_matches('>'));
    let plausible = address
        .split_once('@')
        .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    if plausible && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Error::NotAddress {
            field,
            text: text.to_owned(),
        })
    }
}

fn parse(field: &str, text: &str) -> Result<Url, Error> {
    let not_url = || Error::NotUrl {
        field: field.to_owned(),
        text: without_userinfo(text),
    };
    let url = Url::parse(text).map_err(|_| not_url())?;
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
        Ok(url)
    } else {
        Err(not_url())
    }
}
