//! Work that does no harm when it is begun twice, and should not fail because a session is lost.

use super::Context;
use crate::logger;
use crate::pg::{Client, PgError, Server};

/// What a session is told before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing.
    Plain,
    /// It carries passwords, which stay out of the log as far as our user may see to that.
    Discreet,
    /// What it makes can be made again: commits need not wait for the disk.
    Hasty,
}

/// A session of the target that is replaced, once for each piece of work, when it is lost.
pub(super) struct Steady<'a> {
    server: &'a Server,
    database: &'a str,
    manner: Manner,
    client: Option<Client>,
}

impl<'a> Steady<'a> {
    /// A session in `database`, which is opened when there is work.
    pub(super) fn new(context: &'a Context, database: &'a str, manner: Manner) -> Self {
        Self { server: &context.target, database, manner, client: None }
    }

    /// Does `work`, which has its whole effect or may be done again.
    pub(super) async fn run<T>(&mut self, work: impl AsyncFn(&Client) -> Result<T, PgError>) -> Result<T, PgError> {
        match self.once(&work).await {
            Err(error) if error.is_disconnection() => {
                let words = error.words();
                tracing::warn!(target: logger::TARGET, "{error}: {words}; it is tried again in another session");
                self.once(&work).await
            }
            outcome => outcome,
        }
    }

    /// Leaves the session to the next step in its database.
    pub(super) fn end(self) {
        if let Some(client) = self.client {
            self.server.keep(client);
        }
    }

    async fn once<T>(&mut self, work: impl AsyncFn(&Client) -> Result<T, PgError>) -> Result<T, PgError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => self.open().await?,
        };
        let outcome = work(&client).await;
        if !outcome.as_ref().is_err_and(PgError::is_disconnection) {
            self.client = Some(client);
        }
        outcome
    }

    async fn open(&self) -> Result<Client, PgError> {
        let client = self.server.connect(self.database).await?;
        match self.manner {
            Manner::Plain => {}
            Manner::Discreet => client.keep_out_of_log().await?,
            Manner::Hasty => client.commit_without_waiting().await?,
        }
        Ok(client)
    }
}
