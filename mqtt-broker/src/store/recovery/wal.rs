//! SQLite's journal, read before SQLite opens it: at the first frame that is not as it was written
//! SQLite drops everything behind it without a word, and most often that is right.
//!
//! After a loss of power the tail may be torn. With a sync for each commit at most one transaction
//! was under way, and of its pages any may be missing: frames behind a bad one, even its commit
//! frame, belong to what was never acknowledged. But each frame's checksum goes on from that of the
//! frame before. A frame that goes on from a **commit** was written after that commit was synced
//! (and a start syncs what it finds before anything else), so one that stands behind a bad frame
//! proves that acknowledged data is unreadable. Frames that an abandoned transaction left there do
//! not go on from what has overwritten the place before them.

use std::collections::HashMap;
use std::io::{self, Read};

use crate::store::schema::Sync;

/// Bytes of the journal's header.
const HEADER: usize = 32;
/// Bytes before the page in each frame.
const FRAME_HEADER: usize = 24;
/// Bytes that a disk writes wholly or not at all.
const SECTOR: u64 = 512;
/// Begins a journal whose checksums are made of little endian words; one more: big endian.
const MAGIC: u32 = 0x377f_0682;
/// Format of the journal that SQLite writes since there is one.
const VERSION: u32 = 3_007_000;

/// What stands in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Bytes up to the end of the last commit that can be read; 0 if the header cannot.
    pub end: u64,
    /// Pages of the database after that commit; 0 if there is none.
    pub page_count: u32,
    /// Where the last committed version of each page stands.
    pub pages: HashMap<u32, u64>,
    /// Something else than nothing, or frames of an older round, stands behind the last commit.
    pub is_torn: bool,
    /// Frames from the first one that cannot be read to the last of this round.
    pub frames_behind: u64,
    /// Commits among them.
    pub commits_behind: u64,
    /// One of them was synced: another frame goes on from it.
    pub lost_commits: bool,
}

/// What the part of a journal that cannot be read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// There is none.
    Clean,
    /// A transaction was under way when the broker ended. `ended` if its last frame is there, as only
    /// a loss of power leaves it; damage of the last transaction looks the same.
    Torn {
        /// Its commit frame can be seen.
        ended: bool,
    },
    /// What was acknowledged cannot be read.
    Damaged,
}

impl Journal {
    /// What stands behind the last commit. Where commits were not synced any tail may be torn.
    #[must_use]
    pub fn tail(&self, sync: Sync) -> Tail {
        match sync {
            Sync::Full if self.lost_commits => Tail::Damaged,
            _ if self.is_torn => Tail::Torn {
                ended: self.commits_behind > 0,
            },
            _ => Tail::Clean,
        }
    }
}

/// Reads a journal from its beginning. It holds one page in memory, and where each page stands.
///
/// # Errors
/// What the disk says. No content is an error.
pub fn scan(source: impl Read) -> io::Result<Journal> {
    let mut source = source;
    let mut journal = Journal::default();
    let mut header = [0; HEADER];
    let got = fill(&mut source, &mut header)?;
    if got == 0 {
        return Ok(journal);
    }
    let begin = Begin::read(&header).filter(|_| got == HEADER);
    let mut frames = Frames {
        source,
        frame: vec![0; FRAME_HEADER + begin.as_ref().map_or(4096, |begin| begin.page_size)],
        offset: HEADER as u64,
    };
    match begin {
        Some(begin) => {
            let bad = read_valid(&mut frames, &begin, &mut journal)?;
            if let Some((bad, expected)) = bad {
                read_behind(bad, expected, &mut frames, &begin, &mut journal)?;
            }
        }
        None => read_headless(&header, &mut frames, &mut journal)?,
    }
    Ok(journal)
}

/// What the header says.
#[derive(Clone, Debug)]
struct Begin {
    big_endian: bool,
    page_size: usize,
    /// How often the journal was begun anew.
    rounds: u32,
    salts: (u32, u32),
    sum: Sum,
}

