//! Scenarios of the client session, without sockets: a bench that plays the server.

mod connecting;
mod publishing;
mod receiving;
mod requests;

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use mqtt_codec::{
    Ack, Connack, DecodeErrorKind, Decoded, Disconnect, Limits, Packet, PacketId, Properties,
    PropertiesBuf, Property, Publish, QoS, ReasonCode, Sender, Suback, SubscriptionOptions,
    TopicName, Version, decode, decode_connect,
};

use crate::time::Instant;

use super::{
    Acknowledge, ClientSession, Event, Failure, Outcome, Publication, PublishId, RequestError,
    Settings, Taken,
};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;
const OK: ReasonCode = ReasonCode::Success;

/// A session, and the server it talks to, as far as a test plays one.
struct Bench {
    session: ClientSession,
    now: Instant,
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn at(secs: u64) -> Instant {
    Instant::from_millis(secs * 1_000)
}

fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    list.iter().copied().collect()
}

fn settings(version: Version) -> Settings {
    Settings {
        client_id: "c".into(),
        ..Settings::new(version)
    }
}

fn publish(qos: QoS, packet_id: u16, payload: &[u8]) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::parse("t").unwrap()),
        packet_id: PacketId::new(packet_id),
        properties: Properties::EMPTY,
        payload,
    })
}

fn ack(packet_id: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(packet_id),
        reason,
        properties: Properties::EMPTY,
    }
}

/// One line for each packet, with what tells them apart.
fn line(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => format!(
            "PUBLISH {}{} d{} {} {}",
            publish
                .packet_id
                .map_or(String::new(), |id| format!("m{id} ")),
            publish.topic.map_or("-", |topic| topic.as_str()),
            u8::from(publish.dup),
            publish
                .properties
                .topic_alias()
                .map_or(String::new(), |alias| format!("a{alias}")),
            String::from_utf8_lossy(publish.payload),
        ),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            format!("{name} m{} {:#04x}", ack.packet_id, ack.reason.as_u8())
        }
        Packet::Disconnect(disconnect) => format!("{name} {:#04x}", disconnect.reason.as_u8()),
        Packet::Subscribe(subscribe) => format!("{name} m{}", subscribe.packet_id),
        _ => name.to_owned(),
    }
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            session: ClientSession::new(settings),
            now: at(0),
        }
    }

    /// Up to CONNACK, which it accepts.
    fn connected(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.connect(false, &[]);
        bench
    }

    fn connect(&mut self, session_present: bool, said: &[Property<'_>]) {
        self.session.handle_opened(self.now).unwrap();
        let written = self.session.output().len();
        self.session.handle_written(self.now, written);
        let said = properties(said);
        let connack = Connack {
            session_present,
            reason: OK,
            properties: said.as_properties(),
        };
        self.hear(&Packet::Connack(connack), |event| {
            assert_eq!(event, Event::Connected)
        });
        self.session.handle_tick(self.now).unwrap();
    }

    /// What the server says; the event must be there, and is looked at.
    fn hear(&mut self, packet: &Packet<'_>, look: impl FnOnce(Event<'_>)) {
        look(self.take(packet).unwrap().expect("the packet is an event"));
    }

    /// What the server says, of which the program hears nothing.
    fn hear_silently(&mut self, packet: &Packet<'_>) {
        assert_eq!(self.take(packet).unwrap(), None);
    }

    fn fail(&mut self, packet: &Packet<'_>) -> Failure {
        self.take(packet).unwrap_err()
    }

    fn take(&mut self, packet: &Packet<'_>) -> Result<Option<Event<'static>>, Failure> {
        let mut bytes = Vec::new();
        packet.encode(self.session.version(), &mut bytes);
        // A test may leak a few bytes for the sake of a simple signature.
        let bytes: &'static [u8] = bytes.leak();
        match self.session.handle_bytes(self.now, bytes)? {
            Taken::Packet { consumed, event } => {
                assert_eq!(consumed, bytes.len());
                Ok(event.map(detach))
            }
            Taken::Incomplete(_) => panic!("the packet is whole"),
        }
    }

    /// Lines of all packets in the output, which count as written.
    fn written(&mut self) -> Vec<String> {
        let output = self.session.output().to_vec();
        let version = self.session.version();
        let (mut rest, mut lines) = (&output[..], Vec::new());
        while !rest.is_empty() {
            let limits = Limits::default();
            match decode(rest, version, Sender::Client, &limits).unwrap() {
                Decoded::Packet { packet, consumed } => {
                    lines.push(line(&packet));
                    rest = &rest[consumed..];
                }
                Decoded::Incomplete(_) => panic!("the output ends within a packet"),
            }
        }
        self.session.handle_written(self.now, output.len());
        lines
    }

    fn publish(&mut self, qos: QoS, payload: &'static str) -> PublishId {
        self.session
            .publish(self.now, &Publication::new("t", payload).qos(qos))
            .unwrap()
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.session.next_outcome()).collect()
    }
}

/// The event without its ties to the session; topics of aliases are leaked too.
fn detach(event: Event<'_>) -> Event<'static> {
    fn keep(bytes: &[u8]) -> &'static [u8] {
        bytes.to_vec().leak()
    }
    let keep_all = |block: Properties<'_>| Properties::trusted(keep(block.as_bytes()));
    match event {
        Event::Connected => Event::Connected,
        Event::Released(packet_id) => Event::Released(packet_id),
        Event::Message(publish) => Event::Message(Publish {
            topic: publish
                .topic
                .map(|topic| TopicName::trusted(topic.as_str().to_owned().leak())),
            properties: keep_all(publish.properties),
            payload: keep(publish.payload),
            ..publish
        }),
        Event::Published {
            id,
            packet_id,
            reason,
            properties,
        } => Event::Published {
            id,
            packet_id,
            reason,
            properties: keep_all(properties),
        },
        Event::Subscribed {
            packet_id,
            reasons,
            properties,
        } => Event::Subscribed {
            packet_id,
            reasons: keep(reasons),
            properties: keep_all(properties),
        },
        Event::Unsubscribed {
            packet_id,
            reasons,
            properties,
        } => Event::Unsubscribed {
            packet_id,
            reasons: keep(reasons),
            properties: keep_all(properties),
        },
        Event::Authenticate { reason, properties } => Event::Authenticate {
            reason,
            properties: keep_all(properties),
        },
    }
}

fn reason_of(failure: &Failure) -> ReasonCode {
    match failure {
        Failure::Protocol { reason, .. } | Failure::Disconnected { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

fn aliased(topic: Option<&'static str>, alias: u16) -> Packet<'static> {
    let block = properties(&[Property::TopicAlias(alias)])
        .as_properties()
        .as_bytes()
        .to_vec();
    Packet::Publish(Publish {
        dup: false,
        qos: Q0,
        retain: false,
        topic: topic.map(TopicName::trusted),
        packet_id: None,
        properties: Properties::trusted(block.leak()),
        payload: b"",
    })
}
