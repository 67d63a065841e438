//! Which errors of `pg_restore` mean that only an administrator may create something, as the user was told before.
//!
//! Each row knows the server's words for a kind; only announced kinds count. What follows from such a refusal, because the
//! object is missing then, belongs to it, but for what holds or finds rows: a table that cannot be created is a failure.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::RestoreError;
use crate::facts::Reserved;

/// What the user was told, by kind: names of roles for owners, of objects for the others.
pub type Announced = BTreeMap<Reserved, BTreeSet<String>>;

/// What was refused before: names of what was not created, as messages show them, with the kind that each is counted under.
#[derive(Debug, Default)]
pub struct Missing(BTreeMap<String, Reserved>);

/// How the server refuses: how messages begin.
const REFUSALS: &[(Reserved, &[&str])] = &[
    (Reserved::EventTriggers, &["permission denied to create event trigger "]),
    (
        Reserved::Functions,
        &[
            "permission denied for language c",
            "permission denied for language internal",
            "only superuser can define a leakproof function",
            "must be superuser to specify a support function",
        ],
    ),
    (Reserved::Types, &["must be superuser to create a base type"]),
    (Reserved::Casts, &["must be owner of type ", "must be superuser to create a cast WITHOUT FUNCTION"]),
    (
        Reserved::OperatorClasses,
        &[
            "must be superuser to create an operator class",
            "must be superuser to create an operator family",
            "must be superuser to alter an operator family",
        ],
    ),
    (
        Reserved::TextSearch,
        &["must be superuser to create text search parsers", "must be superuser to create text search templates"],
    ),
    (
        Reserved::Languages,
        &["must be superuser to create custom procedural language", "permission denied to create language "],
    ),
    (
        Reserved::ForeignDataWrappers,
        &["permission denied to create foreign-data wrapper ", "permission denied for foreign-data wrapper "],
    ),
    (Reserved::AccessMethods, &["permission denied to create access method "]),
    (
        Reserved::Publications,
        &[
            "must be superuser to create FOR ALL TABLES publication",
            "must be superuser to create FOR TABLES IN SCHEMA ",
        ],
    ),
];

/// What no row depends on: where one of these refers to a missing object, it is left to the administrator together with it.
const FOLLOWERS: &[&str] = &[
    "ALTER AGGREGATE ",
    "ALTER EVENT TRIGGER ",
    "ALTER FOREIGN DATA WRAPPER ",
    "ALTER FOREIGN TABLE ",
    "ALTER FUNCTION ",
    "ALTER LANGUAGE ",
    "ALTER OPERATOR ",
    "ALTER PROCEDURAL LANGUAGE ",
    "ALTER PROCEDURE ",
    "ALTER PUBLICATION ",
    "ALTER SERVER ",
    "ALTER TEXT SEARCH ",
    "ALTER TYPE ",
    "COMMENT ON ",
    "CREATE AGGREGATE ",
    "CREATE CAST ",
    "CREATE FOREIGN TABLE ",
    "CREATE FUNCTION ",
    "CREATE OPERATOR ",
    "CREATE PROCEDURE ",
    "CREATE SERVER ",
    "CREATE TEXT SEARCH ",
    "CREATE TRANSFORM ",
    "CREATE TYPE ",
    "CREATE USER MAPPING ",
    "SECURITY LABEL ",
];

/// Judges the errors of one run in their order.
pub(super) struct Judge<'a> {
    announced: &'a Announced,
    missing: &'a mut Missing,
}

impl<'a> Judge<'a> {
    pub(super) fn new(announced: &'a Announced, missing: &'a mut Missing) -> Self {
        Self { announced, missing }
    }

    /// The kind under which `error` was announced; `None` when it was not.
    pub(super) fn kind(&mut self, error: &RestoreError) -> Option<Reserved> {
        let kind = self.refusal(error).or_else(|| self.follows(error))?;
        if let Some(name) = created(&error.command) {
            self.missing.0.insert(name, kind);
        }
        Some(kind)
    }

    fn refusal(&self, error: &RestoreError) -> Option<Reserved> {
        let is_announced = |kind: &Reserved| self.announced.contains_key(kind);
        if let Some(owner) = new_owner(&error.command) {
            let owners = self.announced.get(&Reserved::Owners)?;
            let about_the_owner = ["must be member of role \"", "must be able to SET ROLE \"", "role \""]
                .iter()
                .filter_map(|start| error.message.strip_prefix(start))
                .any(|rest| matches!(rest.strip_prefix(owner.as_str()), Some("\"" | "\" does not exist")));
            if owners.contains(&owner) && about_the_owner {
                return Some(Reserved::Owners);
            }
        }
        if error.command.starts_with("SECURITY LABEL ") {
            return Some(Reserved::SecurityLabels).filter(is_announced);
        }
        let (kind, _) =
            REFUSALS.iter().find(|(_, starts)| starts.iter().any(|start| error.message.starts_with(start)))?;
        Some(*kind).filter(is_announced)
    }

