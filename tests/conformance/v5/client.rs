//! The small client of these tests: it holds one connection and says what it expects next.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use mqtt_tests::{Broker, Packet, Setup, Wire};

use super::message::{Message, properties_of};
use super::packets::{Connect, PINGREQ, PUBREL, Publish, ack, disconnect, subscribe, unsubscribe};

/// What every broker of these tests has. With one shard a message is in the subscriber's out queue
/// when its publisher has the answer, so "nothing came" can be told with a PINGREQ.
const CONFIGURATION: &str = "allow_anonymous true\nshards 1\n";

/// The broker that tests share while at least one of them runs; the last one ends it.
pub(crate) fn broker() -> Arc<Broker> {
    static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let started = broker_with("");
        *shared = Arc::downgrade(&started);
        started
    })
}

/// A broker of one's own with these lines more in its configuration.
pub(crate) fn broker_with(lines: &str) -> Arc<Broker> {
    start(|| Setup::new().listening(&format!("{CONFIGURATION}{lines}")))
}

/// Starts one broker at a time: a port that was free a moment ago is so only while no other test
/// looks for one.
pub(crate) fn start(setup: impl FnOnce() -> Setup) -> Arc<Broker> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::new(setup().start())
}

/// A name nobody else uses, for a client or a topic.
pub(crate) fn fresh(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{word}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Lets time pass where time is the subject of a test.
pub(crate) fn let_pass(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// A connection that the broker has accepted.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
    /// It lives as long as its clients.
    _broker: Arc<Broker>,
    /// The CONNACK it got.
    pub(crate) connack: Packet,
}

impl Client {
    /// Connects and demands CONNACK with 0x00.
    pub(crate) fn connect(broker: &Arc<Broker>, connect: &Connect) -> Self {
        let mut wire = Wire::open(broker);
        wire.send(&connect.bytes());
        let connack = wire.packet().expect("an answer to CONNECT");
        assert_eq!(connack.first, 0x20, "CONNACK: {connack:02x?}");
        assert_eq!(connack.byte(1), Some(0), "accepted: {connack:02x?}");
        let _broker = Arc::clone(broker);
        Self {
            wire,
            _broker,
            connack,
        }
    }

    /// A new client with a name of its own.
    pub(crate) fn new(broker: &Arc<Broker>) -> Self {
        Self::connect(broker, &Connect::new(fresh("client")))
    }

    /// A new client that subscribes to this filter.
    pub(crate) fn subscribed(broker: &Arc<Broker>, filter: &str, options: u8) -> Self {
        let mut client = Self::new(broker);
        client.subscribe(filter, options);
        client
    }

    /// The Session Present flag of its CONNACK.
    pub(crate) fn session_present(&self) -> bool {
        self.connack.byte(0) == Some(1)
    }

    /// A property of its CONNACK.
    pub(crate) fn connack_property(&self, id: u8) -> Option<Vec<u8>> {
        let properties = properties_of(self.connack.body.get(2..).unwrap_or_default()).0;
        properties
            .into_iter()
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes);
    }

    pub(crate) fn packet(&mut self) -> Packet {
        self.wire
            .packet()
            .expect("a packet, not the end of the connection")
    }

    /// Demands these bytes, in hexadecimal, next.
    pub(crate) fn expect_hex(&mut self, hex: &str) {
        self.wire.expect_hex(hex);
    }

    /// Demands these bytes next.
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        self.wire.expect_hex(&mqtt_tests::hex_of_bytes(bytes));
    }

    /// SUBSCRIBE to one filter, granted as asked.
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) {
        self.subscribe_with(&[], filter, options);
    }

    /// The same with properties.
    pub(crate) fn subscribe_with(&mut self, properties: &[u8], filter: &str, options: u8) {
        self.send(&subscribe(0x0101, properties, &[(filter, options)]));
        self.expect(&[0x90, 4, 1, 1, 0, options & 3]);
    }

    /// UNSUBSCRIBE from a filter that exists.
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        self.send(&unsubscribe(0x0102, &[filter]));
        self.expect_hex("b0 04 01 02 00 00");
    }

    /// Publishes and takes the answers of its QoS; returns when the broker has done its part.
    pub(crate) fn publish(&mut self, publish: &Publish) {
        self.send(&publish.bytes());
        match (publish.quality(), publish.packet_id()) {
            (1, Some(id)) => self.expect_answer(4, id, &[0x00, 0x10]),
            (2, Some(id)) => {
                self.expect_answer(5, id, &[0x00, 0x10]);
                self.send(&ack(PUBREL, id));
                self.expect_answer(7, id, &[0x00]);
            }
            _ => self.nothing_more(),
        }
    }

    /// Demands an acknowledgement of this type and packet id with one of these codes.
    pub(crate) fn expect_answer(&mut self, number: u8, id: u16, codes: &[u8]) {
        let answer = self.packet();
        assert!(answer.is_type(number), "type {number}: {answer:02x?}");
        assert_eq!(
            answer.body.get(..2),
            Some(&id.to_be_bytes()[..]),
            "{answer:02x?}"
        );
        let code = answer.byte(2).unwrap_or(0);
        assert!(codes.contains(&code), "one of {codes:02x?}: {answer:02x?}");
    }

    /// The next packet, which has to be a PUBLISH.
    pub(crate) fn message(&mut self) -> Message {
        Message::of(&self.packet())
    }

    /// The next PUBLISH, acknowledged by its QoS.
    pub(crate) fn take(&mut self) -> Message {
        let message = self.message();
        match message.packet_id {
            Some(id) if message.qos == 1 => self.send(&ack(0x40, id)),
            Some(id) => {
                self.send(&ack(0x50, id));
                self.expect_answer(6, id, &[0x00]);
                self.send(&ack(0x70, id));
            }
            None => {}
        }
        message
    }

    /// Demands that nothing came before the answer to a PINGREQ.
    pub(crate) fn nothing_more(&mut self) {
        self.send(&PINGREQ);
        let packet = self.packet();
        assert_eq!(packet.first, 0xd0, "nothing but PINGRESP: {packet:02x?}");
    }

    /// Demands DISCONNECT with this code and the end of the connection, and nothing else.
    pub(crate) fn expect_disconnect(mut self, code: u8) {
        assert_disconnected(&self.wire.rest(), code);
    }

    /// Everything until the broker closes.
    pub(crate) fn rest(mut self) -> Vec<Packet> {
        self.wire.rest()
    }

    /// DISCONNECT with 0x00; returns when the broker has closed.
    pub(crate) fn leave(mut self) {
        self.send(&[0xe0, 0x00]);
        self.wire.rest();
    }

    /// DISCONNECT with a code and properties; returns when the broker has closed.
    pub(crate) fn leave_with(mut self, code: u8, properties: &[u8]) {
        self.send(&disconnect(code, properties));
        self.wire.rest();
    }

    /// Ends the connection without DISCONNECT; returns when the broker has closed its side.
    pub(crate) fn cut(mut self) {
        self.wire.hang_up();
        self.wire.rest();
    }
}

