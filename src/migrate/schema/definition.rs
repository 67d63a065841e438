//! What pg_dump says of an index, a constraint that an index keeps, extended statistics or a foreign key, as far as it matters
//! for when and how it is made.
//!
//! Every name is quoted (`--quote-all-identifiers`), so that reading needs no knowledge of keywords. What is of another
//! form than expected is not understood, and created as pg_restore would.

use crate::sql;
use crate::sql::{Ident, QualifiedName, Sql};
use crate::tools::statements;

/// An index, a constraint that an index keeps, or extended statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexDefinition {
    /// The table or materialized view.
    pub(super) table: QualifiedName,
    /// The index, which lives in the schema of its table, or the statistics object.
    pub(super) name: QualifiedName,
    /// Creates the index, other indexes of the same table at the same time; `None` when the constraint has to make it itself.
    pub(super) create: Option<Sql>,
    /// Makes a constraint of the index, and sets marks (CLUSTER, replica identity, statistics target), or makes the statistics
    /// object: needs the table for itself, for a moment.
    pub(super) finish: Vec<Sql>,
    /// Whether a function or operator that is not the server's own is called: it may look into other tables.
    pub(super) calls_out: bool,
}

impl IndexDefinition {
    /// Reads an entry's SQL.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut all = statements(text);
        let first = all.next()?;
        let mut rest = all.map(Sql::from_archive);
        if let Some(after) = first.strip_prefix("CREATE INDEX ").or_else(|| first.strip_prefix("CREATE UNIQUE INDEX "))
        {
            let (index, after) = identifier(after)?;
            let after = after.strip_prefix(" ON ")?;
            let (table, after) = qualified(after.strip_prefix("ONLY ").unwrap_or(after))?;
            let finish = rest.collect();
            return Some(Self {
                name: beside(&table, &index),
                table,
                create: Some(Sql::from_archive(first)),
                finish,
                calls_out: calls_out(after),
            });
        }
        if let Some(after) = first.strip_prefix("CREATE STATISTICS ") {
            let (name, after) = qualified(after)?;
            let (what, table) = after.rsplit_once(" FROM ")?;
            let (table, ";") = qualified(table)? else { return None };
            let finish = std::iter::once(Sql::from_archive(first)).chain(rest).collect();
            return Some(Self { table, name, create: None, finish, calls_out: calls_out(what) });
        }
        let (table, constraint, body) = constraint(first)?;
        if let Some(key) = Key::read(body) {
            let create = sql!("create unique index {} on {} {}", constraint, table, Sql::from_archive(key.columns));
            let attach = sql!(
                "alter table only {} add constraint {} {} using index {}{}",
                table,
                constraint,
                key.kind,
                constraint,
                Sql::from_archive(key.deferral)
            );
            let finish = std::iter::once(attach).chain(rest).collect();
            return Some(Self {
                name: beside(&table, &constraint),
                table,
                create: Some(create),
                finish,
                calls_out: false,
            });
        }
        let whole = body.starts_with("PRIMARY KEY ") || body.starts_with("UNIQUE ") || body.starts_with("EXCLUDE ");
        let finish = std::iter::once(Sql::from_archive(first)).chain(rest.by_ref()).collect();
        whole.then(|| Self {
            name: beside(&table, &constraint),
            table,
            create: None,
            finish,
            calls_out: calls_out(body),
        })
    }
}

/// A primary key or unique constraint that an index can be given to.
struct Key<'a> {
    kind: &'static str,
    /// What CREATE INDEX takes after the table.
    columns: String,
    deferral: &'a str,
}

impl<'a> Key<'a> {
    fn read(body: &'a str) -> Option<Self> {
        let (kind, rest) = match body.strip_prefix("PRIMARY KEY ") {
            Some(rest) => ("primary key", rest),
            None => ("unique", body.strip_prefix("UNIQUE ")?),
        };
        let (nulls, rest) = match rest.strip_prefix("NULLS NOT DISTINCT ") {
            Some(rest) => (" nulls not distinct", rest),
            None => ("", rest),
        };
        let (mut columns, mut rest) = parenthesized(rest)?;
        // WITHOUT OVERLAPS is another kind of index.
        if outside_of_quotes(columns).any(|c| c.is_ascii_uppercase()) {
            return None;
        }
        if let Some(after) = rest.strip_prefix(" INCLUDE ") {
            (_, rest) = parenthesized(after)?;
            columns = &body[body.find('(')?..body.len() - rest.len()];
        }
        let mut columns = format!("{columns}{nulls}");
        if let Some(after) = rest.strip_prefix(" WITH ") {
            let options;
            (options, rest) = parenthesized(after)?;
            columns.push_str(" with ");
            columns.push_str(options);
        }
        let deferral = rest.strip_suffix(';')?;
        matches!(deferral, "" | " DEFERRABLE" | " DEFERRABLE INITIALLY DEFERRED").then_some(Self {
            kind,
            columns,
            deferral,
        })
    }
}

