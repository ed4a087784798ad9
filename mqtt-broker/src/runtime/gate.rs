//! The door at the start: nobody is let in before all shards are ready, and if one of them fails before
//! that, nobody waits for it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A door for so many shards.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    missing: u16,
    failed: bool,
}

/// One shard's key. Dropped unused, it tells the others that they wait in vain.
#[derive(Debug)]
pub(super) struct Key(Option<Arc<Gate>>);

impl Gate {
    /// Keys for so many shards.
    pub(super) fn keys(shards: u16) -> impl Iterator<Item = Key> {
        let gate = Arc::new(Self {
            state: Mutex::new(State {
                missing: shards,
                failed: false,
            }),
            changed: Condvar::new(),
        });
        (0..shards).map(move |_| Key(Some(Arc::clone(&gate))))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl Key {
    /// Says that this shard is ready and waits for the others. Whether all are.
    pub(super) fn pass(mut self) -> bool {
        let Some(gate) = self.0.take() else {
            return false;
        };
        gate.change(|state| state.missing = state.missing.saturating_sub(1));
        let state = gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State| state.missing > 0 && !state.failed;
        let state = gate.changed.wait_while(state, waits);
        !state.unwrap_or_else(PoisonError::into_inner).failed
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.change(|state| state.failed = true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pass_together_or_none() {
        for fails in [false, true] {
            let mut keys = Gate::keys(3);
            let (first, second, third) = (keys.next(), keys.next(), keys.next().unwrap());
            let waiting =
                [first, second].map(|key| std::thread::spawn(move || key.unwrap().pass()));
            if fails {
                drop(third);
            } else {
                assert!(third.pass());
            }
            for thread in waiting {
                assert_eq!(thread.join().unwrap(), !fails);
            }
        }
    }
}