impl Begin {
    fn read(header: &[u8; HEADER]) -> Option<Self> {
        let magic = word(header, 0);
        let page_size = word(header, 8);
        if magic & !1 != MAGIC || word(header, 4) != VERSION {
            return None;
        }
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return None;
        }
        let big_endian = magic & 1 != 0;
        let sum = Sum::default().over(header.get(..24)?, big_endian);
        let begin = Self {
            big_endian,
            page_size: usize::try_from(page_size).ok()?,
            rounds: word(header, 12),
            salts: (word(header, 16), word(header, 20)),
            sum,
        };
        (sum == Sum(word(header, 24), word(header, 28))).then_some(begin)
    }

    /// Whether a frame with these salts may be left from an earlier round.
    fn is_older(&self, (first, second): (u32, u32)) -> bool {
        let age = self.salts.0.wrapping_sub(first);
        (1..=self.rounds).contains(&age) && second != self.salts.1
    }
}

/// The running checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum(u32, u32);

impl Sum {
    fn over(self, bytes: &[u8], big_endian: bool) -> Self {
        let Self(mut one, mut two) = self;
        let (pairs, _) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in pairs {
            let (left, right) = if big_endian {
                (
                    u32::from_be_bytes([a, b, c, d]),
                    u32::from_be_bytes([e, f, g, h]),
                )
            } else {
                (
                    u32::from_le_bytes([a, b, c, d]),
                    u32::from_le_bytes([e, f, g, h]),
                )
            };
            one = one.wrapping_add(left).wrapping_add(two);
            two = two.wrapping_add(right).wrapping_add(one);
        }
        Self(one, two)
    }
}

/// The frames of a journal, one after another.
struct Frames<R> {
    source: R,
    frame: Vec<u8>,
    /// Where the next one begins.
    offset: u64,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    page: u32,
    /// Pages of the database, if the frame ends a transaction.
    commit: Option<u32>,
    salts: (u32, u32),
    /// As it stands there.
    sum: Sum,
}

impl<R: Read> Frames<R> {
    /// The next frame; `Err` with the number of bytes if there is no whole one.
    fn next(&mut self) -> io::Result<Result<Frame, usize>> {
        let got = fill(&mut self.source, &mut self.frame)?;
        if got < self.frame.len() {
            return Ok(Err(got));
        }
        let size = word(&self.frame, 4);
        let frame = Frame {
            offset: self.offset,
            page: word(&self.frame, 0),
            commit: (size != 0).then_some(size),
            salts: (word(&self.frame, 8), word(&self.frame, 12)),
            sum: Sum(word(&self.frame, 16), word(&self.frame, 20)),
        };
        self.offset += self.frame.len() as u64;
        Ok(Ok(frame))
    }

    /// The checksum that the frame has if it goes on from `sum`.
    fn sum_after(&self, sum: Sum, big_endian: bool) -> Sum {
        let (head, rest) = self.frame.split_at(8);
        let page = rest.get(FRAME_HEADER - 8..).unwrap_or_default();
        sum.over(head, big_endian).over(page, big_endian)
    }

    fn size(&self) -> u64 {
        self.frame.len() as u64
    }
}

/// Reads up to the first frame that is not as it was written, which it gives back with the checksum
/// that it should have.
fn read_valid<R: Read>(
    frames: &mut Frames<R>,
    begin: &Begin,
    journal: &mut Journal,
) -> io::Result<Option<(Frame, Sum)>> {
    journal.end = HEADER as u64;
    let mut sum = begin.sum;
    let mut under_way = Vec::new();
    loop {
        let frame = match frames.next()? {
            Ok(frame) => frame,
            Err(bytes) => {
                journal.is_torn = bytes > 0 || !under_way.is_empty();
                return Ok(None);
            }
        };
        let expected = frames.sum_after(sum, begin.big_endian);
        if frame.salts != begin.salts || frame.sum != expected || frame.page == 0 {
            journal.is_torn = !under_way.is_empty() || !begin.is_older(frame.salts);
            return Ok(Some((frame, expected)));
        }
        sum = expected;
        under_way.push((frame.page, frame.offset + FRAME_HEADER as u64));
        if let Some(pages) = frame.commit {
            journal.pages.extend(under_way.drain(..));
            journal.page_count = pages;
            journal.end = frame.offset + frames.size();
        }
    }
}

