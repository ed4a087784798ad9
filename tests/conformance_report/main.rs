//! Writes `CONFORMANCE.md` from the table of statements and the output of a run of the tests.
//!
//! ```sh
//! cargo run -p mqtt-tests --bin conformance-report -- --results results.txt
//! cargo run -p mqtt-tests --bin conformance-report -- --check
//! ```
//!
//! With `--check`, and perhaps the name of another file than `CONFORMANCE.md`, nothing is written: the
//! exit code is 1 when the file is not what the table and the results that stand in it make.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mqtt_tests::statements::{Outcomes, REPORT, Row, TABLE, read_table, report};

/// What was asked for.
#[derive(Debug)]
enum Task {
    /// Write the report, with the results in this file if there is one.
    Write(Option<PathBuf>),
    /// See whether this report, or the one in its place, is made from the table.
    Check(Option<PathBuf>),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nobody is left to tell where the terminal is gone.
            let _ = writeln!(std::io::stderr(), "conformance-report: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let task = task(std::env::args().skip(1))?;
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let top = top.ok_or("tests/ has no folder above")?;
    let rows: Vec<Row> = read_table(&read(&top.join(TABLE))?)
        .map_err(|faults| format!("{TABLE}: {}", faults.join("; ")))?;
    let file = top.join(REPORT);
    match task {
        Task::Write(results) => {
            let printed = results.as_deref().map(read).transpose()?;
            let outcomes = Outcomes::of_run(&rows, &printed.unwrap_or_default());
            fs::write(&file, report(&rows, &outcomes))
                .map_err(|error| format!("{}: {error}", file.display()))
        }
        Task::Check(other) => {
            let file = other.unwrap_or(file);
            let text = read(&file)?;
            if text == report(&rows, &Outcomes::of_report(&text)) {
                Ok(())
            } else {
                let file = file.display();
                Err(format!("{file} is not made from {TABLE}: make it again"))
            }
        }
    }
}

fn task(mut words: impl Iterator<Item = String>) -> Result<Task, String> {
    const USAGE: &str = "usage: conformance-report [--results FILE | --check [FILE]]";
    let task = match words.next().as_deref() {
        None => Task::Write(None),
        Some("--check") => Task::Check(words.next().map(PathBuf::from)),
        Some("--results") => Task::Write(Some(words.next().ok_or(USAGE)?.into())),
        Some(_) => return Err(USAGE.to_owned()),
    };
    match words.next() {
        None => Ok(task),
        Some(_) => Err(USAGE.to_owned()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
