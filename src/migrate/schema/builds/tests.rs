use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::keys::{Key, Keys};
use super::queue::{Build, Queue, SMALL_AT_ONCE, Unit};
use crate::migrate::schema::SMALL;
use crate::sql;
use crate::sql::QualifiedName;

fn name(name: &str) -> QualifiedName {
    QualifiedName::new("s", name)
}

/// An index of a table of `bytes`.
fn add(queue: &mut Queue, table: &str, bytes: u64, dump_id: u32, late: bool) -> Build {
    let table = queue.add_table(&name(table), bytes, false);
    let create = Some(sql!("create index {}", dump_id));
    let build = Build { dump_id, table, name: name("i"), create, finish: Vec::new(), late, cost: u64::from(dump_id) };
    queue.add(build.clone());
    build
}

fn key(queue: &mut Queue, dump_id: u32, tables: [&str; 2], needs: &[u32]) {
    let [table, references] = tables.map(|table| queue.add_table(&name(table), 0, false));
    queue.add_key(dump_id, table, references, needs.to_vec());
}

/// When whatever waits has waited long enough.
fn late() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

/// What a worker would do now, and shown briefly.
fn take(queue: &mut Queue) -> (Option<Unit>, String) {
    take_at(queue, Instant::now())
}

fn take_at(queue: &mut Queue, now: Instant) -> (Option<Unit>, String) {
    let ids = |builds: &[Build]| builds.iter().map(|build| build.dump_id).collect::<Vec<_>>();
    let unit = if queue.has_work(now) { queue.take(now) } else { None };
    let shown = match &unit {
        None => "nothing".to_owned(),
        Some(Unit::Create(build)) => format!("create {}", build.dump_id),
        Some(Unit::Finish(builds)) => format!("finish {:?}", ids(builds)),
        Some(Unit::Small(entries)) => format!("small {:?}", entries.iter().map(|(id, _)| id).collect::<Vec<_>>()),
        Some(Unit::Analyze(tables)) => format!("analyze {tables:?}"),
        Some(Unit::AddKey(key)) => format!("add {}", key.dump_id),
        Some(Unit::CheckKey(key)) => format!("check {}", key.dump_id),
        Some(Unit::SmallKeys(keys)) => format!("keys {:?}", keys.iter().map(|key| key.dump_id).collect::<Vec<_>>()),
    };
    (unit, shown)
}

fn next(queue: &mut Queue) -> String {
    take(queue).1
}

/// Takes the next step, and does it.
fn work(queue: &mut Queue) -> String {
    let (unit, shown) = take(queue);
    done(queue, unit);
    shown
}

fn done(queue: &mut Queue, unit: Option<Unit>) {
    match unit {
        None => {}
        Some(Unit::Create(build)) => queue.created(build, true),
        Some(Unit::Finish(builds)) => {
            queue.finished(&builds.into_iter().map(|build| (build, true)).collect::<Vec<_>>());
        }
        Some(Unit::Small(entries)) => queue.small_done(&entries, true),
        Some(Unit::Analyze(tables)) => queue.analyzed(tables),
        Some(Unit::AddKey(key)) => queue.key_added(key, true),
        Some(Unit::CheckKey(key)) => queue.key_checked(&key, true),
        Some(Unit::SmallKeys(keys)) => queue.small_keys_done(&keys, true),
    }
}

#[test]
fn a_table_is_finished_when_its_indexes_are_there() {
    let mut queue = Queue::default();
    let one = add(&mut queue, "big", SMALL, 1, false);
    let two = add(&mut queue, "big", SMALL, 2, false);
    assert_eq!(next(&mut queue), "nothing");
    queue.rows_are_there(&name("big"));
    assert_eq!([next(&mut queue), next(&mut queue), next(&mut queue)], ["create 2", "create 1", "nothing"]);
    queue.created(two.clone(), true);
    assert_eq!(next(&mut queue), "nothing");
    queue.created(one, false);
    assert_eq!(next(&mut queue), "finish [2]");
    queue.finished(&[(two, true)]);
    assert!(!queue.is_finished());
    queue.all_rows_are_there();
    assert!(queue.is_finished());
    assert!(queue.has_built(2) && !queue.has_built(1));
}

