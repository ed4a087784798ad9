//! The few packets that tests send by hand, built without the code under test.

/// A version of the protocol, by the level that stands in CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// MQTT 3.1
    V3 = 3,
    /// MQTT 3.1.1
    V4 = 4,
    /// MQTT 5.0
    V5 = 5,
}

/// CONNECT with clean session, keep alive 60, no will, no password.
pub fn connect(level: Level, client_id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(
        &mut body,
        if level == Level::V3 { "MQIsdp" } else { "MQTT" },
    );
    body.extend([level as u8, 0x02, 0, 60]);
    if level == Level::V5 {
        body.push(0);
    }
    text(&mut body, client_id);
    packet(0x10, &body)
}

/// SUBSCRIBE of one filter (3.1 and 3.1.1).
pub fn subscribe(packet_id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// PUBLISH (3.1 and 3.1.1), at QoS 0 without a packet id, else at QoS 1 with this one.
pub fn publish(topic: &str, payload: &[u8], packet_id: Option<u16>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if let Some(id) = packet_id {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(if packet_id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// PINGREQ.
pub fn ping() -> Vec<u8> {
    packet(0xc0, &[])
}

fn text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a string of the protocol is short");
    body.extend(length.to_be_bytes());
    body.extend(text.bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).expect("less than 128");
        left /= 128;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}
