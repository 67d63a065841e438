//! Entries of an archive as the statements that `pg_restore` would send.

use super::lex::statements;
use crate::sql::{QualifiedName, Sql};

/// The statements of some entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Per entry, in the order of an archive. What is said under `SET SESSION AUTHORIZATION` is one statement with it.
    pub entries: Vec<Vec<String>>,
}

impl Script {
    /// All statements in their order.
    pub fn statements(&self) -> impl Iterator<Item = Sql> {
        self.entries.iter().flatten().map(Sql::from_archive)
    }

    /// Entries, each from its SQL.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let entries = entries.into_iter().map(statements_of_entry).filter(|entry| !entry.is_empty()).collect();
        Self { entries }
    }
}

fn statements_of_entry(text: &str) -> Vec<String> {
    let mut entry = Vec::new();
    let mut group: Option<String> = None;
    for statement in statements(text).filter(|statement| !statement.starts_with("SET default_")) {
        if statement.starts_with("SET SESSION AUTHORIZATION ") {
            group = Some(statement.to_owned());
        } else if let Some(begun) = &mut group {
            begun.push('\n');
            begun.push_str(statement);
            if statement.starts_with("RESET SESSION AUTHORIZATION") {
                entry.extend(group.take());
            }
        } else {
            entry.push(statement.to_owned());
        }
    }
    entry
}

/// What the planner knows about one relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationStatistics {
    /// The relation.
    pub relation: QualifiedName,
    /// Calls that restore it on the target: of the relation, then of each column that is known. They hold values of rows.
    pub statements: Vec<String>,
}

impl RelationStatistics {
    /// Reads an entry's SQL; `None` when it is of another form.
    pub fn read(text: &str) -> Option<Self> {
        let statements = statements_of_entry(text);
        let first = statements.first()?;
        let relation = QualifiedName::new(argument(first, "schemaname")?, argument(first, "relname")?);
        Some(Self { relation, statements })
    }

    /// Whether the source knows anything about its columns.
    pub fn describes_columns(&self) -> bool {
        self.statements.len() > 1
    }
}

/// The value of the string argument `name` of a call that pg_dump wrote, one argument a line. Names of relations come before
/// anything that could look like it.
fn argument(call: &str, name: &str) -> Option<String> {
    let (_, rest) = call.split_once(&format!("\n\t'{name}', '"))?;
    let mut value = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' && chars.next_if_eq(&'\'').is_none() {
            return Some(value);
        }
        value.push(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_name_their_relation() {
        let text = "\nSELECT * FROM pg_catalog.pg_restore_relation_stats(\n\t'version', '150018'::integer,\n\t'schemaname', 'a b',\n\
             \t'relname', 'it''s; 1',\n\t'relpages', '1'::integer\n);\n\
             SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n\t'schemaname', 'a b',\n\t'most_common_vals', '{1}'::text\n);\n";
        let only = RelationStatistics::read(text).unwrap();
        assert_eq!(only.relation, QualifiedName::new("a b", "it's; 1"));
        assert!(only.describes_columns());
        assert!(only.statements[1].ends_with("'{1}'::text\n);"));
        assert_eq!(RelationStatistics::read("ANALYZE \"a b\".\"t\";"), None);
    }

    #[test]
    fn statements_are_told_apart_whatever_their_names_hold() {
        let entries = [
            "\nREVOKE ALL ON TABLE \"s\".\"a;b\"\"--\nc\" FROM \"app\";\nSET SESSION AUTHORIZATION \"o'neil\";\n\
             GRANT SELECT ON TABLE \"s\".\"a;b\" TO \"x\";\nRESET SESSION AUTHORIZATION;\n\n\n",
            "\nCREATE EVENT TRIGGER \"et\" ON \"ddl_command_end\"\n         WHEN TAG IN ('a;''b')\n   EXECUTE FUNCTION \
             \"f\"();\nALTER EVENT TRIGGER \"et\" DISABLE;\n\n\n--\n-- PostgreSQL database dump complete\n--\n",
            "\n-- nothing but this\n",
        ];
        let expected = [
            vec![
                "REVOKE ALL ON TABLE \"s\".\"a;b\"\"--\nc\" FROM \"app\";",
                "SET SESSION AUTHORIZATION \"o'neil\";\nGRANT SELECT ON TABLE \"s\".\"a;b\" TO \"x\";\nRESET SESSION \
                 AUTHORIZATION;",
            ],
            vec![
                "CREATE EVENT TRIGGER \"et\" ON \"ddl_command_end\"\n         WHEN TAG IN ('a;''b')\n   EXECUTE FUNCTION \
                 \"f\"();",
                "ALTER EVENT TRIGGER \"et\" DISABLE;",
            ],
        ];
        assert_eq!(Script::of(entries).entries, expected);
    }
}
