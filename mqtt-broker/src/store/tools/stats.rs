//! How much stands in a store, and for whom most of it waits.

use mqtt_session::time::UnixTime;
use rusqlite::Connection;

use super::reading::Reading;
use crate::store::blob;

/// Clients that are named.
const QUEUES_MAX: u32 = 10;

/// What stands in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Who made it.
    pub created_by: String,
    /// Bytes of the file and of its journal.
    pub bytes: (u64, u64),
    /// Bytes in the file that nothing stands in.
    pub free_bytes: u64,
    /// How many there are of each kind.
    pub counts: Vec<(&'static str, u64)>,
    /// The clients for whom most messages wait.
    pub queues: Vec<Queue>,
    /// When the oldest message that waits was published, and its topic.
    pub oldest: Option<(UnixTime, String)>,
}

/// What waits for one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its client id.
    pub client: String,
    /// Messages.
    pub messages: u64,
    /// Their payloads.
    pub bytes: u64,
}

const COUNTS: &[(&str, &str)] = &[
    ("sessions", "SELECT count(*) FROM sess"),
    (
        "sessions with a client connected",
        "SELECT count(*) FROM sess WHERE a IS NULL",
    ),
    ("subscriptions", "SELECT count(*) FROM sub"),
    (
        "retained messages",
        "SELECT count(*) FROM ret WHERE b IS NOT NULL",
    ),
    ("messages that wait", "SELECT count(*) FROM msg"),
    (
        "messages on their way to connected clients",
        "SELECT count(*) FROM hot",
    ),
    ("deliveries", "SELECT count(*) FROM q"),
    ("messages held until PUBREL", "SELECT count(*) FROM held"),
    ("wills", "SELECT count(*) FROM will"),
];

/// Counts everything at one moment.
///
/// # Errors
/// SQLite cannot read it.
pub fn stats(reading: &Reading) -> rusqlite::Result<Stats> {
    let connection = &reading.connection;
    connection.execute_batch("BEGIN")?;
    let mut stats = Stats {
        created_by: connection.query_row(
            "SELECT ifnull((SELECT v FROM meta WHERE k = 'created_by'), 'an unknown version')",
            [],
            |row| row.get(0),
        )?,
        ..Stats::default()
    };
    let page = 4096;
    stats.bytes = (
        number(connection, "PRAGMA page_count")? * page,
        reading.journal.end,
    );
    stats.free_bytes = number(connection, "PRAGMA freelist_count")? * page;
    for (what, query) in COUNTS {
        stats.counts.push((what, number(connection, query)?));
    }
    stats.queues = queues(connection)?;
    stats.oldest = oldest(connection)?;
    connection.execute_batch("COMMIT")?;
    Ok(stats)
}

fn queues(connection: &Connection) -> rusqlite::Result<Vec<Queue>> {
    let mut query = connection.prepare(
        "SELECT client, count(*) AS n, sum(q.l) FROM q JOIN sess USING(s) WHERE d = 0
         GROUP BY s ORDER BY n DESC, client LIMIT ?1",
    )?;
    let queues = query.query_map([QUEUES_MAX], |row| {
        let size = |column| row.get(column).map(|n: i64| u64::try_from(n).unwrap_or(0));
        Ok(Queue {
            client: row.get(0)?,
            messages: size(1)?,
            bytes: size(2)?,
        })
    })?;
    queues.collect()
}

/// Numbers rise with time, so the first message that can be read is the oldest.
fn oldest(connection: &Connection) -> rusqlite::Result<Option<(UnixTime, String)>> {
    let mut query = connection
        .prepare("SELECT m, b FROM msg UNION ALL SELECT m, b FROM hot ORDER BY m LIMIT 100")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        if let Ok(message) = blob::read_message(&bytes) {
            let view = message.view();
            return Ok(Some((view.head.published, view.topic.as_str().to_owned())));
        }
    }
    Ok(None)
}

fn number(connection: &Connection, query: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection.query_row(query, [], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or(0))
}
