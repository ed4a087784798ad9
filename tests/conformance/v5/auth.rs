//! Sections 3.15 and 4.12: enhanced authentication, of which the broker knows no method.

use super::client::{Client, assert_closed_for, assert_refused, broker, fresh};
use super::packets::{Connect, Publish, block, packet, property};

/// AUTH with this reason code and these properties.
fn auth(code: u8, properties: &[u8]) -> Vec<u8> {
    packet(0xf0, &[&[code], &block(properties)])
}

/// [MQTT-3.15.1-1] The flags of AUTH are 0.
#[test]
fn v5_3_15_1_1() {
    let mut bytes = auth(0x19, &property::authentication_method("M"));
    bytes[0] = 0xf1;
    assert_closed_for(&broker(), &bytes, 0x81);
    assert_closed_for(&broker(), &[0xf1, 0x00], 0x81);
}

/// [MQTT-3.15.2-1] AUTH has 0x00, 0x18 or 0x19.
#[test]
fn v5_3_15_2_1() {
    for code in [0x01, 0x10, 0x17, 0x1a, 0x87] {
        let bytes = auth(code, &property::authentication_method("M"));
        assert_closed_for(&broker(), &bytes, 0x82);
    }
}

/// [MQTT-4.12.0-1] A method that the broker does not know is refused with 0x8C.
#[test]
fn v5_4_12_0_1() {
    for method in ["X", "SCRAM-SHA-1", ""] {
        let method = property::authentication_method(method);
        let connect = Connect::new(fresh("c")).with(method);
        assert_refused(&broker(), &connect.bytes(), 0x8c);
        let connect = connect.with(property::authentication_data(&[0, 1, 2]));
        assert_refused(&broker(), &connect.bytes(), 0x8c);
    }
}

/// [MQTT-4.12.0-4] Who is not authenticated gets CONNACK of 0x80 or above and is closed; nothing that
/// stands behind the CONNECT is done.
#[test]
fn v5_4_12_0_4() {
    let broker = broker();
    let topic = fresh("t");
    let mut watcher = Client::subscribed(&broker, &topic, 0);
    let method = property::authentication_method("X");
    let connect = Connect::new(fresh("c")).with(method).bytes();
    let data = property::authentication_data(b"wrong");
    let method = property::authentication_method("X");
    let answer = auth(0x18, &[method, data].concat());
    let publish = Publish::new(&topic, "x").bytes();
    assert_refused(&broker, &[connect, answer, publish].concat(), 0x8c);
    watcher.nothing_more();
}

/// [MQTT-4.12.0-3] AUTH 0x00 is not for clients.
#[test]
fn v5_4_12_0_3() {
    assert_closed_for(&broker(), &[0xf0, 0x00], 0x82);
    let bytes = auth(0x00, &property::authentication_method("M"));
    assert_closed_for(&broker(), &bytes, 0x82);
}

/// [MQTT-4.12.0-6] Who names no method in CONNECT gets none in CONNACK, and no AUTH.
#[test]
fn v5_4_12_0_6() {
    let mut client = Client::new(&broker());
    assert_eq!(client.connack_property(0x15), None);
    assert_eq!(client.connack_property(0x16), None);
    client.nothing_more();
}

/// [MQTT-4.12.0-7] And sends no AUTH either.
#[test]
fn v5_4_12_0_7() {
    for code in [0x18, 0x19] {
        let bytes = auth(code, &property::authentication_method("M"));
        assert_closed_for(&broker(), &bytes, 0x82);
    }
}

/// [U-3.15-a] AUTH without a method in CONNECT is a Protocol Error, whatever stands in it.
#[test]
fn v5_u_3_15_a() {
    let method = property::authentication_method("M");
    let data = property::authentication_data(b"x");
    assert_closed_for(&broker(), &auth(0x19, &[method, data].concat()), 0x82);
}

/// [U-3.15.2.2.2-a] AUTH without an Authentication Method, or with two.
#[test]
fn v5_u_3_15_2_2_2_a() {
    assert_closed_for(&broker(), &auth(0x18, &[]), 0x82);
    assert_closed_for(
        &broker(),
        &auth(0x18, &property::authentication_data(b"x")),
        0x82,
    );
    let twice = property::authentication_method("M").repeat(2);
    assert_closed_for(&broker(), &auth(0x18, &twice), 0x82);
}

/// [U-3.15.2.2.3-a] Authentication Data twice.
#[test]
fn v5_u_3_15_2_2_3_a() {
    let method = property::authentication_method("M");
    let twice = property::authentication_data(b"x").repeat(2);
    assert_closed_for(&broker(), &auth(0x18, &[method, twice].concat()), 0x82);
}

/// [U-3.15.2.1-a] A remaining length of 0 means 0x00: well formed, though not for a client to send.
#[test]
fn v5_u_3_15_2_1_a() {
    assert_closed_for(&broker(), &[0xf0, 0x00], 0x82);
}
