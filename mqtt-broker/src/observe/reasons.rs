//! The words after `disconnected:`, as scripts know them.

use std::borrow::Cow;

use mqtt_codec::ReasonCode;
use nix::errno::Errno;

use crate::engine::event::Cause;

/// What a disconnect line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// `disconnected.`
    Plain,
    /// `disconnected: <reason>.`
    Because(Cow<'static, str>),
    /// No line: the broker is stopping and says so itself.
    Silent,
}

/// The words for why a connection ended.
pub(super) fn farewell(cause: Cause) -> Farewell {
    Farewell::Because(Cow::Borrowed(match cause {
        Cause::Disconnect | Cause::NoLongerAuthorised => return Farewell::Plain,
        Cause::ShuttingDown => return Farewell::Silent,
        Cause::ClosedByPeer => "connection closed by client",
        Cause::SocketError(number) => match Errno::from_raw(number) {
            // A reset is how many clients close; the original does not tell the two apart either.
            Errno::ECONNRESET => "connection closed by client",
            error => error.desc(),
        },
        Cause::ConnectTimeout | Cause::KeepAliveTimeout => "exceeded timeout",
        Cause::BadConnect => "protocol error",
        Cause::TakenOver => "session taken over",
        Cause::Refused(reason) => return Farewell::Because(words(reason)),
    }))
}

/// The words for a reason code that ended a connection.
fn words(reason: ReasonCode) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        ReasonCode::MalformedPacket => "malformed packet",
        ReasonCode::ProtocolError | ReasonCode::UnsupportedProtocolVersion => "protocol error",
        ReasonCode::ImplementationSpecificError => "implementation specific error",
        ReasonCode::ClientIdentifierNotValid => "client identifier not valid",
        ReasonCode::BadUserNameOrPassword => "bad username or password",
        ReasonCode::NotAuthorized => "not authorised",
        ReasonCode::ServerUnavailable => "server unavailable",
        ReasonCode::ServerBusy => "server busy",
        ReasonCode::Banned => "client banned",
        ReasonCode::BadAuthenticationMethod => "bad authentication method",
        ReasonCode::KeepAliveTimeout | ReasonCode::MaximumConnectTime => "exceeded timeout",
        ReasonCode::SessionTakenOver => "session taken over",
        ReasonCode::ReceiveMaximumExceeded => "receive maximum exceeded",
        ReasonCode::TopicAliasInvalid => "topic alias invalid",
        ReasonCode::PacketTooLarge => "oversize packet",
        ReasonCode::QuotaExceeded => "quota exceeded",
        ReasonCode::AdministrativeAction => "administrative action",
        ReasonCode::QosNotSupported | ReasonCode::RetainNotSupported => {
            "used disallowed feature (QoS too high, retain not supported, or bad AUTH method)"
        }
        ReasonCode::ConnectionRateExceeded => "connection rate exceeded",
        other => return Cow::Owned(other.name().to_lowercase()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_the_words_that_scripts_know() {
        for (cause, expected) in [
            (Cause::Disconnect, None),
            (Cause::NoLongerAuthorised, None),
            (Cause::ClosedByPeer, Some("connection closed by client")),
            (
                Cause::SocketError(Errno::ECONNRESET as i32),
                Some("connection closed by client"),
            ),
            (Cause::SocketError(Errno::EPIPE as i32), Some("Broken pipe")),
            (Cause::ConnectTimeout, Some("exceeded timeout")),
            (Cause::KeepAliveTimeout, Some("exceeded timeout")),
            (Cause::BadConnect, Some("protocol error")),
            (Cause::TakenOver, Some("session taken over")),
            (
                Cause::Refused(ReasonCode::NotAuthorized),
                Some("not authorised"),
            ),
            (
                Cause::Refused(ReasonCode::MalformedPacket),
                Some("malformed packet"),
            ),
            (
                Cause::Refused(ReasonCode::PacketTooLarge),
                Some("oversize packet"),
            ),
            (
                Cause::Refused(ReasonCode::TopicNameInvalid),
                Some("topic name invalid"),
            ),
        ] {
            let expected = match expected {
                None => Farewell::Plain,
                Some(words) => Farewell::Because(Cow::Borrowed(words)),
            };
            assert_eq!(farewell(cause), expected, "{cause:?}");
        }
        assert_eq!(farewell(Cause::ShuttingDown), Farewell::Silent);
    }

    #[test]
    fn no_reason_code_goes_without_words() {
        for reason in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
            let words = words(reason);
            assert!(
                !words.is_empty() && !words.ends_with('.'),
                "{reason:?}: {words}"
            );
        }
    }
}