/// Looks for frames of this round behind a bad one.
fn read_behind<R: Read>(
    bad: Frame,
    expected: Sum,
    frames: &mut Frames<R>,
    begin: &Begin,
    journal: &mut Journal,
) -> io::Result<()> {
    let first = bad.offset;
    let mut last = None;
    let mut before = Before {
        frame: bad,
        // Should its checksum be what is bad of it, the next frame goes on from the right one.
        sums: [bad.sum, expected],
        is_whole: bad.sum == expected,
    };
    if bad.salts == begin.salts {
        last = Some(bad.offset);
        journal.commits_behind += u64::from(bad.commit.is_some());
    }
    while let Ok(frame) = frames.next()? {
        let goes_on = before.is_followed_by(&frame, frames, begin);
        if frame.salts == begin.salts {
            last = Some(frame.offset);
            journal.commits_behind += u64::from(frame.commit.is_some());
            journal.lost_commits |= goes_on && before.is_commit();
        }
        before = Before {
            frame,
            sums: [frame.sum; 2],
            is_whole: goes_on,
        };
    }
    if let Some(last) = last {
        journal.is_torn = true;
        journal.frames_behind = (last - first) / frames.size() + 1;
    }
    Ok(())
}

/// The frame before another, behind a bad one.
struct Before {
    frame: Frame,
    /// What the next may go on from.
    sums: [Sum; 2],
    /// It goes on from the one before it: all of it is as it was written.
    is_whole: bool,
}

impl Before {
    fn is_followed_by<R: Read>(&mut self, next: &Frame, frames: &Frames<R>, begin: &Begin) -> bool {
        let [stored, counted] = self.sums;
        let goes_on = |sum| frames.sum_after(sum, begin.big_endian) == next.sum;
        let from_counted = counted != stored && goes_on(counted);
        self.is_whole |= from_counted;
        from_counted || goes_on(stored)
    }

    /// Whether it ended a transaction. What stands in its head may be left from an older round, if the
    /// head lies in two sectors of which one was written.
    fn is_commit(&self) -> bool {
        let start = self.frame.offset;
        let is_one_sector = start / SECTOR == (start + FRAME_HEADER as u64 - 1) / SECTOR;
        self.frame.commit.is_some() && (self.is_whole || is_one_sector)
    }
}

/// A journal whose header cannot be read: SQLite would take it for an empty one. A header is synced
/// before any frame, so frames that go on from a commit prove that it was damaged later.
fn read_headless<R: Read>(
    header: &[u8; HEADER],
    frames: &mut Frames<R>,
    journal: &mut Journal,
) -> io::Result<()> {
    journal.is_torn = header.iter().any(|byte| *byte != 0);
    let mut before: Option<Frame> = None;
    while let Ok(frame) = frames.next()? {
        let Some(earlier) = before.replace(frame) else {
            continue;
        };
        let goes_on = earlier.salts == frame.salts
            && [false, true]
                .into_iter()
                .any(|big| frames.sum_after(earlier.sum, big) == frame.sum);
        if !goes_on {
            continue;
        }
        journal.is_torn = true;
        journal.frames_behind += 1;
        if earlier.commit.is_some() {
            journal.commits_behind += 1;
            journal.lost_commits = true;
        }
    }
    Ok(())
}

/// Big endian word at a place; 0 behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

/// Reads until the buffer is full or the source ends; how many bytes that was.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
#[path = "wal_tests.rs"]
mod tests;
