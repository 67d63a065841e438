//! Compares everything but rows, catalog by catalog.
//!
//! One query for each class of objects lists them on both sides with all that is to be compared, see `classes`; what the
//! older of the two servers does not know is left out. Both lists come in one order and are read side by side, see `listing`.
//! Members of extensions belong to the extension, which is compared by its version, see `extensions`. Definitions that differ only in their
//! wording are recognised by having the target read both, see `reword`.

mod attached;
mod classes;
mod extensions;
mod listing;
mod object;
mod reword;
mod sequences;

use std::collections::HashSet;

use self::attached::Attachments;
use self::classes::{Class, Versions};
use self::listing::Pairs;
use self::object::Mismatch;
use super::Difference;
use crate::events::NotCompared;
use crate::pg::{Client, PgError};
use crate::sql::Ident;

/// What is compared, beyond the database that two sessions are in.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Databases whose owner, locale, privileges, settings and comment are compared; one that the target does not have is a
    /// difference. Those that only the target has are of no concern.
    pub databases: Vec<String>,
    /// Those of them that replicate: their privileges and connection limit arrive at the finish, and are not compared.
    pub replicating_databases: Vec<String>,
    /// Roles that a migration carries. Roles that only the target has are of no concern.
    pub roles: Vec<String>,
    /// Extensions that were left out; those of managed services always are.
    pub excluded_extensions: Vec<String>,
    /// Whether what users keep in configuration tables of extensions, and their sequences, is carried.
    pub extension_tables: bool,
    /// Everything belongs to the target user: owners are not compared.
    pub ignore_owners: bool,
    /// Roles whose passwords on the target are no copies: the user gave them.
    pub given_passwords: Vec<String>,
    /// Replication runs: what arrives only at its finish (values of sequences, materialized views' contents, large objects,
    /// publications) is not compared.
    pub replicating: bool,
}

/// What came out of comparing two databases, or the two servers.
#[derive(Debug, Default)]
pub struct Compared {
    /// What differs.
    pub differences: Vec<Difference>,
    /// What could not be compared, and why that is so.
    pub not_compared: Vec<NotCompared>,
}

/// Why secrets are not compared.
const PRIVILEGED: &str = "a superuser reads them, on both sides";

/// Why the value of a sequence is not.
const CYCLES: &str = "it cycles: whether it is behind cannot be told";

/// Why a password is not.
const GIVEN: &str = "this run gave it: --role-passwords";

/// What differs between one database on both sides, rows apart. Both sessions are in the database of the same name, and in no
/// transaction.
pub async fn compare_databases(source: &Client, target: &Client, scope: &Scope) -> Result<Compared, PgError> {
    let alike = extensions::alike(source, target, scope).await?;
    let classes = |versions| classes::of_database(versions, scope, &alike);
    let Catalogs { mut mismatches, unread } = catalogs(source, target, classes, Attachments::OfDatabase).await?;
    let mut not_compared = not_compared(unread, PRIVILEGED);
    if !scope.replicating {
        let sequences = sequences::compare(source, target, scope).await?;
        mismatches.extend(sequences.behind);
        not_compared.extend(self::not_compared(sequences.unclear, CYCLES));
    }
    reword::dismiss(target, &mut mismatches).await?;
    Ok(Compared { differences: report(mismatches, scope, Some(source.database())), not_compared })
}

/// What differs between the two servers: roles with their memberships and settings, and databases as a whole. The sessions are
/// in any database, and in no transaction.
pub async fn compare_servers(source: &Client, target: &Client, scope: &Scope) -> Result<Compared, PgError> {
    let (here, there) = tokio::try_join!(reads_passwords(source), reads_passwords(target))?;
    let passwords = here && there;
    let classes = |versions| classes::of_server(versions, scope, passwords);
    let Catalogs { mut mismatches, unread } = catalogs(source, target, classes, Attachments::OfServer).await?;
    reword::dismiss(target, &mut mismatches).await?;
    let mut not_compared = not_compared(unread, PRIVILEGED);
    if passwords {
        let given =
            scope.given_passwords.iter().map(|role| format!("password of role {}", Ident::new(role).readable()));
        not_compared.extend(self::not_compared(given.collect(), GIVEN));
    } else if !scope.roles.is_empty() {
        not_compared.extend(self::not_compared(vec!["passwords of roles".to_owned()], PRIVILEGED));
    }
    Ok(Compared { differences: report(mismatches, scope, None), not_compared })
}

fn not_compared(what: Vec<String>, reason: &'static str) -> Vec<NotCompared> {
    what.into_iter().map(|what| NotCompared { what, reason, later: false }).collect()
}

async fn reads_passwords(client: &Client) -> Result<bool, PgError> {
    let allowed = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    client.get(&client.one("see whether verifiers are readable", allowed, &[]).await?, 0)
}

/// Compares every class, and what is attached to its objects.
async fn catalogs(
    source: &Client,
    target: &Client,
    classes: impl Fn(Versions) -> Vec<Class>,
    attachments: Attachments,
) -> Result<Catalogs, PgError> {
    let versions = |own: &Client, other: &Client| Versions { own: own.version(), other: other.version() };
    let (of_source, of_target) = (classes(versions(source, target)), classes(versions(target, source)));
    let mut found = Catalogs::default();
    tokio::try_join!(begin(source), begin(target))?;
    for (here, there) in of_source.iter().zip(&of_target) {
        let class = here.name;
        let mut pairs = Pairs::open((source, here), (target, there), attachments).await?;
        while let Some((on_source, on_target)) = pairs.next().await? {
            found.mismatches.extend(object::differences(class, here.sparse, on_source.as_ref(), on_target.as_ref()));
            found.mismatches.extend(attached::differences(class, here.sparse, on_source.as_ref(), on_target.as_ref()));
            if let (Some(on_source), Some(on_target)) = (&on_source, &on_target) {
                found.unread.extend(object::unread(class, on_source, on_target));
            }
        }
    }
    tokio::try_join!(end(source), end(target))?;
    Ok(found)
}

/// One snapshot for all queries, and one time zone for the constants in definitions.
async fn begin(client: &Client) -> Result<(), PgError> {
    const BEGIN: &str =
        "begin isolation level repeatable read read only; set local timezone = 'UTC'; set local lc_monetary = 'C'";
    client.run("begin to compare catalogs", BEGIN).await
}

async fn end(client: &Client) -> Result<(), PgError> {
    client.run("end comparing catalogs", "commit").await
}

/// What comparing every class gave.
#[derive(Default)]
struct Catalogs {
    mismatches: Vec<Mismatch>,
    /// What one side may not read.
    unread: Vec<String>,
}

/// Classes whose objects have columns, and whatever else names them as its table. Others may share their names.
const WHOLES: &[&str] = &["table", "view", "materialized view", "type"];

/// As others see them. A table that is missing or extra stands for all that it consists of.
fn report(mismatches: Vec<Mismatch>, scope: &Scope, database: Option<&str>) -> Vec<Difference> {
    let wholes: HashSet<String> = mismatches
        .iter()
        .filter(|it| WHOLES.contains(&it.class) && it.is_one_sided())
        .map(|it| it.object.clone())
        .collect();
    mismatches
        .into_iter()
        .filter(|it| !(scope.ignore_owners && it.is_property("owner")))
        .filter(|it| !it.table().is_some_and(|table| wholes.contains(table)))
        .filter(|it| !it.is_initial() && !it.is_intended() && !it.is_own_membership())
        .map(|it| Difference {
            database: database.map(str::to_owned),
            what: it.what(),
            class: it.class,
            object: it.object,
        })
        .collect()
}
