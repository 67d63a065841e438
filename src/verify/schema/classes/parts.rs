//! What belongs to a table besides its columns: constraints, indexes, rules, triggers, policies, extended statistics.

use super::Class;
use super::fragments::{
    Versions, address, collation, depends_on_extensions, firing, options, qualified, relations_and_members, role,
    users, when,
};
use crate::sql;
use crate::sql::Sql;

/// `alike`: extensions that both sides have alike.
pub(super) fn classes(versions: Versions, alike: &[String]) -> Vec<Class> {
    vec![
        Class::new("constraint", constraints(versions, alike)),
        Class::new("index", indexes(versions, alike)),
        Class::new("rule", rules(alike)),
        Class::new("trigger", triggers(versions, alike)),
        Class::new("policy", policies(alike)),
        Class::new("statistics object", statistics(versions)),
    ]
}

/// A foreign key of a partition that follows from its parent's has a name that PostgreSQL made up: only the parent's is
/// compared. Constraint triggers are triggers. NOT NULL is a column's, and has a name of its own from 18 on; attaching a
/// partition makes it inherited, whatever it was. An exclusion constraint excludes by its operators; all else of it is its index.
fn constraints(versions: Versions, alike: &[String]) -> Sql {
    sql!(
        "with {}
        select {}, pg_catalog.quote_ident(k.conname) || ' on ' || r.name, pg_catalog.jsonb_build_object(
            '@table', r.name,
            'definition', case when k.contype not in ('c', 'x') then pg_catalog.regexp_replace(
                pg_catalog.pg_get_constraintdef(k.oid), '( NOT VALID| NOT ENFORCED)+$', '') end,
            'operators', case when k.contype = 'x' then (
                select pg_catalog.jsonb_agg(o.oid::pg_catalog.regoperator::text order by o.position)
                from pg_catalog.unnest(k.conexclop) with ordinality o(oid, position)) end,
            'deferrable', case when k.contype = 'x' then nullif(k.condeferrable, false) end,
            'initially deferred', case when k.contype = 'x' then nullif(k.condeferred, false) end,
            'expression', case when k.contype = 'c' then pg_catalog.pg_get_expr(k.conbin, k.conrelid) end,
            'validated', k.convalidated, 'no inherit', case when k.contype = 'c' then k.connoinherit end,
            'inherited only', nullif(not k.conislocal and k.contype <> 'n', false) {})
        from relation r
        join pg_catalog.pg_constraint k on k.conrelid = r.oid
        where k.contype <> 't' and not (k.contype = 'f' and k.conparentid <> 0) {}",
        relations_and_members(alike),
        address("pg_constraint", "k.oid"),
        when(versions.common().has_unenforced_constraints(), ", 'enforced', k.conenforced"),
        when(!versions.common().has_named_not_null_constraints(), "and k.contype <> 'n'")
    )
}

/// Column by column, because `pg_get_indexdef` is one text for what are many properties. Foreign keys have an index, too: the
/// other table's.
fn indexes(versions: Versions, alike: &[String]) -> Sql {
    sql!(
        "with {}
        select {}, x.oid::pg_catalog.regclass::text, pg_catalog.jsonb_build_object(
            '@table', r.name, 'table', r.name, 'access method', am.amname,
            '@partitioned', nullif(x.relkind = 'I', false),
            'columns', (select pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ',
                    coalesce(pg_catalog.quote_ident(a.attname), '(expression)'),
                    'collate ' || {}, {}, case when k.flags & 1 = 1 then 'desc' end,
                    case when k.flags & 2 = 2 then 'nulls first' end) order by k.position)
                from rows from (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]),
                                pg_catalog.unnest(i.indcollation::pg_catalog.oid[]), pg_catalog.unnest(i.indoption::int2[]))
                     with ordinality k(attnum, opclass, coll, flags, position)
                left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                left join pg_catalog.pg_opclass o on o.oid = k.opclass
                left join pg_catalog.pg_namespace n on n.oid = o.opcnamespace),
            'expressions', pg_catalog.pg_get_expr(i.indexprs, i.indrelid),
            'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid),
            'unique', nullif(i.indisunique, false), 'key columns', i.indnkeyatts,
            'constraint', (select k.conname from pg_catalog.pg_constraint k
                where k.conrelid = i.indrelid and k.conindid = x.oid and k.contype in ('p', 'u', 'x')),
            'valid', i.indisvalid, 'ready', i.indisready, 'clustered', nullif(i.indisclustered, false),
            'option', {},
            'column settings', (select pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', a.attnum, a.attoptions::text,
                                    'statistics ' || nullif(a.attstattarget, -1)) order by a.attnum)
                                from pg_catalog.pg_attribute a
                                where a.attrelid = x.oid
                                  and (a.attoptions is not null or nullif(a.attstattarget, -1) is not null)),
            'parent', (select h.inhparent::pg_catalog.regclass::text from pg_catalog.pg_inherits h
                       where h.inhrelid = x.oid),
            'depends on extension', {} {})
        from relation r
        join pg_catalog.pg_index i on i.indrelid = r.oid
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        join pg_catalog.pg_am am on am.oid = x.relam",
        relations_and_members(alike),
        address("pg_class", "x.oid"),
        collation("k.coll"),
        qualified("n.nspname", "o.opcname"),
        options("x.reloptions"),
        depends_on_extensions("pg_class", "x.oid"),
        when(versions.common().compares_nulls_in_unique_indexes(), ", 'nulls not distinct', i.indnullsnotdistinct")
    )
}

