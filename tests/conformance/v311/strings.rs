//! 1.5.3: strings are UTF-8 and nothing else.

use super::brokers::shared;
use super::hand_client::Client;
use super::packet_bytes::{connect, publish0};

/// A byte that begins two and is alone, a surrogate, one beyond the last character, a `/` in two
/// bytes, and a character cut off.
const ILL_FORMED: [&[u8]; 5] = [
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"a\xe2\x82",
];

/// [MQTT-1.5.3-1] A string that is no UTF-8, or has half of a surrogate pair in it, ends the
/// connection; what it named is not done.
#[test]
fn v311_1_5_3_1() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "1531-watcher", "1531/#", 0);
    for text in ILL_FORMED {
        Client::silent(&broker).closed_by(connect(text).bytes());
        let topic = [b"1531/", text].concat();
        Client::clean(&broker, "1531").closed_by(publish0(topic, "x"));
        // The id's next connection lives where the last one did, so its message comes behind.
        watcher.gets_nothing_more(&mut Client::clean(&broker, "1531"), "1531/end");
    }
}

/// [MQTT-1.5.3-2] A zero character in a string ends the connection.
#[test]
fn v311_1_5_3_2() {
    let broker = shared();
    let mut watcher = Client::subscribed(&broker, "1532-watcher", "1532/#", 0);
    Client::silent(&broker).closed_by(connect("1532\0b").bytes());
    Client::clean(&broker, "1532").closed_by(publish0("1532/a\0b", "x"));
    watcher.gets_nothing_more(&mut Client::clean(&broker, "1532"), "1532/end");
}

/// [MQTT-1.5.3-3] The three bytes of a byte order mark are a character like others: neither
/// dropped nor passed over.
#[test]
fn v311_1_5_3_3() {
    let broker = shared();
    let mut marked = Client::subscribed(&broker, "1533-marked", "\u{feff}1533", 0);
    let mut plain = Client::subscribed(&broker, "1533-plain", "1533", 0);
    let mut publisher = Client::clean(&broker, "1533");
    publisher.send(publish0(b"\xef\xbb\xbf1533", "x"));
    marked.expect(b"\x30\x0a\x00\x07\xef\xbb\xbf1533x");
    plain.gets_nothing_more(&mut publisher, "1533");
}
