//! Constraints that old rows may break.

use tokio_postgres::types::Type;

use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// NOT VALID constraints of a table, lifted inside one transaction.
///
/// The source's rows may break them, and came before them. Where the rows are brought once more they are there already,
/// and would refuse what the source holds.
#[derive(Default)]
pub(super) struct Lifted {
    restore: Vec<Sql>,
}

/// Those that the table inherits go with its parent's.
const NOT_VALID: &str = "
select conname::text, pg_catalog.pg_get_constraintdef(oid), pg_catalog.obj_description(oid, 'pg_constraint')
from pg_catalog.pg_constraint
where conrelid = $1::text::pg_catalog.regclass and contype in ('c', 'n') and not convalidated and coninhcount = 0";

impl Lifted {
    pub(super) async fn lift(target: &Client, table: &QualifiedName) -> Result<Self, PgError> {
        let doing = format!("lift constraints of {table}");
        let mut restore = Vec::new();
        for row in target.query(&*doing, NOT_VALID, &[(&sql::render(table), Type::TEXT)]).await? {
            let name = Ident::new(target.get::<String>(&row, 0)?);
            let definition = Sql::from_catalog(target.get::<String>(&row, 1)?);
            let comment: Option<String> = target.get(&row, 2)?;
            target.run(&*doing, sql!("alter table {} drop constraint {}", table, name)).await?;
            restore.push(sql!("alter table {} add constraint {} {}", table, name, definition));
            if let Some(comment) = comment {
                restore.push(sql!("comment on constraint {} on {} is {}", name, table, Literal::new(comment)));
            }
        }
        Ok(Self { restore })
    }

    pub(super) async fn restore(self, target: &Client) -> Result<(), PgError> {
        for statement in self.restore {
            target.run("restore a constraint", statement).await?;
        }
        Ok(())
    }
}
