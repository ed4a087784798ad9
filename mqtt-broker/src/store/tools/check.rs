//! Whether a store is sound.

use rusqlite::Connection;

use super::reading::Reading;
use crate::store::recovery::wal::Tail;

/// Things that are named one by one; the others are counted.
const NAMED_MAX: usize = 100;

/// What is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first of them, a line each.
    pub lines: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// What is usual after a crash, and no damage.
    pub notes: Vec<String>,
    /// Rows that were read.
    pub rows: u64,
}

impl Findings {
    fn add(&mut self, line: String) {
        self.count += 1;
        if self.lines.len() < NAMED_MAX {
            self.lines.push(line);
        }
    }
}

/// What must not be: a query that counts, and what its rows are.
const RULES: &[(&str, &str)] = &[
    (
        "SELECT count(*) FROM q WHERE d = 0 AND m NOT IN (SELECT m FROM msg)",
        "deliveries without their message",
    ),
    (
        "SELECT count(*) FROM q WHERE s NOT IN (SELECT s FROM sess)
         AND s NOT IN (SELECT s FROM gone)",
        "deliveries without their session",
    ),
    (
        "SELECT count(*) FROM msg LEFT JOIN
         (SELECT m, count(*) AS n FROM q WHERE d = 0 GROUP BY m) AS found USING(m)
         WHERE msg.c <> ifnull(found.n, 0)",
        "messages whose number of deliveries is not what it says",
    ),
    (
        "SELECT count(*) FROM sub WHERE s NOT IN (SELECT s FROM sess)",
        "subscriptions without their session",
    ),
    (
        "SELECT count(*) FROM held WHERE s NOT IN (SELECT s FROM sess)",
        "held messages without their session",
    ),
    (
        "SELECT count(*) FROM will WHERE s NOT IN (SELECT s FROM sess)",
        "wills without their session",
    ),
];

/// Reads all of a store. What SQLite cannot read is a finding, not an error.
#[must_use]
pub fn check(reading: &Reading) -> Findings {
    let mut findings = Findings::default();
    match reading.tail {
        Tail::Clean => {}
        Tail::Torn { ended } => findings.notes.push(format!(
            "The journal ends in a transaction that is not whole, as after {}.",
            if ended { "a loss of power" } else { "a crash" }
        )),
        Tail::Damaged => findings.add(format!(
            "The journal has {} frames, about {} commits, that cannot be read.",
            reading.journal.frames_behind, reading.journal.commits_behind
        )),
    }
    let looked = look_at_trees(reading, &mut findings)
        .and_then(|()| look_at_rows(reading, &mut findings))
        .and_then(|()| look_at_rules(reading, &mut findings));
    if let Err(error) = looked {
        findings.add(format!("SQLite cannot read on: {error}."));
    }
    findings
}

/// What the rows of a store have that must not be, if there is anything.
pub(super) fn broken_rule(connection: &Connection) -> rusqlite::Result<Option<String>> {
    for (query, what) in RULES {
        let count: i64 = connection.query_row(query, [], |row| row.get(0))?;
        if count > 0 {
            return Ok(Some(format!("{count} {what}")));
        }
    }
    Ok(None)
}

fn look_at_trees(reading: &Reading, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut query = reading.connection.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            findings.add(line);
        }
    }
    Ok(())
}

fn look_at_rows(reading: &Reading, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut inspector = reading.inspector();
    while let Some(damaged) = inspector.next_rows()? {
        for what in damaged {
            findings.add(format!("Damaged: {what}."));
        }
    }
    findings.rows = inspector.rows;
    Ok(())
}

fn look_at_rules(reading: &Reading, findings: &mut Findings) -> rusqlite::Result<()> {
    // Of a broker that runs: all of them at one moment.
    reading.connection.execute_batch("BEGIN")?;
    for (query, what) in RULES {
        let count: i64 = reading.connection.query_row(query, [], |row| row.get(0))?;
        if count > 0 {
            findings.add(format!("{count} {what}."));
        }
    }
    reading.connection.execute_batch("COMMIT")
}
