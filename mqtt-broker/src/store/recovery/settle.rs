//! Rows that were gathered become a store again: what belongs to nobody goes, counts are made anew,
//! and for each client it is said what was saved and what was not.

use std::collections::HashMap;

use rusqlite::{Connection, Params, params};

use super::gather::Found;
use super::salvage::Salvage;
use crate::store::blob;

/// Deliveries that a message says it has and that were not found.
const MISSING: &str = "SELECT ifnull(sum(msg.c - ifnull(found.n, 0)), 0)
    FROM msg LEFT JOIN (SELECT m, count(*) AS n FROM q WHERE d = 0 GROUP BY m) AS found USING(m)
    WHERE msg.c > ifnull(found.n, 0)";
/// Deliveries without a session, but for those that are on their way out.
const STRAY: &str = "SELECT count(*) FROM q WHERE d = 0
    AND s NOT IN (SELECT s FROM sess) AND s NOT IN (SELECT s FROM gone)";
/// What belongs to nobody.
const CLEAN: &str = "
    DELETE FROM q WHERE s NOT IN (SELECT s FROM sess);
    DELETE FROM sub WHERE s NOT IN (SELECT s FROM sess);
    DELETE FROM held WHERE s NOT IN (SELECT s FROM sess);
    DELETE FROM will WHERE s NOT IN (SELECT s FROM sess);
    DELETE FROM gone;
    -- Counted anew by the next start.
    DELETE FROM meta WHERE k = 'messages';";
/// Deliveries without their message, by session.
const BODILESS: &str = "SELECT s, count(*) FROM q WHERE d = 0 AND m NOT IN (SELECT m FROM msg)
    GROUP BY s";
/// Deliveries without their message, and messages without deliveries.
const PRUNE: &str = "
    DELETE FROM q WHERE d = 0 AND m NOT IN (SELECT m FROM msg);
    DELETE FROM msg WHERE m NOT IN (SELECT m FROM q WHERE d = 0);";
/// The deliveries of each message are counted anew, in one pass.
const RECOUNT: &str = "
    UPDATE msg SET c = found.n
        FROM (SELECT m, count(*) AS n FROM q WHERE d = 0 GROUP BY m) AS found
        WHERE found.m = msg.m AND found.n <> msg.c;";
/// What was saved, by session.
const SAVED: &str = "SELECT s, count(*) FROM q WHERE d = 0 GROUP BY s
    UNION ALL SELECT s, count(*) FROM held GROUP BY s";

/// Counts the deliveries of each message anew.
pub(crate) fn recount(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(RECOUNT)
}

/// Brings the rows of a new store into order.
pub(super) fn settle(connection: &Connection, found: Found) -> rusqlite::Result<Salvage> {
    let Found {
        mut report,
        mut lost_of,
        deliveries_lost,
    } = found;
    let missing = count(connection, MISSING)?.saturating_sub(deliveries_lost);
    report.unknown += missing + count(connection, STRAY)?;
    for table in ["sub", "held"] {
        let stray = count(
            connection,
            &format!(
                "SELECT count(*) FROM {table} WHERE s NOT IN (SELECT s FROM sess)
                 AND s NOT IN (SELECT s FROM gone)"
            ),
        )?;
        for _ in 0..stray {
            report.lose(match table {
                "sub" => "a subscription of a client that is not known".to_owned(),
                _ => "a message held for a client that is not known".to_owned(),
            });
        }
    }
    connection.execute_batch(CLEAN)?;
    add(connection, BODILESS, &mut lost_of)?;
    connection.execute_batch(PRUNE)?;
    recount(connection)?;
    let mut saved_of = HashMap::new();
    add(connection, SAVED, &mut saved_of)?;
    let stray = settle_hot(connection, &mut saved_of)?;
    report.unknown += stray;
    share_out(connection, &mut report, &saved_of, lost_of)?;
    report.sessions = count(connection, "SELECT count(*) FROM sess")?;
    report.subscriptions = count(connection, "SELECT count(*) FROM sub")?;
    report.retained = count(connection, "SELECT count(*) FROM ret WHERE b IS NOT NULL")?;
    Ok(report)
}

/// Receivers without a session go out of the messages that list them; how many those are.
fn settle_hot(connection: &Connection, saved_of: &mut HashMap<i64, u64>) -> rusqlite::Result<u64> {
    let mut has_session = connection.prepare("SELECT count(*) FROM sess WHERE s = ?1")?;
    let mut query = connection.prepare("SELECT m, r FROM hot")?;
    let mut rows = query.query([])?;
    let mut changed: Vec<(i64, Vec<u8>, usize)> = Vec::new();
    let mut stray = 0;
    while let Some(row) = rows.next()? {
        let blob: Vec<u8> = row.get(1)?;
        let receivers = blob::read_receipts(&blob).unwrap_or_default();
        let before = receivers.len();
        let mut kept = Vec::new();
        for receipt in receivers {
            let session = i64::from(receipt.session.0.get());
            if has_session.query_row([session], |row| row.get::<_, i64>(0))? > 0 {
                *saved_of.entry(session).or_default() += 1;
                kept.push(receipt);
            }
        }
        if kept.len() < before || before == 0 {
            stray += (before - kept.len()) as u64;
            changed.push((row.get(0)?, blob::write_receipts(kept.iter()), kept.len()));
        }
    }
    for (number, blob, left) in changed {
        if left == 0 {
            run(connection, "DELETE FROM hot WHERE m = ?1", [number])?;
        } else {
            let update = "UPDATE hot SET r = ?2 WHERE m = ?1";
            run(connection, update, params![number, blob])?;
        }
    }
    Ok(stray)
}

/// Saved and lost messages get the names of their clients.
fn share_out(
    connection: &Connection,
    report: &mut Salvage,
    saved_of: &HashMap<i64, u64>,
    mut lost_of: HashMap<i64, u64>,
) -> rusqlite::Result<()> {
    let mut query = connection.prepare("SELECT s, client FROM sess")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let session: i64 = row.get(0)?;
        let saved = saved_of.get(&session).copied().unwrap_or_default();
        let lost = lost_of.remove(&session).unwrap_or_default();
        if saved + lost > 0 {
            let share = report.clients.entry(row.get(1)?).or_default();
            share.saved += saved;
            share.lost += lost;
        }
    }
    report.unknown += lost_of.into_values().sum::<u64>();
    Ok(())
}

fn add(connection: &Connection, query: &str, sums: &mut HashMap<i64, u64>) -> rusqlite::Result<()> {
    let mut query = connection.prepare(query)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(1)?;
        *sums.entry(row.get(0)?).or_default() += u64::try_from(count).unwrap_or_default();
    }
    Ok(())
}

fn count(connection: &Connection, query: &str) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(query, [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

fn run(connection: &Connection, statement: &str, values: impl Params) -> rusqlite::Result<()> {
    connection
        .prepare_cached(statement)?
        .execute(values)
        .map(drop)
}
