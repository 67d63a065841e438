//! Privileges on configuration parameters.

use super::{Context, setting};
use crate::facts::{ParameterPrivilege, Reserved};
use crate::plan::Plan;
use crate::sql;
use crate::sql::{Ident, Sql};

/// Grants them; those that the target user may not grant are left to an administrator.
pub(super) async fn grant(context: &Context, plan: &Plan) {
    if plan.parameter_privileges.is_empty() || context.check().is_err() {
        return;
    }
    let client = context.target.connect(context.target.maintenance_database()).await;
    for privilege in &plan.parameter_privileges {
        let statement = statement(privilege);
        let refusal = match &client {
            Ok(client) => client.run("grant a privilege on a parameter", statement.clone()).await.err(),
            Err(_) => None,
        };
        if let Some(error) = client.as_ref().err().or(refusal.as_ref()) {
            context.leave(None, Reserved::Privileges, &statement, error.words());
        }
    }
}

fn statement(privilege: &ParameterPrivilege) -> Sql {
    sql!(
        "grant {} on parameter {} to {}{}",
        Sql::from_catalog(&privilege.privilege),
        setting::name_of(&privilege.parameter),
        privilege.grantee.as_ref().map_or(Sql::from("public"), |name| sql!("{}", Ident::new(name))),
        if privilege.grantable { " with grant option" } else { "" }
    )
}
