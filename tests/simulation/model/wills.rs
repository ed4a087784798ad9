//! Wills: when they have to be published, when they may be, and when they were.

use std::collections::BTreeMap;

use mqtt_broker::engine::event::Cause;

use super::sessions::{LATE_MILLIS, Session};

/// What is known of all wills, by the numbers of their messages.
#[derive(Debug, Default)]
pub(crate) struct Wills {
    all: BTreeMap<u32, Will>,
}

#[derive(Debug, Default)]
struct Will {
    /// When it had to be published, in milliseconds.
    due: Vec<u64>,
    /// Times that it may have been published besides.
    may: u32,
    seen: u32,
    repeated: u32,
    last_seen: Option<u64>,
}

impl Wills {
    fn due(&mut self, session: &mut Session, at: u64) {
        if let Some((number, _)) = session.life.will {
            let will = self.all.entry(number).or_default();
            if session.life.will_is_seen {
                will.due.push(at);
            } else {
                will.may += 1;
            }
        }
    }

    /// A will may be published, or not.
    pub(super) fn may(&mut self, will: Option<(u32, u64)>) {
        if let Some((number, _)) = will {
            self.all.entry(number).or_default().may += 1;
        }
    }

    /// A connection ended.
    pub(super) fn parted(&mut self, session: &mut Session, over: bool, cause: Cause, now: u64) {
        let Some((_, delay)) = session.life.will else {
            return;
        };
        // [MQTT-3.14.4-3]; and nobody speaks for one who may not be here.
        if over || cause == Cause::NoLongerAuthorised {
            return;
        }
        let lasts = session.life.lasts.millis();
        let delay = lasts.map_or(delay, |lasts| lasts.min(delay));
        if cause == Cause::TakenOver && delay > 0 && !session.ending {
            session.taken_over = true;
        } else if delay == 0 || cause == Cause::TakenOver {
            self.due(session, now);
        } else {
            session.pending_will = Some(now + delay);
        }
    }

    /// The client of a session is back.
    /// Its CONNECT was read, and perhaps acted on, some time before it was greeted.
    pub(super) fn comes_back(
        &mut self,
        session: &mut Session,
        clean: bool,
        unsure: bool,
        (read, now): (u64, u64),
    ) {
        let taken_over = std::mem::take(&mut session.taken_over);
        let pending = session.pending_will.take();
        if unsure {
            if taken_over || pending.is_some() {
                self.may(session.life.will);
            }
        } else if clean && (taken_over || pending.is_some()) {
            self.due(session, now);
        } else if let Some(due) = pending
            && due <= now
        {
            // It was due, and perhaps the timer had not looked yet.
            if due + LATE_MILLIS <= read {
                self.due(session, due);
            } else {
                self.may(session.life.will);
            }
        }
    }

    /// Nobody knows whether a connection that was never greeted has ended the will.
    pub(super) fn unsure(&mut self, session: &mut Session) {
        if std::mem::take(&mut session.taken_over) || session.pending_will.take().is_some() {
            self.may(session.life.will);
        }
    }

    /// A session ended by time.
    pub(super) fn session_ended(&mut self, session: &mut Session, now: u64) {
        if session.pending_will.take().is_some() {
            self.due(session, now);
        }
        if std::mem::take(&mut session.taken_over) {
            self.may(session.life.will);
        }
    }

    /// The broker crashed: a will that is kept may be published after its restart. What happened `since`
    /// then may be forgotten.
    pub(super) fn crashed(&mut self, session: &mut Session, since: u64) {
        let lately = session.away_since.is_none_or(|away| since <= away);
        let pending = session.pending_will.take().is_some();
        session.taken_over = false;
        if session.is_kept() && (session.online.is_some() || lately || pending) {
            self.may(session.life.will);
        }
    }

    /// The broker crashed: what was due and not seen yet may have been lost on its way.
    /// What was published just before, and went out below QoS 2, may be published again.
    pub(super) fn all_crashed(&mut self, since: u64) {
        for will in self.all.values_mut() {
            let lately = |at: &u64| since <= *at;
            will.may += u32::from(will.last_seen.as_ref().is_some_and(lately));
            let late = will.due.len().saturating_sub(will.seen as usize);
            will.may += u32::try_from(late).unwrap_or(u32::MAX);
            will.due.truncate(will.seen as usize);
        }
    }

    /// A delay that has passed by now has had its effect, since the will was seen.
    pub(super) fn show(&mut self, session: &mut Session, number: u32, now: u64) {
        let known = self.all.entry(number).or_default();
        if (known.seen as usize) < known.due.len() + known.may as usize {
            // It is an earlier one, and this one may still be called off.
            return;
        }
        let same = session.life.will.is_some_and(|(will, _)| will == number);
        let ending = session.ending;
        if same && let Some(due) = session.pending_will.filter(|due| *due <= now || ending) {
            let due = due.min(now);
            session.pending_will = None;
            self.due(session, due);
        }
    }

    /// Delays that have passed by now have to have had their effect.
    pub(super) fn ripen(&mut self, session: &mut Session, now: u64) {
        if session
            .pending_will
            .is_some_and(|due| due + LATE_MILLIS < now)
        {
            let due = session.pending_will.take().unwrap_or(now);
            self.due(session, due);
        }
    }

    /// The client that sees all wills saw one.
    pub(super) fn seen(&mut self, number: u32, now: u64) -> Result<(), &'static str> {
        let will = self.all.entry(number).or_default();
        will.seen += 1;
        will.last_seen = Some(now);
        let due = will.due.iter().filter(|due| **due <= now).count();
        if will.seen as usize > due + will.may as usize {
            return Err("no will was due");
        }
        Ok(())
    }

    /// One came that is marked as repeated: the same again, or one whose first copy was lost.
    pub(super) fn seen_again(&mut self, number: u32) {
        if let Some(will) = self.all.get_mut(&number) {
            will.repeated += 1;
        }
    }

    pub(super) fn unseen(&mut self, number: u32) {
        if let Some(will) = self.all.get_mut(&number) {
            will.seen = will.seen.saturating_sub(1);
        }
    }

    /// A will that was due and did not come.
    pub(crate) fn missing(&self) -> Option<u32> {
        let late = |will: &Will| ((will.seen + will.repeated) as usize) < will.due.len();
        let mut all = self.all.iter();
        all.find_map(|(number, will)| late(will).then_some(*number))
    }

    /// Wills that were seen.
    pub(crate) fn count(&self) -> u64 {
        self.all.values().map(|will| u64::from(will.seen)).sum()
    }
}
