use std::{
    error::Error as _,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    extension::ClientId,
    response::Category,
};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::message::Wire;

/// To reach the server, agree on TLS and sign in.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// To hand over one letter. Some servers look for viruses before they say yes.
const SEND_WITHIN: Duration = Duration::from_mins(2);
/// The letter is delivered by then; a server that is slow to say goodbye changes nothing.
const QUIT_WITHIN: Duration = Duration::from_secs(2);

/// How letters leave the house.
#[derive(Clone, Debug)]
pub enum Way {
    /// `smtps://user:password@host`, or `smtp://…` with STARTTLS, which only a server on this machine may lack.
    Smtp(SecretString),
    /// Each letter becomes an `.eml` file: for a demo.
    Folder(PathBuf),
    /// Nothing is configured: letters wait.
    Nowhere,
}

/// What is wrong with the mail settings.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "mail.smtp_url is not an SMTP URL; expected smtp://user:password@host:587 or smtps://…"
    )]
    BadUrl,
    #[error("mail.smtp_url: TLS can't be set up")]
    Tls(#[source] SmtpError),
    #[error("the secret of the unsubscribe links needs at least 32 bytes")]
    ShortSecret,
    #[error("mail.from is not an address; expected Name <name@domain>")]
    BadFrom,
    #[error("the letters' folder can't be made")]
    Folder(#[source] io::Error),
    #[error("a built-in template is broken")]
    Templates(#[from] minijinja::Error),
}

/// An open way out.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Smtp(Arc<Smtp>),
    Folder(Arc<Path>),
    Nowhere,
}

/// Why a letter did not go. Its words are ours: a server's may hold the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The server was not reached or did not let us in; no letter would have gone.
    Unreachable(String),
    /// This letter was not taken; later it may be.
    Later(String),
    /// This letter will never be taken.
    Never(String),
}

/// A server and how to talk to it. One connection a letter: it costs a handshake, and no letter ever meets what another
/// one left behind on the line.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    hello: ClientId,
    tls: Security,
    credentials: Option<Credentials>,
}

enum Security {
    /// To this machine only.
    None,
    StartTls(TlsParameters),
    Wrapped(TlsParameters),
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Smtp({}:{})", self.host, self.port)
    }
}

impl Transport {
    pub(crate) fn open(way: Way, domain: &str) -> Result<Self, OpenError> {
        match way {
            Way::Smtp(url) => Ok(Self::Smtp(Arc::new(Smtp::new(&url, domain)?))),
            Way::Folder(dir) => {
                std::fs::create_dir_all(&dir).map_err(OpenError::Folder)?;
                // letters hold links that open accounts
                std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
                    .map_err(OpenError::Folder)?;
                Ok(Self::Folder(dir.into()))
            }
            Way::Nowhere => Ok(Self::Nowhere),
        }
    }

    pub(crate) async fn send(&self, letter: &Wire) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(letter).await,
            Self::Folder(dir) => write(dir, letter)
                .await
                .map_err(|error| SendError::Unreachable(format!("folder: {:?}", error.kind()))),
            Self::Nowhere => Err(SendError::Unreachable("mail is not configured".to_owned())),
        }
    }
}

/// The file appears whole, and the same letter makes the same file.
async fn write(dir: &Path, letter: &Wire) -> io::Result<()> {
    let part = dir.join(format!("{}.part", letter.id));
    tokio::fs::write(&part, &letter.bytes).await?;
    tokio::fs::rename(part, dir.join(format!("{}.eml", letter.id))).await
}

