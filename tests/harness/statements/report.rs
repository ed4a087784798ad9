//! `CONFORMANCE.md`: counts, what has no test, deviations, and a line for each statement.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::outcome::{Outcome, Outcomes};
use super::row::{Proof, Row};
use super::sections::{section, title};

/// The versions, in the order of the report.
const VERSIONS: [&str; 4] = ["3.1", "3.1.1", "5.0", "traps"];

/// What stands before the figures.
const INTRODUCTION: &str = "\
# Conformance

What MQTT 3.1, 3.1.1 and 5.0 demand of a server and a client, statement by statement, and the tests that show that
ours keep to it. This file is made by a command from `tests/data/conformance.tsv` and from the output of a run of the
tests; `tests/house` fails when the table and the tests differ, or when this file is not made from the table.

- **server**, **client**: who has to keep the statement; **both** where it holds for either end, **codec** where it is
  about bytes alone. Statements of the server are tested from outside, with packets written by hand on a socket;
  those of the client with a server that a test plays by hand.
- Ids are those of the standard. One that begins with `U-` is a rule that the standard does not number, named by its
  section. The words are ours: read the standard for what it says exactly.
- Where the standard leaves a choice, [ARCHITECTURE.md](ARCHITECTURE.md), section 7, says which one was made.
";

/// How the figures come about.
const REPRODUCTION: &str = "\
## How to reproduce

```sh
export CI=1                                      # a peer that is missing is a failure, not a test skipped
cargo test --no-fail-fast -p mqtt-codec -p mqtt-session | tee results.txt
cargo test --no-fail-fast -p mqtt-tests --test conformance --test interop | tee -a results.txt
cargo run -p mqtt-tests --bin conformance-report -- --results results.txt   # writes CONFORMANCE.md
cargo run -p mqtt-tests --bin conformance-report -- --check                 # is it made from the table?
```

A row has passed when all its tests have; without a result it is `not run`. The interoperability tests want Debian's
`mosquitto` and `mosquitto-clients` and PyPI's `paho-mqtt`.

## Beyond single statements

A test for each statement says nothing about what happens when much goes wrong at a time. For that there are the
table of packets, the simulation of a whole network from a seed, fuzzing, and deliberate faults that prove that the net
holds: [tests/README.md](tests/README.md) tells what each does, how much of it was run, and what it found.
";

/// The text of the report.
pub fn report(rows: &[Row], outcomes: &Outcomes) -> String {
    let mut text = String::from(INTRODUCTION);
    // Writing to a string does not fail.
    let _ = write_report(rows, outcomes, &mut text);
    text
}

fn write_report(rows: &[Row], outcomes: &Outcomes, text: &mut String) -> fmt::Result {
    write_counts(rows, outcomes, text)?;
    write_failures(rows, outcomes, text)?;
    write_untested(rows, text)?;
    write_deviations(rows, text)?;
    writeln!(text, "\n{REPRODUCTION}")?;
    for (index, version) in VERSIONS.into_iter().enumerate() {
        if index > 0 {
            writeln!(text)?;
        }
        write_version(version, rows, outcomes, text)?;
    }
    Ok(())
}

/// A line for each version and side.
fn write_counts(rows: &[Row], outcomes: &Outcomes, text: &mut String) -> fmt::Result {
    writeln!(text, "\n## Figures\n")?;
    writeln!(
        text,
        "| version | side | statements | passed | failed | not run | without a test |"
    )?;
    writeln!(text, "| --- | --- | --: | --: | --: | --: | --: |")?;
    for version in VERSIONS {
        for side in ["server", "client", "both", "codec"] {
            let chosen = |row: &&Row| row.version == version && row.side == side;
            write_count(version, side, rows.iter().filter(chosen), outcomes, text)?;
        }
    }
    write_count("all", "", rows.iter(), outcomes, text)
}

fn write_count<'r>(
    version: &str,
    side: &str,
    rows: impl Iterator<Item = &'r Row>,
    outcomes: &Outcomes,
    text: &mut String,
) -> fmt::Result {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(outcomes.of(row)).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    if all == 0 {
        return Ok(());
    }
    let count = |outcome| counts.get(&outcome).copied().unwrap_or_default();
    writeln!(
        text,
        "| {version} | {side} | {all} | {} | {} | {} | {} |",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::NotRun),
        count(Outcome::NoTest)
    )
}

/// What failed, if anything did.
fn write_failures(rows: &[Row], outcomes: &Outcomes, text: &mut String) -> fmt::Result {
    let failed = |row: &&Row| outcomes.of(row) == Outcome::Failed;
    for (index, row) in rows.iter().filter(failed).enumerate() {
        if index == 0 {
            writeln!(text, "\n## Failed\n")?;
        }
        writeln!(text, "- {} {}: {}", row.version, row.id, row.statement)?;
    }
    Ok(())
}

/// What has no test, by reason.
fn write_untested(rows: &[Row], text: &mut String) -> fmt::Result {
    let mut reasons: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Proof::None(reason) = &row.proof {
            reasons.entry(reason).or_default().push(row);
        }
    }
    writeln!(text, "\n## Without a test\n")?;
    if reasons.is_empty() {
        writeln!(text, "None.")?;
    }
    for (reason, rows) in reasons {
        writeln!(text, "- {reason}:")?;
        for row in rows {
            writeln!(text, "  - {} {}: {}", row.version, row.id, row.statement)?;
        }
    }
    Ok(())
}

/// What is kept in part only.
fn write_deviations(rows: &[Row], text: &mut String) -> fmt::Result {
    writeln!(text, "\n## Known deviations\n")?;
    let mut is_first = true;
    for row in rows {
        if let Some(deviation) = &row.deviation {
            is_first = false;
            writeln!(text, "- {} {}: {}", row.version, row.id, row.statement)?;
            writeln!(text, "  {deviation}")?;
        }
    }
    if is_first {
        writeln!(text, "None.")?;
    }
    Ok(())
}

/// A table for each section of a version.
fn write_version(
    version: &str,
    rows: &[Row],
    outcomes: &Outcomes,
    text: &mut String,
) -> fmt::Result {
    let mut sections: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.version == version) {
        sections.entry(section(&row.id)).or_default().push(row);
    }
    if version == "traps" {
        writeln!(text, "## Traps")?;
    } else {
        writeln!(text, "## MQTT {version}")?;
    }
    for (section, rows) in sections {
        writeln!(text, "\n### {}\n", title(version, section))?;
        writeln!(text, "| id | side | statement | tests | result |")?;
        writeln!(text, "| --- | --- | --- | --- | --- |")?;
        for row in rows {
            let tests: Vec<_> = row
                .tests()
                .iter()
                .map(|test| format!("[{}]({})", test.function, test.file))
                .collect();
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                row.id,
                row.side,
                row.statement,
                tests.join(" "),
                outcomes.of(row)
            )?;
        }
    }
    Ok(())
}
