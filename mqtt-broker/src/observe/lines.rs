//! Events as lines, word for word as in Mosquitto where scripts read them.

use mqtt_codec::{Packet, ReasonCode};

use super::client_lines;
use super::escape::Escaped;
use super::level::Level;
use super::log::Log;
use super::packet_trace;
use super::runtime_lines;
use crate::engine::event::Event;
use crate::runtime::{Observer, PeerAddress, RuntimeEvent};

/// Stands where a peer's address should, for an event whose connection is gone already.
const UNKNOWN: PeerAddress = PeerAddress::Internal;

impl Observer for Log {
    fn event(&self, event: &Event<'_>, peer: Option<&PeerAddress>) {
        let peer = peer.unwrap_or(&UNKNOWN);
        match *event {
            Event::ClientConnected { .. } => client_lines::connected(self, event, peer),
            Event::Disconnected {
                client_id, cause, ..
            } => {
                client_lines::disconnected(self, client_id, cause, peer);
            }
            Event::ProtocolViolation {
                client_id, detail, ..
            } => {
                client_lines::protocol_violation(self, client_id, detail, peer);
            }
            Event::SecondConnect { .. } => client_lines::second_connect(self, peer),
            Event::TlsOnPlainListener { .. } => client_lines::tls_on_plain_listener(self, peer),
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
            Event::MessagesDamaged {
                client_id,
                messages,
            } => client_lines::messages_damaged(self, client_id, messages),
            Event::StoreFull { full } => store_full(self, full),
            Event::OutgoingTooLarge { client_id, bytes } => self.tell(
                Level::Notice,
                format_args!(
                    "Dropping too large outgoing PUBLISH for {} ({bytes} bytes)",
                    Escaped(client_id)
                ),
            ),
            Event::PublishDenied {
                client_id,
                reason,
                packet,
            } => {
                publish_denied(self, client_id, reason, packet);
            }
            Event::Subscribed {
                client_id,
                qos,
                filter,
            } => self.tell(
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
            Event::Sending { version, .. } => packet_trace::sending(self, event, peer, version),
        }
    }

    fn runtime_event(&self, event: &RuntimeEvent<'_>) {
        runtime_lines::tell(self, event);
    }
}

fn store_full(log: &Log, full: bool) {
    if full {
        log.tell(
            Level::Warning,
            format_args!(
                "The disk of the store is full: messages that would have to be kept are refused \
                 until there is room again (64 MiB, on a small disk less)."
            ),
        );
    } else {
        log.tell(
            Level::Notice,
            format_args!("The disk of the store has room again."),
        );
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
            packet_trace::publish(
                log,
                "Dropped too large PUBLISH from",
                client_id,
                packet,
                None,
            );
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

#[cfg(test)]
mod tests {
    use mqtt_codec::QoS;

    use super::super::client_lines::tests::{connected, ended, lines, peer};
    use super::super::level::Levels;
    use super::super::log::tests::{keeping, kept};
    use super::super::packet_trace::tests::{ack, publish};
    use super::*;
    use crate::engine::event::Cause;

    #[test]
    fn every_other_event_has_its_line() {
        let client_id = "c1";
        for (event, line) in [
            (
                Event::SessionExpired { client_id },
                "Expiring client c1 due to timeout.",
            ),
            (
                Event::MessagesDropped { client_id },
                "Outgoing messages are being dropped for client c1.",
            ),
            (
                Event::MessagesDamaged {
                    client_id,
                    messages: 3,
                },
                "Error: messages for client c1 are damaged in the store and were left out: 3.",
            ),
            (
                Event::OutgoingTooLarge {
                    client_id,
                    bytes: 900,
                },
                "Dropping too large outgoing PUBLISH for c1 (900 bytes)",
            ),
            (
                Event::Subscribed {
                    client_id,
                    qos: QoS::ExactlyOnce,
                    filter: "a/#",
                },
                "c1 2 a/#",
            ),
            (
                Event::Unsubscribed {
                    client_id,
                    filter: "a/#",
                },
                "c1 a/#",
            ),
        ] {
            assert_eq!(lines(&event), [line]);
        }
    }

    #[test]
    fn refused_publishes_and_unknown_acknowledgements_are_told() {
        let client_id = "c1";
        let facts = "c1 (d0, q1, r0, m7, 'a/b', ... (2 bytes))";
        for (reason, line) in [
            (
                ReasonCode::NotAuthorized,
                format!("Denied PUBLISH from {facts}"),
            ),
            (
                ReasonCode::PacketTooLarge,
                format!("Dropped too large PUBLISH from {facts}"),
            ),
            (
                ReasonCode::QuotaExceeded,
                "Rejected PUBLISH from c1, quota exceeded.".to_owned(),
            ),
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
            assert_eq!(
                lines(&Event::PublishDenied {
                    client_id,
                    reason,
                    packet
                }),
                [line]
            );
        }
        for (packet, name) in [
            (Packet::Puback(ack()), "PUBACK"),
            (Packet::Pubrec(ack()), "PUBREC"),
        ] {
            let line =
                format!("Warning: Received {name} from c1 for an unknown packet identifier 7.");
            assert_eq!(
                lines(&Event::UnknownPacketId {
                    client_id,
                    packet: &packet
                }),
                [line]
            );
        }
        let repeated = &Packet::Pubrel(ack());
        assert_eq!(
            lines(&Event::UnknownPacketId {
                client_id,
                packet: repeated
            }),
            [""; 0]
        );
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let evil = "x\n1700000000: New client connected from 1.2.3.4:5 as root (p5, c1, k60).";
        let told = [
            lines(&connected(evil, Some(evil))),
            lines(&ended(Some(evil), Cause::Disconnect)),
            lines(&Event::Subscribed {
                client_id: evil,
                qos: QoS::AtMostOnce,
                filter: evil,
            }),
            lines(&Event::Received {
                client_id: evil,
                packet: &publish(evil),
            }),
        ];
        for lines in told {
            assert!(
                lines.iter().all(|line| !line.starts_with("1700000000")),
                "{lines:?}"
            );
            assert!(lines[0].contains("\\u{a}1700000000"), "{lines:?}");
        }
    }

    #[test]
    fn without_connection_messages_and_without_their_kinds_lines_are_silent() {
        let quiet = keeping(Levels::ALL, false);
        quiet.event(&connected("c1", None), Some(&peer()));
        quiet.event(&ended(Some("c1"), Cause::Disconnect), Some(&peer()));
        quiet.runtime_event(&RuntimeEvent::NewConnection {
            peer: &peer(),
            listener_port: 1,
        });
        quiet.event(&Event::SessionExpired { client_id: "c1" }, None);
        assert_eq!(kept(&quiet), ["Expiring client c1 due to timeout."]);

        let errors = keeping(Levels::NONE.with(Level::Error), true);
        errors.event(&connected("c1", None), Some(&peer()));
        errors.event(
            &Event::Unsubscribed {
                client_id: "c1",
                filter: "a",
            },
            None,
        );
        errors.runtime_event(&RuntimeEvent::OutOfDescriptors);
        assert_eq!(kept(&errors).len(), 1);
    }
}
