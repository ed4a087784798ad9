//! Decoding and encoding allocate nothing: a counting allocator watches every vector go through.
#![allow(
    unsafe_code,
    reason = "a global allocator is an unsafe trait, and tests may have one"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
};

use bytes::BytesMut;
use mqtt_codec::{
    Connect, Decoded, Frame, Limits, Packet, PacketId, PropertiesBuf, Property, Publish, QoS,
    Sender, Subscribe, SubscribeFiltersBuf, SubscriptionOptions, TopicFilter, TopicName, Version,
    Will, decode, decode_connect,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // The thread's cell may be gone while the thread ends; nobody counts then.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs.
fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Name, version, sides and bytes of every vector, the illegal ones too.
fn vectors() -> Vec<(&'static str, Version, Vec<Sender>, Vec<u8>)> {
    let table = include_str!("data/vectors.tsv");
    let rows = table.lines().skip(1).map(|line| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("five columns");
        let name = column();
        let version = match column() {
            "3.1" => Version::V31,
            "3.1.1" => Version::V311,
            _ => Version::V5,
        };
        let senders = match column() {
            "client" => vec![Sender::Client],
            "server" => vec![Sender::Server],
            _ => vec![Sender::Client, Sender::Server],
        };
        let byte = |byte| u8::from_str_radix(byte, 16).expect("hexadecimal");
        (
            name,
            version,
            senders,
            column().split(' ').map(byte).collect(),
        )
    });
    rows.collect()
}

/// Reads what is only read when somebody asks.
fn walk(packet: &Packet<'_>) {
    match packet {
        Packet::Publish(publish) => assert!(publish.properties.iter().count() < 100),
        Packet::Connect(connect) => assert!(connect.properties.iter().count() < 100),
        Packet::Subscribe(subscribe) => {
            for (text, _) in subscribe.filters {
                let _ = black_box(TopicFilter::parse(text));
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            for text in unsubscribe.filters {
                let _ = black_box(TopicFilter::parse(text));
            }
        }
        _ => {}
    }
}

#[test]
fn the_allocator_counts() {
    let allocated = allocations_of(|| drop(black_box(vec![1_u8; 100])));
    assert_eq!(allocated, 1);
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let limits = Limits::default();
    let mut out = Vec::with_capacity(64 * 1024);
    for (name, version, senders, bytes) in vectors() {
        for sender in senders {
            let allocated = allocations_of(|| {
                let _ = black_box(decode_connect(&bytes, &limits));
                match decode(&bytes, version, sender, &limits) {
                    Ok(Decoded::Packet { packet, .. }) => {
                        walk(&packet);
                        out.clear();
                        packet.encode(version, &mut out);
                        assert_eq!(out.len(), packet.encoded_len(version));
                    }
                    other => drop(black_box(other)),
                }
            });
            assert_eq!(allocated, 0, "{name}");
        }
    }
}

/// The longest strings, the most levels, thousands of properties and filters.
#[test]
fn the_worst_packets_cost_no_allocation_either() {
    let long = "x".repeat(65_535);
    let slashes = "/".repeat(65_535);
    let properties: PropertiesBuf = std::iter::repeat_n(Property::UserProperty("k", "v"), 5_000)
        .chain([Property::UserProperty(&long, &long)])
        .collect();
    let properties = properties.as_properties();
    let mut filters = SubscribeFiltersBuf::new();
    for _ in 0..5_000 {
        filters.push("a/+/#", SubscriptionOptions::default());
    }
    filters.push(&slashes, SubscriptionOptions::default());
    let topic = TopicName::parse(&slashes).expect("slashes are a name");
    let packets = [
        Packet::Connect(Connect {
            version: Version::V5,
            bridge: false,
            clean_start: true,
            keep_alive: 0,
            properties,
            client_id: &long,
            will: Some(Will {
                qos: QoS::AtMostOnce,
                retain: false,
                topic,
                properties,
                payload: long.as_bytes(),
            }),
            user_name: Some(&long),
            password: Some(long.as_bytes()),
        }),
        Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(topic),
            packet_id: None,
            properties,
            payload: long.as_bytes(),
        }),
        Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties,
            filters: filters.as_filters(),
        }),
    ];
    let limits = Limits::default();
    let filter = TopicFilter::parse(&slashes).expect("slashes are a filter");
    for packet in packets {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes);
        let allocated = allocations_of(|| {
            let decoded = decode(&bytes, Version::V5, Sender::Client, &limits);
            let consumed = bytes.len();
            assert_eq!(decoded, Ok(Decoded::Packet { packet, consumed }));
            let user_properties = properties.user_properties().count();
            assert_eq!(user_properties, 5_001);
            assert!(black_box(filter.matches(topic)));
        });
        assert_eq!(allocated, 0, "{:?}", packet.packet_type());
    }
}

#[test]
fn a_frame_shares_its_buffer() {
    let limits = Limits::default();
    for (name, version, senders, bytes) in vectors() {
        for sender in senders {
            if !matches!(
                decode(&bytes, version, sender, &limits),
                Ok(Decoded::Packet { .. })
            ) {
                continue;
            }
            let mut buffer = BytesMut::from(&bytes.repeat(3)[..]);
            // The first packet turns the buffer into a shared one, once for all that follow.
            let first = Frame::split_from(&mut buffer, version, sender, &limits);
            let mut second = None;
            let allocated = allocations_of(|| {
                let frame = Frame::split_from(&mut buffer, version, sender, &limits);
                second = frame.expect(name);
                walk(&second.as_ref().expect(name).packet());
                drop(black_box(second.clone()));
                drop(black_box(second.as_ref().expect(name).payload()));
            });
            assert_eq!(allocated, 0, "{name}");
            let (first, second) = (first.expect(name).expect(name), second.expect(name));
            assert_eq!(first.packet(), second.packet(), "{name}");
            assert_eq!(&second.as_bytes()[..], &bytes[..], "{name}");
            assert_eq!(buffer.len(), bytes.len(), "{name}");
        }
    }
}
