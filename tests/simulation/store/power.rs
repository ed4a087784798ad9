//! What the files of a store look like when the power goes in the middle of a commit: of the journal all
//! that was synced stays, and of what was written since, any sectors, perhaps with rubbish in them. A header is
//! synced before the first frame behind it.

use std::fs;
use std::io;
use std::path::Path;

use mqtt_broker::store::recovery::beside;

use crate::simulation::dice::Dice;

/// Bytes that a disk writes wholly or not at all.
const SECTOR: usize = 512;
/// Bytes of a journal's header.
const HEADER: usize = 32;
/// Bytes of one of its frames: a page, and what stands before it.
const FRAME: usize = 24 + 4096;

/// The bytes of a store's journal.
pub(super) fn journal(file: &Path) -> io::Result<Vec<u8>> {
    match fs::read(beside(file, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// Copies a store under another name, with another journal.
pub(super) fn copy(file: &Path, to: &Path, journal: &[u8]) -> io::Result<()> {
    fs::copy(file, to)?;
    fs::write(beside(to, "-wal"), journal)
}

/// What may be left of a journal that was `synced`, and was being changed into `written`.
pub(super) fn cut(synced: &[u8], written: &[u8], dice: &mut Dice) -> Vec<u8> {
    match dice.below(6) {
        // The process ended, and the system wrote all of it.
        0 | 1 => grown(written, synced),
        2 => synced.to_vec(),
        3 => cut_at_a_byte(synced, written, dice),
        _ => mix(synced, written, dice),
    }
}

/// Everything up to somewhere was written, and nothing behind it.
fn cut_at_a_byte(synced: &[u8], written: &[u8], dice: &mut Dice) -> Vec<u8> {
    let from = first_changed_frame(synced, written);
    if from >= written.len() {
        return grown(written, synced);
    }
    let end = from + dice.below(written.len() - from);
    grown(&written[..end], synced)
}

/// A journal never gets shorter: what was behind these bytes still is.
fn grown(bytes: &[u8], synced: &[u8]) -> Vec<u8> {
    let behind = synced.get(bytes.len()..).unwrap_or_default();
    [bytes, behind].concat()
}

/// Of each sector that changed there is the old content or the new one, or something else where it was to
/// change.
fn mix(synced: &[u8], written: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut left = written.to_vec();
    for start in (0..written.len()).step_by(SECTOR) {
        let end = written.len().min(start + SECTOR);
        let fate = dice.below(10);
        for at in start.max(HEADER)..end {
            let old = synced.get(at).copied();
            // Drawn whatever stands there: salts and checksums differ from run to run.
            let [rubbish, ..] = dice.next().to_le_bytes();
            left[at] = match fate {
                0..5 => written[at],
                5..9 => old.unwrap_or(0),
                _ if old == Some(written[at]) => written[at],
                _ => rubbish,
            };
        }
    }
    grown(&left, synced)
}

/// Where the first frame begins that is not the same. Which byte of it differs first is chance.
fn first_changed_frame(synced: &[u8], written: &[u8]) -> usize {
    let pairs = synced.iter().zip(written);
    let same = pairs.take_while(|(old, new)| old == new).count();
    HEADER + same.saturating_sub(HEADER) / FRAME * FRAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_and_does_not_change_is_never_lost() {
        let mut dice = Dice::new(1);
        let synced: Vec<u8> = (0..5_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut written = synced.clone();
        written.extend([0x77; 3_000]);
        let mut lengths = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let left = cut(&synced, &written, &mut dice);
            assert_eq!(left[..synced.len()], synced);
            lengths.insert(left.len());
        }
        assert!(lengths.len() > 10, "it is cut in few places");
    }

    #[test]
    fn a_journal_that_is_begun_anew_has_its_new_header_before_anything_behind_it() {
        let mut dice = Dice::new(2);
        let (synced, written) = ([1; 4_000], [2; 1_500]);
        let mut torn = 0;
        for _ in 0..200 {
            let left = cut(&synced, &written, &mut dice);
            assert_eq!(left.len(), synced.len());
            let is_new = left[HEADER..].iter().any(|byte| *byte != 1);
            assert_eq!(left[0], if is_new { 2 } else { left[0] });
            assert!(left[written.len()..].iter().all(|byte| *byte == 1));
            torn += u32::from(is_new && left[..written.len()] != written);
        }
        assert!(torn > 50, "{torn}");
    }
}
