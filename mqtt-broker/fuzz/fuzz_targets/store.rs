//! Any bytes as what a crash or a bad disk may leave: a journal, a blob, a file.
#![no_main]

use std::fs;
use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use mqtt_broker::engine::store_op::SessionNo;
use mqtt_broker::store::recovery::wal::{Tail, scan};
use mqtt_broker::store::recovery::{Look, look};
use mqtt_broker::store::{Sync, blob};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => journal(bytes),
        1 => blobs(bytes),
        _ => file(bytes),
    }
});

/// What is read lies within, and what is left once the tail is cut off is whole.
fn journal(bytes: &[u8]) {
    let found = scan(bytes).expect("a slice is always read");
    let end = usize::try_from(found.end).expect("it is within the bytes");
    let kept = bytes.get(..end).expect("it is within the bytes");
    for offset in found.pages.values() {
        assert!(*offset < found.end);
    }
    let again = scan(kept).expect("a slice is always read");
    assert_eq!(again.pages, found.pages);
    assert_eq!(again.page_count, found.page_count);
    assert_eq!(again.tail(Sync::Full), Tail::Clean);
    assert!(found.commits_behind <= found.frames_behind);
    assert_ne!(found.tail(Sync::Normal), Tail::Damaged);
}

/// What is read is written as it was. The checksum is put right first, or little would be read.
fn blobs(bytes: &[u8]) {
    let mut sealed = crc(bytes).to_le_bytes().to_vec();
    sealed.extend_from_slice(bytes);
    for blob in [bytes, &sealed] {
        if let Ok(message) = blob::read_message(blob) {
            assert_eq!(blob::write_message(&message), blob);
        }
        if let Ok(receipts) = blob::read_receipts(blob) {
            let written = blob::write_receipts(receipts.iter());
            assert_eq!(blob::read_receipts(&written), Ok(receipts));
        }
        if let Ok(will) = blob::read_will(blob) {
            assert_eq!(blob::read_will(&blob::write_will(&will)), Ok(will));
        }
    }
    let Some((flags, mut rest)) = bytes.split_first() else {
        return;
    };
    // Refused or read: it must come to an end.
    let _ = blob::receipt(SessionNo(NonZeroU32::MIN), *flags, &mut rest);
}

/// A file whose rows are looked for page by page; looking does not change it.
fn file(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("mqtt-broker-fuzz-{}", std::process::id()));
    fs::write(&path, bytes).expect("a temporary file");
    let found = look(&path).expect("a file of ours is read");
    assert_eq!(found == Look::Empty, bytes.is_empty());
    assert_eq!(fs::read(&path).expect("a temporary file"), bytes);
    fs::remove_file(&path).expect("a temporary file");
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let fold = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0x82f6_3b78
            } else {
                sum >> 1
            }
        })
    };
    !bytes.iter().fold(u32::MAX, fold)
}
