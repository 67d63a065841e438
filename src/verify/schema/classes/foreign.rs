//! Foreign data: wrappers, servers, user mappings.

use super::Class;
use super::fragments::{Versions, address, function, guarded_options, hash, privileges, role, users};
use crate::sql;
use crate::sql::Sql;

pub(super) fn classes(versions: Versions) -> Vec<Class> {
    vec![
        Class::new("foreign data wrapper", wrappers(versions)),
        Class::new("server", servers(versions)),
        Class::new("user mapping", user_mappings()),
    ]
}

fn wrappers(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(w.fdwname), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'handler', {}, 'validator', {}, 'option', {})
        from pg_catalog.pg_foreign_data_wrapper w
        where {}",
        address("pg_foreign_data_wrapper", "w.oid"),
        role("w.fdwowner"),
        privileges(versions, "w.fdwacl", "F", "w.fdwowner"),
        function("w.fdwhandler"),
        function("w.fdwvalidator"),
        guarded_options("w.fdwoptions"),
        users("pg_foreign_data_wrapper", "w.oid")
    )
}

fn servers(versions: Versions) -> Sql {
    sql!(
        "select {}, pg_catalog.quote_ident(s.srvname), pg_catalog.jsonb_build_object(
            'owner', {}, 'privileges of', {}, 'wrapper', w.fdwname, 'type', s.srvtype, 'version', s.srvversion, 'option', {})
        from pg_catalog.pg_foreign_server s
        join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw
        where {}",
        address("pg_foreign_server", "s.oid"),
        role("s.srvowner"),
        privileges(versions, "s.srvacl", "S", "s.srvowner"),
        guarded_options("s.srvoptions"),
        users("pg_foreign_server", "s.oid")
    )
}

/// Options are passwords as a rule: all are hashed. Who may see none of them gets null from the view, as if there were none:
/// a role sees its own if it may use the server, the server's owner those for everybody.
fn user_mappings() -> Sql {
    sql!(
        "select {}, pg_catalog.format('%s server %I',
                    case m.umuser when 0 then 'PUBLIC' else {} end, m.srvname),
               pg_catalog.jsonb_build_object(
            'option', (select pg_catalog.jsonb_object_agg('#' || part.name, {})
                       from pg_catalog.unnest(m.umoptions) o
                       cross join lateral (select pg_catalog.split_part(o, '=', 1),
                           pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)) part(name, value)),
            'unread', case when not (u.rolsuper or case m.umuser when 0 then pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                    else m.umuser = u.oid and (pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                                               or pg_catalog.has_server_privilege(s.oid, 'USAGE')) end)
                then '[\"option\"]'::jsonb end)
        from pg_catalog.pg_user_mappings m
        join pg_catalog.pg_foreign_server s on s.oid = m.srvid
        join pg_catalog.pg_roles u on u.rolname = current_user
        where {}",
        address("pg_user_mapping", "m.umid"),
        role("m.umuser"),
        hash("part.value"),
        users("pg_foreign_server", "m.srvid")
    )
}