#[test]
fn what_may_look_into_other_tables_waits_for_all_rows() {
    let mut queue = Queue::default();
    add(&mut queue, "big", SMALL, 1, false);
    add(&mut queue, "big", SMALL, 2, true);
    queue.rows_are_there(&name("big"));
    assert_eq!([work(&mut queue), work(&mut queue)], ["create 1", "nothing"]);
    queue.all_rows_are_there();
    assert_eq!([work(&mut queue), work(&mut queue)], ["create 2", "finish [1, 2]"]);
}

#[test]
fn small_tables_go_together_and_the_dearest_build_first() {
    let mut queue = Queue::default();
    add(&mut queue, "a", SMALL - 1, 1, false);
    add(&mut queue, "b", 0, 2, false);
    add(&mut queue, "big", SMALL + 1, 3, false);
    add(&mut queue, "other", SMALL, 4, false);
    queue.all_rows_are_there();
    let (last, _) = take(&mut queue);
    assert_eq!(next(&mut queue), "create 3");
    done(&mut queue, last);
    assert_eq!([work(&mut queue), next(&mut queue)], ["finish [4]", "small [1, 2]"], "by the session that is there");
}

#[test]
fn statistics_follow_the_last_index_and_a_foreign_key_the_statistics_of_both_tables() {
    let mut queue = Queue::default();
    queue.add_table(&name("child"), SMALL, true);
    queue.add_table(&name("parent"), SMALL, true);
    add(&mut queue, "parent", SMALL, 1, false);
    key(&mut queue, 2, ["child", "parent"], &[1]);
    queue.rows_are_there(&name("child"));
    assert_eq!([work(&mut queue), work(&mut queue)], ["analyze [0]", "nothing"]);
    queue.rows_are_there(&name("parent"));
    assert_eq!([work(&mut queue), work(&mut queue)], ["create 1", "finish [1]"]);
    let (analyze, _) = take(&mut queue);
    queue.all_rows_are_there();
    assert_eq!(next(&mut queue), "nothing", "while the table is analyzed");
    assert!(matches!(analyze, Some(Unit::Analyze(tables)) if tables == [1]));
    queue.analyzed(vec![1]);
    assert!(!queue.is_finished());
    assert_eq!([work(&mut queue), work(&mut queue), work(&mut queue)], ["add 2", "check 2", "nothing"]);
    assert!(queue.is_finished() && queue.has_built(2));
    assert_eq!(queue.all_analyzed().count(), 2);
}

#[test]
fn a_refused_index_leaves_statistics_and_the_foreign_keys_that_need_it_to_others() {
    let mut queue = Queue::default();
    queue.add_table(&name("parent"), SMALL, true);
    queue.add_table(&name("child"), SMALL, false);
    let primary = add(&mut queue, "parent", SMALL, 1, false);
    key(&mut queue, 2, ["child", "parent"], &[1]);
    key(&mut queue, 3, ["parent", "child"], &[]);
    queue.all_rows_are_there();
    assert_eq!(next(&mut queue), "create 1");
    queue.created(primary, false);
    assert_eq!([work(&mut queue), work(&mut queue), work(&mut queue)], ["add 3", "check 3", "nothing"]);
    assert!(queue.is_finished() && !queue.has_built(2));
    assert_eq!(queue.all_analyzed().count(), 0);
}

#[test]
fn no_two_steps_lock_the_same_table() {
    let mut keys = Keys::default();
    let tables = [(1, [10, 20]), (2, [20, 10]), (3, [30, 20]), (4, [30, 30])];
    for (dump_id, [table, references]) in tables {
        keys.add(Key { dump_id, table, references, needs: Vec::new(), small: false, cost: 1 });
    }
    keys.add(Key { dump_id: 5, table: 40, references: 30, needs: Vec::new(), small: true, cost: 1 });
    [10, 20, 30, 40].into_iter().for_each(|table| keys.release(table, |_| true, &BTreeSet::new()));
    let add = |keys: &mut Keys| match keys.take_large() {
        Some(Unit::AddKey(key)) => key,
        other => panic!("{other:?}"),
    };
    let (first, itself) = (add(&mut keys), add(&mut keys));
    assert_eq!((first.dump_id, itself.dump_id), (1, 4));
    assert!(keys.cost().is_none() && keys.small_ones(1) == 0 && keys.take_small().is_none());
    keys.added(first, true);
    let second = add(&mut keys);
    assert_eq!(second.dump_id, 2);
    assert!(keys.take_large().is_none(), "to look at the rows of 10 would wait for the key that is added to it");
    keys.added(second, false);
    let Some(Unit::CheckKey(check)) = keys.take_large() else { panic!() };
    assert_eq!(check.dump_id, 1);
    keys.added(itself, false);
    assert_eq!(add(&mut keys).dump_id, 3, "the referenced table is not locked against it");
    keys.checked(&check);
    assert!(keys.cost().is_none());
    assert_eq!(keys.small_ones(1), 0);
}

