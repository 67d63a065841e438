//! Replication connections through a driver that does not know them.
//!
//! tokio-postgres sends a fixed set of start-up parameters (its issue 116 asks for `replication` since 2015). The stream below
//! appends it to the first packet, which has no tag and therefore no other place than the beginning of the stream; everything
//! after passes untouched. Placed above TLS, so that it sees the protocol in clear.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::inbound::{Errors, Inbound};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// SQL.
    Session,
    /// SQL by the simple protocol, and replication commands.
    Replication,
}

/// Version 3.0 of the protocol, second word of the start-up packet.
const PROTOCOL: [u8; 4] = 196_608_u32.to_be_bytes();

/// Parameter and final terminator of the start-up packet.
const REPLICATION: &[u8] = b"replication\0database\0\0";

/// A stream that turns the session begun on it into a replication session.
pub(super) struct Startup<S> {
    inner: S,
    awaiting_packet: bool,
    /// The rewritten packet, as far as it is not written yet.
    pending: Vec<u8>,
}

impl<S> Startup<S> {
    pub(super) fn new(inner: S, mode: Mode) -> Self {
        Self { inner, awaiting_packet: mode == Mode::Replication, pending: Vec::new() }
    }
}

impl<S: AsyncWrite + Unpin> Startup<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

/// `packet` with the parameter added, when it is a whole start-up packet.
fn with_replication(packet: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = packet.split_first_chunk::<4>()?;
    let whole = usize::try_from(u32::from_be_bytes(*length)).ok()? == packet.len();
    if !whole || !rest.starts_with(&PROTOCOL) {
        return None;
    }
    let mut rewritten = packet[..packet.len() - 1].to_vec();
    rewritten.extend_from_slice(REPLICATION);
    let length = u32::try_from(rewritten.len()).ok()?;
    rewritten[..4].copy_from_slice(&length.to_be_bytes());
    Some(rewritten)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Startup<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        if self.awaiting_packet
            && let Some(packet) = with_replication(bytes)
        {
            self.awaiting_packet = false;
            self.pending = packet;
            // Taken over in any case: what cannot be written now is written before anything else.
            if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Startup<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Startup<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS with a [`Startup`] above it. It is set up only when the server has agreed to it.
pub(super) struct StartupTls<F> {
    pub(super) connector: F,
    pub(super) mode: Mode,
    pub(super) errors: Errors,
}

impl<S, F> TlsConnect<S> for StartupTls<F>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: FnOnce() -> Result<postgres_native_tls::TlsConnector, String>,
{
    type Stream = Startup<Inbound<postgres_native_tls::TlsStream<S>>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connector = (self.connector)();
        let (mode, errors) = (self.mode, self.errors);
        Box::pin(async move {
            let stream = connector?.connect(stream).await?;
            Ok(Startup::new(Inbound::new(stream, errors), mode))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(parameters: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(8 + parameters.len()).unwrap().to_be_bytes().to_vec();
        packet.extend_from_slice(&PROTOCOL);
        packet.extend_from_slice(parameters);
        packet
    }

    #[test]
    fn the_parameter_joins_the_others_and_the_length_counts_it() {
        let before = packet(b"user\0app\0\0");
        let after = packet(b"user\0app\0replication\0database\0\0");
        assert_eq!(with_replication(&before), Some(after));
    }

    #[test]
    fn other_packets_pass() {
        assert_eq!(with_replication(&[0, 0, 0, 8, 4, 210, 22, 47]), None);
        let mut torn = packet(b"user\0app\0\0");
        torn.pop();
        assert_eq!(with_replication(&torn), None);
    }
}
