//! How a message looks on standard output.

use std::io::Write;

use mqtt_cli::format::{Format, Printed};
use std::collections::HashMap;

/// Topics that get a line of their own on the screen; all others share the line below them.
const WATCHED_TOPICS_MAX: usize = 10_000;
/// The first line is the broker's.
const FIRST_TOPIC_LINE: usize = 2;

/// What of a message is printed.
#[derive(Debug)]
pub(crate) enum Style {
    /// The payload; nothing at all if it is empty.
    Payload,
    /// Topic and payload.
    Verbose,
    /// `-F`.
    Format(Format),
}

/// Prints messages one after the other.
#[derive(Debug)]
pub(crate) struct Printer {
    style: Style,
    line_end: bool,
    watch: Option<Watch>,
}

/// `--watch`: which topic has which line.
#[derive(Debug)]
struct Watch {
    host: String,
    lines: HashMap<Box<str>, usize>,
}

impl Printer {
    /// `watched_host` is the broker's name for the head of the screen, with `--watch`.
    pub(crate) fn new(style: Style, line_end: bool, watched_host: Option<String>) -> Self {
        let watch = watched_host.map(|host| Watch {
            host,
            lines: HashMap::new(),
        });
        Self {
            style,
            line_end,
            watch,
        }
    }

    /// Appends what comes before all messages.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        if let Some(watch) = &self.watch {
            append(
                out,
                format_args!("\x1b[2J\x1b[1;1HBroker: {}\n", watch.host),
            );
        }
    }

    /// Appends a message. What cannot be printed of it goes to `complain`, a line at a time.
    pub(crate) fn print(
        &mut self,
        message: &Printed<'_>,
        out: &mut Vec<u8>,
        complain: &mut dyn FnMut(&str),
    ) {
        if let Some(watch) = &mut self.watch {
            let line = watch.line_of(message.topic);
            append(out, format_args!("\x1b[{line};1H\x1b[K"));
        }
        self.print_content(message, out, complain);
        if let Some(watch) = &self.watch {
            append(out, format_args!("\x1b[{};1H\n", watch.last_line()));
        }
    }

    fn print_content(
        &self,
        message: &Printed<'_>,
        out: &mut Vec<u8>,
        complain: &mut dyn FnMut(&str),
    ) {
        let payload = message.payload;
        match &self.style {
            Style::Format(format) => {
                format.render(message, out, complain);
            }
            Style::Verbose if !payload.is_empty() => {
                out.extend_from_slice(message.topic.as_bytes());
                out.push(b' ');
                out.extend_from_slice(payload);
            }
            Style::Verbose if self.line_end => {
                out.extend_from_slice(message.topic.as_bytes());
                out.extend_from_slice(b" (null)");
            }
            Style::Payload if !payload.is_empty() => out.extend_from_slice(payload),
            Style::Verbose | Style::Payload => return,
        }
        if self.line_end {
            out.push(b'\n');
        }
    }
}

impl Watch {
    fn line_of(&mut self, topic: &str) -> usize {
        let next = self.last_line();
        if let Some(line) = self.lines.get(topic) {
            return *line;
        }
        if self.lines.len() < WATCHED_TOPICS_MAX {
            self.lines.insert(topic.into(), next);
        }
        next
    }

    /// The line below all topics.
    fn last_line(&self) -> usize {
        self.lines.len() + FIRST_TOPIC_LINE
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use mqtt_cli::format::LocalTime;
    use mqtt_client::{Properties, QoS};

    use super::*;

    fn print(printer: &mut Printer, messages: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        printer.begin(&mut out);
        for (topic, payload) in messages {
            let message = Printed {
                topic,
                payload: payload.as_bytes(),
                qos: QoS::AtMostOnce,
                retain: false,
                packet_id: 0,
                properties: Properties::EMPTY,
                clock: || LocalTime::from_unix(0, 0, 0),
            };
            printer.print(&message, &mut out, &mut |_| ());
        }
        String::from_utf8(out).unwrap()
    }

    fn format(text: &str) -> Style {
        Style::Format(Format::parse(text.as_bytes(), false).unwrap())
    }

    #[test]
    fn empty_payloads_and_line_ends_are_as_in_the_original() {
        for (style, line_end, payload, expected) in [
            (Style::Payload, true, "x", "x\n"),
            (Style::Payload, true, "", ""),
            (Style::Payload, false, "x", "x"),
            (Style::Payload, false, "", ""),
            (Style::Verbose, true, "x", "a x\n"),
            (Style::Verbose, true, "", "a (null)\n"),
            (Style::Verbose, false, "x", "a x"),
            (Style::Verbose, false, "", ""),
            (format("%t:%p"), true, "", "a:\n"),
            (format("%t:%p"), false, "x", "a:x"),
            (format(""), true, "x", "\n"),
            (format("%J"), true, "{", "\n"),
        ] {
            let what = format!("{style:?} {line_end} {payload}");
            let mut printer = Printer::new(style, line_end, None);
            assert_eq!(print(&mut printer, &[("a", payload)]), expected, "{what}");
        }
    }

    #[test]
    fn watched_topics_keep_their_lines() {
        let mut printer = Printer::new(Style::Payload, true, Some("there".to_owned()));
        assert_eq!(
            print(&mut printer, &[("a", "1"), ("b", "2"), ("a", "3")]),
            "\x1b[2J\x1b[1;1HBroker: there\n\
             \x1b[2;1H\x1b[K1\n\x1b[3;1H\n\
             \x1b[3;1H\x1b[K2\n\x1b[4;1H\n\
             \x1b[2;1H\x1b[K3\n\x1b[4;1H\n"
        );
    }
}
