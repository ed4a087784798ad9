//! Rows of the table: six columns between tabs, the last of which may be missing.

/// The first line of the table.
const HEAD: &str = "version\tid\tside\tstatement\ttests, or why there is none\tdeviation";

/// What stands in front of the reason why a row has no test.
const REASON_PREFIX: &str = "not tested: ";

/// A statement, and what proves that it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `3.1`, `3.1.1`, `5.0`, or `traps` for what brokers got wrong in the field.
    pub version: String,
    /// The number in the standard; `U-` and the section where it has none.
    pub id: String,
    /// Who has to keep it: `server`, `client`, `both`, or `codec`.
    pub side: String,
    /// What it says, in our words.
    pub statement: String,
    /// Tests, or why there are none.
    pub proof: Proof,
    /// Where we keep it in part only, and why.
    pub deviation: Option<String>,
}

/// What proves a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// At least one.
    Tests(Vec<TestPath>),
    /// Why there is no test.
    None(String),
}

/// A test function and the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestPath {
    /// From the top of the repository.
    pub file: String,
    /// Its name.
    pub function: String,
}

impl Row {
    /// The name that a test of this row has, if it is written for the row alone:
    /// `v5_3_1_2_20`, `v311_u_unnumbered_a`; for a trap the beginning, `trap_07_`.
    pub fn test_name(&self) -> String {
        if self.version == "traps" {
            return format!("{}_", self.id.replace('-', "_"));
        }
        let version = if self.version == "5.0" {
            "5".to_owned()
        } else {
            self.version.replace('.', "")
        };
        let id = self.id.strip_prefix("MQTT-").unwrap_or(&self.id);
        let id = id.to_lowercase().replace(['.', '-'], "_");
        format!("v{version}_{id}")
    }

    /// Whether a test function bears this row's name.
    pub fn is_named_by(&self, function: &str) -> bool {
        let name = self.test_name();
        if self.version == "traps" {
            function.starts_with(&name)
        } else {
            function == name
        }
    }

    /// The tests of the row; none where there is a reason instead.
    pub fn tests(&self) -> &[TestPath] {
        match &self.proof {
            Proof::Tests(tests) => tests,
            Proof::None(_) => &[],
        }
    }
}

impl TestPath {
    /// Whether `path`, as libtest prints it, is this test: the modules of the file, perhaps `tests`,
    /// and the function.
    pub fn is_printed_as(&self, path: &str) -> bool {
        let (modules, function) = path.rsplit_once("::").unwrap_or(("", path));
        let inner = modules.strip_suffix("tests").unwrap_or(modules);
        let inner = inner.strip_suffix("::").unwrap_or(inner);
        let file = self.modules();
        function == self.function && (modules == file || inner == file)
    }

    /// The path of the file's module within its test program or crate.
    fn modules(&self) -> String {
        let parts: Vec<_> = self.file.split('/').collect();
        let inside = match parts.as_slice() {
            // A suite of this package, or of another one, is a program of its own.
            ["tests", _suite, inside @ ..] => inside,
            [_crate, "tests", _suite, inside @ ..] if !inside.is_empty() => inside,
            [_crate, "tests", _program] => &[],
            [_crate, "src", inside @ ..] => inside,
            _ => &[],
        };
        let path = inside.join("::");
        let path = path.strip_suffix(".rs").unwrap_or(&path);
        let path = path.strip_suffix("::mod").unwrap_or(path);
        if matches!(path, "main" | "lib") {
            String::new()
        } else {
            path.to_owned()
        }
    }
}

/// Reads the table.
///
/// # Errors
/// A line for each row that is not one: what is wrong with it, and where.
pub fn read_table(text: &str) -> Result<Vec<Row>, Vec<String>> {
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        faults.push("line 1: not the names of the columns".to_owned());
    }
    for (number, line) in (2..).zip(lines) {
        match row(line) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(format!("line {number}: {fault}")),
        }
    }
    if faults.is_empty() {
        Ok(rows)
    } else {
        Err(faults)
    }
}

