//! 4.7: topic names, topic filters, and which match which.

use super::brokers::{shared, with};
use super::hand_client::Client;
use super::packet_bytes::{publish0, publish1, suback, subscribe, unsubscribe};

/// Filter, topic name, and whether the one matches the other.
const MATCHES: &[(&str, &str, bool)] = &[
    ("a", "a", true),
    ("a", "b", false),
    ("a", "A", false),
    ("a", "a/", false),
    ("a", "/a", false),
    ("a", "aa", false),
    ("a/b", "a/b", true),
    ("a/b", "a", false),
    ("a/b", "a/b/c", false),
    ("a/b", "a//b", false),
    ("a//b", "a//b", true),
    ("a//b", "a/b", false),
    ("/a", "/a", true),
    ("/a", "a", false),
    ("a/", "a/", true),
    ("a/", "a", false),
    ("/", "/", true),
    ("/", "//", false),
    ("#", "a", true),
    ("#", "a/b/c", true),
    ("#", "/", true),
    ("#", "/a", true),
    ("#", "$a", false),
    ("#", "$a/b", false),
    ("a/#", "a", true),
    ("a/#", "a/", true),
    ("a/#", "a/b", true),
    ("a/#", "a/b/c/d", true),
    ("a/#", "ab", false),
    ("a/#", "b/a", false),
    ("a/#", "/a", false),
    ("a/b/#", "a/b", true),
    ("a/b/#", "a", false),
    ("a/b/#", "a/bb", false),
    ("/#", "/", true),
    ("/#", "/a/b", true),
    ("/#", "a", false),
    ("+", "a", true),
    ("+", "a/b", false),
    ("+", "/a", false),
    ("+", "a/", false),
    ("+", "$a", false),
    ("/+", "/a", true),
    ("/+", "/", true),
    ("/+", "a", false),
    ("+/+", "/a", true),
    ("+/+", "/", true),
    ("+/+", "a/b", true),
    ("+/+", "a", false),
    ("+/+", "a/b/c", false),
    ("+/+", "$a/b", false),
    ("a/+", "a/b", true),
    ("a/+", "a/", true),
    ("a/+", "a", false),
    ("a/+", "a/b/c", false),
    ("a/+/c", "a/b/c", true),
    ("a/+/c", "a//c", true),
    ("a/+/c", "a/c", false),
    ("a/+/c", "a/b/d", false),
    ("+/b/#", "a/b", true),
    ("+/b/#", "/b/c/d", true),
    ("+/b/#", "a/c", false),
    ("+/b/#", "$a/b", false),
    ("a/+/#", "a/b", true),
    ("a/+/#", "a", false),
    ("+/#", "a", true),
    ("+/#", "/", true),
    ("+/#", "$a/b", false),
    ("$a/#", "$a/b", true),
    ("$a/#", "$a", true),
    ("$a/+", "$a/b", true),
    ("$a/b", "$a/b", true),
    ("a/$b", "a/$b", true),
    ("a/+", "a/$b", true),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/ranking",
        true,
    ),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
];

/// [MQTT-3.3.2-3] Messages go to who has a filter that matches their topic, and to nobody else.
#[test]
fn v311_3_3_2_3() {
    let broker = with("");
    let mut client = Client::clean(&broker, "subscriber");
    let mut publisher = Client::clean(&broker, "publisher");
    for (filter, topic, matches) in MATCHES {
        // The end is marked under a topic that the filter may match too: that makes one copy.
        client.send(subscribe(1, &[(*filter, 0), ("end", 0)]));
        client.expect(suback(1, &[0, 0]));
        publisher.send(publish0(topic, "x"));
        publisher.send(publish0("end", "the end"));
        let mut got = Vec::new();
        loop {
            let message = client.message();
            if message.text() == "the end" {
                break;
            }
            got.push(message.topic_text());
        }
        let expected = if *matches { vec![*topic] } else { vec![] };
        assert_eq!(got, expected, "{filter} on {topic}");
        client.send(unsubscribe(2, &[*filter, "end"]));
        client.expect([0xb0, 2, 0, 2]);
    }
}

/// [MQTT-4.7.1-1] Wildcards are for filters alone.
#[test]
fn v311_4_7_1_1() {
    let broker = shared();
    for topic in ["+", "#", "4711/+/a", "4711/#"] {
        Client::clean(&broker, "4711").closed_by(publish0(topic, "x"));
        Client::clean(&broker, "4711").closed_by(publish1(1, topic, "x"));
    }
}

/// A filter that is none: failure, and the connection goes on (our choice).
fn is_no_filter(client_id: &str, filter: &str) {
    // It ends with its last user, who may be this one.
    let broker = shared();
    let mut client = Client::clean(&broker, client_id);
    client.send(subscribe(1, &[(filter, 0)]));
    client.expect(suback(1, &[0x80]));
    client.ping();
}

