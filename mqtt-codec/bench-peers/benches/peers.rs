//! Decoding and encoding of five shapes of MQTT 5 packets, by every codec in one run.
//!
//! One iteration is 256 packets. Dropping a packet belongs to decoding it; every crate's result is
//! checked before any time is taken.

use std::{hint::black_box, time::Duration};

use bytes::BytesMut;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use mqtt_codec::Version;
use mqtt_codec_bench::{floor, peers, shapes, shapes::Shape};

const PACKETS: usize = 256;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn group<'a>(criterion: &'a mut Criterion, kind: &str, shape: &Shape) -> Group<'a> {
    let mut group = criterion.benchmark_group(format!("{kind}_{}", shape.name));
    group.throughput(Throughput::Elements(PACKETS as u64));
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group
}

/// Times a decoder that borrows: it walks through one slice of 256 packets.
fn walk<'a, P>(
    group: &mut Group<'_>,
    name: &str,
    stream: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Option<(P, usize)>,
) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(stream);
            let mut count = 0;
            while let Some((packet, consumed)) = decode(rest) {
                black_box(&packet);
                rest = &rest[consumed..];
                count += 1;
            }
            assert_eq!(count, PACKETS);
        });
    });
}

/// Times a decoder that takes packets out of a buffer.
fn split<B: for<'a> From<&'a [u8]>, P>(
    group: &mut Group<'_>,
    name: &str,
    stream: &[u8],
    mut decode: impl FnMut(&mut B) -> Option<P>,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_batched_ref(
            || B::from(stream),
            |buffer| {
                for _ in 0..PACKETS {
                    let packet = decode(buffer);
                    assert!(packet.is_some());
                    black_box(&packet);
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn decode(criterion: &mut Criterion) {
    for shape in shapes::all() {
        peers::check(&shape);
        let stream = shape.bytes.repeat(PACKETS);
        let group = &mut group(criterion, "decode", &shape);
        walk(group, "floor", &stream, floor::decode);
        walk(group, "mqtt-codec", &stream, peers::ours);
        split::<BytesMut, _>(group, "mqtt-codec-frame", &stream, peers::our_frame);
        split::<BytesMut, _>(group, "rumqttc", &stream, peers::rumqttc);
        let codec = ntex_mqtt::v5::codec::Codec::new();
        split::<ntex_bytes::BytesMut, _>(group, "ntex-mqtt", &stream, |buffer| {
            peers::ntex(&codec, buffer)
        });
        let mut codec = rmqtt_codec::v5::Codec::new(0, 0);
        split::<BytesMut, _>(group, "rmqtt-codec", &stream, |buffer| {
            peers::rmqtt(&mut codec, buffer)
        });
        walk(group, "mqtt-protocol-core", &stream, peers::protocol_core);
    }
}

/// Times an encoder, 256 times over.
fn write<O>(group: &mut Group<'_>, name: &str, out: &mut O, mut encode: impl FnMut(&mut O)) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for _ in 0..PACKETS {
                encode(black_box(out));
                black_box(&*out);
            }
        });
    });
}

fn encode(criterion: &mut Criterion) {
    for shape in shapes::all() {
        peers::check(&shape);
        let group = &mut group(criterion, "encode", &shape);
        encode_borrowed(group, &shape.bytes);
        encode_owned(group, &shape.bytes);
    }
}

fn encode_borrowed(group: &mut Group<'_>, bytes: &[u8]) {
    let mut out = Vec::with_capacity(4096);
    let (packet, _) = floor::decode(bytes).expect("checked");
    write(group, "floor", &mut out, |out| {
        out.clear();
        black_box(&packet).encode(out);
    });
    let (packet, _) = peers::ours(bytes).expect("checked");
    write(group, "mqtt-codec", &mut out, |out| {
        out.clear();
        black_box(&packet).encode(Version::V5, out);
    });
    let (packet, _) = peers::protocol_core(bytes).expect("checked");
    write(group, "mqtt-protocol-core", &mut out, |out| {
        *out = black_box(&packet).encode()
    });
}

fn encode_owned(group: &mut Group<'_>, bytes: &[u8]) {
    let mut out = BytesMut::with_capacity(4096);
    let packet = peers::rumqttc(&mut BytesMut::from(bytes)).expect("checked");
    write(group, "rumqttc", &mut out, |out| {
        out.clear();
        assert!(black_box(&packet).write(out, None).is_ok());
    });
    let codec = &mut rmqtt_codec::v5::Codec::new(0, 0);
    let packet = peers::rmqtt(codec, &mut BytesMut::from(bytes)).expect("checked");
    write(group, "rmqtt-codec", &mut out, |out| {
        out.clear();
        assert!(peers::rmqtt_encode(codec, black_box(&packet).clone(), out));
    });
    let codec = ntex_mqtt::v5::codec::Codec::new();
    let decoded = peers::ntex(&codec, &mut ntex_bytes::BytesMut::from(bytes)).expect("checked");
    let item = peers::ntex_item(decoded).expect("checked");
    write(
        group,
        "ntex-mqtt",
        &mut ntex_bytes::BytePages::default(),
        |out| {
            out.clear();
            assert!(peers::ntex_encode(&codec, black_box(&item).clone(), out));
        },
    );
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
