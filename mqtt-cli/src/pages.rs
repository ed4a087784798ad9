//! Help and version line, generated from the rows of the options.

use std::fmt::Write;

use crate::connection_rows;
use crate::table::{Row, Tool, ToolArgs};

/// The line of `--version`, in the form scripts know.
#[must_use]
pub fn version<A: ToolArgs>() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{} version {version} running on mqtt-client {version}.\n",
        A::TOOL.name
    )
}

/// The page of `--help`: usage, a line for each option, notes and exit codes.
#[must_use]
pub fn help<A: ToolArgs>() -> String {
    let Tool {
        name,
        summary,
        usage,
        notes,
        ..
    } = A::TOOL;
    let mut page = format!("{name} is {summary}\n{}\nUsage: ", version::<A>());
    for (number, line) in usage.iter().enumerate() {
        let indent = if number == 0 { "" } else { "       " };
        let _ = writeln!(page, "{indent}{name} {line}");
    }
    page.push('\n');
    let mut lines: Vec<String> = A::ROWS.iter().map(option_lines).collect();
    lines.extend(connection_rows::ROWS.iter().map(option_lines));
    // Short options first, both groups in the order of the alphabet, as people look them up.
    lines.sort_by_key(|line| (line.starts_with(" --"), line.to_lowercase()));
    page.extend(lines);
    let _ = write!(page, "\n{notes}\nExit codes: {EXIT_CODES}");
    page
}

/// Where a line of an option is broken.
const LINE_BYTES_MAX: usize = 90;

const EXIT_CODES: &str = "0 done; 1 wrong usage, unreadable file, first connection failed, and
this page; 2 the server broke the protocol; 3 invalid topic; 4 the server said DISCONNECT;
7 connection lost, or a message that this server does not take; 9 a line too long; 10 a
subscription that this server does not make; 19 no answer in time; 21 an answer that is not MQTT;
24 QoS not supported; 25 request too large; 27 timed out; 255 ended before the server answered;
1-5 and 128-162 the server refused the connection, with its own code; with --strict also 128-162
for the first publish or subscription that it refused.
";

/// ` -X : text`, with the text broken between words and indented.
fn option_lines<A>(row: &Row<A>) -> String {
    let mut line = format!(" {}", row.names.join(", "));
    if !row.words().is_empty() {
        let _ = write!(line, " {}", row.words());
    }
    line.push_str(" :");
    let mut lines = String::new();
    for word in row.help.split_ascii_whitespace() {
        if line.len() + 1 + word.len() > LINE_BYTES_MAX {
            lines.push_str(&line);
            lines.push('\n');
            line = " ".repeat(5);
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}
