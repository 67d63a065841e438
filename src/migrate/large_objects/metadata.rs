//! Owners, privileges, comments and security labels of large objects.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tokio_postgres::types::Type;

use crate::facts::Reserved;
use crate::pg::{Client, PgError};
use crate::plan::Owners;
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// What is said of a large object.
pub(super) struct Metadata {
    owner: String,
    comment: Option<String>,
    /// In the order of the catalog, in which a grant option comes before what was granted with it.
    privileges: Vec<Privilege>,
    /// By their providers.
    labels: BTreeMap<String, String>,
}

/// A statement that makes an object of the target more like the source's.
pub(super) struct Change {
    pub(super) oid: u32,
    /// What it is about.
    pub(super) kind: Reserved,
    pub(super) statement: Sql,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Privilege {
    grantor: Who,
    grantee: Who,
    /// `SELECT` or `UPDATE`.
    name: String,
    grantable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever owns the object.
    Owner,
    Public,
    Role(String),
}

/// An object without a list has the privileges of its owner alone.
const LIST: &str = "
select m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text, pg_catalog.obj_description(m.oid, 'pg_largeobject'),
       array(select part.word
             from pg_catalog.aclexplode(coalesce(m.lomacl, pg_catalog.acldefault('L', m.lomowner)))
                      with ordinality a(grantor, grantee, privilege, grantable, number),
                  pg_catalog.unnest(array[
                      case a.grantor when m.lomowner then 'owner' else 'role' end,
                      pg_catalog.pg_get_userbyid(a.grantor)::text,
                      case a.grantee when m.lomowner then 'owner' when 0 then 'public' else 'role' end,
                      pg_catalog.pg_get_userbyid(a.grantee)::text,
                      a.privilege, a.grantable::text]) with ordinality part(word, position)
             order by a.number, part.position),
       array(select part.word
             from pg_catalog.pg_seclabel l,
                  pg_catalog.unnest(array[l.provider, l.label]) with ordinality part(word, position)
             where l.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass and l.objoid = m.oid
             order by l.provider, part.position)
from pg_catalog.pg_largeobject_metadata m
where m.oid between $1 and $2";

/// What is said of each object in `oids`.
pub(super) async fn list(client: &Client, oids: &RangeInclusive<u32>) -> Result<BTreeMap<u32, Metadata>, PgError> {
    let bounds: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(oids.start(), Type::OID), (oids.end(), Type::OID)];
    let rows = client.query("list large objects", LIST, bounds).await?;
    rows.iter()
        .map(|row| {
            let (words, labels): (Vec<String>, Vec<String>) = (client.get(row, 3)?, client.get(row, 4)?);
            let metadata = Metadata {
                owner: client.get(row, 1)?,
                comment: client.get(row, 2)?,
                privileges: words.chunks_exact(6).map(privilege).collect(),
                labels: labels.chunks_exact(2).map(|label| (label[0].clone(), label[1].clone())).collect(),
            };
            Ok((client.get(row, 0)?, metadata))
        })
        .collect()
}

fn privilege(words: &[String]) -> Privilege {
    let who = |kind: &str, name: &String| match kind {
        "owner" => Who::Owner,
        "public" => Who::Public,
        _ => Who::Role(name.clone()),
    };
    Privilege {
        grantor: who(&words[0], &words[1]),
        grantee: who(&words[2], &words[3]),
        name: words[4].clone(),
        grantable: words[5] == "true",
    }
}

impl Metadata {
    /// What makes `self`, found on the target, like `wanted`, with what a user without the right to it would lack. Privileges
    /// of roles that are not `known` there are left out.
    pub(super) fn changes(
        &self,
        oid: u32,
        wanted: &Metadata,
        owners: &Owners,
        known: impl Fn(&str) -> bool,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut add = |kind, statement| changes.push(Change { oid, kind, statement });
        let owner = if owners.keeps(&wanted.owner) { &wanted.owner } else { &self.owner };
        if owner != &self.owner {
            add(Reserved::Owners, give(oid, owner));
        }
        let known = |who: &Who| match who {
            Who::Owner | Who::Public => true,
            Who::Role(name) => known(name),
        };
        let wanted_privileges: Vec<&Privilege> =
            wanted.privileges.iter().filter(|it| known(&it.grantor) && known(&it.grantee)).collect();
        let surplus = self.privileges.iter().any(|it| !wanted_privileges.contains(&it));
        if surplus {
            let mut grantees: Vec<&Who> = self.privileges.iter().map(|it| &it.grantee).collect();
            grantees.dedup();
            for grantee in grantees {
                let from = name(grantee, owner);
                add(Reserved::Privileges, sql!("revoke all privileges on large object {} from {} cascade", oid, from));
            }
        }
        let missing = wanted_privileges.into_iter().filter(|it| surplus || !self.privileges.contains(it));
        missing.for_each(|it| add(Reserved::Privileges, it.grant(oid, owner)));
        if wanted.comment != self.comment {
            let comment = text(wanted.comment.as_ref());
            add(Reserved::Comments, sql!("comment on large object {} is {}", oid, comment));
        }
        let providers: BTreeSet<&String> = wanted.labels.keys().chain(self.labels.keys()).collect();
        for provider in providers {
            let label = wanted.labels.get(provider);
            if label != self.labels.get(provider) {
                let (provider, label) = (Ident::new(provider), text(label));
                let statement = sql!("security label for {} on large object {} is {}", provider, oid, label);
                add(Reserved::SecurityLabels, statement);
            }
        }
        changes
    }

