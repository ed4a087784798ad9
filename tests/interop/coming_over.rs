//! From Debian's `mosquitto` to our broker with all that it kept, and back.

use std::path::{Path, PathBuf};

use mqtt_broker::store::mosquitto;
use mqtt_broker::store::mosquitto::snapshot::{
    Client, ClientMessage, NEVER, Progress, Snapshot, StoredMessage,
};
use mqtt_codec::QoS;
use mqtt_tests::{
    Broker, DebianTool, Level, Packet, Setup, Signal, Tool, Wire, connect, peer_program, publish,
    subscribe, wait_until,
};

/// Longer than a session has to live here.
const LONG: &str = "4294967294";
/// A member of a shared subscription.
const MEMBER: [&str; 6] = ["-V", "5", "-x", LONG, "-q", "1"];

fn lines(store: &Path) -> String {
    let store = store.display();
    format!("allow_anonymous true\npersistence true\npersistence_location {store}/")
}

/// A client of 3.1.1 with a session that stays.
fn stay(broker: &Broker, client_id: &str) -> Wire {
    let mut packet = connect(Level::V4, client_id);
    let flags = packet.get_mut(9).expect("the flags of CONNECT");
    *flags = 0;
    Wire::greeted(broker, &packet)
}

/// PUBLISH at QoS 2 with a topic of one letter.
fn publish_qos_2(topic: u8, payload: &[u8], packet_id: u8) -> Vec<u8> {
    let length = u8::try_from(5 + payload.len()).expect("a short packet");
    let mut packet = vec![0x34, length, 0, 1, topic, 0, packet_id];
    packet.extend(payload);
    packet
}

fn publish_with(broker: &Broker, words: &[&str]) {
    let _ = Tool::publish(broker).args(words).run().succeeded();
}

/// Subscribes with a session that stays, and goes.
fn leave(broker: &Broker, name: &str, words: &[&str]) {
    let tool = Tool::subscribe(broker).args(["-i", name, "-c", "-E"]);
    let _ = tool.args(words).run().succeeded();
}

/// What a kept session gets when it is back, a line for each message, sorted: at QoS 2 ours waits for
/// the disk, and QoS 1 does not.
fn back(broker: &Broker, name: &str, count: &str, words: &[&str]) -> Vec<String> {
    let format = "%t %p qos %q retain %r %P %C";
    let tool = Tool::subscribe(broker)
        .args(["-i", name, "-c", "-t", "nothing", "-C", count, "-F", format])
        .args(words);
    let text = tool.run().succeeded().text();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

/// Sessions with messages in every state, and what is retained.
fn fill(broker: &Broker) {
    leave(broker, "old", &["-V", "311", "-q", "1", "-t", "a/+"]);
    let new = [
        "-V",
        "5",
        "-x",
        LONG,
        "-q",
        "2",
        "-t",
        "a/#",
        "-D",
        "subscribe",
    ];
    leave(
        broker,
        "new",
        &[&new[..], &["subscription-identifier", "7"]].concat(),
    );
    let mut acks = stay(broker, "acks");
    acks.send(&subscribe(1, "q", 2));
    acks.packets_until(9);
    let mut sender = Wire::greeted(broker, &connect(Level::V4, "sender"));
    for (packet_id, payload) in [(1, b"puback"), (2, b"pubrec"), (3, b"pubrel")] {
        sender.send(&match packet_id {
            1 => publish("q", payload, Some(1)),
            packet_id => publish_qos_2(b'q', payload, packet_id),
        });
        if packet_id > 1 {
            sender.packets_until(5);
            sender.send(&[0x62, 2, 0, packet_id]);
            sender.packets_until(7);
        } else {
            sender.packets_until(4);
        }
    }
    let messages: Vec<Packet> = (0..3).map(|_| acks.packet().expect("a PUBLISH")).collect();
    // The third is taken over, and PUBREL not answered.
    let last = messages.last().expect("three of them");
    let id = |packet: &Packet, at| packet.body.get(at).copied().expect("a packet id");
    acks.send(&[0x50, 2, id(last, 3), id(last, 4)]);
    acks.packets_until(6);
    let mut holder = stay(broker, "holder");
    holder.send(&publish_qos_2(b'h', b"held", 9));
    holder.packets_until(5);
    for (topic, qos, payload) in [
        ("a/1", "1", "one"),
        ("a/2", "2", "two"),
        ("a/3", "1", "three"),
    ] {
        let common = ["-V", "5", "-t", topic, "-q", qos, "-m", payload];
        let properties = ["-D", "publish", "user-property", "k", "v"];
        let content = ["-D", "publish", "content-type", "text"];
        publish_with(broker, &[&common[..], &properties, &content].concat());
    }
    leave(
        broker,
        "member",
        &[&MEMBER[..], &["-t", "$share/g/s"]].concat(),
    );
    publish_with(broker, &["-t", "s", "-q", "1", "-m", "shared"]);
    publish_with(broker, &["-t", "r/1", "-q", "1", "-m", "kept", "-r"]);
    publish_with(broker, &["-t", "r/2", "-m", "cleared", "-r"]);
    publish_with(broker, &["-t", "r/2", "-n", "-r"]);
}

/// Everything of [`fill`] comes as it would have come.
fn check(broker: &Broker) {
    let old = [
        "a/1 one qos 1 retain 0",
        "a/2 two qos 1 retain 0",
        "a/3 three qos 1 retain 0",
    ];
    assert_eq!(back(broker, "old", "3", &["-V", "311", "-q", "1"]), old);
    let new = [
        "a/1 one qos 1 retain 0 k:v text",
        "a/2 two qos 2 retain 0 k:v text",
        "a/3 three qos 1 retain 0 k:v text",
    ];
    let words = ["-V", "5", "-x", LONG, "-q", "2"];
    assert_eq!(back(broker, "new", "3", &words), new);
    let shared = back(broker, "member", "1", &MEMBER);
    assert_eq!(shared, ["s shared qos 1 retain 0"]);
    let retained = ["-t", "r/#", "-C", "1", "-v", "--retained-only"];
    let retained = Tool::subscribe(broker).args(retained).run().succeeded();
    assert_eq!(retained.text(), "r/1 kept\n");

    let mut acks = stay(broker, "acks");
    let mut packets: Vec<Packet> = (0..3)
        .map(|_| acks.packet().expect("three packets"))
        .collect();
    // QoS 1, QoS 2 and PUBREL, whichever comes first.
    packets.sort_by_key(|packet| packet.first);
    let [puback, pubrec, pubrel] = &*packets else {
        panic!("{packets:02x?}");
    };
    let seen = [puback.first, pubrec.first, pubrel.first];
    assert_eq!(seen, [0x3a, 0x3c, 0x62], "with DUP: {packets:02x?}");
    assert_eq!(puback.body.get(5..), Some(&b"puback"[..]));
    assert_eq!(pubrec.body.get(5..), Some(&b"pubrec"[..]));

    let mut listener = Wire::greeted(broker, &connect(Level::V4, "listener"));
    listener.send(&subscribe(1, "h", 0));
    listener.packets_until(9);
    let mut holder = stay(broker, "holder");
    holder.send(&publish_qos_2(b'h', b"held", 9));
    holder.packets_until(5);
    holder.send(&[0x62, 2, 0, 9]);
    holder.packets_until(7);
    let held = listener.packet().expect("what was held");
    assert_eq!(held.body, b"\x00\x01hheld");
    listener.send(&mqtt_tests::ping());
    let once = listener.packet().expect("PINGRESP");
    assert!(once.is_type(13), "{once:02x?}");
}

fn their_broker(program: &Path, store: &Path) -> Broker {
    Setup::new()
        .launcher([program])
        .listening(&lines(store))
        .start()
}

fn stop(mut broker: Broker) {
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait_for_exit(), Some(0));
}

