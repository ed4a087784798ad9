//! Lines about clients that come, go and misbehave.

use std::fmt::Display;

use super::escape::Escaped;
use super::level::Level;
use super::log::Log;
use super::reasons::{Farewell, farewell};
use crate::engine::event::{Cause, Event, WillFacts};
use crate::runtime::PeerAddress;

/// A CONNECT was accepted.
pub(super) fn connected(log: &Log, event: &Event<'_>, peer: &PeerAddress) {
    let Event::ClientConnected {
        client_id,
        version,
        clean_start,
        keep_alive,
        user_name,
        bridge,
        will,
        ..
    } = *event
    else {
        return;
    };
    let what = if bridge { "bridge" } else { "client" };
    let (client_id, level, clean) = (Escaped(client_id), version.level(), u8::from(clean_start));
    match user_name {
        Some(user) => log.tell_connection(
            Level::Notice,
            format_args!(
                "New {what} connected from {peer} as {client_id} \
                 (p{level}, c{clean}, k{keep_alive}, u'{}').",
                Escaped(user)
            ),
        ),
        None => log.tell_connection(
            Level::Notice,
            format_args!(
                "New {what} connected from {peer} as {client_id} \
                 (p{level}, c{clean}, k{keep_alive})."
            ),
        ),
    }
    will_specified(log, will);
}

/// Messages that waited in the store for a client could not be read.
pub(super) fn messages_damaged(log: &Log, client_id: &str, messages: u64) {
    log.tell(
        Level::Error,
        format_args!(
            "Error: messages for client {} are damaged in the store and were left out: {messages}.",
            Escaped(client_id)
        ),
    );
}

fn will_specified(log: &Log, will: Option<WillFacts<'_>>) {
    let Some(will) = will else {
        log.tell_connection(Level::Debug, format_args!("No will message specified."));
        return;
    };
    log.tell_connection(
        Level::Debug,
        format_args!(
            "Will message specified ({} bytes) (r{}, q{}).",
            will.payload_len,
            u8::from(will.retain),
            will.qos.as_u8()
        ),
    );
    log.tell_connection(Level::Debug, format_args!("\t{}", Escaped(will.topic)));
}

/// A connection ended.
pub(super) fn disconnected(log: &Log, client_id: Option<&str>, cause: Cause, peer: &PeerAddress) {
    let address;
    let name = match client_id {
        Some(client_id) => Escaped(client_id),
        None => {
            address = peer.ip().to_string();
            Escaped(&address)
        }
    };
    match farewell(cause) {
        Farewell::Plain => log.tell_connection(
            Level::Notice,
            format_args!("Client {name} [{peer}] disconnected."),
        ),
        Farewell::Because(reason) => log.tell_connection(
            Level::Notice,
            format_args!("Client {name} [{peer}] disconnected: {reason}."),
        ),
        Farewell::Silent => {}
    }
}

/// A peer broke the protocol.
pub(super) fn protocol_violation(
    log: &Log,
    client_id: Option<&str>,
    detail: &dyn Display,
    peer: &PeerAddress,
) {
    if !log.wants(Level::Information) {
        return;
    }
    // What was wrong may be told in the peer's own words.
    let detail = detail.to_string();
    let detail = Escaped(&detail);
    match client_id {
        Some(client_id) => log.tell(
            Level::Information,
            format_args!("Protocol error from {}: {detail}", Escaped(client_id)),
        ),
        None => log.tell(
            Level::Information,
            format_args!("Protocol error from {peer}: {detail}"),
        ),
    }
}

/// A second CONNECT came.
pub(super) fn second_connect(log: &Log, peer: &PeerAddress) {
    log.tell(
        Level::Notice,
        format_args!("Bad client {peer} sending multiple CONNECT messages."),
    );
}

/// The first bytes were those of TLS.
pub(super) fn tls_on_plain_listener(log: &Log, peer: &PeerAddress) {
    log.tell(
        Level::Notice,
        format_args!(
            "Client from {peer} appears to be using TLS to connect to a non-TLS listener."
        ),
    );
}

