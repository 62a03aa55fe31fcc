use futures::stream;
use llm::{
    ChatRequest,
    bedrock::{self, Credentials, ToSign, sign},
    read_refusal,
};
use reqwest::{Url, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use telemetry::trace;

use super::{ANSWER_LIMIT, Opened, Trouble, accepted, read, streamed};
use crate::{Gateway, RunId, Target};

/// What the signature is for.
const SERVICE: &str = "bedrock";

/// Opens a chat by the Converse protocol of AWS Bedrock, signed with the target's key.
pub(super) async fn open(
    room: &Gateway,
    run: RunId,
    target: &Target,
    key: Option<&SecretString>,
    request: &ChatRequest,
) -> Result<Opened, Trouble> {
    let body = bedrock::encode(request, &run.to_string())
        .map_err(|refusal| refused(400, refusal.message))?
        .to_string();
    let base_url = target.base_url.trim_end_matches('/');
    let url = Url::parse(&format!("{base_url}{}", bedrock::path(request)))
        .map_err(|error| refused(404, error.to_string()))?;
    let mut call = room
        .http
        .post(url.clone())
        .headers(trace::outgoing())
        .header(CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        let who = credentials(key.expose_secret())
            .ok_or_else(|| refused(401, "the key is not id:secret".to_owned()))?;
        let signed = sign(
            &ToSign {
                method: "POST",
                host: &host(&url),
                path: url.path(),
                query: &[],
                headers: &[("content-type", "application/json")],
                body: body.as_bytes(),
                region: &target.region,
                service: SERVICE,
                time: room.cx.clock.now(),
            },
            &who,
        );
        for (name, value) in signed {
            call = call.header(name, value);
        }
    }
    let response = call.body(body).send().await.map_err(Trouble::Unreachable)?;
    let response = accepted(response, read_refusal).await?;
    if request.stream {
        return Ok(Opened {
            events: Box::pin(streamed(response, bedrock::StreamDecoder::new(), |body| {
                bedrock::decode(body, "")
            })),
        });
    }
    let answer = bedrock::decode(&read(response, ANSWER_LIMIT).await?, &request.model)?;
    let events = answer.into_events().into_iter().map(Ok);
    Ok(Opened {
        events: Box::pin(stream::iter(events)),
    })
}

fn refused(status: u16, message: String) -> Trouble {
    Trouble::Refused {
        status,
        code: None,
        retry_after: None,
        message,
    }
}

/// Reads `id:secret`, with `:token` behind if the key is borrowed; no part of it has a colon.
fn credentials(key: &str) -> Option<Credentials<'_>> {
    let (access_key, rest) = key.split_once(':')?;
    let (secret_key, session_token) = match rest.split_once(':') {
        Some((secret, token)) => (secret, Some(token)),
        None => (rest, None),
    };
    Some(Credentials {
        access_key,
        secret_key,
        session_token,
    })
}

/// The host as the client sends it: with the port where that is not the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_two_parts_or_three() {
        let read = |key| {
            let who = credentials(key)?;
            Some((who.access_key, who.secret_key, who.session_token))
        };
        assert_eq!(read("AKIA:a/b+c="), Some(("AKIA", "a/b+c=", None)));
        assert_eq!(read("ASIA:s:t=="), Some(("ASIA", "s", Some("t=="))));
        assert_eq!(read("nothing"), None);
    }

    #[test]
    fn the_host_has_its_port_where_that_is_not_the_usual_one() {
        for (url, said) in [
            (
                "https://bedrock-runtime.ap-northeast-1.amazonaws.com/model/x",
                "bedrock-runtime.ap-northeast-1.amazonaws.com",
            ),
            ("https://a.example:443/", "a.example"),
            ("http://127.0.0.1:4000/", "127.0.0.1:4000"),
        ] {
            assert_eq!(host(&Url::parse(url).unwrap()), said);
        }
    }
}
