//! Who may import whom: every `use`, path and `Cargo.toml` against the table of ARCHITECTURE.md.
//!
//! A failure names the file, the line and the rule that it breaks. The table is [`rules`]; where the
//! house is built otherwise, table and ARCHITECTURE.md change in the same commit.
//!
//! `conformance.rs` holds the table of statements against the tests, and `CONFORMANCE.md` against the table.

mod conformance;
mod faces;
mod manifests;
mod paths;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use faces::Faces;
use rules::Room;

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
        .to_owned()
}

/// All Rust files below a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that can be listed").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The exception that lets a file see a path.
fn exception_for(place: &str, path: &[String]) -> Option<&'static rules::Exception> {
    let mut all = rules::EXCEPTIONS.iter();
    all.find(|exception| exception.file == place && rules::is_below(path, exception.path))
}

/// What is wrong with the imports of one file, a line each.
fn faults(crate_name: &str, file_in_src: &str, text: &str, faces: &Faces) -> Vec<String> {
    let room = Room::of(crate_name, file_in_src);
    let module = paths::module_of(file_in_src);
    let mut faults = Vec::new();
    let place = format!("{crate_name}/src/{file_in_src}");
    for import in paths::imports(text, &module, crate_name) {
        let import = paths::Import {
            path: faces.resolve(import.path),
            ..import
        };
        if exception_for(&place, &import.path).is_some() {
            continue;
        }
        if let Some(rule) = rules::broken_by(&room, &import.path) {
            let path = import.path.join("::");
            let line = import.line;
            faults.push(format!(
                "{crate_name}/src/{file_in_src}:{line}: {path}: {rule}"
            ));
        }
    }
    faults
}

/// The files of a crate below its `src` but for tests, each with its text.
fn sources(crate_name: &str) -> Vec<(String, String)> {
    let src = top().join(crate_name).join("src");
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&src).expect("found below it");
        let text = fs::read_to_string(&path).expect("source is UTF-8");
        (inside.to_string_lossy().into_owned(), text)
    };
    let tests =
        |(file, _): &(String, String)| file.split('/').any(|part| part.starts_with("tests"));
    rust_files(&src)
        .into_iter()
        .map(read)
        .filter(|source| !tests(source))
        .collect()
}

#[test]
fn every_import_points_downwards() {
    let mut all = Vec::new();
    for crate_name in rules::CRATES {
        let sources = sources(crate_name);
        let mut faces = Faces::default();
        for (file, text) in sources.iter().filter(|(file, _)| file.ends_with("/mod.rs")) {
            faces.add(file, text, crate_name);
        }
        for (file, text) in &sources {
            all.extend(faults(crate_name, file, text, &faces));
        }
    }
    assert!(
        all.is_empty(),
        "{} imports break the table:\n{}",
        all.len(),
        all.join("\n")
    );
}

#[test]
fn every_manifest_names_only_what_its_floor_may_see() {
    let mut all = Vec::new();
    for crate_name in rules::CRATES {
        let text =
            fs::read_to_string(top().join(crate_name).join("Cargo.toml")).expect("a manifest");
        for dependency in manifests::dependencies(&text) {
            if let Some(rule) = rules::dependency_broken_by(crate_name, &dependency.name) {
                let (line, name) = (dependency.line, &dependency.name);
                all.push(format!("{crate_name}/Cargo.toml:{line}: {name}: {rule}"));
            }
        }
    }
    assert!(
        all.is_empty(),
        "{} dependencies break the table:\n{}",
        all.len(),
        all.join("\n")
    );
}

#[test]
fn every_exception_is_needed_and_says_why() {
    for exception in rules::EXCEPTIONS {
        let text = fs::read_to_string(top().join(exception.file)).unwrap_or_default();
        let (crate_name, inside) = exception
            .file
            .split_once("/src/")
            .expect("a crate and a file");
        let module = paths::module_of(inside);
        let mut imports = paths::imports(&text, &module, crate_name).into_iter();
        let used = imports.any(|import| rules::is_below(&import.path, exception.path));
        assert!(
            used,
            "{} does not use {} any more",
            exception.file, exception.path
        );
        assert!(
            exception.reason.len() > 20,
            "{} has a reason",
            exception.file
        );
    }
}

