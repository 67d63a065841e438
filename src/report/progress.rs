//! How far a migration is, while it runs: lines at the foot of a terminal, or a log line now and then.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::summary::{DatabaseReport, RunReport};
use super::terminal::Terminal;
use super::text::{duration, size};
use super::verification::{self, Comparing};
use crate::events::Stage;
use crate::logger;
use crate::settings::OutputSettings;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One line per active database at the foot of the terminal.
    Terminal,
    /// A log line now and then.
    Log,
    /// Not at all.
    Off,
}

impl Mode {
    /// What `output` asks for and standard error is fit for.
    pub(super) fn choose(output: &OutputSettings, interactive: bool) -> Self {
        match (output.progress, interactive && output.cursor) {
            (false, _) => Mode::Off,
            (true, true) => Mode::Terminal,
            (true, false) => Mode::Log,
        }
    }

    /// How often to show.
    pub(super) fn interval(self) -> Duration {
        match self {
            Mode::Terminal => Duration::from_millis(500),
            Mode::Log | Mode::Off => Duration::from_secs(30),
        }
    }
}

/// Shows progress of one migration.
#[derive(Debug)]
pub(super) struct Progress {
    mode: Mode,
    terminal: Terminal,
    lines: HashMap<String, (ProgressBar, Speed)>,
    total: Speed,
    comparison: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(mode: Mode, terminal: Terminal) -> Self {
        Self { mode, terminal, lines: HashMap::new(), total: Speed::default(), comparison: None }
    }

    /// Shows what `run` says `now`, counted from the start of the run.
    pub(super) fn show(&mut self, run: &RunReport, now: Duration) {
        match self.mode {
            Mode::Off => {}
            Mode::Log => {
                self.total.record(now, run.databases.iter().map(|database| database.bytes_sent).sum());
                if let Some(text) = describe(run, self.total.per_second()) {
                    tracing::info!(target: logger::MIGRATE, "{text}");
                }
            }
            Mode::Terminal => {
                for database in &run.databases {
                    self.show_line(database, now);
                }
                self.show_comparison(comparing(run));
            }
        }
    }

    fn show_line(&mut self, database: &DatabaseReport, now: Duration) {
        let Some(stage) = database.stage() else {
            if let Some((line, _)) = self.lines.remove(&database.name) {
                self.terminal.bars().remove(&line);
            }
            return;
        };
        let (line, speed) = self
            .lines
            .entry(database.name.clone())
            .or_insert_with(|| (self.terminal.bars().add(new_line()), Speed::default()));
        speed.record(now, database.bytes_sent);
        line.set_message(format!("{}: {}", database.name, activity(database, stage, speed.per_second())));
        line.tick();
    }
}

