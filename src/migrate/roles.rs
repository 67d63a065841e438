//! Roles: created with what the source says of them; those that exist are left alone.

use postgres_protocol::password::scram_sha_256;
use rand::RngExt;

use super::{Context, setting};
use crate::conninfo::Secret;
use crate::events::{Event, RolePassword, RoleResult, RoleStatus};
use crate::facts::{Membership, Role};
use crate::logger;
use crate::pg::{Client, PgError};
use crate::plan::{Plan, RolePlan};
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// Creates the plan's roles and grants their memberships. Whatever fails is an event of its own, and the rest goes on.
pub(super) async fn create(context: &Context, plan: &Plan) {
    if plan.roles.is_empty() || context.check().is_err() {
        return;
    }
    let client = match context.target.connect(context.target.maintenance_database()).await {
        Ok(client) => client,
        Err(error) => {
            for role in &plan.roles {
                report(context, &role.role.name, RolePassword::None, RoleStatus::Failed, error.words());
            }
            return;
        }
    };
    if let Err(error) = client.keep_out_of_log().await {
        tracing::debug!(target: logger::TARGET, "{}", crate::error::chain(&error));
    }
    for role in &plan.roles {
        if role.exists {
            let message = "role already exists".to_owned();
            report(context, &role.role.name, RolePassword::None, RoleStatus::Exists, message);
            continue;
        }
        match create_one(context, &client, role).await {
            Ok((password, message)) => report(context, &role.role.name, password, RoleStatus::Created, message),
            Err(error) => {
                report(context, &role.role.name, RolePassword::None, RoleStatus::Failed, error.words());
            }
        }
    }
    for membership in &plan.memberships {
        if let Err(error) = client.run("grant a membership", grant(membership, &client)).await {
            tracing::warn!(
                target: logger::TARGET,
                "membership of {} in {} was not granted: {}",
                Ident::new(&membership.member),
                Ident::new(&membership.role),
                error.words()
            );
        }
    }
}

fn report(context: &Context, name: &str, password: RolePassword, status: RoleStatus, message: String) {
    context.events.send(Event::Role(RoleResult { name: name.to_owned(), password, status, message }));
}

async fn create_one(context: &Context, client: &Client, plan: &RolePlan) -> Result<(RolePassword, String), PgError> {
    let role = &plan.role;
    let name = Ident::new(&role.name);
    let (password, verifier) = password(role);
    client.run(format!("create role {name}"), create_statement(role, verifier.as_ref())).await?;
    let mut missing: Vec<String> = plan.left_out.iter().map(|attribute| (*attribute).to_owned()).collect();
    if !context.target_superuser {
        // To give it what it owned. From 16 on the creator is only its administrator.
        let us = if client.version().qualifies_memberships() { " with inherit true, set true" } else { "" };
        if client.run("become a member", sql!("grant {} to current_user{}", name, us)).await.is_err() {
            missing.push("our membership".to_owned());
        }
    }
    for (setting, value) in &role.settings {
        let statement = sql!("alter role {} set {}", name, setting::assign(setting, value));
        if let Err(error) = client.run(format!("set {setting} of role {name}"), statement).await {
            tracing::warn!(target: logger::TARGET, "setting {setting} of role {name} was not carried: {}", error.words());
            missing.push(format!("setting {setting}"));
        }
    }
    if let Some(comment) = &role.comment {
        let statement = sql!("comment on role {} is {}", name, Literal::new(comment));
        if client.run(format!("comment on role {name}"), statement).await.is_err() {
            missing.push("its comment".to_owned());
        }
    }
    let message = if missing.is_empty() {
        "role created".to_owned()
    } else {
        format!("role created without {}", missing.join(", "))
    };
    Ok((password, message))
}

/// The source's verifier where we may read it; else a placeholder for a role that logs in. What is sent is a SCRAM verifier in
/// either case: no password in clear reaches the target or its log.
fn password(role: &Role) -> (RolePassword, Option<Secret>) {
    match &role.verifier {
        Some(verifier) => (RolePassword::Carried, Some(verifier.clone())),
        None if role.login => {
            let letters: String = rand::rng()
                .sample_iter(rand::distr::Alphanumeric)
                .map(char::from)
                .filter(char::is_ascii_alphabetic)
                .take(16)
                .collect();
            let placeholder = format!("placeholder_{letters}");
            let verifier = scram_sha_256(placeholder.as_bytes());
            (RolePassword::Placeholder(Secret::new(placeholder)), Some(Secret::new(verifier)))
        }
        None => (RolePassword::None, None),
    }
}

fn create_statement(role: &Role, verifier: Option<&Secret>) -> Sql {
    let mut statement = sql!("create role {} with", Ident::new(&role.name));
    let attributes = [
        (role.superuser, "superuser", "nosuperuser"),
        (role.inherit, "inherit", "noinherit"),
        (role.create_role, "createrole", "nocreaterole"),
        (role.create_database, "createdb", "nocreatedb"),
        (role.login, "login", "nologin"),
        (role.replication, "replication", "noreplication"),
        (role.bypass_rls, "bypassrls", "nobypassrls"),
    ];
    // Denying an attribute that we may not give is refused as well: what is false anyway is not said.
    for (has, yes, no) in attributes {
        match (has, no) {
            (true, _) => statement = sql!("{} {}", statement, yes),
            (false, "noinherit") => statement = sql!("{} {}", statement, no),
            (false, _) => {}
        }
    }
    if role.connection_limit != -1 {
        statement = sql!("{} connection limit {}", statement, role.connection_limit);
    }
    if let Some(until) = &role.valid_until {
        statement = sql!("{} valid until {}", statement, Literal::new(until));
    }
    match verifier {
        Some(verifier) => sql!("{} password {}", statement, Literal::secret(verifier)),
        None => statement,
    }
}

fn grant(membership: &Membership, client: &Client) -> Sql {
    let (role, member) = (Ident::new(&membership.role), Ident::new(&membership.member));
    let word = |yes: bool| if yes { "true" } else { "false" };
    match (membership.inherit, membership.set) {
        (Some(inherit), Some(set)) if client.version().qualifies_memberships() => sql!(
            "grant {} to {} with admin {}, inherit {}, set {}",
            role,
            member,
            word(membership.admin),
            word(inherit),
            word(set)
        ),
        _ if membership.admin => sql!("grant {} to {} with admin option", role, member),
        _ => sql!("grant {} to {}", role, member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::fixture;

    fn role() -> Role {
        Role { verifier: None, ..fixture::role("app") }
    }

    #[test]
    fn a_login_role_gets_a_placeholder_that_is_sent_as_a_verifier() {
        let (password, verifier) = password(&role());
        let RolePassword::Placeholder(shown) = password else { panic!("no placeholder") };
        let letters = shown.expose().strip_prefix("placeholder_").unwrap();
        assert!(letters.len() == 16 && letters.chars().all(|c| c.is_ascii_alphabetic()), "{letters}");
        let statement = create_statement(&role(), verifier.as_ref());
        assert!(statement.text().contains("password 'SCRAM-SHA-256$"), "{}", statement.text());
        assert!(!statement.text().contains(letters));
    }

    #[test]
    fn attributes_limits_and_dates_are_carried() {
        let role = Role {
            create_database: true,
            inherit: false,
            connection_limit: 3,
            valid_until: Some("2030-01-01 00:00:00.000001+00".to_owned()),
            ..role()
        };
        assert_eq!(
            create_statement(&role, None).text(),
            "create role \"app\" with noinherit createdb login connection limit 3 valid until '2030-01-01 00:00:00.000001+00'"
        );
    }
}
