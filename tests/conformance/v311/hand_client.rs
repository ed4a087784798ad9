//! A client that a test plays packet by packet.

use mqtt_tests::{Broker, Packet, Wire, hex_of_bytes};

use super::packet_bytes::{
    ACCEPTED, Connect, DISCONNECT, PINGREQ, PINGRESP, RESUMED, connect, puback, pubcomp, publish0,
    publish1, publish2, pubrec, pubrel, suback, subscribe, unsuback, unsubscribe,
};

/// A connection that was accepted, or one that is still to say CONNECT.
#[derive(Debug)]
pub(super) struct Client(Wire);

impl Client {
    /// A connection on which nothing was said yet.
    pub(super) fn silent(broker: &Broker) -> Self {
        Self(Wire::open(broker))
    }

    /// Connects; demands that no session was present.
    pub(super) fn fresh(broker: &Broker, connect: &Connect) -> Self {
        let mut client = Self::silent(broker);
        client.send(connect.bytes());
        client.expect(ACCEPTED);
        client
    }

    /// Connects; demands that the session goes on.
    pub(super) fn resumed(broker: &Broker, connect: &Connect) -> Self {
        let mut client = Self::silent(broker);
        client.send(connect.bytes());
        client.expect(RESUMED);
        client
    }

    /// A 3.1.1 client of this id with a clean session.
    pub(super) fn clean(broker: &Broker, client_id: &str) -> Self {
        Self::fresh(broker, &connect(client_id))
    }

    /// The same with one subscription.
    pub(super) fn subscribed(broker: &Broker, client_id: &str, filter: &str, qos: u8) -> Self {
        let mut client = Self::clean(broker, client_id);
        client.subscribe(filter, qos);
        client
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes.as_ref());
    }

    /// Sends what has to end the connection, and demands that it does without another byte.
    pub(super) fn closed_by(mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes);
        self.expect_closed();
    }

    /// Demands that exactly these bytes come next.
    #[track_caller]
    pub(super) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.expect_hex(&hex_of_bytes(bytes.as_ref()));
    }

    /// Demands that the connection closes without another byte.
    #[track_caller]
    pub(super) fn expect_closed(&mut self) {
        self.0.expect_closed();
    }

    /// The next packet.
    #[track_caller]
    pub(super) fn packet(&mut self) -> Packet {
        self.0
            .packet()
            .expect("a packet, not the end of the connection")
    }

    /// The next packet, which has to be a PUBLISH.
    #[track_caller]
    pub(super) fn message(&mut self) -> Message {
        Message::of(&self.packet())
    }

    /// The next PUBLISH and what has to be said to it, said: PUBACK, or PUBREC and PUBCOMP.
    #[track_caller]
    pub(super) fn take(&mut self) -> Message {
        let message = self.message();
        match message.qos {
            1 => self.send(puback(message.id)),
            2 => {
                self.send(pubrec(message.id));
                self.expect(pubrel(message.id));
                self.send(pubcomp(message.id));
            }
            _ => {}
        }
        message
    }

    /// Subscribes with packet id 1 and demands that this QoS is granted.
    #[track_caller]
    pub(super) fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(subscribe(1, &[(filter, qos)]));
        self.expect(suback(1, &[qos]));
    }

    /// Unsubscribes with packet id 1.
    #[track_caller]
    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.send(unsubscribe(1, &[filter]));
        self.expect(unsuback(1));
    }

    /// Publishes at this QoS with packet id 1 and goes through the exchange that belongs to it.
    #[track_caller]
    pub(super) fn publish(&mut self, qos: u8, topic: &str, payload: &str) {
        match qos {
            0 => self.send(publish0(topic, payload)),
            1 => {
                self.send(publish1(1, topic, payload));
                self.expect(puback(1));
            }
            _ => {
                self.send(publish2(1, topic, payload));
                self.finish_qos2(1);
            }
        }
    }

    /// PUBREC in, PUBREL out, PUBCOMP in.
    #[track_caller]
    pub(super) fn finish_qos2(&mut self, id: u16) {
        self.expect(pubrec(id));
        self.send(pubrel(id));
        self.expect(pubcomp(id));
    }

    /// Asks for PINGRESP and demands that nothing else stands before it.
    #[track_caller]
    pub(super) fn ping(&mut self) {
        self.send(PINGREQ);
        self.expect(PINGRESP);
    }

    /// Demands that of all this publisher has sent, nothing is still to come.
    ///
    /// The publisher publishes `topic`, to which the client has to be subscribed: the order of a
    /// publisher's messages at one QoS is kept, so what it sent before would come before.
    #[track_caller]
    pub(super) fn gets_nothing_more(&mut self, publisher: &mut Self, topic: &str) {
        publisher.send(publish0(topic, "end"));
        self.expect(publish0(topic, "end"));
        self.ping();
    }

    /// Says DISCONNECT and waits until the broker has closed.
    #[track_caller]
    pub(super) fn disconnect(mut self) {
        self.send(DISCONNECT);
        self.expect_closed();
    }

    /// Ends the stream without DISCONNECT, as a lost connection does, and waits until the broker
    /// has noticed.
    pub(super) fn drop_connection(mut self) {
        self.0.hang_up();
        // What was on its way to us is not the point.
        self.0.rest();
    }

    /// Everything up to the end of the connection.
    pub(super) fn rest(&mut self) -> Vec<Packet> {
        self.0.rest()
    }
}

/// A PUBLISH as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// It may have been sent before.
    pub(super) dup: bool,
    /// 0, 1 or 2.
    pub(super) qos: u8,
    /// It was kept for who comes later.
    pub(super) retain: bool,
    /// Zero at QoS 0, where there is none.
    pub(super) id: u16,
    /// Topic name, byte for byte.
    pub(super) topic: Vec<u8>,
    /// What the publisher said.
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// Reads a packet.
    ///
    /// # Panics
    /// When it is no PUBLISH, or one that ends too early.
    #[track_caller]
    pub(super) fn of(packet: &Packet) -> Self {
        assert!(packet.is_type(3), "a PUBLISH expected, got {packet:02x?}");
        let qos = (packet.first >> 1) & 3;
        let (length, rest) = two_bytes(&packet.body);
        let (topic, rest) = rest
            .split_at_checked(usize::from(length))
            .expect("a topic as long as it says");
        let (id, payload) = if qos > 0 { two_bytes(rest) } else { (0, rest) };
        Self {
            dup: packet.first & 0x08 != 0,
            qos,
            retain: packet.first & 0x01 != 0,
            id,
            topic: topic.to_vec(),
            payload: payload.to_vec(),
        }
    }

    /// The payload as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The topic as text.
    pub(super) fn topic_text(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }
}

fn two_bytes(bytes: &[u8]) -> (u16, &[u8]) {
    let (number, rest) = bytes.split_first_chunk().expect("two bytes");
    (u16::from_be_bytes(*number), rest)
}
