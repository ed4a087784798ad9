//! What is read, and what a store of it holds.

use std::path::PathBuf;

use proptest::prelude::*;

use super::super::export::each_delivery;
use super::super::{ImportError, ReadError, export, fill, read, write};
use super::make;
use super::{ENDS, NOW};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::SavedSession;
use crate::store::database::Database;
use crate::store::mosquitto::Counts;
use crate::store::{Recovered, StoreError, Sync};

/// Our own store with what a file holds.
pub(super) struct Imported {
    pub(super) database: Database,
    pub(super) counts: Counts,
    _folder: tempfile::TempDir,
}

pub(super) fn imported(file: &[u8]) -> Result<Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = read(file)?;
    let mut database = Database::open(&folder.path().join("store"), Sync::Normal).unwrap();
    let counts = fill::fill(&mut database, &snapshot, NOW)?;
    Ok(Imported {
        database,
        counts,
        _folder: folder,
    })
}

/// A session as text, a line for each thing.
pub(super) fn told(database: &mut Database, saved: &SavedSession) -> Vec<String> {
    let session = &saved.session;
    let user_name = session.user_name.as_deref().unwrap_or("-");
    let expiry = match session.expiry {
        SessionExpiry::After(_) => {
            let (since, _) = saved.away.unwrap();
            let SessionExpiry::After(span) = session.expiry else {
                unreachable!("just matched")
            };
            format!("until {}", since.saturating_add(span).as_secs())
        }
        other => format!("{other:?}"),
    };
    let mut lines = vec![format!("{} of {user_name}, {expiry}", session.client_id)];
    for wanted in &saved.subscriptions {
        let (filter, options) = (&wanted.filter, wanted.options.as_byte());
        lines.push(format!(
            "wants {filter} {options:#04x} {}",
            wanted.identifier
        ));
    }
    for (packet_id, message) in &saved.held {
        let view = message.view();
        let payload = String::from_utf8_lossy(view.payload);
        lines.push(format!(
            "holds {packet_id}: {} {payload}",
            view.topic.as_str()
        ));
    }
    let in_memory = saved.deliveries.clone();
    let all = each_delivery(database, saved, in_memory, |delivery| {
        let receipt = &delivery.receipt;
        let message = match &delivery.message {
            None => "-".to_owned(),
            Some(message) => {
                let view = message.view();
                let payload = String::from_utf8_lossy(view.payload);
                let response = view.properties.response_topic().unwrap_or("-");
                format!(
                    "{} {payload} from {} to {response}",
                    view.topic.as_str(),
                    view.publisher
                )
            }
        };
        let packet_id = receipt.packet_id.map_or(0, mqtt_codec::PacketId::get);
        let identifiers = receipt
            .extra
            .as_ref()
            .map(|extra| extra.identifiers.clone());
        lines.push(format!(
            "gets {message} at {} as {packet_id}{} {:?}",
            receipt.qos.as_u8(),
            if receipt.away { "" } else { " again" },
            identifiers.unwrap_or_default()
        ));
        Ok::<(), StoreError>(())
    });
    all.unwrap();
    lines
}

fn fixture(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/mosquitto-db");
    PathBuf::from(folder).join(name)
}

#[test]
fn every_format_gives_what_it_can_say() {
    for version in 2..=6 {
        let file = make::file(version, ENDS);
        let name = fixture(&format!("v{version}.db"));
        if std::env::var_os("MQTT_MAKE_FIXTURES").is_some() {
            std::fs::write(&name, &file).unwrap();
        }
        assert_eq!(std::fs::read(&name).unwrap(), file, "{}", name.display());
        let mut imported = imported(&file).unwrap();
        let Recovered {
            sessions, retained, ..
        } = imported.database.load(NOW).unwrap();
        let (owner, options, identifiers, response) = match version {
            2..=4 => ("keeper of -, Never", "0x01 0", "[]", "-"),
            5 => ("keeper of -, until 1800001000", "0x05 3", "[3]", "r"),
            _ => ("keeper of ann, until 1800001000", "0x05 3", "[3]", "r"),
        };
        let second = options.replace("0x01", "0x02").replace("0x05", "0x06");
        let expected = [
            owner.to_owned(),
            format!("wants a/# {options}"),
            format!("wants b {second}"),
            "holds 9: up held".to_owned(),
            "gets a/two two from writer to - at 2 as 5 again []".to_owned(),
            "gets - at 2 as 6 again []".to_owned(),
            format!("gets a/one one from writer to {response} at 1 as 0 {identifiers}"),
        ];
        assert_eq!(
            told(&mut imported.database, &sessions[0]),
            expected,
            "version {version}"
        );
        let stranger = [
            "stranger of -, Never".to_owned(),
            format!("gets a/one one from writer to {response} at 1 as 0 again {identifiers}"),
        ];
        assert_eq!(
            told(&mut imported.database, &sessions[1]),
            stranger,
            "version {version}"
        );
        let topics: Vec<_> = retained
            .iter()
            .map(|(_, m)| m.view().topic.as_str())
            .collect();
        assert_eq!(topics, ["r/state"], "version {version}");
        assert_eq!(
            imported.counts.to_string(),
            "2 sessions, 2 subscriptions, 4 messages for clients, 1 retained messages, 1 messages \
             of QoS 2 from clients"
        );
    }
}

