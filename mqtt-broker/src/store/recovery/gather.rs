//! The rows of a damaged store, wherever they are found, put into a new one.

use std::collections::HashMap;

use mqtt_session::time::UnixTime;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::btree::{Node, Row};
use super::fresh::{Fresh, MakeError};
use super::pages::Pages;
use super::salvage::Salvage;
use super::tables::{Fit, TABLES, Table, bytes, integer, session, text};
use crate::store::blob;

/// Rows between two commits of the new store.
const BATCH: u32 = 20_000;
/// Pages that tell whether a file is a store.
const LOOK_PAGES: u32 = 4096;
/// Pages that the list of tables may have; it has one.
const SCHEMA_PAGES_MAX: u32 = 100;
/// The index that knows clients by name, and so saves sessions whose own rows are gone.
const CLIENTS: &str = "sqlite_autoindex_sess_1";

/// What was found, before it was brought into order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) report: Salvage,
    /// Deliveries and held messages that are lost, by session.
    pub(super) lost_of: HashMap<i64, u64>,
    /// Those of them that are rows of deliveries.
    pub(super) deliveries_lost: u64,
}

/// Whether there are rows of a store in a file, whatever its first page says.
#[must_use]
pub(crate) fn is_in(pages: &Pages) -> bool {
    let mut found = false;
    let mut used = Used::new(pages.count());
    let last = pages.count().min(LOOK_PAGES);
    let swept = sweep(pages, last, &mut used, &mut |_, fit| {
        found |= matches!(fit, Fit::Whole(_));
        Ok::<bool, MakeError>(!found)
    });
    swept.is_ok() && found
}

/// Which pages were read already.
struct Used(Vec<u64>);

impl Used {
    fn new(count: u32) -> Self {
        Self(vec![0; usize::try_from(count / 64 + 1).unwrap_or_default()])
    }

    /// Whether it was not read before; it is now.
    fn claim(&mut self, page: u32) -> bool {
        let bit = 1_u64 << (page % 64);
        let place = usize::try_from(page / 64).unwrap_or(usize::MAX);
        let word = self.0.get_mut(place);
        word.is_some_and(|word| {
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        })
    }

    fn release(&mut self, page: u32) {
        let place = usize::try_from(page / 64).unwrap_or(usize::MAX);
        if let Some(word) = self.0.get_mut(place) {
            *word &= !(1_u64 << (page % 64));
        }
    }
}

