//! What is changed on the target, and which differences that makes.

/// A change.
pub(super) struct Case {
    /// Only on targets of this major and newer ones.
    pub(super) since: u32,
    /// SQL for the target.
    pub(super) change: &'static str,
    /// All that is seen then and was not seen before.
    pub(super) seen: &'static [&'static str],
}

const fn case(change: &'static str, seen: &'static [&'static str]) -> Case {
    Case { since: 12, change, seen }
}

pub(super) const OF_DATABASE: &[Case] =
    &[case("ALTER TABLE app.orders ADD extra int", &["column app.orders.extra: only on the target"])];

pub(super) const OF_SERVER: &[Case] =
    &[case("ALTER ROLE bob CREATEROLE", &["role bob: create role is no on the source and yes on the target"])];
