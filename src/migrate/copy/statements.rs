//! The two COPY statements of a table.

use crate::plan::{Format, TablePlan};
use crate::sql;
use crate::sql::{Blocks, Literal, Sql};

/// Reads the rows of `table`, or those in some of its blocks.
pub(super) fn read(table: &TablePlan, blocks: Option<Blocks>, format: &Sql) -> Sql {
    let (name, list) = (&table.name, list(table));
    let query = match (&table.condition, blocks) {
        (Some(condition), _) => sql!("select {} from only {} {}", list, name, Sql::from_catalog(condition)),
        (None, Some(blocks)) => sql!("select {} from only {} where {}", list, name, blocks.condition()),
        (None, None) if table.partitioned => sql!("select {} from {}", list, name),
        (None, None) => return sql!("copy {} {} to stdout (format {})", name, columns(table), format),
    };
    sql!("copy ({}) to stdout (format {})", query, format)
}

/// Writes them; `frozen` as of a table that the transaction has emptied.
pub(super) fn write(table: &TablePlan, frozen: bool, format: &Sql) -> Sql {
    let option = if frozen { ", freeze" } else { "" };
    sql!("copy {} {} from stdin (format {}{})", table.name, columns(table), format, option)
}

/// The format of both, as an option: in `encoding`, where that is not the sessions'. Texts in binary rows always are in the
/// session's.
pub(super) fn format(table: &TablePlan, encoding: Option<&str>) -> Sql {
    match encoding {
        Some(encoding) => sql!("text, encoding {}", Literal::new(encoding)),
        None => Sql::from(if table.format == Format::Binary { "binary" } else { "text" }),
    }
}

fn list(table: &TablePlan) -> Sql {
    Sql::join(&table.columns, ", ")
}

/// A table without columns has no list: `()` is a syntax error, and no list means none.
fn columns(table: &TablePlan) -> Sql {
    if table.columns.is_empty() { Sql::from("") } else { sql!("({})", list(table)) }
}

#[cfg(test)]
mod tests {
    use super::super::portion::tests::table;
    use super::*;
    use crate::sql::Ident;

    fn with_columns() -> TablePlan {
        TablePlan { columns: vec![Ident::new("id"), Ident::new("a b")], ..table("t", 1) }
    }

    #[test]
    fn a_table_is_read_without_its_children_whatever_else_is_asked() {
        let read = |table, blocks| read(&table, blocks, &format(&table, None)).text().to_owned();
        assert_eq!(read(with_columns(), None), r#"copy "public"."t" ("id", "a b") to stdout (format text)"#);
        let part = Blocks::divide(9, 2).first().copied();
        assert!(read(with_columns(), part).contains(r#"(select "id", "a b" from only "public"."t" where ctid >= "#));
        let configuration = TablePlan { condition: Some("WHERE id > 1".to_owned()), ..with_columns() };
        assert!(read(configuration, None).contains(r#"from only "public"."t" WHERE id > 1) to stdout"#));
        let root = TablePlan { partitioned: true, ..with_columns() };
        assert!(read(root, None).contains(r#"from "public"."t") to stdout"#));
    }

    #[test]
    fn a_table_without_columns_has_no_list() {
        let text = write(&table("t", 1), true, &format(&table("t", 1), Some("WIN1252"))).text().to_owned();
        assert_eq!(text, r#"copy "public"."t"  from stdin (format text, encoding 'WIN1252', freeze)"#);
    }
}
