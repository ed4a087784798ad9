//! What should be true: an account of the world that knows nothing of how the broker works, only what
//! clients sent and heard, what the broker has read, and what the standard makes of that.

mod groups;
mod receipts;
mod retained;
mod sessions;
mod subscriptions;
mod wills;

use mqtt_codec::QoS;

use super::plan::{Lasts, Plan};
use super::topics::{CLIENTS_MAX, Topic};
use groups::Groups;
pub(crate) use receipts::Arrived;
use retained::Retained;
use sessions::Session;
pub(crate) use sessions::{Expected, SessionAt};
use wills::Wills;

/// A message that was published, or a will that may be.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) publisher: usize,
    pub(crate) topic: Topic,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) size: usize,
    /// It may be over before it is delivered.
    pub(crate) expires: bool,
    /// The broker takes no such message.
    pub(crate) refused: bool,
    pub(crate) will: bool,
    /// When its publisher gave it to its session.
    pub(crate) sent_at: u64,
    /// Its publisher was told that the broker has it.
    pub(crate) acked: bool,
    /// How often the broker may have taken it for a new one.
    pub(crate) sends: u32,
    /// Crashes that it went through before it was accepted for good. It may have been delivered below
    /// QoS 2 by then, and is delivered again.
    pub(crate) crashes: u32,
}

/// One life of a client, as a link's CONNECT tells the broker of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) slot: usize,
    pub(crate) lasts: Lasts,
    /// Its will and the milliseconds of its delay.
    pub(crate) will: Option<(u32, u64)>,
    /// Who watches wills cannot miss this one.
    pub(crate) will_is_seen: bool,
    pub(crate) maximum_packet_size: Option<u32>,
    /// 3.1 does not say whether a session is present.
    pub(crate) is_v31: bool,
    /// The filter of its group, if it is a member of one.
    pub(crate) member: bool,
}

/// The account.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) messages: Vec<Message>,
    sessions: Vec<Session>,
    /// The session of each client that the broker should have.
    current: [Option<SessionAt>; CLIENTS_MAX],
    /// What the session of a client is may have changed without anybody being told.
    unsure: [bool; CLIENTS_MAX],
    groups: Groups,
    pub(crate) retained: Retained,
    pub(crate) wills: Wills,
    /// Counts what happens, so that before and after can be told.
    moment: u64,
    /// The last moment at which the broker took nothing that would have to be kept.
    no_room_at: Option<u64>,
    /// No claims about what is delivered: queues are limited.
    lossy: bool,
    duplicates: bool,
    durable: bool,
    size_limit: Option<u32>,
    /// Sessions that ended by time, and when.
    expired: Vec<(SessionAt, u64)>,
    /// The first thing that was not as it should be.
    pub(crate) broken: Option<String>,
}

/// Payloads up to this size fit whatever a client takes.
const SMALL: usize = 100;

