//! Proof that a server was only looked at.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::pair::Pair;

/// Catalogs of the whole server. Their rows change with whatever is created, altered, granted or dropped.
const SHARED: [&str; 9] = [
    "pg_authid",
    "pg_auth_members",
    "pg_database",
    "pg_db_role_setting",
    "pg_replication_origin",
    "pg_replication_slots",
    "pg_shdescription",
    "pg_subscription",
    "pg_tablespace",
];

/// Catalogs of each database.
const LOCAL: [&str; 14] = [
    "pg_class",
    "pg_collation",
    "pg_default_acl",
    "pg_description",
    "pg_event_trigger",
    "pg_extension",
    "pg_language",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_proc",
    "pg_publication",
    "pg_publication_rel",
    "pg_subscription_rel",
    "pg_type",
];

/// What every database has in its catalogs, and the server as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Catalogs(BTreeMap<String, String>);

/// The catalogs of both servers, once no session of the program is left.
pub(crate) fn catalogs(pair: &Pair) -> [Catalogs; 2] {
    [of(&pair.source), of(&pair.target)]
}

fn of(cluster: &Cluster) -> Catalogs {
    // A session's temporary slot may outlive the program by a moment.
    let gone = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_migrate%')";
    cluster.wait_until("postgres", gone);
    let mut found = rows(cluster, "postgres", "shared", &SHARED);
    for database in cluster.databases() {
        found.extend(rows(cluster, &database, &database, &LOCAL));
    }
    Catalogs(found)
}

fn rows(cluster: &Cluster, database: &str, place: &str, catalogs: &[&str]) -> BTreeMap<String, String> {
    let queries: Vec<_> = catalogs
        .iter()
        .map(|name| {
            format!("SELECT '{name}', count(*) || ' ' || md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t")
        })
        .collect();
    let rows = cluster.sql(database, &queries.join(" UNION ALL "));
    let text = |value: Option<String>| value.unwrap_or_default();
    let pairs = rows.into_iter().map(|row| <[_; 2]>::try_from(row).expect("two columns").map(text));
    pairs.map(|[name, state]| (format!("{place}: {name}"), state)).collect()
}
