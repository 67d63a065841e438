//! What comes from a server, as the driver needs it. Placed above TLS, so that it sees the protocol in clear.
//!
//! Errors are counted: the driver hands over what the server says during COPY FROM STDIN only when all data has been sent, which
//! may be hours after a first row was refused. Who sends can look here meanwhile.
//!
//! Long messages of COPY data are divided. A server sends each row as one message, of up to 1 GB, and the driver holds a message
//! until it is whole. Where COPY data is cut into messages means nothing to whoever receives it.

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

    fn add(&self, errors: usize) {
        if errors > 0 {
            self.0.fetch_add(errors, Ordering::AcqRel);
        }
    }
}

/// A stream from a server, from its first message on.
pub(super) struct Inbound<S> {
    inner: S,
    errors: Errors,
    messages: Messages,
}

impl<S> Inbound<S> {
    pub(super) fn new(inner: S, errors: Errors) -> Self {
        Self { inner, errors, messages: Messages::default() }
    }
}

/// Type and length, which counts itself.
const HEADER: usize = 5;

/// Type of an ErrorResponse.
const ERROR: u8 = b'E';

/// Type of a message of COPY data.
const COPY_DATA: u8 = b'd';

/// Longer messages of COPY data are divided into such of about this length.
const PIECE: usize = 128 * 1024;

fn header(kind: u8, body: usize) -> [u8; HEADER] {
    // A body that came in a message fits into one.
    let [a, b, c, d] = u32::try_from(body + 4).unwrap_or(u32::MAX).to_be_bytes();
    [kind, a, b, c, d]
}

/// Where in the sequence of messages the stream is.
#[derive(Default)]
struct Messages {
    /// What has come of a header that is not whole, and not passed on yet.
    torn: Vec<u8>,
    /// A header that is to be passed on before anything else.
    pending: Vec<u8>,
    /// What is still to come of the message's body.
    body: usize,
    /// What is still to be passed on of the body that the last header announced. Less than `body`: the message is divided, and
    /// another header follows.
    piece: usize,
}

impl Messages {
    /// Begins a message. Returns its header, as it is passed on when `come` bytes of the body have come with it, and whether it
    /// is an error.
    fn begin(&mut self, [kind, length @ ..]: [u8; HEADER], come: usize) -> ([u8; HEADER], bool) {
        self.body = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
        self.piece = self.body;
        if kind == COPY_DATA {
            self.piece = self.body.min(PIECE.max(come));
        }
        (header(kind, self.piece), kind == ERROR)
    }

    /// Goes on by `bytes`, in which no piece ends before its message does. Returns how many errors begin among them. A torn
    /// header at their end is not to be passed on yet.
    fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let (mut errors, mut at) = (0, 0);
        loop {
            let passed = self.piece.min(bytes.len() - at);
            self.advance(passed);
            at += passed;
            let Some(begun) = bytes[at..].first_chunk::<HEADER>() else {
                self.torn.extend_from_slice(&bytes[at..]);
                return errors;
            };
            let (header, is_error) = self.begin(*begun, bytes.len() - at - HEADER);
            bytes[at..at + HEADER].copy_from_slice(&header);
            errors += usize::from(is_error);
            at += HEADER;
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.body -= bytes;
        self.piece -= bytes;
    }

    /// Begins the next piece of a message that is divided, where one is due.
    fn divide(&mut self) {
        if self.piece == 0 && self.body > 0 {
            self.piece = self.body.min(PIECE);
            self.pending.extend(header(COPY_DATA, self.piece));
        }
    }
}