impl Model {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            messages: Vec::new(),
            sessions: Vec::new(),
            current: [None; CLIENTS_MAX],
            unsure: [false; CLIENTS_MAX],
            groups: Groups::new(plan),
            retained: Retained::new(plan.durable),
            wills: Wills::default(),
            moment: 0,
            no_room_at: None,
            lossy: plan.max_queued.is_some(),
            duplicates: plan.duplicates,
            durable: plan.durable,
            size_limit: plan.size_limit,
            expired: Vec::new(),
            broken: None,
        }
    }

    /// Notes that something is not as it should be.
    pub(crate) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A point in the order of what happens.
    pub(crate) fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// A client is about to publish. Returns the number of the message.
    pub(crate) fn publish(&mut self, mut message: Message) -> u32 {
        let number = self.next_number();
        message.sent_at = self.next_moment();
        message.refused = super::topics::is_forbidden(message.topic)
            || self
                .size_limit
                .is_some_and(|most| message.size > most as usize);
        self.claim(number, &message);
        if message.retain && !message.refused {
            self.retained.sent(&message, Some(number));
        }
        self.messages.push(message);
        number
    }

    /// The number of the next message.
    pub(crate) fn next_number(&self) -> u32 {
        u32::try_from(self.messages.len()).expect("a world is small")
    }

    /// A will may be published under this number.
    pub(crate) fn add_will(&mut self, message: Message) -> u32 {
        let number = self.next_number();
        self.messages.push(message);
        number
    }

    /// The sessions that will have to get a message.
    fn claim(&mut self, number: u32, message: &Message) {
        let countable = message.size > 0 && !message.refused && !message.expires;
        if message.qos == QoS::AtMostOnce || !countable || self.lossy {
            return;
        }
        for at in self.current.into_iter().flatten() {
            let session = &mut self.sessions[at];
            if session.life.member {
                if message.size <= SMALL {
                    self.groups.claim(number, message, at, session);
                }
            } else if session.has_to_get(message) {
                session.must.push(number);
            }
        }
    }

    /// The broker answered a message for good.
    pub(crate) fn acknowledged(&mut self, number: u32, is_refusal: bool, is_v5: bool) {
        let moment = self.next_moment();
        let message = &mut self.messages[number as usize];
        if is_v5 && is_refusal != message.refused {
            let what = format!("message {number} was refused: {is_refusal}, and should not");
            self.broken.get_or_insert(what);
        }
        message.acked = true;
        if message.retain && !message.refused {
            self.retained.accepted(number, moment);
        }
    }

    /// Whether the broker has room for what has to be kept.
    pub(crate) fn note_room(&mut self, has_room: bool) {
        if !has_room {
            self.no_room_at = Some(self.next_moment());
        }
    }

    /// Whether the broker had no room at some time.
    pub(crate) fn had_no_room(&self) -> bool {
        self.no_room_at.is_some()
    }

    /// The broker has no room for a message, and says so; whether that may be. If it never was an open
    /// question whether it had taken it, nobody has it.
    pub(crate) fn turned_away(&mut self, number: u32) -> bool {
        let message = &mut self.messages[number as usize];
        let late = self.no_room_at.is_none_or(|at| at < message.sent_at);
        if message.refused || late {
            return false;
        }
        if message.sends == 1 && message.crashes == 0 {
            message.refused = true;
            self.retained.turned_away(number);
            let mut sessions = self.sessions.iter();
            if let Some(session) = sessions.find(|session| session.got.contains_key(&number)) {
                let slot = session.life.slot;
                self.fail(format!("c{slot} got message {number}, which was refused"));
            }
        }
        true
    }

    /// A publisher lost its connection while a message was open: it comes again, perhaps as new.
    pub(crate) fn comes_again(&mut self, number: u32) {
        let message = &mut self.messages[number as usize];
        if message.qos == QoS::AtLeastOnce {
            message.sends += 1;
        }
    }

    /// The broker is about to end by itself: wills that wait are published before their time. That this was
    /// done is not kept. `lives` are all that it may know of.
    pub(crate) fn stops(&mut self, lives: impl Iterator<Item = Life>) {
        for at in self.current.into_iter().flatten() {
            self.wills.may(self.sessions[at].life.will);
        }
        for life in lives.filter(|life| self.unsure[life.slot]) {
            self.wills.may(life.will);
        }
    }

    /// The broker is gone, and nothing of it is left but what its store has: what happened `since` then
    /// may be forgotten.
    pub(crate) fn crashed(&mut self, now: u64, since: u64) {
        let moment = self.next_moment();
        let since = since.min(now.saturating_sub(2 * sessions::LATE_MILLIS - 1));
        self.wills.all_crashed(since);
        for message in self.messages.iter_mut().filter(|message| !message.acked) {
            message.crashes += u32::from(message.qos == QoS::ExactlyOnce);
        }
        for slot in 0..CLIENTS_MAX {
            let Some(at) = self.current[slot] else {
                continue;
            };
            let session = &mut self.sessions[at];
            self.wills.crashed(session, since);
            session.crashed(now);
            if !session.is_kept() {
                self.end(slot);
            }
        }
        self.groups.crashed(moment);
        for (at, ended) in &self.expired {
            // That it ended may be forgotten.
            let session = &mut self.sessions[*at];
            if since <= *ended {
                let slot = session.life.slot;
                self.unsure[slot] = true;
                self.wills.may(session.life.will);
                if self.current[slot].is_none() {
                    session.comes_back(now);
                    self.current[slot] = Some(*at);
                }
            }
        }
        self.expired.clear();
    }

    /// What has to hold once all is quiet and everybody has read everything.
    pub(crate) fn check_all_is_there(&mut self, now: u64) {
        for session in &mut self.sessions {
            self.wills.ripen(session, now);
        }
        if let Some(number) = self.wills.missing() {
            self.fail(format!("will {number} was due and never came"));
        }
        for session in &self.sessions {
            if let Some(number) = session.missing(&self.messages) {
                let message = &self.messages[number as usize];
                let slot = session.life.slot;
                let what = format!("c{slot} never got message {number}: {message:?}");
                self.broken.get_or_insert(what);
                return;
            }
        }
        if let Some(what) = self.groups.missing(&self.messages, &self.sessions) {
            self.fail(what);
        }
    }

    /// Deliveries that have to be there.
    pub(crate) fn owed(&self) -> u64 {
        let all = self.sessions.iter().filter(|session| !session.ended);
        all.map(|session| session.must.len() as u64).sum()
    }
}
