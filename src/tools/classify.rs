//! Which errors of `pg_restore` do no harm.
//!
//! Each harmless one is a row of [`HARMLESS`], with the reason. A row looks at the server's whole message and at the
//! command. Whatever no row matches is a failure; so is everything
//! from a server whose messages are not in English.

use super::outcome::{Ending, RestoreError, RestoreOutcome};
use super::refused::{Announced, Judge, Missing};
use crate::facts::Reserved;

/// What the caller knows about the target.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The database had a schema before, made by its owner or by an earlier run: objects that exist are left as they are.
    pub schema_existed: bool,
    /// What the user was told that only an administrator may create or change.
    pub announced: Announced,
}

/// A kind of error that does no harm.
pub struct Harmless {
    /// A short name, for the log.
    pub name: &'static str,
    /// Why it does no harm.
    pub reason: &'static str,
    /// Whether an error is of this kind.
    pub matches: fn(&RestoreError, &Context) -> bool,
}

/// All errors that do no harm.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        name: "unknown-setting",
        reason: "pg_restore is newer than the target and sets a parameter of its own session that the target does not have",
        matches: |error, _| {
            enclosed(&error.message, "unrecognized configuration parameter \"", "\"")
                .is_some_and(|name| is_setting_of(&error.command, name))
        },
    },
    Harmless {
        name: "public-schema-exists",
        reason: "every new database has the schema public",
        matches: |error, _| {
            error.message == r#"schema "public" already exists"#
                && ["CREATE SCHEMA public;", r#"CREATE SCHEMA "public";"#].contains(&error.command.as_str())
        },
    },
    Harmless {
        name: "public-schema-comment",
        reason: "the schema public belongs to the provider's administrator; only its comment is not taken over",
        matches: |error, _| {
            error.message == "must be owner of schema public" && error.command.starts_with("COMMENT ON SCHEMA ")
        },
    },
    Harmless {
        name: "public-schema-owner",
        reason: "the schema public belongs to the provider's administrator, or belonged to the source's superuser as it does \
                 in every new database up to 14; it keeps the owner that the target gave it",
        matches: |error, _| {
            error.command.starts_with("ALTER SCHEMA public OWNER TO ")
                && ["must be owner of schema public", "must be member of role ", "must be able to SET ROLE "]
                    .iter()
                    .any(|refusal| error.message.starts_with(refusal))
        },
    },
    Harmless {
        name: "extension-exists",
        reason: "the extension is installed already",
        matches: |error, _| {
            enclosed(&error.message, "extension \"", "\" already exists").is_some()
                && error.command.starts_with("CREATE EXTENSION ")
        },
    },
    Harmless {
        name: "extension-comment",
        reason: "the extension belongs to the provider's administrator, and its comment came with it",
        matches: |error, _| {
            error.message.starts_with("must be owner of extension ")
                && error.command.starts_with("COMMENT ON EXTENSION ")
        },
    },
    Harmless {
        name: "plpgsql-language",
        reason: "every new database has the language plpgsql, its comment included",
        matches: |error, _| {
            ["must be owner of language plpgsql", r#"language "plpgsql" already exists"#]
                .contains(&error.message.as_str())
                && (error.command.starts_with("COMMENT ON ") || error.command.starts_with("CREATE "))
        },
    },
    Harmless {
        name: "object-exists",
        reason: "the object was there before and is left as it is",
        matches: |error, context| context.schema_existed && says_that_it_exists(error),
    },
];

/// What to make of a run of `pg_restore`.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Errors that do no harm, with the row that says why.
    pub harmless: Vec<(&'static Harmless, &'a RestoreError)>,
    /// Those that were announced: only an administrator may do what they are about.
    pub refused: Vec<(Reserved, &'a RestoreError)>,
    /// All others.
    pub failures: Vec<&'a RestoreError>,
    /// How the run ended.
    pub ending: Ending,
}

impl Verdict<'_> {
    /// Whether everything that was to be restored is there, but for what was announced: no failure, and an end that leaves no doubt.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty() && self.ending == Ending::Complete
    }
}

