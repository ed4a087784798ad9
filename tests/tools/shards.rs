//! Two shards, whatever the machine: what holds between them as within one.

use std::thread;

use mqtt_tests::{Broker, Level, Wire, connect, ping, publish, subscribe};

/// So many clients with different names that both shards have publishers and subscribers: the home
/// of a session is drawn by a hash, and 2^-11 is the chance that all of twelve fall on one side.
const CLIENTS: usize = 12;
const MESSAGES: u16 = 400;
/// Messages a publisher has under way, below the broker's receive maximum of 20.
const WINDOW: u16 = 10;

fn broker() -> Broker {
    Broker::start("allow_anonymous true\nshards 2\nmax_queued_messages 0")
}

fn client(broker: &Broker, name: &str, number: usize) -> Wire {
    Wire::greeted(broker, &connect(Level::V4, &format!("{name}-{number}")))
}

/// Publishes numbered messages at QoS 1 and takes the acknowledgements.
fn publish_all(mut wire: Wire, publisher: usize) {
    for number in 1..=MESSAGES {
        let payload = format!("{publisher} {number}");
        wire.send(&publish(
            &format!("from/{publisher}"),
            payload.as_bytes(),
            Some(number),
        ));
        if number > WINDOW {
            let puback = wire.packet().expect("an acknowledgement");
            assert!(puback.is_type(4), "{puback:02x?}");
        }
    }
    for _ in 0..WINDOW {
        let puback = wire.packet().expect("an acknowledgement");
        assert!(puback.is_type(4), "{puback:02x?}");
    }
}

/// Takes everybody's messages and checks that each publisher's come once and in order.
fn check_all(mut wire: Wire, subscriber: usize) {
    let mut last = [0_u16; CLIENTS];
    for _ in 0..CLIENTS * usize::from(MESSAGES) {
        let packet = wire.packet().expect("a message");
        assert_eq!(packet.first, 0x32, "QoS 1, not a repetition: {packet:02x?}");
        let topic_length = usize::from(packet.byte(1).expect("a topic"));
        let (head, payload) = packet.body.split_at(2 + topic_length + 2);
        let id = head.last_chunk::<2>().expect("a packet id");
        wire.send(&[0x40, 2, id[0], id[1]]);
        let text = String::from_utf8(payload.to_vec()).expect("text");
        let (publisher, number) = text.split_once(' ').expect("two numbers");
        let publisher: usize = publisher.parse().expect("a number");
        let number: u16 = number.parse().expect("a number");
        let before = last.get_mut(publisher).expect("a publisher of ours");
        assert_eq!(
            number,
            *before + 1,
            "subscriber {subscriber}, publisher {publisher}"
        );
        *before = number;
    }
    assert_eq!(last, [MESSAGES; CLIENTS]);
}

#[test]
fn each_publishers_order_is_kept_and_nothing_is_lost_or_doubled() {
    let broker = broker();
    let subscribers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut wire = client(&broker, "subscriber", number);
            wire.send(&subscribe(1, "from/+", 1));
            wire.expect_hex("90 03 00 01 01");
            thread::spawn(move || check_all(wire, number))
        })
        .collect();
    let publishers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let wire = client(&broker, "publisher", number);
            thread::spawn(move || publish_all(wire, number))
        })
        .collect();
    for thread in publishers.into_iter().chain(subscribers) {
        thread.join().expect("order kept");
    }
}

#[test]
fn a_publish_after_the_suback_is_never_missed() {
    let broker = broker();
    let mut clients: Vec<Wire> = (0..CLIENTS)
        .map(|number| client(&broker, "client", number))
        .collect();
    for round in 0..600_usize {
        let topic = format!("fresh/{round}");
        let (reader, writer) = (round % CLIENTS, (round * 7 + 1) % CLIENTS);
        let wire = clients.get_mut(reader).expect("a client");
        wire.send(&subscribe(1, &topic, 0));
        wire.expect_hex("90 03 00 01 00");
        let wire = clients.get_mut(writer).expect("a client");
        wire.send(&publish(&topic, b"x", None));
        let wire = clients.get_mut(reader).expect("a client");
        let message = wire.packet().expect("the message");
        assert_eq!(message.first, 0x30, "round {round}: {message:02x?}");
    }
}

#[test]
fn a_session_is_taken_over_whichever_shard_accepted_the_connection() {
    let broker = broker();
    let mut holder = client(&broker, "wanderer", 0);
    for _ in 0..40 {
        let mut next = client(&broker, "wanderer", 0);
        holder.expect_closed();
        next.send(&ping());
        next.expect_hex("d0 00");
        holder = next;
    }
}