fn row(line: &str) -> Result<Row, String> {
    let columns: Vec<_> = line.split('\t').collect();
    let (columns, deviation) = match columns.as_slice() {
        [columns @ .., deviation] if columns.len() == 5 => (columns, Some(*deviation)),
        columns => (columns, None),
    };
    let &[version, id, side, statement, proof] = columns else {
        return Err(format!("{} columns", columns.len()));
    };
    if !["3.1", "3.1.1", "5.0", "traps"].contains(&version) {
        return Err(format!("no version: {version:?}"));
    }
    if !["server", "client", "both", "codec"].contains(&side) {
        return Err(format!("no side: {side:?}"));
    }
    if id.is_empty() || statement.len() < 10 {
        return Err("no id or no statement".to_owned());
    }
    // It would be taken for the border of a cell in the report.
    if line.contains('|') {
        return Err("a vertical bar".to_owned());
    }
    if deviation.is_some_and(|deviation| deviation.len() < 10) {
        return Err("a deviation without a reason".to_owned());
    }
    Ok(Row {
        version: version.to_owned(),
        id: id.to_owned(),
        side: side.to_owned(),
        statement: statement.to_owned(),
        proof: read_proof(proof)?,
        deviation: deviation.map(str::to_owned),
    })
}

fn read_proof(text: &str) -> Result<Proof, String> {
    if let Some(reason) = text.strip_prefix(REASON_PREFIX) {
        return if reason.len() < 20 {
            Err("neither test nor reason".to_owned())
        } else {
            Ok(Proof::None(reason.to_owned()))
        };
    }
    let tests: Vec<_> = text
        .split_whitespace()
        .map(test_path)
        .collect::<Result<_, _>>()?;
    if tests.is_empty() {
        return Err("neither test nor reason".to_owned());
    }
    Ok(Proof::Tests(tests))
}

fn test_path(word: &str) -> Result<TestPath, String> {
    match word.split_once("::") {
        Some((file, function)) if file.ends_with(".rs") && !function.is_empty() => Ok(TestPath {
            file: file.to_owned(),
            function: function.to_owned(),
        }),
        _ => Err(format!("no file.rs::function: {word:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: &str, id: &str, proof: &str) -> Result<Row, String> {
        row(&format!("{version}\t{id}\tserver\tA statement.\t{proof}"))
    }

    #[test]
    fn a_row_knows_the_name_of_its_test() {
        for (version, id, expected) in [
            ("5.0", "MQTT-3.1.2-20", "v5_3_1_2_20"),
            ("3.1.1", "MQTT-4.6.0-1", "v311_4_6_0_1"),
            ("5.0", "U-3.1.2.11.4-b", "v5_u_3_1_2_11_4_b"),
            ("3.1", "U-connect-a", "v31_u_connect_a"),
        ] {
            let row = read(version, id, "a/src/b.rs::c").expect("a row");
            assert_eq!(row.test_name(), expected);
            assert!(row.is_named_by(expected) && !row.is_named_by(&format!("{expected}0")));
        }
        let trap = read("traps", "trap-07", "a/src/b.rs::c").expect("a row");
        assert!(trap.is_named_by("trap_07_of_some_kind") && !trap.is_named_by("trap_70_else"));
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for (version, id, proof) in [
            ("4", "MQTT-1-1", "a/src/b.rs::c"),
            ("5.0", "", "a/src/b.rs::c"),
            ("5.0", "MQTT-1-1", ""),
            ("5.0", "MQTT-1-1", "not tested: no"),
            ("5.0", "MQTT-1-1", "b::c"),
            ("5.0", "MQTT-1-1", "b.rs::"),
            ("5.0", "MQTT-1-1", "b.rs::c\tshort"),
            ("5.0", "MQTT-1-1", "b.rs::c\ta | in a deviation"),
        ] {
            assert!(read(version, id, proof).is_err(), "{version} {id} {proof}");
        }
    }

    #[test]
    fn a_test_is_found_in_what_libtest_prints() {
        for (file, printed) in [
            ("tests/conformance/v5/auth.rs", "v5::auth::f"),
            ("mqtt-codec/tests/rules.rs", "f"),
            ("mqtt-client/tests/suite/connection.rs", "connection::f"),
            ("mqtt-client/tests/suite/main.rs", "f"),
            ("mqtt-session/src/keep_alive.rs", "keep_alive::tests::f"),
            ("mqtt-session/src/client/tests/mod.rs", "client::tests::f"),
            (
                "mqtt-session/src/client/tests/requests.rs",
                "client::tests::requests::f",
            ),
            ("mqtt-session/src/lib.rs", "tests::f"),
        ] {
            let test = TestPath {
                file: file.to_owned(),
                function: "f".to_owned(),
            };
            assert!(test.is_printed_as(printed), "{file} {printed}");
            assert!(!test.is_printed_as(&format!("other::{printed}")), "{file}");
            assert!(!test.is_printed_as(&format!("{printed}g")), "{file}");
        }
    }
}
