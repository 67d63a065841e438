//! What is read of the relations of one side: large ones in several parts, where the server can read a part alone.

use std::collections::{HashMap, HashSet};

use tokio_postgres::types::Type;

use super::super::session::Snapshot;
use super::reader::Task;
use super::rows::Question;
use crate::error::Error;
use crate::facts::Side;
use crate::pg::Client;
use crate::plan::comparison::{OneSide, Relation, RelationKind};
use crate::sql::Blocks;

/// About how many bytes make a part: a second or so of reading.
const PART: u64 = 64 * 1024 * 1024;

/// Bytes and blocks of relations; one that is gone by now has none.
const SIZES: &str = "
select r.position - 1, pg_catalog.pg_table_size(c.oid), pg_catalog.pg_relation_size(c.oid)
         / pg_catalog.current_setting('block_size')::bigint
from unnest($1::pg_catalog.text[]) with ordinality r(name, position)
join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(r.name)
where c.relkind in ('r', 'm')";

/// The tasks that read all of `relations` on the side of `snapshot`.
pub(super) async fn tasks(
    snapshot: &Snapshot<'_>,
    relations: &[&Relation],
    question: Question,
) -> Result<Vec<Task>, Error> {
    let client = snapshot.holder();
    let sizes = sizes(client, relations).await?;
    let divisible: Vec<(usize, &Relation)> = relations
        .iter()
        .enumerate()
        .filter(|(item, relation)| {
            let large = sizes.get(item).is_some_and(|&(bytes, _)| bytes >= 2 * PART);
            large && on_side(relation, client.side()).condition.is_none()
        })
        .map(|(item, relation)| (item, *relation))
        .collect();
    // Between two parts, a table that is rewritten would move rows out of blocks that are still to be read.
    let kept = snapshot.keep_rows(&divisible.iter().map(|(_, relation)| *relation).collect::<Vec<_>>()).await?;
    let divided: HashSet<usize> =
        divisible.iter().zip(kept).filter(|(_, kept)| *kept).map(|((item, _), _)| *item).collect();
    let mut tasks = Vec::new();
    for (item, relation) in relations.iter().enumerate() {
        let here = on_side(relation, client.side());
        let doing = format!("read {} {}", relation.kind.name(), relation.name);
        let task = |blocks: Option<Blocks>, bytes| Task {
            item,
            doing: doing.clone(),
            bytes,
            query: question.of(relation, here, blocks),
        };
        match sizes.get(&item) {
            Some(&(bytes, blocks)) if divided.contains(&item) => {
                // What is stored out of line counts with the row that it belongs to, so that the blocks of one part can be few.
                let parts = Blocks::divide(blocks, bytes / PART);
                let each = bytes / parts.len().max(1) as u64;
                tasks.extend(parts.into_iter().map(|part| task(Some(part), each)));
            }
            Some(&(bytes, _)) => tasks.push(task(None, bytes)),
            None => tasks.push(task(None, here.bytes)),
        }
    }
    Ok(tasks)
}

/// The relation as that side has it.
pub(super) fn on_side(relation: &Relation, side: Side) -> &OneSide {
    match side {
        Side::Source => &relation.source,
        Side::Target => &relation.target,
    }
}

/// Sizes of those that may be large, by position.
async fn sizes(client: &Client, relations: &[&Relation]) -> Result<HashMap<usize, (u64, u64)>, Error> {
    let large = |relation: &Relation| {
        relation.kind == RelationKind::MaterializedView || on_side(relation, client.side()).bytes >= 2 * PART
    };
    if !client.version().scans_ctid_ranges() || !relations.iter().any(|relation| large(relation)) {
        return Ok(HashMap::new());
    }
    let names: Vec<Option<String>> =
        relations.iter().map(|relation| large(relation).then(|| crate::sql::render(&relation.name))).collect();
    let rows = client.query("read the sizes of tables", SIZES, &[(&names, Type::TEXT_ARRAY)]).await?;
    let mut sizes = HashMap::new();
    for row in &rows {
        let number = |column| -> Result<u64, Error> { Ok(u64::try_from(client.get::<i64>(row, column)?).unwrap_or(0)) };
        sizes.insert(usize::try_from(number(0)?).unwrap_or(usize::MAX), (number(1)?, number(2)?));
    }
    Ok(sizes)
}
