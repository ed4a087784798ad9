//! The chat room: everybody subscribes to one topic, speaks, and hears everybody, himself too.

use std::thread;

use mqtt_tests::{Broker, Level, Tool, Wire, connect, publish, subscribe};

const ROOM: &str = "聊天室/大厅";
const PEOPLE: usize = 16;
const SENTENCES: usize = 10;

fn sentence(person: usize, number: usize) -> String {
    format!("大家好,我是{person}号,这是第{number}句话 🙂")
}

/// What one person heard, in order: (who, which sentence).
type Heard = Vec<(usize, usize)>;

/// Says all sentences and listens until everybody's have come.
fn chat(mut wire: Wire, person: usize, everybody: usize) -> Heard {
    for number in 0..SENTENCES {
        wire.send(&publish(ROOM, sentence(person, number).as_bytes(), None));
    }
    let expected = all_sentences(everybody);
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let packet = wire.packet().expect("the room stays open");
        assert_eq!(packet.first, 0x30, "a PUBLISH at QoS 0: {packet:02x?}");
        let topic_bytes = ROOM.len();
        let payload = packet
            .body
            .get(topic_bytes + 2..)
            .expect("a topic and a payload");
        let said = String::from_utf8(payload.to_vec()).expect("nobody speaks broken UTF-8 here");
        let known = expected
            .iter()
            .find(|(who, number)| sentence(*who, *number) == said);
        heard.push(*known.unwrap_or_else(|| panic!("nobody said {said:?}")));
    }
    heard
}

fn all_sentences(everybody: usize) -> Heard {
    (0..everybody)
        .flat_map(|who| (0..SENTENCES).map(move |number| (who, number)))
        .collect()
}

#[test]
fn everybody_hears_everybody_in_order_and_himself_too() {
    let broker = Broker::start("allow_anonymous true");
    // Everybody is in the room before the first word.
    let wires: Vec<Wire> = (0..PEOPLE)
        .map(|person| {
            let level = if person % 2 == 0 {
                Level::V4
            } else {
                Level::V3
            };
            let mut wire = Wire::greeted(&broker, &connect(level, &format!("客人{person}")));
            wire.send(&subscribe(1, ROOM, 0));
            wire.expect_hex("90 03 00 01 00");
            wire
        })
        .collect();
    let talks: Vec<_> = wires
        .into_iter()
        .enumerate()
        .map(|(person, wire)| thread::spawn(move || chat(wire, person, PEOPLE)))
        .collect();
    for (person, talk) in talks.into_iter().enumerate() {
        let heard = talk.join().expect("a talk that went well");
        for who in 0..PEOPLE {
            let of_one: Vec<usize> = heard
                .iter()
                .filter(|(speaker, _)| *speaker == who)
                .map(|(_, n)| *n)
                .collect();
            let in_order: Vec<usize> = (0..SENTENCES).collect();
            assert_eq!(of_one, in_order, "what {person} heard of {who}");
        }
    }
}

#[test]
fn people_at_shells_chat_with_each_other() {
    let broker = Broker::start("allow_anonymous true");
    let people = ["小明", "小红", "Ada"];
    let listeners = people.map(|_| {
        let count = (people.len() * 2).to_string();
        let words = ["-V", "5", "-q", "1", "-v", "-t", ROOM, "-C", &count];
        Tool::subscribe(&broker).args(words).start_subscribed()
    });
    let speakers = people.map(|name| {
        let input = format!("{name}: 你好\n{name}: 再见\n");
        Tool::publish(&broker)
            .args(["-q", "1", "-t", ROOM, "-l"])
            .stdin(input)
            .start()
    });
    for speaker in speakers {
        let _ = speaker.finish().succeeded();
    }
    for listener in listeners {
        let text = listener.finish().succeeded().text();
        for name in people {
            let hello = text.find(&format!("{ROOM} {name}: 你好\n"));
            let goodbye = text.find(&format!("{ROOM} {name}: 再见\n"));
            assert!(hello.is_some() && hello < goodbye, "{name} in\n{text}");
        }
    }
}
