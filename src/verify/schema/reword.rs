//! Two wordings of one definition.
//!
//! PostgreSQL keeps a view or an expression as a tree and writes it down anew for whoever asks. Majors write differently
//! (from 16 on columns have no table in front where none is needed), and what is written is not always read back as the same
//! tree: `v IN ('a', 'b')` over varchar comes back as `v::text = ANY (ARRAY['a'::varchar, …]::text[])`, and that as
//! `v::text = ANY (ARRAY['a'::varchar::text, …])`. So two definitions are the same if the target writes the same once it has
//! read each, as often as its writing changes.
//!
//! Locales of ICU are a wording, too: from 16 on `de_DE` is kept as `de-DE`.
//!
//! To have them read, a temporary view (domain, function, rule, partitioned table, collation) is created of each in a transaction that is rolled back; it is
//! never used. The text is the end of one statement of the extended protocol, which takes no second one.

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use super::object::{Kind, Mismatch, Properties};
use crate::facts::ServerVersion;
use crate::pg::{Client, PgError};
use crate::sql;
use crate::sql::{Ident, Literal, Sql};

/// Definitions read at the same time: what one round trip carries.
const AT_ONCE: usize = 16;

/// How often a definition is read at most until it stays as it is. Two times are known to be needed.
const ROUNDS: usize = 4;

/// Name of what is created, in the session's temporary schema.
const NAME: &str = "pg_migrate_reworded";

/// Removes those mismatches that are only two wordings. What the target refuses to create stays a mismatch.
pub(super) async fn dismiss(target: &Client, mismatches: &mut Vec<Mismatch>) -> Result<(), PgError> {
    let pairs: Vec<_> = mismatches.iter().map(wordings).collect();
    if pairs.iter().all(Option::is_none) {
        return Ok(());
    }
    target.run("begin to compare wordings", "begin").await?;
    let outcome = same(target, &pairs).await;
    target.run("end comparing wordings", "rollback").await?;
    let mut same = outcome?.into_iter();
    mismatches.retain(|_| same.next() != Some(true));
    Ok(())
}

