//! Sections of the standards by number, as their titles call them.

/// The section that an id belongs to, for the order of the report; ids without a number come last.
pub(super) fn section(id: &str) -> (u32, u32) {
    let number = id.strip_prefix("MQTT-").or_else(|| id.strip_prefix("U-"));
    let mut parts = number.unwrap_or_default().split(['.', '-']);
    let mut next = || parts.next().and_then(|part| part.parse().ok());
    match (next(), next()) {
        // Of these chapters a packet, or a rule, has a section of its own.
        (Some(chapter @ (3 | 4)), Some(section)) => (chapter, section),
        (Some(chapter), _) => (chapter, 0),
        (None, _) => (u32::MAX, 0),
    }
}

/// The title of a section.
pub(super) fn title(version: &str, section: (u32, u32)) -> String {
    let name = match (version, section) {
        ("traps", _) => return "Forty things that brokers got wrong in the field".to_owned(),
        (_, (u32::MAX, _)) => return "Statements without a number".to_owned(),
        (_, (1, _)) => "Data representation",
        (_, (2, _)) => "Packet format",
        (_, (3, 1)) => "CONNECT",
        (_, (3, 2)) => "CONNACK",
        (_, (3, 3)) => "PUBLISH",
        (_, (3, 4)) => "PUBACK",
        (_, (3, 5)) => "PUBREC",
        (_, (3, 6)) => "PUBREL",
        (_, (3, 7)) => "PUBCOMP",
        (_, (3, 8)) => "SUBSCRIBE",
        (_, (3, 9)) => "SUBACK",
        (_, (3, 10)) => "UNSUBSCRIBE",
        (_, (3, 11)) => "UNSUBACK",
        (_, (3, 12 | 13)) => "PINGREQ, PINGRESP",
        (_, (3, 14)) => "DISCONNECT",
        (_, (3, 15)) => "AUTH",
        (_, (4, 1)) => "Session state",
        (_, (4, 2)) => "Network connections",
        (_, (4, 3)) => "Quality of service",
        (_, (4, 4)) => "Sending again",
        (_, (4, 5)) => "Receipt of messages",
        (_, (4, 6)) => "Order of messages",
        (_, (4, 7)) => "Topic names and filters",
        ("5.0", (4, 8)) => "Subscriptions",
        (_, (4, 8 | 13)) => "Errors",
        (_, (4, 9)) => "Flow control",
        (_, (4, 11)) => "Server redirection",
        (_, (4, 12)) => "Enhanced authentication",
        (_, (6, _)) => "WebSocket",
        (_, (7, _)) => "Conformance",
        _ => "Other",
    };
    match section {
        (chapter, 0) => format!("{chapter} {name}"),
        (chapter, section) => format!("{chapter}.{section} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_find_their_section() {
        for (version, id, expected) in [
            ("5.0", "MQTT-1.5.4-1", "1 Data representation"),
            ("3.1.1", "MQTT-3.10.4-6", "3.10 UNSUBSCRIBE"),
            ("5.0", "U-3.1.2.11.4-b", "3.1 CONNECT"),
            ("5.0", "U-4.9-a", "4.9 Flow control"),
            ("5.0", "MQTT-4.8.2-1", "4.8 Subscriptions"),
            ("3.1.1", "MQTT-4.8.0-1", "4.8 Errors"),
            ("3.1.1", "U-unnumbered-a", "Statements without a number"),
        ] {
            assert_eq!(title(version, section(id)), expected, "{id}");
        }
    }
}
