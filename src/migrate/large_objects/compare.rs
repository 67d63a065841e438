//! Which large objects differ between the two sides.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::properties::{Naming, of_source, of_target};
use crate::error::Error;
use crate::pg::{Client, PgError};

/// A checksum over those of all megabytes, so that a server never holds a large object whole. 262144 is INV_READ; the
/// subqueries keep the order of opening, measuring and closing.
const CHECKSUMS: &str = "
select o.oid, coalesce(pg_catalog.encode(pg_catalog.sha256(pg_catalog.string_agg(
           pg_catalog.sha256(pg_catalog.lo_get(o.oid, piece.start, 1048576)), '' order by piece.start)), 'hex'), '')
from (select m.oid, m.bytes, pg_catalog.lo_close(m.file)
      from (select f.oid, f.file, pg_catalog.lo_lseek64(f.file, 0, 2) as bytes
            from (select l.oid, pg_catalog.lo_open(l.oid, 262144) as file from unnest($1::oid[]) l(oid) offset 0) f
            offset 0) m
      offset 0) o
left join lateral pg_catalog.generate_series(0::int8, o.bytes - 1, 1048576) piece(start) on true
group by o.oid, o.bytes";

/// Those of `oids`, which both sides have, whose bytes, owner, privileges or comment are not the same.
pub(super) async fn changed(
    source: &Client,
    target: &Client,
    naming: &Naming<'_>,
    oids: &[u32],
) -> Result<Vec<u32>, Error> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let (wanted, there) = tokio::join!(checksums(source, oids), checksums(target, oids));
    let there = match there {
        // Its owner may have lost the right to read it.
        Err(error) if error.is_permission() => return Ok(oids.to_vec()),
        there => there?,
    };
    let wanted = wanted?;
    let (properties, properties_there) =
        tokio::try_join!(of_source(source, naming, oids), of_target(target, naming, oids))?;
    let same = |oid: &u32| wanted.get(oid) == there.get(oid) && properties.get(oid) == properties_there.get(oid);
    Ok(oids.iter().filter(|oid| !same(oid)).copied().collect())
}

async fn checksums(client: &Client, oids: &[u32]) -> Result<BTreeMap<u32, String>, PgError> {
    let rows = client.query("compare large objects", CHECKSUMS, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter().map(|row| Ok((client.get(row, 0)?, client.get(row, 1)?))).collect()
}
