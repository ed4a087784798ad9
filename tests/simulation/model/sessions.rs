//! Sessions as the broker should have them: when they begin and end, and what they have to get.

use std::collections::BTreeMap;

use mqtt_broker::engine::event::Cause;
use mqtt_codec::{QoS, ReasonCode};

use super::receipts::Got;
use super::subscriptions::Subscription;
use super::{Life, Message, Model};
use crate::simulation::plan::Lasts;
use crate::simulation::topics::{self, Filter};

/// Number of a session in the account.
pub(crate) type SessionAt = usize;

/// Milliseconds that a timer may be late.
pub(super) const LATE_MILLIS: u64 = 1_000;

/// What CONNACK has to say of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Present,
    Absent,
    Either,
}

/// One session, from its CONNECT to its end.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) life: Life,
    /// The link of its client.
    pub(super) online: Option<usize>,
    /// When it ends, at the earliest and at the latest.
    ends: Option<(u64, u64)>,
    pub(super) ended: bool,
    /// Whether it will have to get what is published now: its end is not under way.
    pub(super) claims: bool,
    pub(super) subscriptions: BTreeMap<Filter, Subscription>,
    /// Messages that it has to get once they are accepted.
    pub(super) must: Vec<u32>,
    pub(super) got: BTreeMap<u32, Got>,
    /// The last first delivery by publisher, topic and both QoS.
    pub(super) last: BTreeMap<(usize, u8, u8, u8), u32>,
    /// Connections that it had.
    pub(super) connections: u32,
    pub(super) crashes: u32,
    /// A will that waits for its delay.
    pub(super) pending_will: Option<u64>,
    /// The connection was taken over; whether the will is over is told by what comes next.
    pub(super) taken_over: bool,
    pub(super) away_since: Option<u64>,
    /// A CONNECT that ends it was read.
    pub(super) ending: bool,
}

impl Session {
    fn new(life: Life) -> Self {
        Self {
            life,
            online: None,
            ends: None,
            ended: false,
            claims: true,
            subscriptions: BTreeMap::new(),
            must: Vec::new(),
            got: BTreeMap::new(),
            last: BTreeMap::new(),
            connections: 0,
            crashes: 0,
            pending_will: None,
            taken_over: false,
            away_since: None,
            ending: false,
        }
    }

    /// Whether it outlives its connection.
    pub(super) fn is_kept(&self) -> bool {
        self.life.lasts.is_kept()
    }

    /// Whether a message that is published now has to be delivered.
    pub(super) fn has_to_get(&self, message: &Message) -> bool {
        let fits = |most: u32| message.size + super::SMALL <= most as usize;
        self.claims
            && self.life.maximum_packet_size.is_none_or(fits)
            && self.subscriptions.iter().any(|(filter, subscription)| {
                let own = message.publisher == self.life.slot;
                subscription.sure
                    && subscription.qos > QoS::AtMostOnce
                    && !(own && subscription.may_leave_out_own)
                    && topics::matches(*filter, message.topic)
            })
    }

    /// A message that it should have and has not.
    pub(super) fn missing(&self, messages: &[Message]) -> Option<u32> {
        let due = self.must.iter().copied();
        due.into_iter()
            .filter(|_| !self.ended && self.claims)
            .find(|number| messages[*number as usize].acked && !self.got.contains_key(number))
    }

    /// A crash has taken back its end, perhaps.
    pub(super) fn comes_back(&mut self, now: u64) {
        self.ended = false;
        self.claims = false;
        self.crashed(now);
    }

    pub(super) fn crashed(&mut self, now: u64) {
        self.crashes += 1;
        self.online = None;
        if let Some(lasts) = self.life.lasts.millis() {
            let (earliest, _) = self.ends.unwrap_or((now + lasts, 0));
            self.ends = Some((earliest, now + lasts + 60_000));
        }
    }
}

impl Model {
    /// A client connects and wants no session that there may be.
    pub(crate) fn will_start_clean(&mut self, slot: usize) {
        if let Some(at) = self.current[slot] {
            self.sessions[at].claims = false;
        }
    }

    /// The broker has read a CONNECT.
    pub(crate) fn connect_read(&mut self, slot: usize, clean: bool) {
        if let Some(at) = self.current[slot] {
            self.sessions[at].ending |= clean;
        }
    }

    /// A client that keeps no session lost its connection.
    pub(crate) fn client_lost_connection(&mut self, slot: usize) {
        if let Some(at) = self.current[slot]
            && !self.sessions[at].is_kept()
        {
            self.sessions[at].claims = false;
        }
    }

