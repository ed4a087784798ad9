//! `-F`: formats for printing messages, checked once and rendered for each message.

mod compile;
mod fields;
mod json;
mod json_text;
mod json_writer;
mod pad;
mod time;

use mqtt_codec::{Properties, QoS};

pub use compile::FormatError;
use compile::Piece;
pub use time::LocalTime;

/// A checked format. One without anything in it prints empty lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
    /// Whether JSON is indented.
    pretty: bool,
}

/// A message as a format sees it.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    /// Topic name it was published to.
    pub topic: &'a str,
    /// The bytes published.
    pub payload: &'a [u8],
    /// Quality of service of this delivery.
    pub qos: QoS,
    /// The RETAIN flag of this delivery.
    pub retain: bool,
    /// Packet identifier, 0 at QoS 0.
    pub packet_id: u16,
    /// Properties of the PUBLISH packet.
    pub properties: Properties<'a>,
    /// Tells when it is printed; asked once, and only by a format.
    pub clock: fn() -> LocalTime,
}

impl Format {
    /// Checks a format; `pretty` indents the JSON of `%j` and `%J`.
    ///
    /// # Errors
    /// A specifier or escape that does not exist or is not complete.
    pub fn parse(format: &[u8], pretty: bool) -> Result<Self, FormatError> {
        Ok(Self {
            pieces: compile::pieces(format)?,
            pretty,
        })
    }

    /// Appends a message to `out`, without a line end. Lines about fields that do not go with this
    /// message go to `complain`.
    pub fn render(&self, message: &Printed<'_>, out: &mut Vec<u8>, complain: &mut dyn FnMut(&str)) {
        let time = (message.clock)();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Time(letter) => time.append_strftime(*letter, out),
                Piece::Nanoseconds => time.append_nanoseconds(out),
                Piece::Field { field, spec } => {
                    fields::render(*field, *spec, self.pretty, (message, time), out, complain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_codec::{PropertiesBuf, Property};

    use super::*;

    fn render_with(format: &str, message: &Printed<'_>) -> (String, Vec<String>) {
        let mut out = Vec::new();
        let mut complaints = Vec::new();
        let format = Format::parse(format.as_bytes(), false).unwrap();
        format.render(message, &mut out, &mut |line| {
            complaints.push(line.to_owned())
        });
        (String::from_utf8(out).unwrap(), complaints)
    }

    fn message<'a>(payload: &'a [u8], properties: &'a PropertiesBuf) -> Printed<'a> {
        Printed {
            topic: "sport/tennis",
            payload,
            qos: QoS::AtLeastOnce,
            retain: true,
            packet_id: 7,
            properties: properties.as_properties(),
            clock: || LocalTime::from_unix(1_470_818_943, 786_368_637, 3_600),
        }
    }

    #[test]
    fn every_field_is_printed_as_the_original_does() {
        let properties: PropertiesBuf = [
            Property::PayloadFormatIndicator(true),
            Property::MessageExpiryInterval(60),
            Property::ContentType("text/plain"),
            Property::ResponseTopic("answer"),
            Property::CorrelationData(b"c1"),
            Property::UserProperty("a", "1"),
            Property::UserProperty("b", "2"),
            Property::SubscriptionIdentifier(5),
            Property::TopicAlias(3),
        ]
        .into_iter()
        .collect();
        for (format, expected) in [
            ("%t %p", "sport/tennis hello"),
            ("%%|%q|%r|%m|%l", "%|1|1|7|5"),
            (
                "[%15t][%-15t][%.5t][%8.5t][%015t]",
                "[   sport/tennis][sport/tennis   ][sport][   sport][   sport/tennis]",
            ),
            (
                "[%8p][%-8p][%3p][%08p][%.2p]",
                "[   hello][hello   ][hel][000hello][hello]",
            ),
            ("[%-08p]", "[hello   ]"),
            ("%x %X", "68656c6c6f 68656C6C6F"),
            (
                "[%14x][%-14x][%014x][%3x]",
                "[    68656c6c6f][68656c6c6f    ][000068656c6c6f][68656c]",
            ),
            (
                "%.2x|%.4:x|%.1-X",
                "68 65 6c 6c 6f|6865:6c6c:6f|6-8-6-5-6-C-6-C-6-F",
            ),
            ("%20.2:x", "  :  :  :  :  :68:65:6c:6c:6f"),
            ("[%4l][%-4l][%04l][%04m]", "[   5][5   ][0005][0007]"),
            (
                "%A %C %D %E %F %P %R %S",
                "3 text/plain c1 60 1 a:1 b:2 answer 5",
            ),
            ("[%04A][%12.4C][%-8R]", "[0003][        text][answer  ]"),
            ("%I|%U", "2016-08-10T09:49:03+0100|1470818943.786368637"),
            ("[%.10I][%-26I]", "[2016-08-10][2016-08-10T09:49:03+0100  ]"),
            (
                "@Y-@m-@d @H:@M:@S.@N @@ @E@-",
                "2016-08-10 09:49:03.786368637 @ %E%-",
            ),
            (r"a\tb\n\\\a\e\r\v\0", "a\tb\n\\\x07\x1b\r\x0b\0"),
            ("%:t", "sport/tennis"),
        ] {
            let (text, complaints) = render_with(format, &message(b"hello", &properties));
            assert_eq!(text, expected, "{format}");
            assert_eq!(complaints, [""; 0], "{format}");
        }
    }

    #[test]
    fn missing_values_leave_blanks_or_nothing() {
        let none = PropertiesBuf::new();
        for (format, expected) in [
            ("[%A%C%D%E%F%P%R%S]", "[]"),
            ("[%3A][%-3E][%03F][%3S][%3C]", "[   ][   ][000][   ][   ]"),
            ("[%9R][%9D][%9P]", "[][][]"),
        ] {
            assert_eq!(
                render_with(format, &message(b"hello", &none)).0,
                expected,
                "{format}"
            );
        }
    }

    #[test]
    fn numbers_of_the_machine_are_read_from_four_or_eight_bytes() {
        let none = PropertiesBuf::new();
        let float = 1.5_f32.to_ne_bytes();
        let double = (-2.25_f64).to_ne_bytes();
        for (format, payload, expected) in [
            ("%f", &float[..], "1.500000"),
            (
                "[%8.2f][%-8.2f][%08.2f]",
                &float,
                "[    1.50][1.50    ][00001.50]",
            ),
            ("%.0f", &float, "2"),
            ("%d", &double, "-2.250000"),
            ("[%09.3d]", &double, "[-0002.250]"),
            ("[%06f]", &f32::INFINITY.to_ne_bytes(), "[   inf]"),
            ("[%f]", &f32::NAN.to_ne_bytes(), "[nan]"),
        ] {
            assert_eq!(
                render_with(format, &message(payload, &none)).0,
                expected,
                "{format}"
            );
        }
        for (format, payload, complaint) in [
            (
                "%f",
                &double[..],
                "requested float printing, but non-float data received",
            ),
            (
                "%d",
                &float,
                "requested double printing, but non-double data received",
            ),
        ] {
            let (text, complaints) = render_with(format, &message(payload, &none));
            assert_eq!(
                (text.as_str(), complaints),
                ("", vec![complaint.to_owned()])
            );
        }
    }

    #[test]
    fn json_of_bytes_that_are_no_json_is_a_complaint_and_nothing_printed() {
        let none = PropertiesBuf::new();
        let (text, complaints) = render_with("<%J>", &message(b"{", &none));
        assert_eq!(text, "<>");
        assert_eq!(
            complaints,
            ["Error: Message payload is not valid JSON on topic sport/tennis."]
        );
    }
}
