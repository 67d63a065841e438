//! Pieces that the queries of many classes have in common.

use super::Scope;
use crate::facts::{ServerVersion, provider};
use crate::sql;
use crate::sql::names::{JOURNAL_SCHEMA, PREFIX};
use crate::sql::{Literal, Sql};

/// The versions that a query is written for.
#[derive(Clone, Copy, Debug)]
pub(in crate::verify::schema) struct Versions {
    /// Of the server that is asked: it decides how the query is spelled.
    pub own: ServerVersion,
    /// Of the server that it is compared with.
    pub other: ServerVersion,
}

impl Versions {
    /// The older of the two: what it does not know is not compared.
    pub(super) fn common(self) -> ServerVersion {
        self.own.min(self.other)
    }
}

/// `fragment` where `known`; else nothing.
pub(super) fn when(known: bool, fragment: &'static str) -> Sql {
    Sql::from(if known { fragment } else { "" })
}

/// Whether users made the object `oid` of `catalog` by themselves: the system's own objects have OIDs below 16384
/// (`FirstNormalObjectId`), and members of extensions belong to those.
pub(super) fn users(catalog: &'static str, oid: &'static str) -> Sql {
    sql!(
        "{} >= 16384 and not exists (select from pg_catalog.pg_depend member
             where member.classid = 'pg_catalog.{}'::pg_catalog.regclass and member.objid = {} and member.deptype = 'e')",
        oid,
        catalog,
        oid
    )
}

/// Whether the object `oid` of `catalog` did not come with another one, as constructors and casts come with a range type.
pub(super) fn independent(catalog: &'static str, oid: &'static str) -> Sql {
    sql!(
        "not exists (select from pg_catalog.pg_depend part
             where part.classid = 'pg_catalog.{}'::pg_catalog.regclass and part.objid = {} and part.deptype = 'i')",
        catalog,
        oid
    )
}

/// The extensions with which the object `oid` of `catalog` is dropped, although it is no member (`DEPENDS ON EXTENSION`).
pub(super) fn depends_on_extensions(catalog: &'static str, oid: &'static str) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_agg(e.extname order by e.extname)
          from pg_catalog.pg_depend d
          join pg_catalog.pg_extension e on e.oid = d.refobjid
          where d.classid = 'pg_catalog.{}'::pg_catalog.regclass and d.objid = {} and d.deptype = 'x'
            and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)",
        catalog,
        oid
    )
}

/// Names of the extensions that a migration leaves out, as a list; there always are some.
pub(super) fn excluded_extensions(scope: &Scope) -> Sql {
    let excluded = scope.excluded_extensions.iter().map(String::as_str).chain(provider::EXTENSIONS.iter().copied());
    Sql::join(excluded.map(Literal::new), ", ")
}

/// Whether objects of the schema called `name` are compared: it is neither the journal nor temporary.
pub(super) fn schema(name: &'static str) -> Sql {
    sql!("{} <> {} and {} !~ '^pg_(toast|temp_|toast_temp_)'", name, Literal::new(JOURNAL_SCHEMA), name)
}

/// Whether `name` is not one that we gave.
pub(super) fn not_ours(name: &'static str) -> Sql {
    sql!("not pg_catalog.starts_with({}::text, {})", name, Literal::new(PREFIX))
}

/// A common table expression `relation(oid, name, kind, owner)`: everything with columns that is compared.
pub(super) fn relations() -> Sql {
    relations_where(&users("pg_class", "c.oid"))
}

/// The same with those of extensions that both sides have alike: what has been added to one belongs to no extension.
pub(super) fn relations_and_members(alike: &[String]) -> Sql {
    relations_where(&sql!("({} or {})", users("pg_class", "c.oid"), member(alike)))
}

/// Those of such extensions alone.
pub(super) fn members(alike: &[String]) -> Sql {
    relations_where(&member(alike))
}

/// Whether the relation `c` is a member of one of these extensions.
fn member(extensions: &[String]) -> Sql {
    let among = sql!("e.extname::text = any ({})", names(extensions));
    member_of("'pg_catalog.pg_class'::pg_catalog.regclass", "c.oid", &among)
}

/// Whether an object is a member of an extension `e` of which `which` is true.
pub(super) fn member_of(class: &'static str, oid: &'static str, which: &Sql) -> Sql {
    sql!(
        "exists (select from pg_catalog.pg_depend m
                 join pg_catalog.pg_extension e on e.oid = m.refobjid
                 where m.classid = {} and m.objid = {} and m.deptype = 'e'
                   and m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and {})",
        class,
        oid,
        which
    )
}

/// Names as an array.
pub(super) fn names(names: &[String]) -> Sql {
    sql!("array[{}]::text[]", Sql::join(names.iter().map(Literal::new), ", "))
}

fn relations_where(chosen: &Sql) -> Sql {
    sql!(
        "relation(oid, name, kind, owner) as (
            select c.oid, c.oid::pg_catalog.regclass::text, c.relkind, c.relowner
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and c.relpersistence <> 't' and {} and {})",
        schema("n.nspname"),
        chosen
    )
}

