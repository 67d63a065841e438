//! What `pg_restore` says about its errors.
//!
//! It goes on after an error and tells of it on standard error only, in the form
//! ```text
//! pg_restore: while PROCESSING TOC:
//! pg_restore: from TOC entry 216; 1259 17037 TABLE t app
//! pg_restore: error: could not execute query: ERROR:  relation "t" already exists
//! Command was: CREATE TABLE "public"."t" (
//!     "id" integer
//! );
//! ```
//! and at its end `pg_restore: warning: errors ignored on restore: 1`. The first two lines appear with `--verbose` only,
//! and where they repeat what the last error said they are left out. Names may hold line breaks.

use std::process::ExitStatus;

use super::outcome::{Ending, LONGEST_PART, Phase, RestoreError, TocEntryRef};

const PROGRAM: &str = "pg_restore:";
/// Levels that mean failure; `fatal` is one up to pg_restore 14.
const FAILURES: [&str; 2] = ["error: ", "fatal: "];
/// Before the server's severity and message.
const QUERY: &str = "could not execute query: ";
const COMMAND: &str = "Command was: ";

/// Commands that can hold a password in their options or connection string.
const SENSITIVE: [&str; 8] = [
    "CREATE SUBSCRIPTION ",
    "ALTER SUBSCRIPTION ",
    "CREATE USER MAPPING ",
    "ALTER USER MAPPING ",
    "CREATE SERVER ",
    "ALTER SERVER ",
    "CREATE FOREIGN ",
    "ALTER FOREIGN ",
];

/// The part of an error that the next line continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Message,
    Detail,
    Hint,
    Context,
    Command,
    /// The rest of a command that must not be kept.
    Withheld,
}

/// What the next line continues, when it does not start a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Remark,
    Entry,
    Error(Part),
}

/// Turns lines into errors.
pub(super) struct Listener {
    phase: Phase,
    entry: Option<TocEntryRef>,
    open: Open,
    errors: Vec<RestoreError>,
    reported: Option<usize>,
}

impl Listener {
    /// Before the first line.
    pub(super) fn new() -> Self {
        Self { phase: Phase::Starting, entry: None, open: Open::Remark, errors: Vec::new(), reported: None }
    }

    /// Takes the next line and says whether it may be shown: parts of commands may hold passwords.
    pub(super) fn line(&mut self, line: &str) -> bool {
        let Some(text) = line.strip_prefix(PROGRAM).and_then(|rest| rest.strip_prefix(' ')) else {
            return self.continuation(line);
        };
        match FAILURES.iter().find_map(|level| text.strip_prefix(level)) {
            Some(text) => self.start_error(text),
            None => self.remark(text),
        }
        true
    }

    /// All errors, and how the run ended, given the status it ended with.
    pub(super) fn finish(mut self, status: ExitStatus) -> (Vec<RestoreError>, Ending) {
        for error in &mut self.errors {
            for part in [&mut error.message, &mut error.detail, &mut error.hint, &mut error.context, &mut error.command]
            {
                part.truncate(part.trim_end().len());
            }
        }
        let seen = self.errors.len();
        let ending = match (status.code(), self.reported) {
            (Some(0), None) if seen == 0 => Ending::Complete,
            (Some(1), Some(reported)) if reported == seen => Ending::Complete,
            (_, Some(reported)) => Ending::Miscounted { reported, seen },
            (Some(0), None) => Ending::Miscounted { reported: 0, seen },
            (_, None) => Ending::Aborted,
        };
        (self.errors, ending)
    }

    fn start_error(&mut self, text: &str) {
        let (severity, message) = match text.strip_prefix(QUERY).and_then(|rest| rest.split_once(":  ")) {
            Some((severity @ ("ERROR" | "FATAL" | "PANIC"), message)) => (Some(severity.to_owned()), message),
            _ => (None, text),
        };
        let mut error = RestoreError {
            phase: self.phase,
            entry: self.entry.clone(),
            severity,
            message: String::new(),
            detail: String::new(),
            hint: String::new(),
            context: String::new(),
            command: String::new(),
        };
        append(&mut error.message, message);
        self.errors.push(error);
        self.open = Open::Error(Part::Message);
    }

