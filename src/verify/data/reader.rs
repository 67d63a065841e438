//! Reads the rows of one side with several sessions that share a snapshot.

use std::sync::{Mutex, PoisonError};

use futures_util::future;

use super::super::session::{self, Snapshot};
use crate::error::{Error, Kind};
use crate::events::Rows;
use crate::pg::{Client, PgError};
use crate::sql::Sql;

/// A part of what is to be read.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Which of the things that are read.
    pub(super) item: usize,
    /// What it is, for messages.
    pub(super) doing: String,
    /// About how many bytes it is.
    pub(super) bytes: u64,
    /// The query: one row with number and sum.
    pub(super) query: Sql,
}

/// What one more session has to be worth, in bytes to read and in things to read.
const WORTH_BYTES: u64 = 16 * 1024 * 1024;
const WORTH_TASKS: usize = 100;

/// The sessions of one side.
pub(super) struct Reader<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    /// How many sessions.
    pub(super) jobs: usize,
    /// Told bytes that were read.
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

/// What is left to read, and what has come out.
struct State {
    /// Smallest first: the next one is taken from the end.
    waiting: Vec<Task>,
    items: Vec<Result<Rows, Error>>,
}

impl Reader<'_> {
    /// Reads `items` things, largest tasks first, and gives for each what came out or the first error.
    ///
    /// # Errors
    /// When a session cannot be opened: then nothing more can be read.
    pub(super) async fn read(&self, items: usize, mut tasks: Vec<Task>) -> Result<Vec<Result<Rows, Error>>, Error> {
        tasks.sort_by_key(|task| task.bytes);
        let bytes = tasks.iter().map(|task| task.bytes).sum::<u64>();
        let worth = usize::try_from(bytes / WORTH_BYTES).unwrap_or(usize::MAX).max(tasks.len() / WORTH_TASKS);
        let sessions = self.jobs.min(worth + 1).min(tasks.len());
        let state = Mutex::new(State { waiting: tasks, items: (0..items).map(|_| Ok(Rows::default())).collect() });
        future::try_join_all((0..sessions).map(|_| self.work(&state))).await?;
        Ok(state.into_inner().unwrap_or_else(PoisonError::into_inner).items)
    }

    async fn work(&self, state: &Mutex<State>) -> Result<(), Error> {
        let mut idle: Option<Client> = None;
        while let Some(task) = next(state) {
            let client = match idle.take() {
                Some(client) => client,
                None => self.snapshot.session().await?,
            };
            let outcome = ask(&client, &task).await;
            (self.progress)(task.bytes);
            match record(state, task.item, outcome) {
                Ok(()) => idle = Some(client),
                // Its transaction is of no use any more.
                Err(()) => drop(client),
            }
        }
        if let Some(client) = idle {
            session::end(&client).await;
        }
        Ok(())
    }
}

/// The next task whose thing has not failed yet.
fn next(state: &Mutex<State>) -> Option<Task> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let task = state.waiting.pop()?;
        if state.items.get(task.item).is_some_and(Result::is_ok) {
            return Some(task);
        }
    }
}

fn record(state: &Mutex<State>, item: usize, outcome: Result<Rows, Error>) -> Result<(), ()> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(entry) = state.items.get_mut(item) else { return Ok(()) };
    match (entry, outcome) {
        (Ok(sum), Ok(more)) => {
            *sum = sum.plus(more);
            Ok(())
        }
        (Err(_), Ok(_)) => Ok(()),
        (entry, Err(error)) => {
            if entry.is_ok() {
                *entry = Err(error);
            }
            Err(())
        }
    }
}

async fn ask(client: &Client, task: &Task) -> Result<Rows, Error> {
    let row = client.one(&*task.doing, task.query.clone(), &[]).await?;
    let count = |client: &Client| -> Result<i64, PgError> { client.get(&row, 0) };
    let sum: Option<String> = client.get(&row, 1)?;
    let checksum = sum.map(|text| text.parse::<i128>()).transpose().map_err(|cause| {
        Error::new(Kind::Failed, format!("{}: the server's sum cannot be read", task.doing)).caused_by(cause)
    })?;
    Ok(Rows { count: u64::try_from(count(client)?).unwrap_or_default(), checksum })
}

impl Rows {
    /// Both together.
    fn plus(self, other: Self) -> Self {
        let checksum = match (self.checksum, other.checksum) {
            (Some(one), Some(two)) => Some(one.wrapping_add(two)),
            (one, two) => one.or(two),
        };
        Self { count: self.count + other.count, checksum }
    }
}
