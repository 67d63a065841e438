//! Privileges of an archive, granted one by one in a session of ours.
//!
//! pg_restore sends all that an object's entry says as one transaction: a single grant to a role that is not there, or by one
//! that we may not be, would take the others with it.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::{Context, journal};
use crate::error::{Error, Kind};
use crate::facts::Reserved;
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::Rights;
use crate::sql;
use crate::sql::{Ident, Sql};
use crate::tools::Script;

/// Statements sent together, while nothing is refused: a round trip each would take long where there are many.
const AT_ONCE: usize = 200;

/// Grants all of `script`. What was announced is left to an administrator; roles that are not there are passed over.
pub(super) async fn grant(context: &Context, client: &Client, rights: &Rights, script: &Script) -> Result<(), Error> {
    let database = client.database();
    let (absent, statements): (Vec<Sql>, Vec<Sql>) =
        script.statements().partition(|statement| is_on_any(statement, &rights.absent));
    for statement in absent {
        tracing::debug!(target: logger::TARGET, "{}: left out with its extension: {statement}", logger::database(database));
    }
    if statements.is_empty() {
        return Ok(());
    }
    for statement in statements.iter().filter(|statement| takes_from_lost_owner(rights, statement)) {
        let reason = "it takes rights from an owner that the object does not have yet".to_owned();
        context.leave(Some(database), Reserved::Privileges, statement, reason);
    }
    let mut failures = Vec::new();
    for batch in statements.chunks(AT_ONCE) {
        context.check()?;
        if client.try_run("grant privileges", Sql::join(batch, "\n")).await?.is_none() {
            continue;
        }
        for statement in batch {
            failures.extend(grant_one(context, client, rights, statement).await?);
        }
    }
    match failures.as_slice() {
        [] => Ok(()),
        [only] => Err(Error::new(Kind::Failed, only.clone())),
        [first, rest @ ..] => Err(Error::new(Kind::Failed, format!("{first} (and {} more, see the log)", rest.len()))),
    }
}

/// Owners of what is in a schema, schema by schema.
const OWNERS: &str = "
select distinct n.nspname::text, pg_catalog.pg_get_userbyid(o.owner)::text
from (select relnamespace, relowner from pg_catalog.pg_class where relpersistence <> 't'
      union all select pronamespace, proowner from pg_catalog.pg_proc
      union all select typnamespace, typowner from pg_catalog.pg_type
      union all select oprnamespace, oprowner from pg_catalog.pg_operator
      union all select opcnamespace, opcowner from pg_catalog.pg_opclass
      union all select opfnamespace, opfowner from pg_catalog.pg_opfamily
      union all select collnamespace, collowner from pg_catalog.pg_collation
      union all select connamespace, conowner from pg_catalog.pg_conversion
      union all select dictnamespace, dictowner from pg_catalog.pg_ts_dict
      union all select cfgnamespace, cfgowner from pg_catalog.pg_ts_config
      union all select stxnamespace, stxowner from pg_catalog.pg_statistic_ext) o(namespace, owner)
join pg_catalog.pg_namespace n on n.oid = o.namespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1, 2";

/// Whether a role lacks CREATE on a schema that is ours, or a role's whose rights we have.
const LACKS: &str = "
select exists (
    select from pg_catalog.pg_namespace n, pg_catalog.pg_roles r
    where n.nspname = $1 and r.rolname = $2 and pg_catalog.pg_has_role(n.nspowner, 'USAGE')
      and not pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE'))";

/// Whether somebody may need a loan.
pub(super) fn may_lend(context: &Context, rights: &Rights) -> bool {
    !context.target_superuser && rights.owners.kept
}

/// Lends CREATE on schemas, where it is needed, to those who become owners of what is in them: unless a superuser gives it to
/// them, they need that. On the source they had it once, or a superuser gave it to them. Returns whether there is anything to
/// take back.
///
/// Every loan is committed together with its record in the journal: whatever ends the run, what is lent is known.
pub(super) async fn lend(context: &Context, client: &Client, rights: &Rights) -> Result<bool, Error> {
    let mut lent = false;
    let source = context.source.connect(client.database()).await?;
    for row in source.query("list owners of objects", OWNERS, &[]).await? {
        let (schema, owner): (String, String) = (source.get(&row, 0)?, source.get(&row, 1)?);
        if !rights.owners.keeps(&owner) {
            continue;
        }
        let names: &[(&(dyn ToSql + Sync), Type)] = &[(&schema, Type::TEXT), (&owner, Type::TEXT)];
        let answer = client.one("look at privileges of owners", LACKS, names).await?;
        if client.get(&answer, 0)? {
            let record = journal::lent(&schema, &owner);
            let (schema, owner) = (Ident::new(schema), Ident::new(owner));
            let grant = sql!("begin; {}; grant create on schema {} to {}; commit", record, schema, owner);
            lent = true;
            client.run("lend CREATE", grant).await?;
        }
    }
    context.source.keep(source);
    Ok(lent)
}

/// Takes back what the journal says is lent, by this run or an earlier one, and returns it. Schemas and roles that are gone
/// have taken their privileges with them.
pub(super) async fn take_back(client: &Client) -> Result<Vec<String>, PgError> {
    let mut taken = Vec::new();
    for (schema, role) in journal::all_lent(client).await? {
        let forget = journal::given_back(&schema, &role);
        let (schema, role) = (Ident::new(schema), Ident::new(role));
        let revoke = sql!("begin; revoke create on schema {} from {}; {}; commit", schema, role, forget);
        client.run("take CREATE back", revoke).await?;
        taken.push(format!("CREATE on schema {schema}, lent to {role} on the target"));
    }
    Ok(taken)
}

/// The failure, when one is to be told.
async fn grant_one(
    context: &Context,
    client: &Client,
    rights: &Rights,
    statement: &Sql,
) -> Result<Option<String>, Error> {
    let Some(error) = client.try_run("grant privileges", statement.clone()).await? else { return Ok(None) };
    let database = logger::database(client.database());
    if names_missing_role(context, &error, statement) {
        tracing::debug!(target: logger::TARGET, "{database}: left out: {statement}: {}", error.words());
        return Ok(None);
    }
    let kind = if statement.text().starts_with("ALTER DEFAULT PRIVILEGES ") {
        Reserved::DefaultPrivileges
    } else {
        Reserved::Privileges
    };
    if error.is_permission() && rights.announced.contains_key(&kind) {
        context.leave(Some(client.database()), kind, statement, error.words());
        return Ok(None);
    }
    tracing::error!(target: logger::TARGET, "{database}: {statement}: {}", error.words());
    Ok(Some(format!("{statement}: {}", error.words())))
}

/// Whether a statement is about one of `objects`. Types of arguments have quotes where the server thought that they need them.
fn is_on_any(statement: &Sql, objects: &BTreeSet<String>) -> bool {
    if objects.is_empty() {
        return false;
    }
    let plain = statement.text().replace('"', "");
    let mut objects = objects.iter();
    objects.any(|object| ["TO", "FROM"].iter().any(|word| plain.contains(&format!(" ON {object} {word} "))))
}

fn takes_from_lost_owner(rights: &Rights, statement: &Sql) -> bool {
    statement.text().starts_with("REVOKE ")
        && rights.owners.lost.iter().any(|owner| statement.text().ends_with(&format!(" FROM {};", Ident::new(owner))))
}

/// Whether a grant is refused only because it is about a role that was not migrated.
fn names_missing_role(context: &Context, error: &PgError, statement: &Sql) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_OBJECT)
        && context.missing_roles.iter().any(|role| statement.text().contains(&Ident::new(role).to_string()))
}
