//! Running one child process.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, io, pin::pin};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{ChildConnection, ToolError};
use crate::logger;

/// How long after its end what a child has written may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Longer lines are cut: a line is for people and for our parser, and both have seen enough by then.
const LONGEST_LINE: usize = 64 * 1024;

/// A program with its arguments and environment, ready to run.
///
/// `Display` shows program and arguments and never the environment; there is no `Debug`.
pub(super) struct ToolCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

/// What a child that ran to its end left behind.
pub(super) struct Finished {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// All it wrote to standard output.
    pub(super) stdout: Vec<u8>,
}

impl ToolCommand {
    /// `program` without arguments.
    pub(super) fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds `--name=value`.
    pub(super) fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut argument = OsString::from(name);
        argument.push("=");
        argument.push(value);
        self.arg(argument)
    }

    /// Connects to `server`, with `settings` (names and values) in every session.
    pub(super) fn connect(mut self, server: &ChildConnection, settings: &[(&str, &str)]) -> Self {
        let mut options = String::new();
        for (name, value) in &server.environment {
            if name == "PGOPTIONS" {
                options.clone_from(value);
            } else {
                self.environment.push((name.clone(), value.into()));
            }
        }
        for (name, value) in settings {
            if !options.is_empty() {
                options.push(' ');
            }
            options.push_str(&format!("-c {name}={}", escape_option(value)));
        }
        if !options.is_empty() {
            self.environment.push(("PGOPTIONS".to_owned(), options.into()));
        }
        if let Some(passfile) = &server.passfile {
            self.environment.push(("PGPASSFILE".to_owned(), passfile.into()));
        }
        self.arg("--no-password").option("--dbname", &server.conninfo)
    }

    /// Runs it to its end and hands each line of its standard error to `on_line`.
    ///
    /// When `cancel` fires, or the future is dropped, the child and all its own children are killed. What their servers are
    /// doing then is the caller's to end, who knows the sessions by their `application_name`.
    pub(super) async fn run(
        &self,
        cancel: &CancellationToken,
        on_line: impl FnMut(&str),
    ) -> Result<Finished, ToolError> {
        if cancel.is_cancelled() {
            return Err(self.cancelled());
        }
        debug!(target: logger::MIGRATE, "running {self}");
        let mut child =
            self.command().spawn().map_err(|source| ToolError::Start { program: self.program.clone(), source })?;
        let group = Group::of(&child);
        let finished = tokio::select! {
            finished = converse(&mut child, group.leader, on_line) => finished,
            () = cancel.cancelled() => return Err(self.cancelled()),
        };
        group.forget();
        finished.map_err(|source| ToolError::Lost { program: self.program.clone(), source })
    }

    /// Runs it and returns what it wrote to standard output, or, when it failed, an error with its last words.
    pub(super) async fn output(&self, cancel: &CancellationToken) -> Result<String, ToolError> {
        let mut last_words = Tail::default();
        let finished = self.run(cancel, |line| last_words.push(line)).await?;
        if finished.status.success() {
            Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
        } else {
            Err(self.failed(finished.status, last_words))
        }
    }

    /// The error for a run that ended with `status`.
    pub(super) fn failed(&self, status: ExitStatus, last_words: Tail) -> ToolError {
        ToolError::Failed { program: self.program.clone(), status, last_words: last_words.into_lines() }
    }

    fn cancelled(&self) -> ToolError {
        ToolError::Cancelled { program: self.program.clone() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for (name, _) in env::vars_os() {
            if is_ours_alone(&name) {
                command.env_remove(name);
            }
        }
        // Messages are parsed, and translations differ.
        command.env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }
}

impl fmt::Display for ToolCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        for argument in &self.arguments {
            let text = argument.to_string_lossy();
            let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c));
            if plain {
                write!(f, " {text}")?;
            } else {
                write!(f, " '{}'", text.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

/// `PG*` variables are part of the connection string already (and `PG_COLOR` would colour the messages); the locale is set.
fn is_ours_alone(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("PG") || name.starts_with("LC_") || name == "LANGUAGE"
}

/// A value as `PGOPTIONS` wants it: blanks and backslashes escaped.
fn escape_option(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_whitespace() || c == '\\' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The last lines of a child.
#[derive(Default)]
pub(super) struct Tail(std::collections::VecDeque<String>);

impl Tail {
    const LINES: usize = 50;

    /// Adds a line.
    pub(super) fn push(&mut self, line: &str) {
        if self.0.len() == Self::LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// The lines, oldest first.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.0.into()
    }
}

/// The process group of a child, ended by force unless it is known to be gone.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        Self { leader: child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) }
    }

    /// The child has been waited for: its number may already be another's.
    fn forget(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(self.leader);
    }
}

fn kill_group(leader: Option<Pid>) {
    if let Some(group) = leader
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        debug!(target: logger::MIGRATE, "cannot kill process group {}: {error}", group.as_raw_nonzero());
    }
}

