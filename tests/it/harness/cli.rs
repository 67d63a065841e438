//! Running a program, the one under test above all, with a time limit and a look at what it says meanwhile.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wait::{LIMIT, wait_for};

/// Arguments with which a run makes replication complete, and ends it.
pub(crate) const FINISH: [&str; 2] = ["--max-replication-lag=0", "--stop-replication"];

/// A program about to run. Of our environment it gets `PATH`, `HOME` and `TMPDIR`.
#[must_use = "it starts with run() or spawn()"]
pub(crate) struct Run {
    command: Command,
    limit: Duration,
    input: Vec<u8>,
}

impl Run {
    /// The program under test.
    pub(crate) fn pg_migrate() -> Self {
        Self::program(env!("CARGO_BIN_EXE_pg_migrate"))
    }

    /// Any program.
    pub(crate) fn program(program: impl AsRef<Path>) -> Self {
        let mut command = Command::new(program.as_ref());
        let kept = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(kept);
        Self { command, limit: LIMIT, input: Vec::new() }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<str>) -> Self {
        self.command.arg(argument.as_ref());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<str>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// What it reads on standard input; nothing unless told.
    pub(crate) fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// After how long it is killed and the test fails; a minute unless told.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets it, and what it starts, allocate no more than this many kilobytes.
    pub(crate) fn memory(mut self, kilobytes: u32) -> Self {
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", r#"ulimit -d "$0" && exec "$@""#, &kilobytes.to_string()]);
        limited.arg(self.command.get_program()).args(self.command.get_args());
        limited.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = limited;
        self
    }

    /// Runs it to its end.
    #[must_use = "check how it ended, such as with expect_code()"]
    pub(crate) fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Starts it and lets it run.
    pub(crate) fn spawn(mut self) -> Running {
        // A group of its own, so that the programs it starts can be stopped with it.
        let piped = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command.get_program()));
        let mut stdin = child.stdin.take().expect("standard input is piped");
        // A program that does not read its input is free to do so.
        let _ = stdin.write_all(&self.input);
        let stderr = Arc::new(Stream::default());
        let stdout = child.stdout.take().expect("standard output is piped");
        let readers = Readers {
            stdout: std::thread::spawn(move || read_all(stdout)),
            stderr: std::thread::spawn({
                let (pipe, stream) = (child.stderr.take().expect("standard error is piped"), Arc::clone(&stderr));
                move || stream.fill(pipe)
            }),
        };
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let command = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Running { command, child, stderr, readers: Some(readers), limit: self.limit }
    }
}

/// A program that runs; dropping this kills it.
#[must_use = "wait() says how it ended"]
pub(crate) struct Running {
    command: String,
    child: Child,
    stderr: Arc<Stream>,
    readers: Option<Readers>,
    limit: Duration,
}

struct Readers {
    stdout: JoinHandle<String>,
    stderr: JoinHandle<()>,
}

impl Running {
    /// Waits until a line on standard error contains `text`, and gives that line.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.stderr.wait_for_line(text, self.limit).unwrap_or_else(|said| {
            panic!("{}\nnever said {text:?} within {:?}, but:\n{said}", self.command, self.limit)
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal `name` (`INT`, `TERM`, `KILL`, …) to it alone, as a service manager does.
    pub(crate) fn signal(&self, name: &str) {
        kill(name, &self.child.id().to_string());
    }

    /// Sends the signal `name` to it and the programs it started, as Ctrl-C in a terminal does.
    pub(crate) fn signal_group(&self, name: &str) {
        kill(name, &format!("-{}", self.child.id()));
    }

    /// Waits for its own end, whatever becomes of programs that it started, and gives the signal that ended it.
    pub(crate) fn wait_for_exit(mut self) -> Option<i32> {
        self.child.wait().expect("the status of our own child").signal()
    }

    /// Waits for its end.
    #[must_use = "check how it ended, such as with expect_code()"]
    pub(crate) fn wait(mut self) -> Outcome {
        let readers = self.readers.take().expect("only wait() takes them");
        // A program that it leaves behind holds its output open, and is as much a failure as not ending.
        let ended = wait_for(self.limit, || match self.child.try_wait() {
            Ok(Some(_)) if readers.stdout.is_finished() && readers.stderr.is_finished() => Ok(()),
            Ok(Some(_)) => Err("it ended, but a program that it started still runs".to_owned()),
            Ok(None) => Err("it runs".to_owned()),
            Err(error) => panic!("waiting for {}: {error}", self.command),
        });
        if ended.is_err() {
            self.signal_group("KILL");
        }
        let status = self.child.wait().expect("the status of our own child");
        let stdout = readers.stdout.join().expect("reading standard output");
        readers.stderr.join().expect("reading standard error");
        let outcome = Outcome { command: self.command.clone(), status, stdout, stderr: self.stderr.text() };
        ended.unwrap_or_else(|status| panic!("{status}; killed:\n{outcome}"));
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal_group("KILL");
            let _ = self.child.wait();
        }
    }
}

/// How a program ended, and all that it said.
pub(crate) struct Outcome {
    command: String,
    status: ExitStatus,
    /// All of its standard output.
    pub(crate) stdout: String,
    /// All of its standard error.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Fails the test, showing everything, unless the exit code is `code`.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "unexpected end:\n{self}");
        self
    }

    /// The last line on standard error, which says how it went.
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// Fails the test, showing everything, unless `line` is the last line on standard error.
    pub(crate) fn expect_last_line(self, line: &str) -> Self {
        assert_eq!(self.last_line(), line, "unexpected end:\n{self}");
        self
    }

    /// Fails the test, showing everything, if `text` is in what it said.
    pub(crate) fn expect_silence_about(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "{text:?} is in:\n{self}");
        self
    }

    /// Fails the test, showing everything, unless standard error contains `text`.
    pub(crate) fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in standard error:\n{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "$ {command}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Text that one thread reads from a program while another waits for something in it.
#[derive(Default)]
struct Stream {
    state: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    text: String,
    ended: bool,
}

impl Stream {
    fn fill(&self, pipe: impl Read) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            self.change(|said| said.text.push_str(&String::from_utf8_lossy(&line)));
            line.clear();
        }
        self.change(|said| said.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.state.lock().expect("no thread panics while it holds this"));
        self.more.notify_all();
    }

    /// The line, or all that was said without it.
    fn wait_for_line(&self, text: &str, limit: Duration) -> Result<String, String> {
        let find = |said: &Said| said.text.lines().find(|line| line.contains(text)).map(str::to_owned);
        let state = self.state.lock().expect("no thread panics while it holds this");
        let (said, _) = self
            .more
            .wait_timeout_while(state, limit, |said| !said.ended && find(said).is_none())
            .expect("no thread panics while it holds this");
        find(&said).ok_or_else(|| said.text.clone())
    }

    fn text(&self) -> String {
        self.state.lock().expect("no thread panics while it holds this").text.clone()
    }
}

fn read_all(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("reading a pipe");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `target` is a process id, or minus a group's id.
fn kill(signal: &str, target: &str) {
    // Fails when the process has just ended by itself, which is as good.
    let _ = Command::new("kill").args(["-s", signal, "--", target]).stderr(Stdio::null()).status();
}