#[test]
fn foreign_keys_of_small_tables_go_together() {
    let mut queue = Queue::default();
    for table in ["a", "b", "c"] {
        queue.add_table(&name(table), 1, true);
    }
    key(&mut queue, 1, ["a", "b"], &[]);
    key(&mut queue, 2, ["b", "a"], &[]);
    key(&mut queue, 3, ["c", "c"], &[]);
    queue.all_rows_are_there();
    assert_eq!(
        [work(&mut queue), work(&mut queue), work(&mut queue)],
        ["analyze [0, 1, 2]", "keys [1, 2, 3]", "nothing"]
    );
    assert!(queue.is_finished());
}

#[test]
fn a_little_of_small_tables_waits_for_more_of_it() {
    let mut queue = Queue::default();
    for table in ["a", "b"] {
        queue.add_table(&name(table), 1, true);
        add(&mut queue, table, 1, if table == "a" { 1 } else { 2 }, false);
    }
    key(&mut queue, 3, ["a", "a"], &[]);
    queue.rows_are_there(&name("a"));
    assert_eq!(next(&mut queue), "nothing");
    assert!(queue.impatient_from().is_some_and(|from| from <= late()));
    for expected in ["small [1]", "analyze [0]", "keys [3]"] {
        let (unit, shown) = take_at(&mut queue, late());
        assert_eq!(shown, expected, "where nothing else has come");
        assert_eq!(take_at(&mut queue, late()).1, "nothing");
        done(&mut queue, unit);
        assert_eq!(next(&mut queue), "nothing");
    }
    queue.all_rows_are_there();
    assert_eq!([work(&mut queue), work(&mut queue), work(&mut queue)], ["small [2]", "analyze [1]", "nothing"]);
    assert!(queue.is_finished() && queue.impatient_from().is_none());
}

#[test]
fn what_fills_a_transaction_waits_for_nothing() {
    let mut queue = Queue::default();
    for table in 0..SMALL_AT_ONCE {
        let table = table.to_string();
        queue.add_table(&name(&table), 1, true);
        add(&mut queue, &table, 1, 1, false);
    }
    for table in 0..SMALL_AT_ONCE {
        assert_eq!(next(&mut queue), "nothing");
        queue.rows_are_there(&name(&table.to_string()));
    }
    let (unit, shown) = take(&mut queue);
    assert!(shown.starts_with("small [1, 1, 1"));
    done(&mut queue, unit);
    assert!(next(&mut queue).starts_with("analyze [0, 1, 2"));
}

#[test]
fn another_session_is_opened_for_much_work_and_for_large_tables() {
    let mut queue = Queue::default();
    let filled = |queue: &mut Queue, tables: usize| {
        for table in 0..tables {
            add(queue, &table.to_string(), 1, 1, false);
        }
        queue.all_rows_are_there();
    };
    filled(&mut queue, 60);
    let (unit, _) = take(&mut queue);
    assert_eq!(next(&mut queue), "nothing", "ten indexes are left to the session that is there");
    done(&mut queue, unit);
    assert!(next(&mut queue).starts_with("small"));

    let mut queue = Queue::default();
    filled(&mut queue, 300);
    assert!(next(&mut queue).starts_with("small") && next(&mut queue).starts_with("small"));

    let mut queue = Queue::default();
    add(&mut queue, "big", SMALL, 7, false);
    filled(&mut queue, 1);
    assert_eq!([next(&mut queue), next(&mut queue)], ["create 7", "nothing"]);
    let mut queue = Queue::default();
    for id in [7, 8] {
        add(&mut queue, "big", SMALL, id, false);
    }
    queue.all_rows_are_there();
    assert_eq!([next(&mut queue), next(&mut queue)], ["create 8", "create 7"]);
}
