//! What is taken while the store has no room for more, as when the disk is full. Messages that are kept
//! already go on their way, and whatever is not to be kept is as free as ever; but nothing is taken
//! that could not be kept, so that nothing acknowledged is lost.

use mqtt_codec::{Publish, QoS, ReasonCode, TopicName};

use super::deliver::is_own;
use super::{Shard, key};
use crate::engine::envelope::MessageView;
use crate::engine::event::Event;
use crate::engine::ids::{SessionId, ShardId};
use crate::engine::lobby::Admitted;
use crate::engine::lobby::connect::Refusal;
use crate::engine::session::SessionExpiry;
use crate::engine::sink::Sink;

impl Shard {
    pub(super) fn note_store_full<S: Sink>(&mut self, full: bool, sink: &mut S) {
        self.store_is_full = full;
        // One shard tells it for all.
        if self.id == ShardId(0) {
            sink.tell(Event::StoreFull { full });
        }
    }

    /// Whether nothing is kept of a message that would be at other times: QoS 0 promises nothing.
    pub(super) fn is_free(&self, view: &MessageView<'_>) -> bool {
        self.store_is_full && view.head.qos == QoS::AtMostOnce
    }

    /// Whether a message would have to be kept in a store that is full. QoS 0 promises nothing: it goes on, and
    /// nothing is kept of it.
    pub(super) fn has_no_room_for(
        &mut self,
        publisher: SessionId,
        publish: &Publish<'_>,
        topic: TopicName<'_>,
    ) -> bool {
        if publish.qos == QoS::AtMostOnce || is_own(topic) {
            return false;
        }
        let Some(state) = self.sessions.get(key(publisher)) else {
            return false;
        };
        let held = |id| {
            let inbound = state.inbound.as_ref();
            inbound.is_some_and(|held| held.messages.contains(id))
        };
        if publish.packet_id.is_some_and(held) {
            // It is kept already.
            return false;
        }
        let is_held = publish.qos == QoS::ExactlyOnce && state.durable.is_some();
        // An empty one makes room.
        let is_retained = publish.retain && !publish.payload.is_empty();
        is_held || is_retained || self.is_wanted_by_durable(topic)
    }

    fn is_wanted_by_durable(&mut self, topic: TopicName<'_>) -> bool {
        let found = self.lookup(topic);
        let is_durable = |session: u32| {
            let state = self.sessions.at(session);
            state.is_some_and(|(_, state)| state.durable.is_some())
        };
        !found.remote.durable.is_empty()
            || found
                .targets
                .iter()
                .any(|target| is_durable(target.session))
            || found
                .groups
                .iter()
                .any(|group| self.groups.is_durable(*group))
    }

    /// Why a client is not let in: its session would be a new one to keep.
    pub(super) fn has_no_room_for_session(&self, admitted: &Admitted) -> Option<Refusal> {
        if !self.store_is_full || admitted.internal || admitted.expiry == SessionExpiry::AtClose {
            return None;
        }
        let known = self.find_session(&admitted.client_id);
        if known.is_some_and(|session| self.durable_no(session).is_some()) {
            return None;
        }
        Some(Refusal::Connack(if admitted.version.is_v5() {
            ReasonCode::QuotaExceeded
        } else {
            ReasonCode::ServerUnavailable
        }))
    }
}
