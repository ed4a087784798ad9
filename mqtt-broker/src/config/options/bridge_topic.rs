//! The `topic` line of a bridge: read as Mosquitto reads it, and checked.

use mqtt_codec::TopicFilter;

use super::LONG;
use crate::config::draft::BridgeDraft;
use crate::config::report::shown;
use crate::config::values::{Fault, Value};

/// `PATTERN [out|in|both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]`.
pub(super) fn topic(
    _: &mut BridgeDraft,
    value: &Value<'_>,
    _: &mut Vec<String>,
) -> Result<(), Fault> {
    let (pattern, rest) = pattern_and_rest(value)?;
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    if let Some(direction) = words.next() {
        let known = ["out", "in", "both"];
        if !known
            .iter()
            .any(|known| direction.eq_ignore_ascii_case(known))
        {
            let direction = shown(direction.as_bytes());
            return Err(Fault::Other(format!(
                "Invalid bridge topic direction '{direction}'"
            )));
        }
    }
    // From here on `#` begins a comment.
    let mut words = words.take_while(|word| !word.starts_with('#'));
    if let Some(qos) = words.next()
        && !["0", "1", "2"].contains(&qos)
    {
        return Err(Fault::Other(format!(
            "Invalid bridge QoS level '{}'",
            shown(qos.as_bytes())
        )));
    }
    let mut prefixes = [("local", ""), ("remote", "")];
    for ((side, prefix), word) in prefixes.iter_mut().zip(words) {
        *prefix = if word == "\"\"" { "" } else { word };
        if prefix.contains(['+', '#']) {
            let prefix = shown(prefix.as_bytes());
            return Err(Fault::Other(format!(
                "Invalid bridge topic {side} prefix '{prefix}'"
            )));
        }
    }
    let [(_, local), (_, remote)] = prefixes;
    if pattern.is_empty() && (local.is_empty() || remote.is_empty()) {
        return Err(Fault::other("Invalid bridge remapping"));
    }
    for (side, prefix) in prefixes {
        let filter = format!("{prefix}{pattern}");
        if TopicFilter::parse(&filter).is_err() {
            let filter = shown(filter.as_bytes());
            return Err(Fault::Other(format!(
                "Invalid bridge topic {side} prefix and pattern combination '{filter}'"
            )));
        }
    }
    Ok(())
}

/// The first word, which may stand in quotes to hold spaces, and what follows it.
fn pattern_and_rest<'a>(value: &Value<'a>) -> Result<(&'a str, &'a str), Fault> {
    let line = value.text(LONG)?;
    let Some(quoted) = line.strip_prefix('"') else {
        return Ok(line.split_once(' ').unwrap_or((line, "")));
    };
    quoted.split_once('"').ok_or_else(|| {
        let line = shown(line.as_bytes());
        Fault::Other(format!("Missing closing quote in topic value ({line})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_lines_are_read_as_mosquitto_reads_them() {
        let place = crate::config::report::Place {
            file: std::path::Path::new("x").into(),
            line: 1,
        };
        for (line, expected) in [
            ("#", None),
            ("a/# out", None),
            ("a/# BOTH 2 here/ there/", None),
            ("\"a b/#\" in 1 # comment", None),
            ("\"\" both 1 here there", None),
            ("\"\" both 1 here", Some("Invalid bridge remapping")),
            (
                "a sideways",
                Some("Invalid bridge topic direction 'sideways'"),
            ),
            ("a out 3", Some("Invalid bridge QoS level '3'")),
            (
                "a out 1 x/#",
                Some("Invalid bridge topic local prefix 'x/#'"),
            ),
            (
                "a out 1 x/+/",
                Some("Invalid bridge topic local prefix 'x/+/'"),
            ),
            ("a out 1 \"\" #", None),
            (
                "a/#/b",
                Some("Invalid bridge topic local prefix and pattern combination 'a/#/b'"),
            ),
            (
                "\"a b",
                Some("Missing closing quote in topic value (\"a b)"),
            ),
            ("", Some("Empty 'topic' value in configuration")),
        ] {
            let mut draft = BridgeDraft {
                name: String::new(),
                place: place.clone(),
                remote_clientid: None,
                local_clientid: None,
            };
            let value = Value::new("topic", line.as_bytes());
            let said = topic(&mut draft, &value, &mut Vec::new())
                .err()
                .map(|fault| match fault {
                    Fault::Value(text) | Fault::Other(text) => text,
                });
            assert_eq!(said.as_deref(), expected, "{line}");
        }
    }
}
