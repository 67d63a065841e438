//! The plan of a dry run as text, for standard output.

use super::text::{one_line, repr, size};
use crate::events::counted;
use crate::plan::outline::{
    Action, CreationName, DatabaseOutline, MethodName, Outline, RoleOutline, TableOutline, Totals, TransferName,
};

/// Tables shown of each database unless all are asked for.
const SHOWN: usize = 20;

/// `outline`, line by line, with all tables or only the largest ones.
pub(super) fn lines(outline: &Outline, all_tables: bool) -> Vec<String> {
    let mut lines = vec![
        format!("Plan: {}, {}", counted(outline.databases.len() as u64, "database"), totals(outline.totals)),
        format!(
            "  copied over {}, indexes built {} at a time",
            counted(outline.jobs as u64, "connection"),
            outline.index_jobs
        ),
    ];
    lines.extend(outline.waits.iter().map(|wait| format!("  waits for {}", one_line(wait))));
    if !(outline.roles.is_empty() && outline.skipped_roles.is_empty()) {
        lines.push("Roles:".to_owned());
        lines.extend(outline.roles.iter().map(role));
        lines.extend(outline.skipped_roles.iter().map(|name| format!("  {}: skipped, the service's own", repr(name))));
    }
    for it in &outline.databases {
        database(it, all_tables, &mut lines);
    }
    lines
}

fn totals(totals: Totals) -> String {
    let rows = totals.rows.map(|rows| format!(", about {}", counted(rows, "row"))).unwrap_or_default();
    format!(
        "{} of {}{rows}, {}",
        counted(totals.tables, "table"),
        size(totals.bytes),
        match totals.indexes {
            1 => "1 index".to_owned(),
            number => format!("{number} indexes"),
        }
    )
}

fn role(role: &RoleOutline) -> String {
    let action = if role.exists { "exists, stays as it is" } else { "created" };
    let without =
        if role.left_out.is_empty() { String::new() } else { format!(", without {}", role.left_out.join(", ")) };
    format!("  {}: {action}{without}", repr(&role.name))
}

fn database(database: &DatabaseOutline, all_tables: bool, lines: &mut Vec<String>) {
    let what = match (database.action, database.method) {
        (Action::Migrate, Some(MethodName::Replication)) => "replication",
        (Action::Migrate, _) => "dump",
        (Action::Continue, _) => "replication, which runs already",
        (Action::Conclude, _) => "what is left of a dump whose rows are there already",
        (Action::Nothing, _) => "nothing to do: it is empty, and not ours to change on the target",
        (Action::Unreachable, _) => "cannot be migrated",
    };
    lines.push(format!("Database {}: {what}", repr(&database.name)));
    lines.extend(database.reason.iter().map(|reason| format!("  {}", one_line(reason))));
    for obstacle in &database.obstacles {
        let (subject, reason) = (&obstacle.subject, one_line(&obstacle.reason));
        lines.push(format!("  no replication: {subject}: {reason} [{}]", obstacle.id));
    }
    if let Some(creation) = database.creation {
        let creation = match creation {
            CreationName::Create => "is created",
            CreationName::Recreate => "is dropped and created again: an earlier run created it and did not end",
            CreationName::Empty => "is there, and empty",
            CreationName::Clean => "is there; what an earlier run made in it is dropped",
            CreationName::Filled => "is there; the objects in it stay",
        };
        lines.push(format!("  target: {creation}"));
    }
    if let Some(transfer) = database.transfer {
        let transfer = match transfer {
            TransferName::Snapshot => "copied from a snapshot",
            TransferName::SlotHandOver => "copied from a slot's snapshot; then a subscription takes over the slot",
            TransferName::Subscription => "copied by the subscription",
            TransferName::AivenExtras => "copied by a subscription of aiven_extras",
        };
        lines.push(format!("  rows: {transfer}"));
    }
    lines.extend(database.notes.iter().map(|note| format!("  {note}")));
    if matches!(database.action, Action::Nothing | Action::Unreachable) {
        return;
    }
    let others = [
        (database.sequences as u64, "sequence"),
        (database.materialized_views as u64, "materialized view"),
        (u64::try_from(database.large_objects).unwrap_or(0), "large object"),
    ];
    let others: String = others
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!(", {}", counted(*number, what)))
        .collect();
    let again = if database.action == Action::Continue { "copied at the finish: " } else { "" };
    lines.push(format!("  {again}{}{others}", totals(database.totals)));
    let shown = if all_tables { database.tables.len() } else { database.tables.len().min(SHOWN) };
    let (shown, rest) = database.tables.split_at(shown);
    lines.extend(shown.iter().map(table));
    if !rest.is_empty() {
        let again = rest.iter().filter(|table| table.copied_again.is_some()).count();
        let again =
            if again > 0 { format!(", of which {again} are copied once more at the finish") } else { String::new() };
        lines.push(format!("    and {} more{again}: --verbose or --output json shows all", rest.len()));
    }
}

