//! QoS 1 and 2 towards one client: what is in flight, and what waits for the window, for room or for
//! the client to come back.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;

use mqtt_codec::{PacketId, QoS};
use mqtt_session::outbound::Outbound;

use super::cold::Cold;
use crate::engine::envelope::Message;
use crate::engine::limits::{PageSize, Settings};
use crate::engine::routing::local::Extra;
use crate::engine::store_op::{Backlog, MessageNo};

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

impl Delivery {
    /// Whether it is one of those that wait in the store if there are many.
    #[must_use]
    pub fn is_paged(&self) -> bool {
        let group = self.extra.as_ref().and_then(|extra| extra.group.as_ref());
        self.number.is_some() && group.is_none()
    }

    /// What it takes in memory; topic and properties may be larger than the payload.
    fn bytes(&self) -> u64 {
        self.message.bytes().len() as u64
    }
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
    /// Waiting in memory, in order.
    pub queue: VecDeque<Delivery>,
    /// Waiting in the store, behind those of the queue that are paged.
    pub cold: Cold,
    /// Messages in the queue that are paged, and all their bytes.
    paged: (u64, u64),
    /// Payload bytes waiting in memory.
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
            cold: Cold::default(),
            paged: (0, 0),
            queued_bytes: 0,
            queued_qos_0: 0,
            dropping: false,
        }
    }

    /// Whether nothing is in flight and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.outbound.is_empty() && self.cold.is_empty()
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
        let cold = self.cold.backlog();
        let waiting = self.queue.len() as u64 + cold.messages;
        let bytes = self.queued_bytes + cold.bytes;
        let has_room = |most: Option<u32>| most.is_none_or(|most| waiting < u64::from(most));
        let catching_up = connected
            && bytes < CATCHING_UP_BYTES_MAX
            && has_room(settings.max_queued_messages_connected);
        (has_room(settings.max_queued_messages) || catching_up)
            && settings.max_queued_bytes.is_none_or(|most| bytes < most)
    }

    /// Whether a message of QoS 0 waits, which one that comes now must not overtake.
    #[must_use]
    pub fn qos_0_waits(&self) -> bool {
        self.queued_qos_0 > 0 || self.cold.backlog().qos_0 > 0
    }

    /// Whether something waits, in memory or in the store.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.queue.is_empty() || !self.cold.is_empty()
    }

    /// Whether the next paged message waits in the store alone: others do, or memory has its page.
    #[must_use]
    pub fn has_page(&self, page: PageSize) -> bool {
        let (messages, bytes) = self.paged;
        !self.cold.is_empty() || messages >= u64::from(page.messages) || bytes >= page.bytes
    }

    /// Whether the next page is to be read: half of one is in memory, or less.
    #[must_use]
    pub fn wants_page(&self, page: PageSize) -> bool {
        let (messages, bytes) = self.paged;
        self.cold.is_readable()
            && messages <= u64::from(page.messages / 2)
            && bytes <= page.bytes / 2
    }

    /// The client is gone: what waits in memory beyond a page waits in the store alone from now on. How
    /// much that is.
    pub fn cool_down(&mut self, page: PageSize) -> Backlog {
        let mut left = Backlog::default();
        let unkept =
            |delivery: &Delivery| delivery.qos == QoS::AtMostOnce && delivery.number.is_none();
        // While a page is read there is little in memory, and the page comes behind that. QoS 0 that is
        // not kept must not overtake QoS 0 that is.
        if self.cold.is_reading() || !self.has_page(page) || self.queue.iter().any(unkept) {
            return left;
        }
        let mut kept = (0, 0);
        let mut last = None;
        let mut cooled = Vec::new();
        for delivery in std::mem::take(&mut self.queue) {
            let number = delivery.number.filter(|_| delivery.is_paged());
            let Some(number) = number else {
                self.queue.push_back(delivery);
                continue;
            };
            let (messages, bytes) = kept;
            if messages >= u64::from(page.messages) || bytes >= page.bytes {
                left.add(delivery.message.payload_len(), delivery.qos);
                cooled.push(number);
            } else {
                kept = (messages + 1, bytes + delivery.bytes());
                last = Some(number);
                self.queue.push_back(delivery);
            }
        }
        self.paged = kept;
        self.queued_bytes -= left.bytes;
        self.queued_qos_0 -= usize::try_from(left.qos_0).unwrap_or(usize::MAX);
        if let (Some(last), Some(newest)) = (last, cooled.last()) {
            self.cold.take_back(left, last, *newest);
        }
        left
    }

    /// A message that was just routed waits in memory.
    pub fn append(&mut self, delivery: Delivery) {
        if let Some(number) = delivery.number.filter(|_| delivery.is_paged()) {
            self.cold.note(number);
        }
        self.push(delivery);
    }

    /// Puts a message at the end of what waits in memory.
    pub fn push(&mut self, delivery: Delivery) {
        if delivery.is_paged() {
            self.paged.0 += 1;
            self.paged.1 += delivery.bytes();
        }
        self.queued_qos_0 += usize::from(delivery.qos == QoS::AtMostOnce);
        self.queued_bytes += delivery.message.payload_len() as u64;
        self.queue.push_back(delivery);
    }

    /// Takes the first message that waits.
    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.queue.pop_front()?;
        if delivery.is_paged() {
            self.paged.0 -= 1;
            self.paged.1 -= delivery.bytes();
        }
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