    fn follows(&self, error: &RestoreError) -> Option<Reserved> {
        if !FOLLOWERS.iter().any(|start| error.command.starts_with(start)) {
            return None;
        }
        if let Some(operands) = error.message.strip_prefix("operator does not exist: ") {
            return operands.split(' ').find_map(|word| self.missing.0.get(word)).copied();
        }
        let named = error.message.split_once(" does not exist")?.0;
        let name = match named.split_once('"') {
            Some((_, quoted)) => quoted.strip_suffix('"')?,
            None => named.strip_prefix("function ")?.split_once('(')?.0,
        };
        self.missing.0.get(name).copied()
    }
}

/// The role in `ALTER … OWNER TO role;`.
fn new_owner(command: &str) -> Option<String> {
    let (_, owner) = command.strip_prefix("ALTER ")?.rsplit_once(" OWNER TO ")?;
    Some(unquoted(owner.strip_suffix(';')?))
}

/// The name in `CREATE … name`, in the form that messages have: parts unquoted, with dots between them.
fn created(command: &str) -> Option<String> {
    let rest = command.strip_prefix("CREATE ")?;
    // The kind is one or more words in capitals.
    let name = rest.trim_start_matches(|c: char| c.is_ascii_uppercase() || c == ' ');
    let mut quoted = false;
    let end = name.find(|c: char| {
        quoted ^= c == '"';
        !quoted && (c == '(' || c == ';' || c.is_whitespace())
    });
    Some(unquoted(&name[..end.unwrap_or(name.len())])).filter(|name| !name.is_empty())
}

/// `"a"."b""c"` as `a.b"c`.
fn unquoted(name: &str) -> String {
    let mut text = String::new();
    let mut chars = name.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => text.push('"'),
            '"' => quoted = !quoted,
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Phase;
    use super::*;

    fn error(message: &str, command: &str) -> RestoreError {
        RestoreError {
            phase: Phase::Processing,
            entry: None,
            severity: Some("ERROR".to_owned()),
            message: message.to_owned(),
            detail: String::new(),
            hint: String::new(),
            context: String::new(),
            command: command.to_owned(),
        }
    }

    fn announced(kind: Reserved, names: &[&str]) -> Announced {
        [(kind, names.iter().map(|name| (*name).to_owned()).collect())].into()
    }

    #[test]
    fn an_owner_that_was_announced_is_left_and_another_one_is_not() {
        let announced = announced(Reserved::Owners, &["The \"Boss\""]);
        let mut missing = Missing::default();
        let mut judge = Judge::new(&announced, &mut missing);
        let command = "ALTER TABLE public.t OWNER TO \"The \"\"Boss\"\"\";";
        for message in [
            "must be member of role \"The \"Boss\"\"",
            "must be able to SET ROLE \"The \"Boss\"\"",
            "role \"The \"Boss\"\" does not exist",
        ] {
            assert_eq!(judge.kind(&error(message, command)), Some(Reserved::Owners), "{message}");
        }
        assert_eq!(judge.kind(&error("permission denied for schema public", command)), None);
        let other = error("must be member of role \"app\"", "ALTER TABLE public.t OWNER TO app;");
        assert_eq!(judge.kind(&other), None);
    }

    #[test]
    fn what_follows_from_a_refusal_goes_with_it_but_for_tables() {
        let announced = announced(Reserved::Functions, &["public.f(integer)"]);
        let mut missing = Missing::default();
        let mut judge = Judge::new(&announced, &mut missing);
        let missing = "function public.f(integer) does not exist";
        let comment = error(missing, r#"COMMENT ON FUNCTION "public"."f"(integer) IS 'x';"#);
        assert_eq!(judge.kind(&comment), None, "nothing has been refused yet");
        let create = error("permission denied for language c", r#"CREATE FUNCTION "public"."f"(integer) RETURNS"#);
        assert_eq!(judge.kind(&create), Some(Reserved::Functions));
        assert_eq!(judge.kind(&comment), Some(Reserved::Functions));
        let operator = error(missing, "CREATE OPERATOR \"public\".=== (\n    FUNCTION = \"public\".\"f\"");
        assert_eq!(judge.kind(&operator), Some(Reserved::Functions));
        let owner = error(
            "operator does not exist: integer public.=== integer",
            r#"ALTER OPERATOR "public".=== (integer, integer) OWNER TO app;"#,
        );
        assert_eq!(judge.kind(&owner), Some(Reserved::Functions));
        assert_eq!(judge.kind(&error(missing, r#"CREATE TABLE "public"."t" ("#)), None);
    }

    #[test]
    fn what_was_not_announced_is_no_refusal() {
        let announced = announced(Reserved::Functions, &[]);
        let mut missing = Missing::default();
        let mut judge = Judge::new(&announced, &mut missing);
        assert_eq!(judge.kind(&error("must be superuser to create a base type", r#"CREATE TYPE "a"."b";"#)), None);
    }
}