#[test]
fn all_that_their_broker_kept_arrives_from_ours() {
    let Some(program) = peer_program(DebianTool::Broker) else {
        return;
    };
    let store = tempfile::tempdir().expect("a folder");
    let theirs = their_broker(&program, store.path());
    fill(&theirs);
    stop(theirs);
    let original = std::fs::read(store.path().join("mosquitto.db")).expect("what they kept");
    if let Some(fixture) = std::env::var_os("MQTT_KEEP_FIXTURE") {
        std::fs::write(fixture, &original).expect("a fixture");
    }
    let ours = Setup::new().listening(&lines(store.path())).start();
    ours.wait_for_log(
        "(Mosquitto's format 6): 5 sessions, 3 subscriptions, 10 messages for clients, 1 retained \
         messages, 1 messages of QoS 2 from clients. The original is kept as ",
    );
    check(&ours);
    stop(ours);
    let entries = std::fs::read_dir(store.path()).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").path());
    let kept = names.filter(|path| path.to_string_lossy().contains(".original-"));
    let kept: Vec<_> = kept
        .map(|path| std::fs::read(path).expect("a file"))
        .collect();
    assert!(kept == [original], "the original is kept as it was");
    // The second start is one like any other.
    let ours = Setup::new().listening(&lines(store.path())).start();
    assert!(!ours.log().contains("Imported"));
}

#[test]
fn all_that_our_broker_kept_arrives_from_theirs() {
    let Some(program) = peer_program(DebianTool::Broker) else {
        return;
    };
    let store = tempfile::tempdir().expect("a folder");
    let ours = Setup::new().listening(&lines(store.path())).start();
    fill(&ours);
    stop(ours);
    let place = tempfile::tempdir().expect("a folder");
    let exported = Tool::broker().args(["store", "export", "--mosquitto", "-o"]);
    let exported = exported.arg(place.path().join("mosquitto.db"));
    let exported = exported
        .arg(store.path().join("mosquitto.db"))
        .run()
        .succeeded();
    assert!(
        exported.text().contains("5 sessions, 4 subscriptions"),
        "{exported}"
    );
    let theirs = their_broker(&program, place.path());
    check(&theirs);
    // Theirs never writes a shared subscription, but it reads one.
    publish_with(&theirs, &["-t", "s", "-q", "1", "-m", "again"]);
    let shared = back(&theirs, "member", "1", &MEMBER);
    assert_eq!(shared, ["s again qos 1 retain 0"]);
    stop(theirs);
}

