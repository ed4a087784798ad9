//! What the face of a folder re-exports: `runtime::Clock` is `runtime::clock::Clock`.
//!
//! Rules speak of files, and a folder's `mod.rs` may show names of its files as its own.

use std::collections::HashMap;

use crate::paths;

/// Shown path to true path, both beginning with `crate`.
#[derive(Debug, Default)]
pub(crate) struct Faces(HashMap<Vec<String>, Vec<String>>);

impl Faces {
    /// Takes the `pub use` lines of a `mod.rs`.
    pub(crate) fn add(&mut self, file_in_src: &str, text: &str, crate_name: &str) {
        let module = paths::module_of(file_in_src);
        let own = std::iter::once("crate".to_owned()).chain(module.iter().cloned());
        let own: Vec<String> = own.collect();
        for statement in paths::blanked(text).split(';') {
            let shown = ["pub use ", "pub(crate) use "].iter().find_map(|form| {
                statement
                    .rfind(form)
                    .and_then(|at| statement.get(at + form.len()..))
            });
            let Some(shown) = shown else { continue };
            let statement = format!("use {shown};");
            for import in paths::imports(&statement, &module, crate_name) {
                let Some(name) = import.path.last().cloned() else {
                    continue;
                };
                let is_ours = import.path.first().is_some_and(|first| first == "crate");
                let base = if is_ours { &[][..] } else { &own };
                let truth = base.iter().cloned().chain(import.path).collect();
                let shown = own.iter().cloned().chain([name]).collect();
                self.0.insert(shown, truth);
            }
        }
    }

    /// The true path of one that may go through a face.
    pub(crate) fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let fitting = (2..=path.len()).rev().find_map(|length| {
            let (head, rest) = path.split_at_checked(length)?;
            self.0
                .get(head)
                .map(|truth| truth.iter().chain(rest).cloned().collect())
        });
        fitting.unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split("::").map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_name_is_traced_to_its_file() {
        let mut faces = Faces::default();
        let text = "mod clock;\npub use clock::Clock;\n/// x\npub use listen::{Bind,\n Family as F};\nuse a::B;";
        faces.add("runtime/mod.rs", text, "mqtt-broker");
        for (shown, truth) in [
            ("crate::runtime::Clock", "crate::runtime::clock::Clock"),
            (
                "crate::runtime::Clock::start",
                "crate::runtime::clock::Clock::start",
            ),
            ("crate::runtime::Bind", "crate::runtime::listen::Bind"),
            ("crate::runtime::B", "crate::runtime::B"),
        ] {
            assert_eq!(faces.resolve(path(shown)), path(truth));
        }
    }
}
