//! Work that waits for a worker: tables, and shares of large objects.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::Work;
use crate::error::Error;
use crate::migrate::helping::{EACH_TABLE, Patience, WORTH_HELPING};
use crate::pg::Cause;
use crate::sql::QualifiedName;

/// What a worker does at once.
pub(super) struct Item {
    pub(super) database: String,
    pub(super) snapshot: String,
    pub(super) work: Work,
}

/// The work of all databases that is ready to be done.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    batches: BTreeMap<String, Batch>,
    closed: bool,
}

/// One database's work.
struct Batch {
    snapshot: String,
    /// Smallest first: the next one is taken from the end.
    waiting: Vec<Work>,
    in_work: usize,
    /// The [effort] of what is waiting, in work or postponed.
    left: u64,
    /// With those who are at work here.
    patience: Patience,
    /// Refused by a check or a foreign key; tried again when the others are copied.
    postponed: Vec<Work>,
    /// Why the last of them was refused.
    refusal: Option<Error>,
    /// Something was copied since the postponed ones were tried.
    progress: bool,
    /// Who wants to know which tables are complete.
    complete: Option<mpsc::UnboundedSender<QualifiedName>>,
    result: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state as valid as every other point between two changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a database's work and waits until it is done or a part of it has failed. Every table that is complete is sent
    /// to `complete`.
    pub(super) async fn submit(
        &self,
        database: &str,
        snapshot: &str,
        work: Vec<Work>,
        complete: Option<mpsc::UnboundedSender<QualifiedName>>,
    ) -> Result<(), Error> {
        if work.is_empty() {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        let batch = Batch { result: Some(sender), complete, ..Batch::new(snapshot, work) };
        self.state().batches.insert(database.to_owned(), batch);
        self.changed.notify_waiters();
        let withdraw = Withdraw { queue: self, database };
        let outcome = receiver.await;
        drop(withdraw);
        outcome.unwrap_or_else(|_| Err(crate::migrate::cancelled()))
    }

    /// Waits for the next work; `None` when no more will come.
    pub(super) async fn take(&self) -> Option<Item> {
        loop {
            let changed = self.changed.notified();
            let impatient_from = {
                let mut state = self.state();
                if let Some(item) = state.take(None, Instant::now()) {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
                state.impatient_from()
            };
            match impatient_from {
                Some(from) => drop(tokio::time::timeout_at(from, changed).await),
                None => changed.await,
            }
        }
    }

    /// Records how it went. The first failure takes what else waits of the database out of the queue; but what was only tried
    /// too early is tried again when the others are there, and before that each by itself where several were copied together.
    ///
    /// A worker that has sessions, which are in `here`, gets the next work at once, before another one could see a database
    /// where nobody is at work.
    pub(super) fn done(&self, item: Item, outcome: Outcome, here: Option<&str>) -> Option<Item> {
        let mut state = self.state();
        state.done(item, outcome);
        let next = here.and_then(|here| state.take(Some(here), Instant::now()));
        drop(state);
        self.changed.notify_waiters();
        next
    }

    /// No more work will come.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }
}

impl Batch {
    fn new(snapshot: &str, mut work: Vec<Work>) -> Self {
        // Of equal ones the first is taken first: parts of a table in their order.
        work.reverse();
        work.sort_by_key(Work::bytes);
        let mut patience = Patience::default();
        patience.look(!work.is_empty(), Instant::now());
        Self {
            snapshot: snapshot.to_owned(),
            patience,
            left: work.iter().map(effort).sum(),
            waiting: work,
            in_work: 0,
            postponed: Vec::new(),
            refusal: None,
            progress: false,
            complete: None,
            result: None,
        }
    }

    /// Whether a worker that has no session here may come: the first one, where there is enough left for another, and when it
    /// takes longer than it should.
    fn wants_help(&self, now: Instant) -> bool {
        self.in_work == 0 || self.left >= WORTH_HELPING || self.patience.is_over(now)
    }

    /// Says which tables are complete, to whoever wants to know and still listens.
    fn tell(&self, tables: Vec<QualifiedName>) {
        if let Some(complete) = &self.complete {
            tables.into_iter().for_each(|table| drop(complete.send(table)));
        }
    }

    /// Puts postponed tables into the queue again when no other is left and some table has come since they were refused.
    /// The outcome, when all is done.
    fn next_round(&mut self) -> Option<Result<(), Error>> {
        if !self.waiting.is_empty() || self.in_work > 0 {
            return None;
        }
        if self.postponed.is_empty() {
            return Some(Ok(()));
        }
        if !std::mem::take(&mut self.progress) {
            return self.refusal.take().map(Err);
        }
        self.waiting = std::mem::take(&mut self.postponed);
        self.waiting.sort_by_key(Work::bytes);
        None
    }
}

/// What some work costs, as bytes of rows.
fn effort(work: &Work) -> u64 {
    let tables = match work {
        Work::Rows(portions) => portions.len() as u64,
        Work::LargeObjects(_) => 1,
    };
    work.bytes() + tables * EACH_TABLE
}

/// How it went with some work.
pub(super) enum Outcome {
    /// Done; these tables are now complete.
    Done(Vec<QualifiedName>),
    /// It may go better when others are done: a row was refused because of rows that may be missing yet (functions in checks
    /// may read other tables, and tables of extensions have their foreign keys from the beginning), or tables that were
    /// emptied at the same time waited for each other.
    TooEarly(Error),
    /// It will not go.
    Failed(Error),
}

impl From<Result<Vec<QualifiedName>, Error>> for Outcome {
    fn from(result: Result<Vec<QualifiedName>, Error>) -> Self {
        const TOO_EARLY: [&SqlState; 3] =
            [&SqlState::CHECK_VIOLATION, &SqlState::FOREIGN_KEY_VIOLATION, &SqlState::T_R_DEADLOCK_DETECTED];
        match result {
            Ok(complete) => Self::Done(complete),
            Err(error) => {
                let cause = error.source.as_ref().and_then(|cause| cause.downcast_ref::<Cause>());
                let code = cause.and_then(Cause::code);
                if TOO_EARLY.map(Some).contains(&code) { Self::TooEarly(error) } else { Self::Failed(error) }
            }
        }
    }
}

impl State {
    fn done(&mut self, item: Item, outcome: Outcome) {
        let Some(batch) = self.batches.get_mut(&item.database) else { return };
        batch.in_work -= 1;
        if matches!(outcome, Outcome::Done(_)) {
            batch.left = batch.left.saturating_sub(effort(&item.work));
        }
        let finished = match (outcome, item.work) {
            (Outcome::Done(complete), _) => {
                batch.progress = true;
                batch.tell(complete);
                batch.next_round()
            }
            (Outcome::TooEarly(_), Work::Rows(portions)) if portions.len() > 1 => {
                batch.waiting.extend(portions.into_iter().map(|portion| Work::Rows(vec![portion])));
                batch.waiting.sort_by_key(Work::bytes);
                None
            }
            (Outcome::TooEarly(error), work) => {
                batch.postponed.push(work);
                batch.refusal = Some(error);
                batch.next_round()
            }
            (Outcome::Failed(error), _) => Some(Err(error)),
        };
        let Some(outcome) = finished else {
            batch.patience.look(!batch.waiting.is_empty(), Instant::now());
            return;
        };
        batch.waiting.clear();
        if let Some(result) = batch.result.take() {
            // Nobody waits any more when the database was cancelled.
            drop(result.send(outcome));
        }
    }

    /// The next work for a worker whose sessions are in `here`.
    fn take(&mut self, here: Option<&str>, now: Instant) -> Option<Item> {
        let next = |batch: &Batch| batch.waiting.last().map(Work::bytes);
        let elsewhere = self
            .batches
            .iter()
            .filter(|(_, batch)| batch.wants_help(now))
            .filter_map(|(database, batch)| Some((database.as_str(), next(batch)?)))
            .max_by_key(|(_, bytes)| *bytes);
        let own = here.and_then(|here| Some((here, self.batches.get(here).and_then(next)?)));
        let database = match (own, elsewhere) {
            (Some((_, own)), Some((largest, bytes))) if bytes >= WORTH_HELPING && bytes / 2 > own => largest,
            (Some((here, _)), _) => here,
            (None, elsewhere) => elsewhere?.0,
        };
        let database = database.to_owned();
        let batch = self.batches.get_mut(&database)?;
        let work = batch.waiting.pop()?;
        batch.in_work += 1;
        batch.patience.renew(!batch.waiting.is_empty(), now);
        Some(Item { database, snapshot: batch.snapshot.clone(), work })
    }

    /// When the next worker helps where it would not now.
    fn impatient_from(&self) -> Option<Instant> {
        let waiting = self.batches.values().filter(|batch| !batch.waiting.is_empty());
        waiting.filter_map(|batch| batch.patience.until()).min()
    }
}

/// Takes a database out of the queue when nobody waits for it any more.
struct Withdraw<'a> {
    queue: &'a Queue,
    database: &'a str,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        self.queue.state().batches.remove(self.database);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Kind;
    use crate::migrate::copy::Load;
    use crate::migrate::copy::portion::{portions, tests as example};

    const MIB: u64 = 1024 * 1024;

    /// What a worker that does not wait takes: database and bytes.
    fn take(state: &mut State, here: Option<&str>) -> Option<(String, u64)> {
        state.take(here, Instant::now()).map(|item| (item.database, item.work.bytes()))
    }

    fn table(name: &str, bytes: u64) -> Work {
        Work::Rows(portions(&example::table(name, bytes), Load::Fresh))
    }

    fn queue(batches: &[(&str, &[u64])]) -> State {
        let mut state = State::default();
        for (database, sizes) in batches {
            let tables = sizes.iter().map(|&bytes| table("t", bytes)).collect();
            state.batches.insert((*database).to_owned(), Batch::new("s", tables));
        }
        state
    }

    #[test]
    fn the_largest_table_of_all_databases_goes_first() {
        let mut state = queue(&[("a", &[10, 500 * MIB]), ("b", &[900 * MIB])]);
        assert_eq!(take(&mut state, None), Some(("b".to_owned(), 900 * MIB)));
        assert_eq!(take(&mut state, None), Some(("a".to_owned(), 500 * MIB)));
        assert_eq!(take(&mut state, None), Some(("a".to_owned(), 10)));
        assert_eq!(take(&mut state, None), None);
    }

    #[test]
    fn a_little_work_is_left_to_one_worker_while_it_goes_on() {
        let mut state = queue(&[("a", &[1, 2, 3]), ("b", &[4])]);
        assert_eq!(take(&mut state, None), Some(("b".to_owned(), 4)));
        assert_eq!(take(&mut state, None), Some(("a".to_owned(), 3)));
        assert_eq!(take(&mut state, Some("b")), None);
        assert_eq!(take(&mut state, Some("a")), Some(("a".to_owned(), 2)));
        let late = Instant::now() + Duration::from_secs(1);
        assert!(state.take(None, late).is_some(), "who has waited long helps");
    }

    #[test]
    fn many_tables_are_much_work_however_small() {
        let mut state = queue(&[("a", &[1; 200])]);
        assert_eq!(take(&mut state, None), Some(("a".to_owned(), 1)));
        assert_eq!(take(&mut state, None), Some(("a".to_owned(), 1)));
    }

    #[test]
    fn a_worker_stays_in_its_database_among_tables_of_like_size() {
        let mut state = queue(&[("a", &[60 * MIB]), ("b", &[100 * MIB])]);
        assert_eq!(take(&mut state, Some("a")), Some(("a".to_owned(), 60 * MIB)));
        let mut state = queue(&[("a", &[40 * MIB]), ("b", &[100 * MIB])]);
        assert_eq!(take(&mut state, Some("a")), Some(("b".to_owned(), 100 * MIB)));
        let mut state = queue(&[("a", &[1]), ("b", &[10 * MIB])]);
        assert_eq!(take(&mut state, Some("a")), Some(("a".to_owned(), 1)), "a small one is not worth the change");
    }

    #[tokio::test]
    async fn a_table_is_complete_once_it_is_committed_and_the_channel_ends_with_the_work() {
        let queue = Queue::default();
        let (sender, mut complete) = mpsc::unbounded_channel();
        let wait = queue.submit("a", "s", vec![table("t", 1), table("u", 2)], Some(sender));
        let work = async {
            for expected in ["u", "t"] {
                let item = queue.take().await.unwrap();
                assert!(complete.try_recv().is_err());
                queue.done(item, Outcome::Done(vec![QualifiedName::new("public", expected)]), None);
                assert_eq!(complete.recv().await, Some(QualifiedName::new("public", expected)));
            }
            assert_eq!(complete.recv().await, None);
        };
        let (outcome, ()) = tokio::join!(wait, work);
        outcome.unwrap();
    }

    #[tokio::test]
    async fn of_tables_that_came_too_early_together_each_is_tried_by_itself() {
        let queue = Queue::default();
        let portion = |name| portions(&example::table(name, 1), Load::Fresh);
        let together = Work::Rows(["a", "b"].into_iter().flat_map(portion).collect());
        let wait = queue.submit("a", "s", vec![together], None);
        let fail = async {
            let item = queue.take().await.unwrap();
            queue.done(item, Outcome::TooEarly(Error::new(Kind::Failed, "one of them")), None);
            for _ in ["a", "b"] {
                let item = queue.take().await.unwrap();
                assert!(matches!(&item.work, Work::Rows(portions) if portions.len() == 1));
                queue.done(item, Outcome::Done(Vec::new()), None);
            }
        };
        let (outcome, ()) = tokio::join!(wait, fail);
        outcome.unwrap();
    }

    #[tokio::test]
    async fn a_failure_ends_the_wait_and_withdraws_the_rest() {
        let queue = Queue::default();
        let wait = queue.submit("a", "s", vec![table("t", 1), table("u", 2)], None);
        let fail = async {
            let item = queue.take().await.unwrap();
            queue.done(item, Outcome::Failed(Error::new(Kind::Failed, "no")), None);
            queue.close();
            assert!(queue.take().await.is_none());
        };
        let (outcome, ()) = tokio::join!(wait, fail);
        assert_eq!(outcome.unwrap_err().message, "no");
    }
}
