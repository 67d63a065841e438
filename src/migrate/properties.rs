//! What belongs to a database as a whole: its settings, privileges, comment, security labels and connection limit.

use super::steady::{Manner, Steady};
use super::{Context, setting};
use crate::error::Error;
use crate::facts::{DatabaseProperties, Reserved};
use crate::plan::Rights;
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// Carries settings, comment and security labels: what keeps nobody out.
pub(super) async fn carry(
    context: &Context,
    database: &str,
    properties: &DatabaseProperties,
) -> Result<Vec<String>, Error> {
    run(context, database, statements(database, properties)).await
}

/// Carries privileges and connection limit: the last thing that is done to a database, because they could keep our own
/// sessions out.
pub(super) async fn carry_access(
    context: &Context,
    database: &str,
    properties: &DatabaseProperties,
    rights: &Rights,
) -> Result<Vec<String>, Error> {
    let statements = access_statements(database, properties);
    if !rights.owns_database {
        // A GRANT of what is not one's own to grant does nothing, with a warning at most.
        for (kind, statement) in statements {
            context.leave(None, kind, &statement, "the database belongs to somebody else".to_owned());
        }
        return Ok(Vec::new());
    }
    run(context, database, statements).await
}

/// What only others may do is left to them, what the target refuses otherwise is told, and the rest goes on: the data is
/// complete without it.
async fn run(context: &Context, database: &str, statements: Vec<(Reserved, Sql)>) -> Result<Vec<String>, Error> {
    let mut session = Steady::new(context, database, Manner::Plain);
    let mut refused = Vec::new();
    for (kind, statement) in statements {
        let doing = "carry what belongs to the database";
        let Some(refusal) = session.run(async |client| client.try_run(doing, statement.clone()).await).await? else {
            continue;
        };
        // Whether somebody may set a label, and whether it is one, is for its provider to say, if that is loaded.
        if refusal.is_permission() || kind == Reserved::SecurityLabels {
            context.leave(None, kind, &statement, refusal.words());
        } else {
            refused.push(format!("not carried: {statement}: {}", refusal.words()));
        }
    }
    Ok(refused)
}

fn statements(database: &str, properties: &DatabaseProperties) -> Vec<(Reserved, Sql)> {
    let database = Ident::new(database);
    let mut statements = Vec::new();
    for it in &properties.settings {
        let subject = match &it.role {
            Some(role) => sql!("alter role {} in database {}", Ident::new(role), database),
            None => sql!("alter database {}", database),
        };
        let statement = setting::set(&subject, &it.name, &it.value);
        statements.push((Reserved::Settings, statement));
    }
    if let Some(comment) = &properties.comment {
        let statement = sql!("comment on database {} is {}", database, Literal::new(comment));
        statements.push((Reserved::Comments, statement));
    }
    for it in &properties.labels {
        let (provider, label) = (Ident::new(&it.provider), Literal::new(&it.label));
        let statement = sql!("security label for {} on database {} is {}", provider, database, label);
        statements.push((Reserved::SecurityLabels, statement));
    }
    statements
}

fn access_statements(database: &str, properties: &DatabaseProperties) -> Vec<(Reserved, Sql)> {
    let database = Ident::new(database);
    let mut statements = Vec::new();
    if let Some(privileges) = &properties.privileges {
        statements.push((Reserved::Privileges, sql!("revoke all on database {} from public", database)));
        for it in privileges {
            let grantee = it.grantee.as_ref().map_or_else(|| Sql::from("public"), |name| sql!("{}", Ident::new(name)));
            let option = if it.grantable { " with grant option" } else { "" };
            let privilege = match it.privilege.as_str() {
                "CONNECT" => "connect",
                "CREATE" => "create",
                "TEMPORARY" => "temporary",
                _ => continue,
            };
            let statement = sql!("grant {} on database {} to {}{}", privilege, database, grantee, option);
            statements.push((Reserved::Privileges, statement));
        }
    }
    if let Some(limit) = properties.connection_limit {
        statements.push((Reserved::Settings, sql!("alter database {} connection limit {}", database, limit)));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{DatabasePrivilege, DatabaseSetting, SecurityLabel};

    #[test]
    fn everything_is_said_in_the_order_in_which_it_holds() {
        let setting = |role: Option<&str>, name: &str, value: &str| DatabaseSetting {
            role: role.map(str::to_owned),
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let privilege = |grantee: Option<&str>, privilege: &str, grantable| DatabasePrivilege {
            grantee: grantee.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantable,
        };
        let properties = DatabaseProperties {
            comment: Some("it's ours".to_owned()),
            connection_limit: Some(7),
            settings: vec![setting(None, "search_path", "app, \"Two\""), setting(Some("App"), "my.own", "x")],
            labels: vec![SecurityLabel { provider: "Anon".to_owned(), label: "it's secret".to_owned() }],
            privileges: Some(vec![privilege(None, "CONNECT", false), privilege(Some("App"), "CREATE", true)]),
        };
        let texts =
            |statements: Vec<(Reserved, Sql)>| statements.iter().map(|(_, sql)| sql.to_string()).collect::<Vec<_>>();
        assert_eq!(
            texts(statements("My DB", &properties)),
            [
                r#"alter database "My DB" set "search_path" to 'app', 'Two'"#,
                r#"alter role "App" in database "My DB" set "my"."own" to <hidden>"#,
                r#"comment on database "My DB" is 'it''s ours'"#,
                r#"security label for "Anon" on database "My DB" is 'it''s secret'"#,
            ]
        );
        assert_eq!(
            texts(access_statements("My DB", &properties)),
            [
                r#"revoke all on database "My DB" from public"#,
                r#"grant connect on database "My DB" to public"#,
                r#"grant create on database "My DB" to "App" with grant option"#,
                r#"alter database "My DB" connection limit 7"#,
            ]
        );
        let nothing = DatabaseProperties::default();
        assert!(statements("d", &nothing).is_empty() && access_statements("d", &nothing).is_empty());
    }
}
