//! A socket whose writes of one turn leave together.
//!
//! HTTP/2 writes frame by frame, 16 KiB each for most clients. A segment for each of them costs the kernel, and the
//! client that wakes for it, more than the copy. So the socket is corked (`TCP_CORK` of tcp(7)) from the first write
//! of a turn of its task, and uncorked when the turn ends: nothing waits for longer.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket, for who reads and writes; to be used within [`Turns::of`] only.
pub(crate) struct Corked(Arc<Socket>);

/// Ends the turns of a socket.
pub(crate) struct Turns(Arc<Socket>);

struct Socket {
    stream: TcpStream,
    /// Whether it is corked at all.
    corks: bool,
    corked: AtomicBool,
}

/// A socket, and what ends its turns.
pub(crate) fn corked(stream: TcpStream) -> (Corked, Turns) {
    let corks = !is_paced(&stream);
    let socket = Arc::new(Socket { stream, corks, corked: AtomicBool::new(false) });
    (Corked(Arc::clone(&socket)), Turns(socket))
}

/// Whether the kernel sends segments by a timer, as under BBR: then those that are longer wait, each for its own, which
/// costs more than corking saves.
fn is_paced(stream: &TcpStream) -> bool {
    #[cfg(target_os = "linux")]
    if let Ok(name) = SockRef::from(stream).tcp_congestion() {
        return name.starts_with(b"bbr");
    }
    false
}

impl Turns {
    /// Runs who reads and writes the socket; what a turn has written is sent when the turn ends.
    pub(crate) async fn of<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            self.0.cork(false);
            polled
        })
        .await
    }
}

impl Socket {
    /// Where the system can't do it, segments are smaller, and nothing else changes.
    fn cork(&self, corked: bool) {
        if self.corks && self.corked.swap(corked, Ordering::Relaxed) != corked {
            #[cfg(target_os = "linux")]
            if let Err(error) = SockRef::from(&self.stream).set_tcp_cork(corked) {
                tracing::debug!(%error, corked, "could not cork a socket");
            }
        }
    }

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            self.cork(true);
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for Corked {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(context))?;
            match self.0.stream.try_read(into.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(read) => {
                    into.advance(read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Corked {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match SockRef::from(&self.0.stream).shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nothing_waits_when_a_turn_has_ended() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut peer = TcpStream::connect(listener.local_addr()?).await?;
        let (mut socket, turns) = corked(listener.accept().await?.0);
        let inner = Arc::clone(&socket.0);
        let is_corked = || match cfg!(target_os = "linux") {
            true => SockRef::from(&inner.stream).tcp_cork(),
            false => Ok(inner.corked.load(Ordering::Relaxed)),
        };
        // More than the peer takes at once: there are many turns, and those that wait aren't corked.
        let sent: Vec<u8> = (0..9_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let writing = turns.of(async {
            assert!(!is_corked()?);
            socket.write_all(b"one").await?;
            assert_eq!(is_corked()?, socket.0.corks);
            tokio::task::yield_now().await;
            assert!(!is_corked()?);
            for piece in sent.chunks(16 * 1024) {
                socket.write_all(piece).await?;
            }
            socket.shutdown().await
        });
        let reading = async {
            let mut start = [0; 3];
            peer.read_exact(&mut start).await?;
            assert_eq!(&start, b"one");
            peer.write_all(b"two").await?;
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).await?;
            assert!(rest == sent, "{} bytes of {} came", rest.len(), sent.len());
            io::Result::Ok(())
        };
        let (written, read) = tokio::join!(writing, reading);
        written.and(read)?;
        assert!(!is_corked()?);
        let mut answer = [0; 3];
        turns.of(socket.read_exact(&mut answer)).await?;
        assert_eq!(&answer, b"two");
        Ok(())
    }
}
