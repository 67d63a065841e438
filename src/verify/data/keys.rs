//! Which rows of a table differ, by primary key.
//!
//! Rows fall into buckets by a hash of their key. Each side sums up its buckets in one pass; in a second pass it lists keys
//! and hashes of the rows in a few of the buckets that differ. However large the table, no more than that is held here.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;

use super::super::session;
use super::moment::Moment;
use super::parts::on_side;
use super::rows::{self, Question};
use crate::error::Error;
use crate::events::{Found, Key};
use crate::pg::Client;
use crate::plan::comparison::Relation;
use crate::sql;
use crate::sql::{Ident, Sql};

/// Rows in a bucket, as long as there are no more buckets than the other says: a few megabytes for each side.
const BUCKET_ROWS: u64 = 64;
const MOST_BUCKETS: u64 = 1 << 16;

/// Rows listed at most, for each side; a single bucket may have more.
const MOST_ROWS: u64 = 200_000;

/// Up to `limit` keys of rows of `relation`, of which the larger side has about `rows`; `None` without a primary key that
/// both sides have.
pub(super) async fn differing(
    moment: &Moment<'_>,
    relation: &Relation,
    question: Question,
    rows: u64,
    limit: usize,
) -> Result<Option<Vec<Key>>, Error> {
    let (source, target) = tokio::try_join!(moment.source.session(), moment.target.session())?;
    // Nobody else reads now: the servers may use their own workers.
    let alone = "reset max_parallel_workers_per_gather";
    tokio::try_join!(source.run("look for rows alone", alone), target.run("look for rows alone", alone))?;
    let (key, other) = tokio::try_join!(primary_key(&source, relation), primary_key(&target, relation))?;
    if key.is_empty() || key != other {
        return Ok(None);
    }
    let buckets = (rows / BUCKET_ROWS).clamp(1, MOST_BUCKETS).next_power_of_two();
    let search = Search { relation, question, key: &key, mask: buckets - 1 };
    let (on_source, on_target) = tokio::try_join!(search.buckets(&source), search.buckets(&target))?;
    let chosen = choose(&on_source, &on_target, limit);
    let (on_source, on_target) = tokio::try_join!(search.rows(&source, &chosen), search.rows(&target, &chosen))?;
    tokio::join!(session::end(&source), session::end(&target));
    Ok(Some(compare(&on_source, &on_target, &named(&key), limit)))
}

const PRIMARY_KEY: &str = "
select a.attname::text
from pg_catalog.pg_index i
cross join unnest(i.indkey) with ordinality k(attnum, position)
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = pg_catalog.to_regclass($1) and i.indisprimary and k.position <= i.indnkeyatts
order by k.position";

async fn primary_key(client: &Client, relation: &Relation) -> Result<Vec<Ident>, Error> {
    let name = crate::sql::render(&relation.name);
    let rows = client.query("read the primary key", PRIMARY_KEY, &[(&name, Type::TEXT)]).await?;
    rows.iter().map(|row| Ok(Ident::new(client.get::<String>(row, 0)?))).collect()
}

/// Rows of one bucket: how many, and the sum of their hashes.
type Bucket = (u64, String);

struct Search<'a> {
    relation: &'a Relation,
    question: Question,
    key: &'a [Ident],
    mask: u64,
}

