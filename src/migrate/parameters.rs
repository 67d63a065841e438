//! Privileges on configuration parameters.

use super::steady::{Manner, Steady};
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
    let mut session = Steady::new(context, context.target.maintenance_database(), Manner::Plain);
    for privilege in &plan.parameter_privileges {
        let statement = statement(privilege);
        let doing = "grant a privilege on a parameter";
        if let Err(error) = session.run(async |client| client.run(doing, statement.clone()).await).await {
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
