//! 3.1.2.10: who says nothing for too long is gone.

use std::thread;
use std::time::Duration;

use mqtt_tests::Deadline;

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, publish0};

/// [MQTT-3.1.2-24] Silence of one and a half times the keep alive ends the connection as a network
/// failure does; what is sent to the client is no sign of its life, and zero means for ever.
#[test]
fn v311_3_1_2_24() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "31224-watcher", "31224/will", 0);
    let mut patient = Client::clean(&broker, "31224-patient");
    let mut publisher = Client::clean(&broker, "31224-publisher");

    let since = Deadline::start();
    let hello = connect("31224").will("31224/will", "gone", 0).keep_alive(2);
    let mut silent = Client::fresh(&broker, &hello);
    silent.subscribe("31224/busy", 0);
    let opened = since.elapsed();
    let reader = thread::spawn(move || {
        let received = silent.rest().len();
        (since.elapsed(), received)
    });
    // Next to nothing on a machine with time to spare, and else what everybody waits for.
    let mut waited = Duration::ZERO;
    while !reader.is_finished() {
        publisher.send(publish0("31224/busy", "x"));
        let asked = Deadline::start();
        patient.ping();
        waited += asked.elapsed();
        // The pace of what the silent client is sent, not a wait for something.
        thread::sleep(Duration::from_millis(100));
    }
    let (lasted, received) = reader.join().expect("the reader ends well");
    // The broker reads its clock once a turn, so a little less than 3 s may be measured here.
    let latest = Duration::from_millis(4_500) + opened + waited;
    let range = Duration::from_millis(2_900)..latest;
    assert!(
        range.contains(&lasted),
        "closed after {lasted:?}, not in {range:?}"
    );
    assert!(received > 10, "it was busy: {received} packets");
    watcher.expect(publish0("31224/will", "gone"));
    patient.ping();
}
