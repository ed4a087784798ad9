//! A client that was let in meets its session: takeover, resumption or a clean start, then CONNACK
//! (MQTT 5, 3.1.4 and 3.2). All connections of one client id meet here, on one thread, so nothing can
//! come between.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mqtt_codec::{Connack, Packet, Properties, PropertiesBuf, Property, ReasonCode, Version};
use mqtt_session::time::{Instant, Now};
use mqtt_session::topic_alias::{InboundAliases, OutboundAliases};

use super::keep::Promise;
use super::state::{Joining, Stage, Timer};
use super::{Shard, key, place};
use crate::engine::event::{Cause, Event, WillFacts};
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::lobby::Admitted;
use crate::engine::lobby::connect::{Refusal, maximum_qos};
use crate::engine::session::filters::Filters;
use crate::engine::session::will::Will;
use crate::engine::session::{Online, Session, SessionExpiry};
use crate::engine::sink::{Reading, Sink};
use crate::engine::store_op::{SavedWill, SessionOp, StoreOp, Ticket, Urgency};

/// A timer looks again at least this often, so that timers of what is gone do not pile up.
const WATCH_MAX: Duration = Duration::from_secs(300);

impl Shard {
    pub(super) fn attach<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        admitted: Box<Admitted>,
        sink: &mut S,
    ) {
        if let Some(connection) = self.connections.get_mut(place(id)) {
            connection.version = admitted.version;
        }
        let properties = self.connack_properties(&admitted);
        let size = connack(&admitted, &properties, false).encoded_len(admitted.version);
        if size > admitted.max_packet_size as usize {
            // Before anything is touched: a session without a connection would not end by itself.
            let cause = Cause::Refused(ReasonCode::PacketTooLarge);
            self.close(now, id, cause, None, sink);
            return;
        }
        if let Some(refusal) = self.has_no_room_for_session(&admitted) {
            self.refuse_admission(id, refusal, sink);
            return;
        }
        let mut resumed = self.take_over(now, &admitted, sink);
        if let Some(old) = resumed
            && admitted.clean_start
        {
            if let Some(ticket) = self.end_session(now, old, Urgency::Awaited, sink) {
                self.note_ended(ticket);
            }
            resumed = None;
        }
        if resumed.is_none() && !admitted.internal && !self.may_add_session() {
            let refusal = if admitted.version.is_v5() {
                Refusal::Connack(ReasonCode::ServerBusy)
            } else {
                Refusal::Close(ReasonCode::ServerBusy)
            };
            self.refuse_admission(id, refusal, sink);
            return;
        }
        let session = resumed.unwrap_or_else(|| self.new_session(&admitted));
        let kept = self.keep_session(session, &admitted, sink);
        let joining = Box::new(Joining {
            session,
            resumed: resumed.is_some(),
            admitted,
        });
        match kept.or_else(|| self.not_yet_ended()) {
            None => self.join(now, id, *joining, sink),
            Some(ticket) => {
                if let Some(state) = self.sessions.get_mut(key(session)) {
                    state.joining = Some(id);
                }
                if let Some(connection) = self.connections.get_mut(place(id)) {
                    connection.stage = Stage::Joining(joining);
                    connection.last_packet = now.instant;
                }
                sink.reading(id, Reading::Paused);
                self.promise(ticket, Promise::Greet(id));
            }
        }
    }

    /// Keeps what a CONNECT changes: the session is durable from now on, still, or no longer.
    fn keep_session<S: Sink>(
        &mut self,
        session: SessionId,
        admitted: &Admitted,
        sink: &mut S,
    ) -> Option<Ticket> {
        if !self.settings.durable || admitted.internal {
            return None;
        }
        let cold = self.is_cold(session);
        let state = self.sessions.get_mut(key(session))?;
        state.expiry = admitted.expiry;
        state.ends = None;
        // Of which a part is only in the store has to stay there until it ends.
        if !state.is_kept() && !cold {
            let known = state.durable?;
            self.forget_durable(session, sink);
            let end = StoreOp::End { session: known };
            let ticket = sink.persist(end, Urgency::Awaited);
            self.note_ended(ticket);
            return Some(ticket);
        }
        let number = state
            .durable
            .get_or_insert_with(|| self.commons.numbers.session());
        let op = SessionOp {
            session: *number,
            client_id: Arc::clone(&admitted.client_id),
            user_name: admitted.user_name.clone(),
            listener: admitted.listener,
            expiry: admitted.expiry,
            will: admitted.will.as_ref().map(|will| SavedWill {
                message: will.message.clone(),
                expiry: will.expiry,
                delay: will.delay,
            }),
        };
        Some(sink.persist(StoreOp::Session(Box::new(op)), Urgency::Awaited))
    }

    /// The session that a connection waited for is kept.
    pub(super) fn greet<S: Sink>(&mut self, now: Now, id: ConnectionId, sink: &mut S) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        if !matches!(connection.stage, Stage::Joining(_)) {
            return;
        }
        if let Stage::Joining(joining) = std::mem::replace(&mut connection.stage, Stage::Lobby) {
            sink.reading(id, Reading::Resumed);
            self.join(now, id, *joining, sink);
        }
    }

    /// Session and connection are one from now on: CONNACK, and all that waited for it.
    fn join<S: Sink>(&mut self, now: Now, id: ConnectionId, joining: Joining, sink: &mut S) {
        let Joining {
            session,
            resumed,
            mut admitted,
        } = joining;
        let unread = std::mem::take(&mut admitted.unread);
        if !admitted.internal {
            tell_connected(id, &admitted, sink);
        }
        let properties = self.connack_properties(&admitted);
        let connack = connack(&admitted, &properties, resumed);
        let version = admitted.version;
        self.bind(now, id, session, *admitted);
        self.send(id, version, &connack, sink);
        // The settings may have changed since the client was let in.
        self.check_one(now, session.index, id, sink);
        if self.connection_of(session) != Some(id) {
            return;
        }
        self.tell_groups(session, true, sink);
        self.pump(now, session, sink);
        if !unread.is_empty() {
            self.take_bytes(now, id, &unread, sink);
        }
    }

    /// Ends the connection that the session may still have, and says which session is left to resume.
    fn take_over<S: Sink>(
        &mut self,
        now: Now,
        admitted: &Admitted,
        sink: &mut S,
    ) -> Option<SessionId> {
        let session = self.find_session(&admitted.client_id)?;
        if let Some(joining) = self.sessions.get(key(session))?.joining {
            // It had not got its CONNACK yet.
            self.close(now, joining, Cause::TakenOver, None, sink);
        }
        let state = self.sessions.get_mut(key(session))?;
        let goes_on = state.is_kept() && !admitted.clean_start;
        if let Some(old) = state.online.as_ref().map(|online| online.connection) {
            // [trap 1] The will is published unless the session goes on and its delay lets the
            // client come back, which it just did.
            if goes_on
                && state
                    .will
                    .as_ref()
                    .is_some_and(|will| !will.delay.is_zero())
            {
                state.will = None;
            }
            self.close(
                now,
                old,
                Cause::TakenOver,
                Some(ReasonCode::SessionTakenOver),
                sink,
            );
        }
        let state = self.sessions.get_mut(key(session))?;
        if goes_on {
            // [MQTT-3.1.3-9] Back in time: a will that was delayed is not sent.
            state.will = None;
        }
        Some(session)
    }

    /// The session of a client id.
    pub(super) fn find_session(&self, client_id: &str) -> Option<SessionId> {
        let hash = self.client_hash(client_id);
        let same = |index: &u32| {
            self.sessions
                .at(*index)
                .is_some_and(|(_, state)| *state.client_id == *client_id)
        };
        let index = *self.clients.find(hash, same)?;
        let (generation, _) = self.sessions.at(index)?;
        Some(SessionId { index, generation })
    }

    pub(super) fn client_hash(&self, client_id: &str) -> u64 {
        self.hasher.hash_one(client_id)
    }

    fn may_add_session(&self) -> bool {
        let most = self.settings.global_max_clients;
        most.is_none_or(|most| self.commons.sessions.load(Ordering::Relaxed) < most)
    }

    fn new_session(&mut self, admitted: &Admitted) -> SessionId {
        let client_id = Arc::clone(&admitted.client_id);
        let session = self.add_session(client_id, admitted.listener, admitted.internal);
        if let Some(state) = self.sessions.get_mut(key(session)) {
            state.expiry = admitted.expiry;
            state.bridge = admitted.bridge;
        }
        session
    }

    /// Makes a session that has nothing and no connection.
    pub(super) fn add_session(
        &mut self,
        client_id: Arc<str>,
        listener: u16,
        internal: bool,
    ) -> SessionId {
        let hash = self.client_hash(&client_id);
        let state = Session {
            client_id,
            user_name: None,
            durable: None,
            last_kept: None,
            joining: None,
            online: None,
            expiry: SessionExpiry::AtClose,
            ends: None,
            armed: None,
            filters: Filters::default(),
            flow: None,
            inbound: None,
            will: None,
            replays: None,
            credentials: None,
            listener,
            bridge: false,
            internal,
        };
        let (index, generation) = self.sessions.insert(state);
        let Self {
            clients,
            sessions,
            hasher,
            ..
        } = self;
        clients.insert_unique(hash, index, |index| {
            sessions
                .at(*index)
                .map_or(0, |(_, state)| hasher.hash_one(&*state.client_id))
        });
        if !internal {
            self.tally.clients_total += 1;
            self.commons.sessions.fetch_add(1, Ordering::Relaxed);
        }
        SessionId { index, generation }
    }

    /// What CONNACK tells a 5.0 client.
    fn connack_properties(&self, admitted: &Admitted) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        let rules = self.settings.listeners.get(usize::from(admitted.listener));
        // The limits of the listeners do not bind the broker itself.
        let told = admitted.version.is_v5() && !admitted.internal;
        let Some(rules) = rules.filter(|_| told) else {
            return properties;
        };
        if admitted.expiry_capped
            && let SessionExpiry::After(capped) = admitted.expiry
        {
            let seconds = u32::try_from(capped.as_secs()).unwrap_or(u32::MAX);
            properties.push(Property::SessionExpiryInterval(seconds));
        }
        if let Some(seconds) = admitted.server_keep_alive {
            properties.push(Property::ServerKeepAlive(seconds));
        }
        if rules.max_topic_alias > 0 {
            properties.push(Property::TopicAliasMaximum(rules.max_topic_alias));
        }
        if admitted.assigned {
            properties.push(Property::AssignedClientIdentifier(&admitted.client_id));
        }
        if !self.settings.retain_available {
            properties.push(Property::RetainAvailable(false));
        }
        properties.push(Property::MaximumPacketSize(
            self.settings.max_packet_size.get(),
        ));
        if self.settings.max_inflight_messages < NonZeroU16::MAX {
            properties.push(Property::ReceiveMaximum(
                self.settings.max_inflight_messages.get(),
            ));
        }
        if let Some(property) = maximum_qos(rules.max_qos) {
            properties.push(property);
        }
        properties
    }

    /// Ties session and connection together.
    fn bind(&mut self, now: Now, id: ConnectionId, session: SessionId, admitted: Admitted) {
        let window = admitted
            .receive_maximum
            .unwrap_or(self.settings.max_inflight_messages);
        let rules = self.settings.listeners.get(usize::from(admitted.listener));
        let (inbound, outbound) = rules.map_or((0, 0), |rules| {
            (rules.max_topic_alias, rules.max_topic_alias_broker)
        });
        let outbound = outbound.min(admitted.topic_alias_maximum);
        let v5 = admitted.version.is_v5();
        let held = self.receive_maximum(admitted.version, admitted.internal);
        if let Some(state) = self.sessions.get_mut(key(session)) {
            state.user_name = admitted.user_name;
            state.expiry = admitted.expiry;
            state.ends = None;
            state.will = admitted.will;
            state.credentials = admitted.credentials;
            state.listener = admitted.listener;
            state.bridge = admitted.bridge;
            state.joining = None;
            state.online = Some(Online {
                connection: id,
                version: admitted.version,
                max_packet_size: admitted.max_packet_size,
                aliases: (v5 && outbound > 0).then(|| Box::new(OutboundAliases::new(outbound))),
                window,
            });
            if let Some(flow) = &mut state.flow {
                flow.outbound.handle_connected(window);
                // They are sent again with the others.
                flow.kept.clear();
                flow.dropping = false;
            }
            if let Some(inbound) = &mut state.inbound {
                inbound.messages.handle_connected(held);
            }
        }
        if !admitted.internal {
            self.tally.clients_connected += 1;
        }
        let keep_alive = admitted.server_keep_alive.unwrap_or(admitted.keep_alive);
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        connection.stage = Stage::Online(session);
        connection.last_packet = now.instant;
        connection.aliases = (v5 && inbound > 0).then(|| Box::new(InboundAliases::new(inbound)));
        // [MQTT-3.1.2-22] One and a half times the keep alive.
        connection.silence_max = u32::from(keep_alive) * 1500;
        if let Some(deadline) = connection.silent_until() {
            self.watch(now, id, deadline);
        }
    }

    /// Has the connection looked at by `deadline`, unless it is earlier anyway.
    pub(super) fn watch(&mut self, now: Now, id: ConnectionId, deadline: Instant) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        let deadline = deadline.min(now.instant.saturating_add(WATCH_MAX));
        if deadline < connection.armed {
            connection.armed = deadline;
            self.timers.arm(deadline, Timer::Connection(id));
        }
    }
}

/// The answer to a CONNECT that was accepted.
fn connack<'a>(admitted: &Admitted, properties: &'a PropertiesBuf, resumed: bool) -> Packet<'a> {
    Packet::Connack(Connack {
        // 3.1 knows no such flag.
        session_present: resumed && admitted.version != Version::V31,
        reason: ReasonCode::Success,
        properties: if properties.is_empty() {
            Properties::EMPTY
        } else {
            properties.as_properties()
        },
    })
}

fn tell_connected<S: Sink>(id: ConnectionId, admitted: &Admitted, sink: &mut S) {
    let facts = |will: &Will| (will.message.payload_len(), will.message.view().head);
    let will = admitted.will.as_ref().map(|will| {
        let (payload_len, head) = facts(will);
        let topic = will.message.view().topic.as_str();
        WillFacts {
            topic,
            payload_len,
            qos: head.qos,
            retain: head.retain,
        }
    });
    sink.tell(Event::ClientConnected {
        connection: id,
        client_id: &admitted.client_id,
        version: admitted.version,
        clean_start: admitted.clean_start,
        keep_alive: admitted.keep_alive,
        user_name: admitted.user_name.as_deref(),
        bridge: admitted.bridge,
        will,
    });
}
