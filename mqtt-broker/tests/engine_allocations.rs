//! What a message costs in allocations once everything is warm: none at QoS 0, one at QoS 1.
//! Counted, not timed, so that it can fail a build.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written with it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::vec_box,
    unreachable_pub,
    reason = "a test says so by failing; the pool is what the engine lends from; nobody imports a test"
)]

mod support;

use std::sync::Arc;

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::shard::Shard;
use mqtt_session::time::Now;

use support::counting::cost_of;
use support::sockets::{PEER, START, Sockets, connection, open_settings};

const PUBLISHER: ConnectionId = connection(0);

/// A shard with one publisher and ten subscribers of `t/+` at a QoS.
fn warm(qos: u8, sink: &mut Sockets, now: Now) -> Shard {
    let commons = Arc::new(Commons::new(1, [3; 32]));
    let mut shard = Shard::new(ShardId(0), commons, Arc::new(open_settings()));
    for index in 0..11_u32 {
        let id = connection(index);
        shard.handle_opened(now, id, PEER, sink);
        let name = [b'a' + u8::try_from(index).unwrap()];
        let mut bytes = vec![0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1];
        bytes.extend_from_slice(&name);
        if index > 0 {
            bytes.extend_from_slice(&[0x82, 8, 0, 1, 0, 3, b't', b'/', b'+', qos]);
        }
        shard.handle_bytes(now, id, &bytes, sink);
    }
    sink.flush();
    shard
}

/// Publishes one message and has every subscriber acknowledge it.
fn round(shard: &mut Shard, qos: u8, packet_id: u16, sink: &mut Sockets, now: Now) {
    let [high, low] = packet_id.to_be_bytes();
    let publish: &[u8] = if qos == 0 {
        &[0x30, 8, 0, 3, b't', b'/', b'x', b'o', b'n', b'e']
    } else {
        &[0x32, 10, 0, 3, b't', b'/', b'x', 0, 7, b'o', b'n', b'e']
    };
    shard.handle_bytes(now, PUBLISHER, publish, sink);
    if qos > 0 {
        for index in 1..11 {
            shard.handle_bytes(now, connection(index), &[0x40, 2, high, low], sink);
        }
    }
    sink.flush();
    shard.end_turn(0, 0, 0);
}

#[test]
fn a_message_costs_no_allocation_at_qos_0_and_one_at_qos_1() {
    let now = START;
    for (qos, most) in [(0, 0), (1, 1000)] {
        let mut sink = Sockets::default();
        let mut shard = warm(qos, &mut sink, now);
        for packet_id in 1..=1000 {
            round(&mut shard, qos, packet_id, &mut sink, now);
        }
        let sent = sink.sent;
        let cost = cost_of(|| {
            for packet_id in 1001..=2000 {
                round(&mut shard, qos, packet_id, &mut sink, now);
            }
        });
        let allocations = cost.allocations;
        assert!(sink.closed.is_empty(), "nobody did anything wrong");
        assert!(
            sink.sent >= sent + 1000 * 10 * 10,
            "messages were delivered"
        );
        assert!(
            allocations <= most,
            "{allocations} allocations for 1000 messages at QoS {qos}"
        );
    }
}
