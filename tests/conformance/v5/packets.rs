//! Packets of version 5.0, put together by hand and without the code under test.

/// A control packet: first byte, remaining length, and what follows.
pub(crate) fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [vec![first], integer(body.len()), body].concat()
}

/// A Variable Byte Integer.
pub(crate) fn integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value % 128).expect("less than 128");
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

/// A UTF-8 string or Binary Data: two bytes of length, then the bytes, whatever they are.
pub(crate) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a string of the protocol is short");
    [&length.to_be_bytes(), bytes].concat()
}

/// A property block: its length and the properties.
pub(crate) fn block(properties: &[u8]) -> Vec<u8> {
    [integer(properties.len()), properties.to_vec()].concat()
}

/// Properties, each with its identifier in front.
pub(crate) mod property {
    use super::{integer, text};

    fn byte(id: u8, value: u8) -> Vec<u8> {
        vec![id, value]
    }

    fn two(id: u8, value: u16) -> Vec<u8> {
        [&[id], &value.to_be_bytes()[..]].concat()
    }

    fn four(id: u8, value: u32) -> Vec<u8> {
        [&[id], &value.to_be_bytes()[..]].concat()
    }

    /// One with a string or binary data in it.
    pub(crate) fn string(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
        [vec![id], text(value)].concat()
    }

    pub(crate) fn payload_format(value: u8) -> Vec<u8> {
        byte(0x01, value)
    }

    /// In seconds.
    pub(crate) fn message_expiry(seconds: u32) -> Vec<u8> {
        four(0x02, seconds)
    }

    pub(crate) fn content_type(value: impl AsRef<[u8]>) -> Vec<u8> {
        string(0x03, value)
    }

    pub(crate) fn response_topic(value: impl AsRef<[u8]>) -> Vec<u8> {
        string(0x08, value)
    }

    pub(crate) fn correlation_data(value: &[u8]) -> Vec<u8> {
        string(0x09, value)
    }

    pub(crate) fn subscription_identifier(value: usize) -> Vec<u8> {
        [vec![0x0b], integer(value)].concat()
    }

    /// In seconds; the greatest value never expires.
    pub(crate) fn session_expiry(seconds: u32) -> Vec<u8> {
        four(0x11, seconds)
    }

    pub(crate) fn authentication_method(value: &str) -> Vec<u8> {
        string(0x15, value)
    }

    pub(crate) fn authentication_data(value: &[u8]) -> Vec<u8> {
        string(0x16, value)
    }

    pub(crate) fn request_problem_information(value: u8) -> Vec<u8> {
        byte(0x17, value)
    }

    /// In seconds.
    pub(crate) fn will_delay(seconds: u32) -> Vec<u8> {
        four(0x18, seconds)
    }

    pub(crate) fn request_response_information(value: u8) -> Vec<u8> {
        byte(0x19, value)
    }

    pub(crate) fn reason_string(value: &str) -> Vec<u8> {
        string(0x1f, value)
    }

    pub(crate) fn receive_maximum(value: u16) -> Vec<u8> {
        two(0x21, value)
    }

    pub(crate) fn topic_alias_maximum(value: u16) -> Vec<u8> {
        two(0x22, value)
    }

    pub(crate) fn topic_alias(value: u16) -> Vec<u8> {
        two(0x23, value)
    }

    pub(crate) fn user_property(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
        [string(0x26, name), text(value)].concat()
    }

    /// In bytes of a whole packet.
    pub(crate) fn maximum_packet_size(bytes: u32) -> Vec<u8> {
        four(0x27, bytes)
    }
}

/// CONNECT: Clean Start 1 and Keep Alive 60 unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    client_id: Vec<u8>,
    clean_start: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Will>,
    login: Option<(Vec<u8>, Vec<u8>)>,
}

impl Connect {
    pub(crate) fn new(client_id: impl AsRef<[u8]>) -> Self {
        Self {
            client_id: client_id.as_ref().to_vec(),
            clean_start: true,
            keep_alive: 60,
            properties: Vec::new(),
            will: None,
            login: None,
        }
    }

    /// Clean Start 0.
    pub(crate) fn resume(mut self) -> Self {
        self.clean_start = false;
        self
    }

    /// Clean Start 1.
    pub(crate) fn start_clean(mut self) -> Self {
        self.clean_start = true;
        self
    }

    /// A Session Expiry Interval, in seconds.
    pub(crate) fn expiry(self, seconds: u32) -> Self {
        self.with(property::session_expiry(seconds))
    }

    /// In seconds; 0 is none.
    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// One more property.
    pub(crate) fn with(mut self, property: impl AsRef<[u8]>) -> Self {
        self.properties.extend(property.as_ref());
        self
    }

