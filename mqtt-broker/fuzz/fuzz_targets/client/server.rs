//! The server's end: packets with fields out of the input, and a look at all that the client sends.

use std::collections::HashSet;

use mqtt_codec::{
    Ack, Auth, Connack, Decoded, Disconnect, Limits, Packet, PacketId, Properties, PropertiesBuf,
    Property, Publish, QoS, ReasonCode, Sender, Suback, TopicName, Unsuback, Version, decode,
    decode_connect,
};
use mqtt_session::client::Connected;

use crate::input::Input;

pub struct Server {
    version: Version,
    sent: Vec<u8>,
    has_connect: bool,
    /// Messages of QoS 1 and 2 that the client has open on this connection.
    open: HashSet<PacketId>,
    /// It said what may end a message that it has not seen: bytes whose meaning it does not know,
    /// or an acknowledgement ahead of the PUBLISH. How many are open it cannot tell any more.
    pub babbled: bool,
}

impl Server {
    pub fn new(version: Version) -> Self {
        Self {
            version,
            sent: Vec::new(),
            has_connect: false,
            open: HashSet::new(),
            babbled: false,
        }
    }

    /// Takes what the client wrote, in pieces of any size.
    pub fn takes(&mut self, bytes: &[u8], terms: Option<&Connected>) {
        self.sent.extend_from_slice(bytes);
        let sent = std::mem::take(&mut self.sent);
        let mut rest = sent.as_slice();
        if !self.has_connect {
            match decode_connect(rest, &Limits::default()).expect("a CONNECT comes first") {
                Decoded::Incomplete(_) => {
                    self.sent = rest.to_vec();
                    return;
                }
                Decoded::Packet { consumed, .. } => rest = &rest[consumed..],
            }
            self.has_connect = true;
        }
        loop {
            let decoded = decode(rest, self.version, Sender::Client, &Limits::default());
            match decoded.unwrap_or_else(|error| panic!("{error}: {rest:02x?}")) {
                Decoded::Incomplete(_) => {
                    self.sent = rest.to_vec();
                    return;
                }
                Decoded::Packet { packet, consumed } => {
                    self.check(&packet, consumed, terms);
                    rest = &rest[consumed..];
                }
            }
        }
    }

    fn check(&mut self, packet: &Packet<'_>, length: usize, terms: Option<&Connected>) {
        assert!(!matches!(packet, Packet::Connect(_)), "CONNECT comes once");
        let Some(terms) = terms else {
            return;
        };
        assert!(
            length <= terms.maximum_packet_size as usize,
            "{length} bytes: {packet:?}"
        );
        if let Packet::Publish(publish) = packet {
            assert!(publish.qos <= terms.maximum_qos, "{publish:?}");
            assert!(terms.retain_available || !publish.retain, "{publish:?}");
            let alias = publish.properties.topic_alias().unwrap_or(0);
            assert!(alias <= terms.topic_alias_maximum, "{publish:?}");
            if let Some(packet_id) = publish.packet_id.filter(|_| !self.babbled) {
                assert!(self.open.insert(packet_id), "{packet_id} is open");
                assert!(self.open.len() <= usize::from(terms.receive_maximum.get()));
            }
        }
    }

    /// A packet that need not be due.
    pub fn says(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let packet_id = PacketId::new(u16::from(input.byte() % 16) + 1).expect("at least 1");
        let reason = input.choose(&[0x00, 0x10, 0x80, 0x87, 0x92, 0x97, 0x18]);
        let reason = ReasonCode::from_u8(reason).expect("all of them are reason codes");
        let properties = Properties::EMPTY;
        let method: PropertiesBuf = [Property::AuthenticationMethod("m")].into_iter().collect();
        let method = method.as_properties();
        let ack = Ack {
            packet_id,
            reason,
            properties,
        };
        let packet = match input.below(14) {
            0..=2 => return self.publishes(input, packet_id, out),
            3 => Packet::Puback(ack),
            4 => Packet::Pubrec(ack),
            5 => Packet::Pubrel(ack),
            6 => Packet::Pubcomp(ack),
            7 => Packet::Suback(Suback {
                packet_id,
                properties,
                reasons: &[0, 1, 2, 0x80][..input.below(5)],
            }),
            8 if self.version.is_v5() => Packet::Unsuback(Unsuback {
                packet_id,
                properties,
                reasons: &[0, 0x11][..input.below(3)],
            }),
            8 => Packet::Unsuback(Unsuback {
                packet_id,
                properties,
                reasons: &[],
            }),
            9 => Packet::Pingresp,
            10 => Packet::Disconnect(Disconnect { reason, properties }),
            11 => Packet::Auth(Auth {
                reason,
                properties: method,
            }),
            _ => return self.accepts(input, out),
        };
        let may_end = match packet {
            Packet::Puback(_) | Packet::Pubcomp(_) => true,
            Packet::Pubrec(_) => reason.is_error(),
            _ => false,
        };
        self.babbled |= may_end && !self.open.remove(&packet_id);
        packet.encode(self.version, out);
    }

    pub fn accepts(&self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let mut properties = PropertiesBuf::new();
        let choices = if self.version.is_v5() {
            input.byte()
        } else {
            0
        };
        if choices & 1 != 0 {
            properties.push(Property::ReceiveMaximum(u16::from(input.byte() % 6)));
        }
        if choices & 2 != 0 {
            // With less than 5 nobody could even acknowledge.
            let bytes = u32::from(input.byte()) + 5;
            properties.push(Property::MaximumPacketSize(bytes));
        }
        if choices & 4 != 0 {
            properties.push(Property::TopicAliasMaximum(u16::from(input.byte() % 4)));
        }
        if choices & 8 != 0 {
            properties.push(Property::MaximumQos(QoS::AtLeastOnce));
        }
        if choices & 16 != 0 {
            properties.push(Property::RetainAvailable(false));
        }
        if choices & 32 != 0 {
            properties.push(Property::ServerKeepAlive(u16::from(input.byte())));
        }
        if choices & 64 != 0 {
            properties.push(Property::AssignedClientIdentifier("named"));
        }
        let connack = Connack {
            session_present: input.once_in(3),
            reason: if input.once_in(9) {
                ReasonCode::ServerBusy
            } else {
                ReasonCode::Success
            },
            properties: properties.as_properties(),
        };
        connack.encode(self.version, out);
    }

    fn publishes(&self, input: &mut Input<'_>, packet_id: PacketId, out: &mut Vec<u8>) {
        let choices = input.byte();
        let qos = QoS::from_u8(choices & 3).unwrap_or(QoS::ExactlyOnce);
        let mut properties = PropertiesBuf::new();
        let mut topic = TopicName::parse(input.choose(&["a", "a/b", "$SYS/x"])).ok();
        if self.version.is_v5() && choices & 4 != 0 {
            properties.push(Property::TopicAlias(u16::from(choices >> 6)));
            topic = topic.filter(|_| choices & 8 != 0);
        }
        let publish = Publish {
            dup: choices & 16 != 0 && qos != QoS::AtMostOnce,
            qos,
            retain: choices & 32 != 0,
            topic,
            packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
            properties: properties.as_properties(),
            payload: &vec![b'x'; usize::from(input.byte())],
        };
        publish.encode(self.version, out);
    }
}
