//! Queues that the store holds: the next page is asked for when half of what is in memory is used, and
//! goes to the queue's end when it comes.

use mqtt_codec::QoS;
use mqtt_session::time::{Now, UnixTime};

use super::{Shard, key};
use crate::engine::envelope::Message;
use crate::engine::event::Event;
use crate::engine::ids::{SessionAddress, SessionId};
use crate::engine::limits::PageSize;
use crate::engine::session::flow::Delivery;
use crate::engine::sink::Sink;
use crate::engine::store_op::{
    Backlog, MessageNo, Page, ReadOp, Receipt, SavedDelivery, StoreOp, Urgency,
};

impl Shard {
    /// Has the store read the next page of a session's queue, if its client comes to it soon.
    pub(super) fn ask_for_page<S: Sink>(&mut self, session: SessionId, sink: &mut S) {
        let page = if self.has_room_for_pages() {
            self.settings.page_read
        } else {
            self.settings.page
        };
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let (Some(_), Some(number), Some(flow)) = (&state.online, state.durable, &mut state.flow)
        else {
            return;
        };
        if !flow.wants_page(page) {
            return;
        }
        let (after, upto) = flow.cold.begin_read();
        let read = ReadOp {
            reader: SessionAddress {
                shard: self.id,
                session,
            },
            session: number,
            after,
            upto,
            messages: page.messages,
            bytes: page.bytes,
        };
        sink.persist(StoreOp::Read(read), Urgency::Awaited);
    }

    /// A page came. For a session that is gone it is dropped.
    pub(super) fn take_page<S: Sink>(&mut self, now: Now, page: Page, sink: &mut S) {
        let session = page.reader;
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let before = self.commons.numbers.before();
        let Some(flow) = state.flow.as_mut().filter(|flow| flow.cold.is_reading()) else {
            return;
        };
        let mut taken = page.damaged;
        let mut over = Vec::new();
        let mut settled = page.damaged;
        let away_since = flow.cold.away_since();
        for SavedDelivery {
            number,
            message,
            receipt,
        } in page.deliveries
        {
            let Some(message) = message else { continue };
            taken.add(message.payload_len(), receipt.qos);
            let payload_bytes = message.payload_len();
            let waited = Some(number) > before || has_waited(&receipt, &message, away_since);
            match as_kept(number, message, receipt, waited) {
                Some(delivery) => flow.push(delivery),
                None => {
                    settled.add(payload_bytes, QoS::AtMostOnce);
                    over.push(number);
                }
            }
        }
        let missing = flow.cold.end_read(page.upto, taken, page.last);
        let lost = missing.messages + page.damaged.messages;
        if lost > 0 {
            sink.tell(Event::MessagesDamaged {
                client_id: &state.client_id,
                messages: lost,
            });
            self.tally.publishes_dropped += lost;
        }
        self.cold_bytes = self.cold_bytes.saturating_sub(taken.and(missing).bytes);
        let settled = settled.and(missing);
        self.count_settled(settled.messages, to_usize(settled.bytes));
        for number in over {
            self.let_go(session, Some(number), sink);
        }
        if self.connection_of(session).is_none() {
            self.cool_down(session);
        }
        self.pump(now, session, sink);
    }

    /// Messages that are in the store alone are over.
    pub(super) fn count_gone(&mut self, backlog: Backlog) {
        self.cold_bytes = self.cold_bytes.saturating_sub(backlog.bytes);
        self.count_settled(backlog.messages, to_usize(backlog.bytes));
    }

    /// How much of the queue of a client that is connected may wait in memory while the store has none
    /// of it.
    pub(super) fn page_connected(&self) -> PageSize {
        if self.has_room_for_pages() {
            self.settings.page_connected
        } else {
            self.settings.page
        }
    }

    /// Whether there is so little in memory that it may be more than a page of each queue.
    fn has_room_for_pages(&self) -> bool {
        let stored = self.tally.messages_stored_bytes;
        stored.saturating_sub(self.cold_bytes) < self.settings.page_memory
    }

    /// The client of a session is gone: little of its queue stays in memory.
    pub(super) fn cool_down(&mut self, session: SessionId) {
        let page = self.settings.page;
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        if let (Some(_), Some(flow)) = (state.durable, &mut state.flow) {
            self.cold_bytes += flow.cool_down(page).bytes;
        }
    }

    /// Whether a session has to stay in the store because part of its queue is only there.
    pub(super) fn is_cold(&self, session: SessionId) -> bool {
        let state = self.sessions.get(key(session));
        let flow = state.and_then(|state| state.flow.as_ref());
        flow.is_some_and(|flow| !flow.cold.is_empty())
    }
}

pub(super) fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A delivery as it was kept, if it is not over: of QoS 0 that may have been sent.
pub(super) fn as_kept(
    number: MessageNo,
    message: Message,
    receipt: Receipt,
    waited: bool,
) -> Option<Delivery> {
    if receipt.qos == QoS::AtMostOnce && !waited {
        return None;
    }
    Some(Delivery {
        message,
        extra: receipt.extra,
        qos: receipt.qos,
        retain: receipt.retain,
        number: Some(number),
        dup: receipt.qos == QoS::AtLeastOnce && !waited,
    })
}

/// Whether a message from a former life of the broker has waited all the time. Unless the client has
/// been away since before it was published it may have got the message (in one millisecond it can
/// come, get it and go), and its answer may be lost: QoS 1 is a repetition then [MQTT-3.3.1-1], and
/// QoS 0 is over.
pub(super) fn has_waited(
    receipt: &Receipt,
    message: &Message,
    away_since: Option<UnixTime>,
) -> bool {
    let published = message.view().head.published;
    receipt.away && away_since.is_some_and(|since| since < published)
}
