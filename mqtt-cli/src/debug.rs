//! `-d`: a line for each packet, as the original's library words it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use mqtt_client::{Packet, QoS, Version};
use mqtt_codec::{Ack, Connack, Publish};

pub use mqtt_client::Direction;

use crate::output::Output;

/// Turns packets into lines on an output.
pub struct PacketLines {
    output: Output,
    version: Version,
    state: Mutex<State>,
}

struct State {
    client_id: String,
    /// The original numbers QoS 0 messages too, as if they had a packet identifier.
    messages_at_qos_0: u16,
}

impl PacketLines {
    /// `client_id` may be empty, until the server assigns one.
    #[must_use]
    pub fn new(output: Output, version: Version, client_id: &str) -> Self {
        let state = State {
            client_id: client_id.to_owned(),
            messages_at_qos_0: 0,
        };
        Self {
            output,
            version,
            state: Mutex::new(state),
        }
    }

    /// Appends the lines for a packet.
    pub fn append(&self, direction: Direction, packet: &Packet<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match direction {
            Direction::Sent => self.sent(&mut state, packet),
            Direction::Received => self.received(&mut state, packet),
        };
        self.output.append(|out| {
            // Writing to memory cannot fail.
            let _ = out.write_all(lines.as_bytes());
        });
    }

    fn sent(&self, state: &mut State, packet: &Packet<'_>) -> String {
        let mut lines = String::new();
        let mut say = |state: &State, text: &str| {
            let _ = writeln!(lines, "Client {} sending {text}", shown_id(state, "null"));
        };
        match packet {
            Packet::Connect(_) => say(state, "CONNECT"),
            Packet::Publish(publish) => {
                let number = publish.packet_id.map_or_else(
                    || {
                        state.messages_at_qos_0 = state.messages_at_qos_0.wrapping_add(1).max(1);
                        state.messages_at_qos_0
                    },
                    mqtt_client::PacketId::get,
                );
                say(state, &publish_text(publish, number));
            }
            Packet::Puback(ack) => say(state, &answer_text("PUBACK", ack)),
            Packet::Pubrec(ack) => say(state, &answer_text("PUBREC", ack)),
            Packet::Pubrel(ack) => say(state, &format!("PUBREL (m{})", ack.packet_id)),
            Packet::Pubcomp(ack) => say(state, &format!("PUBCOMP (m{})", ack.packet_id)),
            Packet::Subscribe(subscribe) => {
                for (filter, options) in subscribe.filters.iter() {
                    let qos = options.qos.as_u8();
                    let rest = if self.version.is_v5() {
                        options.as_byte() & 0xFC
                    } else {
                        0
                    };
                    let id = subscribe.packet_id;
                    let text = format!(
                        "SUBSCRIBE (Mid: {id}, Topic: {filter}, QoS: {qos}, Options: 0x{rest:02x})"
                    );
                    say(state, &text);
                }
            }
            Packet::Unsubscribe(unsubscribe) => {
                for filter in unsubscribe.filters.iter() {
                    let id = unsubscribe.packet_id;
                    say(state, &format!("UNSUBSCRIBE (Mid: {id}, Topic: {filter})"));
                }
            }
            Packet::Pingreq => say(state, "PINGREQ"),
            Packet::Disconnect(_) => say(state, "DISCONNECT"),
            Packet::Auth(_) => say(state, "AUTH"),
            // A client sends none of these.
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {}
        }
        lines
    }

    fn received(&self, state: &mut State, packet: &Packet<'_>) -> String {
        let id = shown_id(state, "null");
        let said = |text: String| format!("Client {id} received {text}\n");
        match packet {
            Packet::Connack(connack) => self.connack(state, connack),
            Packet::Publish(publish) => {
                let number = publish.packet_id.map_or(0, mqtt_client::PacketId::get);
                said(publish_text(publish, number))
            }
            Packet::Puback(ack) => said(acknowledged_text("PUBACK", ack)),
            Packet::Pubcomp(ack) => said(acknowledged_text("PUBCOMP", ack)),
            Packet::Pubrec(ack) => said(format!("PUBREC (Mid: {})", ack.packet_id)),
            Packet::Pubrel(ack) => said(format!("PUBREL (Mid: {})", ack.packet_id)),
            Packet::Suback(_) => said("SUBACK".to_owned()),
            Packet::Unsuback(_) => said("UNSUBACK".to_owned()),
            Packet::Pingresp => said("PINGRESP".to_owned()),
            Packet::Auth(_) => said("AUTH".to_owned()),
            Packet::Disconnect(disconnect) => {
                format!("Received DISCONNECT ({})\n", disconnect.reason.as_u8())
            }
            // A server sends none of these.
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq => String::new(),
        }
    }

