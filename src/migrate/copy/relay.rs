//! Bytes from one COPY to another.

use std::pin::pin;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::{CopyInSink, CopyOutStream};

/// Rows are gathered to messages of at least this size. The server sends one message a row; passing them on one by one
/// took three times as long as gathering them (4 million rows of 110 bytes: 36 s against 9 to 13 s).
const GATHER: usize = 128 * 1024;

/// What went through.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::migrate) struct Copied {
    /// Rows, as the target counted them.
    pub(in crate::migrate) rows: u64,
    /// Bytes of COPY data.
    pub(in crate::migrate) bytes: u64,
}

/// Which end failed.
pub(super) enum Broken {
    Source(tokio_postgres::Error),
    Target(tokio_postgres::Error),
}

/// Moves everything. Dropped before its end, it leaves the target's COPY without the end-of-data message, so that it fails and
/// nothing is committed.
pub(super) async fn relay(
    from: CopyOutStream,
    into: CopyInSink<bytes::Bytes>,
    mut progress: impl FnMut(u64),
) -> Result<Copied, Broken> {
    let mut from = pin!(from);
    let mut into = pin!(into);
    let mut gathered = BytesMut::with_capacity(2 * GATHER);
    let mut bytes = 0;
    while let Some(message) = from.next().await {
        gathered.extend_from_slice(&message.map_err(Broken::Source)?);
        if gathered.len() >= GATHER {
            let size = gathered.len() as u64;
            into.send(gathered.split().freeze()).await.map_err(Broken::Target)?;
            bytes += size;
            progress(size);
            gathered.reserve(2 * GATHER);
        }
    }
    if !gathered.is_empty() {
        let size = gathered.len() as u64;
        into.send(gathered.freeze()).await.map_err(Broken::Target)?;
        bytes += size;
        progress(size);
    }
    let rows = into.finish().await.map_err(Broken::Target)?;
    Ok(Copied { rows, bytes })
}