    pub(crate) fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// User Name and Password.
    pub(crate) fn login(mut self, user: impl AsRef<[u8]>, password: &[u8]) -> Self {
        self.login = Some((user.as_ref().to_vec(), password.to_vec()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean_start) << 1;
        let mut payload = text(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend(block(&will.properties));
            payload.extend(text(&will.topic));
            payload.extend(text(&will.payload));
        }
        if let Some((user, password)) = &self.login {
            flags |= 0xc0;
            payload.extend(text(user));
            payload.extend(text(password));
        }
        let properties = block(&self.properties);
        connect_raw(flags, self.keep_alive, &[properties, payload].concat())
    }
}

/// CONNECT with any flags and anything behind the Keep Alive.
pub(crate) fn connect_raw(flags: u8, keep_alive: u16, rest: &[u8]) -> Vec<u8> {
    let head = [text("MQTT"), vec![5, flags]].concat();
    packet(0x10, &[&head, &keep_alive.to_be_bytes(), rest])
}

/// A will: QoS 0, not retained and without properties unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Will {
    pub(crate) fn new(topic: impl AsRef<[u8]>, payload: &str) -> Self {
        Self {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_bytes().to_vec(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// A Will Delay Interval, in seconds.
    pub(crate) fn delay(self, seconds: u32) -> Self {
        self.with(property::will_delay(seconds))
    }

    pub(crate) fn with(mut self, property: impl AsRef<[u8]>) -> Self {
        self.properties.extend(property.as_ref());
        self
    }
}

/// PUBLISH: QoS 0, not retained and without properties unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    topic: Vec<u8>,
    payload: Vec<u8>,
    flags: u8,
    packet_id: Option<u16>,
    properties: Vec<u8>,
}

impl Publish {
    pub(crate) fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            flags: 0,
            packet_id: None,
            properties: Vec::new(),
        }
    }

    /// This QoS, with a packet id if it is not 0.
    pub(crate) fn qos(mut self, qos: u8, packet_id: u16) -> Self {
        self.flags |= qos << 1;
        self.packet_id = (qos > 0).then_some(packet_id);
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.flags |= 0x01;
        self
    }

    pub(crate) fn dup(mut self) -> Self {
        self.flags |= 0x08;
        self
    }

    pub(crate) fn with(mut self, property: impl AsRef<[u8]>) -> Self {
        self.properties.extend(property.as_ref());
        self
    }

    /// The packet id, where the QoS has one.
    pub(crate) fn packet_id(&self) -> Option<u16> {
        self.packet_id
    }

    /// The QoS in its flags.
    pub(crate) fn quality(&self) -> u8 {
        self.flags >> 1 & 3
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let id = self.packet_id.map(u16::to_be_bytes);
        packet(
            0x30 | self.flags,
            &[
                &text(&self.topic),
                id.as_ref().map_or(&[], |id| id),
                &block(&self.properties),
                &self.payload,
            ],
        )
    }
}

/// SUBSCRIBE: properties, then filters with their option bytes.
pub(crate) fn subscribe(packet_id: u16, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let filters: Vec<u8> = filters
        .iter()
        .flat_map(|(filter, options)| [text(filter), vec![*options]].concat())
        .collect();
    packet(
        0x82,
        &[&packet_id.to_be_bytes(), &block(properties), &filters],
    )
}

/// UNSUBSCRIBE.
pub(crate) fn unsubscribe(packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let filters: Vec<u8> = filters.iter().flat_map(text).collect();
    packet(0xa2, &[&packet_id.to_be_bytes(), &[0], &filters])
}

/// First byte of PUBACK.
pub(crate) const PUBACK: u8 = 0x40;
/// First byte of PUBREC.
pub(crate) const PUBREC: u8 = 0x50;
/// First byte of PUBREL.
pub(crate) const PUBREL: u8 = 0x62;
/// First byte of PUBCOMP.
pub(crate) const PUBCOMP: u8 = 0x70;
/// PINGREQ.
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0x00];

/// An acknowledgement in its shortest form: success.
pub(crate) fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &[&packet_id.to_be_bytes()])
}

/// An acknowledgement with a reason code.
pub(crate) fn ack_with(first: u8, packet_id: u16, code: u8) -> Vec<u8> {
    packet(first, &[&packet_id.to_be_bytes(), &[code]])
}

/// DISCONNECT with a reason code and properties.
pub(crate) fn disconnect(code: u8, properties: &[u8]) -> Vec<u8> {
    packet(0xe0, &[&[code], &block(properties)])
}