/// The rule that makes a view is its query. The definition is what follows the table's name.
fn rules(alike: &[String]) -> Sql {
    sql!(
        "with {}
        select {}, pg_catalog.quote_ident(w.rulename) || ' on ' || r.name, pg_catalog.jsonb_build_object(
            '@table', r.name, 'enabled', {},
            'event', case w.ev_type when '2' then 'update' when '3' then 'insert' when '4' then 'delete' else 'select' end,
            'definition', pg_catalog.substr(d.text, pg_catalog.strpos(d.text, ' TO ' || r.name)
                                                    + pg_catalog.length(' TO ' || r.name)))
        from relation r
        join pg_catalog.pg_rewrite w on w.ev_class = r.oid
        cross join lateral pg_catalog.pg_get_ruledef(w.oid) d(text)
        where w.rulename <> '_RETURN'",
        relations_and_members(alike),
        address("pg_rewrite", "w.oid"),
        firing("w.ev_enabled")
    )
}

/// Partitions have clones of their parent's row triggers, which can be switched off one by one. Up to 14 clones pass for
/// internal; triggers of foreign keys are, and have a constraint. 12 does not say what is a clone.
fn triggers(versions: Versions, alike: &[String]) -> Sql {
    let chosen = if versions.common().tells_parents_of_triggers() {
        "(not t.tgisinternal or t.tgparentid <> 0 and t.tgconstraint = 0)"
    } else if versions.own.tells_parents_of_triggers() {
        "not t.tgisinternal and t.tgparentid = 0"
    } else {
        "not t.tgisinternal"
    };
    sql!(
        "with {}
        select {}, pg_catalog.quote_ident(t.tgname) || ' on ' || r.name, pg_catalog.jsonb_build_object(
            '@table', r.name, 'enabled', {},
            'definition', pg_catalog.regexp_replace(d.text, ' WHEN \\(.*\\) (EXECUTE (FUNCTION|PROCEDURE) )', ' \\1'),
            'condition', pg_catalog.substring(d.text, ' WHEN \\((.*)\\) EXECUTE (?:FUNCTION|PROCEDURE) '),
            'depends on extension', {})
        from relation r
        join pg_catalog.pg_trigger t on t.tgrelid = r.oid
        cross join lateral pg_catalog.pg_get_triggerdef(t.oid) d(text)
        where {}",
        relations_and_members(alike),
        address("pg_trigger", "t.oid"),
        firing("t.tgenabled"),
        depends_on_extensions("pg_trigger", "t.oid"),
        chosen
    )
}

fn policies(alike: &[String]) -> Sql {
    sql!(
        "with {}
        select {}, pg_catalog.quote_ident(p.polname) || ' on ' || r.name, pg_catalog.jsonb_build_object(
            '@table', r.name,
            'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                else 'all' end,
            'permissive', p.polpermissive,
            'roles', (select pg_catalog.jsonb_agg(u.name order by u.name)
                      from (select case r.oid when 0 then 'PUBLIC' else {} end collate \"C\"
                            from pg_catalog.unnest(p.polroles) r(oid)) u(name)),
            'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
            'with check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
        from relation r
        join pg_catalog.pg_policy p on p.polrelid = r.oid",
        relations_and_members(alike),
        address("pg_policy", "p.oid"),
        role("r.oid")
    )
}

/// Its columns have no order but that of the table, which may be another. Expressions came with 14; an unset target is null from 17 on and -1 before, and there was none before 13.
fn statistics(versions: Versions) -> Sql {
    sql!(
        "select {}, {}, pg_catalog.jsonb_build_object(
            'owner', {}, 'kinds', (select pg_catalog.jsonb_agg(case k.kind when 'd' then 'ndistinct' when 'f' then 'dependencies'
                           when 'm' then 'mcv' else 'expressions' end) from pg_catalog.unnest(s.stxkind) k(kind)),
            'columns', (select pg_catalog.jsonb_agg(a.attname order by a.attname)
                        from pg_catalog.unnest(s.stxkeys::int2[]) k(attnum)
                        join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.attnum),
            'table', s.stxrelid::pg_catalog.regclass::text,
            '@table', s.stxrelid::pg_catalog.regclass::text {} {})
        from pg_catalog.pg_statistic_ext s
        join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
        where {}",
        address("pg_statistic_ext", "s.oid"),
        qualified("n.nspname", "s.stxname"),
        role("s.stxowner"),
        when(versions.common().has_targets_of_statistics(), ", 'statistics target', nullif(s.stxstattarget, -1)"),
        when(
            versions.common().has_statistics_on_expressions(),
            ", 'expressions', pg_catalog.pg_get_expr(s.stxexprs, s.stxrelid)"
        ),
        users("pg_statistic_ext", "s.oid")
    )
}
