//! 3.12: PINGREQ.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::publish0;

/// [MQTT-3.12.4-1] PINGREQ is answered by PINGRESP, also to a client that has long stopped reading
/// and has a full queue.
#[test]
fn v311_3_12_4_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "31241");
    client.send(b"\xc0\x00");
    client.expect(b"\xd0\x00");

    client.subscribe("31241", 0);
    let mut publisher = Client::clean(&broker, "31241-publisher");
    let large = "x".repeat(64 * 1024);
    for _ in 0..256 {
        publisher.send(publish0("31241", &large));
    }
    // Its answer says that all of it was handled: what fits nowhere was dropped.
    publisher.publish(1, "31241", "x");
    client.send(b"\xc0\x00");
    let mut messages = 0;
    while !client.packet().is_type(13) {
        messages += 1;
    }
    assert!(
        (1..257).contains(&messages),
        "{messages} of 257 came, so none was dropped or all"
    );
}