    /// A message that is no error.
    fn remark(&mut self, text: &str) {
        if let (Open::Error(_), Some(error)) = (self.open, self.errors.last_mut()) {
            // Since pg_restore 15 its own errors come with these.
            for (prefix, part) in [("detail: ", &mut error.detail), ("hint: ", &mut error.hint)] {
                if let Some(rest) = text.strip_prefix(prefix) {
                    append(part, rest);
                    return;
                }
            }
        }
        self.open = Open::Remark;
        if let Some(entry) = text.strip_prefix("from TOC entry ") {
            self.entry = TocEntryRef::parse(entry);
            self.open = Open::Entry;
        } else if let Some(count) = text.strip_prefix("warning: errors ignored on restore: ") {
            self.reported = count.trim().parse().ok();
        } else {
            let phase = match text {
                "while INITIALIZING:" => Phase::Initializing,
                "while PROCESSING TOC:" => Phase::Processing,
                "while FINALIZING:" => Phase::Finalizing,
                _ => return,
            };
            self.phase = phase;
            self.entry = None;
        }
    }

    /// A line that continues the message before it; whether it may be shown.
    fn continuation(&mut self, line: &str) -> bool {
        let part = match self.open {
            Open::Remark => return true,
            Open::Entry => {
                if let Some(entry) = &mut self.entry {
                    append_line(&mut entry.label, line);
                }
                return true;
            }
            Open::Error(part) => part,
        };
        let Some(error) = self.errors.last_mut() else { return false };
        if part == Part::Withheld && !line.starts_with(COMMAND) {
            return false;
        }
        let (part, text, shown) = if let Some(command) = line.strip_prefix(COMMAND) {
            if SENSITIVE.iter().any(|start| command.starts_with(start)) {
                // The server quotes the statement to point into it.
                error.context.clear();
                (Part::Withheld, without_options(command), false)
            } else {
                (Part::Command, command, true)
            }
        } else if part == Part::Command {
            (part, line, true)
        } else if let Some(detail) = line.strip_prefix("DETAIL:  ") {
            (Part::Detail, detail, true)
        } else if let Some(hint) = line.strip_prefix("HINT:  ") {
            (Part::Hint, hint, true)
        } else if let Some(context) = line.strip_prefix("CONTEXT:  ") {
            (Part::Context, context, true)
        } else if line.starts_with("LINE ") || line.starts_with("QUERY:  ") {
            (Part::Context, line, false)
        } else {
            (part, line, part != Part::Context)
        };
        self.open = Open::Error(part);
        let target = match part {
            Part::Message => &mut error.message,
            Part::Detail => &mut error.detail,
            Part::Hint => &mut error.hint,
            Part::Context => &mut error.context,
            Part::Command | Part::Withheld => &mut error.command,
        };
        append_line(target, text);
        shown
    }
}

/// The beginning of a command, up to where a password could be.
fn without_options(command: &str) -> &str {
    let end = [" CONNECTION ", " OPTIONS ", "'"].iter().filter_map(|word| command.find(word)).min();
    &command[..end.unwrap_or(command.len())]
}

fn append_line(part: &mut String, line: &str) {
    if !part.is_empty() {
        append(part, "\n");
    }
    append(part, line);
}

