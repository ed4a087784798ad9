//! Section 3.1.2.11: faults in the properties of CONNECT.

use super::client::{Client, assert_refused, broker, fresh};
use super::packets::{Connect, Will, property};

/// A CONNECT whose properties hold a fault is answered with this code.
fn assert_properties_refused(properties: &[u8], code: u8) {
    let connect = Connect::new(fresh("p")).with(properties);
    assert_refused(&broker(), &connect.bytes(), code);
}

/// The same property with two values.
fn twice<T>(property: impl Fn(T) -> Vec<u8>, first: T, second: T) -> Vec<u8> {
    [property(first), property(second)].concat()
}

/// [U-3.1.2.11.2-a] Session Expiry Interval twice.
#[test]
fn v5_u_3_1_2_11_2_a() {
    assert_properties_refused(&twice(property::session_expiry, 1, 2), 0x82);
}

/// [U-3.1.2.11.3-a] Receive Maximum twice or 0.
#[test]
fn v5_u_3_1_2_11_3_a() {
    assert_properties_refused(&twice(property::receive_maximum, 1, 2), 0x82);
    assert_properties_refused(&property::receive_maximum(0), 0x82);
}

/// [U-3.1.2.11.4-a] Maximum Packet Size twice or 0.
#[test]
fn v5_u_3_1_2_11_4_a() {
    assert_properties_refused(&twice(property::maximum_packet_size, 100, 200), 0x82);
    assert_properties_refused(&property::maximum_packet_size(0), 0x82);
}

/// [U-3.1.2.11.5-a] Topic Alias Maximum twice.
#[test]
fn v5_u_3_1_2_11_5_a() {
    assert_properties_refused(&twice(property::topic_alias_maximum, 1, 2), 0x82);
}

/// [U-3.1.2.11.6-a] Request Response Information twice, or neither 0 nor 1.
#[test]
fn v5_u_3_1_2_11_6_a() {
    assert_properties_refused(&twice(property::request_response_information, 1, 0), 0x82);
    assert_properties_refused(&property::request_response_information(2), 0x82);
}

/// [U-3.1.2.11.7-a] Request Problem Information twice, or neither 0 nor 1.
#[test]
fn v5_u_3_1_2_11_7_a() {
    assert_properties_refused(&twice(property::request_problem_information, 1, 0), 0x82);
    assert_properties_refused(&property::request_problem_information(2), 0x82);
}

/// [U-3.1.2.11.9-a] Authentication Method twice.
#[test]
fn v5_u_3_1_2_11_9_a() {
    assert_properties_refused(&twice(property::authentication_method, "A", "A"), 0x82);
}

/// [U-3.1.2.11.10-a] Authentication Data without a method.
#[test]
fn v5_u_3_1_2_11_10_a() {
    assert_properties_refused(&property::authentication_data(b"x"), 0x82);
}

/// [U-3.1.2.11.10-b] Authentication Data twice.
#[test]
fn v5_u_3_1_2_11_10_b() {
    let method = property::authentication_method("A");
    let data = twice(property::authentication_data, b"x".as_slice(), b"y");
    assert_properties_refused(&[method, data].concat(), 0x82);
}

/// A duplicate in a will is told from one in the CONNECT itself, since each
/// block has its own bounds.
#[test]
fn a_property_may_stand_in_both_blocks() {
    let pair = property::user_property("k", "v");
    let will = Will::new(fresh("w"), "").with(&pair);
    let connect = Connect::new(fresh("both")).with(&pair).will(will);
    let mut client = Client::connect(&broker(), &connect);
    client.nothing_more();
}