/// [MQTT-4.7.1-2] `#` stands alone or behind a `/`, and at the end.
#[test]
fn v311_4_7_1_2() {
    let broker = shared();
    for filter in [
        "4712#", "4712/#/b", "#/4712", "##", "#/", "4712/#/", "4712/b#", "4712/#b",
    ] {
        is_no_filter("4712", filter);
    }
    let mut client = Client::subscribed(&broker, "4712", "4712/#", 0);
    let mut publisher = Client::clean(&broker, "4712-publisher");
    for topic in ["4712", "4712/", "4712/b"] {
        publisher.send(publish0(topic, "x"));
        client.expect(publish0(topic, "x"));
    }
}

/// [MQTT-4.7.1-3] `+` stands for one whole level, also an empty one.
#[test]
fn v311_4_7_1_3() {
    let broker = shared();
    for filter in ["4713+", "+4713/b", "4713/+b", "4713/b+/c", "++", "4713/++"] {
        is_no_filter("4713", filter);
    }
    let mut client = Client::subscribed(&broker, "4713", "+/4713", 0);
    client.subscribe("4713/+", 0);
    let mut publisher = Client::clean(&broker, "4713-publisher");
    publisher.send(publish0("4713", "x"));
    for topic in ["/4713", "4713/", "a/4713", "4713/a"] {
        publisher.send(publish0(topic, "x"));
        client.expect(publish0(topic, "x"));
    }
}

/// [MQTT-4.7.2-1] A filter that begins with a wildcard matches no topic that begins with `$`.
#[test]
fn v311_4_7_2_1() {
    let broker = with("sys_interval 1");
    let mut all = Client::clean(&broker, "all");
    all.send(subscribe(
        1,
        &[("#", 0), ("+/broker/uptime", 0), ("+/x", 0), ("+/#", 0)],
    ));
    all.expect(suback(1, &[0, 0, 0, 0]));
    let mut system = Client::subscribed(&broker, "system", "$SYS/#", 0);
    let mut own = Client::subscribed(&broker, "own", "$own/+", 0);
    let mut publisher = Client::clean(&broker, "publisher");
    publisher.send(publish0("$own/x", "x"));
    own.expect(publish0("$own/x", "x"));
    // What is kept comes at once, and the broker publishes anew while we wait.
    for retain in [true, false] {
        let mut message = system.message();
        while message.retain != retain {
            message = system.message();
        }
        assert!(message.topic_text().starts_with("$SYS/"), "{message:?}");
    }
    all.gets_nothing_more(&mut publisher, "end");
}

/// [MQTT-4.7.3-1] Names and filters have one character at least.
#[test]
fn v311_4_7_3_1() {
    let broker = shared();
    Client::clean(&broker, "4731").closed_by(publish0("", "x"));
    Client::clean(&broker, "4731").closed_by(publish1(1, "", "x"));
    is_no_filter("4731", "");
}

/// [MQTT-4.7.3-2] Names and filters have no zero character.
#[test]
fn v311_4_7_3_2() {
    let broker = shared();
    let client = || Client::clean(&broker, "4732");
    client().closed_by(publish0("4732\0", "x"));
    client().closed_by(subscribe(1, &[("4732\0", 0)]));
    client().closed_by(unsubscribe(1, &["\x004732"]));
}

/// [MQTT-4.7.3-3] Names and filters of 65535 bytes, and no more can be written, go all the way.
#[test]
fn v311_4_7_3_3() {
    let broker = shared();
    let topic = "4733".repeat(65_536 / 4);
    let topic = topic.get(1..).expect("one byte less");
    assert_eq!(topic.len(), 65_535);
    let mut client = Client::subscribed(&broker, "4733", topic, 1);
    let mut publisher = Client::clean(&broker, "4733-publisher");
    publisher.publish(1, topic, "x");
    client.expect(publish1(1, topic, "x"));
    // One that differs in its last byte is another one.
    let other = topic.get(..65_534).expect("one byte less").to_owned() + "4";
    publisher.publish(1, &other, "x");
    client.gets_nothing_more(&mut publisher, topic);
}

/// [MQTT-4.7.3-4] Nothing is normalised: names that look alike are as different as their bytes.
#[test]
fn v311_4_7_3_4() {
    let names = [
        "4734/\u{e9}",
        "4734/e\u{301}",
        "4734/\u{c9}",
        "4734/a",
        "4734/A",
        "4734/a/",
        "4734//a",
        "/4734/a",
        "4734/a ",
        "4734/./a",
        "4734/a/../a",
        "4734/\u{ff41}",
    ];
    let broker = shared();
    let mut clients: Vec<Client> = names
        .iter()
        .map(|name| Client::subscribed(&broker, &format!("4734-{name}"), name, 0))
        .collect();
    let mut publisher = Client::clean(&broker, "4734-publisher");
    for name in names {
        publisher.send(publish0(name, "x"));
    }
    for (client, name) in clients.iter_mut().zip(names) {
        client.expect(publish0(name, "x"));
        client.gets_nothing_more(&mut publisher, name);
    }
}
