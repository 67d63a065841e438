//! Owner, privileges and comment of large objects.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::pg::{Client, PgError};
use crate::plan::Owners;
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// What is said of a large object, in roles of the target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Properties {
    owner: String,
    grants: BTreeSet<Grant>,
    comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    to: Grantee,
    privilege: String,
    grantable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grantee {
    Public,
    Owner,
    Role(String),
}

/// How roles of the source are called on the target.
pub(super) struct Naming<'a> {
    owners: &'a Owners,
    user: String,
    roles: HashSet<String>,
}

impl<'a> Naming<'a> {
    pub(super) async fn read(target: &Client, owners: &'a Owners) -> Result<Self, PgError> {
        let query = "select rolname::text, rolname = current_user from pg_catalog.pg_roles";
        let (mut user, mut roles) = (String::new(), HashSet::new());
        for row in target.query("list roles", query, &[]).await? {
            let name: String = target.get(&row, 0)?;
            if target.get(&row, 1)? {
                user.clone_from(&name);
            }
            roles.insert(name);
        }
        Ok(Self { owners, user, roles })
    }

    fn owner(&self, on_source: String) -> String {
        if self.owners.keeps(&on_source) { on_source } else { self.user.clone() }
    }
}

/// Whoever nobody has granted anything has what the default is: no list of privileges means that.
const PROPERTIES: &str = "
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text,
       pg_catalog.obj_description(m.oid, 'pg_largeobject'),
       array(select case a.grantee when 0 then 'public' when m.lomowner then 'owner'
                    else 'role ' || pg_catalog.pg_get_userbyid(a.grantee)::text end
             from pg_catalog.aclexplode(l.acl) with ordinality a order by a.ordinality),
       array(select a.privilege_type from pg_catalog.aclexplode(l.acl) with ordinality a order by a.ordinality),
       array(select a.is_grantable from pg_catalog.aclexplode(l.acl) with ordinality a order by a.ordinality)
from pg_catalog.pg_largeobject_metadata m,
     lateral (select coalesce(m.lomacl, pg_catalog.acldefault('L', m.lomowner)) as acl) l
where m.oid = any ($1)";

async fn read(client: &Client, oids: &[u32]) -> Result<BTreeMap<u32, Properties>, PgError> {
    let doing = "read owners, privileges and comments of large objects";
    let rows = client.query(doing, PROPERTIES, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter().map(|row| Ok((client.get(row, 0)?, properties(client, row)?))).collect()
}

fn properties(client: &Client, row: &Row) -> Result<Properties, PgError> {
    let (grantees, privileges): (Vec<String>, Vec<String>) = (client.get(row, 3)?, client.get(row, 4)?);
    let grantable: Vec<bool> = client.get(row, 5)?;
    let grants = grantees.into_iter().zip(privileges).zip(grantable).map(|((to, privilege), grantable)| Grant {
        to: match (to.as_str(), to.strip_prefix("role ")) {
            ("public", _) => Grantee::Public,
            (_, Some(role)) => Grantee::Role(role.to_owned()),
            _ => Grantee::Owner,
        },
        privilege,
        grantable,
    });
    Ok(Properties { owner: client.get(row, 1)?, grants: grants.collect(), comment: client.get(row, 2)? })
}

/// What the source says of `oids`, in roles of the target; roles that it does not have are left out.
pub(super) async fn of_source(
    source: &Client,
    naming: &Naming<'_>,
    oids: &[u32],
) -> Result<BTreeMap<u32, Properties>, PgError> {
    let mut all = read(source, oids).await?;
    for properties in all.values_mut() {
        properties.owner = naming.owner(std::mem::take(&mut properties.owner));
        normalise(properties, naming);
    }
    Ok(all)
}

/// What the target says of them.
pub(super) async fn of_target(
    target: &Client,
    naming: &Naming<'_>,
    oids: &[u32],
) -> Result<BTreeMap<u32, Properties>, PgError> {
    let mut all = read(target, oids).await?;
    all.values_mut().for_each(|properties| normalise(properties, naming));
    Ok(all)
}

fn normalise(properties: &mut Properties, naming: &Naming<'_>) {
    properties.grants.retain(|grant| match &grant.to {
        // What a role was granted that now owns the large object, it has as its owner.
        Grantee::Role(role) => naming.roles.contains(role) && *role != properties.owner,
        Grantee::Public | Grantee::Owner => true,
    });
}

impl Properties {
    /// What makes a large object so that the target user has just created.
    pub(super) fn statements(&self, oid: u32, naming: &Naming<'_>) -> Vec<Sql> {
        let mut statements = Vec::new();
        let owner = Ident::new(&self.owner);
        if self.owner != naming.user {
            statements.push(sql!("alter large object {} owner to {}", oid, owner));
        }
        let of_owner =
            |privilege: &str| Grant { to: Grantee::Owner, privilege: privilege.to_owned(), grantable: false };
        let (select, update) = (of_owner("SELECT"), of_owner("UPDATE"));
        for (grant, privilege) in [(&select, "select"), (&update, "update")] {
            if !self.grants.iter().any(|there| there.to == Grantee::Owner && there.privilege == grant.privilege) {
                statements.push(sql!("revoke {} on large object {} from {}", privilege, oid, owner));
            }
        }
        for grant in self.grants.iter().filter(|grant| ![&select, &update].contains(grant)) {
            let to = match &grant.to {
                Grantee::Public => Sql::from("public"),
                Grantee::Owner => sql!("{}", owner),
                Grantee::Role(role) => sql!("{}", Ident::new(role)),
            };
            let privilege = if grant.privilege == "UPDATE" { "update" } else { "select" };
            let option = if grant.grantable { " with grant option" } else { "" };
            statements.push(sql!("grant {} on large object {} to {}{}", privilege, oid, to, option));
        }
        if let Some(comment) = &self.comment {
            statements.push(sql!("comment on large object {} is {}", oid, Literal::new(comment)));
        }
        statements
    }
}
