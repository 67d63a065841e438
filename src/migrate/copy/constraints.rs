//! Constraints that old rows may break.

use tokio_postgres::types::Type;

use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Ident, Literal, QualifiedName, Sql};

/// NOT VALID constraints of a table, lifted inside one transaction.
///
/// The source's rows may break them, and came before them. Where the rows are brought once more, or into a table that was
/// there, they are there already, and would refuse what the source holds.
#[derive(Default)]
pub(super) struct Lifted {
    restore: Vec<Sql>,
}

/// Those that a table inherits are the topmost table's that has them; to lift them there lifts them from all below. Only an
/// owner may: those of others stay, and let pass what does not break them.
const NOT_VALID: &str = "
with recursive line(oid) as (
    select $1::text::pg_catalog.regclass::oid
    union select i.inhparent from line l join pg_catalog.pg_inherits i on i.inhrelid = l.oid
)
select n.nspname::text, r.relname::text, c.conname::text, pg_catalog.pg_get_constraintdef(c.oid),
       pg_catalog.obj_description(c.oid, 'pg_constraint')
from line l
join pg_catalog.pg_constraint c on c.conrelid = l.oid
join pg_catalog.pg_class r on r.oid = l.oid
join pg_catalog.pg_namespace n on n.oid = r.relnamespace
where c.contype in ('c', 'n') and c.coninhcount = 0 and pg_catalog.pg_has_role(r.relowner, 'USAGE') and exists (
    select from pg_catalog.pg_constraint o
    where o.conrelid = $1::text::pg_catalog.regclass and o.conname = c.conname and o.contype = c.contype
      and not o.convalidated)";

impl Lifted {
    pub(super) async fn lift(target: &Client, table: &QualifiedName) -> Result<Self, PgError> {
        let doing = format!("lift constraints of {table}");
        let mut restore = Vec::new();
        for row in target.query(&*doing, NOT_VALID, &[(&sql::render(table), Type::TEXT)]).await? {
            let owner = QualifiedName::new(target.get::<String>(&row, 0)?, target.get::<String>(&row, 1)?);
            let name = Ident::new(target.get::<String>(&row, 2)?);
            let definition = Sql::from_catalog(target.get::<String>(&row, 3)?);
            let comment: Option<String> = target.get(&row, 4)?;
            target.run(&*doing, sql!("alter table {} drop constraint {}", owner, name)).await?;
            restore.push(sql!("alter table {} add constraint {} {}", owner, name, definition));
            if let Some(comment) = comment {
                restore.push(sql!("comment on constraint {} on {} is {}", name, owner, Literal::new(comment)));
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