impl std::fmt::Debug for Harmless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Tells harmless errors, and those that were announced, from failures. `missing` is what earlier runs on the same archive
/// were refused.
pub fn classify<'a>(outcome: &'a RestoreOutcome, context: &Context, missing: &mut Missing) -> Verdict<'a> {
    let mut verdict =
        Verdict { harmless: Vec::new(), refused: Vec::new(), failures: Vec::new(), ending: outcome.ending };
    let mut judge = Judge::new(&context.announced, missing);
    for error in &outcome.errors {
        if let Some(row) = harmless(error, context) {
            verdict.harmless.push((row, error));
        } else if let Some(kind) = of_server(error).and_then(|error| judge.kind(error)) {
            verdict.refused.push((kind, error));
        } else {
            verdict.failures.push(error);
        }
    }
    verdict
}

/// An error in the server's own, English, words.
fn of_server(error: &RestoreError) -> Option<&RestoreError> {
    (error.severity.as_deref() == Some("ERROR")).then_some(error)
}

fn harmless(error: &RestoreError, context: &Context) -> Option<&'static Harmless> {
    let error = of_server(error)?;
    HARMLESS.iter().find(|row| (row.matches)(error, context))
}

/// What stands between `start` and `end`.
fn enclosed<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix(end)
}

/// Whether `command` is a lone `SET name = value;`.
fn is_setting_of(command: &str, name: &str) -> bool {
    command
        .strip_prefix("SET ")
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix(" = "))
        .and_then(|rest| rest.strip_suffix(';'))
        .is_some_and(|value| !value.contains(';'))
}