/// The address of an object, which comments and labels refer to.
pub(super) fn address(catalog: &'static str, oid: &'static str) -> Sql {
    sql!("'pg_catalog.{}'::pg_catalog.regclass::pg_catalog.oid, {}, 0", catalog, oid)
}

/// Whether a trigger or rule fires: always, with what `session_replication_role` says, or not.
pub(super) fn firing(column: &'static str) -> Sql {
    sql!("case {} when 'O' then 'yes' when 'D' then 'no' when 'R' then 'replica' else 'always' end", column)
}

/// A name with its schema.
pub(super) fn qualified(schema: &'static str, name: &'static str) -> Sql {
    sql!("(pg_catalog.quote_ident({}) || '.' || pg_catalog.quote_ident({}))", schema, name)
}

/// Type and name of an object, of what `pg_identify_object` says of it. From 17 on `json` is a word of SQL, and has no schema in
/// front.
pub(super) fn identified(object: &'static str) -> Sql {
    sql!(
        "({}.type || ' ' || pg_catalog.regexp_replace({}.identity, 'pg_catalog[.]json\\M', 'json', 'g'))",
        object,
        object
    )
}

/// The name of a role.
pub(super) fn role(oid: &'static str) -> Sql {
    sql!("pg_catalog.quote_ident(pg_catalog.pg_get_userbyid({}))", oid)
}

/// The function `oid` with its arguments; null for none.
pub(super) fn function(oid: &'static str) -> Sql {
    sql!("nullif({}::pg_catalog.oid, 0)::pg_catalog.regprocedure::text", oid)
}

/// The collation `oid` with its schema; null for none. (`regcollation` came with 13.)
pub(super) fn collation(oid: &'static str) -> Sql {
    sql!(
        "(select pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
          from pg_catalog.pg_collation co join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
          where co.oid = {})",
        oid
    )
}

/// Who provides a locale.
pub(super) fn provider(column: &'static str) -> Sql {
    sql!("case {} when 'i' then 'icu' when 'b' then 'builtin' when 'd' then 'default' else 'libc' end", column)
}

/// Texts `name=value` as an object.
pub(super) fn options(texts: &'static str) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_object_agg(pg_catalog.split_part(o, '=', 1),
                 pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)) from pg_catalog.unnest({}) o)",
        texts
    )
}

/// Names that promise a value nobody should see.
const SECRETIVE: &str = "'pass|secret|token|key|credential'";

/// The same where values may be secrets: of those whose name says so, only a hash.
pub(super) fn guarded_options(texts: &'static str) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_object_agg(case when part.name ~* {} then '#' else '' end || part.name,
                 case when part.name ~* {} then {} else part.value end)
          from pg_catalog.unnest({}) o
          cross join lateral (select pg_catalog.split_part(o, '=', 1),
                                     pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)) part(name, value))",
        SECRETIVE,
        SECRETIVE,
        hash("part.value"),
        texts
    )
}

/// Tells whether two secrets are equal without saying what they are. (Where FIPS rules, md5 is refused.)
pub(super) fn hash(text: &'static str) -> Sql {
    sql!("pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({}, 'UTF8')), 'hex')", text)
}

/// What each grantee may do, as an object: with `acl` null, what the server grants by itself. The owner goes by that name,
/// whoever it is, and holds what it holds with grant option in any case. Who granted is not said: after a migration it is
/// the owner.
pub(super) fn privileges(versions: Versions, acl: &'static str, kind: &'static str, owner: &'static str) -> Sql {
    let all = sql!("pg_catalog.aclexplode(coalesce({}, pg_catalog.acldefault('{}', {})))", acl, kind, owner);
    granted(versions, all, owner)
}

/// The same for rows as `aclexplode` gives them.
pub(super) fn granted(versions: Versions, rows: Sql, owner: &'static str) -> Sql {
    sql!(
        "(select pg_catalog.jsonb_object_agg(grantee, privileges) from (
            select grantee, pg_catalog.string_agg(privilege, ', ' order by privilege) from (
                select case grantee when 0 then 'PUBLIC' when {} then 'the owner' else {} end,
                       privilege_type || case when pg_catalog.bool_or(is_grantable) and grantee <> {}
                                              then ' WITH GRANT OPTION' else '' end
                from {} a {}
                group by grantee, privilege_type) each(grantee, privilege)
            group by grantee) grantees(grantee, privileges))",
        owner,
        role("grantee"),
        owner,
        rows,
        when(!versions.common().has_maintain(), "where privilege_type <> 'MAINTAIN'")
    )
}

/// Of two lists of privileges, those that only the first holds, whoever granted them.
pub(super) fn only(first: &'static str, other: &'static str) -> Sql {
    sql!(
        "(select f.* from pg_catalog.aclexplode(c.{}) f
          where not exists (select from pg_catalog.aclexplode(c.{}) o where o.grantee = f.grantee
                              and o.privilege_type = f.privilege_type and o.is_grantable = f.is_grantable))",
        first,
        other
    )
}
