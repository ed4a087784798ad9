//! New settings: who is connected has to be welcome under them too.

use std::sync::Arc;

use std::time::Duration;

use mqtt_codec::ReasonCode;
use mqtt_passwd::hash::PasswordHash;
use mqtt_session::time::Now;

use super::state::Timer;
use super::{Shard, key};
use crate::auth::Admission;
use crate::engine::event::Cause;
use crate::engine::ids::ConnectionId;
use crate::engine::sink::{Question, Sink, Verdict};

/// When a question that nobody had time for is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a client has to show under new settings.
enum Check {
    Welcome,
    Refused,
    Ask(Arc<PasswordHash>),
}

impl Shard {
    /// Checks every connected client against the new settings, with the password it came with.
    /// Subscriptions stay; the next message meets the new policy.
    pub(super) fn check_again<S: Sink>(&mut self, now: Now, sink: &mut S) {
        let online: Vec<(u32, ConnectionId)> = self
            .sessions
            .iter()
            .filter_map(|((index, _), state)| Some((index, state.online.as_ref()?.connection)))
            .collect();
        for (session, connection) in online {
            self.check_one(now, session, connection, sink);
        }
    }

    /// Checks one of them; the connection may end at once.
    pub(super) fn check_one<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        connection: ConnectionId,
        sink: &mut S,
    ) {
        match self.check(session) {
            Check::Welcome => {}
            Check::Refused => self.send_away(now, connection, sink),
            Check::Ask(hash) => {
                let state = self.sessions.at_mut(session);
                if let Some(credentials) = state.and_then(|s| s.credentials.as_mut()) {
                    credentials.hash = hash;
                }
                self.ask_again(connection, sink);
            }
        }
    }

    /// The answer about the password of a client that is connected.
    pub(super) fn judge_again<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        verdict: Verdict,
        sink: &mut S,
    ) {
        match verdict {
            Verdict::Allow => {}
            Verdict::Deny => self.send_away(now, connection, sink),
            Verdict::Overloaded => {
                // A reload that changes many passwords asks more than there is time for.
                let later = now.instant.saturating_add(ASK_AGAIN_AFTER);
                self.timers.arm(later, Timer::Password(connection));
            }
        }
    }

    /// Asks whether a client's password belongs to the hash that it has to fit now.
    pub(super) fn ask_again<S: Sink>(&mut self, connection: ConnectionId, sink: &mut S) {
        let session = self.session_of(connection);
        let state = session.and_then(|id| self.sessions.get(key(id)));
        if let Some(credentials) = state.and_then(|state| state.credentials.as_ref()) {
            let question = Question::Password {
                hash: Arc::clone(&credentials.hash),
                password: credentials.password.clone(),
            };
            sink.ask(connection, question);
        }
    }

    fn send_away<S: Sink>(&mut self, now: Now, connection: ConnectionId, sink: &mut S) {
        let reason = Some(ReasonCode::NotAuthorized);
        self.close(now, connection, Cause::NoLongerAuthorised, reason, sink);
    }

    fn check(&self, session: u32) -> Check {
        let state = self.sessions.at(session).map(|(_, state)| state);
        let Some(state) = state.filter(|state| !state.internal) else {
            return Check::Welcome;
        };
        let Some(rules) = self.settings.listeners.get(usize::from(state.listener)) else {
            return Check::Welcome;
        };
        let user_name = state.user_name.as_deref();
        let has_password = state.credentials.is_some();
        match rules
            .authenticator
            .decide(rules.allow_anonymous, user_name, has_password)
        {
            Admission::Allow => Check::Welcome,
            Admission::Deny => Check::Refused,
            Admission::Verify { hash } => match &state.credentials {
                None => Check::Refused,
                Some(credentials) if *credentials.hash == *hash => Check::Welcome,
                Some(_) => Check::Ask(hash),
            },
        }
    }
}