    /// What would give the object to its owner on the source, where the target user cannot.
    pub(super) fn left_to_administrator(&self, oid: u32, owners: &Owners) -> Option<Sql> {
        owners.lost.contains(&self.owner).then(|| give(oid, &self.owner))
    }
}

/// A string, or none.
fn text(text: Option<&String>) -> Sql {
    text.map_or_else(|| Sql::from("null"), |text| sql!("{}", Literal::new(text)))
}

fn give(oid: u32, owner: &str) -> Sql {
    sql!("alter large object {} owner to {}", oid, Ident::new(owner))
}

fn name(who: &Who, owner: &str) -> Sql {
    match who {
        Who::Public => Sql::from("public"),
        Who::Owner => sql!("{}", Ident::new(owner)),
        Who::Role(name) => sql!("{}", Ident::new(name)),
    }
}

impl Privilege {
    fn grant(&self, oid: u32, owner: &str) -> Sql {
        let privilege = if self.name == "UPDATE" { "update" } else { "select" };
        let option = if self.grantable { " with grant option" } else { "" };
        let grant = sql!("grant {} on large object {} to {}{}", privilege, oid, name(&self.grantee, owner), option);
        match &self.grantor {
            // Whoever may act for the owner grants in the owner's name.
            Who::Owner | Who::Public => grant,
            Who::Role(grantor) => sql!("set role {}; {}; reset role", Ident::new(grantor), grant),
        }
    }
}

/// Makes `changes` in the open transaction, and returns those that the server refused with its words.
pub(super) async fn change(target: &Client, changes: Vec<Change>) -> Result<Vec<(Change, PgError)>, PgError> {
    let doing = "describe large objects";
    let mut refused = Vec::new();
    if changes.is_empty() {
        return Ok(refused);
    }
    let all = Sql::join(changes.iter().map(|change| &change.statement), "; ");
    if target.try_in_transaction(doing, &all).await?.is_none() {
        return Ok(refused);
    }
    for change in changes {
        if let Some(refusal) = target.try_in_transaction(doing, &change.statement).await? {
            refused.push((change, refusal));
        }
    }
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privilege(grantor: Who, grantee: Who, name: &str) -> Privilege {
        Privilege { grantor, grantee, name: name.to_owned(), grantable: false }
    }

    fn owned_by(owner: &str) -> Metadata {
        let own = |name| privilege(Who::Owner, Who::Owner, name);
        let privileges = vec![own("SELECT"), own("UPDATE")];
        Metadata { owner: owner.to_owned(), comment: None, privileges, labels: BTreeMap::new() }
    }

    fn texts(there: &Metadata, wanted: &Metadata, kept: bool) -> Vec<String> {
        let owners = Owners { kept, ..Owners::default() };
        let changes = there.changes(7, wanted, &owners, |role| role != "unknown");
        changes.iter().map(|change| change.statement.to_string()).collect()
    }

    fn role(name: &str) -> Who {
        Who::Role(name.to_owned())
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let mut wanted = owned_by("app");
        wanted.privileges.push(privilege(Who::Owner, role("unknown"), "SELECT"));
        assert!(texts(&owned_by("app"), &wanted, true).is_empty());
        assert!(texts(&owned_by("mover"), &wanted, false).is_empty());
    }

    #[test]
    fn owners_come_first_and_grantors_grant_themselves() {
        let mut wanted = owned_by("app");
        wanted.comment = Some("it's large".to_owned());
        wanted.privileges.push(Privilege { grantable: true, ..privilege(Who::Owner, role("Reader"), "SELECT") });
        wanted.privileges.push(privilege(role("Reader"), Who::Public, "SELECT"));
        assert_eq!(
            texts(&owned_by("mover"), &wanted, true),
            [
                r#"alter large object 7 owner to "app""#,
                r#"grant select on large object 7 to "Reader" with grant option"#,
                r#"set role "Reader"; grant select on large object 7 to public; reset role"#,
                "comment on large object 7 is 'it''s large'",
            ]
        );
    }

    #[test]
    fn what_was_taken_away_on_the_source_is_taken_away() {
        let mut there = owned_by("app");
        there.comment = Some("old".to_owned());
        there.labels = BTreeMap::from([("anon".to_owned(), "old".to_owned()), ("other".to_owned(), "same".to_owned())]);
        there.privileges.push(privilege(Who::Owner, Who::Public, "SELECT"));
        let mut wanted = owned_by("app");
        wanted.privileges.remove(1);
        wanted.labels =
            BTreeMap::from([("other".to_owned(), "same".to_owned()), ("sepgsql".to_owned(), "new".to_owned())]);
        assert_eq!(
            texts(&there, &wanted, true),
            [
                r#"revoke all privileges on large object 7 from "app" cascade"#,
                "revoke all privileges on large object 7 from public cascade",
                r#"grant select on large object 7 to "app""#,
                "comment on large object 7 is null",
                r#"security label for "anon" on large object 7 is null"#,
                r#"security label for "sepgsql" on large object 7 is 'new'"#,
            ]
        );
    }
}