/// Written by the program itself, in `tests/interop/coming_over.rs`.
#[test]
fn a_file_of_mosquitto_2_0_11_is_read() {
    let file = std::fs::read(fixture("debian-2.0.11.db")).unwrap();
    let mut imported = imported(&file).unwrap();
    let recovered = imported.database.load(NOW).unwrap();
    let mut lines: Vec<_> = recovered
        .sessions
        .iter()
        .flat_map(|saved| told(&mut imported.database, saved))
        .collect();
    for line in &mut lines {
        // Some client ids were made up.
        if let Some((before, rest)) = line.split_once(" from auto-") {
            let (_, after) = rest.split_once(' ').unwrap();
            *line = format!("{before} {after}");
        }
    }
    let expected = [
        "old of -, Never",
        "wants a/+ 0x01 0",
        "gets a/1 one to - at 1 as 0 []",
        "gets a/2 two to - at 1 as 0 []",
        "gets a/3 three to - at 1 as 0 []",
        "new of -, until 6090496780",
        "wants a/# 0x02 7",
        "gets a/1 one to - at 1 as 0 [7]",
        "gets a/2 two to - at 2 as 0 [7]",
        "gets a/3 three to - at 1 as 0 [7]",
        "acks of -, Never",
        "wants q 0x02 0",
        "gets q puback from sender to - at 1 as 0 again []",
        "gets q pubrec from sender to - at 2 as 2 again []",
        "gets - at 2 as 3 again []",
        "holder of -, Never",
        "holds 9: h held",
        "member of -, until 6090496780",
        "gets s shared to - at 1 as 0 []",
    ];
    assert_eq!(lines, expected);
    assert_eq!(recovered.retained.len(), 1);
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error_or_ends_with_a_whole_part() {
    for version in 2..=6 {
        let file = make::file(version, ENDS);
        let mut whole_parts = 0;
        for cut in 0..file.len() {
            whole_parts += usize::from(read(&file[..cut]).is_ok());
        }
        // The header alone, and one more with each of the chunks but the last.
        assert_eq!(whole_parts, 1 + 16, "version {version}");
    }
    let file = make::file(6, ENDS);
    let error = read(&file[..file.len() - 1]).unwrap_err().to_string();
    let expected = format!(
        "the file is damaged or cut short: at byte {}",
        file.len() - 33
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn what_is_no_file_of_mosquitto_or_of_another_format_is_told() {
    assert_eq!(read(b"SQLite format 3\0"), Err(ReadError::NotMosquitto));
    for version in [0, 1, 7] {
        let file = make::file(6, ENDS);
        let mut file = file[..23].to_vec();
        file[22] = version;
        let error = read(&file).unwrap_err();
        assert_eq!(error, ReadError::Version(version.into()));
    }
}

#[test]
fn what_is_over_is_not_brought_over_and_what_is_broken_is_named() {
    let file = make::file(6, 1_799_999_999);
    let counts = imported(&file).unwrap().counts;
    assert_eq!((counts.sessions, counts.expired_sessions), (1, 1));
    let mut snapshot = read(&file).unwrap();
    snapshot.messages[0].expires = 1_800_000_000;
    snapshot.messages[2].topic = b"a/#".into();
    snapshot.clients[0].ends = 0;
    snapshot.clients[0].subscriptions[1].filter = b"b\xff".into();
    let mut file = Vec::new();
    write(&snapshot, &mut file).unwrap();
    let counts = imported(&file).unwrap().counts;
    assert_eq!(
        counts.to_string(),
        "2 sessions, 1 subscriptions, 2 messages for clients, 0 retained messages, 1 messages of \
         QoS 2 from clients; 1 messages had expired; 2 left out: a message with the topic \"a/#\", \
         the subscription \"b\u{fffd}\" of keeper"
    );
}

#[test]
fn a_small_file_does_not_become_a_huge_store() {
    let original = make::file(6, ENDS);
    let mut snapshot = read(&original).unwrap();
    snapshot.messages[0].payload = vec![b'x'; 1 << 20].into();
    let again = snapshot.clients[0].messages[4].clone();
    let again = std::iter::repeat_n(again, 200);
    snapshot.clients[0].messages.extend(again);
    let mut file = Vec::new();
    write(&snapshot, &mut file).unwrap();
    assert!(matches!(imported(&file), Err(ImportError::TooMuch(_))));
}

#[test]
fn what_is_written_is_read_as_the_same_and_an_export_brings_all_back() {
    let original = make::file(6, ENDS);
    let mut snapshot = read(&original).unwrap();
    let mut written = Vec::new();
    write(&snapshot, &mut written).unwrap();
    snapshot.unknown_chunks = 0;
    assert_eq!(read(&written), Ok(snapshot));

    let mut first = imported(&original).unwrap();
    let mut exported = Vec::new();
    let counts = export(&mut first.database, NOW, &mut exported).unwrap();
    assert_eq!(counts, first.counts);
    let mut second = imported(&exported).unwrap();
    let all = |imported: &mut Imported| {
        let recovered = imported.database.load(NOW).unwrap();
        let sessions = recovered.sessions.iter();
        let sessions = sessions.flat_map(|saved| told(&mut imported.database, saved));
        (sessions.collect::<Vec<_>>(), recovered.retained)
    };
    assert_eq!(all(&mut first), all(&mut second));
}

proptest! {
    #[test]
    fn no_bytes_panic(version in 0_u32..8, at in 0_usize..600, bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let mut file = make::file(version, ENDS);
        let at = at.min(file.len());
        let end = (at + bytes.len()).min(file.len());
        file.splice(at..end, bytes);
        if let Ok(snapshot) = read(&file) {
            let mut written = Vec::new();
            write(&snapshot, &mut written).unwrap();
            let again = read(&written).unwrap();
            prop_assert_eq!(again.messages, snapshot.messages);
        }
    }
}