    /// The broker greeted a client. Which session is that, and what does CONNACK have to say?
    pub(crate) fn greeted(
        &mut self,
        link: usize,
        life: Life,
        clean: bool,
        (read, now): (u64, u64),
    ) -> (SessionAt, Expected) {
        let slot = life.slot;
        let unsure = std::mem::take(&mut self.unsure[slot]);
        let mut expected = Expected::Absent;
        if let Some(old) = self.current[slot] {
            let session = &mut self.sessions[old];
            if let Some(other) = session.online {
                let what = format!("c{slot} is connected by link {other} and by link {link}");
                self.broken.get_or_insert(what);
            }
            if !(clean || unsure)
                && session
                    .ends
                    .is_some_and(|(_, latest)| latest + LATE_MILLIS < read)
            {
                let what = format!("the session of c{slot} should have ended");
                self.broken.get_or_insert(what);
            }
            self.wills.comes_back(session, clean, unsure, (read, now));
            if clean {
                self.end(slot);
            } else {
                expected = Expected::Present;
            }
        }
        if unsure && !clean {
            expected = Expected::Either;
        }
        let at = match self.current[slot] {
            Some(at) => at,
            None => self.add_session(life),
        };
        let session = &mut self.sessions[at];
        session.life = life;
        session.online = Some(link);
        session.ends = None;
        session.ending = false;
        session.away_since = None;
        session.connections += 1;
        for got in session.got.values_mut() {
            got.on_connection = 0;
        }
        (at, expected)
    }

    fn add_session(&mut self, life: Life) -> SessionAt {
        let at = self.sessions.len();
        self.sessions.push(Session::new(life));
        self.current[life.slot] = Some(at);
        at
    }

    /// CONNACK came. The session is the one that was thought, or a new one where that was open.
    pub(crate) fn connack(
        &mut self,
        at: SessionAt,
        present: bool,
        expected: Expected,
        link: usize,
    ) -> SessionAt {
        let life = self.sessions[at].life;
        if life.is_v31 {
            return at;
        }
        let right = match expected {
            Expected::Present => present,
            Expected::Absent => !present,
            Expected::Either => true,
        };
        if !right {
            let slot = life.slot;
            self.fail(format!(
                "CONNACK to c{slot}: session present {present}, not {expected:?}"
            ));
        }
        if expected != Expected::Either || present || self.current[life.slot] != Some(at) {
            return at;
        }
        let old = &mut self.sessions[at];
        let (online, ends, away_since) = (old.online, old.ends, old.away_since);
        let pending_will = old.pending_will.take();
        self.end(life.slot);
        let at = self.add_session(life);
        let session = &mut self.sessions[at];
        session.online = online.filter(|online| *online == link);
        (session.ends, session.away_since) = (ends, away_since);
        session.pending_will = pending_will;
        session.connections = 1;
        at
    }

    /// A connection of a session ended at the broker.
    /// `goodbye` is the reason of the DISCONNECT that it read, if any.
    pub(crate) fn parted(
        &mut self,
        at: SessionAt,
        link: usize,
        cause: Cause,
        goodbye: Option<ReasonCode>,
        now: u64,
    ) {
        let session = &mut self.sessions[at];
        if session.online != Some(link) {
            return;
        }
        session.online = None;
        session.away_since = Some(now);
        let slot = session.life.slot;
        if cause == Cause::Disconnect && goodbye.is_none() {
            let what = format!("c{slot} sent no DISCONNECT that was read");
            self.broken.get_or_insert(what);
        }
        if let Lasts::Seconds(seconds) = session.life.lasts {
            let ends = now + u64::from(seconds) * 1000;
            session.ends = Some((ends, ends));
        }
        let over = cause == Cause::Disconnect && goodbye == Some(ReasonCode::Success);
        self.wills.parted(session, over, cause, now);
        if !session.is_kept() {
            self.end(slot);
        }
    }

    /// A connection ended that was never greeted, though its CONNECT was read: what it did to the
    /// session is not known.
    pub(crate) fn parted_ungreeted(&mut self, life: Life, now: u64) {
        if !self.durable {
            return;
        }
        self.unsure[life.slot] = true;
        self.wills.may(life.will);
        let Some(at) = self.current[life.slot] else {
            return;
        };
        let session = &mut self.sessions[at];
        self.wills.unsure(session);
        if let (Some((earliest, _)), Some(lasts)) = (session.ends, life.lasts.millis()) {
            session.ends = Some((earliest, now + lasts + 60_000));
        }
    }

    /// A session ended by time.
    pub(crate) fn expired(&mut self, slot: usize, now: u64) {
        let Some(at) = self.current[slot] else {
            // One that was never greeted.
            if !self.unsure[slot] {
                self.fail(format!("a session of c{slot} expired that is not there"));
            }
            return;
        };
        let session = &mut self.sessions[at];
        let due = session.ends.is_some_and(|(earliest, _)| earliest <= now);
        if !self.unsure[slot] && (session.online.is_some() || !due) {
            let what = format!(
                "the session of c{slot} expired too early: {:?}",
                session.ends
            );
            self.broken.get_or_insert(what);
        }
        self.wills.session_ended(session, now);
        self.expired.push((at, now));
        self.end(slot);
    }

    pub(super) fn end(&mut self, slot: usize) {
        let moment = self.next_moment();
        if let Some(at) = self.current[slot].take() {
            let session = &mut self.sessions[at];
            session.ended = true;
            session.claims = false;
            session.online = None;
            self.groups.member_left(session, moment);
        }
    }
}
