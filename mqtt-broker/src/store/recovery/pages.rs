//! The pages of a database as its last readable commit left them, from the file and its journal,
//! whether SQLite would open them or not.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::wal::Journal;

/// Bytes of a page; every store is made with it.
pub(crate) const PAGE: usize = 4096;
/// What a database begins with.
pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// One page.
pub(crate) type Page = Box<[u8; PAGE]>;

/// A database that is read page by page.
#[derive(Debug)]
pub(crate) struct Pages {
    file: File,
    journal: Option<File>,
    in_journal: HashMap<u32, u64>,
    count: u32,
}

impl Pages {
    /// A file with what its journal has.
    ///
    /// # Errors
    /// The size of the file cannot be had.
    pub(crate) fn new(file: File, journal: Option<(File, Journal)>) -> io::Result<Self> {
        let whole = file.metadata()?.len().div_ceil(PAGE as u64);
        let whole = u32::try_from(whole).unwrap_or(u32::MAX);
        let (journal, in_journal, count) = match journal {
            Some((journal, found)) => (Some(journal), found.pages, found.page_count),
            None => (None, HashMap::new(), 0),
        };
        Ok(Self {
            file,
            journal,
            in_journal,
            count: whole.max(count),
        })
    }

    /// How many there are; the first is number 1.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// A page, if there is one and the disk gives it out.
    pub(crate) fn read(&self, number: u32) -> Option<Page> {
        if number == 0 || number > self.count {
            return None;
        }
        let mut page = Box::new([0; PAGE]);
        let read = match (&self.journal, self.in_journal.get(&number)) {
            (Some(journal), Some(offset)) => journal.read_exact_at(&mut page[..], *offset),
            _ => {
                let offset = u64::from(number - 1) * PAGE as u64;
                self.file.read_exact_at(&mut page[..], offset)
            }
        };
        read.ok().map(|()| page)
    }

    /// Pages that the database says are not in use; `None` if it cannot be told.
    pub(crate) fn free(&self) -> Option<Vec<u32>> {
        let first = self.read(1).filter(|page| page.starts_with(MAGIC))?;
        let mut free = Vec::new();
        let mut trunk = number_at(&first[..], 32)?;
        while trunk != 0 {
            if free.len() >= usize::try_from(self.count).ok()? {
                return None;
            }
            let page = self.read(trunk)?;
            free.push(trunk);
            let count = usize::try_from(number_at(&page[..], 4)?).ok()?;
            if count > PAGE / 4 - 2 {
                return None;
            }
            for place in 0..count {
                free.push(number_at(&page[..], 8 + 4 * place)?);
            }
            trunk = number_at(&page[..], 0)?;
        }
        Some(free)
    }
}

/// Big endian number at a place.
pub(crate) fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}
