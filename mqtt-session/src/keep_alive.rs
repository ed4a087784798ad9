//! Keep Alive: when the server gives up on a silent client, and when the client pings.

use std::time::Duration;

use crate::time::Instant;

/// Silence after which a server counts its client as gone: one and a half times the Keep Alive, or
/// never (`None`) when that is zero. \[MQTT-3.1.2-22\]
#[must_use]
pub fn limit(keep_alive_secs: u16) -> Option<Duration> {
    (keep_alive_secs > 0).then(|| Duration::from_millis(u64::from(keep_alive_secs) * 1_500))
}

/// The longest time by which a ping is early.
const MARGIN_MAX: Duration = Duration::from_secs(5);

/// Silence after which a client pings: a quarter of the Keep Alive early, at most 5 s.
///
/// The packet has to be sent *within* the Keep Alive (\[MQTT-3.1.2-20\]; 3.1.1: \[MQTT-3.1.2-23\]), so
/// a timer that goes off at its end is always too late, by a millisecond on an idle machine and by
/// much more on a loaded one. That delay does not shrink with the Keep Alive, hence a quarter
/// (250 ms of the shortest, 1 s); nor does it grow with it, hence the end at 5 s, from where on
/// hardly a ping is sent that would not have been sent anyway.
fn ping_after(keep_alive: Duration) -> Duration {
    keep_alive.saturating_sub((keep_alive / 4).min(MARGIN_MAX))
}

/// The client's side: pings before either direction was silent for the Keep Alive, and expects the
/// answer within a whole one (MQTT 5, 3.1.2.10).
#[derive(Debug, Clone)]
pub struct Pinger {
    /// `None`: it is 0 and nobody pings.
    keep_alive: Option<Duration>,
    last_sent: Instant,
    last_received: Instant,
    /// When the PINGREQ went out that is not answered yet.
    waiting_since: Option<Instant>,
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send PINGREQ; it counts as sent.
    Ping,
    /// The answer is overdue: close the connection.
    Overdue,
}

impl Pinger {
    /// Starts with a packet just sent and one just received.
    #[must_use]
    pub fn new(keep_alive_secs: u16, now: Instant) -> Self {
        let keep_alive = (keep_alive_secs > 0).then(|| Duration::from_secs(keep_alive_secs.into()));
        Self {
            keep_alive,
            last_sent: now,
            last_received: now,
            waiting_since: None,
        }
    }

    /// A packet was sent.
    pub fn handle_sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    /// A whole packet came in. Whatever it is, the peer lives: the answer to a ping may be on its
    /// way behind a heap of messages, and patience starts anew.
    pub fn handle_received(&mut self, now: Instant) {
        self.last_received = now;
        self.waiting_since = self.waiting_since.map(|_| now);
    }

    /// PINGRESP came in; one that answers nothing is ignored.
    pub fn handle_pingresp(&mut self) {
        self.waiting_since = None;
    }

    /// The caller did not read for a while, so the silence is not the peer's: patience starts anew.
    pub fn handle_reading_resumed(&mut self, now: Instant) {
        self.handle_received(now);
    }

    /// Says what is due; [`Due::Ping`] is said once for each ping.
    pub fn handle_tick(&mut self, now: Instant) -> Due {
        match self.next_deadline() {
            Some(deadline) if now >= deadline => {}
            _ => return Due::Nothing,
        }
        if self.overdue_at().is_some_and(|overdue| now >= overdue) {
            return Due::Overdue;
        }
        // A ping that is still unanswered is not repeated, unless our own silence asks for one.
        self.waiting_since.get_or_insert(now);
        self.last_sent = now;
        Due::Ping
    }