/// Demands that this is a DISCONNECT with this code and nothing else.
pub(crate) fn assert_disconnected(packets: &[Packet], code: u8) {
    assert_eq!(
        packets.len(),
        1,
        "DISCONNECT {code:02x} alone: {packets:02x?}"
    );
    let packet = packets.first().expect("one packet");
    assert_eq!(packet.first, 0xe0, "DISCONNECT: {packet:02x?}");
    assert_eq!(
        packet.byte(0),
        Some(code),
        "reason code {code:02x}: {packet:02x?}"
    );
}

/// Sends a CONNECT (or what should be one) and demands CONNACK with this code, Session Present 0
/// and the end of the connection.
pub(crate) fn assert_refused(broker: &Broker, connect: &[u8], code: u8) {
    let mut wire = Wire::open(broker);
    wire.send(connect);
    let packets = wire.rest();
    assert_eq!(
        packets.len(),
        1,
        "CONNACK {code:02x} for {connect:02x?}: {packets:02x?}"
    );
    let connack = packets.first().expect("one packet");
    assert_eq!(
        connack.first, 0x20,
        "CONNACK for {connect:02x?}: {connack:02x?}"
    );
    let expected = Some(&[0, code][..]);
    assert_eq!(
        connack.body.get(..2),
        expected,
        "{connack:02x?} for {connect:02x?}"
    );
}

/// A new client sends these bytes: demands DISCONNECT with this code and the end of the connection.
pub(crate) fn assert_closed_for(broker: &Arc<Broker>, bytes: &[u8], code: u8) {
    let mut client = Client::new(broker);
    client.send(bytes);
    let packets = client.rest();
    let right = packets.len() == 1
        && packets
            .iter()
            .all(|packet| packet.first == 0xe0 && packet.byte(0) == Some(code));
    assert!(
        right,
        "DISCONNECT {code:02x} for {bytes:02x?}: {packets:02x?}"
    );
}
