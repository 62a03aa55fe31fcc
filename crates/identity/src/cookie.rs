use axum::http::{HeaderMap, header};
use chrono::Duration;

/// How the session cookie is written: behind https with the `__Host-` prefix and `Secure`. Plain http is for
/// loopback only, which the configuration makes sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieStyle {
    Https,
    PlainHttp,
}

impl CookieStyle {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Https => "__Host-",
            Self::PlainHttp => "",
        }
    }

    const fn secure(self) -> &'static str {
        match self {
            Self::Https => "; Secure",
            Self::PlainHttp => "",
        }
    }

    /// The `Set-Cookie` value that keeps `value` for so long.
    pub(crate) fn set(self, cookie: Cookie, value: &str, lifetime: Duration) -> String {
        format!(
            "{}{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}",
            self.prefix(),
            cookie.name(),
            lifetime.num_seconds(),
            self.secure()
        )
    }

    /// The `Set-Cookie` value that forgets it.
    pub(crate) fn clear(self, cookie: Cookie) -> String {
        self.set(cookie, "", Duration::zero())
    }

    pub(crate) fn read(self, cookie: Cookie, headers: &HeaderMap) -> Option<&str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| {
                (name.strip_prefix(self.prefix()) == Some(cookie.name())).then_some(value)
            })
    }
}

/// The cookies that identity writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    Session,
    /// By which a browser is known again, so that guesses from elsewhere don't lock its owner out.
    Device,
    /// By which guests of one browser are counted.
    Guest,
    /// Ties a trip to an issuer to the browser that began it.
    Trip,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "noren_session",
            Self::Device => "noren_device",
            Self::Guest => "noren_guest",
            Self::Trip => "noren_trip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_closed_to_scripts_and_read_from_among_others() {
        let set = CookieStyle::Https.set(Cookie::Session, "t0ken", Duration::days(30));
        assert!(
            set.starts_with(
                "__Host-noren_session=t0ken; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"
            ),
            "{set}"
        );
        assert!(
            set.ends_with("; Secure") && !set.contains("Domain"),
            "{set}"
        );
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=1; noren_session=x; __Host-noren_session=y; noren_device=z"
                .parse()
                .unwrap(),
        );
        let read = |style: CookieStyle, cookie| style.read(cookie, &headers);
        assert_eq!(read(CookieStyle::Https, Cookie::Session), Some("y"));
        assert_eq!(read(CookieStyle::PlainHttp, Cookie::Session), Some("x"));
        assert_eq!(read(CookieStyle::PlainHttp, Cookie::Device), Some("z"));
        assert_eq!(read(CookieStyle::Https, Cookie::Device), None);
    }
}