    fn connack(&self, state: &mut State, connack: &Connack<'_>) -> String {
        let code = if self.version.is_v5() {
            connack.reason.as_u8()
        } else {
            connack.reason.connect_return_code()
        };
        let line = format!(
            "Client {} received CONNACK ({code})\n",
            shown_id(state, "(null)")
        );
        if let Some(id) = connack.properties.assigned_client_identifier() {
            id.clone_into(&mut state.client_id);
        }
        line
    }
}

/// The original's words for no client identifier differ by line.
fn shown_id<'s>(state: &'s State, nothing: &'s str) -> &'s str {
    if state.client_id.is_empty() {
        nothing
    } else {
        &state.client_id
    }
}

fn publish_text(publish: &Publish<'_>, number: u16) -> String {
    let topic = publish.topic.map_or("(null)", |topic| topic.as_str());
    format!(
        "PUBLISH (d{}, q{}, r{}, m{number}, '{topic}', ... ({} bytes))",
        u8::from(publish.dup && publish.qos > QoS::AtMostOnce),
        publish.qos.as_u8(),
        u8::from(publish.retain),
        publish.payload.len()
    )
}

fn answer_text(name: &str, ack: &Ack<'_>) -> String {
    format!("{name} (m{}, rc{})", ack.packet_id, ack.reason.as_u8())
}

fn acknowledged_text(name: &str, ack: &Ack<'_>) -> String {
    format!("{name} (Mid: {}, RC:{})", ack.packet_id, ack.reason.as_u8())
}

#[cfg(test)]
mod tests {
    use mqtt_client::{PacketId, Properties, ReasonCode, TopicName};
    use mqtt_codec::{Connect, Disconnect};

    use super::*;

    fn publish(qos: QoS, packet_id: Option<u16>) -> Packet<'static> {
        Packet::Publish(Publish {
            dup: false,
            qos,
            retain: true,
            topic: Some(TopicName::trusted("a/b")),
            packet_id: packet_id.and_then(PacketId::new),
            properties: Properties::EMPTY,
            payload: b"hello",
        })
    }

    #[test]
    fn packets_are_told_in_the_words_of_the_original() {
        let id = PacketId::new(3).unwrap();
        let connack = Connack {
            session_present: false,
            reason: ReasonCode::NotAuthorized,
            properties: Properties::EMPTY,
        };
        for (direction, packet, expected) in [
            (
                Direction::Sent,
                Packet::Connect(Connect::new(Version::V311, "me")),
                "Client me sending CONNECT\n",
            ),
            (
                Direction::Received,
                Packet::Connack(connack),
                "Client me received CONNACK (5)\n",
            ),
            (
                Direction::Sent,
                publish(QoS::AtMostOnce, None),
                "Client me sending PUBLISH (d0, q0, r1, m1, 'a/b', ... (5 bytes))\n",
            ),
            (
                Direction::Received,
                publish(QoS::AtMostOnce, None),
                "Client me received PUBLISH (d0, q0, r1, m0, 'a/b', ... (5 bytes))\n",
            ),
            (
                Direction::Sent,
                publish(QoS::AtLeastOnce, Some(3)),
                "Client me sending PUBLISH (d0, q1, r1, m3, 'a/b', ... (5 bytes))\n",
            ),
            (
                Direction::Received,
                Packet::Puback(Ack::new(id)),
                "Client me received PUBACK (Mid: 3, RC:0)\n",
            ),
            (
                Direction::Sent,
                Packet::Pubrec(Ack::new(id)),
                "Client me sending PUBREC (m3, rc0)\n",
            ),
            (
                Direction::Sent,
                Packet::Pubcomp(Ack::new(id)),
                "Client me sending PUBCOMP (m3)\n",
            ),
            (
                Direction::Received,
                Packet::Pubrel(Ack::new(id)),
                "Client me received PUBREL (Mid: 3)\n",
            ),
            (
                Direction::Received,
                Packet::Disconnect(Disconnect::new(ReasonCode::ServerShuttingDown)),
                "Received DISCONNECT (139)\n",
            ),
        ] {
            let output = Output::default();
            PacketLines::new(output.clone(), Version::V311, "me").append(direction, &packet);
            let mut text = Vec::new();
            output.flush_to(&mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
