//! Functions, procedures and aggregates.

use super::Class;
use super::fragments::{
    Versions, address, depends_on_extensions, function, guarded_options, independent, privileges, role, schema, users,
    when,
};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![
        Class::new("function", routines(versions, "'f', 'w'")),
        Class::new("procedure", routines(versions, "'p'")),
        Class::new("aggregate", aggregates(versions)),
    ]
}

fn routines(versions: Versions, kinds: &'static str) -> Sql {
    sql!(
        "select {}, p.oid::pg_catalog.regprocedure::text, pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'setting', {},
            '@name', pg_catalog.quote_ident(p.proname), 'language', l.lanname, 'window', nullif(p.prokind = 'w', false),
            'arguments', pg_catalog.pg_get_function_arguments(p.oid), 'result', pg_catalog.pg_get_function_result(p.oid),
            'body', nullif(p.prosrc, ''), 'library', p.probin,
            'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
            'parallel', case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
            'strict', p.proisstrict, 'security definer', p.prosecdef, 'leakproof', p.proleakproof,
            'cost', p.procost, 'rows', p.prorows, 'support', {},
            'transforms', (select pg_catalog.jsonb_agg(t.oid::pg_catalog.regtype::text order by t.position)
                           from pg_catalog.unnest(p.protrftypes) with ordinality t(oid, position)),
            'depends on extension', {} {})
        from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        join pg_catalog.pg_language l on l.oid = p.prolang
        where p.prokind in ({}) and {} and {} and {}",
        address("pg_proc", "p.oid"),
        role("p.proowner"),
        privileges(versions, "p.proacl", "f", "p.proowner"),
        guarded_options("p.proconfig"),
        function("p.prosupport"),
        depends_on_extensions("pg_proc", "p.oid"),
        when(versions.common().has_sql_bodies(), ", 'SQL body', pg_catalog.pg_get_function_sqlbody(p.oid)"),
        kinds,
        schema("n.nspname"),
        users("pg_proc", "p.oid"),
        independent("pg_proc", "p.oid")
    )
}

fn aggregates(versions: Versions) -> Sql {
    sql!(
        "select {}, p.oid::pg_catalog.regprocedure::text, pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'arguments', pg_catalog.pg_get_function_arguments(p.oid),
            'result', pg_catalog.pg_get_function_result(p.oid), 'parallel', p.proparallel,
            'kind', a.aggkind, 'direct arguments', a.aggnumdirectargs,
            'transition function', {}, 'final function', {}, 'combine function', {}, 'serial function', {},
            'deserial function', {}, 'moving transition function', {}, 'moving inverse function', {},
            'moving final function', {}, 'final function has all arguments', a.aggfinalextra,
            'moving final function has all arguments', a.aggmfinalextra, 'final function modifies', a.aggfinalmodify,
            'moving final function modifies', a.aggmfinalmodify,
            'sort operator', nullif(a.aggsortop, 0)::pg_catalog.regoperator::text,
            'state type', a.aggtranstype::pg_catalog.regtype::text,
            'moving state type', nullif(a.aggmtranstype, 0)::pg_catalog.regtype::text,
            'state size', a.aggtransspace, 'moving state size', a.aggmtransspace,
            'initial value', a.agginitval, 'moving initial value', a.aggminitval)
        from pg_catalog.pg_proc p
        join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where {} and {}",
        address("pg_proc", "p.oid"),
        role("p.proowner"),
        privileges(versions, "p.proacl", "f", "p.proowner"),
        function("a.aggtransfn"),
        function("a.aggfinalfn"),
        function("a.aggcombinefn"),
        function("a.aggserialfn"),
        function("a.aggdeserialfn"),
        function("a.aggmtransfn"),
        function("a.aggminvtransfn"),
        function("a.aggmfinalfn"),
        schema("n.nspname"),
        users("pg_proc", "p.oid")
    )
}