impl Smtp {
    fn new(url: &SecretString, domain: &str) -> Result<Self, OpenError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| OpenError::BadUrl)?;
        let host = url.host().ok_or(OpenError::BadUrl)?;
        let (name, here) = match &host {
            // of a scheme that it does not know, the url crate keeps the host as it is written
            Host::Domain(name) => match name.parse::<std::net::Ipv4Addr>() {
                Ok(address) => ((*name).to_owned(), address.is_loopback()),
                Err(_) => ((*name).to_owned(), *name == "localhost"),
            },
            Host::Ipv4(address) => (address.to_string(), address.is_loopback()),
            Host::Ipv6(address) => (address.to_string(), address.is_loopback()),
        };
        // lettre would take ?tls=none from here
        if name.is_empty() || url.query().is_some() || !matches!(url.path(), "" | "/") {
            return Err(OpenError::BadUrl);
        }
        let parameters = || TlsParameters::new(name.clone()).map_err(OpenError::Tls);
        let (tls, port) = match url.scheme() {
            "smtps" => (Security::Wrapped(parameters()?), 465),
            "smtp" if here => (Security::None, 25),
            "smtp" => (Security::StartTls(parameters()?), 587),
            _ => return Err(OpenError::BadUrl),
        };
        let credentials = match (decoded(url.username())?, url.password()) {
            (user, Some(password)) => Some(Credentials::new(user, decoded(password)?)),
            (user, None) if user.is_empty() => None,
            _ => return Err(OpenError::BadUrl),
        };
        Ok(Self {
            port: url.port().unwrap_or(port),
            hello: ClientId::Domain(domain.to_owned()),
            host: name,
            tls,
            credentials,
        })
    }

    async fn send(&self, letter: &Wire) -> Result<(), SendError> {
        let mut connection = match tokio::time::timeout(CONNECT_WITHIN, self.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(SendError::Unreachable(words(&error))),
            Err(_) => return Err(SendError::Unreachable("connect: timed out".to_owned())),
        };
        let sent = connection.send(&letter.envelope, &letter.bytes);
        match tokio::time::timeout(SEND_WITHIN, sent).await {
            Ok(Ok(_)) => {
                let _ = tokio::time::timeout(QUIT_WITHIN, connection.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => Err(judge(&error)),
            Err(_) => Err(SendError::Later("send: timed out".to_owned())),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let wrapped = match &self.tls {
            Security::Wrapped(parameters) => Some(parameters.clone()),
            Security::None | Security::StartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapped, None).await?;
        if let Security::StartTls(parameters) = &self.tls {
            // fails when the server does not offer it, before anything worth reading was said
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

fn decoded(text: &str) -> Result<String, OpenError> {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| OpenError::BadUrl)
}

/// A permanent no is one to the letter only when it is of the mail system (RFC 5321 §4.2.1: x5z); the others are to the
/// way that we talk, which an operator can mend before the letter is given up.
fn judge(error: &SmtpError) -> SendError {
    let mail_system = error
        .status()
        .is_some_and(|code| code.category == Category::MailSystem);
    if error.is_permanent() && mail_system {
        SendError::Never(words(error))
    } else {
        SendError::Later(words(error))
    }
}

/// What happened, without anything that the server said but its code.
fn words(error: &SmtpError) -> String {
    if let Some(code) = error.status() {
        return format!("smtp {code}");
    }
    let kind = std::iter::successors(error.source(), |&e| e.source())
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    match kind {
        Some(kind) => format!("connection: {kind:?}"),
        None if error.is_tls() => "tls failed".to_owned(),
        None if error.is_client() => "the server lacks what we need".to_owned(),
        None => "the connection broke".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use lettre::address::Envelope;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };
    use uuid::Uuid;

    use super::*;
    use crate::LetterId;

    fn smtp(url: &str) -> Result<Smtp, OpenError> {
        Smtp::new(&SecretString::from(url), "noren.example")
    }

    #[test]
    fn only_a_server_on_this_machine_is_spoken_to_in_the_clear() {
        for (url, port, tls) in [
            ("smtp://127.0.0.1:2525", 2525, "none"),
            ("smtp://localhost", 25, "none"),
            ("smtp://[::1]:25", 25, "none"),
            ("smtp://mail.example", 587, "starttls"),
            ("smtp://mail.example:25", 25, "starttls"),
            ("smtp://192.0.2.1", 587, "starttls"),
            ("smtp://localhost.evil.example", 587, "starttls"),
            ("smtps://user:p%40ss@mail.example", 465, "wrapped"),
            ("smtps://127.0.0.1:4650/", 4650, "wrapped"),
        ] {
            let smtp = smtp(url).unwrap();
            let found = match smtp.tls {
                Security::None => "none",
                Security::StartTls(_) => "starttls",
                Security::Wrapped(_) => "wrapped",
            };
            assert_eq!((smtp.port, found), (port, tls), "{url}");
        }
        for url in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://mail.example?tls=none",
            "smtp:mail.example",
            "smtps://",
            "smtps://user@mail.example",
            "smtp://mail.example/ehlo",
        ] {
            assert!(smtp(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_shows_nowhere() {
        let smtp = smtp("smtps://user:canary@mail.example").unwrap();
        assert_eq!(format!("{smtp:?}"), "Smtp(mail.example:465)");
        let error = Smtp::new(&SecretString::from("smtp://user:canary@"), "x").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_server_without_tls_hears_neither_password_nor_letter() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            stream.write_all(b"220 hello\r\n").await.unwrap();
            let mut heard = String::new();
            while stream
                .read_line(&mut heard)
                .await
                .is_ok_and(|read| read > 0)
            {
                stream.write_all(b"250 fine\r\n").await.unwrap();
            }
            heard
        });
        let smtp = Smtp {
            port,
            host: "localhost".to_owned(),
            ..smtp("smtp://user:canary@mail.example").unwrap()
        };
        let letter = Wire {
            id: LetterId(Uuid::nil()),
            envelope: Envelope::new(None, vec!["chidori@example.test".parse().unwrap()]).unwrap(),
            bytes: b"canary".to_vec(),
        };
        let error = smtp.send(&letter).await.unwrap_err();
        assert_eq!(
            error,
            SendError::Unreachable("the server lacks what we need".to_owned())
        );
        assert_eq!(heard.await.unwrap(), "EHLO noren.example\r\n");
    }
}
