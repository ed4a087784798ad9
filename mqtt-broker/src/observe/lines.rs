//! Events as lines, word for word as in Mosquitto where scripts read them.

use std::net::SocketAddr;

use mqtt_codec::{Packet, ReasonCode};
use nix::errno::Errno;

use super::escape::Escaped;
use super::level::Level;
use super::log::Log;
use super::packet_trace;
use super::reasons::{Farewell, farewell};
use crate::engine::event::{Cause, Event, WillFacts};
use crate::runtime::{ListenPlace, Observer, PeerAddress, RuntimeEvent};

/// Stands where a peer's address should, for an event whose connection is gone already.
const UNKNOWN: PeerAddress = PeerAddress::Internal;

impl Observer for Log {
    fn event(&self, event: &Event<'_>, peer: Option<&PeerAddress>) {
        let peer = peer.unwrap_or(&UNKNOWN);
        match *event {
            Event::ClientConnected { .. } => client_connected(self, event, peer),
            Event::Disconnected { client_id, cause, .. } => {
                disconnected(self, client_id, cause, peer);
            }
            Event::ProtocolViolation { client_id: Some(client_id), detail, .. } => self.tell(
                Level::Information,
                format_args!("Protocol error from {}: {detail}", Escaped(client_id)),
            ),
            Event::ProtocolViolation { client_id: None, detail, .. } => self
                .tell(Level::Information, format_args!("Protocol error from {peer}: {detail}")),
            Event::SecondConnect { .. } => self.tell(
                Level::Notice,
                format_args!("Bad client {peer} sending multiple CONNECT messages."),
            ),
            Event::TlsOnPlainListener { .. } => self.tell(
                Level::Notice,
                format_args!(
                    "Client from {peer} appears to be using TLS to connect to a non-TLS listener."
                ),
            ),
            Event::SessionExpired { client_id } => self.tell(
                Level::Notice,
                format_args!("Expiring client {} due to timeout.", Escaped(client_id)),
            ),
            Event::MessagesDropped { client_id } => self.tell(
                Level::Notice,
                format_args!(
                    "Outgoing messages are being dropped for client {}.",
                    Escaped(client_id)
                ),
            ),
            Event::OutgoingTooLarge { client_id, bytes } => self.tell(
                Level::Notice,
                format_args!(
                    "Dropping too large outgoing PUBLISH for {} ({bytes} bytes)",
                    Escaped(client_id)
                ),
            ),
            Event::PublishDenied { client_id, reason, packet } => {
                publish_denied(self, client_id, reason, packet);
            }
            Event::Subscribed { client_id, qos, filter } => self.tell(
                Level::Subscribe,
                format_args!("{} {} {}", Escaped(client_id), qos.as_u8(), Escaped(filter)),
            ),
            Event::Unsubscribed { client_id, filter } => self.tell(
                Level::Unsubscribe,
                format_args!("{} {}", Escaped(client_id), Escaped(filter)),
            ),
            Event::UnknownPacketId { client_id, packet } => {
                unknown_packet_id(self, client_id, packet);
            }
            Event::Received { client_id, packet } => {
                packet_trace::received(self, client_id, packet);
            }
            Event::Sending { client_id, packet, payload_len, .. } => {
                packet_trace::sending(self, client_id, peer, packet, payload_len);
            }
        }
    }

    fn runtime_event(&self, event: &RuntimeEvent<'_>) {
        match event {
            RuntimeEvent::Listening { place } => listening(self, place),
            RuntimeEvent::ListenFailed { place: ListenPlace::Tcp(address), error } => {
                let error = describe(error);
                self.tell(
                    Level::Warning,
                    format_args!("Warning: Unable to listen on {address}: {error}."),
                );
            }
            RuntimeEvent::ListenFailed { place: ListenPlace::Unix(path), error } => {
                let error = describe(error);
                self.tell(
                    Level::Warning,
                    format_args!("Warning: Unable to listen on {path}: {error}."),
                );
            }
            RuntimeEvent::NewConnection { peer, listener_port } => self.tell_connection(
                Level::Notice,
                format_args!("New connection from {peer} on port {listener_port}."),
            ),
            RuntimeEvent::ConnectionDenied { peer } => self.tell_connection(
                Level::Notice,
                format_args!(
                    "Client connection from {} denied: max_connections exceeded.",
                    peer.ip()
                ),
            ),
            RuntimeEvent::OutOfDescriptors => self.tell(
                Level::Error,
                format_args!(
                    "Error: Unable to accept new connection, system socket count has been \
                     exceeded. Try increasing \"ulimit -n\" or equivalent."
                ),
            ),
            RuntimeEvent::AcceptFailed { error } => {
                let error = describe(error);
                self.tell(
                    Level::Error,
                    format_args!("Error: Unable to accept new connection: {error}."),
                );
            }
            RuntimeEvent::ThreadFailed { thread, reason } => self.tell(
                Level::Error,
                format_args!("Error: Internal error in thread {thread}: {}", Escaped(reason)),
            ),
            RuntimeEvent::ArrivalFailed { shard, error } => {
                let (shard, error) = (shard.0, describe(error));
                self.tell(
                    Level::Error,
                    format_args!("Error: Shard {shard} cannot take a connection over: {error}."),
                );
            }
        }
    }
}

