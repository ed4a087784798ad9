//! What time ends: connections that are silent, delayed wills, sessions, retained messages.

use mqtt_codec::ReasonCode;
use mqtt_session::time::{Instant, Now};

use super::state::{Stage, Timer};
use super::{Shard, key, place};
use crate::engine::event::{Cause, Event};
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::sink::Sink;
use crate::engine::store_op::Urgency;

impl Shard {
    pub(super) fn expire<S: Sink>(&mut self, now: Now, sink: &mut S) {
        self.sweep_retained(now);
        let mut woken = std::mem::take(&mut self.woken);
        self.timers.expire(now.instant, &mut woken);
        self.uncounted |= !woken.is_empty();
        for (deadline, timer) in woken.drain(..) {
            match timer {
                Timer::Connection(id) => self.look_at_connection(now, id, deadline, sink),
                Timer::Session(id) => self.look_at_session(now, id, deadline, sink),
                Timer::Password(id) => self.ask_again(id, sink),
            }
        }
        self.woken = woken;
    }

    fn look_at_connection<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        deadline: Instant,
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        if connection.armed != deadline {
            return;
        }
        connection.armed = Instant::from_millis(u64::MAX);
        if !matches!(connection.stage, Stage::Online(_)) {
            let since = connection.last_packet;
            let until = since.saturating_add(self.settings.connect_timeout);
            if until <= now.instant {
                self.close(now, id, Cause::ConnectTimeout, None, sink);
            } else {
                self.watch(now, id, until);
            }
            return;
        }
        match connection.silent_until() {
            // [MQTT-3.1.2-22]
            Some(until) if until <= now.instant => {
                let reason = Some(ReasonCode::KeepAliveTimeout);
                self.close(now, id, Cause::KeepAliveTimeout, reason, sink);
            }
            Some(until) => self.watch(now, id, until),
            None => {}
        }
    }

    fn look_at_session<S: Sink>(
        &mut self,
        now: Now,
        id: SessionId,
        deadline: Instant,
        sink: &mut S,
    ) {
        let Some(state) = self.sessions.get_mut(key(id)) else {
            return;
        };
        if state.armed != Some(deadline) {
            return;
        }
        state.armed = None;
        if state.online.is_some() {
            return;
        }
        let over = state.ends.is_some_and(|ends| ends <= now.instant);
        let will_due = state
            .will
            .as_ref()
            .and_then(|will| will.due)
            .is_some_and(|due| due <= now.instant);
        if over {
            sink.tell(Event::SessionExpired {
                client_id: &state.client_id,
            });
            self.tally.clients_expired += 1;
            self.end_session(now, id, Urgency::Lazy, sink);
        } else {
            if will_due {
                self.publish_will(now, id, sink);
            }
            self.watch_session(now, id);
        }
    }

    /// Looks for expired retained messages as often as configured. One shard does it for all.
    fn sweep_retained(&mut self, now: Now) {
        if self.id.index() != 0 {
            return;
        }
        let Some(interval) = self.settings.retain_expiry_interval else {
            self.next_sweep = None;
            return;
        };
        match self.next_sweep {
            Some(due) if due > now.instant => {}
            Some(_) => {
                self.commons.retained.remove_expired(now.unix);
                self.next_sweep = Some(now.instant.saturating_add(interval));
            }
            None => self.next_sweep = Some(now.instant.saturating_add(interval)),
        }
    }
}
