//! Triggers that must not fire for rows that the source's have fired for.

use tokio_postgres::types::Type;

use super::super::Context;
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Ident, QualifiedName, Sql};

/// Keeps the triggers and foreign keys of a table quiet inside one transaction.
#[derive(Default)]
pub(super) struct TriggerGuard {
    restore: Vec<Sql>,
}

const TRIGGERS: &str = "
select tgname::text, tgenabled::text from pg_catalog.pg_trigger
where tgrelid = $1::text::pg_catalog.regclass and not tgisinternal and tgenabled <> 'D'";

impl TriggerGuard {
    /// `session_replication_role` silences all but ENABLE ALWAYS and REPLICA triggers, which therefore, and where the role
    /// may not be set, are disabled by name; the transaction's end restores them for everybody else.
    pub(super) async fn raise(context: &Context, target: &Client, table: &QualifiedName) -> Result<Self, PgError> {
        let doing = format!("keep triggers of {table} quiet");
        if context.replica_role {
            target.run(&*doing, "set local session_replication_role = replica").await?;
        }
        let name = sql::render(table);
        let triggers = target.query(&*doing, TRIGGERS, &[(&name, Type::TEXT)]).await?;
        let mut restore = Vec::new();
        for row in &triggers {
            let trigger = Ident::new(target.get::<String>(row, 0)?);
            let state: String = target.get(row, 1)?;
            let enable = match state.as_str() {
                "A" => "enable always",
                "R" => "enable replica",
                _ if context.replica_role => continue,
                _ => "enable",
            };
            target.run(&*doing, sql!("alter table {} disable trigger {}", table, trigger)).await?;
            restore.push(sql!("alter table {} {} trigger {}", table, enable, trigger));
        }
        Ok(Self { restore })
    }

    pub(super) async fn lower(self, target: &Client) -> Result<(), PgError> {
        for statement in self.restore {
            target.run("restore a trigger", statement).await?;
        }
        Ok(())
    }
}