fn client_connected(log: &Log, event: &Event<'_>, peer: &PeerAddress) {
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
    let (client_id, level, clean) =
        (Escaped(client_id), version.level(), u8::from(clean_start));
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

fn disconnected(log: &Log, client_id: Option<&str>, cause: Cause, peer: &PeerAddress) {
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

fn publish_denied(log: &Log, client_id: &str, reason: ReasonCode, packet: &Packet<'_>) {
    let client = Escaped(client_id);
    match reason {
        ReasonCode::ReceiveMaximumExceeded => log.tell(
            Level::Warning,
            format_args!(
                "Client {client} has exceeded its receive-maximum quota. \
                 This behaviour must be fixed on the client."
            ),
        ),
        ReasonCode::QosNotSupported => log.tell(
            Level::Information,
            format_args!("Too high QoS in PUBLISH from {client}, disconnecting."),
        ),
        ReasonCode::QuotaExceeded => log.tell(
            Level::Debug,
            format_args!("Rejected PUBLISH from {client}, quota exceeded."),
        ),
        ReasonCode::PacketTooLarge => {
            packet_trace::publish(log, "Dropped too large PUBLISH from", client_id, packet, None);
        }
        _ => packet_trace::publish(log, "Denied PUBLISH from", client_id, packet, None),
    }
}

fn unknown_packet_id(log: &Log, client_id: &str, packet: &Packet<'_>) {
    let (name, ack) = match packet {
        Packet::Puback(ack) => ("PUBACK", ack),
        Packet::Pubcomp(ack) => ("PUBCOMP", ack),
        Packet::Pubrec(ack) => ("PUBREC", ack),
        // A PUBREL that comes again is how QoS 2 recovers, and no reason to worry.
        _ => return,
    };
    log.tell(
        Level::Warning,
        format_args!(
            "Warning: Received {name} from {} for an unknown packet identifier {}.",
            Escaped(client_id),
            ack.packet_id
        ),
    );
}

fn listening(log: &Log, place: &ListenPlace<'_>) {
    match place {
        ListenPlace::Tcp(SocketAddr::V4(address)) => log.tell(
            Level::Information,
            format_args!("Opening ipv4 listen socket on port {}.", address.port()),
        ),
        ListenPlace::Tcp(SocketAddr::V6(address)) => log.tell(
            Level::Information,
            format_args!("Opening ipv6 listen socket on port {}.", address.port()),
        ),
        ListenPlace::Unix(path) => log.tell(
            Level::Information,
            format_args!("Opening unix listen socket on path {path}."),
        ),
    }
}

/// What the system says, in its own words and without the number that Rust adds.
pub fn describe(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use mqtt_codec::{QoS, Version};

    use super::super::level::Levels;
    use super::super::log::tests::{keeping, kept};
    use super::super::packet_trace::tests::{ack, publish};
    use super::*;
    use crate::engine::ids::{ConnectionId, ShardId};

    const CONNECTION: ConnectionId = ConnectionId { index: 1, generation: 0 };

    fn peer() -> PeerAddress {
        PeerAddress::Tcp("10.0.0.7:40001".parse().unwrap())
    }

    fn connected<'a>(client_id: &'a str, user_name: Option<&'a str>) -> Event<'a> {
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

    fn ended(client_id: Option<&str>, cause: Cause) -> Event<'_> {
        Event::Disconnected { connection: CONNECTION, client_id, cause }
    }

    fn lines(event: &Event<'_>) -> Vec<String> {
        let log = keeping(Levels::ALL, true);
        log.event(event, Some(&peer()));
        kept(&log)
    }

    fn runtime_lines(event: &RuntimeEvent<'_>) -> Vec<String> {
        let log = keeping(Levels::ALL, true);
        log.runtime_event(event);
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
        let will = WillFacts { topic: "w/t", payload_len: 4, qos: QoS::AtLeastOnce, retain: true };
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
        assert_eq!(lines(&connected("c1", None))[1], "No will message specified.");
    }

    #[test]
    fn every_other_event_has_its_line() {
        let connection = CONNECTION;
        let detail = format_args!("bad {}", 7).to_string();
        let detail = format_args!("{detail}");
        let client_id = "c1";
        for (event, line) in [
            (
                Event::ProtocolViolation { connection, client_id: Some("c1"), detail: &detail },
                "Protocol error from c1: bad 7",
            ),
            (
                Event::ProtocolViolation { connection, client_id: None, detail: &detail },
                "Protocol error from 10.0.0.7:40001: bad 7",
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
            (Event::SessionExpired { client_id }, "Expiring client c1 due to timeout."),
            (
                Event::MessagesDropped { client_id },
                "Outgoing messages are being dropped for client c1.",
            ),
            (
                Event::OutgoingTooLarge { client_id, bytes: 900 },
                "Dropping too large outgoing PUBLISH for c1 (900 bytes)",
            ),
            (Event::Subscribed { client_id, qos: QoS::ExactlyOnce, filter: "a/#" }, "c1 2 a/#"),
            (Event::Unsubscribed { client_id, filter: "a/#" }, "c1 a/#"),
        ] {
            assert_eq!(lines(&event), [line]);
        }
    }

    #[test]
    fn refused_publishes_and_unknown_acknowledgements_are_told() {
        let client_id = "c1";
        let facts = "c1 (d0, q1, r0, m7, 'a/b', ... (2 bytes))";
        for (reason, line) in [
            (ReasonCode::NotAuthorized, format!("Denied PUBLISH from {facts}")),
            (ReasonCode::PacketTooLarge, format!("Dropped too large PUBLISH from {facts}")),
            (ReasonCode::QuotaExceeded, "Rejected PUBLISH from c1, quota exceeded.".to_owned()),
            (
                ReasonCode::QosNotSupported,
                "Too high QoS in PUBLISH from c1, disconnecting.".to_owned(),
            ),
            (
                ReasonCode::ReceiveMaximumExceeded,
                "Client c1 has exceeded its receive-maximum quota. \
                 This behaviour must be fixed on the client."
                    .to_owned(),
            ),
        ] {
            let packet = &publish("a/b");
            assert_eq!(lines(&Event::PublishDenied { client_id, reason, packet }), [line]);
        }
        for (packet, name) in
            [(Packet::Puback(ack()), "PUBACK"), (Packet::Pubrec(ack()), "PUBREC")]
        {
            let line =
                format!("Warning: Received {name} from c1 for an unknown packet identifier 7.");
            assert_eq!(lines(&Event::UnknownPacketId { client_id, packet: &packet }), [line]);
        }
        let repeated = &Packet::Pubrel(ack());
        assert_eq!(lines(&Event::UnknownPacketId { client_id, packet: repeated }), [""; 0]);
    }

    #[test]
    fn what_the_runtime_sees_has_its_lines() {
        let error = &std::io::Error::from_raw_os_error(Errno::EADDRINUSE as i32);
        let v4 = &ListenPlace::Tcp("127.0.0.1:1883".parse().unwrap());
        let v6 = &ListenPlace::Tcp("[::1]:1883".parse().unwrap());
        let unix = &ListenPlace::Unix("/run/mqtt");
        let peer = &peer();
        for (event, line) in [
            (
                RuntimeEvent::Listening { place: v4 },
                "Opening ipv4 listen socket on port 1883.",
            ),
            (
                RuntimeEvent::Listening { place: v6 },
                "Opening ipv6 listen socket on port 1883.",
            ),
            (
                RuntimeEvent::Listening { place: unix },
                "Opening unix listen socket on path /run/mqtt.",
            ),
            (
                RuntimeEvent::ListenFailed { place: v6, error },
                "Warning: Unable to listen on [::1]:1883: Address already in use.",
            ),
            (
                RuntimeEvent::NewConnection { peer, listener_port: 1883 },
                "New connection from 10.0.0.7:40001 on port 1883.",
            ),
            (
                RuntimeEvent::ConnectionDenied { peer },
                "Client connection from 10.0.0.7 denied: max_connections exceeded.",
            ),
            (
                RuntimeEvent::ThreadFailed { thread: "shard-0", reason: "no\nline" },
                "Error: Internal error in thread shard-0: no\\u{a}line",
            ),
            (
                RuntimeEvent::ArrivalFailed { shard: ShardId(1), error },
                "Error: Shard 1 cannot take a connection over: Address already in use.",
            ),
        ] {
            assert_eq!(runtime_lines(&event), [line]);
        }
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let evil = "x\n1700000000: New client connected from 1.2.3.4:5 as root (p5, c1, k60).";
        let told = [
            lines(&connected(evil, Some(evil))),
            lines(&ended(Some(evil), Cause::Disconnect)),
            lines(&Event::Subscribed { client_id: evil, qos: QoS::AtMostOnce, filter: evil }),
            lines(&Event::Received { client_id: evil, packet: &publish(evil) }),
        ];
        for lines in told {
            assert!(lines.iter().all(|line| !line.starts_with("1700000000")), "{lines:?}");
            assert!(lines[0].contains("\\u{a}1700000000"), "{lines:?}");
        }
    }

    #[test]
    fn without_connection_messages_and_without_their_kinds_lines_are_silent() {
        let quiet = keeping(Levels::ALL, false);
        quiet.event(&connected("c1", None), Some(&peer()));
        quiet.event(&ended(Some("c1"), Cause::Disconnect), Some(&peer()));
        quiet.runtime_event(&RuntimeEvent::NewConnection { peer: &peer(), listener_port: 1 });
        quiet.event(&Event::SessionExpired { client_id: "c1" }, None);
        assert_eq!(kept(&quiet), ["Expiring client c1 due to timeout."]);

        let errors = keeping(Levels::NONE.with(Level::Error), true);
        errors.event(&connected("c1", None), Some(&peer()));
        errors.event(&Event::Unsubscribed { client_id: "c1", filter: "a" }, None);
        errors.runtime_event(&RuntimeEvent::OutOfDescriptors);
        assert_eq!(kept(&errors).len(), 1);
    }
}