    /// When to call [`Self::handle_tick`] next; `None` without Keep Alive.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let silent_since = match self.waiting_since {
            Some(_) => self.last_sent,
            None => self.last_sent.min(self.last_received),
        };
        let ping_at = silent_since.checked_add(ping_after(self.keep_alive?));
        [ping_at, self.overdue_at()].into_iter().flatten().min()
    }

    /// When the answer to a ping has to be there, if one is waited for.
    fn overdue_at(&self) -> Option<Instant> {
        self.waiting_since?.checked_add(self.keep_alive?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Instant {
        Instant::from_millis(secs * 1_000)
    }

    #[test]
    fn the_server_waits_one_and_a_half_times() {
        for (keep_alive, expected) in [
            (0, None),
            (1, Some(1_500)),
            (60, Some(90_000)),
            (u16::MAX, Some(98_302_500)),
        ] {
            assert_eq!(
                limit(keep_alive),
                expected.map(Duration::from_millis),
                "{keep_alive}"
            );
        }
    }

    /// [MQTT-3.1.2-20] A packet is sent within the Keep Alive, also where the timer goes off late.
    #[test]
    fn a_ping_leaves_before_the_keep_alive_is_over() {
        for (keep_alive, expected) in [
            (1, 750),
            (2, 1_500),
            (5, 3_750),
            (20, 15_000),
            (60, 55_000),
            (u16::MAX, 65_530_000),
        ] {
            let mut pinger = Pinger::new(keep_alive, at(0));
            let due = Instant::from_millis(expected);
            assert_eq!(pinger.next_deadline(), Some(due), "{keep_alive}");
            let before = Instant::from_millis(expected - 1);
            assert_eq!(pinger.handle_tick(before), Due::Nothing, "{keep_alive}");
            assert_eq!(pinger.handle_tick(due), Due::Ping, "{keep_alive}");
        }
    }

    /// Our own silence asks for a second ping before patience with the first one ends.
    #[test]
    fn an_idle_client_pings_in_time_and_then_gives_up() {
        let mut pinger = Pinger::new(20, at(0));
        assert_eq!(pinger.handle_tick(at(15)), Due::Ping);
        assert_eq!(pinger.next_deadline(), Some(at(30)));
        assert_eq!(pinger.handle_tick(at(29)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(30)), Due::Ping);
        assert_eq!(pinger.next_deadline(), Some(at(35)));
        assert_eq!(pinger.handle_tick(at(34)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(35)), Due::Overdue);
    }

    #[test]
    fn an_answered_ping_starts_over() {
        let mut pinger = Pinger::new(20, at(0));
        assert_eq!(pinger.handle_tick(at(15)), Due::Ping);
        pinger.handle_received(at(16));
        pinger.handle_pingresp();
        assert_eq!(pinger.next_deadline(), Some(at(30)));
        assert_eq!(pinger.handle_tick(at(30)), Due::Ping);
    }

    #[test]
    fn a_client_that_only_sends_still_asks_whether_anyone_listens() {
        let mut pinger = Pinger::new(20, at(0));
        pinger.handle_sent(at(14));
        assert_eq!(pinger.handle_tick(at(15)), Due::Ping);
        pinger.handle_sent(at(25));
        assert_eq!(pinger.handle_tick(at(34)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(35)), Due::Overdue);
    }

    #[test]
    fn an_answer_behind_many_messages_is_waited_for() {
        let mut pinger = Pinger::new(20, at(0));
        assert_eq!(pinger.handle_tick(at(15)), Due::Ping);
        pinger.handle_received(at(29));
        assert_eq!(
            pinger.handle_tick(at(30)),
            Due::Ping,
            "our own silence asks for one"
        );
        pinger.handle_sent(at(44));
        assert_eq!(pinger.handle_tick(at(48)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(49)), Due::Overdue);
    }

    #[test]
    fn while_nobody_reads_no_answer_is_overdue() {
        let mut pinger = Pinger::new(20, at(0));
        assert_eq!(pinger.handle_tick(at(15)), Due::Ping);
        pinger.handle_reading_resumed(at(40));
        // Our own silence is real all the same.
        assert_eq!(pinger.handle_tick(at(40)), Due::Ping);
        assert_eq!(pinger.handle_tick(at(59)), Due::Ping);
        assert_eq!(pinger.handle_tick(at(60)), Due::Overdue);
    }

    #[test]
    fn keep_alive_zero_is_off() {
        let mut pinger = Pinger::new(0, at(0));
        assert_eq!(pinger.next_deadline(), None);
        assert_eq!(pinger.handle_tick(at(1_000_000)), Due::Nothing);
    }
}
