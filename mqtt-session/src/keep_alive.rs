//! Keep Alive: when the server gives up on a silent client, and when the client pings.

use std::time::Duration;

use crate::time::Instant;

/// Silence after which a server counts its client as gone: one and a half times the Keep Alive, or
/// never (`None`) when that is zero. \[MQTT-3.1.2-22\]
#[must_use]
pub fn limit(keep_alive_secs: u16) -> Option<Duration> {
    (keep_alive_secs > 0).then(|| Duration::from_millis(u64::from(keep_alive_secs) * 1_500))
}

/// The client's side: pings when either direction was silent for the Keep Alive, and expects the
/// answer within the same time (MQTT 5, 3.1.2.10).
#[derive(Debug, Clone)]
pub struct Pinger {
    /// `None`: Keep Alive is 0 and nobody pings.
    interval: Option<Duration>,
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
        let interval = (keep_alive_secs > 0).then(|| Duration::from_secs(keep_alive_secs.into()));
        Self {
            interval,
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
        if self
            .waiting_since
            .is_some_and(|since| self.is_past(since, now))
        {
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
        let interval = self.interval?;
        let silent_since = match self.waiting_since {
            Some(waiting_since) => self.last_sent.min(waiting_since),
            None => self.last_sent.min(self.last_received),
        };
        silent_since.checked_add(interval)
    }

    fn is_past(&self, since: Instant, now: Instant) -> bool {
        self.interval
            .is_some_and(|interval| now.saturating_since(since) >= interval)
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

    #[test]
    fn an_idle_client_pings_once_and_then_gives_up() {
        let mut pinger = Pinger::new(10, at(0));
        assert_eq!(pinger.next_deadline(), Some(at(10)));
        assert_eq!(pinger.handle_tick(at(9)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(10)), Due::Ping);
        assert_eq!(pinger.next_deadline(), Some(at(20)));
        assert_eq!(pinger.handle_tick(at(19)), Due::Nothing);
        assert_eq!(pinger.handle_tick(at(20)), Due::Overdue);
    }

    #[test]
    fn an_answered_ping_starts_over() {
        let mut pinger = Pinger::new(10, at(0));
        assert_eq!(pinger.handle_tick(at(10)), Due::Ping);
        pinger.handle_received(at(11));
        pinger.handle_pingresp();
        assert_eq!(pinger.next_deadline(), Some(at(20)));
        assert_eq!(pinger.handle_tick(at(20)), Due::Ping);
    }

    #[test]
    fn a_client_that_only_sends_still_asks_whether_anyone_listens() {
        let mut pinger = Pinger::new(10, at(0));
        pinger.handle_sent(at(9));
        assert_eq!(pinger.handle_tick(at(10)), Due::Ping);
        pinger.handle_sent(at(15));
        assert_eq!(pinger.handle_tick(at(20)), Due::Overdue);
    }

    #[test]
    fn an_answer_behind_many_messages_is_waited_for() {
        let mut pinger = Pinger::new(10, at(0));
        assert_eq!(pinger.handle_tick(at(10)), Due::Ping);
        pinger.handle_received(at(19));
        assert_eq!(
            pinger.handle_tick(at(20)),
            Due::Ping,
            "our own silence asks for one"
        );
        assert_eq!(pinger.handle_tick(at(29)), Due::Overdue);
    }

    #[test]
    fn while_nobody_reads_no_answer_is_overdue() {
        let mut pinger = Pinger::new(10, at(0));
        assert_eq!(pinger.handle_tick(at(10)), Due::Ping);
        pinger.handle_reading_resumed(at(30));
        // Our own silence is real all the same.
        assert_eq!(pinger.handle_tick(at(30)), Due::Ping);
        assert_eq!(pinger.handle_tick(at(40)), Due::Overdue);
    }

    #[test]
    fn keep_alive_zero_is_off() {
        let mut pinger = Pinger::new(0, at(0));
        assert_eq!(pinger.next_deadline(), None);
        assert_eq!(pinger.handle_tick(at(1_000_000)), Due::Nothing);
    }
}
