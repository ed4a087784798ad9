//! The table of statements against the tests that exist, and the report against the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mqtt_tests::statements::{Outcomes, Proof, REPORT, Row, TABLE, TestPath, read_table, report};

use super::{manifests, rust_files, top};

/// Beginnings of names that only tests of a row have.
const ROW_NAMES: [&str; 4] = ["v5_", "v311_", "v31_", "trap_"];

/// Whether a function is named for a row: behind the version stands the number, or `u_`.
fn is_row_name(name: &str) -> bool {
    ROW_NAMES.iter().any(|begin| {
        let number = name.strip_prefix(begin);
        number
            .is_some_and(|it| it.starts_with("u_") || it.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The test functions of a source, and what is wrong with them.
fn test_functions(text: &str) -> (Vec<String>, Vec<String>) {
    let mut names = Vec::new();
    let mut faults = Vec::new();
    // Attributes of the item that comes next.
    let mut attributes: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let is_test = attributes.iter().any(|attribute| {
            let inner = attribute.trim_start_matches("#[");
            let path = inner.split(['(', ']']).next().unwrap_or_default();
            path == "test" || path.ends_with("::test")
        });
        let words = line.strip_prefix("async ").unwrap_or(line);
        let signature = words
            .strip_prefix("fn ")
            .and_then(|rest| rest.split_once('('));
        if let Some((name, _)) = signature {
            let is_ignored = attributes.iter().any(|it| it.starts_with("#[ignore"));
            if is_test && is_ignored {
                faults.push(format!("{name} is ignored"));
            } else if is_test {
                names.push(name.to_owned());
            }
            if !is_test && is_row_name(name) {
                faults.push(format!("{name} is named as a test and is none"));
            }
        }
        attributes.clear();
    }
    (names, faults)
}

/// All test functions of the workspace, and what is wrong with them.
fn tests_of_the_workspace() -> (BTreeSet<TestPath>, Vec<String>) {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).expect("the workspace's manifest");
    let mut tests = BTreeSet::new();
    let mut all_faults = Vec::new();
    for member in manifests::members(&manifest) {
        for path in rust_files(&top().join(member)) {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            let file = path.strip_prefix(top()).expect("found below it");
            let file = file.to_string_lossy().into_owned();
            let (names, faults) = test_functions(&text);
            all_faults.extend(faults.iter().map(|fault| format!("{file}: {fault}")));
            tests.extend(names.into_iter().map(|function| TestPath {
                file: file.clone(),
                function,
            }));
        }
    }
    (tests, all_faults)
}

/// What is wrong between the table and the tests, a line each.
fn faults(rows: &[Row], tests: &BTreeSet<TestPath>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut places = BTreeMap::new();
    for row in rows {
        let name = format!("{} {}", row.version, row.id);
        if places.insert(name.clone(), row).is_some() {
            faults.push(format!("{name}: twice in the table"));
        }
        for test in row.tests() {
            if !tests.contains(test) {
                faults.push(format!("{name}: no test {}::{}", test.file, test.function));
            }
        }
        let listed: BTreeSet<_> = row.tests().iter().collect();
        if listed.len() != row.tests().len() {
            faults.push(format!("{name}: a test is named twice"));
        }
    }
    for test in tests {
        let TestPath { file, function } = test;
        if !is_row_name(function) {
            continue;
        }
        match rows.iter().find(|row| row.is_named_by(function)) {
            None => faults.push(format!("{file}: {function}: no such row")),
            Some(row) if row.tests().contains(test) => {}
            Some(row) if matches!(row.proof, Proof::None(_)) => {
                faults.push(format!(
                    "{} {}: a reason, and {function}",
                    row.version, row.id
                ));
            }
            Some(row) => {
                faults.push(format!(
                    "{} {}: does not name {function} of {file}",
                    row.version, row.id
                ));
            }
        }
    }
    faults
}

fn table() -> Vec<Row> {
    let text = fs::read_to_string(top().join(TABLE)).expect("the table of statements");
    read_table(&text).unwrap_or_else(|faults| panic!("{TABLE}:\n{}", faults.join("\n")))
}

#[test]
fn every_statement_has_a_test_or_says_why_not() {
    let (tests, mut all) = tests_of_the_workspace();
    all.extend(faults(&table(), &tests));
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

#[test]
fn the_report_is_made_from_the_table() {
    let text = fs::read_to_string(top().join(REPORT)).expect("the report");
    let made = report(&table(), &Outcomes::of_report(&text));
    let differs = text
        .lines()
        .zip(made.lines())
        .find(|(is, should)| is != should);
    assert!(
        text == made,
        "{REPORT} is not made from {TABLE} (cargo run -p mqtt-tests --bin conformance-report); \
         the first lines that differ: {differs:?}"
    );
}

/// A row of version 5.0.
fn row(id: &str, proof: &str) -> String {
    format!("5.0\t{id}\tserver\tA statement of the standard.\t{proof}\n")
}

#[test]
fn a_table_that_does_not_fit_is_found() {
    let head = "version\tid\tside\tstatement\ttests, or why there is none\tdeviation\n";
    let tests: BTreeSet<_> = ["v5_1_1", "v5_1_2", "a_sentence"]
        .map(|function| TestPath {
            file: "tests/c/a.rs".to_owned(),
            function: function.to_owned(),
        })
        .into();
    let good = row("MQTT-1-1", "tests/c/a.rs::v5_1_1 tests/c/a.rs::a_sentence");
    let also = row("MQTT-1-2", "tests/c/a.rs::v5_1_2");
    let reason = "not tested: for a reason of some weight";
    for (table, expected) in [
        (vec![&good, &also], None),
        (vec![&good], Some("v5_1_2: no such row")),
        (
            vec![&good, &also, &also],
            Some("MQTT-1-2: twice in the table"),
        ),
        (
            vec![&good, &also, &row("MQTT-1-3", "tests/c/a.rs::v5_1_3")],
            Some("MQTT-1-3: no test tests/c/a.rs::v5_1_3"),
        ),
        (
            vec![&good, &also, &row("MQTT-1-3", "tests/c/b.rs::a_sentence")],
            Some("MQTT-1-3: no test tests/c/b.rs::a_sentence"),
        ),
        (
            vec![&good, &row("MQTT-1-2", reason)],
            Some("MQTT-1-2: a reason, and v5_1_2"),
        ),
        (
            vec![&good, &row("MQTT-1-2", "tests/c/a.rs::a_sentence")],
            Some("MQTT-1-2: does not name v5_1_2 of tests/c/a.rs"),
        ),
        (vec![&good, &also, &row("MQTT-1-3", reason)], None),
    ] {
        let text: String = std::iter::once(head)
            .chain(table.into_iter().map(String::as_str))
            .collect();
        let found = faults(&read_table(&text).expect("a table"), &tests);
        match expected {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(expected) => {
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].ends_with(expected), "{expected} in {found:?}");
            }
        }
    }
    for broken in ["", "not tested: why"] {
        assert!(read_table(&format!("{head}{}", row("MQTT-1-1", broken))).is_err());
    }
}

#[test]
fn tests_are_told_from_other_functions() {
    let text = "/// A row.\n#[test]\nfn v5_1_1() {\n}\n\
        #[tokio::test(start_paused = true)]\nasync fn v5_1_2() {}\n\
        #[test]\n#[should_panic(expected = \"x\")]\nfn v5_1_3() {}\n\
        fn helper(test: u8) {}\nfn v5_only<'p>(it: &'p u8) {}\n#[inline]\nfn other() {}\n";
    let (names, faults) = test_functions(text);
    assert_eq!(names, ["v5_1_1", "v5_1_2", "v5_1_3"]);
    assert!(faults.is_empty(), "{faults:?}");
    for bad in [
        "#[test]\n#[ignore]\nfn a_test() {}\n",
        "fn v5_1_1() {}\n",
        "// #[test]\nfn trap_01_of_some_kind() {}\n",
    ] {
        let (names, faults) = test_functions(bad);
        assert!(names.is_empty() && faults.len() == 1, "{bad}: {faults:?}");
    }
}
