//! Ends: of a connection, of a session, and what becomes of the will (MQTT 5, 3.14, 3.1.2.5, 4.1).

use std::sync::atomic::Ordering;

use mqtt_codec::{Disconnect, Packet, Properties, QoS, ReasonCode};
use mqtt_session::time::{Instant, Now, UnixTime};

use super::packets::Next;
use super::state::{Stage, Timer};
use super::{Shard, key, place};
use crate::auth::Action;
use crate::engine::envelope::{MessageHead, MessageView};
use crate::engine::event::{Cause, Event};
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::session::will::Will;
use crate::engine::session::{Session, SessionExpiry};
use crate::engine::sink::Sink;
use crate::engine::store_op::{Origin, StoreOp, Ticket, Urgency};
use std::time::Duration;

/// A session's timer looks again at least this often, so that timers of what is gone do not pile up.
const WATCH_MAX: Duration = Duration::from_secs(900);

impl Shard {
    /// DISCONNECT from the client.
    pub(super) fn handle_disconnect<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        disconnect: &Disconnect<'_>,
        sink: &mut S,
    ) -> Next {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return Next::Nothing;
        };
        if let Some(seconds) = disconnect.properties.session_expiry_interval() {
            if seconds > 0 && !state.is_kept() {
                // Not a valid DISCONNECT then, so the will is published (MQTT 5, 3.14.2.2.2).
                let detail = "DISCONNECT gives a session time that CONNECT gave none";
                self.refuse(now, id, ReasonCode::ProtocolError, &detail, sink);
                return Next::Nothing;
            }
            let longest = self.settings.persistent_client_expiration;
            state.expiry = SessionExpiry::from_seconds(seconds).capped(longest);
        }
        if disconnect.reason == ReasonCode::Success {
            // [MQTT-3.14.4-3]
            state.will = None;
        }
        self.detach(now, id, Cause::Disconnect, sink);
        sink.close(id);
        Next::Nothing
    }

    /// Ends a connection from our side. 5.0 clients are told why, once they were greeted.
    pub(super) fn close<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        cause: Cause,
        reason: Option<ReasonCode>,
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get(place(id)) else {
            return;
        };
        let version = connection.version;
        // [MQTT-3.14.0-1] Never before a CONNACK.
        if let (Some(reason), true, Stage::Online(_)) = (reason, version.is_v5(), &connection.stage)
        {
            let disconnect = Disconnect {
                reason,
                properties: Properties::EMPTY,
            };
            self.send(id, version, &Packet::Disconnect(disconnect), sink);
        }
        self.detach(now, id, cause, sink);
        sink.close(id);
    }

    /// A connection is gone: its session goes on without it, or ends.
    pub(super) fn detach<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        cause: Cause,
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        let internal = connection.internal;
        let stage = std::mem::replace(&mut connection.stage, Stage::Lobby);
        self.forget(id);
        let session = match stage {
            Stage::Online(session) => session,
            Stage::Lobby | Stage::Asking(_) | Stage::Joining(_) => {
                if !internal {
                    sink.tell(Event::Disconnected {
                        connection: id,
                        client_id: None,
                        cause,
                    });
                }
                if let Stage::Joining(joining) = stage {
                    self.leave_unseen(now, joining.session, cause, sink);
                }
                return;
            }
        };
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        if !internal {
            let client_id = Some(&*state.client_id);
            sink.tell(Event::Disconnected {
                connection: id,
                client_id,
                cause,
            });
            self.tally.clients_connected = self.tally.clients_connected.saturating_sub(1);
        }
        state.online = None;
        if state.flow.as_ref().is_some_and(|flow| flow.is_idle()) {
            state.flow = None;
        }
        if cause == Cause::NoLongerAuthorised {
            state.will = None;
        }
        self.cool_down(session);
        self.part(now, session, cause, sink);
    }

    /// A session whose client was not greeted yet has no connection any more.
    fn leave_unseen<S: Sink>(&mut self, now: Now, session: SessionId, cause: Cause, sink: &mut S) {
        if let Some(state) = self.sessions.get_mut(key(session)) {
            state.joining = None;
            self.part(now, session, cause, sink);
        }
    }

    /// Session and connection are not one any more.
    fn part<S: Sink>(&mut self, now: Now, session: SessionId, cause: Cause, sink: &mut S) {
        if cause == Cause::ShuttingDown {
            // Another life of the broker goes on with the session, and publishes the will if the other
            // shards do not come to it.
            let state = self.sessions.get(key(session));
            let has_will = state.is_some_and(|state| state.will.is_some());
            self.keep_away(now, session, has_will.then_some(now.unix), sink);
            self.publish_will(now, session, sink);
        } else {
            self.leave_alone(now, session, sink);
        }
    }

    /// Keeps that the session's client is gone.
    pub(super) fn keep_away<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        will_due: Option<UnixTime>,
        sink: &mut S,
    ) {
        let Some(expiry) = self.sessions.get(key(session)).map(|state| state.expiry) else {
            return;
        };
        let away = |session| StoreOp::Away {
            session,
            since: now.unix,
            expiry,
            will_due,
        };
        self.keep_for(session, away, Urgency::Lazy, sink);
    }

    /// The session has no connection any more.
    fn leave_alone<S: Sink>(&mut self, now: Now, session: SessionId, sink: &mut S) {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        if !state.is_kept() {
            self.end_session(now, session, Urgency::Lazy, sink);
            return;
        }
        let lasts = match state.expiry {
            SessionExpiry::After(span) => Some(span),
            SessionExpiry::AtClose | SessionExpiry::Never => None,
        };
        state.ends = lasts.map(|span| now.instant.saturating_add(span));
        // The delay, or the end of the session if that is sooner.
        let delay = state
            .will
            .as_ref()
            .map(|will| lasts.map_or(will.delay, |span| span.min(will.delay)));
        let at_once = delay.is_some_and(|delay| delay.is_zero());
        if let (Some(will), Some(delay), false) = (&mut state.will, delay, at_once) {
            will.due = Some(now.instant.saturating_add(delay));
        }
        self.watch_session(now, session);
        let will_due = delay.map(|delay| now.unix.saturating_add(delay));
        self.keep_away(now, session, will_due, sink);
        // Before the will, which is not for one who is gone.
        self.tell_groups(session, false, sink);
        if at_once {
            self.publish_will(now, session, sink);
        }
    }

    /// Arms the session's timer for what comes next, unless it goes off earlier anyway.
    pub(super) fn watch_session(&mut self, now: Now, session: SessionId) {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let Some(due) = next_due(state) else { return };
        let deadline = due.min(now.instant.saturating_add(WATCH_MAX));
        if state.armed.is_none_or(|armed| deadline < armed) {
            state.armed = Some(deadline);
            self.timers.arm(deadline, Timer::Session(session));
        }
    }

    /// A session and all its state are over. A will that still waits is published first.
    /// What has to wait until that is kept waits for the ticket.
    pub(super) fn end_session<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        urgency: Urgency,
        sink: &mut S,
    ) -> Option<Ticket> {
        self.publish_will(now, session, sink);
        let state = self.sessions.get_mut(key(session))?;
        let filters = std::mem::take(&mut state.filters);
        let internal = state.internal;
        for filter in filters.iter() {
            self.drop_subscription(session, filter, sink);
        }
        let client_id = self.sessions.get(key(session))?.client_id.clone();
        let hash = self.client_hash(&client_id);
        if let Ok(entry) = self
            .clients
            .find_entry(hash, |index| *index == session.index)
        {
            entry.remove();
        }
        let mut state = self.sessions.remove(key(session))?;
        if !internal {
            self.tally.clients_total = self.tally.clients_total.saturating_sub(1);
            self.commons.sessions.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(mut flow) = state.flow.take() {
            let sent: Vec<_> = flow
                .outbound
                .drain()
                .map(|(_, delivery)| delivery)
                .collect();
            let waiting: Vec<_> = flow.queue.drain(..).collect();
            for delivery in sent.iter().chain(&waiting) {
                self.count_settled(1, delivery.message.payload_len());
            }
            self.count_gone(flow.cold.backlog());
            let sent = sent.into_iter().filter(|sent| sent.qos == QoS::AtLeastOnce);
            self.pass_on(now, state.durable, sent.chain(waiting), sink);
        }
        let end = state.durable.map(|session| StoreOp::End { session })?;
        Some(sink.persist(end, urgency))
    }

    /// Publishes a session's will if it has one, exactly once.
    pub(super) fn publish_will<S: Sink>(&mut self, now: Now, session: SessionId, sink: &mut S) {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let Some(will) = state.will.take() else {
            return;
        };
        let Will {
            message, expiry, ..
        } = *will;
        let stored = message.view();
        let topic = stored.topic.as_str();
        let user_name = state.user_name.as_deref();
        let allowed = state.internal
            || self
                .settings
                .policy
                .may(&state.client_id, user_name, Action::Write, topic);
        let origin = state
            .durable
            .map_or(Origin::Fresh, |session| Origin::Will { session });
        if !allowed {
            self.keep_nothing_but(origin, sink);
            return;
        }
        let view = MessageView {
            head: MessageHead {
                published: now.unix,
                expires: expiry.map(|span| now.unix.saturating_add(span)),
                ..stored.head
            },
            ..stored
        };
        self.publish(now, &view, Some(session), origin, sink);
    }

    /// The broker stops: wills whose delay still runs are published too.
    pub(super) fn publish_pending_wills<S: Sink>(&mut self, now: Now, sink: &mut S) {
        let waiting: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, state)| state.will.is_some())
            .map(|((index, generation), _)| SessionId { index, generation })
            .collect();
        for session in waiting {
            self.publish_will(now, session, sink);
        }
    }
}

/// When something of a session without a connection is due.
pub(super) fn next_due(state: &Session) -> Option<Instant> {
    if state.online.is_some() {
        return None;
    }
    let will = state.will.as_ref().and_then(|will| will.due);
    match (will, state.ends) {
        (Some(will), Some(ends)) => Some(will.min(ends)),
        (one, other) => one.or(other),
    }
}
