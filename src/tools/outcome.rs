//! How a run of `pg_restore` went, as values.

use std::fmt;
use std::process::ExitStatus;

/// How a run of `pg_restore` went.
#[derive(Debug)]
pub struct RestoreOutcome {
    /// The errors it met, in order.
    pub errors: Vec<RestoreError>,
    /// How it ended.
    pub ending: Ending,
    /// Its exit status.
    pub status: ExitStatus,
    /// The last lines it wrote, oldest first, without commands that could hold a password.
    pub last_words: Vec<String>,
}

/// No part of an error is kept beyond this many bytes; a function's source can be long.
pub(super) const LONGEST_PART: usize = 16 * 1024;

/// What `pg_restore` was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the archive, connecting.
    Starting,
    /// Setting up the session.
    Initializing,
    /// Creating what is in the archive.
    Processing,
    /// Closing.
    Finalizing,
}

/// The entry of the archive that `pg_restore` names in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TocEntryRef {
    /// Its number in the archive; [`Entry::dump_id`](super::Entry::dump_id).
    pub dump_id: u32,
    /// The catalog that describes the object on the source, or 0.
    pub catalog: u32,
    /// The object's identifier in that catalog, or 0.
    pub oid: u32,
    /// Kind, tag and owner: `TABLE t app`.
    pub label: String,
}

impl TocEntryRef {
    /// Reads `216; 1259 17037 TABLE t app`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (dump_id, rest) = text.split_once("; ")?;
        let mut parts = rest.splitn(3, ' ');
        Some(Self {
            dump_id: dump_id.parse().ok()?,
            catalog: parts.next()?.parse().ok()?,
            oid: parts.next()?.parse().ok()?,
            label: parts.next()?.to_owned(),
        })
    }
}

/// One error of `pg_restore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreError {
    /// What it was about.
    pub phase: Phase,
    /// The entry it was at; unknown before and after processing.
    pub entry: Option<TocEntryRef>,
    /// The severity (`ERROR`, `FATAL`) when the server refused a command, and speaks English.
    pub severity: Option<String>,
    /// With a severity the server's primary message, otherwise all of pg_restore's.
    pub message: String,
    /// The server's `DETAIL`, or empty.
    pub detail: String,
    /// The server's `HINT`, or empty.
    pub hint: String,
    /// What else the server said: `CONTEXT`, the place in the statement; or empty.
    pub context: String,
    /// The command that failed, or empty. Options and connection strings, which can hold passwords, are cut off.
    pub command: String,
}

impl RestoreError {
    /// The command; `None` when a part is not here, because it could hold a password or was too long to keep.
    pub fn whole_command(&self) -> Option<&str> {
        Some(self.command.as_str()).filter(|command| command.ends_with(';') && command.len() < LONGEST_PART)
    }
}

/// Shows the entry, or else the first line of the command, and message and detail.
impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = &self.entry {
            write!(f, "{}: ", entry.label)?;
        } else if let Some(command) = self.command.lines().next() {
            write!(f, "{command}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

/// How a run of `pg_restore` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It went through the whole list, and the errors we know are all it met.
    Complete,
    /// It gave up or was stopped before its end.
    Aborted,
    /// It counts its errors otherwise than we do, so there may be some that we do not know.
    Miscounted {
        /// The errors that it says it met.
        reported: usize,
        /// The errors that it told of.
        seen: usize,
    },
}
