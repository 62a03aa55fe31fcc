use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// How fast a body has to come, in bytes a second: what comes faster never runs out of patience.
const LEAST_RATE: u32 = 8 * 1024;
/// How much of an answer the kernel takes beyond what is on its way, in bytes. A reader that takes nothing is seen once so much
/// waits for it, and one that takes half of it within our patience is left alone.
const UNSENT: u32 = 64 * 1024;
/// What waits in the kernel for a reader that is gone, or takes nothing, is thrown away after this time.
const UNHEARD: Duration = Duration::from_mins(1);

/// Its sender was too slow: what the reader of such a body gets.
#[derive(Debug, thiserror::Error)]
#[error("the body took too long to arrive")]
pub struct Stalled;

/// A request's body whose sender may be silent for our patience in all, and wins back a second of it with each [`LEAST_RATE`]
/// that it sends: a drip of single bytes is over as soon as silence is. Time in which nobody reads does not count.
#[derive(Debug)]
pub(crate) struct Arriving<B> {
    body: B,
    patience: Duration,
    left: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Arriving<Incoming> {
    pub(crate) const fn new(body: Incoming, patience: Duration) -> Self {
        Self {
            body,
            patience,
            left: patience,
            waiting: None,
        }
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let left = this.left;
            let (_, over) = this
                .waiting
                .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
            ready!(over.as_mut().poll(cx));
            metrics::counter!("http_bodies_stalled_total").increment(1);
            return Poll::Ready(Some(Err(Box::new(Stalled))));
        };
        if let Some((since, _)) = this.waiting.take() {
            this.left = this.left.saturating_sub(since.elapsed());
        }
        if let Some(Ok(frame)) = &frame {
            let came = frame.data_ref().map_or(0, Bytes::len);
            let won = Duration::from_secs(1) * u32::try_from(came).unwrap_or(u32::MAX) / LEAST_RATE;
            this.left = this.left.saturating_add(won).min(this.patience);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose reader has to take something within our patience while an answer waits for it.
#[derive(Debug)]
pub(crate) struct Heard {
    stream: TcpStream,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Heard {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        // small streamed chunks would otherwise wait 40 ms for the client's acknowledgement
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
        let _ = socket.set_tcp_user_timeout(Some(UNHEARD));
        Self {
            stream,
            patience,
            waiting: None,
        }
    }

    /// Passes on what became of an attempt to write, and ends the connection when too long nothing could be.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let over = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(over.as_mut().poll(cx));
        metrics::counter!("http_readers_stalled_total").increment(1);
        // what waits is thrown away with the connection: nobody asks for it
        let _ = self.stream.set_zero_linger();
        Poll::Ready(Err(io::Error::new(
            ErrorKind::TimedOut,
            "the reader takes nothing",
        )))
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, from);
        this.judge(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, from);
        this.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What a reader gets of a body of which so many bytes come each second, and when.
    async fn read(bytes: usize, seconds: u64) -> (Result<usize, String>, u64) {
        let frames = futures::stream::iter(0..seconds).then(move |_| async move {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, io::Error>(Frame::data(Bytes::from(vec![b' '; bytes])))
        });
        let body = Arriving {
            body: StreamBody::new(Box::pin(frames)),
            patience: PATIENCE,
            left: PATIENCE,
            waiting: None,
        };
        let started = Instant::now();
        let read = body.collect().await;
        let read = read.map(|whole| whole.to_bytes().len());
        (
            read.map_err(|error| error.to_string()),
            started.elapsed().as_secs(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_but_not_drip() {
        assert_eq!(read(1, 9).await, (Ok(9), 9), "it was short");
        let (dripped, after) = read(1, 1000).await;
        assert_eq!(dripped, Err(Stalled.to_string()));
        assert!((10..12).contains(&after), "{after}");
        let (half, after) = read(4 * 1024, 1000).await;
        assert_eq!(half, Err(Stalled.to_string()), "it wins back half");
        assert!((18..22).contains(&after), "{after}");
        let slow = 9 * 1024;
        assert_eq!(read(slow, 1000).await, (Ok(slow * 1000), 1000));
    }
}
