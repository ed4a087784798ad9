//! What all actors share: whether the broker is up, what was sent, what arrived, what went wrong.

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The variable for runs against another broker.
pub(crate) const PLAIN: &str = "MQTT_CRASH_PLAIN";

/// What actors are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Connect and subscribe.
    Setup,
    /// Publish, come and go; the broker dies all the time.
    Storm,
    /// Publish nothing new, be there and take what is left.
    Quiet,
    /// End.
    Over,
}

/// How far a publisher has come with a topic whose messages it numbers from 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    /// The highest number acknowledged.
    pub(crate) acked: u64,
}

/// Message numbers of each topic, in the order of their arrival at one subscriber.
pub(crate) type Arrivals = BTreeMap<String, Vec<u64>>;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) port: u16,
    up: AtomicBool,
    phase: AtomicU8,
    ready: AtomicUsize,
    progress: Mutex<BTreeMap<String, Progress>>,
    arrived: Mutex<BTreeMap<String, Arrivals>>,
    count_of_arrivals: AtomicU64,
    failures: Mutex<Vec<String>>,
    notes: Mutex<BTreeMap<&'static str, usize>>,
    /// Broken promises are counted, not punished: for a look at another broker.
    pub(crate) lenient: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            up: AtomicBool::new(true),
            phase: AtomicU8::new(Phase::Setup as u8),
            ready: AtomicUsize::new(0),
            progress: Mutex::default(),
            arrived: Mutex::default(),
            count_of_arrivals: AtomicU64::new(0),
            failures: Mutex::default(),
            notes: Mutex::default(),
            lenient: env::var_os(PLAIN).is_some(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    /// Nobody dials while the broker is down: the system might give the port to a dialler.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    pub(crate) fn is_at(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) >= phase as u8
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    /// An actor is set up, or done.
    pub(crate) fn report_ready(&self) {
        self.ready.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::SeqCst)
    }

    /// The number of the next message of this topic.
    pub(crate) fn next_number(&self, topic: &str) -> u64 {
        let mut all = lock(&self.progress);
        let progress = all.entry(topic.to_owned()).or_default();
        progress.sent += 1;
        progress.sent
    }

    pub(crate) fn acknowledged(&self, topic: &str, number: u64) {
        let mut all = lock(&self.progress);
        let progress = all.entry(topic.to_owned()).or_default();
        progress.acked = progress.acked.max(number);
    }

    pub(crate) fn progress(&self) -> BTreeMap<String, Progress> {
        lock(&self.progress).clone()
    }

    pub(crate) fn arrived(&self, subscriber: &str, topic: &str, number: u64) {
        let mut all = lock(&self.arrived);
        let own = all.entry(subscriber.to_owned()).or_default();
        own.entry(topic.to_owned()).or_default().push(number);
        self.count_of_arrivals.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn arrivals(&self, subscriber: &str) -> Arrivals {
        lock(&self.arrived)
            .get(subscriber)
            .cloned()
            .unwrap_or_default()
    }

    /// Messages that came to anybody.
    pub(crate) fn count_arrived(&self) -> u64 {
        self.count_of_arrivals.load(Ordering::SeqCst)
    }

    pub(crate) fn has_arrived(&self, subscriber: &str, topic: &str) -> bool {
        lock(&self.arrived)
            .get(subscriber)
            .is_some_and(|own| own.contains_key(topic))
    }

    /// A promise was broken.
    pub(crate) fn fail(&self, what: String) {
        lock(&self.failures).push(what);
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        lock(&self.failures).clone()
    }

    /// Counts something for the last line.
    pub(crate) fn count(&self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts so many at once.
    pub(crate) fn add(&self, what: &'static str, number: usize) {
        *lock(&self.notes).entry(what).or_default() += number;
    }

    pub(crate) fn notes(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.notes).clone()
    }
}