fn table(table: &TableOutline) -> String {
    let rows = table.rows.map_or("rows never counted".to_owned(), |rows| format!("about {}", counted(rows, "row")));
    let parts = if table.parts > 1 { format!(", {} parts", table.parts) } else { String::new() };
    let text = table.format_reason.as_ref().map(|reason| format!(", text: {reason}")).unwrap_or_default();
    let again = table.copied_again.map(|reason| format!(", once more at the finish: {reason}")).unwrap_or_default();
    // A line break in a name must not begin a line.
    let name = table.name.replace(char::is_control, "?");
    format!("    {name}: {}, {rows}{parts}{text}{again}", size(table.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, bytes: u64) -> TableOutline {
        TableOutline {
            name: name.to_owned(),
            rows: None,
            bytes,
            indexes: 1,
            parts: 1,
            format: "binary",
            format_reason: None,
            copied_again: None,
        }
    }

    fn shop(tables: Vec<TableOutline>) -> Outline {
        let totals = Totals { tables: tables.len() as u64, rows: Some(7), bytes: 2000, indexes: 1 };
        let database = DatabaseOutline {
            name: "shop".to_owned(),
            action: Action::Migrate,
            reason: None,
            method: Some(MethodName::Replication),
            transfer: Some(TransferName::SlotHandOver),
            obstacles: Vec::new(),
            creation: Some(CreationName::Create),
            totals,
            tables,
            sequences: 1,
            materialized_views: 0,
            large_objects: 2,
            notes: Vec::new(),
        };
        let role = RoleOutline { name: "boss".to_owned(), exists: false, left_out: vec!["SUPERUSER"] };
        Outline {
            jobs: 4,
            index_jobs: 2,
            totals,
            waits: vec!["replication".to_owned()],
            roles: vec![role],
            skipped_roles: Vec::new(),
            databases: vec![database],
        }
    }

    #[test]
    fn a_plan_fits_on_a_screen() {
        let orders = TableOutline { rows: Some(7), parts: 3, ..table("public.orders", 1500) };
        let log = TableOutline {
            format_reason: Some("a type".to_owned()),
            copied_again: Some("it is unlogged"),
            ..table("public.log", 500)
        };
        insta::assert_snapshot!(lines(&shop(vec![orders, log]), false).join("\n"), @r"
        Plan: 1 database, 2 tables of 2.0 kB, about 7 rows, 1 index
          copied over 4 connections, indexes built 2 at a time
          waits for replication
        Roles:
          'boss': created, without SUPERUSER
        Database 'shop': replication
          target: is created
          rows: copied from a slot's snapshot; then a subscription takes over the slot
          2 tables of 2.0 kB, about 7 rows, 1 index, 1 sequence, 2 large objects
            public.orders: 1.5 kB, about 7 rows, 3 parts
            public.log: 500 B, rows never counted, text: a type, once more at the finish: it is unlogged
        ");
    }

    #[test]
    fn a_name_stays_on_its_line() {
        let outline = shop(vec![table("public.\"a\nDatabase 'x': dump\"", 1)]);
        assert!(lines(&outline, true).iter().all(|line| !line.contains('\n')));
    }

    #[test]
    fn small_tables_are_counted_unless_all_are_asked_for() {
        let mut tables: Vec<_> = (0..22).map(|number| table(&format!("public.t{number}"), 1)).collect();
        tables[21].copied_again = Some("it is unlogged");
        let outline = shop(tables);
        let few = lines(&outline, false);
        let last =
            "    and 2 more, of which 1 are copied once more at the finish: --verbose or --output json shows all";
        assert_eq!(few.last().map(String::as_str), Some(last));
        assert_eq!(lines(&outline, true).len(), few.len() + 1);
    }
}