impl<S: AsyncRead + Unpin> Inbound<S> {
    /// Reads what is left of a header. False: the stream has ended.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let messages = &mut self.messages;
        let mut rest = [0; HEADER];
        let mut buffer = ReadBuf::new(&mut rest[messages.torn.len()..]);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        messages.torn.extend_from_slice(buffer.filled());
        let ended = buffer.filled().is_empty();
        if let Ok(begun) = <[u8; HEADER]>::try_from(messages.torn.as_slice()) {
            messages.torn.clear();
            let (header, is_error) = messages.begin(begun, 0);
            messages.pending.extend(header);
            self.errors.add(usize::from(is_error));
        }
        Poll::Ready(Ok(!ended))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Inbound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let messages = &mut this.messages;
            messages.divide();
            if !messages.pending.is_empty() {
                let passed = messages.pending.len().min(buffer.remaining());
                buffer.put_slice(&messages.pending[..passed]);
                messages.pending.drain(..passed);
                return Poll::Ready(Ok(()));
            }
            if messages.body > messages.piece {
                let room = buffer.remaining().min(messages.piece);
                let mut some = ReadBuf::new(buffer.initialize_unfilled_to(room));
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut some))?;
                let read = some.filled().len();
                buffer.advance(read);
                messages.advance(read);
                return Poll::Ready(Ok(()));
            }
            if !messages.torn.is_empty() {
                if ready!(this.poll_header(cx))? {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
            let read = buffer.filled().len() - before;
            this.errors.add(messages.pass(&mut buffer.filled_mut()[before..]));
            let passed = read - messages.torn.len();
            buffer.set_filled(before + passed);
            // Nothing would mean that the stream has ended.
            if passed > 0 || read == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inbound<S> {
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

impl<S: TlsStream + Unpin> TlsStream for Inbound<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&header(kind, body.len())[..], body].concat()
    }

    /// What is read, and how many errors are counted, when `stream` comes in pieces of at most `size` bytes.
    async fn read(stream: Vec<u8>, size: usize) -> (Vec<u8>, usize) {
        let (mut server, client) = tokio::io::duplex(size);
        let errors = Errors::default();
        let mut inbound = Inbound::new(client, errors.clone());
        let mut read = Vec::new();
        let send = async {
            server.write_all(&stream).await.unwrap();
            drop(server);
        };
        let (outcome, ()) = tokio::join!(inbound.read_to_end(&mut read), send);
        outcome.unwrap();
        (read, errors.count())
    }

    /// Types and bodies.
    fn messages(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
        let mut found = Vec::new();
        while let Some((&[kind, length @ ..], rest)) = bytes.split_first_chunk::<HEADER>() {
            let (body, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(length)).unwrap() - 4);
            found.push((kind, body));
            bytes = rest;
        }
        found
    }

    /// COPY data that follows COPY data joined to it.
    fn joined(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
        for (kind, body) in messages(bytes) {
            match found.last_mut() {
                Some((COPY_DATA, data)) if kind == COPY_DATA => data.extend(body),
                _ => found.push((kind, body.to_vec())),
            }
        }
        found
    }

    #[tokio::test]
    async fn errors_are_counted_however_the_bytes_come() {
        let stream = [
            message(b'R', &[0; 4]),
            message(b'd', b"E\0\0\0\x05E"),
            message(b'E', b"SERROR\0\0"),
            message(b'Z', b"E"),
            message(b'E', b""),
        ]
        .concat();
        for size in 1..=stream.len() {
            assert_eq!(read(stream.clone(), size).await, (stream.clone(), 2), "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn long_copy_data_is_divided_and_nothing_else_is() {
        let long: Vec<u8> = (0..3 * PIECE + 7).map(|at| (at % 251) as u8).collect();
        let stream = [
            message(b'H', b"\0"),
            message(b'd', &long),
            message(b'd', b""),
            message(b'd', &long[..PIECE]),
            message(b'D', &long),
            message(b'd', &long[..PIECE + 1]),
            message(b'c', b""),
            message(b'E', b"x"),
        ]
        .concat();
        for size in (1000..1007).chain(PIECE - 2..PIECE + 2 + HEADER).chain([10 * PIECE]) {
            let (passed_on, errors) = read(stream.clone(), size).await;
            assert_eq!(errors, 1, "in pieces of {size}");
            assert!(joined(&passed_on) == joined(&stream), "in pieces of {size}");
            let data = messages(&passed_on).into_iter().filter(|(kind, _)| *kind == COPY_DATA);
            assert!(data.map(|(_, body)| body.len()).max() <= Some(PIECE.max(size)), "in pieces of {size}");
        }
    }
}
