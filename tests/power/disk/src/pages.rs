//! What a file held when it was last synced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::rng::Rng;

const PAGE: u64 = 4096;
/// A disk may write a page in halves of this size.
const SECTOR: u64 = 512;

/// How much of what is not synced is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Nothing,
    All,
    Half,
}

impl Loss {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        rng.pick(&[Self::Nothing, Self::All, Self::Half])
    }
}

/// A file that is watched.
#[derive(Debug)]
pub(crate) struct Pages {
    /// A descriptor of our own. It is never closed: that would end the program's locks on the file.
    file: File,
    pub(crate) name: String,
    /// Length at the last sync.
    length: u64,
    /// Pages that were touched since, as they were; shorter where the file ended in them.
    before: BTreeMap<u64, Vec<u8>>,
}

impl Pages {
    pub(crate) fn new(file: File, name: String) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file,
            name,
            before: BTreeMap::new(),
        })
    }

    pub(crate) fn end(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// These bytes are about to be written.
    pub(crate) fn touch(&mut self, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let last = (offset + length - 1) / PAGE;
        for page in offset / PAGE..=last {
            self.remember(page)?;
        }
        Ok(())
    }

    /// The file is about to get this length.
    pub(crate) fn cut_off(&mut self, length: u64) -> io::Result<()> {
        for page in length / PAGE..self.length.div_ceil(PAGE) {
            self.remember(page)?;
        }
        Ok(())
    }

    fn remember(&mut self, page: u64) -> io::Result<()> {
        if self.before.contains_key(&page) {
            return Ok(());
        }
        let start = page * PAGE;
        let there = self.length.saturating_sub(start).min(PAGE);
        let mut bytes = vec![0; usize::try_from(there).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, start)?;
        self.before.insert(page, bytes);
        Ok(())
    }

    /// Everything written so far stays.
    pub(crate) fn synced(&mut self) -> io::Result<()> {
        self.length = self.end()?;
        self.before.clear();
        Ok(())
    }

    /// Loses what is not synced, or a part of it; what is left counts as synced.
    pub(crate) fn lose(&mut self, loss: Loss, rng: &mut Rng) -> io::Result<()> {
        if loss != Loss::Nothing {
            let written = self.end()?;
            let length = self.length_after(written, loss, rng);
            self.file.set_len(length)?;
            // A page of one half, or sectors: drawn once, as a disk has one size of them.
            let unit = rng.pick(&[PAGE, SECTOR]);
            for (page, bytes) in std::mem::take(&mut self.before) {
                let start = page * PAGE;
                if start >= length {
                    continue;
                }
                // Behind its end, an old file has nothing but its old content.
                let whole = loss == Loss::All || start >= written;
                let mut page = bytes;
                page.resize(usize::try_from((length - start).min(PAGE)).unwrap_or(0), 0);
                self.put_back(start, &page, unit, whole, rng)?;
            }
        }
        self.synced()
    }

    fn put_back(
        &self,
        start: u64,
        page: &[u8],
        unit: u64,
        whole: bool,
        rng: &mut Rng,
    ) -> io::Result<()> {
        let size = usize::try_from(unit).unwrap_or(page.len());
        for (part, offset) in page.chunks(size).zip((start..).step_by(size)) {
            if whole || rng.below(2) == 0 {
                self.file.write_all_at(part, offset)?;
            }
        }
        Ok(())
    }

    fn length_after(&self, written: u64, loss: Loss, rng: &mut Rng) -> u64 {
        if loss == Loss::All {
            return self.length;
        }
        match rng.below(3) {
            0 => written,
            1 => self.length,
            // A part of what was added; what was cut off is cut off as a whole or not at all.
            _ if written > self.length => {
                let added = usize::try_from(written - self.length).unwrap_or(usize::MAX);
                self.length + rng.below(added) as u64
            }
            _ => written,
        }
    }
}
