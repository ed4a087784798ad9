//! Any bytes as configuration files: an answer, whatever they are, and the same one when read again.
#![no_main]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use mqtt_broker::config::{Config, ConfigErrors, Files, Origin, nearest_option, reload};

/// Parts the files of an input: two that the command line names, the others in the directory `d`.
const SEPARATOR: u8 = 0x1e;

/// Errors that are kept; the others are counted.
const ERRORS_MAX: usize = 100;

struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Files for Tree {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.get(path).cloned();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        if directory != Path::new("d") {
            return Err(io::ErrorKind::NotFound.into());
        }
        let within = self.0.keys().filter(|file| file.starts_with("d"));
        Ok(within
            .filter_map(|file| Some(file.file_name()?.to_owned()))
            .collect())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for (n, file) in bytes.split(|byte| *byte == SEPARATOR).enumerate() {
        let path = match n {
            0 => PathBuf::from("a.conf"),
            1 => PathBuf::from("b.conf"),
            _ => PathBuf::from(format!("d/{n}.conf")),
        };
        files.insert(path, file.to_vec());
    }
    let tree = Tree(files);
    let origin = Origin {
        files: vec!["a.conf".into(), "b.conf".into()],
        ..Origin::default()
    };
    match Config::load(origin.clone(), &tree) {
        Ok(loaded) => {
            assert!(!loaded.config.listeners.is_empty());
            let again =
                reload(&loaded.config, &tree).expect("the same files are as good as before");
            assert_eq!(again.config, loaded.config);
            assert_eq!(again.changes, Default::default());
        }
        Err(errors) => {
            check(&errors);
            let same =
                Config::load(origin, &tree).expect_err("the same files are as bad as before");
            assert_eq!(same, errors);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = nearest_option(text);
    }
});

/// Every error can be read on one line of a terminal.
fn check(errors: &ConfigErrors) {
    assert!(!errors.is_empty() && errors.iter().count() <= ERRORS_MAX);
    for error in errors.iter() {
        let line = error.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
