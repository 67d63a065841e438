//! Roles of one server, who is in whom, and the rights of our own.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::relations::FIRST_USER_OID;
use crate::conninfo::Secret;
use crate::facts::{Membership, Role, SecurityLabel, User};
use crate::pg::{Client, PgError};

/// Replication is an attribute, except at RDS, where it is membership in a role. To give something to a role and work on with
/// it, its rights have to be inherited.
const USER: &str = "
select r.rolname::text, r.rolsuper, r.rolcreatedb, r.rolcreaterole,
       r.rolreplication or exists (select from pg_catalog.pg_roles p
           where p.rolname = 'rds_replication' and pg_catalog.pg_has_role(p.oid, 'MEMBER')),
       r.rolbypassrls,
       array(select m.rolname::text from pg_catalog.pg_roles m
             where pg_catalog.pg_has_role(m.oid, $1) and pg_catalog.pg_has_role(m.oid, 'USAGE') order by 1)
from pg_catalog.pg_roles r where r.rolname = current_user";

/// Who we are, but for what only trying tells.
pub(super) async fn user(client: &Client) -> Result<User, PgError> {
    // From 16 on a member may not always SET ROLE, which giving away ownership asks for.
    let member = if client.version().qualifies_memberships() { "SET" } else { "MEMBER" };
    let row = client.one("read our own rights", USER, &[(&member, Type::TEXT)]).await?;
    Ok(User {
        name: client.get(&row, 0)?,
        superuser: client.get(&row, 1)?,
        create_database: client.get(&row, 2)?,
        create_role: client.get(&row, 3)?,
        replication: client.get(&row, 4)?,
        bypass_rls: client.get(&row, 5)?,
        member_of: client.get(&row, 6)?,
        session_replication_role: false,
        forbidden_settings: forbidden_settings(client).await?,
    })
}

/// Parameters that we may not set, of those that the server knows: superusers may, and from 15 on whom they let.
async fn forbidden_settings(client: &Client) -> Result<BTreeSet<String>, PgError> {
    let query = if client.version().grants_parameters() {
        "select name from pg_catalog.pg_settings
         where context in ('superuser', 'superuser-backend') and not pg_catalog.has_parameter_privilege(name, 'SET')"
    } else {
        "select name from pg_catalog.pg_settings where context in ('superuser', 'superuser-backend')
         and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)"
    };
    let rows = client.query("list settings that only superusers may set", query, &[]).await?;
    rows.iter().map(|row| client.get(row, 0)).collect()
}

/// The verifier is only in `pg_authid`, which most users may not read.
macro_rules! roles {
    ($catalog:literal) => {
        concat!(
            "
select r.rolname::text, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
       r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil::text, r.rolpassword,
       coalesce((select s.setconfig from pg_catalog.pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0),
                '{}'),
       pg_catalog.shobj_description(r.oid, 'pg_authid'), coalesce(r.rolpassword ~ '^md5[0-9a-f]{32}$', false),
       array(select part.text
             from pg_catalog.pg_shseclabel l,
                  unnest(array[l.provider, l.label]) with ordinality part(text, position)
             where l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass and l.objoid = r.oid
             order by l.provider, part.position)
from ",
            $catalog,
            " r where r.oid >= $1 and r.rolname !~ '^pg_' order by r.rolname"
        )
    };
}

/// All roles that users made.
pub(super) async fn roles(client: &Client) -> Result<Vec<Role>, PgError> {
    let allowed = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    let row = client.one("see whether verifiers are readable", allowed, &[]).await?;
    let verifiers: bool = client.get(&row, 0)?;
    let query = if verifiers { roles!("pg_catalog.pg_authid") } else { roles!("pg_catalog.pg_roles") };
    let rows = client.query("list roles", query, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            let settings: Vec<String> = client.get(row, 11)?;
            let labels: Vec<String> = client.get(row, 14)?;
            Ok(Role {
                name: client.get(row, 0)?,
                superuser: client.get(row, 1)?,
                inherit: client.get(row, 2)?,
                create_role: client.get(row, 3)?,
                create_database: client.get(row, 4)?,
                login: client.get(row, 5)?,
                replication: client.get(row, 6)?,
                bypass_rls: client.get(row, 7)?,
                connection_limit: client.get(row, 8)?,
                valid_until: client.get(row, 9)?,
                verifier: client.get::<Option<String>>(row, 10)?.filter(|_| verifiers).map(Secret::new),
                without_password: verifiers && client.get::<Option<String>>(row, 10)?.is_none(),
                md5: client.get(row, 13)?,
                settings: settings
                    .iter()
                    .filter_map(|setting| setting.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                comment: client.get(row, 12)?,
                labels: self::labels(&labels),
            })
        })
        .collect()
}

/// Providers and their labels, one after the other.
pub(super) fn labels(parts: &[String]) -> Vec<SecurityLabel> {
    let pairs = parts.chunks_exact(2);
    pairs.map(|pair| SecurityLabel { provider: pair[0].clone(), label: pair[1].clone() }).collect()
}

/// Names of the other roles.
pub(super) async fn system_roles(client: &Client) -> Result<BTreeSet<String>, PgError> {
    let query = "select rolname::text from pg_catalog.pg_roles where oid < $1 or rolname ~ '^pg_'";
    let rows = client.query("list system roles", query, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter().map(|row| client.get(row, 0)).collect()
}

/// A predefined role can be a member, too: whoever is in it then is in the other as well.
/// From 16 on somebody may be a member several times, granted by several: what it may is what any of them gave.
macro_rules! memberships {
    ($options:literal) => {
        concat!(
            "
select g.rolname::text, m.rolname::text, pg_catalog.bool_or(a.admin_option), ",
            $options,
            "
from pg_catalog.pg_auth_members a
join pg_catalog.pg_roles g on g.oid = a.roleid
join pg_catalog.pg_roles m on m.oid = a.member
where m.oid >= $1 or g.oid >= $1 and m.rolname ~ '^pg_'
group by 1, 2
order by 1, 2"
        )
    };
}

/// Who is a member of what.
pub(super) async fn memberships(client: &Client) -> Result<Vec<Membership>, PgError> {
    let query = if client.version().qualifies_memberships() {
        memberships!("pg_catalog.bool_or(a.inherit_option), pg_catalog.bool_or(a.set_option)")
    } else {
        memberships!("null::bool, null::bool")
    };
    let rows = client.query("list role memberships", query, &[(&FIRST_USER_OID, Type::OID)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Membership {
                role: client.get(row, 0)?,
                member: client.get(row, 1)?,
                admin: client.get(row, 2)?,
                inherit: client.get(row, 3)?,
                set: client.get(row, 4)?,
            })
        })
        .collect()
}
