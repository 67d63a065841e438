//! COPY, out of one session and into another.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::Fuse;
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::{CopyInSink, CopyOutStream};

use super::inbound::Errors;
use super::{Cause, Client, PgError};
use crate::facts::Side;
use crate::sql::Sql;

/// A statement that a session has parsed. It ends with the session, or when it is dropped.
pub struct Prepared {
    statement: tokio_postgres::Statement,
    doing: String,
}

/// Where errors come from.
struct Place {
    side: Side,
    database: String,
    doing: String,
}

impl Place {
    fn of(client: &Client, prepared: &Prepared) -> Self {
        Self { side: client.side, database: client.database.clone(), doing: prepared.doing.clone() }
    }

    fn error(&self, error: tokio_postgres::Error) -> PgError {
        PgError::from_driver(self.side, &self.database, self.doing.as_str(), error)
    }
}

/// A running `COPY … TO STDOUT`.
pub struct CopyOut {
    stream: Pin<Box<Fuse<CopyOutStream>>>,
    place: Place,
}

impl CopyOut {
    /// The next message: mostly a row. `None` after the last one, however often one asks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PgError> {
        self.stream.next().await.transpose().map_err(|error| self.place.error(error))
    }
}

/// A running `COPY … FROM STDIN`. Dropped before [`CopyIn::finish`], it fails, and nothing can be committed.
pub struct CopyIn {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    errors: Errors,
    /// How many of them there were when it began.
    before: usize,
    place: Place,
}

impl CopyIn {
    /// Sends some data. An error that the server has reported about earlier data comes out here.
    pub async fn send(&mut self, data: Bytes) -> Result<(), PgError> {
        if self.errors.count() != self.before {
            return Err(self.refusal().await);
        }
        self.sink.send(data).await.map_err(|error| self.place.error(error))
    }

    /// Ends the data. Returns how many rows the server counted.
    pub async fn finish(mut self) -> Result<u64, PgError> {
        self.sink.as_mut().finish().await.map_err(|error| self.place.error(error))
    }

    /// The error that the server has reported: the driver hands it over when the data has ended.
    async fn refusal(&mut self) -> PgError {
        match self.sink.as_mut().finish().await {
            Err(error) => self.place.error(error),
            // What was sent is not all there is: the transaction must not be committed.
            Ok(_) => PgError {
                side: self.place.side,
                database: self.place.database.clone(),
                doing: self.place.doing.clone(),
                cause: Cause::Unusable("the server reported an error and accepted the rows all the same".to_owned()),
            },
        }
    }
}

impl Client {
    /// Parses a COPY statement. Preparing several at once takes no longer than preparing one.
    pub async fn prepare_copy(&self, doing: impl Into<String>, sql: impl Into<Sql>) -> Result<Prepared, PgError> {
        let (doing, sql) = (doing.into(), sql.into());
        self.log(&sql);
        match self.inner.prepare(sql.text()).await {
            Ok(statement) => Ok(Prepared { statement, doing }),
            Err(error) => Err(self.error(doing, error)),
        }
    }

    /// Starts `COPY … TO STDOUT`.
    pub async fn copy_out(&self, copy: &Prepared) -> Result<CopyOut, PgError> {
        let place = Place::of(self, copy);
        match self.inner.copy_out(&copy.statement).await {
            Ok(stream) => Ok(CopyOut { stream: Box::pin(stream.fuse()), place }),
            Err(error) => Err(place.error(error)),
        }
    }

    /// Starts `COPY … FROM STDIN`.
    pub async fn copy_in(&self, copy: &Prepared) -> Result<CopyIn, PgError> {
        let place = Place::of(self, copy);
        match self.inner.copy_in(&copy.statement).await {
            Ok(sink) => {
                Ok(CopyIn { sink: Box::pin(sink), errors: self.errors.clone(), before: self.errors.count(), place })
            }
            Err(error) => Err(place.error(error)),
        }
    }
}
