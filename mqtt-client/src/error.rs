//! Why there is no connection, and why a program's request failed.

use std::io;
use std::sync::Arc;

use mqtt_codec::{PropertiesBuf, ReasonCode};
use mqtt_session::client::Failure;

pub use mqtt_session::client::{Refusal, RequestError};

/// Why there is no connection, or no longer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address asks for a transport that this client does not speak.
    #[error("{scheme}:// is not supported yet")]
    Unsupported {
        /// `mqtts`, `ws` or `wss`.
        scheme: String,
    },
    /// No CONNECT can be made of the options.
    #[error("the options make no valid CONNECT: {0}")]
    InvalidOptions(&'static str),
    /// DISCONNECT was not said, since the server would refuse its properties.
    #[error("DISCONNECT was not said: {0}")]
    InvalidDisconnect(RequestError),
    /// The name of the server, or the one to bind to, has no address.
    #[error("cannot look up {host}: {source}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the server could be reached: what the system said about the first one.
    #[error("cannot connect: {0}")]
    Dial(#[source] io::Error),
    /// None was reached in time.
    #[error("no connection within the time allowed")]
    DialTimeout,
    /// CONNACK did not come in time.
    #[error("the server did not answer the CONNECT in time")]
    ConnackTimeout,
    /// CONNACK said no.
    #[error("the server refused the connection: {}", .0.reason.name())]
    Refused(Refusal),
    /// Reading or writing failed.
    #[error("the connection was lost: {0}")]
    Lost(#[source] io::Error),
    /// The server closed the connection and said nothing.
    #[error("the server closed the connection")]
    Closed,
    /// The server did not answer a PINGREQ in time.
    #[error("the server did not answer within the keep alive")]
    KeepAliveExceeded,
    /// The server said DISCONNECT (5.0).
    #[error("the server ended the connection: {}", .reason.name())]
    Disconnected {
        /// Its reason.
        reason: ReasonCode,
        /// Reason string, server reference, user properties.
        properties: PropertiesBuf,
    },
    /// The server broke the protocol; it was told so with `reason` where the version allows that.
    #[error("the server broke the protocol: {detail}")]
    Protocol {
        /// The code for what it did.
        reason: ReasonCode,
        /// What it did.
        detail: String,
    },
    /// There is no connection: it was never dialled, or has ended before.
    #[error("not connected")]
    NotConnected,
}

impl Error {
    /// Whether trying again with the same options can not help, or does harm: we are refused for
    /// who we are or what we speak, or another client goes by our client id.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unsupported { .. } | Self::InvalidOptions(_) => true,
            Self::Disconnected { reason, .. } => *reason == ReasonCode::SessionTakenOver,
            Self::Refused(refusal) => matches!(
                refusal.reason,
                ReasonCode::MalformedPacket
                    | ReasonCode::ProtocolError
                    | ReasonCode::UnsupportedProtocolVersion
                    | ReasonCode::ClientIdentifierNotValid
                    | ReasonCode::BadUserNameOrPassword
                    | ReasonCode::NotAuthorized
                    | ReasonCode::Banned
                    | ReasonCode::BadAuthenticationMethod
                    | ReasonCode::TopicNameInvalid
                    | ReasonCode::PacketTooLarge
                    | ReasonCode::RetainNotSupported
                    | ReasonCode::QosNotSupported
            ),
            _ => false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Disconnected { reason, properties } => {
                Self::Disconnected { reason, properties }
            }
            Failure::Protocol { reason, detail } => Self::Protocol { reason, detail },
            Failure::KeepAliveExceeded => Self::KeepAliveExceeded,
            Failure::NoConnack => Self::ConnackTimeout,
            other => Self::Protocol {
                reason: ReasonCode::UnspecifiedError,
                detail: other.to_string(),
            },
        }
    }
}

/// Why a request to a [`Client`](crate::Client) failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It was not taken, or could not be carried out.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The connection has ended for good, and this is why.
    #[error("the client has ended: {0}")]
    Ended(Arc<Error>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waiting_cannot_cure_is_permanent() {
        let refused = |reason: ReasonCode| {
            let properties = PropertiesBuf::new();
            Error::Refused(Refusal {
                code: reason.as_u8(),
                reason,
                properties,
            })
        };
        for (error, expected) in [
            (refused(ReasonCode::NotAuthorized), true),
            (refused(ReasonCode::ServerBusy), false),
            (refused(ReasonCode::QuotaExceeded), false),
            (Error::Closed, false),
            (Error::KeepAliveExceeded, false),
            (
                Error::Unsupported {
                    scheme: "wss".into(),
                },
                true,
            ),
        ] {
            assert_eq!(error.is_permanent(), expected, "{error}");
        }
    }
}
