//! 3.14: a client takes its leave.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{DISCONNECT, connect, publish0, publish1};

/// [MQTT-3.14.1-1] Flags in DISCONNECT make it none: the client is closed, and its will published.
#[test]
fn v311_3_14_1_1() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31411-watcher", "31411", 0);
    for first in 0xe1..=0xef {
        let how = format!("{first:x}");
        let hello = connect("31411").will("31411", &how, 0);
        Client::fresh(&broker, &hello).closed_by([first, 0]);
        watcher.expect(publish0("31411", how));
    }
}

/// [MQTT-3.14.4-2] Behind DISCONNECT nothing more comes: what does is not looked at.
#[test]
fn v311_3_14_4_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31442-watcher", "31442", 1);
    let both = |late: Vec<u8>| [DISCONNECT.to_vec(), late].concat();
    for late in [publish0("31442", "late"), publish1(1, "31442", "late")] {
        Client::clean(&broker, "31442").closed_by(both(late));
        watcher.gets_nothing_more(&mut Client::clean(&broker, "31442"), "31442");
    }
    // Not even as an error, which would publish the will.
    let hello = connect("31442").will("31442", "gone", 0);
    Client::fresh(&broker, &hello).closed_by(both(vec![0xf0, 0]));
    watcher.gets_nothing_more(&mut Client::clean(&broker, "31442"), "31442");
}
