//! Coarse timers: keep alive, will delay, expiry. Arming one costs a push; none is ever taken back:
//! whoever is woken looks whether it still means him, so that a packet only has to leave a stamp.

use std::time::Duration;

use mqtt_session::time::Instant;

/// One slot's share of time. Timers go off within it, never early.
const SLOT: Duration = Duration::from_millis(250);
/// Slots; a deadline beyond all of them goes round once more.
const SLOTS: usize = 1024;
const WORDS: usize = SLOTS / 64;

/// Timers with keys of type `K`.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<(Instant, K)>>,
    /// Which slots hold anything.
    occupied: [u64; WORDS],
    /// Number of the last slot that went off, counted from time 0.
    done: u64,
}

impl<K> Wheel<K> {
    /// A wheel without timers that starts at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let slots = std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        Self {
            slots,
            occupied: [0; WORDS],
            done: slot_before(now),
        }
    }

    /// Wakes `key` once `deadline` is reached.
    pub fn arm(&mut self, deadline: Instant, key: K) {
        let first = self.done + 1;
        let number = (slot_before(deadline) + 1).clamp(first, first + SLOTS as u64 - 1);
        let slot = index(number);
        if let (Some(keys), Some(word)) =
            (self.slots.get_mut(slot), self.occupied.get_mut(slot / 64))
        {
            keys.push((deadline, key));
            *word |= 1 << (slot % 64);
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = index(self.done + 1);
        let ahead = self.first_occupied(first..SLOTS).map(|slot| slot - first);
        let ahead = ahead.or_else(|| {
            self.first_occupied(0..first)
                .map(|slot| slot + SLOTS - first)
        })?;
        let number = self.done + 1 + ahead as u64;
        Some(Instant::from_millis(number.saturating_mul(slot_millis())))
    }

    /// Moves what is due by `now` into `woken`, with the deadline it was armed for.
    pub fn expire(&mut self, now: Instant, woken: &mut Vec<(Instant, K)>) {
        let first = woken.len();
        let target = slot_before(now);
        let rounds = target.saturating_sub(self.done).min(SLOTS as u64);
        for number in self.done + 1..=self.done + rounds {
            let slot = index(number);
            if let (Some(keys), Some(word)) =
                (self.slots.get_mut(slot), self.occupied.get_mut(slot / 64))
                && *word & (1 << (slot % 64)) != 0
            {
                *word &= !(1 << (slot % 64));
                woken.append(keys);
                keys.shrink_to(64);
            }
        }
        self.done = self.done.max(target);
        let later = woken.extract_if(first.., |(deadline, _)| *deadline > now);
        for (deadline, key) in later.collect::<Vec<_>>() {
            self.arm(deadline, key);
        }
    }

    fn first_occupied(&self, range: std::ops::Range<usize>) -> Option<usize> {
        let mut slot = range.start;
        while slot < range.end {
            let word = self.occupied.get(slot / 64)? >> (slot % 64);
            if word != 0 {
                return Some(slot + word.trailing_zeros() as usize).filter(|s| *s < range.end);
            }
            slot = (slot / 64 + 1) * 64;
        }
        None
    }
}

fn slot_millis() -> u64 {
    u64::try_from(SLOT.as_millis()).unwrap_or(1)
}

/// Number of the last slot that has wholly passed by `time`: slot n is due at n times [`SLOT`].
fn slot_before(time: Instant) -> u64 {
    time.as_millis() / slot_millis()
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of SLOTS fits")]
fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_go_off_after_their_deadline_and_within_one_slot() {
        let at = Instant::from_millis;
        let mut wheel = Wheel::new(at(100_123));
        let deadlines = [100_124, 100_400, 101_000, 160_123, 300_000, 356_000];
        for deadline in deadlines {
            wheel.arm(at(deadline), deadline);
        }
        let mut seen = Vec::new();
        while let Some(next) = wheel.next_deadline() {
            let mut woken = Vec::new();
            wheel.expire(next, &mut woken);
            for (armed, deadline) in woken {
                assert_eq!(armed, at(deadline));
                assert!(
                    (deadline..=deadline + 250).contains(&next.as_millis()),
                    "{deadline} at {next:?}"
                );
                seen.push(deadline);
            }
        }
        assert_eq!(seen, deadlines);
    }

    #[test]
    fn a_clock_that_jumps_wakes_all_that_was_due() {
        let mut wheel = Wheel::new(Instant::from_millis(0));
        for n in 0..1000 {
            wheel.arm(Instant::from_millis(n * 100), n);
        }
        let mut woken = Vec::new();
        wheel.expire(Instant::from_millis(10_000_000), &mut woken);
        assert_eq!(woken.len(), 1000);
        assert_eq!(wheel.next_deadline(), None);
    }
}
