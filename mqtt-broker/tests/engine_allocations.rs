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
    reason = "a test says so by failing; the pool is what the engine lends from"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mqtt_broker::engine::commons::Commons;
use mqtt_broker::engine::event::Event;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::limits::{ListenerSettings, Settings};
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::{OutQueue, Pending};
use mqtt_broker::engine::shard::{Peer, Shard};
use mqtt_broker::engine::sink::{Question, Reading, Sink};
use mqtt_broker::engine::store_op::{StoreOp, Ticket, Urgency};
use mqtt_session::time::{Instant, Now, UnixTime};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Connections by index, whose sockets take everything at the end of a turn.
#[derive(Default)]
struct Sockets {
    queues: Vec<OutQueue>,
    pool: Vec<Box<Pending>>,
    batch: Batch,
    sent: usize,
}

impl Sink for Sockets {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        let index = to.index as usize;
        if self.queues.len() <= index {
            self.queues.resize_with(index + 1, OutQueue::default);
        }
        let queue = &mut self.queues[index];
        queue.lend(&mut self.pool);
        queue
    }
    fn close(&mut self, connection: ConnectionId) {
        panic!("{connection:?} was closed");
    }
    fn reading(&mut self, _: ConnectionId, _: Reading) {}
    fn hand_over(&mut self, _: ConnectionId, _: ShardId, _: Box<Admitted>) {}
    fn outbox(&mut self, _: ShardId) -> &mut Batch {
        &mut self.batch
    }
    fn persist(&mut self, _: StoreOp, _: Urgency) -> Ticket {
        panic!("nothing is durable here")
    }
    fn ask(&mut self, _: ConnectionId, _: Question) {}
    fn tell(&mut self, _: Event<'_>) {}
}

impl Sockets {
    fn flush(&mut self) {
        for queue in &mut self.queues {
            while !queue.is_empty() {
                let mut slices = [IoSlice::new(&[]); 4];
                let filled = queue.fill(&mut slices);
                let bytes = slices[..filled].iter().map(|slice| slice.len()).sum();
                self.sent += bytes;
                queue.consume(bytes, &mut self.pool);
            }
        }
    }
}

fn settings() -> Settings {
    let listener = ListenerSettings {
        allow_anonymous: true,
        ..ListenerSettings::default()
    };
    Settings {
        listeners: vec![listener],
        ..Settings::default()
    }
}

const PUBLISHER: ConnectionId = ConnectionId {
    index: 0,
    generation: 0,
};

/// A shard with one publisher and ten subscribers of `t/+` at a QoS.
fn warm(qos: u8, sink: &mut Sockets, now: Now) -> Shard {
    let commons = Arc::new(Commons::new(1, [3; 32]));
    let mut shard = Shard::new(ShardId(0), commons, Arc::new(settings()));
    for index in 0..11_u32 {
        let id = ConnectionId {
            index,
            generation: 0,
        };
        let peer = Peer {
            listener: 0,
            internal: false,
        };
        shard.handle_opened(now, id, peer, sink);
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
            let id = ConnectionId {
                index,
                generation: 0,
            };
            shard.handle_bytes(now, id, &[0x40, 2, high, low], sink);
        }
    }
    sink.flush();
    shard.end_turn(0, 0, 0);
}

#[test]
fn a_message_costs_no_allocation_at_qos_0_and_one_at_qos_1() {
    let now = Now {
        instant: Instant::from_millis(1000),
        unix: UnixTime::from_millis(1000),
    };
    for (qos, most) in [(0, 0), (1, 1000)] {
        let mut sink = Sockets::default();
        let mut shard = warm(qos, &mut sink, now);
        for packet_id in 1..=1000 {
            round(&mut shard, qos, packet_id, &mut sink, now);
        }
        let (before, sent) = (ALLOCATIONS.load(Ordering::Relaxed), sink.sent);
        for packet_id in 1001..=2000 {
            round(&mut shard, qos, packet_id, &mut sink, now);
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
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
