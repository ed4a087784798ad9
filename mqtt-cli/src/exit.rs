//! How a run ends: exit codes for scripts and texts for people.

use std::io::{self, Write};

use mqtt_client::{Error, ReasonCode, Refusal as ConnackRefusal, Version};

/// Exit code for success.
pub const SUCCESS: u8 = 0;
/// Exit code for wrong usage, unreadable files, and a first connection that failed.
pub const FAILURE: u8 = 1;
/// Exit code when the server broke the protocol.
pub const PROTOCOL: u8 = 2;
/// Exit code of a topic that the client does not take.
pub const INVALID_INPUT: u8 = 3;
/// Exit code when the server said DISCONNECT.
pub const NO_CONNECTION: u8 = 4;
/// Exit code of a connection that broke, and of a message that this server does not take.
pub const CONNECTION_LOST: u8 = 7;
/// Exit code of a line that is no message for its length.
pub const PAYLOAD_TOO_LARGE: u8 = 9;
/// Exit code of a subscription that the server said it cannot make.
pub const NOT_SUPPORTED: u8 = 10;
/// Exit code when CONNACK or PINGRESP did not come in time.
pub const KEEP_ALIVE: u8 = 19;
/// Exit code of an answer that is not MQTT.
pub const MALFORMED: u8 = 21;
/// Exit code when the server does not know the QoS asked for.
pub const QOS_NOT_SUPPORTED: u8 = 24;
/// Exit code of a request that is longer than the server takes.
pub const TOO_LARGE: u8 = 25;
/// Exit code of `-W` and `--max-time`.
pub const TIMED_OUT: u8 = 27;
/// Exit code of a signal or `-W` before there was a CONNACK.
pub const NEVER_CONNECTED: u8 = 255;

/// Run-time errors of a tool on their way to standard error, or nowhere with `--quiet`.
pub struct Complaints<'a> {
    stderr: &'a mut dyn Write,
    quiet: bool,
}

impl<'a> Complaints<'a> {
    /// `quiet` throws everything away.
    pub fn new(stderr: &'a mut dyn Write, quiet: bool) -> Self {
        Self { stderr, quiet }
    }

    /// Prints a line. A standard error that is gone leaves nobody to tell.
    pub fn say(&mut self, line: &str) {
        if !self.quiet {
            let _ = writeln!(self.stderr, "{line}");
        }
    }

    /// Prints what there is to say about a connection that could not be made, or a refused one.
    ///
    /// Returns the exit code.
    pub fn first_connection(&mut self, error: &Error, version: Version) -> u8 {
        match error {
            Error::Lookup { .. } => {
                self.say("Unable to connect (Lookup error).");
                FAILURE
            }
            Error::Dial(error) => {
                self.say(&format!("Error: {}", os_text(error)));
                FAILURE
            }
            Error::DialTimeout => {
                self.say("Error: Connection timed out");
                FAILURE
            }
            Error::Unsupported { scheme } => {
                self.say(&format!(
                    "Error: {scheme}:// is not supported yet by this release."
                ));
                FAILURE
            }
            Error::InvalidOptions(fault) => {
                self.say(&format!("Error: {fault}"));
                FAILURE
            }
            error => self.connection(error, version),
        }
    }

    /// Prints what there is to say about a connection that ended; returns the exit code.
    pub fn connection(&mut self, error: &Error, version: Version) -> u8 {
        if let Error::Refused(refusal) = error {
            self.say(&refused(refusal, version));
            return refusal.code;
        }
        let (text, exit_code) = match error {
            Error::ConnackTimeout | Error::KeepAliveExceeded => ("Keepalive exceeded", KEEP_ALIVE),
            Error::Protocol {
                reason: ReasonCode::MalformedPacket,
                ..
            } => ("Malformed packet", MALFORMED),
            Error::Protocol { .. } => (
                "A network protocol error occurred when communicating with the broker",
                PROTOCOL,
            ),
            Error::Disconnected { .. } | Error::NotConnected => {
                ("The client is not currently connected", NO_CONNECTION)
            }
            _ => ("The connection was lost", CONNECTION_LOST),
        };
        self.say(&format!("Error: {text}"));
        exit_code
    }
}

/// What the operating system calls an error, without Rust's number behind it.
#[must_use]
pub fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

/// The line about a CONNACK that says no.
fn refused(refusal: &ConnackRefusal, version: Version) -> String {
    if !version.is_v5() {
        let text = return_code_text(refusal.code);
        return format!("Connection error: Connection Refused: {text}");
    }
    let text = ReasonCode::from_u8(refusal.code).map_or("Unknown reason", ReasonCode::name);
    let advice = if refusal.code == ReasonCode::UnsupportedProtocolVersion.as_u8() {
        ". Try connecting to an MQTT v5 broker, or use MQTT v3.x mode."
    } else {
        ""
    };
    format!("Connection error: {text}{advice}")
}

/// The words of 3.1.1, 3.2.2.3 as scripts know them.
const fn return_code_text(code: u8) -> &'static str {
    match code {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "broker unavailable",
        4 => "bad user name or password",
        5 => "not authorised",
        _ => "unknown reason",
    }
}
