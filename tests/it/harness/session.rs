//! SQL without async: one connection that a test talks to in plain function calls.

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Rows of text as the server writes it; `None` is null.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// An open connection.
pub(crate) struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    /// Connects; the error is the server's words.
    pub(super) fn open(config: &Config) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.map_err(|error| describe(&error))?;
            // It ends with the client; what it has to say, the client's calls say too.
            tokio::spawn(connection);
            Ok::<_, String>(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// Runs statements, separated by semicolons, and gives the rows of all of them; the error is the server's words.
    pub(crate) fn try_sql(&self, sql: &str) -> Result<Rows, String> {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).map_err(|error| describe(&error))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The same, where an error fails the test.
    pub(crate) fn sql(&self, sql: &str) -> Rows {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{error}\nin: {}", shortened(sql)))
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{} {}: {}{detail}", db.severity(), db.code().code(), db.message())
        }
        None => error.to_string(),
    }
}

fn shortened(sql: &str) -> String {
    const LONGEST: usize = 500;
    if sql.chars().count() <= LONGEST {
        sql.to_owned()
    } else {
        sql.chars().take(LONGEST).chain("…".chars()).collect()
    }
}
