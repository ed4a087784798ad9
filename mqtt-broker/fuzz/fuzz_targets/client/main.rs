//! Any bytes as what a server says to a client and what the client's program asks of it. The client
//! never panics, sends packets that are allowed by the server's terms, and tells the end of each
//! message once.
#![no_main]

#[path = "../input.rs"]
mod input;
mod server;

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mqtt_codec::{
    PacketId, Properties, PropertiesBuf, Property, QoS, ReasonCode, SubscriptionOptions, Version,
};
use mqtt_session::client::{
    Acknowledge, ClientSession, Connected, Event, Publication, PublishId, Settings, Taken, Will,
};
use mqtt_session::time::Instant;

use input::Input;
use server::Server;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut bench = Bench::new(&mut input);
    while !input.is_empty() {
        bench.event(&mut input);
        bench.look();
    }
});

struct Bench {
    session: ClientSession,
    server: Server,
    version: Version,
    now: Instant,
    is_open: bool,
    /// Bytes of the server that the client did not take yet.
    unread: Vec<u8>,
    /// The terms in force when the client wrote last; they end before what it wrote is read.
    terms: Option<Connected>,
    /// Messages whose end is not told.
    unfinished: HashSet<PublishId>,
    /// Messages of the server that wait for an acknowledgement.
    unacknowledged: Vec<PacketId>,
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Self {
        let version = input.choose(&[Version::V5, Version::V311, Version::V31]);
        Self {
            session: ClientSession::new(settings(input, version)),
            server: Server::new(version),
            version,
            now: Instant::from_millis(1_000_000),
            is_open: false,
            unread: Vec::new(),
            terms: None,
            unfinished: HashSet::new(),
            unacknowledged: Vec::new(),
        }
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 | 1 => self.open(input),
            2 => {
                self.unread.extend_from_slice(input.bytes());
                self.server.babbled = true;
                self.read();
            }
            3..=6 => {
                self.server.says(input, &mut self.unread);
                self.read();
            }
            7..=9 => self.publish(input),
            10 => self.subscribe(input),
            11 => self.write(usize::from(input.byte()) * 8),
            12 => {
                self.now = self
                    .now
                    .saturating_add(Duration::from_millis(u64::from(input.byte()) * 200));
                if self.session.handle_tick(self.now).is_err() {
                    self.close();
                }
            }
            13 => self.close(),
            14 => {
                let packet_id = self.unacknowledged.pop().unwrap_or(PacketId::MIN);
                let reason = input.choose(&[ReasonCode::Success, ReasonCode::NotAuthorized]);
                let _ = self.session.acknowledge(self.now, packet_id, reason);
            }
            _ => {
                let method = Property::AuthenticationMethod("m");
                let properties: PropertiesBuf = [method].into_iter().collect();
                let (now, reason) = (self.now, ReasonCode::Reauthenticate);
                let properties = properties.as_properties();
                if input.once_in(4) {
                    let _ = self.session.authenticate(now, reason, properties);
                } else {
                    let reason = ReasonCode::DisconnectWithWill;
                    let _ = self.session.disconnect(now, reason, Properties::EMPTY);
                }
            }
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        if self.is_open {
            return;
        }
        self.server = Server::new(self.version);
        self.unread.clear();
        self.terms = None;
        self.is_open = self.session.handle_opened(self.now).is_ok();
        if self.is_open && input.once_in(2) {
            self.server.accepts(input, &mut self.unread);
            self.read();
        }
    }

    fn read(&mut self) {
        if self.session.connected().is_none() {
            // What was said before CONNACK could not keep to the terms in it.
            self.write(usize::MAX);
        }
        let unread = std::mem::take(&mut self.unread);
        let mut rest = unread.as_slice();
        while self.is_open && !rest.is_empty() {
            match self.session.handle_bytes(self.now, rest) {
                Ok(Taken::Incomplete(_)) => break,
                Ok(Taken::Packet { consumed, event }) => {
                    match event {
                        Some(Event::Published { id, .. }) => {
                            assert!(self.unfinished.remove(&id), "{id:?} ends twice");
                        }
                        Some(Event::Message(message)) => {
                            self.unacknowledged.extend(message.packet_id);
                        }
                        _ => {}
                    }
                    rest = &rest[consumed..];
                }
                Err(_) => return self.close(),
            }
            self.look();
        }
        self.unread = rest.to_vec();
    }

