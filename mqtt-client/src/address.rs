//! Where a server is: `mqtt://host:port`, `unix:/path`, and schemes that are known but not spoken.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Port of MQTT over TCP.
const MQTT_PORT: u16 = 1883;

/// Port of MQTT over TLS.
const MQTTS_PORT: u16 = 8883;

/// The address of a server.
///
/// ```
/// use mqtt_client::Address;
///
/// assert_eq!("mqtt://broker.example".parse(), Ok(Address::tcp("broker.example", 1883)));
/// assert_eq!("mqtt://[::1]:1884".parse(), Ok(Address::tcp("::1", 1884)));
/// assert_eq!("unix:/run/mqtt.sock".parse(), Ok(Address::unix("/run/mqtt.sock")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// MQTT over TCP.
    Tcp {
        /// A name, or an IP address; one of version 6 without brackets.
        host: String,
        /// 1883 by custom.
        port: u16,
    },
    /// MQTT over a Unix-domain socket.
    Unix(PathBuf),
    /// A transport that this client does not speak yet; dialling it is refused.
    Unsupported {
        /// `mqtts`, `ws` or `wss`.
        scheme: String,
        /// As for TCP.
        host: String,
        /// As for TCP.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `scheme://` in front.
    #[error("no scheme such as mqtt:// in front")]
    NoScheme,
    /// One that nobody here has heard of.
    #[error("unknown scheme \"{0}\" (known are mqtt, mqtts, ws, wss and unix)")]
    UnknownScheme(String),
    /// Nothing where the host should be, or a bracket that is not closed.
    #[error("no valid host")]
    NoHost,
    /// Not a number from 1 to 65535.
    #[error("\"{0}\" is not a port from 1 to 65535")]
    InvalidPort(String),
    /// A user name or a path, which belong elsewhere.
    #[error("\"{0}\" has no place in an address")]
    Unexpected(String),
}

impl Address {
    /// MQTT over TCP to a host by name or IP address.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp {
            host: host.into(),
            port,
        }
    }

    /// MQTT over a Unix-domain socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(path.into())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once(':').ok_or(AddressError::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "unix" {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return if path.is_empty() {
                Err(AddressError::NoHost)
            } else {
                Ok(Self::unix(path))
            };
        }
        let default_port = match scheme.as_str() {
            "mqtt" | "ws" => MQTT_PORT,
            "mqtts" | "wss" => MQTTS_PORT,
            _ => return Err(AddressError::UnknownScheme(scheme)),
        };
        let authority = rest.strip_prefix("//").ok_or(AddressError::NoScheme)?;
        let (host, port) = host_and_port(authority, default_port)?;
        Ok(match scheme.as_str() {
            "mqtt" => Self::Tcp { host, port },
            _ => Self::Unsupported { scheme, host, port },
        })
    }
}

fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), AddressError> {
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if let Some(place) = authority.find(['@', '/']) {
        return Err(AddressError::Unexpected(
            authority.get(place..).unwrap_or_default().to_owned(),
        ));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(AddressError::NoHost)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(AddressError::Unexpected(after.to_owned())),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    let port = match port {
        None => default_port,
        Some(digits) => match digits.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(AddressError::InvalidPort(digits.to_owned())),
        },
    };
    Ok((host.to_owned(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("mqtt", host, port),
            Self::Unsupported { scheme, host, port } => (scheme.as_str(), host, port),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("mqtt://localhost", "mqtt://localhost:1883"),
            ("MQTT://localhost:1/", "mqtt://localhost:1"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
            ("mqtt://[fe80::1]:99", "mqtt://[fe80::1]:99"),
            ("mqtts://h", "mqtts://h:8883"),
            ("ws://h", "ws://h:1883"),
            ("wss://h:443", "wss://h:443"),
            ("unix:/run/a b.sock", "unix:/run/a b.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(
                text.parse::<Address>().unwrap().to_string(),
                written,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, expected) in [
            ("localhost", AddressError::NoScheme),
            ("mqtt:localhost", AddressError::NoScheme),
            ("http://h", AddressError::UnknownScheme("http".into())),
            ("mqtt://", AddressError::NoHost),
            ("mqtt://:1883", AddressError::NoHost),
            ("mqtt://[::1", AddressError::NoHost),
            ("mqtt://[::1]x", AddressError::Unexpected("x".into())),
            ("mqtt://h:0", AddressError::InvalidPort("0".into())),
            ("mqtt://h:65536", AddressError::InvalidPort("65536".into())),
            ("mqtt://h:", AddressError::InvalidPort(String::new())),
            ("mqtt://fe80::1", AddressError::InvalidPort(":1".into())),
            ("mqtt://u:p@h", AddressError::Unexpected("@h".into())),
            ("mqtt://h/topic", AddressError::Unexpected("/topic".into())),
            ("unix:", AddressError::NoHost),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text}");
        }
    }
}
