//! Connections of the HTTP port that cannot take descriptors and memory from the data path.
//!
//! # Invariants
//!
//! * There are at most [`MOST`] at a time on an address; who comes then waits in the system's queue.
//! * One on which nothing moves for [`PATIENCE`] ends, in whatever state it is: half a request, an answer that nobody takes, or
//!   the pause between two requests.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections of an address at a time: people's browsers and a few monitors.
pub(super) const MOST: usize = 128;
/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(15);

/// A listener of bounded patience.
#[derive(Debug)]
pub(super) struct Patient {
    socket: TcpListener,
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Patient {
    pub(super) fn new(socket: TcpListener) -> Self {
        Self { socket, free: Arc::new(Semaphore::new(MOST)), patience: PATIENCE }
    }

    /// With another patience, for tests.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

impl Listener for Patient {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("it is never closed");
        // As axum's own: it waits where the system has no descriptor to give.
        let (stream, address) = Listener::accept(&mut self.socket).await;
        let watched = Watched {
            stream,
            patience: self.patience,
            deadline: Box::pin(sleep(self.patience)),
            _permit: permit,
        };
        (watched, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}

/// A connection with its deadline, which every byte moves on.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Watched {
    /// What the stream answered; an error if it has none and the time is up.
    fn in_time<T>(&mut self, context: &mut Context<'_>, answer: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if answer.is_ready() {
            self.deadline.as_mut().reset(Instant::now() + self.patience);
            return answer;
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.in_time(context, answer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, answer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.in_time(context, answer)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn serve(patience: Duration) -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let pages = Router::new().route("/", get(|| async { "here" }));
        let listener = Patient::new(socket).with_patience(patience);
        tokio::spawn(async move { axum::serve(listener, pages).await });
        address
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn half_requests_take_no_more_than_their_share_and_end() {
        let address = serve(Duration::from_millis(200)).await;
        let mut halves = Vec::new();
        for _ in 0..MOST + 40 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HT").await.unwrap();
            halves.push(stream);
        }
        // Behind them all in the queue: it is served when they have ended.
        assert!(ask(address).await.ends_with("here"));
        for mut half in halves {
            let mut text = Vec::new();
            // Closed or reset, without an answer.
            let _ = half.read_to_end(&mut text).await;
            assert!(text.is_empty(), "{}", String::from_utf8_lossy(&text));
        }
    }
}
