//! CONNECT: whether the client is let in, before anything of its session is touched.

use std::sync::Arc;

use mqtt_codec::{Connack, Connect, Packet, Properties, QoS, ReasonCode};
use mqtt_session::time::Now;
use rand::RngExt;

use super::state::Stage;
use super::{Shard, place};
use crate::auth::{Admission, Authenticator};
use crate::engine::event::{Cause, Event};
use crate::engine::ids::ConnectionId;
use crate::engine::limits::{ListenerSettings, Versions};
use crate::engine::lobby::Admitted;
use crate::engine::lobby::connect::{Refusal, examine};
use crate::engine::session::Credentials;
use crate::engine::sink::{Question, Reading, Sink, Verdict};

/// Letters of ids that are made up, with `-` after these many.
const ID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

impl Shard {
    /// A whole CONNECT came in; `behind` are the bytes after it.
    pub(super) fn admit<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        connect: &Connect<'_>,
        behind: &[u8],
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        connection.version = connect.version;
        let (number, internal) = (connection.listener, connection.internal);
        let settings = Arc::clone(&self.settings);
        let own_rules = internal.then(internal_rules);
        let configured = settings.listeners.get(usize::from(number));
        let Some(rules) = own_rules.as_ref().or(configured) else {
            return;
        };
        let examined = examine(connect, number, rules, &settings, |prefix| {
            self.make_up_id(prefix)
        });
        let mut admitted = match examined {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse_client(id, connect.client_id, refusal, sink),
        };
        admitted.internal = internal;
        admitted.unread = behind.to_vec();
        let authenticator = &rules.authenticator;
        let has_password = connect.password.is_some();
        match authenticator.decide(rules.allow_anonymous, connect.user_name, has_password) {
            Admission::Allow => self.let_in(now, id, admitted, sink),
            Admission::Deny => {
                let refusal = Refusal::Connack(ReasonCode::NotAuthorized);
                self.refuse_client(id, &admitted.client_id, refusal, sink);
            }
            Admission::Verify { hash } => {
                let password: Box<[u8]> = connect.password.unwrap_or_default().into();
                let question = Question::Password {
                    hash: Arc::clone(&hash),
                    password: password.clone(),
                };
                admitted.credentials = Some(Box::new(Credentials { hash, password }));
                if let Some(connection) = self.connections.get_mut(place(id)) {
                    connection.stage = Stage::Asking(admitted);
                    // The client did its part; the answer has as much time again.
                    connection.last_packet = now.instant;
                }
                sink.reading(id, Reading::Paused);
                sink.ask(id, question);
            }
        }
    }

    /// The answer about a password: of a CONNECT, or of a client that a reload checks again.
    pub(super) fn judge<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        verdict: Verdict,
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        if let Stage::Online(_) = connection.stage {
            return self.judge_again(now, id, verdict, sink);
        }
        let Stage::Asking(admitted) = std::mem::replace(&mut connection.stage, Stage::Lobby) else {
            return;
        };
        let reason = match verdict {
            Verdict::Allow => {
                sink.reading(id, Reading::Resumed);
                return self.let_in(now, id, admitted, sink);
            }
            Verdict::Deny => ReasonCode::NotAuthorized,
            Verdict::Overloaded => ReasonCode::QuotaExceeded,
        };
        self.refuse_client(id, &admitted.client_id, Refusal::Connack(reason), sink);
    }

    /// The client is who it says: it goes to the shard where its session lives.
    fn let_in<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        admitted: Box<Admitted>,
        sink: &mut S,
    ) {
        let home = self.home_of(&admitted.client_id);
        if home == self.id {
            self.attach(now, id, admitted, sink);
        } else {
            self.forget(id);
            sink.hand_over(id, home, admitted);
        }
    }

    /// Answers a CONNECT that is refused, and closes.
    fn refuse_client<S: Sink>(
        &mut self,
        id: ConnectionId,
        client_id: &str,
        refusal: Refusal,
        sink: &mut S,
    ) {
        let known = Some(client_id).filter(|client_id| !client_id.is_empty());
        if let Refusal::Connack(reason) = refusal {
            let version = self.version_of(id);
            let connack = Packet::Connack(Connack {
                session_present: false,
                reason,
                properties: Properties::EMPTY,
            });
            self.tell_sending(id, version, known, &connack, sink);
            self.append(id, |out| connack.encode(version, out), sink);
        }
        let cause = Cause::Refused(refusal.reason());
        if !self.is_internal(id) {
            sink.tell(Event::Disconnected {
                connection: id,
                client_id: known,
                cause,
            });
        }
        self.forget(id);
        sink.close(id);
    }

    pub(super) fn refuse_admission<S: Sink>(
        &mut self,
        id: ConnectionId,
        refusal: Refusal,
        sink: &mut S,
    ) {
        self.refuse_client(id, "", refusal, sink);
    }

    /// Takes a connection off the books.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove_at(place(id))
            && !connection.internal
        {
            self.tally.connections = self.tally.connections.saturating_sub(1);
        }
    }

    /// A client id that nobody can guess and that lives on this shard.
    fn make_up_id(&mut self, prefix: &str) -> Arc<str> {
        loop {
            let mut id = String::with_capacity(prefix.len() + 36);
            id.push_str(prefix);
            for (group, digits) in ID_GROUPS.iter().enumerate() {
                if group > 0 {
                    id.push('-');
                }
                for _ in 0..*digits {
                    let digit = self.random.random_range(0..16u32);
                    id.push(
                        char::from_digit(digit, 16)
                            .unwrap_or('0')
                            .to_ascii_uppercase(),
                    );
                }
            }
            if self.home_of(&id) == self.id || self.commons.shards == 1 {
                return id.into();
            }
        }
    }
}

/// The broker's own connections are let in.
fn internal_rules() -> ListenerSettings {
    ListenerSettings {
        authenticator: Arc::new(Authenticator::default()),
        allow_anonymous: true,
        versions: Versions::ALL,
        max_qos: QoS::ExactlyOnce,
        max_topic_alias: 0,
        max_topic_alias_broker: 0,
        auto_id_prefix: "$internal-".into(),
        allow_zero_length_clientid: true,
        use_username_as_clientid: false,
        clientid_prefixes: None,
    }
}