/// Every row of every page that was not read yet, with the table that it belongs to, as long as
/// `visit` wants more.
fn sweep<E>(
    pages: &Pages,
    last: u32,
    used: &mut Used,
    visit: &mut impl FnMut(&'static Table, Fit) -> Result<bool, E>,
) -> Result<(), E> {
    for number in 2..=last {
        if !used.claim(number) {
            continue;
        }
        let page = pages.read(number);
        let node = page.and_then(|page| Node::read(number, &page, pages));
        for row in node.into_iter().flat_map(|node| node.rows) {
            let tables = TABLES.iter().filter(|table| table.is_told_by_rows);
            let fits = tables.map(|table| (table, table.fit(row.clone())));
            let mut fits: Vec<_> = fits.filter(|(_, fit)| *fit != Fit::Not).collect();
            // Two tables may have the same columns; what stands in them decides.
            fits.sort_by_key(|(_, fit)| !matches!(fit, Fit::Whole(_)));
            if let Some((table, fit)) = fits.into_iter().next()
                && !visit(table, fit)?
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A salvage under way.
pub(super) struct Gathering<'a> {
    pages: &'a Pages,
    connection: &'a Connection,
    used: Used,
    found: Found,
    /// How a row is put into each table.
    inserts: HashMap<&'static str, String>,
    rows: u32,
}

impl<'a> Gathering<'a> {
    /// Out of these pages into this store, within a transaction.
    pub(super) fn new(pages: &'a Pages, connection: &'a Connection) -> Self {
        Self {
            pages,
            connection,
            used: Used::new(pages.count()),
            found: Found::default(),
            inserts: TABLES
                .iter()
                .map(|table| (table.name, table.insert()))
                .collect(),
            rows: 0,
        }
    }

    /// What was found.
    pub(super) fn end(self) -> Found {
        self.found
    }

    /// First along the trees, as SQLite would; where these are broken, page by page.
    pub(super) fn read(&mut self, now: UnixTime) -> Result<(), MakeError> {
        let (mut roots, mut is_whole) = self.roots();
        if roots.is_empty() {
            // The first page is gone. A store that was never compacted has its tables where a new
            // one has them.
            is_whole = false;
            roots = self.roots_of_a_new_store()?;
        }
        for table in TABLES {
            match roots.get(table.name) {
                Some(root) => is_whole &= self.walk(table, *root)?,
                None => is_whole = false,
            }
        }
        let clients = roots.get(CLIENTS).copied();
        if !is_whole {
            match self.pages.free() {
                Some(free) => {
                    for page in free {
                        self.used.claim(page);
                    }
                }
                None => self.found.report.may_return = true,
            }
            self.read_the_rest()?;
        }
        match clients {
            Some(root) => self.save_sessions(root, now),
            None => Ok(()),
        }
    }

    /// Where the tables begin, and whether the list of them can be read as a whole.
    fn roots(&mut self) -> (HashMap<String, u32>, bool) {
        let mut roots = HashMap::new();
        let mut is_whole = true;
        let mut stack = vec![1];
        let mut read = 0_u32;
        while let Some(number) = stack.pop() {
            read += 1;
            let page = self.pages.read(number).filter(|_| read < SCHEMA_PAGES_MAX);
            let node = page.and_then(|page| Node::read(number, &page, self.pages));
            let Some(node) = node else {
                is_whole = false;
                continue;
            };
            self.used.claim(number);
            is_whole &= node.unreadable == 0;
            stack.extend(node.children);
            for Row { values, .. } in node.rows {
                let root = integer(&values, 3).and_then(|root| u32::try_from(root).ok());
                if let (Some(name), Some(root)) = (text(&values, 1), root) {
                    roots.insert(name.to_owned(), root);
                }
            }
        }
        (roots, is_whole)
    }

    fn roots_of_a_new_store(&self) -> rusqlite::Result<HashMap<String, u32>> {
        let mut query = self
            .connection
            .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")?;
        let roots = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        roots.collect()
    }

    /// Reads a table from its root on; whether all of it could be read.
    fn walk(&mut self, table: &'static Table, root: u32) -> Result<bool, MakeError> {
        let mut is_whole = true;
        let mut stack = vec![root];
        while let Some(number) = stack.pop() {
            // A page that is read twice belongs to somebody else.
            if !self.used.claim(number) {
                is_whole = false;
                continue;
            }
            let page = self.pages.read(number);
            let node = page.and_then(|page| Node::read(number, &page, self.pages));
            let Some(node) = node.filter(|node| node.is_keyed == table.is_keyed) else {
                self.used.release(number);
                self.found.report.pages_unreadable += 1;
                is_whole = false;
                continue;
            };
            let rows = node.rows.len();
            let fits: Vec<Fit> = node.rows.into_iter().map(|row| table.fit(row)).collect();
            if rows > 0 && fits.iter().all(|fit| *fit == Fit::Not) {
                self.used.release(number);
                is_whole = false;
                continue;
            }
            self.found.report.rows_unreadable += node.unreadable;
            stack.extend(node.children);
            for fit in fits {
                self.take(table, fit)?;
            }
        }
        Ok(is_whole)
    }

    fn read_the_rest(&mut self) -> Result<(), MakeError> {
        let mut used = std::mem::replace(&mut self.used, Used::new(0));
        sweep(
            self.pages,
            self.pages.count(),
            &mut used,
            &mut |table, fit| {
                // Damaged rows of unknown tables are mostly no rows at all.
                if matches!(fit, Fit::Whole(_)) {
                    self.take(table, fit)?;
                }
                Ok::<bool, MakeError>(true)
            },
        )
    }

    fn take(&mut self, table: &Table, fit: Fit) -> Result<(), MakeError> {
        match fit {
            Fit::Not => self.found.report.rows_unreadable += 1,
            Fit::Damaged(row) => self.lose(table, &row),
            Fit::Whole(row) => {
                let insert = self.inserts.get(table.name).map_or("", String::as_str);
                let mut insert = self.connection.prepare_cached(insert)?;
                insert.execute(params_from_iter(row))?;
                self.rows += 1;
                if self.rows.is_multiple_of(BATCH) {
                    Fresh::go_on(self.connection)?;
                }
            }
        }
        Ok(())
    }

    /// Counts a row whose blobs are damaged.
    fn lose(&mut self, table: &Table, row: &[Value]) {
        let of = |column| integer(row, column).unwrap_or_default();
        match table.name {
            "q" => {
                *self.found.lost_of.entry(of(0)).or_default() += 1;
                self.found.deliveries_lost += 1;
            }
            "held" => *self.found.lost_of.entry(of(1)).or_default() += 1,
            // Its deliveries are counted, one by one, when all rows are there.
            "msg" => {}
            "hot" => match bytes(row, 1).map(blob::read_receipts) {
                Some(Ok(receivers)) => {
                    for receipt in receivers {
                        let session = i64::from(receipt.session.0.get());
                        *self.found.lost_of.entry(session).or_default() += 1;
                    }
                }
                _ => self.found.report.unknown += 1,
            },
            "ret" => {
                let topic = text(row, 0).unwrap_or_default();
                self.found
                    .report
                    .lose(format!("the retained message of {topic}"));
            }
            "will" => self
                .found
                .report
                .lose(format!("the will of session {}", of(0))),
            "sub" => {
                let filter = text(row, 1).unwrap_or_default();
                self.found
                    .report
                    .lose(format!("a subscription to {filter}"));
            }
            _ => self.found.report.rows_unreadable += 1,
        }
    }

    /// Sessions whose rows are gone, but whose names stand in the index: they go on without user name
    /// and for ever.
    fn save_sessions(&mut self, root: u32, now: UnixTime) -> Result<(), MakeError> {
        let mut stack = vec![root];
        let mut used = Used::new(self.pages.count());
        let away = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        while let Some(number) = stack.pop() {
            let page = self.pages.read(number).filter(|_| used.claim(number));
            let node = page.and_then(|page| Node::read(number, &page, self.pages));
            let Some(node) = node.filter(|node| node.is_keyed) else {
                continue;
            };
            stack.extend(node.children);
            for Row { values, .. } in node.rows {
                let (Some(client), Some(number)) = (text(&values, 0), integer(&values, 1)) else {
                    continue;
                };
                if values.len() != 2 || session(number).is_none() {
                    continue;
                }
                let insert = "INSERT OR IGNORE INTO sess(s, client, e, a, u, l)
                              SELECT ?1, ?2, -1, ?3, NULL, 0
                              WHERE NOT EXISTS(SELECT 1 FROM gone WHERE s = ?1)";
                if self
                    .connection
                    .execute(insert, params![number, client, away])?
                    > 0
                {
                    let what = format!("user name and expiry of the session of {client}");
                    self.found.report.lose(what);
                }
            }
        }
        Ok(())
    }
}
