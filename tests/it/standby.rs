//! A standby as the source: it spares the primary the reading.

use crate::harness::fixture::create_shop;
use crate::harness::pair::Pair;

#[test]
fn a_standby_is_dumped_because_it_cannot_publish() {
    let Some(pair) = Pair::start() else { return };
    create_shop(&pair.source, "shop", 100);
    let standby = pair.source.standby();
    let outcome = pair.migrate_from(&standby).run().expect_code(0);
    for text in ["WARNING	source: it is a standby", "fix: connect to the primary", "method: 'dump', status: 'done'"] {
        assert!(outcome.stderr.contains(text), "{text:?} is not in:\n{outcome}");
    }
    assert!(!outcome.stderr.contains("GRANT"), "no right would help:\n{outcome}");
    // No standby has the rows of an unlogged table.
    assert!(outcome.stderr.contains("unlogged tables arrive empty"), "{outcome}");
    let differences = pair.differences("shop");
    assert!(matches!(&differences[..], [only] if only.starts_with("rows of shop.carts")), "{differences:?}");
    pair.assert_nothing_left();
}
