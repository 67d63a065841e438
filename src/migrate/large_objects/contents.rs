//! What large objects hold: bytes, and holes that read as zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::pg::{Client, PgError};

/// Bytes of an object that the server makes one value of.
const PIECE: i64 = 1024 * 1024;

/// Bytes on their way at the same time: as many are written while the next are read.
const AT_ONCE: i64 = 4 * PIECE;

/// Pieces of small objects that are read in one statement.
const PIECES_AT_ONCE: usize = 500;

/// What is stored together (`LOBLKSIZE`): a page of zeros need not be.
const PAGE: usize = 2048;

/// Size of each object. A descriptor stays open until the transaction ends, if nobody closes it.
const SIZES: &str = "
select s.oid, s.size, pg_catalog.lo_close(s.fd)
from (select f.oid, f.fd, pg_catalog.lo_lseek64(f.fd, 0, 2) as size
      from (select u.oid, pg_catalog.lo_open(u.oid, 262144) as fd from pg_catalog.unnest($1::oid[]) u(oid)) f) s";

/// Sizes of objects in bytes.
pub(super) async fn sizes(client: &Client, oids: &[u32]) -> Result<BTreeMap<u32, i64>, PgError> {
    if oids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = client.query("look at large objects", SIZES, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter().map(|row| Ok((client.get(row, 0)?, client.get(row, 1)?))).collect()
}

/// A checksum of each object. Pieces of zeros are left out: a hole and stored zeros are the same.
const CHECKSUMS: &str = "
select u.oid, pg_catalog.sha256(pg_catalog.string_agg(
    pg_catalog.int8send(p.at) || pg_catalog.sha256(p.bytes), ''::bytea order by p.at)
    filter (where pg_catalog.btrim(p.bytes, pg_catalog.decode('00', 'hex')) <> ''))
from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::int8[])) u(oid, size),
     lateral (select g.at, pg_catalog.lo_get(u.oid, g.at, $3) as bytes
              from pg_catalog.generate_series(0, u.size - 1, $3::int8) g(at) offset 0) p
group by u.oid";

/// Those of `common` that hold the same on both sides; `sizes` are the source's.
pub(super) async fn equal(
    source: &Client,
    target: &Client,
    sizes: &BTreeMap<u32, i64>,
    common: &[u32],
) -> Result<BTreeSet<u32>, PgError> {
    let on_target = self::sizes(target, common).await?;
    let same: Vec<(u32, i64)> = on_target.into_iter().filter(|(oid, size)| sizes.get(oid) == Some(size)).collect();
    let (oids, sizes): (Vec<u32>, Vec<i64>) = same.into_iter().unzip();
    if oids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ask = async |client: &Client| {
        let size = i32::try_from(PIECE).unwrap_or(i32::MAX);
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&oids, Type::OID_ARRAY), (&sizes, Type::INT8_ARRAY), (&size, Type::INT4)];
        let rows = client.query("compare large objects", CHECKSUMS, parameters).await?;
        // An empty object has no pieces, and so no row.
        rows.iter()
            .map(|row| Ok((client.get(row, 0)?, client.get(row, 1)?)))
            .collect::<Result<BTreeMap<u32, Option<Vec<u8>>>, PgError>>()
    };
    let (one, other) = tokio::try_join!(ask(source), ask(target))?;
    Ok(oids.into_iter().filter(|oid| one.get(oid) == other.get(oid)).collect())
}

/// Removes objects.
pub(super) async fn unlink(target: &Client, oids: &[u32]) -> Result<(), PgError> {
    let remove = "select pg_catalog.lo_unlink(u.oid) from pg_catalog.unnest($1::oid[]) u(oid)";
    target.query("remove large objects", remove, &[(&oids, Type::OID_ARRAY)]).await?;
    Ok(())
}

/// Creates `oids` without contents, after removing those that are there.
pub(super) async fn create(target: &Client, replaced: &[u32], oids: &[u32]) -> Result<(), PgError> {
    if !replaced.is_empty() {
        unlink(target, replaced).await?;
    }
    if !oids.is_empty() {
        let create = "select pg_catalog.lo_create(u.oid) from pg_catalog.unnest($1::oid[]) u(oid)";
        target.query("create large objects", create, &[(&oids, Type::OID_ARRAY)]).await?;
    }
    Ok(())
}

/// Copies what `objects`, with their sizes, hold on the source into empty ones of the target. Holes stay holes.
pub(super) async fn copy(
    source: &Client,
    target: &Client,
    objects: &[(u32, i64)],
    progress: &mut impl FnMut(u64),
) -> Result<(), PgError> {
    let mut groups = Groups::new(objects);
    let mut ends: BTreeMap<u32, i64> = BTreeMap::new();
    let mut next = async || match groups.next() {
        Some(group) => read(source, &group).await.map(Some),
        None => Ok(None),
    };
    let mut pieces = next().await?;
    while let Some(arrived) = pieces {
        let (bytes, following) = tokio::try_join!(write(source, target, &arrived, &mut ends), next())?;
        progress(bytes);
        pieces = following;
    }
    // An object that ends with a hole is as long as it is on the source.
    let short = objects.iter().filter(|(oid, size)| ends.get(oid).copied().unwrap_or(0) < *size);
    let (oids, sizes): (Vec<u32>, Vec<i64>) = short.copied().unzip();
    if !oids.is_empty() {
        let lengthen = "select pg_catalog.lo_truncate64(pg_catalog.lo_open(u.oid, 131072), u.size) \
                        from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::int8[])) u(oid, size)";
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&oids, Type::OID_ARRAY), (&sizes, Type::INT8_ARRAY)];
        target.query("lengthen large objects", lengthen, parameters).await?;
    }
    Ok(())
}

