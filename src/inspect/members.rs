//! Tables and sequences that came with an extension.

use std::collections::BTreeMap;

use crate::pg::{Client, PgError};

/// What an extension says of one of its relations.
#[derive(Debug)]
pub(super) struct Member {
    /// The extension.
    pub(super) extension: String,
    /// The WHERE clause of the rows that are the user's, empty for all of them; `None`: none of them are.
    pub(super) condition: Option<String>,
}

const MEMBERS: &str = "
select d.objid, e.extname::text, e.extcondition[pg_catalog.array_position(e.extconfig, d.objid)]
from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'e' and d.objsubid = 0
  and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass";

/// Relations of extensions, by their OIDs.
pub(super) async fn members(client: &Client) -> Result<BTreeMap<u32, Member>, PgError> {
    let rows = client.query("list relations of extensions", MEMBERS, &[]).await?;
    rows.iter()
        .map(|row| Ok((client.get(row, 0)?, Member { extension: client.get(row, 1)?, condition: client.get(row, 2)? })))
        .collect()
}
