//! Debug lines: each packet that comes in or goes out.

use mqtt_codec::{Auth, Packet, Version};

use super::escape::Escaped;
use super::level::Level;
use super::log::Log;
use crate::engine::event::Event;
use crate::runtime::PeerAddress;

/// A packet came in.
pub(super) fn received(log: &Log, client_id: &str, packet: &Packet<'_>) {
    if !log.wants(Level::Debug) {
        return;
    }
    let client = Escaped(client_id);
    let name = packet.packet_type();
    match packet {
        // CONNECT has its line when it is accepted.
        Packet::Connect(_) => {}
        Packet::Publish(_) => publish(log, "Received PUBLISH from", client_id, packet, None),
        Packet::Puback(ack) | Packet::Pubcomp(ack) => log.tell(
            Level::Debug,
            format_args!(
                "Received {name} from {client} (Mid: {}, RC:{})",
                ack.packet_id,
                ack.reason.as_u8()
            ),
        ),
        Packet::Pubrec(ack) | Packet::Pubrel(ack) => log.tell(
            Level::Debug,
            format_args!("Received {name} from {client} (Mid: {})", ack.packet_id),
        ),
        Packet::Subscribe(subscribe) => {
            log.tell(Level::Debug, format_args!("Received {name} from {client}"));
            for (filter, options) in subscribe.filters {
                let qos = options.qos.as_u8();
                log.tell(
                    Level::Debug,
                    format_args!("\t{} (QoS {qos})", Escaped(filter)),
                );
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            log.tell(Level::Debug, format_args!("Received {name} from {client}"));
            for filter in unsubscribe.filters {
                log.tell(Level::Debug, format_args!("\t{}", Escaped(filter)));
            }
        }
        Packet::Auth(packet) => auth(log, "Received AUTH from", client_id, packet),
        _ => log.tell(Level::Debug, format_args!("Received {name} from {client}")),
    }
}

/// A packet goes out. `payload_len` is that of a PUBLISH.
pub(super) fn sending(log: &Log, event: &Event<'_>, peer: &PeerAddress, version: Version) {
    let Event::Sending {
        client_id,
        packet,
        payload_len,
        ..
    } = *event
    else {
        return;
    };
    if !log.wants(Level::Debug) {
        return;
    }
    let address;
    let client_id = match client_id {
        Some(client_id) => client_id,
        None => {
            address = peer.ip().to_string();
            &address
        }
    };
    let client = Escaped(client_id);
    let name = packet.packet_type();
    match packet {
        Packet::Publish(_) => {
            publish(
                log,
                "Sending PUBLISH to",
                client_id,
                packet,
                Some(payload_len),
            );
        }
        Packet::Connack(connack) => log.tell(
            Level::Debug,
            format_args!(
                "Sending {name} to {client} ({}, {})",
                u8::from(connack.session_present),
                if version.is_v5() {
                    connack.reason.as_u8()
                } else {
                    connack.reason.connect_return_code()
                }
            ),
        ),
        Packet::Puback(ack) | Packet::Pubrec(ack) => log.tell(
            Level::Debug,
            format_args!(
                "Sending {name} to {client} (m{}, rc{})",
                ack.packet_id,
                ack.reason.as_u8()
            ),
        ),
        Packet::Pubrel(ack) | Packet::Pubcomp(ack) => log.tell(
            Level::Debug,
            format_args!("Sending {name} to {client} (m{})", ack.packet_id),
        ),
        Packet::Disconnect(disconnect) => log.tell(
            Level::Debug,
            format_args!(
                "Sending {name} to {client} (rc{})",
                disconnect.reason.as_u8()
            ),
        ),
        Packet::Auth(packet) => auth(log, "Sending AUTH to", client_id, packet),
        _ => log.tell(Level::Debug, format_args!("Sending {name} to {client}")),
    }
}

/// A PUBLISH with its facts. The payload itself is never shown. `payload_len` where the packet
/// lacks its payload.
pub(super) fn publish(
    log: &Log,
    what: &str,
    client_id: &str,
    packet: &Packet<'_>,
    payload_len: Option<usize>,
) {
    let Packet::Publish(publish) = packet else {
        return;
    };
    log.tell(
        Level::Debug,
        format_args!(
            "{what} {} (d{}, q{}, r{}, m{}, '{}', ... ({} bytes))",
            Escaped(client_id),
            u8::from(publish.dup),
            publish.qos.as_u8(),
            u8::from(publish.retain),
            publish.packet_id.map_or(0, |id| id.get()),
            Escaped(publish.topic.map_or("", |topic| topic.as_str())),
            payload_len.unwrap_or(publish.payload.len()),
        ),
    );
}

fn auth(log: &Log, what: &str, client_id: &str, packet: &Auth<'_>) {
    log.tell(
        Level::Debug,
        format_args!(
            "{what} {} (rc{}, {})",
            Escaped(client_id),
            packet.reason.as_u8(),
            Escaped(packet.properties.authentication_method().unwrap_or(""))
        ),
    );
}

#[cfg(test)]
pub(super) mod tests {
    use mqtt_codec::{
        Ack, Connack, Disconnect, PacketId, Properties, Publish, QoS, ReasonCode, Subscribe,
        SubscribeFiltersBuf, SubscriptionOptions, TopicName, Unsubscribe, UnsubscribeFiltersBuf,
    };

    use super::super::level::Levels;
    use super::super::log::tests::{keeping, kept};
    use super::*;
    use crate::engine::ids::ConnectionId;

    pub(in crate::observe) fn publish(topic: &str) -> Packet<'_> {
        Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Some(TopicName::trusted(topic)),
            packet_id: PacketId::new(7),
            properties: Properties::EMPTY,
            payload: b"hi",
        })
    }

    pub(in crate::observe) fn ack() -> Ack<'static> {
        Ack {
            packet_id: PacketId::new(7).unwrap(),
            reason: ReasonCode::NotAuthorized,
            properties: Properties::EMPTY,
        }
    }

    fn lines(tell: impl FnOnce(&Log)) -> Vec<String> {
        let log = keeping(Levels::ALL, true);
        tell(&log);
        kept(&log)
    }

    #[test]
    fn packets_that_come_in_read_as_in_mosquitto() {
        for (packet, line) in [
            (
                publish("a/b"),
                "Received PUBLISH from c1 (d0, q1, r0, m7, 'a/b', ... (2 bytes))",
            ),
            (
                Packet::Puback(ack()),
                "Received PUBACK from c1 (Mid: 7, RC:135)",
            ),
            (
                Packet::Pubcomp(ack()),
                "Received PUBCOMP from c1 (Mid: 7, RC:135)",
            ),
            (Packet::Pubrec(ack()), "Received PUBREC from c1 (Mid: 7)"),
            (Packet::Pubrel(ack()), "Received PUBREL from c1 (Mid: 7)"),
            (Packet::Pingreq, "Received PINGREQ from c1"),
        ] {
            assert_eq!(lines(|log| received(log, "c1", &packet)), [line]);
        }
    }

    #[test]
    fn filters_stand_in_lines_of_their_own() {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..Default::default()
        };
        let mut filters = SubscribeFiltersBuf::new();
        filters.push("a/#", options);
        filters.push("b\u{1}", options);
        let packet = Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::EMPTY,
            filters: filters.as_filters(),
        });
        assert_eq!(
            lines(|log| received(log, "c1", &packet)),
            [
                "Received SUBSCRIBE from c1",
                "\ta/# (QoS 1)",
                "\tb\\u{1} (QoS 1)"
            ]
        );
        let mut filters = UnsubscribeFiltersBuf::new();
        filters.push("a/#");
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: Properties::EMPTY,
            filters: filters.as_filters(),
        });
        assert_eq!(
            lines(|log| received(log, "c1", &packet)),
            ["Received UNSUBSCRIBE from c1", "\ta/#"]
        );
    }

    #[test]
    fn packets_that_go_out_read_as_in_mosquitto() {
        let properties = Properties::EMPTY;
        let reason = ReasonCode::NotAuthorized;
        let peer = PeerAddress::Tcp("10.0.0.7:40001".parse().unwrap());
        let connack = Packet::Connack(Connack {
            session_present: true,
            reason,
            properties,
        });
        let disconnect = Packet::Disconnect(Disconnect { reason, properties });
        let connection = ConnectionId {
            index: 0,
            generation: 0,
        };
        let said = |client_id, packet: &Packet<'_>, version| {
            let event = Event::Sending {
                client_id,
                connection,
                version,
                packet,
                payload_len: 9,
            };
            lines(|log| sending(log, &event, &peer, version))
        };
        let to_3_1_1 = said(Some("c1"), &connack, Version::V311);
        assert_eq!(to_3_1_1, ["Sending CONNACK to c1 (1, 5)"]);
        for (client, packet, line) in [
            (
                Some("c1"),
                publish("a/b"),
                "Sending PUBLISH to c1 (d0, q1, r0, m7, 'a/b', ... (9 bytes))",
            ),
            (Some("c1"), connack, "Sending CONNACK to c1 (1, 135)"),
            (None, connack, "Sending CONNACK to 10.0.0.7 (1, 135)"),
            (
                Some("c1"),
                Packet::Puback(ack()),
                "Sending PUBACK to c1 (m7, rc135)",
            ),
            (
                Some("c1"),
                Packet::Pubrec(ack()),
                "Sending PUBREC to c1 (m7, rc135)",
            ),
            (
                Some("c1"),
                Packet::Pubrel(ack()),
                "Sending PUBREL to c1 (m7)",
            ),
            (
                Some("c1"),
                Packet::Pubcomp(ack()),
                "Sending PUBCOMP to c1 (m7)",
            ),
            (Some("c1"), Packet::Pingresp, "Sending PINGRESP to c1"),
            (Some("c1"), disconnect, "Sending DISCONNECT to c1 (rc135)"),
        ] {
            assert_eq!(said(client, &packet, Version::V5), [line]);
        }
    }
}
