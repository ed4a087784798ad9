//! A client's end of a connection: what it said, what comes, and whether that may come.

use std::collections::{HashSet, VecDeque};

use mqtt_codec::{
    Ack, Decoded, Limits, Packet, PacketId, Properties, QoS, ReasonCode, Sender, Version, decode,
    decode_connect,
};

/// What the first packet said, as the codec reads it.
#[derive(Clone, Copy)]
pub enum Hello {
    /// It is not whole.
    Awaited,
    /// It is a CONNECT.
    Connect {
        version: Version,
        max_packet_size: u32,
        receive_maximum: u16,
    },
    /// It is no packet that can be accepted.
    Bad,
}

pub struct Client {
    pub hello: Hello,
    /// The bytes of the first packet so far.
    first: Vec<u8>,
    received: Vec<u8>,
    connected: bool,
    /// Answers that it owes.
    owed: VecDeque<(fn(Ack<'static>) -> Packet<'static>, PacketId)>,
    /// Deliveries of QoS 1 and 2 that it did not finish.
    open: HashSet<PacketId>,
}

impl Client {
    pub fn new() -> Self {
        Self {
            hello: Hello::Awaited,
            first: Vec::new(),
            received: Vec::new(),
            connected: false,
            owed: VecDeque::new(),
            open: HashSet::new(),
        }
    }

    /// Notes what the client sends.
    pub fn sends(&mut self, bytes: &[u8]) {
        if !matches!(self.hello, Hello::Awaited) {
            self.finishes(bytes);
            return;
        }
        self.first.extend_from_slice(bytes);
        self.hello = match decode_connect(&self.first, &Limits::default()) {
            Ok(Decoded::Incomplete(_)) => Hello::Awaited,
            Ok(Decoded::Packet { packet, .. }) => Hello::Connect {
                version: packet.version,
                max_packet_size: packet.properties.maximum_packet_size().unwrap_or(u32::MAX),
                receive_maximum: packet.properties.receive_maximum().unwrap_or(u16::MAX),
            },
            Err(_) => Hello::Bad,
        };
    }

    /// Deliveries end with what it sends. Only the first packet of what is sent at once is looked
    /// at: the harness sends one at a time, and raw bytes are as good as nothing here.
    fn finishes(&mut self, bytes: &[u8]) {
        let packet = decode(bytes, self.version(), Sender::Client, &Limits::default());
        let Ok(Decoded::Packet { packet, consumed }) = packet else {
            // Anything may follow, so windows are not known any more.
            self.hello = match self.hello {
                Hello::Connect {
                    version,
                    max_packet_size,
                    ..
                } => Hello::Connect {
                    version,
                    max_packet_size,
                    receive_maximum: u16::MAX,
                },
                other => other,
            };
            return;
        };
        match packet {
            Packet::Puback(ack) | Packet::Pubcomp(ack) => {
                self.open.remove(&ack.packet_id);
            }
            Packet::Pubrec(ack) if ack.reason.is_error() => {
                self.open.remove(&ack.packet_id);
            }
            _ => {}
        }
        if consumed < bytes.len() {
            self.finishes(&bytes[consumed..]);
        }
    }

    pub fn version(&self) -> Version {
        match self.hello {
            Hello::Connect { version, .. } => version,
            _ => Version::V5,
        }
    }

    /// The next answer that it owes.
    pub fn answer(&mut self) -> Option<Vec<u8>> {
        let (kind, packet_id) = self.owed.pop_front()?;
        let mut bytes = Vec::new();
        let ack = Ack {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        kind(ack).encode(self.version(), &mut bytes);
        Some(bytes)
    }

    /// Takes what the broker sent, all of it whole packets.
    pub fn takes(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let (packet, consumed) = self.read(rest);
            self.check(&packet, consumed);
            rest = &rest[consumed..];
        }
    }

    /// A client whose CONNECT cannot be read is answered in any version.
    fn read<'a>(&self, bytes: &'a [u8]) -> (Packet<'a>, usize) {
        let versions = match &self.hello {
            Hello::Connect { version, .. } => std::slice::from_ref(version),
            _ => &[Version::V5, Version::V311, Version::V31],
        };
        for version in versions {
            let decoded = decode(bytes, *version, Sender::Server, &Limits::default());
            if let Ok(Decoded::Packet { packet, consumed }) = decoded {
                return (packet, consumed);
            }
        }
        panic!("undecodable in {versions:?}: {bytes:02x?}");
    }

    fn check(&mut self, packet: &Packet<'_>, length: usize) {
        let is_connack = matches!(packet, Packet::Connack(_));
        assert_ne!(
            is_connack, self.connected,
            "CONNACK comes once and first: {packet:?}"
        );
        self.connected = true;
        if let Hello::Connect {
            version,
            max_packet_size,
            ..
        } = self.hello
        {
            let fits = u32::try_from(length).is_ok_and(|length| length <= max_packet_size);
            assert!(
                fits || !version.is_v5(),
                "{length} over {max_packet_size}: {packet:?}"
            );
        }
        match packet {
            Packet::Publish(publish) => {
                let Some(packet_id) = publish.packet_id else {
                    return;
                };
                assert!(
                    self.open.insert(packet_id),
                    "{packet_id} is open: {packet:?}"
                );
                if let Hello::Connect {
                    receive_maximum, ..
                } = self.hello
                {
                    assert!(
                        self.open.len() <= usize::from(receive_maximum),
                        "{packet:?}"
                    );
                }
                let answer = if publish.qos == QoS::AtLeastOnce {
                    Packet::Puback
                } else {
                    Packet::Pubrec
                };
                self.owed.push_back((answer, packet_id));
            }
            Packet::Pubrel(ack) => self.owed.push_back((Packet::Pubcomp, ack.packet_id)),
            _ => {}
        }
    }
}
