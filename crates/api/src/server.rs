use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    Proxies,
    pace::{Arriving, Heard},
};

/// The address that a request came from, as the socket says, or a proxy of ours; no client's header can change it.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub IpAddr);

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address.
    pub per_address: usize,
    /// A request's head has to arrive within this time, and an idle connection is closed after it.
    pub header_timeout: Duration,
    /// How long a body may be silent, and a reader take nothing of an answer that waits for it.
    pub patience: Duration,
    /// How long open requests may go on once we stop.
    pub drain: Duration,
}

/// Serves until `stop`, then lets open requests finish within the drain time.
///
/// An accept loop of our own because `axum::serve` sets no header timeout and no cap (axum#2741): 300 slow
/// clients would hold 300 connections for ever. Slow bodies and readers are `pace`'s.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    proxies: Proxies,
    stop: CancellationToken,
) {
    let open = Arc::new(Semaphore::new(limits.connections));
    let addresses = Arc::new(Addresses::default());
    let tasks = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&open).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // out of file descriptors, most likely: give connections a moment to close
                    tracing::warn!(%error, "a connection can't be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // a proxy of ours brings everybody's connections
        let most = if proxies.contains(peer.ip()) {
            limits.connections
        } else {
            limits.per_address
        };
        let Some(place) = addresses.enter(peer, most) else {
            metrics::counter!("http_connections_refused_total").increment(1);
            continue;
        };
        let (app, proxies) = (app.clone(), proxies.clone());
        let stop = stop.clone();
        tasks.spawn(async move {
            metrics::gauge!("http_connections_open").increment(1);
            connection(stream, app, (peer, proxies), limits, stop).await;
            metrics::gauge!("http_connections_open").decrement(1);
            drop((permit, place));
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.drain, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = tasks.len(),
            "some connections outlived the drain time"
        );
    }
}

/// Serves one connection, and tells each of its requests where it came from.
async fn connection(
    stream: TcpStream,
    app: Router,
    (peer, proxies): (SocketAddr, Proxies),
    limits: Limits,
    stop: CancellationToken,
) {
    let serve = service_fn(move |mut request: http::Request<Incoming>| {
        let client = proxies.client(peer.ip(), request.headers());
        request.extensions_mut().insert(ClientAddr(client));
        app.clone()
            .oneshot(request.map(|body| Arriving::new(body, limits.patience)))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(Heard::new(stream, limits.patience)), serve);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Open connections by address.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

impl Addresses {
    /// Takes a place for `peer`, or nothing when its address has all that it may have.
    fn enter(self: &Arc<Self>, peer: SocketAddr, most: usize) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer.ip()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place {
            addresses: Arc::clone(self),
            address: peer.ip(),
        })
    }
}

/// One connection's place; given back on drop.
#[derive(Debug)]
struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = Router::new().route(
            "/",
            get(|Extension(ClientAddr(ip)): Extension<ClientAddr>| async move { ip.to_string() }),
        );
        let app = app.route("/long", get(|| async { vec![b'x'; LONG] }));
        (
            address,
            stop.clone(),
            tokio::spawn(serve(listener, app, limits, Proxies::default(), stop)),
        )
    }

    const LONG: usize = 40 * 1024 * 1024;
    const LIMITS: Limits = Limits {
        connections: 10,
        per_address: 2,
        header_timeout: Duration::from_millis(200),
        patience: Duration::from_millis(300),
        drain: Duration::from_secs(5),
    };

    #[tokio::test]
    async fn slow_heads_are_cut_and_addresses_are_capped() {
        let (address, stop, task) = start(LIMITS).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n")
            .await
            .unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        assert_eq!(
            third.read_to_end(&mut answer).await.unwrap_or(0),
            0,
            "the third of an address is closed"
        );
        slow.read_to_end(&mut answer).await.unwrap();
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "an unfinished head gets no answer"
        );
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut_and_one_that_takes_its_time_is_not() {
        let (address, stop, task) = start(LIMITS).await;
        let ask = b"GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(ask).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(ask).await.unwrap();
        let (mut taken, mut piece) = (0, vec![0; LONG / 16]);
        loop {
            // longer in all than anybody waits for one that takes nothing
            tokio::time::sleep(LIMITS.patience / 8).await;
            match slow.read(&mut piece).await.unwrap() {
                0 => break,
                read => taken += read,
            }
        }
        assert!(taken > LONG, "{taken}");
        let mut answer = Vec::new();
        let end = silent.read_to_end(&mut answer).await;
        assert!(end.is_err() && answer.len() < LONG, "{end:?}");
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn stopping_waits_for_open_requests() {
        let (address, stop, task) = start(LIMITS).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }
}