fn append(part: &mut String, text: &str) {
    let mut end = LONGEST_PART.saturating_sub(part.len()).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    part.push_str(&text[..end]);
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn read(text: &str, status: i32) -> (Vec<RestoreError>, Ending) {
        let mut listener = Listener::new();
        for line in text.lines() {
            listener.line(line);
        }
        listener.finish(ExitStatus::from_raw(status << 8))
    }

    #[test]
    fn an_error_has_its_entry_message_and_command() {
        let (errors, ending) = read(include_str!("testdata/again-serial.stderr"), 1);
        assert_eq!((errors.len(), ending), (14, Ending::Complete));

        let first = &errors[0];
        assert_eq!((first.phase, &first.entry), (Phase::Initializing, &None));
        assert_eq!(first.message, r#"unrecognized configuration parameter "transaction_timeout""#);
        assert_eq!(first.command, "SET transaction_timeout = 0;");

        let table = errors.iter().find(|error| error.entry.as_ref().is_some_and(|e| e.dump_id == 217)).unwrap();
        let entry = table.entry.as_ref().unwrap();
        assert_eq!((entry.catalog, entry.oid, entry.label.as_str()), (1259, 17047, "TABLE odd\nname; x postgres"));
        assert_eq!((table.phase, table.severity.as_deref()), (Phase::Processing, Some("ERROR")));
        assert_eq!(table.message, "relation \"odd\nname; x\" already exists");
        assert_eq!(table.command, "CREATE TABLE \"app\".\"odd\nname; x\" (\n    \"id\" integer\n);");

        let second_of_an_entry = errors.last().unwrap();
        assert_eq!(second_of_an_entry.entry.as_ref().unwrap().dump_id, 3389);
        assert_eq!(second_of_an_entry.message, r#"subscription "s" does not exist"#);
    }

    #[test]
    fn hints_and_details_are_told_apart() {
        let (errors, _) = read(include_str!("testdata/unprivileged.stderr"), 1);
        assert_eq!(errors[0].message, r#"permission denied to create foreign-data wrapper "w""#);
        assert_eq!(errors[0].hint, "Must be superuser to create a foreign-data wrapper.");
        assert_eq!(errors[0].detail, "");
    }

    #[test]
    fn passwords_in_commands_are_neither_kept_nor_shown() {
        for text in [
            include_str!("testdata/again-serial.stderr"),
            include_str!("testdata/unprivileged.stderr"),
            "pg_restore: error: could not execute query: ERROR:  syntax error\n\
             LINE 1: CREATE SUBSCRIPTION s CONNECTION 'password=hunter2'\n         ^\n\
             Command was: CREATE SUBSCRIPTION s CONNECTION 'password=hunter2'\n PUBLICATION p;",
        ] {
            assert!(text.contains("hunter2"));
            let mut listener = Listener::new();
            let shown: Vec<_> = text.lines().filter(|line| listener.line(line)).collect();
            assert!(!shown.concat().contains("hunter2"));
            let (errors, _) = listener.finish(ExitStatus::from_raw(1 << 8));
            assert!(!format!("{errors:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_name_cannot_forge_an_error() {
        let text = "pg_restore: creating TABLE \"public.a\nerror: b\"";
        assert_eq!(read(text, 0), (Vec::new(), Ending::Complete));
    }

    #[test]
    fn an_error_that_was_not_seen_is_noticed() {
        let told = "pg_restore: error: could not execute query: ERROR:  no\nCommand was: X;\n";
        let count = "pg_restore: warning: errors ignored on restore: ";
        assert_eq!(read(&format!("{told}{count}1"), 1).1, Ending::Complete);
        assert_eq!(read(&format!("{told}{count}2"), 1).1, Ending::Miscounted { reported: 2, seen: 1 });
        assert_eq!(read(told, 0).1, Ending::Miscounted { reported: 0, seen: 1 });
    }

    #[test]
    fn giving_up_early_is_not_an_end() {
        let (errors, ending) = read("pg_restore: error: could not open input file \"x\": No such file or directory", 1);
        assert_eq!(ending, Ending::Aborted);
        assert_eq!(errors[0].message, "could not open input file \"x\": No such file or directory");
        assert_eq!((&errors[0].severity, errors[0].phase), (&None, Phase::Starting));

        let (errors, _) = read("pg_restore: fatal: unsupported version (1.99) in file header", 1);
        assert_eq!(errors.len(), 1);

        let killed = Listener::new().finish(ExitStatus::from_raw(9));
        assert_eq!(killed, (Vec::new(), Ending::Aborted));
    }

    #[test]
    fn details_of_pg_restore_itself_belong_to_its_error() {
        let (errors, _) = read("pg_restore: error: bad\npg_restore: detail: why\npg_restore: hint: how", 1);
        assert_eq!((errors[0].detail.as_str(), errors[0].hint.as_str()), ("why", "how"));
    }
}