#[cfg(test)]
pub(super) mod tests {
    use mqtt_codec::{QoS, ReasonCode, Version};

    use super::super::level::Levels;
    use super::super::log::tests::{keeping, kept};
    use super::*;
    use crate::engine::ids::ConnectionId;
    use crate::runtime::Observer as _;

    const CONNECTION: ConnectionId = ConnectionId {
        index: 1,
        generation: 0,
    };

    pub(in crate::observe) fn peer() -> PeerAddress {
        PeerAddress::Tcp("10.0.0.7:40001".parse().unwrap())
    }

    pub(in crate::observe) fn connected<'a>(
        client_id: &'a str,
        user_name: Option<&'a str>,
    ) -> Event<'a> {
        Event::ClientConnected {
            connection: CONNECTION,
            client_id,
            version: Version::V5,
            clean_start: true,
            keep_alive: 60,
            user_name,
            bridge: false,
            will: None,
        }
    }

    pub(in crate::observe) fn ended(client_id: Option<&str>, cause: Cause) -> Event<'_> {
        Event::Disconnected {
            connection: CONNECTION,
            client_id,
            cause,
        }
    }

    pub(in crate::observe) fn lines(event: &Event<'_>) -> Vec<String> {
        let log = keeping(Levels::ALL, true);
        log.event(event, Some(&peer()));
        kept(&log)
    }

    #[test]
    fn connects_and_disconnects_read_as_scripts_expect() {
        for (event, line) in [
            (
                connected("c1", None),
                "New client connected from 10.0.0.7:40001 as c1 (p5, c1, k60).",
            ),
            (
                connected("c1", Some("ann")),
                "New client connected from 10.0.0.7:40001 as c1 (p5, c1, k60, u'ann').",
            ),
            (
                ended(Some("c1"), Cause::Disconnect),
                "Client c1 [10.0.0.7:40001] disconnected.",
            ),
            (
                ended(Some("c1"), Cause::ClosedByPeer),
                "Client c1 [10.0.0.7:40001] disconnected: connection closed by client.",
            ),
            (
                ended(None, Cause::Refused(ReasonCode::NotAuthorized)),
                "Client 10.0.0.7 [10.0.0.7:40001] disconnected: not authorised.",
            ),
        ] {
            assert_eq!(lines(&event)[0], line);
        }
        assert_eq!(lines(&ended(Some("c1"), Cause::ShuttingDown)), [""; 0]);
    }

    #[test]
    fn a_bridge_and_a_will_are_mentioned() {
        let will = WillFacts {
            topic: "w/t",
            payload_len: 4,
            qos: QoS::AtLeastOnce,
            retain: true,
        };
        let event = Event::ClientConnected {
            connection: CONNECTION,
            client_id: "b",
            version: Version::V311,
            clean_start: false,
            keep_alive: 0,
            user_name: None,
            bridge: true,
            will: Some(will),
        };
        assert_eq!(
            lines(&event),
            [
                "New bridge connected from 10.0.0.7:40001 as b (p4, c0, k0).",
                "Will message specified (4 bytes) (r1, q1).",
                "\tw/t",
            ]
        );
        assert_eq!(
            lines(&connected("c1", None))[1],
            "No will message specified."
        );
    }

    #[test]
    fn peers_that_break_the_protocol_have_their_lines() {
        let (connection, detail) = (CONNECTION, &"bad\n7");
        for (event, line) in [
            (
                Event::ProtocolViolation {
                    connection,
                    client_id: Some("c1"),
                    detail,
                },
                "Protocol error from c1: bad\\u{a}7",
            ),
            (
                Event::ProtocolViolation {
                    connection,
                    client_id: None,
                    detail,
                },
                "Protocol error from 10.0.0.7:40001: bad\\u{a}7",
            ),
            (
                Event::SecondConnect { connection },
                "Bad client 10.0.0.7:40001 sending multiple CONNECT messages.",
            ),
            (
                Event::TlsOnPlainListener { connection },
                "Client from 10.0.0.7:40001 appears to be using TLS to connect to a non-TLS \
                 listener.",
            ),
        ] {
            assert_eq!(lines(&event), [line]);
        }
    }
}
