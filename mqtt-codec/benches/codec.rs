//! A quick look at the packets that count most: `cargo bench -p mqtt-codec`.
//!
//! The comparison with other crates, and with a floor, is made in `bench-peers`.

use divan::{Bencher, black_box, counter::ItemsCount};
use mqtt_codec::{
    Ack, Decoded, Limits, Packet, PacketId, Properties, Publish, QoS, Sender, TopicName, Version,
    decode,
};

fn main() {
    divan::main();
}

fn publish(qos: QoS) -> Packet<'static> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::trusted("site/4/hall/2/machine/17/rpm")),
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: Properties::EMPTY,
        payload: &[b'x'; 64],
    })
}

fn packet(name: &str) -> Packet<'static> {
    match name {
        "publish_q0" => publish(QoS::AtMostOnce),
        "publish_q1" => publish(QoS::AtLeastOnce),
        _ => Packet::Puback(Ack::new(PacketId::MIN)),
    }
}

const NAMES: [&str; 3] = ["publish_q0", "publish_q1", "puback"];

#[divan::bench(args = NAMES)]
fn decoding(bencher: Bencher<'_, '_>, name: &str) {
    let mut bytes = Vec::new();
    packet(name).encode(Version::V5, &mut bytes);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let decoded = decode(
            black_box(&bytes),
            Version::V5,
            Sender::Client,
            &Limits::default(),
        );
        assert!(matches!(black_box(decoded), Ok(Decoded::Packet { .. })));
    });
}

#[divan::bench(args = NAMES)]
fn encoding(bencher: Bencher<'_, '_>, name: &str) {
    let packet = packet(name);
    let mut out = Vec::with_capacity(1024);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        out.clear();
        black_box(&packet).encode(Version::V5, &mut out);
        black_box(&out);
    });
}