#[test]
fn a_file_that_is_cut_short_ends_the_start_with_a_line_and_stays_as_it_is() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/data/mosquitto-db/v6.db");
    let mut bytes = std::fs::read(fixture).expect("a fixture");
    bytes.pop();
    let store = tempfile::tempdir().expect("a folder");
    let file = store.path().join("mosquitto.db");
    std::fs::write(&file, &bytes).expect("a file");
    let setup = Setup::new().file("cut.conf", &format!("user root\n{}\n", lines(store.path())));
    let ended = Tool::broker().arg("-c").arg(setup.path("cut.conf")).run();
    let said = ended.ended_with(1).to_string();
    for part in [
        "is damaged or cut short: at byte ",
        "(have the Mosquitto that wrote it load and save it again, or move it away",
        "Error: Couldn't open database.",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(std::fs::read(&file).expect("the file"), bytes);
}

#[test]
fn a_store_of_mosquitto_is_imported_by_hand_into_a_new_one() {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/data/mosquitto-db/debian-2.0.11.db"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("store/mosquitto.db");
    let import = || {
        Tool::broker()
            .args(["store", "import", fixture])
            .arg(&target)
            .run()
    };
    let said = import().succeeded().text();
    assert!(
        said.contains("5 sessions, 3 subscriptions, 10 messages"),
        "{said}"
    );
    let again = import().ended_with(1).to_string();
    assert!(again.contains("is in the way"), "{again}");
    let broker = Setup::new()
        .listening(&lines(&folder.path().join("store")))
        .start();
    check(&broker);
}

/// A file of Mosquitto with so many messages for one client.
fn many(messages: u64) -> Vec<u8> {
    let stored = |id| StoredMessage {
        id,
        expires: 0,
        source_packet_id: 0,
        source_id: b"writer".into(),
        topic: b"many".into(),
        payload: vec![b'x'; 200].into(),
        properties: b"".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
    };
    let owed = |id| ClientMessage {
        id,
        packet_id: 0,
        qos: QoS::AtLeastOnce,
        retain: false,
        progress: Progress::Queued,
        identifiers: Vec::new(),
    };
    let snapshot = Snapshot {
        messages: (1..=messages).map(stored).collect(),
        clients: vec![Client {
            id: b"keeper".into(),
            user_name: b"".into(),
            ends: 0,
            expiry_interval: NEVER,
            will: None,
            subscriptions: Vec::new(),
            messages: (1..=messages).map(owed).collect(),
        }],
        ..Snapshot::default()
    };
    let mut file = Vec::new();
    mosquitto::write(&snapshot, &mut file).expect("a file in memory");
    file
}

#[test]
fn a_start_that_is_killed_while_it_takes_over_is_made_good_by_the_next() {
    let store = tempfile::tempdir().expect("a folder");
    let file = store.path().join("mosquitto.db");
    let original = many(20_000);
    std::fs::write(&file, &original).expect("a file");
    let originals = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(store.path()).expect("the folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths
            .filter(|path| path.to_string_lossy().contains(".original-"))
            .collect()
    };
    let bytes_of = |name: &str| std::fs::metadata(store.path().join(name)).map_or(0, |f| f.len());
    let killed_at: [&dyn Fn() -> bool; 4] = [
        &|| bytes_of("mosquitto.db.importing") > 0,
        &|| bytes_of("mosquitto.db.importing-wal") > 100_000,
        &|| bytes_of("mosquitto.db.importing") > 2_000_000,
        &|| !originals().is_empty(),
    ];
    let socket = format!(
        "user root\nlistener 0 {{folder}}/socket\n{}\n",
        lines(store.path())
    );
    for reached in killed_at {
        let setup = Setup::new();
        let folder = setup.path("").to_string_lossy().into_owned();
        let setup = setup.file("broker.conf", &socket.replace("{folder}", &folder));
        let running = Tool::broker()
            .arg("-c")
            .arg(setup.path("broker.conf"))
            .start();
        // A fast machine may be through already.
        let reached = || reached() || !originals().is_empty();
        wait_until("the place to kill it", || reached().then_some(()));
        running.signal(Signal::SIGKILL);
        running.finish();
    }
    let broker = Setup::new().listening(&lines(store.path())).start();
    broker.wait_for_log("Restored 20000 client messages");
    let kept: Vec<_> = originals();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let kept = kept.iter().map(|path| std::fs::read(path).expect("a file"));
    assert!(kept.eq([original]), "the original is kept as it was");
    for left in ["mosquitto.db.importing", "mosquitto.db.new"] {
        assert_eq!(bytes_of(left), 0, "{left}");
    }
}
