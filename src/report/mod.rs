//! The only place that prints: log lines and progress on standard error, the result as JSON on standard output, the
//! last line, the exit code.
//!
//! The log ends with `CLASS: message` when the run did not succeed, and with the final blocks when it did: scripts read both.

mod admin;
mod json;
mod log;
mod narrate;
mod outline;
mod progress;
mod summary;
mod terminal;
mod text;
mod verification;

use std::pin::pin;
use std::process::ExitCode;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

pub use summary::{DatabaseReport, Lag, RunReport};
pub use verification::{Comparing, VerificationReport};

use crate::error::{Error, Kind};
use crate::events::Event;
use crate::facts::ServerFacts;
use crate::logger;
use crate::plan::outline::Outline;
use crate::settings::{Format, OutputSettings};
use crate::shutdown::Signal;
use crate::validate::{self, Finding};
use json::{Document, Parts, Server};
use progress::{Mode, Progress};
use terminal::Terminal;

/// The report of one run: filled as the run goes, closed by [`Report::finish`].
#[derive(Debug)]
pub struct Report {
    output: OutputSettings,
    mode: Mode,
    terminal: Terminal,
    started: Timestamp,
    clock: Instant,
    servers: Option<(Server, Server)>,
    findings: Vec<Finding>,
    /// What a dry run would do, and whether all its tables are shown.
    plan: Option<(Outline, bool)>,
    run: Option<RunReport>,
    admin_sql_taken: bool,
}

impl Report {
    /// Opens the report: from here on `tracing` events of the loggers of [`crate::logger`] are log lines.
    pub fn start(output: OutputSettings) -> Self {
        let mode = Mode::choose(&output, Terminal::interactive());
        let terminal = Terminal::new(mode == Mode::Terminal);
        log::install(terminal.clone(), output.migration_id.clone(), output.debug);
        Self {
            output,
            mode,
            terminal,
            started: Timestamp::now(),
            clock: Instant::now(),
            servers: None,
            findings: Vec::new(),
            plan: None,
            run: None,
            admin_sql_taken: false,
        }
    }

    /// How it is reported.
    pub fn output(&self) -> &OutputSettings {
        &self.output
    }

    /// Notes which servers it is about.
    pub fn servers(&mut self, source: &ServerFacts, target: &ServerFacts) {
        self.servers = Some((source.into(), target.into()));
    }

    /// Takes what a run would do, for the end of the report; the text shows the largest tables, or all of them.
    pub fn outline(&mut self, outline: Outline, all_tables: bool) {
        self.plan = Some((outline, all_tables));
    }

    /// Logs what validation found.
    ///
    /// # Errors
    /// The first finding of severity error, as an error of kind [`Kind::Validation`].
    pub fn findings(&mut self, findings: Vec<Finding>) -> Result<(), Error> {
        narrate::findings(&findings);
        let refusal = validate::error_of(&findings);
        self.findings.extend(findings);
        refusal.map_or(Ok(()), Err)
    }

    /// Drives `work`, a migration, and takes in the events it sends; returns what `work` returns.
    pub async fn follow<T>(&mut self, mut events: UnboundedReceiver<Event>, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut progress = Progress::new(self.mode, self.terminal.clone());
        let interval = self.mode.interval();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.run.get_or_insert_default();
        let result = loop {
            tokio::select! {
                Some(event) = events.recv() => self.take(event),
                _ = ticks.tick() => {
                    if let Some(run) = &self.run {
                        progress.show(run, self.clock.elapsed());
                    }
                }
                result = &mut work => break result,
            }
        };
        while let Ok(event) = events.try_recv() {
            self.take(event);
        }
        result
    }

    fn take(&mut self, event: Event) {
        narrate::event(&event, self.run.as_ref());
        self.run.get_or_insert_default().apply(event, self.clock.elapsed());
    }

    /// What has come out of the migration so far; `None` before [`Report::follow`].
    pub fn run(&self) -> Option<&RunReport> {
        self.run.as_ref()
    }

    /// What is left to an administrator of the target so far, as a file of SQL. The log does not repeat it then.
    pub fn admin_sql(&mut self) -> String {
        self.admin_sql_taken = true;
        let left = self.run.as_ref().map_or(&[][..], |run| &run.left);
        admin::script(left, &self.output.migration_id, &json::rfc3339(Timestamp::now()))
    }

    /// Prints the end of the report: the final blocks, the JSON document, the last line.
    ///
    /// `result` is why the run ended early, `signal` the first signal that came. The exit code is that of, in this order:
    /// the signal, if anything was left undone; the error; failed databases, roles and comparisons; differences; waits that
    /// passed their limit; else 0.
    pub fn finish(self, result: Result<(), Error>, signal: Option<Signal>) -> ExitCode {
        let mut error = conclude(result, self.run.as_ref(), signal);
        let left = self.run.as_ref().map_or(&[][..], |run| &run.left);
        for line in admin::warnings(left) {
            tracing::warn!(target: logger::MIGRATE, "{line}");
        }
        for statement in left.iter().filter(|_| !self.admin_sql_taken) {
            tracing::info!(target: logger::MIGRATE, "{}", admin::line(statement));
        }
        for line in self.run.iter().flat_map(|run| run.lines(self.output.show_passwords)) {
            tracing::info!(target: logger::MIGRATE, "{line}");
        }
        if let Err(cause) = self.print_result(error.as_ref()) {
            let unwritten = || Error::new(Kind::Failed, "cannot write the result to standard output").caused_by(cause);
            error = error.or_else(|| Some(unwritten()));
        }
        match error {
            None => ExitCode::SUCCESS,
            Some(error) => {
                self.terminal.log(&last_lines(&error));
                ExitCode::from(error.kind.exit_code())
            }
        }
    }