/// The server refuses to create what it has already.
fn says_that_it_exists(error: &RestoreError) -> bool {
    let message = error.message.as_str();
    if error.command.starts_with("ALTER PUBLICATION ") {
        return message.contains(" is already member of publication ");
    }
    let adds = error.command.starts_with("CREATE ") || error.command.starts_with("ALTER TABLE ");
    // "relation … already exists", "… with same argument types", "… for server …"
    let exists = message.ends_with(" already exists")
        || message.ends_with(" already exists with same argument types")
        || message.contains(" already exists for server ")
        || message.ends_with(" is already a partition")
        || message.ends_with(" is already an identity column")
        || enclosed(message, "multiple primary keys for table ", " are not allowed").is_some()
        // These four commands do not look before they insert.
        || (error.command.starts_with("CREATE TEXT SEARCH ")
            && message.starts_with("duplicate key value violates unique constraint \"pg_ts_"));
    adds && exists
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::super::stderr::Listener;
    use super::*;

    fn outcome(text: &str) -> RestoreOutcome {
        let mut listener = Listener::new();
        for line in text.lines() {
            listener.line(line);
        }
        let status = ExitStatus::from_raw(1 << 8);
        let (errors, ending) = listener.finish(status);
        RestoreOutcome { errors, ending, status, last_words: Vec::new() }
    }

    fn judge(outcome: &RestoreOutcome, schema_existed: bool) -> Verdict<'_> {
        classify(outcome, &Context { schema_existed, ..Context::default() }, &mut Missing::default())
    }

    /// The name of the row that matches, or `-`, for a server's message and a command.
    fn row(message: &str, command: &str, schema_existed: bool) -> &'static str {
        let text = format!("pg_restore: error: could not execute query: ERROR:  {message}\nCommand was: {command}\n\n");
        let outcome = outcome(&text);
        let verdict = judge(&outcome, schema_existed);
        assert_eq!(verdict.harmless.len() + verdict.failures.len(), 1);
        verdict.harmless.first().map_or("-", |(row, _)| row.name)
    }

    #[test]
    fn every_row_has_an_error_that_it_matches() {
        let examples = [
            (
                r#"unrecognized configuration parameter "transaction_timeout""#,
                "SET transaction_timeout = 0;",
                "unknown-setting",
            ),
            (r#"schema "public" already exists"#, r#"CREATE SCHEMA "public";"#, "public-schema-exists"),
            (
                "must be owner of schema public",
                r#"COMMENT ON SCHEMA "public" IS 'standard public schema';"#,
                "public-schema-comment",
            ),
            ("must be owner of schema public", "ALTER SCHEMA public OWNER TO postgres;", "public-schema-owner"),
            (
                r#"extension "pgcrypto" already exists"#,
                r#"CREATE EXTENSION "pgcrypto" WITH SCHEMA "public";"#,
                "extension-exists",
            ),
            ("must be owner of extension pgcrypto", r#"COMMENT ON EXTENSION "pgcrypto" IS 'x';"#, "extension-comment"),
            ("must be owner of language plpgsql", r#"COMMENT ON LANGUAGE "plpgsql" IS 'x';"#, "plpgsql-language"),
            (r#"relation "t" already exists"#, r#"CREATE TABLE "public"."t" ();"#, "object-exists"),
        ];
        for (message, command, name) in examples {
            assert_eq!(row(message, command, true), name);
        }
        assert_eq!(HARMLESS.iter().map(|row| row.name).collect::<Vec<_>>(), examples.map(|(_, _, name)| name));
    }

    #[test]
    fn what_only_looks_harmless_is_a_failure() {
        for (message, command) in [
            // A parameter of a function or role is part of the schema.
            (r#"unrecognized configuration parameter "app.mode""#, r#"ALTER FUNCTION "f"() SET "app.mode" TO 'x';"#),
            (r#"unrecognized configuration parameter "a""#, "SET a = 1; DROP TABLE t;"),
            (r#"schema "app" already exists"#, r#"CREATE SCHEMA "app";"#),
            ("must be owner of table t", r#"ALTER TABLE "public"."t" OWNER TO "app";"#),
            (r#"must be able to SET ROLE "app""#, r#"ALTER TABLE "public"."t" OWNER TO "app";"#),
            (r#"role "app" does not exist"#, r#"GRANT SELECT ON TABLE "t" TO "app";"#),
            (r#"permission denied for schema public"#, r#"CREATE TABLE "public"."t" ();"#),
            (r#"extension "postgis" is not available"#, r#"CREATE EXTENSION IF NOT EXISTS "postgis";"#),
        ] {
            assert_eq!(row(message, command, false), "-", "{message}");
        }
        assert_eq!(row("must be owner of table t", r#"ALTER TABLE "public"."t" OWNER TO "app";"#, true), "-");
    }

    #[test]
    fn objects_that_exist_are_harmless_only_where_a_schema_was_before() {
        for (message, command) in [
            (r#"relation "t" already exists"#, r#"CREATE TABLE "t" ();"#),
            (r#"type "mood" already exists"#, r#"CREATE TYPE "mood" AS ENUM ('a');"#),
            (r#"function "f" already exists with same argument types"#, r#"CREATE FUNCTION "f"() RETURNS integer"#),
            (r#"user mapping for "alice" already exists for server "s""#, r#"CREATE USER MAPPING FOR "alice""#),
            (
                r#"constraint "c" for relation "t" already exists"#,
                r#"ALTER TABLE ONLY "t" ADD CONSTRAINT "c" CHECK (true);"#,
            ),
            (
                r#"multiple primary keys for table "t" are not allowed"#,
                r#"ALTER TABLE ONLY "t" ADD CONSTRAINT "t_pkey""#,
            ),
            (r#""p1" is already a partition"#, r#"ALTER TABLE ONLY "p" ATTACH PARTITION "p1" DEFAULT;"#),
            (
                r#"duplicate key value violates unique constraint "pg_ts_config_cfgname_index""#,
                r#"CREATE TEXT SEARCH CONFIGURATION "tsc" (PARSER = "default" );"#,
            ),
            (r#"relation "t" is already member of publication "p""#, r#"ALTER PUBLICATION "p" ADD TABLE ONLY "t";"#),
        ] {
            assert_eq!(row(message, command, true), "object-exists", "{message}");
            assert_eq!(row(message, command, false), "-", "{message}");
        }
    }

    #[test]
    fn a_second_restore_into_the_same_schema_leaves_only_what_could_not_be_created() {
        let outcome = outcome(include_str!("testdata/again-serial.stderr"));
        let verdict = judge(&outcome, true);
        let failures: Vec<_> = verdict.failures.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(
            failures,
            [r#"unrecognized subscription parameter: "run_as_owner""#, r#"subscription "s" does not exist"#]
        );
        assert_eq!(verdict.harmless.len(), 12);
    }

    #[test]
    fn no_failure_is_no_success_without_a_proper_end() {
        let outcome = outcome("pg_restore: connecting to database for restore");
        let verdict = judge(&outcome, false);
        assert!(verdict.failures.is_empty());
        assert!(!verdict.is_success());
    }

    #[test]
    fn messages_in_another_language_are_failures() {
        let text = "pg_restore: error: could not execute query: FEHLER:  Schema »public« existiert bereits\n\
                    Command was: CREATE SCHEMA \"public\";";
        let outcome = outcome(text);
        assert_eq!(judge(&outcome, true).failures.len(), 1);
    }
}
