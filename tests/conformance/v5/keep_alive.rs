//! Sections 3.1.2.10 and 3.12: Keep Alive, PINGREQ and PINGRESP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mqtt_tests::{Broker, Deadline};

use super::client::{Client, broker, broker_with, fresh, let_pass};
use super::packets::{Connect, Publish, Will};

/// Demands DISCONNECT 0x8D between 1.5 times a Keep Alive of 2 and a second and a half later; later
/// still if the machine makes everybody wait, by what another client of the broker waited meanwhile.
fn closes_in_time(broker: &Arc<Broker>, client: Client, since: Deadline) {
    let asked = since.elapsed();
    let over = AtomicBool::new(false);
    let (elapsed, waited) = thread::scope(|scope| {
        let waiting = scope.spawn(|| time_lost(broker, &over));
        client.expect_disconnect(0x8d);
        let elapsed = since.elapsed();
        over.store(true, Ordering::Relaxed);
        (elapsed, waiting.join().expect("it is answered"))
    });
    let latest = asked.max(Duration::from_millis(4600)) + waited;
    let allowed = Duration::from_millis(2950)..latest;
    assert!(
        allowed.contains(&elapsed),
        "closed after {elapsed:?}, others waited {waited:?}"
    );
}

/// How long another client waits in all for answers to PINGREQ: next to nothing on a machine with
/// time to spare.
fn time_lost(broker: &Arc<Broker>, over: &AtomicBool) -> Duration {
    let mut other = Client::new(broker);
    let give_up = Deadline::start();
    let mut waited = Duration::ZERO;
    while !over.load(Ordering::Relaxed) && !give_up.is_over() {
        let asked = Deadline::start();
        other.nothing_more();
        waited += asked.elapsed();
        let_pass(20);
    }
    waited
}

/// [MQTT-3.1.2-22] A client silent for 1.5 times its Keep Alive is closed as if the network had
/// failed; what is sent to it does not count.
#[test]
fn v5_3_1_2_22() {
    let broker = broker();
    let (will, topic) = (fresh("will"), fresh("t"));
    let mut watcher = Client::subscribed(&broker, &will, 0);
    let connect = Connect::new(fresh("idle"))
        .keep_alive(2)
        .will(Will::new(&will, "gone"));
    let mut idle = Client::connect(&broker, &connect);
    idle.subscribe(&topic, 0);
    let since = Deadline::start();
    let mut publisher = Client::new(&broker);
    for _ in 0..5 {
        publisher.publish(&Publish::new(&topic, "x"));
        idle.message();
        let_pass(500);
    }
    watcher.nothing_more();
    closes_in_time(&broker, idle, since);
    assert_eq!(watcher.message().text(), "gone");
}

/// [MQTT-3.2.2-22] Without Server Keep Alive the client's value counts.
#[test]
fn v5_3_2_2_22() {
    let broker = broker();
    let connect = Connect::new(fresh("idle")).keep_alive(2);
    let client = Client::connect(&broker, &connect);
    let since = Deadline::start();
    assert_eq!(client.connack_property(0x13), None);
    closes_in_time(&broker, client, since);
}

/// [MQTT-3.12.4-1] PINGREQ is answered with PINGRESP.
#[test]
fn v5_3_12_4_1() {
    let mut client = Client::new(&broker());
    client.send(&[0xc0, 0x00]);
    client.expect_hex("d0 00");
}

/// (trap 38) PINGREQ keeps a connection open, Keep Alive 0 needs none, and
/// half a packet does not count.
#[test]
fn trap_38_only_whole_packets_keep_a_connection_alive() {
    let broker = broker();
    let connect = |seconds| Connect::new(fresh("alive")).keep_alive(seconds);
    let mut pinging = Client::connect(&broker, &connect(1));
    let mut endless = Client::connect(&broker, &connect(0));
    let mut dripping = Client::connect(&broker, &connect(2));
    let since = Deadline::start();
    dripping.send(&[0x30, 0x20, 0x00, 0x01]);
    for _ in 0..5 {
        let_pass(500);
        pinging.nothing_more();
        dripping.send(b"a");
    }
    closes_in_time(&broker, dripping, since);
    endless.nothing_more();
    let late = pinging.rest();
    assert!(
        late.iter().all(|packet| packet.byte(0) == Some(0x8d)),
        "{late:02x?}"
    );
}

/// (trap 38) Where the broker answers with Server Keep Alive, that value is
/// in force.
#[test]
fn trap_38_a_server_keep_alive_replaces_the_clients() {
    let broker = broker_with("max_keepalive 2");
    let client = Client::connect(&broker, &Connect::new("long").keep_alive(60));
    let since = Deadline::start();
    assert_eq!(client.connack_property(0x13), Some(vec![0, 2]));
    closes_in_time(&broker, client, since);
}