/// A foreign key that can be added first and checked later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The table whose rows it is about.
    pub(super) table: QualifiedName,
    /// The table that they reference.
    pub(super) references: QualifiedName,
    /// Adds it without looking at rows.
    pub(super) add: Sql,
    /// Looks at the rows, while both tables can be written to.
    pub(super) validate: Sql,
    /// Takes it away again.
    pub(super) drop: Sql,
}

impl ForeignKey {
    /// Reads an entry's SQL. `None` also for one that stays NOT VALID, or is of a partitioned table, which has to check at once.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut all = statements(text);
        let (first, None) = (all.next()?, all.next()) else { return None };
        let (table, name, body) = constraint(first)?;
        let definition = first.strip_suffix(';').filter(|text| !text.ends_with(" NOT VALID"))?;
        let (_, after) = parenthesized(body.strip_prefix("FOREIGN KEY ")?)?;
        let (references, _) = qualified(after.strip_prefix(" REFERENCES ")?)?;
        Some(Self {
            add: sql!("{} not valid", Sql::from_archive(definition)),
            validate: sql!("alter table only {} validate constraint {}", table, name),
            drop: sql!("alter table only {} drop constraint if exists {}", table, name),
            table,
            references,
        })
    }
}

/// What lives in the schema of `table`.
fn beside(table: &QualifiedName, name: &Ident) -> QualifiedName {
    QualifiedName::new(table.schema.as_str(), name.as_str())
}

/// `ALTER TABLE ONLY table ADD CONSTRAINT name body`.
fn constraint(statement: &str) -> Option<(QualifiedName, Ident, &str)> {
    let (table, after) = qualified(statement.strip_prefix("ALTER TABLE ONLY ")?)?;
    let (name, body) = identifier(after.trim_start().strip_prefix("ADD CONSTRAINT ")?)?;
    Some((table, name, body.strip_prefix(' ')?))
}

/// A quoted name, and what follows it.
fn identifier(text: &str) -> Option<(Ident, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((Ident::new(name), after)),
        }
    }
}

fn qualified(text: &str) -> Option<(QualifiedName, &str)> {
    let (schema, after) = identifier(text)?;
    let (name, after) = identifier(after.strip_prefix('.')?)?;
    Some((QualifiedName::new(schema.as_str(), name.as_str()), after))
}

