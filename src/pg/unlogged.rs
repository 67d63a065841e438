//! Statements with a password, for users who cannot switch the server's log off.
//!
//! With `log_statement = ddl`, and whenever it fails, the server logs CREATE SUBSCRIPTION with the password that it holds. A
//! block of PL/pgSQL that takes the password from a parameter of the session is logged without it; its handler keeps the
//! statement out of the context of errors. Warnings have that context all the same.

use tokio_postgres::types::Type;

use super::{Client, PgError};
use crate::conninfo::Secret;
use crate::sql;
use crate::sql::{Literal, Sql};

impl Client {
    /// Whether the database has what [`Client::run_unlogged`] needs.
    pub async fn can_run_unlogged(&self) -> Result<bool, PgError> {
        let question = "select exists (select from pg_catalog.pg_language where lanname = 'plpgsql')";
        let row = self.one("look for plpgsql", question, &[]).await?;
        self.get(&row, 0)
    }

    /// Runs a statement of `before`, `secret` as a string literal, and `after`. It may not be one that refuses to run in a
    /// transaction, nor one that warns.
    pub async fn run_unlogged(
        &self,
        doing: impl Into<String>,
        before: &Sql,
        secret: &Secret,
        after: &Sql,
    ) -> Result<(), PgError> {
        let keep = "select pg_catalog.set_config('pg_migrate.secret', $1, false) is null";
        self.one("keep a password in the session", keep, &[(&secret.expose(), Type::TEXT)]).await?;
        let body = sql!(
            "begin \
             execute pg_catalog.format('%s%L%s', {}, pg_catalog.current_setting('pg_migrate.secret'), {}); \
             exception when others then raise exception using message = sqlerrm, errcode = sqlstate; \
             end",
            Literal::new(before.text()),
            Literal::new(after.text())
        );
        let outcome = self.run(doing, sql!("do {}", Literal::new(body.text()))).await;
        // In a transaction that failed, its end forgets the password.
        let forgotten = self.run("forget the password", "reset pg_migrate.secret").await;
        outcome.and(forgotten)
    }
}
