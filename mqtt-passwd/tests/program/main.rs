//! The real program, run as people and scripts run it.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its own world is broken"
)]

mod command_line;
mod files;
mod interop;
mod prompt;
mod support;
