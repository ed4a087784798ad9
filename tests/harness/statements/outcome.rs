//! How the tests of each row ended: in a run of the tests, or as the report has it.

use std::collections::BTreeMap;
use std::fmt;

use super::row::Row;

/// How the tests of a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All of them passed.
    Passed,
    /// One of them failed, or more.
    Failed,
    /// One of them was not run, and none failed.
    NotRun,
    /// There is none.
    NoTest,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
            Self::NoTest => "-",
        })
    }
}

/// The outcome of each row, by version and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes(BTreeMap<(String, String), Outcome>);

impl Outcomes {
    /// Takes them from what `cargo test` printed: lines of `test path::name ... ok`. A test that is
    /// printed more than once has passed when it did so each time.
    pub fn of_run(rows: &[Row], printed: &str) -> Self {
        let mut passed: BTreeMap<&str, bool> = BTreeMap::new();
        for (path, is_ok) in printed.lines().filter_map(result) {
            let all = passed.entry(path).or_insert(true);
            *all &= is_ok;
        }
        let of_row = |row: &Row| {
            let results = row.tests().iter().map(|test| {
                let mut found = passed.iter().filter(|(path, _)| test.is_printed_as(path));
                found.next().map(|(_, is_ok)| *is_ok)
            });
            let results: Vec<_> = results.collect();
            if results.is_empty() {
                Outcome::NoTest
            } else if results.contains(&Some(false)) {
                Outcome::Failed
            } else if results.contains(&None) {
                Outcome::NotRun
            } else {
                Outcome::Passed
            }
        };
        let each = rows.iter();
        Self(
            each.map(|row| ((row.version.clone(), row.id.clone()), of_row(row)))
                .collect(),
        )
    }

    /// Takes them from a report.
    pub fn of_report(text: &str) -> Self {
        let mut outcomes = BTreeMap::new();
        let mut version = "";
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                version = title.strip_prefix("MQTT ").unwrap_or("traps");
                continue;
            }
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let &["", id, _side, _statement, _tests, outcome, ""] = cells.as_slice() else {
                continue;
            };
            let all = [
                Outcome::Passed,
                Outcome::Failed,
                Outcome::NotRun,
                Outcome::NoTest,
            ];
            if let Some(outcome) = all.into_iter().find(|it| it.to_string() == outcome) {
                outcomes.insert((version.to_owned(), id.to_owned()), outcome);
            }
        }
        Self(outcomes)
    }

    /// How a row's tests ended.
    pub fn of(&self, row: &Row) -> Outcome {
        if row.tests().is_empty() {
            return Outcome::NoTest;
        }
        let known = self.0.get(&(row.version.clone(), row.id.clone()));
        match known {
            None | Some(Outcome::NoTest) => Outcome::NotRun,
            Some(outcome) => *outcome,
        }
    }
}

/// The test that a line tells the end of, and whether it passed.
fn result(line: &str) -> Option<(&str, bool)> {
    let (path, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match end.trim() {
        "ok" => Some((path, true)),
        "FAILED" => Some((path, false)),
        // An ignored test, or a test that printed something there: no result.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::read_table;
    use super::*;

    const TABLE: &str = "version\tid\tside\tstatement\ttests, or why there is none\tdeviation\n\
        5.0\tMQTT-1-1\tserver\tOne test passes.\ttests/c/v5/a.rs::x\n\
        5.0\tMQTT-1-2\tserver\tOne of two fails.\ttests/c/v5/a.rs::x tests/c/v5/a.rs::y\n\
        5.0\tMQTT-1-3\tserver\tOne is not run.\ttests/c/v5/a.rs::x tests/c/v5/b.rs::x\n\
        5.0\tMQTT-1-4\tserver\tThere is none.\tnot tested: for a reason of weight\n";

    #[test]
    fn rows_end_as_their_tests_do() {
        let rows = read_table(TABLE).expect("a table");
        let printed = "running 2 tests\ntest v5::a::x ... ok\ntest v5::a::y ... FAILED\n\
            test v5::b::x ... ignored\ntest result: FAILED.\n";
        let outcomes = Outcomes::of_run(&rows, printed);
        let each: Vec<_> = rows.iter().map(|row| outcomes.of(row)).collect();
        let expected = [
            Outcome::Passed,
            Outcome::Failed,
            Outcome::NotRun,
            Outcome::NoTest,
        ];
        assert_eq!(each, expected);
        // A report holds the same.
        let report = super::super::report(&rows, &outcomes);
        assert_eq!(Outcomes::of_report(&report), outcomes);
        // Without a run, nothing has passed.
        let outcomes = Outcomes::of_run(&rows, "");
        assert_eq!(outcomes.of(&rows[0]), Outcome::NotRun);
    }

    #[test]
    fn a_test_that_failed_once_has_failed() {
        let rows = read_table(TABLE).expect("a table");
        for printed in [
            "test v5::a::x ... ok\ntest v5::a::x ... FAILED\n",
            "test v5::a::x ... FAILED\ntest v5::a::x ... ok\n",
        ] {
            assert_eq!(
                Outcomes::of_run(&rows, printed).of(&rows[0]),
                Outcome::Failed
            );
        }
    }
}
