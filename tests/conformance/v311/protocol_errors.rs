//! 4.8: who breaks the protocol is closed.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, publish0};

/// [MQTT-4.8.0-1] Packets that only a broker sends, and types that there are none of, end the
/// connection.
#[test]
fn v311_4_8_0_1() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "4801-watcher", "4801", 0);
    for bytes in [
        b"\x20\x02\x00\x00".as_slice(),
        b"\x90\x03\x00\x01\x00",
        b"\xb0\x02\x00\x01",
        b"\xd0\x00",
        b"\x00\x00",
        b"\xf0\x00",
    ] {
        // As the first packet, and later; what follows is not looked at.
        Client::silent(&broker).closed_by([bytes, &connect("4801").bytes()].concat());
        let late = [bytes, &publish0("4801", "late")].concat();
        Client::clean(&broker, "4801").closed_by(late);
        watcher.gets_nothing_more(&mut Client::clean(&broker, "4801"), "4801");
    }
}
