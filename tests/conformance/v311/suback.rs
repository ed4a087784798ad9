//! 3.9: the codes of SUBACK.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{suback, subscribe};

/// [MQTT-3.9.3-1] The codes stand in the order of the filters.
#[test]
fn v311_3_9_3_1() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3931");
    let filters = [
        ("3931/a", 2),
        ("3931/b+", 1),
        ("3931/c", 0),
        ("3931/d", 1),
        ("3931/a", 1),
        ("3931#", 0),
        ("3931/e", 2),
    ];
    client.send(subscribe(1, &filters));
    client.expect(suback(1, &[2, 0x80, 0, 1, 1, 0x80, 2]));
}

/// [MQTT-3.9.3-2] The codes are 0, 1, 2 and 0x80, no others.
#[test]
fn v311_3_9_3_2() {
    let broker = shared();
    let mut client = Client::clean(&broker, "3932");
    for filter in [
        "3932#",
        "3932/+x",
        "#/3932",
        "$share/3932",
        "$share//3932",
        "$share/+/3932",
    ] {
        client.send(subscribe(1, &[(filter, 1), ("3932", 1)]));
        client.expect(suback(1, &[0x80, 1]));
    }
    client.send(subscribe(1, &[("$SYS/#", 2), ("$CONTROL/#", 2), ("#", 2)]));
    let answer = client.packet();
    let codes = answer.body.get(2..).expect("codes behind the packet id");
    assert_eq!((answer.first, codes.len()), (0x90, 3), "{answer:02x?}");
    assert!(
        codes.iter().all(|code| matches!(code, 0..=2 | 0x80)),
        "{codes:02x?}"
    );
}
