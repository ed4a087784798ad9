//! Legal packets of every type, version and side, out of random parts.
#![expect(
    clippy::unwrap_used,
    reason = "a generator that fails is a test that fails"
)]

use mqtt_codec::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, PacketId, Properties, PropertiesBuf, Property,
    PropertyId, PropertyPlace, Publish, QoS, ReasonCode, RetainHandling, Sender, Suback, Subscribe,
    SubscribeFiltersBuf, SubscriptionOptions, TopicName, Unsuback, Unsubscribe,
    UnsubscribeFiltersBuf, Version, Will,
};
use proptest::prelude::*;

/// What packets are made of; which of it a packet needs depends on its type.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    shape: u8,
    version: Version,
    is_server: bool,
    flags: u16,
    numbers: (u16, u16),
    texts: (String, String, String),
    topic: String,
    blobs: (Vec<u8>, Vec<u8>),
    properties: Vec<(prop::sample::Index, u32, String, String)>,
    filters: Vec<(String, u8)>,
    codes: Vec<prop::sample::Index>,
}

/// Text of any kind but NUL, mostly short.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-z/$]{0,12}", 4 => "[^\u{0}]{0,30}", 1 => "[^\u{0}]{200,300}"]
}

fn topic() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-z/$]{1,12}", 4 => "[^\u{0}+#]{1,30}", 1 => "[^\u{0}+#]{200,300}"]
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (120_usize..140).prop_map(|len| vec![7; len]),
        1 => (16_300_usize..16_500).prop_map(|len| vec![0; len]),
    ]
}

/// Random parts for [`with_packet`].
pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let version =
        prop_oneof![1 => Just(Version::V31), 1 => Just(Version::V311), 3 => Just(Version::V5)];
    let property = (
        any::<prop::sample::Index>(),
        1_u32..=u32::MAX,
        text(),
        text(),
    );
    let head = (
        0_u8..15,
        version,
        any::<bool>(),
        any::<u16>(),
        (1_u16.., any::<u16>()),
    );
    let text_parts = ((text(), text(), text()), topic(), (blob(), blob()));
    let lists = (
        prop::collection::vec(property, 0..6),
        prop::collection::vec((text(), any::<u8>()), 1..5),
        prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    );
    (head, text_parts, lists).prop_map(|(head, text_parts, lists)| {
        let (shape, version, is_server, flags, numbers) = head;
        let (texts, topic, blobs) = text_parts;
        let (properties, filters, codes) = lists;
        Parts {
            shape,
            version,
            is_server,
            flags,
            numbers,
            texts,
            topic,
            blobs,
            properties,
            filters,
            codes,
        }
    })
}

impl Parts {
    fn flag(&self, bit: u16) -> bool {
        self.flags & (1 << bit) != 0
    }

    fn qos(&self) -> QoS {
        QoS::from_u8(u8::try_from(self.flags % 3).unwrap()).unwrap()
    }

    fn packet_id(&self) -> PacketId {
        PacketId::new(self.numbers.0).unwrap()
    }

    fn code(&self, allowed: &[u8]) -> ReasonCode {
        ReasonCode::from_u8(*self.codes[0].get(allowed)).unwrap()
    }

    fn codes(&self, allowed: &[u8]) -> Vec<u8> {
        self.codes.iter().map(|code| *code.get(allowed)).collect()
    }

    fn sender(&self, only: Option<Sender>) -> Sender {
        only.unwrap_or(if self.is_server {
            Sender::Server
        } else {
            Sender::Client
        })
    }

