//! A stream that counts the errors the server reports on it.
//!
//! The driver hands over what the server says during COPY FROM STDIN only when all data has been sent, which may be hours after
//! a first row was refused. Who sends can look here meanwhile. Placed above TLS, so that it sees the protocol in clear.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// How many errors a server has reported on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors(Arc<AtomicUsize>);

impl Errors {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// A stream from a server, from its first message on.
pub(super) struct Overheard<S> {
    inner: S,
    errors: Errors,
    messages: Messages,
}

impl<S> Overheard<S> {
    pub(super) fn new(inner: S, errors: Errors) -> Self {
        Self { inner, errors, messages: Messages::default() }
    }
}

/// Type and length, which counts itself.
const HEADER: usize = 5;

/// Type of an ErrorResponse.
const ERROR: u8 = b'E';

/// Where in the sequence of messages the stream is.
#[derive(Default)]
struct Messages {
    /// What has come of a header.
    header: Vec<u8>,
    /// What is still to come of the message's body.
    body: usize,
}

impl Messages {
    /// Goes on by `bytes`. Returns how many errors begin among them.
    fn pass(&mut self, mut bytes: &[u8]) -> usize {
        let mut errors = 0;
        while !bytes.is_empty() {
            let passed = self.body.min(bytes.len());
            self.body -= passed;
            bytes = &bytes[passed..];
            let (header, rest) = bytes.split_at((HEADER - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(header);
            bytes = rest;
            if let [kind, length @ ..] = self.header.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                errors += usize::from(*kind == ERROR);
                self.body = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
                self.header.clear();
            }
        }
        errors
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let errors = self.messages.pass(&buffer.filled()[before..]);
        if errors > 0 {
            self.errors.0.fetch_add(errors, Ordering::AcqRel);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Overheard<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn errors_are_counted_however_the_bytes_come() {
        let stream = [
            message(b'R', &[0; 4]),
            message(b'd', b"E\0\0\0\x05E"),
            message(b'E', b"SERROR\0\0"),
            message(b'Z', b"E"),
            message(b'E', b""),
        ]
        .concat();
        for size in 1..=stream.len() {
            let mut messages = Messages::default();
            let errors: usize = stream.chunks(size).map(|bytes| messages.pass(bytes)).sum();
            assert_eq!(errors, 2, "in pieces of {size}");
        }
    }
}