async fn converse(child: &mut Child, leader: Option<Pid>, on_line: impl FnMut(&str)) -> io::Result<Finished> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let collect = async {
        let mut text = Vec::new();
        if let Some(mut pipe) = stdout {
            pipe.read_to_end(&mut text).await?;
        }
        Ok(text)
    };
    let listen = async {
        match stderr {
            Some(pipe) => each_line(pipe, on_line).await,
            None => Ok(()),
        }
    };
    let mut pipes = pin!(async { tokio::try_join!(collect, listen) });
    let (read, status) = tokio::select! {
        read = &mut pipes => (read, child.wait().await?),
        status = child.wait() => {
            let read = match tokio::time::timeout(LAST_WORDS, &mut pipes).await {
                Ok(read) => read,
                // Its own children hold the pipes: workers of a pg_restore that was killed.
                Err(_) => {
                    kill_group(leader);
                    pipes.await
                }
            };
            (read, status?)
        }
    };
    let (stdout, ()) = read?;
    Ok(Finished { status, stdout })
}

/// Calls `on_line` with every line of `pipe`, without its end; memory does not grow with the length of a line.
async fn each_line(pipe: impl AsyncRead + Unpin, mut on_line: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            if !line.is_empty() {
                on_line(&String::from_utf8_lossy(&line));
            }
            return Ok(());
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&piece[..piece.len().min(LONGEST_LINE.saturating_sub(line.len()))]);
        let used = piece.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            on_line(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> ToolCommand {
        ToolCommand::new(Path::new("/bin/sh")).arg("-c").arg(script)
    }

    async fn lines(script: &str) -> Vec<String> {
        let mut lines = Vec::new();
        shell(script).run(&CancellationToken::new(), |line| lines.push(line.to_owned())).await.unwrap();
        lines
    }

    #[tokio::test]
    async fn output_and_status_come_back() {
        let finished = shell("echo out; exit 7").run(&CancellationToken::new(), |_| {}).await.unwrap();
        assert_eq!((finished.status.code(), finished.stdout.as_slice()), (Some(7), &b"out\n"[..]));
    }

    #[tokio::test]
    async fn lines_arrive_one_by_one_whatever_is_in_them() {
        assert_eq!(lines(r"printf 'a\n\n\377b\nno end' >&2").await, ["a", "", "\u{fffd}b", "no end"]);
    }

    #[tokio::test]
    async fn a_line_without_end_does_not_fill_the_memory() {
        let lines = lines(r"head -c 3000000 /dev/zero | tr '\0' x >&2; echo >&2; echo next >&2").await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, 4]);
    }

    #[tokio::test]
    async fn a_failure_keeps_the_last_lines_only() {
        let error = shell("seq 1 200 >&2; exit 1").output(&CancellationToken::new()).await.unwrap_err();
        let ToolError::Failed { last_words, .. } = error else { panic!("{error}") };
        assert_eq!((last_words.len(), last_words[0].as_str(), last_words[49].as_str()), (50, "151", "200"));
    }

    #[tokio::test]
    async fn a_program_that_does_not_start_is_named() {
        let command = ToolCommand::new(Path::new("/nowhere/pg_dump"));
        let error = command.output(&CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start /nowhere/pg_dump");
    }

    /// Runs `script`, cancels when it has written a line, and returns how long it then took to end.
    async fn cancelled(script: &str) -> Duration {
        let cancel = CancellationToken::new();
        let mut since = Instant::now();
        let outcome = shell(script)
            .run(&cancel, |_| {
                since = Instant::now();
                cancel.cancel();
            })
            .await;
        assert!(matches!(outcome, Err(ToolError::Cancelled { .. })));
        since.elapsed()
    }

    #[tokio::test]
    async fn a_child_ends_with_its_own_children_when_cancelled() {
        // The pipe stays open for as long as one of them lives.
        let took = cancelled("sleep 600 & echo ready >&2; wait").await;
        assert!(took < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn workers_do_not_outlive_a_child_that_is_gone() {
        let since = Instant::now();
        assert_eq!(lines("sleep 600 & echo gone >&2").await, ["gone"]);
        assert!(since.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_child_that_does_not_listen_is_killed() {
        let took = cancelled("trap '' TERM; echo ready >&2; sleep 600").await;
        assert!(took < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn nothing_is_started_when_already_cancelled() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let outcome = ToolCommand::new(Path::new("/nowhere/pg_dump")).run(&cancel, |_| {}).await;
        assert!(matches!(outcome, Err(ToolError::Cancelled { .. })));
    }

    #[test]
    fn the_environment_is_never_shown() {
        let server = ChildConnection {
            conninfo: "host=db user='it is'".to_owned(),
            passfile: Some("/run/passfile".into()),
            environment: vec![("PGSSLPASSWORD".to_owned(), "hunter2".to_owned())],
        };
        let command = ToolCommand::new(Path::new("/bin/pg_dump")).connect(&server, &[]);
        assert_eq!(command.to_string(), r"/bin/pg_dump --no-password '--dbname=host=db user='\''it is'\'''");
    }
}
