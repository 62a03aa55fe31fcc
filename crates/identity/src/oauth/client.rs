use db::{OnConstraint, Scope};
use serde_json::json;
use url::Url;

use super::{Client, store};
use crate::{Error, Identity, RequestMeta, access, audit};

/// Registers a client.
///
/// # Errors
/// `BadClient` when id, name or redirect URIs can't be used; `NameTaken` when another client has the id.
pub async fn add_client(
    room: &Identity,
    id: &str,
    name: &str,
    redirect_uris: &[String],
    meta: &RequestMeta,
) -> Result<Client, Error> {
    let cx = &room.cx;
    let name = name.trim();
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !(3..=60).contains(&id.len()) || !id.bytes().all(plain) {
        return Err(Error::BadClient(
            "an id has 3 to 60 lower-case letters, digits, - and _",
        ));
    }
    if id == access::NO_CLIENT {
        return Err(Error::BadClient("this id is the house's own"));
    }
    if !(1..=60).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Error::BadClient("a name has 1 to 60 characters"));
    }
    if !(1..=20).contains(&redirect_uris.len()) {
        return Err(Error::BadClient("a client has 1 to 20 redirect URIs"));
    }
    for uri in redirect_uris {
        check_redirect_uri(uri).map_err(Error::BadClient)?;
    }
    let client = Client {
        id: id.to_owned(),
        name: name.to_owned(),
        redirect_uris: redirect_uris.to_vec(),
        created_at: cx.clock.now(),
        disabled_at: None,
    };
    let mut tx = cx.db.begin(Scope::House("a new client")).await?;
    store::insert_client(&mut tx, &client)
        .await
        .on_constraint("oauth_client_pkey", || Error::NameTaken)?;
    audit::Action::new("client.create", &client.id)
        .after(json!({ "name": client.name, "redirect_uris": client.redirect_uris }))
        .record_as(&mut tx, cx, meta, None, "operator")
        .await?;
    tx.commit().await?;
    Ok(client)
}

/// All clients, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn list_clients(room: &Identity) -> Result<Vec<Client>, Error> {
    let mut tx = room.cx.db.begin(Scope::House("the clients")).await?;
    let clients = store::clients(&mut tx).await?;
    tx.commit().await?;
    Ok(clients)
}

/// Ends a client and everything that people signed in to with it, everywhere within a second.
///
/// # Errors
/// `NotFound` when there is none, or none any more.
pub async fn disable_client(room: &Identity, id: &str, meta: &RequestMeta) -> Result<(), Error> {
    let cx = &room.cx;
    let mut tx = cx.db.begin(Scope::House("a client ends")).await?;
    if !store::disable_client(&mut tx, id, cx.clock.now()).await? {
        return Err(Error::NotFound);
    }
    access::end_of_client(&mut tx, cx, id).await?;
    audit::Action::new("client.disable", id)
        .record_as(&mut tx, cx, meta, None, "operator")
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Where a code may go: https, this machine, or an app's own scheme with a domain in it (RFC 8252 §7.1).
fn check_redirect_uri(text: &str) -> Result<(), &'static str> {
    if text.len() > 500 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a redirect URI has at most 500 characters and no spaces");
    }
    let url = Url::parse(text).map_err(|_| "a redirect URI is a whole URI")?;
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("a redirect URI has no fragment and no password");
    }
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err("plain http is for this machine only"),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err("an app's own scheme is a domain turned around, such as com.example.app"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_only_where_nobody_else_listens() {
        for (uri, good) in [
            ("https://app.example/callback", true),
            ("https://app.example/callback?a=b", true),
            ("http://localhost:3000/callback", true),
            ("http://127.0.0.1/callback", true),
            ("com.example.app:/callback", true),
            ("http://app.example/callback", false),
            ("http://localhost.evil.example/", false),
            ("https://app.example/#x", false),
            ("https://user@app.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("myapp://callback", false),
            ("/callback", false),
            ("https://app.example/ x", false),
            ("", false),
        ] {
            assert_eq!(check_redirect_uri(uri).is_ok(), good, "{uri}");
        }
    }
}
