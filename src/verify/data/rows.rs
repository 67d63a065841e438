//! The question for the rows of one relation: how many there are, and a sum over a hash of each.
//!
//! A sum does not depend on order, so nothing is sorted, and sums of parts add up. What is hashed is the text of the row, which is
//! the same on every major (binary forms hold OIDs) once the session has pinned all settings that output depends on.
//! `hashtextextended` works on the bytes of the text: where the encodings of the databases differ, the text is taken in
//! UTF8, as hex digits, because no hash of `bytea` has been there since 12. A `bigint` sum is a `numeric`: nothing overflows.

use crate::plan::comparison::{ComparedColumn, Form, OneSide, Relation, RelationKind};
use crate::settings::Level;
use crate::sql;
use crate::sql::{Blocks, Sql};

/// What is asked of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// Number only, or contents, too.
    pub(super) level: Level,
    /// Whether bytes have to be compared in UTF8.
    pub(super) recode: bool,
}

impl Question {
    /// A query with one row: number, and sum as text.
    pub(super) fn of(self, relation: &Relation, here: &OneSide, blocks: Option<Blocks>) -> Sql {
        let sum = match self.level {
            Level::Full => sql!("pg_catalog.sum({})::pg_catalog.text", self.hash(relation)),
            Level::Schema | Level::Counts => Sql::from("null::pg_catalog.text"),
        };
        sql!("select pg_catalog.count(*), {} from {} {}", sum, rows(relation, here), condition(here, blocks))
    }

    /// The hash of row `t`.
    pub(super) fn hash(self, relation: &Relation) -> Sql {
        let row = match &relation.columns {
            Some(columns) => sql!("row({})", Sql::join(columns.iter().map(value), ", ")),
            None => Sql::from("row(t.*)"),
        };
        self.hash_of(&row, 0)
    }

    /// The hash of the text of `value`.
    pub(super) fn hash_of(self, value: &Sql, seed: i32) -> Sql {
        let text = if self.recode {
            sql!("pg_catalog.encode(pg_catalog.convert_to({}::pg_catalog.text, 'UTF8'), 'hex')", value)
        } else {
            sql!("{}::pg_catalog.text", value)
        };
        sql!("pg_catalog.hashtextextended({} collate pg_catalog.\"C\", {})", text, seed)
    }
}

/// What of a column of row `t` is hashed.
fn value(column: &ComparedColumn) -> Sql {
    let cast = match column.form {
        Form::Text => "",
        Form::Byte => "::pg_catalog.int4",
        Form::Bytes => "::pg_catalog.int4[]",
    };
    sql!("t.{}{}", column.name, cast)
}

/// The relation as `t`, without its inheritance children, which are compared by themselves.
pub(super) fn rows(relation: &Relation, here: &OneSide) -> Sql {
    let only = if here.partitioned || relation.kind == RelationKind::MaterializedView { "" } else { "only" };
    sql!("{} {} t", only, relation.name)
}

/// Which of its rows.
pub(super) fn condition(here: &OneSide, blocks: Option<Blocks>) -> Sql {
    match (&here.condition, blocks) {
        (Some(condition), _) => Sql::from_catalog(condition),
        (None, Some(blocks)) => sql!("where {}", blocks.condition()),
        (None, None) => Sql::from(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Ident, QualifiedName};

    fn column(name: &str, form: Form) -> ComparedColumn {
        ComparedColumn { name: Ident::new(name), form }
    }

    fn relation() -> Relation {
        Relation {
            name: QualifiedName::new("s", "t t"),
            kind: RelationKind::Table,
            columns: Some(vec![column("a", Form::Text), column("B", Form::Text), column("c", Form::Byte)]),
            source: OneSide::default(),
            target: OneSide::default(),
            inserts_only: false,
        }
    }

    #[test]
    fn contents_are_hashed_column_by_column_in_the_order_given() {
        let question = Question { level: Level::Full, recode: false };
        let text = question.of(&relation(), &OneSide::default(), None).text().to_owned();
        assert!(
            text.contains(r#"row(t."a", t."B", t."c"::pg_catalog.int4)::pg_catalog.text collate pg_catalog."C", 0)"#),
            "{text}"
        );
    }
}