impl Progress {
    fn show_comparison(&mut self, comparing: Option<&Comparing>) {
        match comparing {
            Some(comparing) => {
                let line = self.comparison.get_or_insert_with(|| self.terminal.bars().add(new_line()));
                line.set_message(verification::progress(comparing));
                line.tick();
            }
            None => {
                if let Some(line) = self.comparison.take() {
                    self.terminal.bars().remove(&line);
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        for line in self.lines.values().map(|(line, _)| line).chain(&self.comparison) {
            self.terminal.bars().remove(line);
        }
    }
}

fn new_line() -> ProgressBar {
    let line = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {wide_msg}") {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}

/// All active databases in one sentence; `None` when none is active.
fn describe(run: &RunReport, per_second: Option<u64>) -> Option<String> {
    let active = || run.databases.iter().filter_map(|database| Some((database, database.stage()?)));
    let mut parts = Vec::new();
    if active().any(|(_, stage)| stage == Stage::Copy) {
        let sum = |value: fn(&DatabaseReport) -> u64| run.databases.iter().map(value).sum();
        parts.push(copied(
            sum(|database| database.bytes_sent),
            sum(|database| database.bytes),
            run.databases.iter().map(|database| database.tables_copied).sum(),
            run.databases.iter().map(|database| database.tables).sum(),
            per_second,
        ));
    }
    let others = active().filter(|(_, stage)| *stage != Stage::Copy);
    parts.extend(others.map(|(database, stage)| format!("{}: {}", database.name, activity(database, stage, None))));
    parts.extend(comparing(run).map(verification::progress));
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The database whose rows are being compared, and have a size.
fn comparing(run: &RunReport) -> Option<&Comparing> {
    run.verification.as_ref()?.current.as_ref().filter(|comparing| comparing.bytes > 0)
}

/// What `database` does now, and how far it is.
fn activity(database: &DatabaseReport, stage: Stage, per_second: Option<u64>) -> String {
    match stage {
        Stage::Copy => copied(database.bytes_sent, database.bytes, database.tables_copied, database.tables, per_second),
        Stage::CatchUp => match database.lag {
            Some(lag) => {
                let behind =
                    lag.bytes.map_or("not reporting yet".to_owned(), |bytes| format!("{} behind", size(bytes)));
                format!("catching up, {} of {} tables ready, {behind}", lag.ready, lag.tables)
            }
            None => "catching up".to_owned(),
        },
        stage => name(stage).to_owned(),
    }
}

/// What a database in `stage` does, in words.
pub(super) fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Preparing => "preparing",
        Stage::Schema => "restoring the schema",
        Stage::Copy => "copying rows",
        Stage::Indexes => "building indexes and constraints",
        Stage::Analyze => "analyzing",
        Stage::CatchUp => "catching up",
        Stage::Finish => "finishing",
    }
}

fn copied(sent: u64, bytes: u64, tables_copied: usize, tables: usize, per_second: Option<u64>) -> String {
    let mut text = format!("copied {} of {}, {tables_copied} of {tables} tables", size(sent), size(bytes));
    if let Some(per_second) = per_second.filter(|per_second| *per_second > 0) {
        text.push_str(&format!(", {}/s", size(per_second)));
        // The plan counts what tables occupy on disk, which can be less than what is sent.
        if let Some(left) = bytes.checked_sub(sent).filter(|left| *left > 0) {
            text.push_str(&format!(", about {} left", duration(Duration::from_secs(left.div_ceil(per_second)))));
        }
    }
    text
}

/// The speed over the last minute, or the last two readings where they lie further apart.
#[derive(Debug, Default)]
struct Speed {
    readings: VecDeque<(Duration, u64)>,
}

impl Speed {
    fn record(&mut self, now: Duration, bytes: u64) {
        self.readings.push_back((now, bytes));
        while self.readings.len() > 2 && now.saturating_sub(self.readings[0].0) > Duration::from_secs(60) {
            self.readings.pop_front();
        }
    }

    /// Bytes per second; `None` before there are two readings.
    fn per_second(&self) -> Option<u64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let milliseconds = last.0.saturating_sub(first.0).as_millis();
        let bytes = u128::from(last.1.saturating_sub(first.1));
        (bytes * 1000).checked_div(milliseconds).and_then(|speed| u64::try_from(speed).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::report;
    use super::*;
    use crate::events::Event;

    fn copying() -> Vec<Event> {
        let database = || "app".to_owned();
        vec![
            Event::Stage { database: database(), stage: Stage::Copy },
            Event::CopyPlanned { database: database(), tables: 300, bytes: 45_000_000_000 },
            Event::CopyProgress { database: database(), bytes: 12_300_000_000 },
        ]
    }

    #[test]
    fn a_copy_says_how_much_how_fast_and_how_long() {
        assert_eq!(
            describe(&report(copying()), Some(98_000_000)).unwrap(),
            "copied 12.3 GB of 45.0 GB, 0 of 300 tables, 98.0 MB/s, about 6 min left"
        );
    }

    #[test]
    fn databases_that_do_something_else_follow_by_name() {
        let mut events = copying();
        let database = || "shop".to_owned();
        events.push(Event::Stage { database: database(), stage: Stage::CatchUp });
        events.push(Event::Lag { database: database(), ready: 3, tables: 4, bytes: Some(12_000_000) });
        assert_eq!(
            describe(&report(events), None).unwrap(),
            "copied 12.3 GB of 45.0 GB, 0 of 300 tables; shop: catching up, 3 of 4 tables ready, 12.0 MB behind"
        );
    }

    #[test]
    fn nothing_active_says_nothing() {
        assert_eq!(describe(&RunReport::default(), None), None);
    }

    #[test]
    fn sending_more_than_planned_promises_no_time() {
        assert_eq!(copied(20, 10, 1, 2, Some(5)), "copied 20 B of 10 B, 1 of 2 tables, 5 B/s");
    }

    #[test]
    fn speed_is_that_of_the_last_minute() {
        let mut speed = Speed::default();
        assert_eq!(speed.per_second(), None);
        for second in 0..=600 {
            speed.record(Duration::from_secs(second), if second < 500 { 0 } else { (second - 500) * 10 });
        }
        assert_eq!(speed.per_second(), Some(10));
    }

    #[test]
    fn only_a_terminal_that_can_move_its_cursor_gets_live_lines() {
        use crate::cli::{OutputFormat, OutputOptions};
        use crate::settings::Environment;
        let choose = |no_progress, term: &str, interactive| {
            let options = OutputOptions { debug: false, migration_id: None, output: OutputFormat::Text, no_progress };
            let mut environment = Environment::default();
            environment.variables.insert("TERM".into(), term.into());
            Mode::choose(&OutputSettings::new(&options, false, &environment), interactive)
        };
        assert_eq!(choose(false, "xterm", true), Mode::Terminal);
        assert_eq!(choose(false, "dumb", true), Mode::Log);
        assert_eq!(choose(false, "xterm", false), Mode::Log);
        assert_eq!(choose(true, "xterm", true), Mode::Off);
    }
}
