//! The table of normative statements, `tests/data/conformance.tsv`, and the report made from it.
//!
//! A row has a statement and the tests that prove it, or says why there is none. `tests/house` holds
//! the table against the sources; `conformance-report` writes `CONFORMANCE.md`.

mod outcome;
mod report;
mod row;
mod sections;

pub use outcome::{Outcome, Outcomes};
pub use report::report;
pub use row::{Proof, Row, TestPath, read_table};

/// Where the table stands, from the top of the repository.
pub const TABLE: &str = "tests/data/conformance.tsv";

/// Where the report stands, from the top of the repository.
pub const REPORT: &str = "CONFORMANCE.md";
