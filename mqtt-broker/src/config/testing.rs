//! What the tests of the configuration share: files in memory, and short ways to read them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, ConfigErrors, Files, Loaded, Origin};

/// Files by path; their parents are the directories.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Tree {
    pub(super) fn of(files: &[(&str, &[u8])]) -> Self {
        let files = files
            .iter()
            .map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec()));
        Self(files.collect())
    }
}

impl Files for Tree {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(bytes.clone());
        }
        let is_directory = self.0.keys().any(|file| file.parent() == Some(path));
        Err(if is_directory {
            io::ErrorKind::IsADirectory
        } else {
            io::ErrorKind::NotFound
        }
        .into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let files = self
            .0
            .keys()
            .filter(|file| file.parent() == Some(directory));
        let names: Vec<_> = files
            .filter_map(|file| Some(file.file_name()?.to_owned()))
            .collect();
        if names.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(names)
        }
    }
}

/// Reads one file, `a.conf`.
pub(super) fn load(text: &str) -> Result<Loaded, ConfigErrors> {
    load_tree(&["a.conf"], &[("a.conf", text.as_bytes())])
}

/// Reads several.
pub(super) fn load_tree(paths: &[&str], files: &[(&str, &[u8])]) -> Result<Loaded, ConfigErrors> {
    let files_of_origin = paths.iter().map(PathBuf::from).collect();
    let origin = Origin {
        files: files_of_origin,
        ..Origin::default()
    };
    Config::load(origin, &Tree::of(files))
}

/// The configuration of one file that is good.
pub(super) fn config(text: &str) -> Config {
    load(text)
        .unwrap_or_else(|errors| panic!("{text:?}: {errors}"))
        .config
}

/// The error lines of one file.
pub(super) fn errors(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// The texts of the notices of one file that is good.
pub(super) fn notices(text: &str) -> Vec<String> {
    let loaded = load(text).unwrap_or_else(|errors| panic!("{text:?}: {errors}"));
    loaded
        .notices
        .into_iter()
        .map(|notice| notice.text)
        .collect()
}
