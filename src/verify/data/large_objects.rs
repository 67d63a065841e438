//! Compares large objects, by OID and content. How many pages an object has on disk says nothing: a copy has no holes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future;
use tokio_postgres::types::{ToSql, Type};

use super::super::session;
use super::moment::Moment;
use crate::error::{Error, Kind};
use crate::events::{Difference, Verdict, What};
use crate::pg::Client;
use crate::settings::Level;

/// Large objects compared in one step.
const AT_ONCE: i64 = 500;

/// Bytes of one of them that a server holds at once.
const PIECE: i32 = 4 * 1024 * 1024;

/// Every so many-th OID.
const BOUNDS: &str = "
select oid from (
    select oid, pg_catalog.row_number() over (order by oid) as number from pg_catalog.pg_largeobject_metadata
) m where number % $1 = 0 order by 1";

/// A piece of each object: whether there may be more, and a hash. `offset 0` keeps the piece from being read twice. The
/// digest, because text and its hash would need the piece twice more.
macro_rules! pieces {
    ($which:literal) => {
        concat!(
            "
select q.oid, pg_catalog.octet_length(q.data) = $2, pg_catalog.encode(pg_catalog.sha256(q.data), 'hex')
from (select m.oid, pg_catalog.lo_get(m.oid, $1, $2) as data from pg_catalog.pg_largeobject_metadata m where ",
            $which,
            " offset 0) q"
        )
    };
}

/// OIDs from the first to the second.
type Range = (u32, u32);

/// What an object holds, as a digest of each piece.
type Contents = BTreeMap<u32, Vec<String>>;

/// Compares the large objects of both sides, several ranges of OIDs at a time, and adds to `verdict`.
pub(super) async fn compare(
    moment: &Moment<'_>,
    level: Level,
    jobs: usize,
    verdict: &mut Verdict,
) -> Result<(), Error> {
    let (source, target) = tokio::try_join!(bounds(moment.source.holder()), bounds(moment.target.holder()))?;
    // Those of the side that has more, so that neither side has many in one range.
    let ranges = Mutex::new(ranges(if source.len() >= target.len() { &source } else { &target }));
    let found = Mutex::new((0, Vec::new()));
    let count = ranges.lock().unwrap_or_else(PoisonError::into_inner).len();
    let work = || work(moment, level, &ranges, &found);
    future::try_join_all((0..jobs.min(count)).map(|_| work())).await?;
    let (count, differences) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdict.large_objects += count;
    let difference = |(oid, what): (u32, What)| Difference {
        database: verdict.database.clone(),
        class: "large object",
        object: oid.to_string(),
        what,
    };
    let differences: Vec<_> = differences.into_iter().map(difference).collect();
    verdict.differences.extend(differences);
    Ok(())
}

async fn work(
    moment: &Moment<'_>,
    level: Level,
    ranges: &Mutex<Vec<Range>>,
    found: &Mutex<(u64, Vec<(u32, What)>)>,
) -> Result<(), Error> {
    let (source, target) = tokio::try_join!(moment.source.session(), moment.target.session())?;
    let next = || ranges.lock().unwrap_or_else(PoisonError::into_inner).pop();
    while let Some(range) = next() {
        let (on_source, on_target) = tokio::try_join!(read(&source, range, level), read(&target, range, level))?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.0 += on_source.len() as u64;
        found.1.extend(differences(&on_source, &on_target));
    }
    tokio::join!(session::end(&source), session::end(&target));
    Ok(())
}

async fn bounds(client: &Client) -> Result<Vec<u32>, Error> {
    let rows = client.query("list large objects", BOUNDS, &[(&AT_ONCE, Type::INT8)]).await?;
    rows.iter().map(|row| Ok(client.get(row, 0)?)).collect()
}

/// All OIDs, cut behind each of `bounds`.
fn ranges(bounds: &[u32]) -> Vec<Range> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for &bound in bounds {
        ranges.push((start, bound));
        let Some(next) = bound.checked_add(1) else { return ranges };
        start = next;
    }
    ranges.push((start, u32::MAX));
    ranges
}

async fn read(client: &Client, (first, last): Range, level: Level) -> Result<Contents, Error> {
    let doing = "read large objects";
    if level < Level::Full {
        let query = "select oid from pg_catalog.pg_largeobject_metadata where oid between $1 and $2";
        let rows = client.query(doing, query, &[(&first, Type::OID), (&last, Type::OID)]).await?;
        return rows.iter().map(|row| Ok((client.get(row, 0)?, Vec::new()))).collect();
    }
    let mut contents = Contents::new();
    let mut offset = 0_i64;
    let mut rest: Option<Vec<u32>> = None;
    loop {
        let here: [(&(dyn ToSql + Sync), Type); 2] = [(&offset, Type::INT8), (&PIECE, Type::INT4)];
        let [at, size] = here;
        let rows = match &rest {
            None => {
                let range: [(&(dyn ToSql + Sync), Type); 4] = [at, size, (&first, Type::OID), (&last, Type::OID)];
                client.query(doing, pieces!("m.oid between $3 and $4"), &range).await?
            }
            Some(oids) => {
                client.query(doing, pieces!("m.oid = any ($3)"), &[at, size, (oids, Type::OID_ARRAY)]).await?
            }
        };
        let mut more = Vec::new();
        for row in &rows {
            let oid: u32 = client.get(row, 0)?;
            if client.get(row, 1)? {
                more.push(oid);
            }
            contents.entry(oid).or_default().push(client.get(row, 2)?);
        }
        if more.is_empty() {
            return Ok(contents);
        }
        offset = offset
            .checked_add(i64::from(PIECE))
            .ok_or_else(|| Error::new(Kind::Failed, "a large object is larger than any can be"))?;
        rest = Some(more);
    }
}

fn differences(source: &Contents, target: &Contents) -> Vec<(u32, What)> {
    let all: BTreeSet<u32> = source.keys().chain(target.keys()).copied().collect();
    all.into_iter()
        .filter_map(|oid| match (source.get(&oid), target.get(&oid)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(_), Some(_)) => Some((oid, What::Contents)),
            (Some(_), None) => Some((oid, What::Missing)),
            (None, _) => Some((oid, What::Extra)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_every_oid_once() {
        assert_eq!(ranges(&[]), [(0, u32::MAX)]);
        assert_eq!(ranges(&[10, 20]), [(0, 10), (11, 20), (21, u32::MAX)]);
        assert_eq!(ranges(&[u32::MAX]), [(0, u32::MAX)]);
    }
}