    /// Properties that may stand there; `needed` first.
    fn block(
        &self,
        place: PropertyPlace,
        sender: Sender,
        needed: &[Property<'_>],
    ) -> PropertiesBuf {
        let mut block: PropertiesBuf = needed.iter().copied().collect();
        let mut seen: Vec<PropertyId> = needed.iter().map(Property::id).collect();
        if self.version != Version::V5 {
            return PropertiesBuf::new();
        }
        for (index, number, name, value) in &self.properties {
            let id = *index.get(&PropertyId::ALL);
            let one_sided = match (place, id) {
                (PropertyPlace::Publish, PropertyId::SubscriptionIdentifier)
                | (PropertyPlace::Disconnect, PropertyId::ServerReference) => Some(Sender::Server),
                (PropertyPlace::Disconnect, PropertyId::SessionExpiryInterval) => {
                    Some(Sender::Client)
                }
                _ => None,
            };
            let repeats = seen.contains(&id) && !id.may_repeat_in(place);
            // Data needs its method, which only `needed` brings.
            let data_alone = id == PropertyId::AuthenticationData
                && !seen.contains(&PropertyId::AuthenticationMethod);
            let foreign = one_sided.is_some_and(|only| only != sender);
            if id.is_allowed_in(place) && !repeats && !data_alone && !foreign {
                seen.push(id);
                block.push(self.property(id, *number, name, value));
            }
        }
        block
    }

    fn property<'a>(
        &'a self,
        id: PropertyId,
        number: u32,
        name: &'a str,
        value: &'a str,
    ) -> Property<'a> {
        let flag = number.is_multiple_of(2);
        let short = u16::try_from(number % 0xFFFF).unwrap() + 1;
        match id {
            PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag),
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number),
            PropertyId::ContentType => Property::ContentType(name),
            PropertyId::ResponseTopic => Property::ResponseTopic(&self.topic),
            PropertyId::CorrelationData => Property::CorrelationData(value.as_bytes()),
            PropertyId::SubscriptionIdentifier => {
                Property::SubscriptionIdentifier(number % 268_435_455 + 1)
            }
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(name),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(short),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(name),
            PropertyId::AuthenticationData => Property::AuthenticationData(value.as_bytes()),
            PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
            PropertyId::WillDelayInterval => Property::WillDelayInterval(number),
            PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
            PropertyId::ResponseInformation => Property::ResponseInformation(name),
            PropertyId::ServerReference => Property::ServerReference(name),
            PropertyId::ReasonString => Property::ReasonString(name),
            PropertyId::ReceiveMaximum => Property::ReceiveMaximum(short),
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(short),
            PropertyId::TopicAlias => Property::TopicAlias(short),
            PropertyId::MaximumQos => Property::MaximumQos(if flag {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            }),
            PropertyId::RetainAvailable => Property::RetainAvailable(flag),
            PropertyId::UserProperty => Property::UserProperty(name, value),
            PropertyId::MaximumPacketSize => Property::MaximumPacketSize(number),
            PropertyId::WildcardSubscriptionAvailable => {
                Property::WildcardSubscriptionAvailable(flag)
            }
            PropertyId::SubscriptionIdentifierAvailable => {
                Property::SubscriptionIdentifierAvailable(flag)
            }
            PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
        }
    }

    fn connect(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let is_v5 = self.version == Version::V5;
        let method = [Property::AuthenticationMethod(&self.texts.2)];
        let needed = if self.flag(3) { &method[..] } else { &[] };
        let block = self.block(PropertyPlace::Connect, Sender::Client, needed);
        let will_block = self.block(PropertyPlace::Will, Sender::Client, &[]);
        let user_name = self.flag(4).then_some(self.texts.1.as_str());
        let may_prove = is_v5 || user_name.is_some();
        let connect = Connect {
            version: self.version,
            bridge: self.flag(5),
            clean_start: self.flag(6),
            keep_alive: self.numbers.1,
            properties: block.as_properties(),
            client_id: &self.texts.0,
            will: self.flag(7).then_some(Will {
                qos: self.qos(),
                retain: self.flag(8),
                topic: TopicName::parse(&self.topic).unwrap(),
                properties: will_block.as_properties(),
                payload: &self.blobs.0,
            }),
            user_name,
            password: (self.flag(9) && may_prove).then_some(&self.blobs.1),
        };
        then(&Packet::Connect(connect), self.version, Sender::Client);
    }

    fn connack(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let block = self.block(PropertyPlace::Connack, Sender::Server, &[]);
        let reason = match self.version {
            Version::V31 | Version::V311 => self.code(&[0, 0x84, 0x85, 0x88, 0x86, 0x87]),
            Version::V5 => self.code(&[0, 0x80, 0x81, 0x84, 0x87, 0x8C, 0x90, 0x95, 0x9D, 0x9F]),
        };
        let may_resume = reason == ReasonCode::Success && self.version != Version::V31;
        let session_present = may_resume && self.flag(3);
        let connack = Connack {
            session_present,
            reason,
            properties: block.as_properties(),
        };
        then(&Packet::Connack(connack), self.version, Sender::Server);
    }

    fn publish(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let sender = self.sender(None);
        let block = self.block(PropertyPlace::Publish, sender, &[]);
        let properties = block.as_properties();
        let qos = self.qos();
        let aliased = properties.topic_alias().is_some() && self.flag(3);
        let publish = Publish {
            dup: qos != QoS::AtMostOnce && self.flag(4),
            qos,
            retain: self.flag(5),
            topic: (!aliased).then_some(TopicName::parse(&self.topic).unwrap()),
            packet_id: (qos != QoS::AtMostOnce).then_some(self.packet_id()),
            properties,
            payload: &self.blobs.0,
        };
        then(&Packet::Publish(publish), self.version, sender);
    }

    fn ack(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let sender = self.sender(None);
        let block = self.block(PropertyPlace::Acknowledgement, sender, &[]);
        let allowed: &[u8] = match (self.version, self.shape) {
            (Version::V31 | Version::V311, _) => &[0],
            (Version::V5, 3 | 4) => &[0, 0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
            (Version::V5, _) => &[0, 0x92],
        };
        let ack = Ack {
            packet_id: self.packet_id(),
            reason: self.code(allowed),
            properties: block.as_properties(),
        };
        let packet = match self.shape {
            3 => Packet::Puback(ack),
            4 => Packet::Pubrec(ack),
            5 => Packet::Pubrel(ack),
            _ => Packet::Pubcomp(ack),
        };
        then(&packet, self.version, sender);
    }

    fn subscribe(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let block = self.block(PropertyPlace::Subscribe, Sender::Client, &[]);
        let mut filters = SubscribeFiltersBuf::new();
        for (filter, bits) in &self.filters {
            let is_v5 = self.version == Version::V5;
            let options = SubscriptionOptions {
                qos: QoS::from_u8(bits % 3).unwrap(),
                no_local: is_v5 && bits & 4 != 0 && !filter.starts_with("$share/"),
                retain_as_published: is_v5 && bits & 8 != 0,
                retain_handling: match bits >> 6 {
                    1 if is_v5 => RetainHandling::IfNew,
                    2 if is_v5 => RetainHandling::Never,
                    _ => RetainHandling::Always,
                },
            };
            filters.push(filter, options);
        }
        let subscribe = Subscribe {
            packet_id: self.packet_id(),
            properties: block.as_properties(),
            filters: filters.as_filters(),
        };
        then(&Packet::Subscribe(subscribe), self.version, Sender::Client);
    }

    fn unsubscribe(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let block = self.block(PropertyPlace::Unsubscribe, Sender::Client, &[]);
        let mut filters = UnsubscribeFiltersBuf::new();
        for (filter, _) in &self.filters {
            filters.push(filter);
        }
        let unsubscribe = Unsubscribe {
            packet_id: self.packet_id(),
            properties: block.as_properties(),
            filters: filters.as_filters(),
        };
        then(
            &Packet::Unsubscribe(unsubscribe),
            self.version,
            Sender::Client,
        );
    }

    fn suback(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let block = self.block(PropertyPlace::Suback, Sender::Server, &[]);
        let (packet_id, properties) = (self.packet_id(), block.as_properties());
        if self.shape == 8 {
            let reasons = self.codes(match self.version {
                Version::V31 => &[0, 1, 2],
                Version::V311 => &[0, 1, 2, 0x80],
                Version::V5 => &[
                    0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
                ],
            });
            let suback = Suback {
                packet_id,
                properties,
                reasons: &reasons,
            };
            then(&Packet::Suback(suback), self.version, Sender::Server);
        } else {
            let mut reasons = self.codes(&[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]);
            if self.version != Version::V5 {
                reasons.clear();
            }
            let unsuback = Unsuback {
                packet_id,
                properties,
                reasons: &reasons,
            };
            then(&Packet::Unsuback(unsuback), self.version, Sender::Server);
        }
    }

    fn disconnect(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        let is_v5 = self.version == Version::V5;
        let sender = self.sender(if is_v5 { None } else { Some(Sender::Client) });
        let block = self.block(PropertyPlace::Disconnect, sender, &[]);
        let reason = match (is_v5, sender) {
            (false, _) => ReasonCode::Success,
            (true, Sender::Client) => self.code(&[0, 0, 4, 0x80, 0x82, 0x93, 0x99]),
            (true, Sender::Server) => self.code(&[0, 0, 0x81, 0x87, 0x8B, 0x8E, 0x9D, 0xA2]),
        };
        let disconnect = Disconnect {
            reason,
            properties: block.as_properties(),
        };
        then(&Packet::Disconnect(disconnect), self.version, sender);
    }

    fn auth(&self, then: &mut dyn FnMut(&Packet<'_>, Version, Sender)) {
        if self.version != Version::V5 {
            return;
        }
        let sender = self.sender(None);
        let method = [Property::AuthenticationMethod(&self.texts.0)];
        let block = self.block(PropertyPlace::Auth, sender, &method);
        let reason = match sender {
            Sender::Client => self.code(&[0x18, 0x19]),
            Sender::Server => self.code(&[0, 0x18]),
        };
        let properties: Properties<'_> = block.as_properties();
        then(
            &Packet::Auth(Auth { reason, properties }),
            self.version,
            sender,
        );
    }
}

/// Calls back with the packet that the parts make, its version and its sender; does nothing for
/// AUTH in 3.x.
pub(crate) fn with_packet(parts: &Parts, mut then: impl FnMut(&Packet<'_>, Version, Sender)) {
    match parts.shape {
        0 => parts.connect(&mut then),
        1 => parts.connack(&mut then),
        2 => parts.publish(&mut then),
        3..=6 => parts.ack(&mut then),
        7 => parts.subscribe(&mut then),
        8 | 10 => parts.suback(&mut then),
        9 => parts.unsubscribe(&mut then),
        11 => then(&Packet::Pingreq, parts.version, Sender::Client),
        12 => then(&Packet::Pingresp, parts.version, Sender::Server),
        13 => parts.disconnect(&mut then),
        _ => parts.auth(&mut then),
    }
}
