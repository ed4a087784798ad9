//! The level byte of a bridge: a convention beside the standard.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, publish0, retain0};

/// (convention of bridges) The upper bit of the level says that a broker connects: it is served as
/// others are, gets nothing back that it sent, and RETAIN as it was published.
#[test]
fn v311_u_unnumbered_e() {
    let broker = shared();
    let mut publisher = Client::clean(&broker, "unnumbered-e");
    for (name, level) in [(b"MQTT".as_slice(), 0x84), (b"MQIsdp", 0x83)] {
        let hello = connect("unnumbered-e-bridge").protocol(name, level);
        let mut bridge = Client::fresh(&broker, &hello);
        bridge.subscribe("unnumbered-e", 0);
        publisher.send(retain0("unnumbered-e", "kept"));
        bridge.expect(retain0("unnumbered-e", "kept"));
        publisher.send(publish0("unnumbered-e", "passing"));
        bridge.expect(publish0("unnumbered-e", "passing"));
        bridge.publish(1, "unnumbered-e", "own");
        bridge.gets_nothing_more(&mut publisher, "unnumbered-e");
        publisher.send(retain0("unnumbered-e", ""));
        bridge.expect(retain0("unnumbered-e", ""));
        bridge.disconnect();
    }
}
