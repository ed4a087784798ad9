//! A PUBLISH of the broker, taken apart.

use mqtt_tests::Packet;

/// A PUBLISH as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) topic: String,
    pub(crate) packet_id: Option<u16>,
    /// Identifier and value, in the order they came in.
    pub(crate) properties: Vec<(u8, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// Reads a packet, which has to be a PUBLISH.
    pub(crate) fn of(packet: &Packet) -> Self {
        assert!(packet.is_type(3), "PUBLISH: {packet:02x?}");
        let (topic, rest) = string_of(&packet.body);
        let qos = packet.first >> 1 & 3;
        let (packet_id, rest) = if qos == 0 {
            (None, rest)
        } else {
            let (id, rest) = rest.split_first_chunk().expect("a packet id");
            (Some(u16::from_be_bytes(*id)), rest)
        };
        let (properties, payload) = properties_of(rest);
        Self {
            dup: packet.first & 0x08 != 0,
            qos,
            retain: packet.first & 0x01 != 0,
            topic: String::from_utf8(topic.to_vec()).expect("a topic in UTF-8"),
            packet_id,
            properties,
            payload: payload.to_vec(),
        }
    }

    /// The value of a property that comes at most once.
    pub(crate) fn property(&self, id: u8) -> Option<&[u8]> {
        let values = self.values(id);
        assert!(values.len() < 2, "property {id:02x} once: {self:02x?}");
        values.first().copied()
    }

    /// All values of a property, in order.
    pub(crate) fn values(&self, id: u8) -> Vec<&[u8]> {
        let same = self.properties.iter().filter(|(found, _)| *found == id);
        same.map(|(_, value)| value.as_slice()).collect()
    }

    /// The payload as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload of text")
    }

    /// Its packet id.
    pub(crate) fn id(&self) -> u16 {
        self.packet_id.expect("a QoS above 0")
    }

    /// The Message Expiry Interval, in seconds.
    pub(crate) fn expiry(&self) -> Option<u32> {
        let value = self.property(0x02)?;
        Some(u32::from_be_bytes(value.try_into().expect("four bytes")))
    }
}

/// A property block taken apart, and what follows it.
pub(crate) fn properties_of(bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, &[u8]) {
    let (length, rest) = integer_of(bytes);
    let (mut all, after) = rest.split_at(length);
    let mut properties = Vec::new();
    while let Some((&id, rest)) = all.split_first() {
        let length = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => 1,
            0x13 | 0x21..=0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0b => rest.len() - integer_of(rest).1.len(),
            0x26 => rest.len() - string_of(string_of(rest).1).1.len(),
            _ => rest.len() - string_of(rest).1.len(),
        };
        let (value, rest) = rest.split_at(length);
        properties.push((id, value.to_vec()));
        all = rest;
    }
    (properties, after)
}

fn integer_of(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .expect("an end of the integer")
        + 1;
    let (digits, rest) = bytes.split_at(end);
    let value = digits
        .iter()
        .rev()
        .fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, rest)
}

fn string_of(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    rest.split_at(usize::from(u16::from_be_bytes(*length)))
}