    fn publish(&mut self, input: &mut Input<'_>) {
        let choices = input.byte();
        let mut properties = PropertiesBuf::new();
        if choices & 4 != 0 {
            properties.push(Property::TopicAlias(u16::from(choices >> 6)));
        }
        if choices & 8 != 0 {
            properties.push(Property::UserProperty("k", "v"));
        }
        let publication = Publication {
            topic: input.choose(&["t", "t/u", "", "a+", "long/topic/of/several/levels"]),
            payload: vec![b'x'; usize::from(input.byte()) << (choices >> 5 & 3) * 4].into(),
            qos: QoS::from_u8(choices & 3).unwrap_or(QoS::AtLeastOnce),
            retain: choices & 16 != 0,
            properties: properties.as_properties(),
        };
        if let Ok(id) = self.session.publish(self.now, &publication) {
            assert!(self.unfinished.insert(id), "{id:?} is given twice");
        }
    }

    fn subscribe(&mut self, input: &mut Input<'_>) {
        let filters = ["a", "a/#", "$share/g/a", "a#"];
        let filters = &filters[..input.below(filters.len() + 1)];
        if input.once_in(3) {
            let filters = filters.iter().copied();
            let _ = self
                .session
                .unsubscribe(self.now, filters, Properties::EMPTY);
        } else {
            let filters = filters
                .iter()
                .map(|filter| (*filter, SubscriptionOptions::default()));
            let _ = self.session.subscribe(self.now, filters, Properties::EMPTY);
        }
    }

    /// So much of the output goes to the server.
    fn write(&mut self, most: usize) {
        if let Some(terms) = self.session.connected() {
            self.terms = Some(terms.clone());
        }
        let output = self.session.output();
        let output = output[..output.len().min(most)].to_vec();
        if self.is_open {
            self.server.takes(&output, self.terms.as_ref());
        }
        self.session.handle_written(self.now, output.len());
    }

    fn close(&mut self) {
        self.write(usize::MAX);
        self.session.handle_closed();
        self.is_open = false;
        self.unread.clear();
        self.unacknowledged.clear();
        self.look();
    }

    fn look(&mut self) {
        if let Some(terms) = self.session.connected() {
            self.terms = Some(terms.clone());
        }
        while let Some(outcome) = self.session.next_outcome() {
            assert!(
                self.unfinished.remove(&outcome.id),
                "{outcome:?} ends twice"
            );
        }
        assert_eq!(self.session.unfinished(), self.unfinished.len());
    }
}

fn settings(input: &mut Input<'_>, version: Version) -> Settings {
    let choices = input.byte();
    let mut connect_properties = PropertiesBuf::new();
    if choices & 1 != 0 {
        connect_properties.push(Property::SessionExpiryInterval(60));
    }
    if choices & 2 != 0 {
        connect_properties.push(Property::ReceiveMaximum(2));
        connect_properties.push(Property::MaximumPacketSize(200));
    }
    if choices & 4 != 0 {
        connect_properties.push(Property::TopicAliasMaximum(2));
    }
    if choices & 5 == 5 {
        connect_properties.push(Property::AuthenticationMethod("m"));
    }
    Settings {
        client_id: input.choose(&["c", ""]).to_owned(),
        clean_start: choices & 8 != 0,
        resume: choices & 16 != 0,
        keep_alive: u16::from(input.byte() % 32),
        will: (choices & 32 != 0).then(|| Will::new("w", "gone")),
        connect_properties,
        max_inflight: NonZeroU16::new(u16::from(choices % 5) + 1).expect("at least 1"),
        max_queued_messages: 5,
        max_queued_bytes: 4000,
        acknowledge: if choices & 64 != 0 {
            Acknowledge::ByHand
        } else {
            Acknowledge::Automatically
        },
        automatic_topic_aliases: u16::from(choices >> 7) * 2,
        ..Settings::new(version)
    }
}
