//! QoS 1 and 2 towards one client: what is in flight, and what waits for the window, for room or for
//! the client to come back.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;

use mqtt_codec::{PacketId, QoS};
use mqtt_session::outbound::Outbound;

use crate::engine::envelope::Message;
use crate::engine::limits::Settings;
use crate::engine::routing::local::Extra;
use crate::engine::store_op::MessageNo;

/// Payload bytes up to which a connected client may be behind by more than `max_queued_messages`.
const CATCHING_UP_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A message for one client, at rest: a reference to the shared block and what is its own.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Subscription identifiers and group, if any.
    pub extra: Option<Arc<Extra>>,
    /// QoS of this delivery.
    pub qos: QoS,
    /// RETAIN of this delivery: decided when it was routed, kept while it waits.
    pub retain: bool,
    /// Its number in the store, if it is kept there.
    pub number: Option<MessageNo>,
    /// QoS 1 that may have been sent before a restart.
    pub dup: bool,
}

/// The deliveries of one session that are not over.
#[derive(Debug)]
pub struct Flow {
    /// In flight.
    pub outbound: Outbound<Delivery>,
    /// Payload bytes in flight.
    pub inflight_bytes: u64,
    /// QoS 2 in flight that is kept by now and has to be sent.
    pub kept: VecDeque<PacketId>,
    /// Waiting, in order.
    pub queue: VecDeque<Delivery>,
    /// Payload bytes waiting.
    pub queued_bytes: u64,
    /// Messages of QoS 0 waiting.
    queued_qos_0: usize,
    /// A message was dropped since the client connected; it is logged once.
    pub dropping: bool,
}

impl Flow {
    /// Nothing in flight.
    #[must_use]
    pub fn new(window: NonZeroU16) -> Self {
        Self {
            outbound: Outbound::new(window),
            inflight_bytes: 0,
            kept: VecDeque::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            queued_qos_0: 0,
            dropping: false,
        }
    }

    /// Whether nothing is in flight and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.outbound.is_empty()
    }

    /// Whether the window is open for one more message.
    #[must_use]
    pub fn has_room(&self, settings: &Settings) -> bool {
        self.outbound.has_room()
            && settings
                .max_inflight_bytes
                .is_none_or(|most| self.inflight_bytes < most)
    }

    /// Whether one more message may wait. As in Mosquitto the byte limit looks at what waits
    /// already, so one message may exceed it.
    #[must_use]
    pub fn may_queue(&self, settings: &Settings, connected: bool) -> bool {
        let waiting = self.queue.len();
        let has_room = |most: Option<u32>| most.is_none_or(|most| waiting < most as usize);
        let catching_up = connected
            && self.queued_bytes < CATCHING_UP_BYTES_MAX
            && has_room(settings.max_queued_messages_connected);
        (has_room(settings.max_queued_messages) || catching_up)
            && settings
                .max_queued_bytes
                .is_none_or(|most| self.queued_bytes < most)
    }

    /// Whether a message of QoS 0 waits, which one that comes now must not overtake.
    #[must_use]
    pub fn qos_0_waits(&self) -> bool {
        self.queued_qos_0 > 0
    }

    /// Puts a message at the end of what waits.
    pub fn push(&mut self, delivery: Delivery) {
        self.queued_qos_0 += usize::from(delivery.qos == QoS::AtMostOnce);
        self.queued_bytes += delivery.message.payload_len() as u64;
        self.queue.push_back(delivery);
    }

    /// Takes the first message that waits.
    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.queue.pop_front()?;
        self.queued_bytes -= delivery.message.payload_len() as u64;
        self.queued_qos_0 -= usize::from(delivery.qos == QoS::AtMostOnce);
        if self.queue.is_empty() {
            self.queue.shrink_to(16);
        }
        Some(delivery)
    }

    /// Notes that a message in flight is over.
    pub fn settle(&mut self, delivery: &Delivery) {
        let bytes = delivery.message.payload_len() as u64;
        self.inflight_bytes = self.inflight_bytes.saturating_sub(bytes);
    }
}
