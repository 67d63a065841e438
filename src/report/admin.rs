//! What is left to an administrator of the target: as warnings, and as a file of SQL.

use std::collections::BTreeMap;

use super::text::{one_line, repr};
use crate::events::AdminStatement;
use crate::facts::Reserved;

/// A line for each database and kind.
pub(super) fn warnings(left: &[AdminStatement]) -> Vec<String> {
    let mut counts: BTreeMap<(Option<&str>, Reserved), usize> = BTreeMap::new();
    for statement in left {
        *counts.entry((statement.database.as_deref(), statement.kind)).or_default() += 1;
    }
    let line = |((database, kind), count): ((Option<&str>, Reserved), usize)| {
        let place = database.map_or_else(String::new, |database| format!("Database {}: ", repr(database)));
        let noun = if count == 1 { "statement" } else { "statements" };
        format!("{place}{} are left to an administrator of the target: {count} {noun}", kind.words())
    };
    counts.into_iter().map(line).collect()
}

/// One statement on one line.
pub(super) fn line(statement: &AdminStatement) -> String {
    let place = statement.database.as_deref().map_or_else(|| "any".to_owned(), repr);
    format!("  database: {place}, statement: {};", one_line(&statement.shown))
}

/// The file of `--admin-sql`: SQL and comments, nothing that only psql understands.
pub(super) fn script(left: &[AdminStatement], migration_id: &str, written: &str) -> String {
    let mut text = format!(
        "-- Left to an administrator of the target by pg_migrate, migration {}, {written}.\n\
         -- To be run by a superuser, each part in the database that it names, from the top. Running it twice does no\n\
         -- harm; what was created before then says that it exists.\n",
        one_line(migration_id)
    );
    // psql takes the encoding of the database for that of the file.
    text.push_str(if left.is_empty() { "-- Nothing is left.\n" } else { "SET client_encoding = 'UTF8';\n" });
    // In the order in which they came: what others need is created before them.
    let mut databases: BTreeMap<Option<&str>, Vec<&AdminStatement>> = BTreeMap::new();
    for statement in left {
        databases.entry(statement.database.as_deref()).or_default().push(statement);
    }
    for (database, statements) in databases {
        text.push_str(&match database {
            Some(database) => format!("\n-- In database {database:?}\n"),
            None => "\n-- In any database\n".to_owned(),
        });
        let mut because = None;
        for statement in statements {
            if because != Some((statement.kind, &statement.reason)) {
                because = Some((statement.kind, &statement.reason));
                text.push_str(&format!("\n-- {}: {}\n", statement.kind.words(), one_line(&statement.reason)));
            }
            text.push_str(&statement.statement);
            text.push_str(";\n");
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> Vec<AdminStatement> {
        let statement = |database: Option<&str>, kind, statement: &str, reason: &str| AdminStatement {
            database: database.map(str::to_owned),
            kind,
            statement: statement.to_owned(),
            shown: statement.to_owned(),
            reason: reason.to_owned(),
        };
        vec![
            statement(Some("my\n\\! db"), Reserved::EventTriggers, "CREATE EVENT TRIGGER \"et\"\n  ON x", "denied"),
            statement(Some("my\n\\! db"), Reserved::Owners, "ALTER TABLE a OWNER TO b", "must be\nmember"),
            statement(Some("my\n\\! db"), Reserved::Owners, "ALTER TABLE c OWNER TO b", "must be\nmember"),
            statement(None, Reserved::RoleAttributes, "ALTER ROLE \"r\" SUPERUSER", "not a superuser"),
        ]
    }

    #[test]
    fn the_file_has_every_statement_under_its_database_and_kind() {
        insta::assert_snapshot!(script(&left(), "a1b2", "2026-01-01T00:00:00Z"), @r#"
        -- Left to an administrator of the target by pg_migrate, migration a1b2, 2026-01-01T00:00:00Z.
        -- To be run by a superuser, each part in the database that it names, from the top. Running it twice does no
        -- harm; what was created before then says that it exists.
        SET client_encoding = 'UTF8';

        -- In any database

        -- attributes of roles: not a superuser
        ALTER ROLE "r" SUPERUSER;

        -- In database "my\n\\! db"

        -- event triggers: denied
        CREATE EVENT TRIGGER "et"
          ON x;

        -- owners: must be member
        ALTER TABLE a OWNER TO b;
        ALTER TABLE c OWNER TO b;
        "#);
        assert!(script(&[], "a1b2", "now").ends_with("-- Nothing is left.\n\n"));
    }

    #[test]
    fn each_kind_is_one_warning() {
        assert_eq!(
            warnings(&left()),
            [
                "attributes of roles are left to an administrator of the target: 1 statement",
                r"Database 'my\n\\! db': owners are left to an administrator of the target: 2 statements",
                r"Database 'my\n\\! db': event triggers are left to an administrator of the target: 1 statement",
            ]
        );
        assert_eq!(line(&left()[1]), r"  database: 'my\n\\! db', statement: ALTER TABLE a OWNER TO b;");
    }
}