/// Pieces of objects, as many as are read at once. Nothing is sent for a piece of zeros.
const READ: &str = "
select p.oid, p.at, case when pg_catalog.btrim(p.bytes, pg_catalog.decode('00', 'hex')) <> '' then p.bytes end
from (select u.oid, u.at, pg_catalog.lo_get(u.oid, u.at, $3) as bytes
      from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::int8[])) u(oid, at) offset 0) p";

async fn read(source: &Client, pieces: &[(u32, i64)]) -> Result<Vec<Row>, PgError> {
    let (oids, places): (Vec<u32>, Vec<i64>) = pieces.iter().copied().unzip();
    let size = i32::try_from(PIECE).unwrap_or(i32::MAX);
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&oids, Type::OID_ARRAY), (&places, Type::INT8_ARRAY), (&size, Type::INT4)];
    source.query("read large objects", READ, parameters).await
}

/// Writes pieces and returns how many bytes they are; `ends` learns how far each object is written.
async fn write(
    source: &Client,
    target: &Client,
    pieces: &[Row],
    ends: &mut BTreeMap<u32, i64>,
) -> Result<u64, PgError> {
    let (mut oids, mut places, mut parts): (Vec<u32>, Vec<i64>, Vec<&[u8]>) = Default::default();
    let mut bytes = 0;
    for piece in pieces {
        let (oid, at): (u32, i64) = (source.get(piece, 0)?, source.get(piece, 1)?);
        let Some(data) = source.get::<Option<&[u8]>>(piece, 2)? else { continue };
        for run in runs(data) {
            let part = &data[run.clone()];
            let place = at + i64::try_from(run.start).unwrap_or(i64::MAX);
            let end = ends.entry(oid).or_default();
            *end = (*end).max(place + i64::try_from(part.len()).unwrap_or(i64::MAX));
            bytes += part.len() as u64;
            oids.push(oid);
            places.push(place);
            parts.push(part);
        }
    }
    if !oids.is_empty() {
        let put = "select count(pg_catalog.lo_put(u.oid, u.at, u.part)::text) \
                   from rows from (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::int8[]), pg_catalog.unnest($3::bytea[])) u(oid, at, part)";
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&oids, Type::OID_ARRAY), (&places, Type::INT8_ARRAY), (&parts, Type::BYTEA_ARRAY)];
        target.query("write large objects", put, parameters).await?;
    }
    Ok(bytes)
}

/// Stretches of pages in `data`, which begins where a page does, that hold anything but zeros.
fn runs(data: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, page) in data.chunks(PAGE).enumerate() {
        if page.iter().all(|&byte| byte == 0) {
            continue;
        }
        let start = number * PAGE;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end += page.len(),
            _ => runs.push(start..start + page.len()),
        }
    }
    runs
}

/// The pieces of objects, in groups that are read at once.
struct Groups<'a> {
    objects: std::slice::Iter<'a, (u32, i64)>,
    /// The object of the next piece, where that begins, and the object's end.
    current: Option<(u32, i64, i64)>,
}

impl<'a> Groups<'a> {
    fn new(objects: &'a [(u32, i64)]) -> Self {
        Self { objects: objects.iter(), current: None }
    }

    fn piece(&mut self) -> Option<(u32, i64, i64)> {
        while self.current.is_none_or(|(_, at, end)| at >= end) {
            let (oid, size) = *self.objects.next()?;
            self.current = Some((oid, 0, size));
        }
        let (oid, at, end) = self.current?;
        self.current = Some((oid, at + PIECE, end));
        Some((oid, at, PIECE.min(end - at)))
    }
}

impl Iterator for Groups<'_> {
    type Item = Vec<(u32, i64)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while bytes + PIECE <= AT_ONCE && group.len() < PIECES_AT_ONCE {
            let Some((oid, at, size)) = self.piece() else { break };
            group.push((oid, at));
            bytes += size;
        }
        (!group.is_empty()).then_some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_zeros_are_left_out() {
        let mut data = vec![0; 5 * PAGE + 10];
        data[0] = 1;
        data[PAGE + 7] = 1;
        data[5 * PAGE + 9] = 1;
        assert_eq!(runs(&data), [0..2 * PAGE, 5 * PAGE..5 * PAGE + 10]);
        assert!(runs(&data[2 * PAGE..5 * PAGE]).is_empty());
    }

    #[test]
    fn small_objects_are_read_together_and_large_ones_bit_by_bit() {
        let small: Vec<(u32, i64)> = (1..=3).map(|oid| (oid, 10)).collect();
        assert_eq!(Groups::new(&small).collect::<Vec<_>>(), [[(1, 0), (2, 0), (3, 0)]]);
        let large = [(1, 0), (2, 6 * PIECE + 1), (3, 5)];
        let groups: Vec<_> = Groups::new(&large).collect();
        assert_eq!(groups[0], [0, 1, 2, 3].map(|n| (2, n * PIECE)));
        assert_eq!(groups[1], [(2, 4 * PIECE), (2, 5 * PIECE), (2, 6 * PIECE), (3, 0)]);
        assert_eq!(groups.len(), 2);
    }
}
