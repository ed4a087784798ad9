//! Encoding by hand: the length first, then every field once.

use super::{Connect, Packet, Puback, Publish, Subscribe};

impl Packet<'_> {
    /// Appends the packet.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.encode(out),
            Self::Publish(publish) => publish.encode(out),
            Self::Subscribe(subscribe) => subscribe.encode(out),
            Self::Puback(puback) => puback.encode(out),
        }
    }
}

impl Connect<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let will = self.will.map_or(0, |(properties, topic, payload)| {
            block_len(properties) + 2 + topic.len() + 2 + payload.len()
        });
        let remaining = 10
            + block_len(self.properties)
            + 2
            + self.client_id.len()
            + will
            + self.user_name.map_or(0, |name| 2 + name.len())
            + self.password.map_or(0, |password| 2 + password.len());
        header(0x10, remaining, out);
        out.extend_from_slice(b"\0\x04MQTT\x05");
        let [high, low] = self.keep_alive.to_be_bytes();
        out.extend_from_slice(&[self.flags, high, low]);
        block(self.properties, out);
        counted(self.client_id.as_bytes(), out);
        if let Some((properties, topic, payload)) = self.will {
            block(properties, out);
            counted(topic.as_bytes(), out);
            counted(payload, out);
        }
        if let Some(name) = self.user_name {
            counted(name.as_bytes(), out);
        }
        if let Some(password) = self.password {
            counted(password, out);
        }
    }
}

impl Publish<'_> {
    #[inline(always)]
    fn encode(&self, out: &mut Vec<u8>) {
        let id = if self.flags & 6 == 0 { 0 } else { 2 };
        let remaining = 2 + self.topic.len() + id + block_len(self.properties) + self.payload.len();
        header(0x30 | self.flags, remaining, out);
        counted(self.topic.as_bytes(), out);
        if id != 0 {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        block(self.properties, out);
        out.extend_from_slice(self.payload);
    }
}

impl Subscribe<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        header(
            0x82,
            2 + block_len(self.properties) + self.filters.len(),
            out,
        );
        out.extend_from_slice(&self.packet_id.to_be_bytes());
        block(self.properties, out);
        out.extend_from_slice(self.filters);
    }
}

impl Puback<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let [high, low] = self.packet_id.to_be_bytes();
        match (self.reason, self.properties) {
            (0, []) => out.extend_from_slice(&[0x40, 2, high, low]),
            (reason, []) => out.extend_from_slice(&[0x40, 3, high, low, reason]),
            (reason, properties) => {
                header(0x40, 3 + block_len(properties), out);
                out.extend_from_slice(&[high, low, reason]);
                block(properties, out);
            }
        }
    }
}

#[inline(always)]
fn header(first: u8, remaining: usize, out: &mut Vec<u8>) {
    out.push(first);
    varint(remaining, out);
}

#[inline(always)]
fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number > 0x7F {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline(always)]
fn counted(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[inline(always)]
fn block(properties: &[u8], out: &mut Vec<u8>) {
    varint(properties.len(), out);
    out.extend_from_slice(properties);
}

#[inline(always)]
fn block_len(properties: &[u8]) -> usize {
    let length = match properties.len() {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        _ => 3,
    };
    length + properties.len()
}