impl Search<'_> {
    /// Key, bucket and hash of each row, as `q`.
    fn hashed(&self, client: &Client) -> Sql {
        let here = on_side(self.relation, client.side());
        let key = sql!("row({})", Sql::join(self.key.iter().map(|column| sql!("t.{}", column)), ", "));
        sql!(
            "(select {}::pg_catalog.text as key, {} & {}::bigint as bucket, {} as hash from {} {}) q",
            key,
            self.question.hash_of(&key, 1),
            self.mask,
            self.question.hash(self.relation),
            rows::rows(self.relation, here),
            rows::condition(here, None)
        )
    }

    async fn buckets(&self, client: &Client) -> Result<BTreeMap<i64, Bucket>, Error> {
        let query = sql!(
            "select q.bucket, pg_catalog.count(*), pg_catalog.sum(q.hash)::text from {} group by 1",
            self.hashed(client)
        );
        let rows = client.query(format!("look for rows of {} that differ", self.relation.name), query, &[]).await?;
        rows.iter()
            .map(|row| {
                let count = u64::try_from(client.get::<i64>(row, 1)?).unwrap_or_default();
                Ok((client.get(row, 0)?, (count, client.get(row, 2)?)))
            })
            .collect()
    }

    async fn rows(&self, client: &Client, buckets: &[i64]) -> Result<BTreeMap<String, i64>, Error> {
        let query = sql!("select q.key, q.hash from {} where q.bucket = any ($1)", self.hashed(client));
        let doing = format!("name rows of {} that differ", self.relation.name);
        let rows = client.query(doing, query, &[(&buckets, Type::INT8_ARRAY)]).await?;
        rows.iter().map(|row| Ok((client.get(row, 0)?, client.get(row, 1)?))).collect()
    }
}

/// Buckets that differ, those with few rows first: each has at least one row that differs.
fn choose(source: &BTreeMap<i64, Bucket>, target: &BTreeMap<i64, Bucket>, limit: usize) -> Vec<i64> {
    let all: BTreeSet<i64> = source.keys().chain(target.keys()).copied().collect();
    let count = |side: &BTreeMap<i64, Bucket>, bucket| side.get(&bucket).map_or(0, |(count, _)| *count);
    let mut differing: Vec<(u64, i64)> = all
        .into_iter()
        .filter(|bucket| source.get(bucket) != target.get(bucket))
        .map(|bucket| (count(source, bucket).max(count(target, bucket)), bucket))
        .collect();
    differing.sort_unstable();
    let mut rows = 0;
    let mut chosen = Vec::new();
    for (count, bucket) in differing.into_iter().take(limit) {
        rows += count;
        if !chosen.is_empty() && rows > MOST_ROWS {
            break;
        }
        chosen.push(bucket);
    }
    chosen
}

fn compare(source: &BTreeMap<String, i64>, target: &BTreeMap<String, i64>, columns: &str, limit: usize) -> Vec<Key> {
    let all: BTreeSet<&String> = source.keys().chain(target.keys()).collect();
    all.into_iter()
        .filter_map(|key| {
            let on = match (source.get(key), target.get(key)) {
                (Some(one), Some(other)) if one == other => return None,
                (Some(_), Some(_)) => Found::Both,
                (Some(_), None) => Found::SourceOnly,
                (None, _) => Found::TargetOnly,
            };
            Some(Key { key: format!("{columns}={key}"), on })
        })
        .take(limit)
        .collect()
}

/// `(a, b)`, as the server's own messages name keys.
fn named(key: &[Ident]) -> String {
    let columns: Vec<_> = key.iter().map(Ident::readable).collect();
    format!("({})", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buckets_that_differ_are_looked_into_first() {
        let bucket = |count, sum: &str| (count, sum.to_owned());
        let source = BTreeMap::from([(1, bucket(5, "1")), (2, bucket(900_000, "2")), (3, bucket(4, "3"))]);
        let target = BTreeMap::from([(1, bucket(5, "1")), (2, bucket(1, "x")), (4, bucket(1, "4"))]);
        assert_eq!(choose(&source, &target, 10), [4, 3]);
        assert_eq!(choose(&source, &target, 1), [4]);
    }

    #[test]
    fn keys_say_where_their_row_is() {
        let source = BTreeMap::from([("(1)".to_owned(), 1), ("(2)".to_owned(), 2), ("(3)".to_owned(), 3)]);
        let target = BTreeMap::from([("(2)".to_owned(), 2), ("(3)".to_owned(), 0), ("(4)".to_owned(), 4)]);
        let found: Vec<_> = compare(&source, &target, "(id)", 9).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["key (id)=(1): only on the source", "key (id)=(3): its values differ", "key (id)=(4): only on the target"]
        );
    }
}