#[test]
fn every_crate_of_the_workspace_is_looked_at() {
    let text = fs::read_to_string(top().join("Cargo.toml")).expect("the workspace's manifest");
    for member in manifests::members(&text) {
        let of_tests = member == "tests" || member.starts_with("tests/");
        let known = rules::CRATES.contains(&member.as_str()) || of_tests;
        assert!(known, "{member} has no floor in tests/house/rules.rs");
    }
}

/// Crate, file, text, and what the answer has to name.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    (
        "mqtt-broker",
        "engine/shard/publish.rs",
        "use crate::runtime::clock;\n",
        "publish.rs:1: ",
    ),
    (
        "mqtt-broker",
        "engine/limits.rs",
        "\nuse std::{fmt, time::Instant};\n",
        "limits.rs:2: std::time::Instant",
    ),
    (
        "mqtt-broker",
        "engine/limits.rs",
        "fn f() { std::fs::read(\"x\"); }\n",
        "limits.rs:1: std::fs::read",
    ),
    (
        "mqtt-broker",
        "engine/sink.rs",
        "use super::super::observe::log;\n",
        "sink.rs:1: crate::observe::log",
    ),
    (
        "mqtt-broker",
        "observe/log.rs",
        "use crate::engine::shard::Shard;\n",
        "log.rs:1: crate::engine::shard",
    ),
    (
        "mqtt-broker",
        "observe/log.rs",
        "use crate::control::signals;\n",
        "log.rs:1: crate::control",
    ),
    (
        "mqtt-broker",
        "runtime/turn.rs",
        "use crate::{engine::Shard,\n observe::log};\n",
        "turn.rs:2: crate::observe",
    ),
    (
        "mqtt-broker",
        "main.rs",
        "use mqtt_broker::engine::Shard;\n",
        "main.rs:1: crate::engine",
    ),
    (
        "mqtt-broker",
        "config/mod.rs",
        "use tokio::net::TcpStream;\n",
        "mod.rs:1: tokio",
    ),
    (
        "mqtt-codec",
        "frame.rs",
        "use mqtt_session::time;\n",
        "frame.rs:1: mqtt_session",
    ),
    (
        "mqtt-session",
        "time.rs",
        "use std::time::SystemTime;\n",
        "time.rs:1: std::time::SystemTime",
    ),
    (
        "mqtt-client",
        "driver.rs",
        "use clap::Parser;\n",
        "driver.rs:1: clap",
    ),
];

#[test]
fn a_broken_rule_is_found_and_named_with_its_line() {
    for &(crate_name, file, text, expected) in BROKEN {
        let found = faults(crate_name, file, text, &Faces::default());
        assert_eq!(found.len(), 1, "{crate_name}/src/{file}: {found:?}");
        assert!(found[0].contains(expected), "{expected} in {}", found[0]);
    }
}

#[test]
fn what_the_table_allows_is_left_alone() {
    for (crate_name, file, text) in [
        (
            "mqtt-broker",
            "broker.rs",
            "use crate::{config, engine::shard, observe, runtime};\n",
        ),
        (
            "mqtt-broker",
            "engine/shard/mod.rs",
            "use crate::auth::policy; use super::sink::Sink;\n",
        ),
        (
            "mqtt-broker",
            "engine/limits.rs",
            "use std::{net::SocketAddr, time::Duration};\n",
        ),
        (
            "mqtt-broker",
            "engine/limits.rs",
            "// use crate::runtime\n/* tokio::spawn */ const A: &str = \"crate::runtime::x\";\n",
        ),
        (
            "mqtt-broker",
            "engine/limits.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }\n",
        ),
        (
            "mqtt-broker",
            "observe/log.rs",
            "use crate::engine::event::Event;\n",
        ),
        (
            "mqtt-broker",
            "control/reload.rs",
            "use crate::observe::Log;\n#[cfg(test)]\nmod tests;\nuse crate::engine::ids;\n",
        ),
        (
            "mqtt-broker",
            "main.rs",
            "fn main() { mqtt_broker::program::run() }\n",
        ),
        (
            "mqtt-sub",
            "main.rs",
            "use mqtt_cli::exit; use mqtt_client::Client;\n",
        ),
    ] {
        assert_eq!(
            faults(crate_name, file, text, &Faces::default()),
            Vec::<String>::new(),
            "{crate_name}/src/{file}"
        );
    }
}
