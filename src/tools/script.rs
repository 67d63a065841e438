//! Entries of an archive as the statements that `pg_restore` would send.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::archive::list_file;
use super::lex::statements;
use super::process::ToolCommand;
use super::sql_file::divide;
use super::{ClientTools, ToolError};
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

    /// Reads what `pg_restore --verbose --file=-` wrote. What stands before the first entry sets up a session of psql.
    fn parse(text: &str) -> Self {
        let pieces = divide(text.as_bytes());
        Self::of(pieces.iter().map(|piece| piece.within(text)))
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
    /// Reads the statements of an entry; `None` when they are of another form, or not in UTF-8.
    fn read(statements: Vec<String>) -> Option<Self> {
        let whole = |text: &String| !text.contains(char::REPLACEMENT_CHARACTER);
        let first = statements.first().filter(|_| statements.iter().all(whole))?;
        let relation = QualifiedName::new(argument(first, "schemaname")?, argument(first, "relname")?);
        Some(Self { relation, statements })
    }

    /// Whether the source knows anything about its columns.
    pub fn describes_columns(&self) -> bool {
        self.statements.len() > 1
    }
}

impl Script {
    /// The entries as statistics, less those that cannot be read as such.
    pub fn into_statistics(self) -> impl Iterator<Item = RelationStatistics> {
        self.entries.into_iter().filter_map(RelationStatistics::read)
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

/// The statements of the entries in `list`, the text of [`Toc::write_list`](super::Toc::write_list).
///
/// # Errors
/// When pg_restore cannot be started, fails or is cancelled.
pub async fn script(
    tools: &ClientTools,
    archive: &Path,
    list: &str,
    cancel: &CancellationToken,
) -> Result<Script, ToolError> {
    if list.is_empty() {
        return Ok(Script::default());
    }
    let list = list_file(archive, list).map_err(ToolError::List)?;
    let text = ToolCommand::new(&tools.pg_restore)
        .arg("--verbose")
        .option("--file", "-")
        .option("--use-list", list.path())
        .arg(archive)
        .output(cancel)
        .await?;
    Ok(Script::parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_name_their_relation() {
        let text = "SET client_encoding = 'UTF8';\n\n--\n-- TOC entry 5 (class 0 OID 0)\n-- Statistics for Name: t; Type: STATISTICS DATA; Schema: a b; Owner: -\n--\n\n\
             SELECT * FROM pg_catalog.pg_restore_relation_stats(\n\t'version', '150018'::integer,\n\t'schemaname', 'a b',\n\
             \t'relname', 'it''s; 1',\n\t'relpages', '1'::integer\n);\n\
             SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n\t'schemaname', 'a b',\n\t'most_common_vals', '{1}'::text\n);\n";
        let [only] = Script::parse(text).into_statistics().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(only.relation, QualifiedName::new("a b", "it's; 1"));
        assert!(only.describes_columns());
        assert!(only.statements[1].ends_with("'{1}'::text\n);"));
        let garbled = text.replace("{1}", "{\u{fffd}}");
        assert_eq!(Script::parse(&garbled).into_statistics().count(), 0);
    }

    #[test]
    fn statements_are_told_apart_whatever_their_names_hold() {
        let text = r#"
--
-- PostgreSQL database dump
--

\restrict x

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- TOC entry 6 (class 0 OID 0)
-- Name: TABLE "a;b"; Type: ACL; Schema: s; Owner: app
--

REVOKE ALL ON TABLE "s"."a;b""--
c" FROM "app";
SET SESSION AUTHORIZATION "o'neil";
GRANT SELECT ON TABLE "s"."a;b" TO "x";
RESET SESSION AUTHORIZATION;


--
-- TOC entry 7 (class 3466 OID 16400)
-- Name: et; Type: EVENT TRIGGER; Schema: -; Owner: app
--

CREATE EVENT TRIGGER "et" ON "ddl_command_end"
         WHEN TAG IN ('a;''b')
   EXECUTE FUNCTION "f"();
ALTER EVENT TRIGGER "et" DISABLE;


--
-- PostgreSQL database dump complete
--

\unrestrict x
"#;
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
        assert_eq!(Script::parse(text).entries, expected);
    }
}
