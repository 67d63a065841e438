//! Which entries are created next, while others are still being created by other sessions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How far ahead of the first entry that waits another one is looked for: those that cannot be taken yet are looked at each
/// time.
const WINDOW: usize = 1000;

/// What an entry does to those that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It names them: others may do the same at the same time.
    Names,
    /// It changes or locks them. What changes the same object does so in the order of the archive.
    Changes,
}

/// An entry that waits.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The entry.
    pub(super) dump_id: u32,
    /// Other entries that have to be there before.
    pub(super) needs: Vec<u32>,
    /// What it does to them.
    pub(super) uses: Use,
}

/// What a session is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Create these, in this order and in one transaction.
    Create(Vec<u32>),
    /// All that is left needs what others are creating.
    Wait,
    /// Nothing is left that could be created.
    Nothing,
}

/// Entries that can be created in any order that respects what they need.
#[derive(Debug)]
pub(super) struct Queue {
    /// In the order of the archive.
    waiting: VecDeque<Item>,
    /// Those that are being created.
    in_work: BTreeMap<u32, Item>,
    /// Those that are not there yet, for whatever reason.
    absent: BTreeSet<u32>,
}

impl Queue {
    /// `items` are in the order of the archive.
    pub(super) fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut waiting: VecDeque<_> = items.into_iter().collect();
        let absent: BTreeSet<_> = waiting.iter().map(|item| item.dump_id).collect();
        // What is not among them is there already, and not changed by any.
        for item in &mut waiting {
            item.needs.retain(|need| absent.contains(need));
        }
        Self { waiting, in_work: BTreeMap::new(), absent }
    }

    /// Up to `limit` entries for one session.
    pub(super) fn take(&mut self, limit: usize) -> Next {
        let (mut named, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for item in self.in_work.values() {
            if item.uses == Use::Changes { &mut changed } else { &mut named }.extend(item.needs.iter().copied());
        }
        let mut taken = Vec::new();
        let mut passed_over = Vec::new();
        let mut ours = BTreeSet::new();
        for _ in 0..WINDOW.min(self.waiting.len()) {
            if taken.len() == limit {
                break;
            }
            let Some(item) = self.waiting.pop_front() else { break };
            let is_there = |need: &u32| ours.contains(need) || !self.absent.contains(need);
            let is_free = |need: &u32| !changed.contains(need) && (item.uses == Use::Names || !named.contains(need));
            if item.needs.iter().all(|need| is_there(need) && is_free(need)) {
                ours.insert(item.dump_id);
                taken.push(item);
            } else {
                if item.uses == Use::Changes {
                    changed.extend(item.needs.iter().copied());
                }
                passed_over.push(item);
            }
        }
        for item in passed_over.into_iter().rev() {
            self.waiting.push_front(item);
        }
        if taken.is_empty() {
            return if self.in_work.is_empty() { Next::Nothing } else { Next::Wait };
        }
        let ids = taken.iter().map(|item| item.dump_id).collect();
        self.in_work.extend(taken.into_iter().map(|item| (item.dump_id, item)));
        Next::Create(ids)
    }

    /// What was taken together is there, or nothing of it: then what needs it is not created either.
    pub(super) fn done(&mut self, ids: &[u32], created: bool) {
        for id in ids {
            self.in_work.remove(id);
            if created {
                self.absent.remove(id);
            }
        }
    }

    /// Whether an entry is not there.
    pub(super) fn is_absent(&self, dump_id: u32) -> bool {
        self.absent.contains(&dump_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(dump_id: u32, needs: &[u32], uses: Use) -> Item {
        Item { dump_id, needs: needs.to_vec(), uses }
    }

    fn create(ids: &[u32]) -> Next {
        Next::Create(ids.to_vec())
    }

    #[test]
    fn what_is_needed_is_there_before_or_comes_first_in_the_same_transaction() {
        let mut queue = Queue::new([
            item(1, &[90], Use::Names),
            item(2, &[1], Use::Changes),
            item(3, &[], Use::Names),
            item(4, &[3], Use::Changes),
            item(5, &[1, 3], Use::Names),
        ]);
        assert_eq!(queue.take(2), create(&[1, 2]), "90 is not among them, and there");
        assert_eq!(queue.take(3), create(&[3, 4]), "5 waits for 1");
        assert_eq!(queue.take(3), Next::Wait);
        queue.done(&[1, 2], true);
        assert_eq!(queue.take(3), Next::Wait);
        queue.done(&[3, 4], true);
        assert_eq!(queue.take(3), create(&[5]));
        queue.done(&[5], true);
        assert_eq!(queue.take(3), Next::Nothing);
        assert!((1..=5).all(|id| !queue.is_absent(id)));
    }

    #[test]
    fn an_object_is_changed_by_one_session_at_a_time_and_in_the_order_of_the_archive() {
        let mut queue = Queue::new([
            item(1, &[], Use::Names),
            item(2, &[], Use::Names),
            item(3, &[1], Use::Changes),
            item(4, &[1, 2], Use::Changes),
            item(5, &[2], Use::Changes),
            item(6, &[1], Use::Names),
            item(7, &[2], Use::Names),
        ]);
        assert_eq!(queue.take(2), create(&[1, 2]));
        queue.done(&[1, 2], true);
        assert_eq!(queue.take(1), create(&[3]));
        assert_eq!(queue.take(9), Next::Wait, "4 needs 1, which is being changed; 5 must not overtake it, nor 7");
        queue.done(&[3], true);
        assert_eq!(queue.take(1), create(&[4]));
        assert_eq!(queue.take(9), Next::Wait);
        queue.done(&[4], true);
        assert_eq!(queue.take(1), create(&[5]));
        assert_eq!(queue.take(9), create(&[6]), "7 names what is being changed");
        queue.done(&[5], true);
        assert_eq!(queue.take(9), create(&[7]), "6 is being created");
    }

    #[test]
    fn what_is_named_is_not_changed_meanwhile() {
        let mut queue = Queue::new([
            item(1, &[], Use::Names),
            item(2, &[1], Use::Names),
            item(3, &[1], Use::Names),
            item(4, &[1], Use::Changes),
        ]);
        assert_eq!(queue.take(1), create(&[1]));
        queue.done(&[1], true);
        assert_eq!(queue.take(1), create(&[2]));
        assert_eq!(queue.take(1), create(&[3]));
        assert_eq!(queue.take(1), Next::Wait);
        queue.done(&[2], true);
        assert_eq!(queue.take(1), Next::Wait);
        queue.done(&[3], true);
        assert_eq!(queue.take(1), create(&[4]));
    }

    #[test]
    fn what_is_refused_leaves_out_what_needs_it_and_nothing_else() {
        let mut queue = Queue::new([
            item(1, &[], Use::Names),
            item(2, &[1], Use::Changes),
            item(3, &[2], Use::Names),
            item(4, &[], Use::Names),
        ]);
        assert_eq!(queue.take(1), create(&[1]));
        queue.done(&[1], false);
        assert_eq!(queue.take(9), create(&[4]));
        queue.done(&[4], true);
        assert_eq!(queue.take(9), Next::Nothing);
        assert_eq!((1..=4).filter(|&id| queue.is_absent(id)).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn entries_that_need_each_other_do_not_keep_anybody_waiting() {
        let mut queue = Queue::new([item(1, &[2], Use::Names), item(2, &[1], Use::Names)]);
        assert_eq!(queue.take(9), Next::Nothing);
        assert!(queue.is_absent(1) && queue.is_absent(2));
    }
}
