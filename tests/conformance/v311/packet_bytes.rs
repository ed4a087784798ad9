//! Packets of MQTT 3.1 and 3.1.1 written field by field, right ones and wrong ones.

/// Variable header and payload as they grow; [`packet`](Self::packet) puts a fixed header in front.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One byte.
    pub(super) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Two bytes, the higher first.
    pub(super) fn number(mut self, number: u16) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Bytes as they are.
    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Bytes behind their length: a string field, or what stands in place of one.
    pub(super) fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let length = u16::try_from(bytes.len()).expect("a string has 65535 bytes at most");
        self.number(length).raw(bytes)
    }

    /// The packet whose first byte is `first`.
    pub(super) fn packet(self, first: u8) -> Vec<u8> {
        let mut bytes = vec![first];
        let mut left = self.0.len();
        while left >= 128 {
            bytes.push(u8::try_from(left % 128).expect("less than 128") | 0x80);
            left /= 128;
        }
        bytes.push(u8::try_from(left).expect("less than 128"));
        bytes.extend(self.0);
        bytes
    }
}

/// A CONNECT under construction: 3.1.1, clean session, keep alive off, nothing else.
#[derive(Debug, Clone)]
pub(super) struct Connect {
    name: &'static [u8],
    level: u8,
    flags: u8,
    keep_alive: u16,
    payload: Fields,
}

/// Bit of the connect flags: start without the old session and keep none.
pub(super) const CLEAN_SESSION: u8 = 0x02;
/// Bit of the connect flags: a will follows.
pub(super) const WILL: u8 = 0x04;
/// Bits of the connect flags: the will's QoS, here 1.
pub(super) const WILL_QOS_1: u8 = 0x08;
/// Bits of the connect flags: the will's QoS, here 2.
pub(super) const WILL_QOS_2: u8 = 0x10;
/// Bit of the connect flags: the will is published as retained.
pub(super) const WILL_RETAIN: u8 = 0x20;
/// Bit of the connect flags: a password follows.
pub(super) const PASSWORD: u8 = 0x40;
/// Bit of the connect flags: a user name follows.
pub(super) const USER_NAME: u8 = 0x80;

/// CONNECT of this client id, to be changed by what the test is about.
pub(super) fn connect(client_id: impl AsRef<[u8]>) -> Connect {
    Connect {
        name: b"MQTT",
        level: 4,
        flags: CLEAN_SESSION,
        keep_alive: 0,
        payload: Fields::new().string(client_id),
    }
}

impl Connect {
    /// Protocol name and level.
    pub(super) fn protocol(mut self, name: &'static [u8], level: u8) -> Self {
        self.name = name;
        self.level = level;
        self
    }

    /// MQTT 3.1.
    pub(super) fn v31(self) -> Self {
        self.protocol(b"MQIsdp", 3)
    }

    /// `CleanSession` 0: take up the old session, and keep it afterwards.
    pub(super) fn keep_session(mut self) -> Self {
        self.flags &= !CLEAN_SESSION;
        self
    }

    /// The connect flags as they are, whatever the payload says.
    pub(super) fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// Seconds.
    pub(super) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// A will with these bits of QoS and RETAIN. Comes before the login.
    pub(super) fn will(mut self, topic: &str, message: &str, bits: u8) -> Self {
        self.flags |= WILL | bits;
        self.payload = self.payload.string(topic).string(message);
        self
    }

    /// User name and password.
    pub(super) fn login(mut self, user_name: &str, password: &str) -> Self {
        self.flags |= USER_NAME | PASSWORD;
        self.payload = self.payload.string(user_name).string(password);
        self
    }

    /// More fields at the end, or what should not stand there.
    pub(super) fn and(mut self, fields: &[u8]) -> Self {
        self.payload = self.payload.raw(fields);
        self
    }

    /// Variable header and payload.
    pub(super) fn body(&self) -> Vec<u8> {
        let header = Fields::new().string(self.name).byte(self.level);
        let header = header.byte(self.flags).number(self.keep_alive);
        header.raw(&self.payload.0).0
    }

    /// The packet.
    pub(super) fn bytes(&self) -> Vec<u8> {
        Fields::new().raw(&self.body()).packet(0x10)
    }
}

/// PUBLISH at QoS 0.
pub(super) fn publish0(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let fields = Fields::new().string(topic);
    fields.raw(payload.as_ref()).packet(0x30)
}

/// PUBLISH at QoS 1.
pub(super) fn publish1(id: u16, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    publish_as(0x32, id, topic, payload)
}

/// PUBLISH at QoS 2.
pub(super) fn publish2(id: u16, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    publish_as(0x34, id, topic, payload)
}

/// PUBLISH with a packet id and this first byte: 3, then the bits DUP, QoS (two), RETAIN.
pub(super) fn publish_as(
    first: u8,
    id: u16,
    topic: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> Vec<u8> {
    let fields = Fields::new().string(topic).number(id);
    fields.raw(payload.as_ref()).packet(first)
}

/// PUBLISH at QoS 0 with RETAIN.
pub(super) fn retain0(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let fields = Fields::new().string(topic);
    fields.raw(payload.as_ref()).packet(0x31)
}

/// PUBACK.
pub(super) fn puback(id: u16) -> Vec<u8> {
    Fields::new().number(id).packet(0x40)
}

/// PUBREC.
pub(super) fn pubrec(id: u16) -> Vec<u8> {
    Fields::new().number(id).packet(0x50)
}

/// PUBREL.
pub(super) fn pubrel(id: u16) -> Vec<u8> {
    Fields::new().number(id).packet(0x62)
}

/// PUBCOMP.
pub(super) fn pubcomp(id: u16) -> Vec<u8> {
    Fields::new().number(id).packet(0x70)
}

/// SUBSCRIBE of these filters with the QoS asked for.
pub(super) fn subscribe<F: AsRef<[u8]>>(id: u16, filters: &[(F, u8)]) -> Vec<u8> {
    let fields = Fields::new().number(id);
    let add = |fields: Fields, (filter, qos): &(F, u8)| fields.string(filter).byte(*qos);
    filters.iter().fold(fields, add).packet(0x82)
}

/// SUBACK with these return codes.
pub(super) fn suback(id: u16, codes: &[u8]) -> Vec<u8> {
    Fields::new().number(id).raw(codes).packet(0x90)
}

/// UNSUBSCRIBE of these filters.
pub(super) fn unsubscribe<F: AsRef<[u8]>>(id: u16, filters: &[F]) -> Vec<u8> {
    let fields = Fields::new().number(id);
    filters.iter().fold(fields, Fields::string).packet(0xa2)
}

/// UNSUBACK.
pub(super) fn unsuback(id: u16) -> Vec<u8> {
    Fields::new().number(id).packet(0xb0)
}

/// PINGREQ.
pub(super) const PINGREQ: [u8; 2] = [0xc0, 0];
/// PINGRESP.
pub(super) const PINGRESP: [u8; 2] = [0xd0, 0];
/// DISCONNECT.
pub(super) const DISCONNECT: [u8; 2] = [0xe0, 0];
/// CONNACK: accepted, no session was present.
pub(super) const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
/// CONNACK: accepted, the session goes on.
pub(super) const RESUMED: [u8; 4] = [0x20, 2, 1, 0];