    fn print_result(&self, error: Option<&Error>) -> std::io::Result<()> {
        if self.output.format == Format::Text {
            let Some((outline, all_tables)) = &self.plan else { return Ok(()) };
            let text: String = outline::lines(outline, *all_tables).iter().map(|line| format!("{line}\n")).collect();
            return terminal::print(text.as_bytes());
        }
        let document = Document::new(Parts {
            migration_id: &self.output.migration_id,
            started: self.started,
            finished: Timestamp::now(),
            servers: self.servers.as_ref(),
            findings: &self.findings,
            plan: self.plan.as_ref().map(|(outline, _)| outline),
            run: self.run.as_ref(),
            show_passwords: self.output.show_passwords,
            error,
        });
        terminal::print(document.text()?.as_bytes())
    }
}

/// Refuses to start a run, before there is a report to write it to.
pub fn refuse(error: &Error) -> ExitCode {
    complain(&last_lines(error), error.kind)
}

/// Prints `text`, which explains a failure of `kind` and ends with a newline, to standard error.
pub fn complain(text: &str, kind: Kind) -> ExitCode {
    Terminal::new(false).log(text);
    ExitCode::from(kind.exit_code())
}

/// Prints what was asked for to standard output.
pub fn print(bytes: &[u8]) -> ExitCode {
    match terminal::print(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => refuse(&Error::new(Kind::Failed, "cannot write to standard output").caused_by(cause)),
    }
}

/// Why the run as a whole did not succeed.
fn conclude(result: Result<(), Error>, run: Option<&RunReport>, signal: Option<Signal>) -> Option<Error> {
    let error = result.err().or_else(|| run.and_then(RunReport::verdict))?;
    match signal {
        Some(signal) if error.kind != signal.kind() => {
            Some(Error::new(signal.kind(), format!("stopped by {signal}")).caused_by(error.chain()))
        }
        _ => Some(error),
    }
}

/// Hints, then `CLASS: message` as the very last line.
fn last_lines(error: &Error) -> String {
    let hints: String = error.hints.iter().map(|hint| format!("hint: {hint}\n")).collect();
    format!("{hints}{}: {}\n", error.kind.class(), text::one_line(&error.chain()))
}

#[cfg(test)]
mod tests {
    use super::summary::tests::{database, report};
    use super::*;
    use crate::events::DatabaseStatus;
    use crate::settings::Method;
    use crate::validate::Severity;

    #[test]
    fn the_last_line_is_the_class_and_the_message_even_with_hints_and_long_causes() {
        let error = Error::new(Kind::Validation, "Invalid").caused_by("ERROR: no\nDETAIL: why").hint("type this");
        assert_eq!(
            last_lines(&error),
            "hint: type this\nPGMigrateValidationFailedError: Invalid: ERROR: no DETAIL: why\n"
        );
    }

    fn concluded(result: Result<(), Error>, status: DatabaseStatus, signal: Option<Signal>) -> Option<Kind> {
        let run = report([database("a", Some(Method::Dump), status, "")]);
        conclude(result, Some(&run), signal).map(|error| error.kind)
    }

    #[test]
    fn a_signal_counts_only_when_something_was_left_undone() {
        let signal = Some(Signal::Terminate);
        assert_eq!(concluded(Ok(()), DatabaseStatus::Cancelled, signal), Some(Kind::Terminated));
        assert_eq!(concluded(Ok(()), DatabaseStatus::Done, signal), None);
        let error = || Err(Error::new(Kind::Connection, "gone"));
        assert_eq!(concluded(error(), DatabaseStatus::Done, signal), Some(Kind::Terminated));
        assert_eq!(concluded(error(), DatabaseStatus::Failed, None), Some(Kind::Connection));
        assert_eq!(concluded(Ok(()), DatabaseStatus::Failed, None), Some(Kind::Failed));
    }

    #[tokio::test]
    async fn events_sent_just_before_the_end_are_not_lost() {
        let output = OutputSettings {
            debug: false,
            progress: false,
            cursor: false,
            format: Format::Text,
            show_passwords: false,
            migration_id: "a1b2".into(),
        };
        let mut report = Report::start(output);
        let (events, receiver) = crate::events::Events::channel();
        let answer = report
            .follow(receiver, async {
                events.send(database("a", None, DatabaseStatus::Failed, "no"));
                events.send(database("b", None, DatabaseStatus::Failed, "no"));
                42
            })
            .await;
        assert_eq!(answer, 42);
        assert_eq!(report.run().map(|run| run.databases.len()), Some(2));
    }

    #[test]
    fn every_error_finding_is_logged_and_the_first_one_ends_the_run() {
        let finding = |severity, message: &str| Finding {
            id: "x",
            severity,
            subject: "source".into(),
            message: message.into(),
            fix: None,
        };
        let findings = vec![
            finding(Severity::Warning, "warned"),
            finding(Severity::Error, "first"),
            finding(Severity::Error, "second"),
        ];
        let environment = crate::settings::Environment::default();
        let options = crate::cli::OutputOptions {
            debug: false,
            migration_id: None,
            output: crate::cli::OutputFormat::Text,
            no_progress: true,
        };
        let mut report = Report::start(OutputSettings::new(&options, false, &environment));
        let error = report.findings(findings).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Validation, "first"));
        assert_eq!(report.findings.len(), 3);
    }
}
