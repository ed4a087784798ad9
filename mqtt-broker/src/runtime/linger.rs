//! Connections that the engine has closed. Their last bytes, a DISCONNECT with its reason among
//! them, shall arrive: what is queued is flushed, our end is shut, and what the peer sends
//! until it shuts its own is read and dropped, because closing a socket with unread bytes in it sends a
//! reset that may overtake what we sent. A peer that takes part in none of this is dropped.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt_session::time::Instant;

use crate::engine::ids::ConnectionId;

/// Time that a peer has for all of it.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Who is to be dropped when; everybody has the same time, so the list is in order.
#[derive(Debug, Default)]
pub(super) struct Linger {
    waiting: VecDeque<(Instant, ConnectionId)>,
}

impl Linger {
    /// A connection was closed.
    pub(super) fn push(&mut self, now: Instant, connection: ConnectionId) {
        self.waiting.push_back((now + LINGER, connection));
    }

    /// The next whose time is over, gone or not.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<ConnectionId> {
        let (due, connection) = *self.waiting.front()?;
        if due > now {
            return None;
        }
        self.waiting.pop_front();
        Some(connection)
    }

    /// When somebody's time is over. Forgets first those that are gone anyway.
    pub(super) fn next_deadline(
        &mut self,
        is_gone: impl Fn(ConnectionId) -> bool,
    ) -> Option<Instant> {
        while let Some((due, connection)) = self.waiting.front() {
            if !is_gone(*connection) {
                return Some(*due);
            }
            self.waiting.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_went_by_themselves_set_no_deadline() {
        let connection = |index| ConnectionId {
            index,
            generation: 0,
        };
        let mut linger = Linger::default();
        for (millis, index) in [(0, 1), (10, 2), (20, 3)] {
            linger.push(Instant::from_millis(millis), connection(index));
        }
        let gone = |id: ConnectionId| id.index == 1;
        let due = Instant::from_millis(10) + LINGER;
        assert_eq!(linger.next_deadline(gone), Some(due));
        assert_eq!(linger.next_due(due), Some(connection(2)));
        assert_eq!(linger.next_due(due), None);
        assert_eq!(linger.next_deadline(|_| true), None);
    }
}
