//! New settings: who is connected has to be welcome under them too.

use std::sync::Arc;

use mqtt_codec::ReasonCode;
use mqtt_session::time::Now;

use super::Shard;
use crate::auth::Admission;
use crate::engine::event::Cause;
use crate::engine::ids::ConnectionId;
use crate::engine::session::Credentials;
use crate::engine::sink::{Question, Sink};

/// What a client has to show under new settings.
enum Check {
    Welcome,
    Refused,
    Ask(Question, Arc<mqtt_passwd::hash::PasswordHash>),
}

impl Shard {
    /// Checks every connected client against the new settings, with the password it came with.
    /// Subscriptions stay; the next message meets the new policy.
    pub(super) fn check_again<S: Sink>(&mut self, now: Now, sink: &mut S) {
        let online: Vec<(u32, ConnectionId)> = self
            .sessions
            .iter()
            .filter(|(_, state)| !state.internal)
            .filter_map(|((index, _), state)| Some((index, state.online.as_ref()?.connection)))
            .collect();
        for (session, connection) in online {
            match self.check(session) {
                Check::Welcome => {}
                Check::Refused => {
                    let reason = Some(ReasonCode::NotAuthorized);
                    self.close(now, connection, Cause::NoLongerAuthorised, reason, sink);
                }
                Check::Ask(question, hash) => {
                    let state = self.sessions.at_mut(session);
                    if let Some(credentials) = state.and_then(|s| s.credentials.as_mut()) {
                        credentials.hash = hash;
                    }
                    sink.ask(connection, question);
                }
            }
        }
    }

    fn check(&self, session: u32) -> Check {
        let Some((_, state)) = self.sessions.at(session) else {
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
                Some(credentials) => ask(credentials, hash),
            },
        }
    }
}

fn ask(credentials: &Credentials, hash: Arc<mqtt_passwd::hash::PasswordHash>) -> Check {
    let password = credentials.password.clone();
    Check::Ask(
        Question::Password {
            hash: Arc::clone(&hash),
            password,
        },
        hash,
    )
}
