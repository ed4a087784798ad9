//! Any bytes as a password file: both readers agree about it, and what is written is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mqtt_passwd::file::ERRORS_MAX;
use mqtt_passwd::{PasswordFile, PasswordHash, PasswordLines};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        hash(text);
    }
    let strict = PasswordFile::parse(bytes);
    let lines = PasswordLines::parse(bytes);
    match &strict {
        Ok(file) => {
            let lines = lines
                .as_ref()
                .expect("what a broker takes, a tool can change");
            assert_eq!(lines.users().count(), file.len());
            assert_eq!(file.is_empty(), file.first().is_none());
            for line in lines.users() {
                let name = std::str::from_utf8(line.name).unwrap();
                let password = std::str::from_utf8(line.password).unwrap();
                let kept = PasswordHash::parse(password).unwrap();
                assert!(**file.lookup(name).unwrap() == kept);
            }
        }
        Err(errors) => {
            assert!((1..=ERRORS_MAX + 1).contains(&errors.len()));
            assert!(errors.is_sorted_by_key(|error| error.line));
        }
    }
    if let Ok(lines) = lines {
        written(bytes, lines);
    }
});

/// A hash that was read is written as it is read again.
fn hash(text: &str) {
    let Ok(hash) = PasswordHash::parse(text) else {
        return;
    };
    let written = hash.to_string();
    let again = PasswordHash::parse(&written).unwrap();
    assert!(again == hash);
    assert_eq!(again.to_string(), written);
    assert!(hash.decoy().scheme() == hash.scheme());
}

/// What a tool does not change stays as it is, and what it changes can be taken back.
fn written(bytes: &[u8], mut lines: PasswordLines<'_>) {
    assert_eq!(lines.to_bytes(), bytes);
    let users: Vec<Vec<u8>> = lines.users().map(|line| line.name.to_vec()).collect();
    let hash = PasswordHash::unmatched();
    let name = "somebody new";
    let count = users.iter().filter(|user| *user == name.as_bytes()).count();
    lines.set(name, &hash);
    let with = lines.to_bytes();
    let again = PasswordLines::parse(&with).expect("what is written can be read");
    assert_eq!(again.users().count(), users.len() + usize::from(count == 0));
    assert_eq!(again.to_bytes(), with);
    assert_eq!(lines.remove(name), count.max(1));
    let rest = lines.to_bytes();
    let without = PasswordLines::parse(&rest).expect("what is written can be read");
    let left: Vec<Vec<u8>> = without.users().map(|line| line.name.to_vec()).collect();
    let expected = users.into_iter().filter(|user| user != name.as_bytes());
    assert_eq!(left, expected.collect::<Vec<_>>());
}