async fn same(target: &Client, pairs: &[Option<[Wording; 2]>]) -> Result<Vec<bool>, PgError> {
    quieten(target).await?;
    let outcomes: Vec<Result<bool, PgError>> = stream::iter(pairs)
        .map(|pair| async move {
            match pair {
                Some([here, there]) => mean_the_same(target, here, there).await,
                None => Ok(false),
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().collect()
}

/// Keeps event triggers from firing, as far as our user may. In replica mode those that are enabled for it do fire: where they
/// refuse us there, what fires otherwise may not.
async fn quieten(target: &Client) -> Result<(), PgError> {
    if target.version().can_switch_event_triggers_off() {
        attempt(target, &["set local event_triggers = off"]).await?;
    }
    let probe =
        ["set local session_replication_role = replica", "savepoint probe", PROBE, "rollback to savepoint probe"];
    attempt(target, &probe).await
}

const PROBE: &str = "create temporary view pg_migrate_reworded as select";

/// Runs `statements`, or leaves everything as it was if one is refused.
async fn attempt(target: &Client, statements: &[&'static str]) -> Result<(), PgError> {
    target.run("set a savepoint", "savepoint attempt").await?;
    for statement in statements {
        if target.run("switch event triggers off", *statement).await.is_err() {
            return target.run("return to the savepoint", "rollback to savepoint attempt").await;
        }
    }
    Ok(())
}

async fn mean_the_same(client: &Client, source: &Wording, target: &Wording) -> Result<bool, PgError> {
    let Some(source) = settled(client, source).await? else { return Ok(false) };
    // What the target wrote first it also wrote for the source's definition, as a rule.
    if source.text == target.text {
        return Ok(true);
    }
    let target = settled(client, target).await?;
    Ok(target.is_some_and(|target| target.text == source.text))
}

/// What `wording` has become when reading it changes it no more; `None` if the target refuses it.
async fn settled(client: &Client, wording: &Wording) -> Result<Option<Wording>, PgError> {
    let mut wording = wording.clone();
    for _ in 0..ROUNDS {
        let Some(text) = read(client, &wording).await? else { return Ok(None) };
        let again = wording.again(text);
        if again.text == wording.text {
            break;
        }
        wording = again;
    }
    Ok(Some(wording))
}

/// What the target makes of `wording`. All statements are sent at once, in this order.
async fn read(client: &Client, wording: &Wording) -> Result<Option<String>, PgError> {
    let steps = wording.steps();
    let (begun, created, answer, undone) = tokio::join!(
        biased;
        client.run("set a savepoint", "savepoint wording"),
        join_all(steps.into_iter().map(|step| client.query("create another wording", step, &[]))),
        client.query("read another wording", wording.question(client.version()), &[]),
        client.run("return to the savepoint", "rollback to savepoint wording"),
    );
    begun?;
    undone?;
    let Some(row) =
        created.into_iter().collect::<Result<Vec<_>, _>>().and(answer).ok().and_then(|rows| rows.into_iter().next())
    else {
        return Ok(None);
    };
    client.get(&row, 0)
}

/// A definition, and what kind of object shows how it is read.
#[derive(Clone, Debug)]
struct Wording {
    text: String,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// The query of a view.
    Query,
    /// An expression over what stands after FROM.
    Expression { from: Sql },
    /// The condition of a domain over this type.
    Condition { base: Sql },
    /// The body of a routine, after all else of its definition.
    Body { head: Sql },
    /// Arguments of a routine with their defaults, and what it returns.
    Arguments { head: &'static str, tail: Sql },
    /// What a rule does: after its name, when and on which table.
    Rule { event: &'static str, table: Sql },
    /// By what this table is partitioned.
    PartitionKey { table: Sql },
    /// A locale of ICU.
    Locale,
}

impl Wording {
    /// The same definition as the server has written it.
    fn again(&self, text: String) -> Self {
        let shape = match &self.shape {
            Shape::Expression { .. } => Shape::Query,
            shape => shape.clone(),
        };
        Self { text, shape }
    }

    /// Statements that create something of it.
    fn steps(&self) -> Vec<Sql> {
        let name = Ident::new(NAME);
        let text = Sql::from_catalog(self.text.clone());
        match &self.shape {
            Shape::Query => vec![sql!("create temporary view {} as {}", name, text)],
            Shape::Expression { from } => {
                // Whatever their types are: a row is no column of a view, but can be null.
                vec![sql!("create temporary view {} as select {} where row({}) is not null", name, from, text)]
            }
            Shape::Condition { base } => vec![sql!("create domain pg_temp.{} as {} check ({})", name, base, text)],
            Shape::Body { head } => vec![sql!("create {} {}", head, text)],
            Shape::Arguments { head, tail } => vec![sql!("create {} pg_temp.{} ({}) {}", *head, name, text, tail)],
            Shape::Rule { event, table } => vec![
                sql!("create temporary table {} (like {})", name, table),
                sql!("create rule {} as on {} to pg_temp.{} {}", name, *event, name, text),
            ],
            Shape::PartitionKey { table } => {
                vec![sql!("create temporary table {} (like {}) partition by {}", name, table, text)]
            }
            Shape::Locale => {
                let locale = Literal::new(&self.text);
                vec![sql!("create collation pg_temp.{} (provider = icu, locale = {})", name, locale)]
            }
        }
    }

    /// Asks how the server writes it.
    fn question(&self, version: ServerVersion) -> &'static str {
        match &self.shape {
            Shape::Query | Shape::Expression { .. } => {
                "select pg_catalog.pg_get_viewdef('pg_temp.pg_migrate_reworded'::pg_catalog.regclass)"
            }
            Shape::Condition { .. } => {
                "select pg_catalog.pg_get_expr(conbin, 0) from pg_catalog.pg_constraint
                 where contypid = 'pg_temp.pg_migrate_reworded'::pg_catalog.regtype and contype = 'c'"
            }
            Shape::Body { .. } => {
                "select pg_catalog.pg_get_function_sqlbody(oid) from pg_catalog.pg_proc
                 where pronamespace = pg_catalog.pg_my_temp_schema()"
            }
            Shape::Arguments { .. } => {
                "select pg_catalog.pg_get_function_arguments(oid) from pg_catalog.pg_proc
                 where pronamespace = pg_catalog.pg_my_temp_schema()"
            }
            Shape::Rule { .. } => {
                "select pg_catalog.substr(d.text, pg_catalog.strpos(d.text, '.pg_migrate_reworded')
                                                  + pg_catalog.length('.pg_migrate_reworded'))
                 from pg_catalog.pg_rewrite w, pg_catalog.pg_get_ruledef(w.oid) d(text)
                 where w.ev_class = 'pg_temp.pg_migrate_reworded'::pg_catalog.regclass
                   and w.rulename = 'pg_migrate_reworded'"
            }
            Shape::PartitionKey { .. } => {
                "select pg_catalog.pg_get_partkeydef('pg_temp.pg_migrate_reworded'::pg_catalog.regclass)"
            }
            Shape::Locale if version.has_one_locale_column() => {
                "select colllocale from pg_catalog.pg_collation where collnamespace = pg_catalog.pg_my_temp_schema()"
            }
            Shape::Locale => {
                "select colliculocale from pg_catalog.pg_collation where collnamespace = pg_catalog.pg_my_temp_schema()"
            }
        }
    }
}

/// What is to be read, of a mismatch in something that is worded. All but the text is the target's own.
fn wordings(mismatch: &Mismatch) -> Option<[Wording; 2]> {
    let Kind::Property { name, source, target } = &mismatch.kind else { return None };
    let shape = shape(mismatch.class, name, target)?;
    let wording = |properties: &Properties| {
        let text = properties.get(name)?.text()?.to_owned();
        Some(Wording { text, shape: shape.clone() })
    };
    Some([wording(source)?, wording(target)?])
}

fn shape(class: &str, name: &str, properties: &Properties) -> Option<Shape> {
    let text = |name: &str| properties.get(name).and_then(|property| property.text());
    let catalog = |name: &str| text(name).map(Sql::from_catalog);
    Some(match (class, name) {
        ("view" | "materialized view", "query") => Shape::Query,
        ("column", "default" | "generation expression")
        | ("constraint", "expression")
        | ("index" | "statistics object", "expressions")
        | ("index", "predicate")
        | ("policy", "using" | "with check") => Shape::Expression { from: sql!("from only {}", catalog("@table")?) },
        ("trigger", "condition") => {
            let table = catalog("@table")?;
            Shape::Expression { from: sql!("from only {} as new, only {} as old", table, table) }
        }
        ("domain", "default") => Shape::Expression { from: Sql::from("") },
        ("domain constraint", "expression") => Shape::Condition { base: catalog("@type")? },
        ("function" | "procedure", "SQL body" | "arguments") => {
            let head = if class == "function" { "function" } else { "procedure" };
            let returns = catalog("result").map_or_else(|| Sql::from(""), |result| sql!("returns {}", result));
            if name == "arguments" {
                Shape::Arguments { head, tail: sql!("{} language sql as ''", returns) }
            } else {
                let arguments = catalog("arguments").unwrap_or_else(|| Sql::from(""));
                // The body may call arguments by the function's name.
                let name = catalog("@name")?;
                Shape::Body { head: sql!("{} pg_temp.{} ({}) {} language sql", head, name, arguments, returns) }
            }
        }
        ("table", "partition key") => Shape::PartitionKey { table: catalog("@name")? },
        ("collation" | "database", "locale") if text("provider") == Some("icu") => Shape::Locale,
        ("rule", "definition") => {
            let event = match text("event")? {
                "insert" => "insert",
                "update" => "update",
                "delete" => "delete",
                _ => return None,
            };
            Shape::Rule { event, table: catalog("@table")? }
        }
        _ => return None,
    })
}