/// `(…)`, and what follows it.
fn parenthesized(text: &str) -> Option<(&str, &str)> {
    text.starts_with('(').then_some(())?;
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(text.split_at(at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

fn outside_of_quotes(text: &str) -> impl Iterator<Item = char> {
    let mut quote = None;
    text.chars().filter(move |&c| {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if open == c => quote = None,
            None => return true,
            Some(_) => {}
        }
        false
    })
}

/// Names of the server's own functions have no schema before them, its operators neither.
fn calls_out(text: &str) -> bool {
    let bare: String = {
        // Each quoted name becomes one letter, so that a qualified call is `n.n(`.
        let mut bare = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '"'
                && let Some((_, after)) = identifier(rest)
            {
                bare.push('n');
                rest = after;
            } else {
                bare.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        bare
    };
    bare.contains("n.n(") || bare.contains("OPERATOR(")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> IndexDefinition {
        IndexDefinition::read(text).unwrap()
    }

    fn texts(statements: &[Sql]) -> Vec<&str> {
        statements.iter().map(Sql::text).collect()
    }

    #[test]
    fn an_index_is_created_as_it_is_and_marked_afterwards() {
        let read = index(
            "\nCREATE UNIQUE INDEX \"u\" ON \"My \"\"S\"\"\".\"a\" USING \"btree\" (\"t\", \"id\");\n\n\
             ALTER TABLE \"My \"\"S\"\"\".\"a\" CLUSTER ON \"u\";\n",
        );
        assert_eq!(read.table, QualifiedName::new("My \"S\"", "a"));
        assert_eq!(read.name, QualifiedName::new("My \"S\"", "u"));
        assert!(read.create.unwrap().text().ends_with("(\"t\", \"id\");"));
        assert_eq!(texts(&read.finish), ["ALTER TABLE \"My \"\"S\"\"\".\"a\" CLUSTER ON \"u\";"]);
        assert!(!read.calls_out);
    }

    #[test]
    fn a_key_is_an_index_first() {
        let read = index(
            "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"b(\" UNIQUE NULLS NOT DISTINCT (\"a\", \"x)\") INCLUDE (\"c\") WITH \
             (\"fillfactor\"='70') DEFERRABLE INITIALLY DEFERRED;\nALTER TABLE ONLY \"s\".\"b\" REPLICA IDENTITY USING INDEX \"b(\";",
        );
        assert_eq!(
            read.create.unwrap().text(),
            "create unique index \"b(\" on \"s\".\"b\" (\"a\", \"x)\") INCLUDE (\"c\") nulls not distinct with (\"fillfactor\"='70')"
        );
        assert_eq!(
            texts(&read.finish),
            [
                "alter table only \"s\".\"b\" add constraint \"b(\" unique using index \"b(\" DEFERRABLE INITIALLY DEFERRED",
                "ALTER TABLE ONLY \"s\".\"b\" REPLICA IDENTITY USING INDEX \"b(\";"
            ]
        );
        let plain = index("ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"p\" PRIMARY KEY (\"a\");");
        assert_eq!(plain.create.unwrap().text(), "create unique index \"p\" on \"s\".\"b\" (\"a\")");
    }

    #[test]
    fn constraints_of_other_kinds_make_their_index_themselves() {
        for text in [
            "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"x\" EXCLUDE USING \"gist\" (\"r\" WITH &&);",
            "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"x\" PRIMARY KEY (\"a\", \"r\" WITHOUT OVERLAPS);",
        ] {
            let read = index(text);
            assert_eq!((read.create, texts(&read.finish)), (None, vec![text]));
        }
        assert_eq!(IndexDefinition::read("ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"x\" CHECK (true);"), None);
        assert_eq!(IndexDefinition::read("CREATE INDEX bare ON t (a);"), None);
    }

    #[test]
    fn functions_of_users_are_seen() {
        let calls =
            |what: &str| index(&format!("CREATE INDEX \"i\" ON \"s\".\"t\" USING \"btree\" ({what});")).calls_out;
        assert!(calls("\"public\".\"f\"(\"a\")"));
        assert!(calls("(\"a\" OPERATOR(\"public\".+) 1)"));
        assert!(!calls("\"lower\"(\"a\")"));
        assert!(!calls("(\"a\" + 1)"));
        assert!(!calls("\"a\" \"public\".\"gin_trgm_ops\""));
        assert!(!calls("((\"a\")::\"public\".\"mood\")"));
    }

    #[test]
    fn statistics_are_made_at_once_and_of_the_table_after_the_last_from() {
        let text = "CREATE STATISTICS \"s\".\"x\" ON \"a\", EXTRACT(year FROM \"b\") FROM \"s\".\"t FROM \"\"s\"\"\";";
        assert_eq!(IndexDefinition::read(text), None, "a name that is not understood");
        let text = "\nCREATE STATISTICS \"s\".\"x\" (\"mcv\") ON \"a\", EXTRACT(year FROM \"b\") FROM \"S\".\"t\";\n\n\nALTER STATISTICS \
                    \"s\".\"x\" OWNER TO \"o\";";
        let read = index(text);
        assert_eq!((read.table, read.name), (QualifiedName::new("S", "t"), QualifiedName::new("s", "x")));
        assert_eq!((read.create, read.finish.len(), read.calls_out), (None, 2, false));
        assert!(index("CREATE STATISTICS \"s\".\"x\" ON (\"s\".\"f\"(\"a\")) FROM \"s\".\"t\";").calls_out);
    }

    #[test]
    fn a_foreign_key_is_added_first_and_checked_later() {
        let key = ForeignKey::read(
            "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"f\" FOREIGN KEY (\"a\", \"b)\") REFERENCES \"s\".\"p\"(\"x\", \"y\") \
             ON DELETE CASCADE DEFERRABLE;\n",
        )
        .unwrap();
        assert_eq!(key.references, QualifiedName::new("s", "p"));
        assert!(key.add.text().ends_with("ON DELETE CASCADE DEFERRABLE not valid"));
        assert_eq!(key.validate.text(), "alter table only \"s\".\"b\" validate constraint \"f\"");
        for not in [
            "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"f\" FOREIGN KEY (\"a\") REFERENCES \"s\".\"p\"(\"x\") NOT VALID;",
            "ALTER TABLE \"s\".\"b\"\n    ADD CONSTRAINT \"f\" FOREIGN KEY (\"a\") REFERENCES \"s\".\"p\"(\"x\");",
        ] {
            assert_eq!(ForeignKey::read(not), None);
        }
    }
}
