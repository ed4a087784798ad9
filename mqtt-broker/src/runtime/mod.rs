//! The only folder that knows threads, tokio and mio: it moves bytes, mail and time between the
//! world and the shards, and decides nothing about MQTT.
//!
//! Read `turn.rs` first (the order in which a shard works), then `sockets.rs` (what a socket is and
//! what is remembered of it), then `mailbox.rs` (how shards meet).

mod accept;
mod buffers;
mod clock;
mod descriptors;
mod gate;
mod linger;
mod link;
mod listen;
mod mailbox;
mod observer;
mod poller;
mod quota;
mod shard_sink;
mod shard_thread;
mod sockets;
mod store_thread;
#[cfg(test)]
mod tests;
mod threads;
mod turn;
mod verdicts;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use mio::{Poll, Token, Waker};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::engine::commons::Commons;
use crate::engine::commons::counters::Tally;
use crate::engine::ids::ShardId;
use crate::engine::limits::Settings;
use crate::engine::store_op::SavedSession;
use crate::store::database::Database;
use crate::store::{Health, Store};

pub use clock::Clock;
pub use descriptors::raise_descriptor_limit;
pub use listen::{Bind, Family, ListenAddress, ListenError, Listeners};
pub use observer::{Ip, ListenPlace, Observer, PeerAddress, RuntimeEvent};
pub use quota::ConnectionLimits;
pub use threads::ThreadFailure;

use gate::Gate;
use mailbox::{Mail, Post};
use quota::Quota;
use shard_thread::{ShardStart, Shared};
use store_thread::StoreThread;
use threads::{Crew, Supervisor};
use verdicts::Oracle;

/// The token of a mailbox; sockets and listeners have others.
const MAIL: Token = Token(usize::MAX);

/// What a runtime is made of.
pub struct RuntimeConfig {
    /// What time it is.
    pub clock: Clock,
    /// What the shards share; it says how many there are.
    pub commons: Arc<Commons>,
    /// What the engine is told.
    pub settings: Arc<Settings>,
    /// Where connections come in.
    pub listeners: Listeners,
    /// How many connections there may be.
    pub limits: ConnectionLimits,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Threads that verify passwords.
    pub verdict_threads: usize,
    /// Passwords that may wait to be verified; more are refused as overload.
    pub verdicts_waiting_max: usize,
    /// Where what is durable is kept, and the sessions that were found there.
    pub store: Option<(Database, Vec<SavedSession>)>,
}

/// The running shards. Dropping it leaves them running; [`Self::stop`] ends them.
pub struct Runtime {
    post: Arc<Post>,
    quota: Arc<Quota>,
    oracle: Oracle,
    commons: Arc<Commons>,
    clock: Clock,
    crew: Crew,
    store: Option<StoreThread>,
    failures: mpsc::Receiver<ThreadFailure>,
    /// The first failure that was told.
    failure: Option<ThreadFailure>,
    next_link: AtomicU16,
}

impl Runtime {
    /// Starts a thread for each shard, and those that verify passwords. Connections are accepted
    /// when it returns.
    ///
    /// # Errors
    /// If the system has not enough descriptors or threads.
    pub fn start(config: RuntimeConfig) -> io::Result<Self> {
        let RuntimeConfig {
            clock,
            commons,
            settings,
            listeners,
            limits,
            observer,
            store,
            ..
        } = config;
        let (polls, wakers) = pollers(commons.shards)?;
        let post = Arc::new(Post::new(wakers));
        let quota = Arc::new(Quota::new(settings.listeners.len(), &limits));
        // One failure is enough to end the broker.
        let (failed, failures) = mpsc::channel(1);
        let supervisor = Supervisor {
            observer: Arc::clone(&observer),
            failures: failed,
        };
        let mut crew = Crew::new();
        let oracle = Oracle::start(
            config.verdict_threads,
            config.verdicts_waiting_max,
            &post,
            &supervisor,
            &mut crew,
        )?;
        let (database, sessions) = store.unzip();
        let writer = database.map(|database| (Store::new(commons.shards), database));
        let shared = Shared {
            post: Arc::clone(&post),
            oracle: oracle.clone(),
            quota: Arc::clone(&quota),
            observer,
            clock,
            commons: Arc::clone(&commons),
            settings,
            store: writer.as_ref().map(|(store, _)| store.clone()),
        };
        let mut homes = at_home(&commons, sessions.unwrap_or_default());
        let mut starts = Vec::new();
        let ids = (0..).map(ShardId);
        for ((poll, id), key) in polls.into_iter().zip(ids).zip(Gate::keys(commons.shards)) {
            let sessions = homes.remove(&id).unwrap_or_default();
            let shared = shared.clone();
            starts.push(ShardStart::new(
                id, poll, &listeners, shared, sessions, key,
            )?);
        }
        // From now on only shards hold what ends with them.
        drop((shared, listeners));
        spawn_shards(starts, &supervisor, &post, &mut crew)?;
        let store = writer
            .map(|(store, database)| StoreThread::start(store, database, clock, &post, &supervisor))
            .transpose()?;
        let next_link = AtomicU16::new(0);
        Ok(Self {
            post,
            quota,
            oracle,
            commons,
            clock,
            crew,
            store,
            failures,
            failure: None,
            next_link,
        })
    }

    /// Connects from inside; the caller speaks MQTT over it. Needs the context of a tokio runtime.
    ///
    /// # Errors
    /// If there are no descriptors.
    pub fn link(&self) -> io::Result<UnixStream> {
        let (mail, stream) = link::make()?;
        let number = self.next_link.fetch_add(1, Ordering::Relaxed);
        self.post
            .send(ShardId(number % self.commons.shards), mail)?;
        UnixStream::from_std(stream)
    }

    /// Gives all shards new settings and the listeners new limits.
    ///
    /// # Errors
    /// If a shard cannot be reached any more.
    pub fn apply(&self, settings: &Arc<Settings>, limits: &ConnectionLimits) -> io::Result<()> {
        self.quota.limit(limits);
        self.tell_all(|| Mail::Settings(Arc::clone(settings)))
    }

    /// The sum of what all shards count.
    #[must_use]
    pub fn counters(&self) -> Tally {
        let mut sum = Tally::default();
        for counters in &self.commons.counters {
            sum += counters.load();
        }
        sum
    }

    /// Has the store bring everything into its one file, if there is one.
    pub fn save(&self) {
        if let Some(thread) = &self.store {
            thread.store.save();
        }
    }

    /// The store and how it is, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<(Store, watch::Receiver<Health>)> {
        let thread = self.store.as_ref()?;
        Some((thread.store.clone(), thread.health.clone()))
    }

    /// The clock of all shards.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until a thread fails. The broker has to end then; an observer has been told why.
    pub async fn failed(&mut self) -> ThreadFailure {
        let failure = self.failures.recv().await;
        let failure = failure.unwrap_or_else(|| ThreadFailure {
            thread: "runtime".to_owned(),
            reason: "all threads ended".to_owned(),
        });
        self.failure.get_or_insert(failure).clone()
    }

    /// Accepts nothing more, says goodbye to all clients, publishes what wills there are, and joins
    /// the threads. It blocks for some seconds at most. Clients of 5.0 hear that the server shuts
    /// down.
    ///
    /// # Errors
    /// If a thread failed, now or before.
    pub fn stop(mut self) -> Result<(), ThreadFailure> {
        self.oracle.stop();
        if self.failure.is_none() {
            self.failure = self.failures.try_recv().ok();
        }
        // A shard that cannot be woken has failed, and `failures` says so.
        let told = self.tell_all(|| Mail::Stop);
        let Self {
            crew,
            oracle,
            store,
            clock,
            ..
        } = self;
        drop(oracle);
        if told.is_ok() {
            for thread in crew {
                // Panics are caught inside and reported.
                let _ = thread.join();
            }
            // The last that was to be kept came from their last turns.
            if let Some(thread) = store {
                thread.end(clock.now().unix);
            }
        }
        let failure = self.failure.or_else(|| self.failures.try_recv().ok());
        failure.map_or(Ok(()), Err)
    }

    fn tell_all(&self, mail: impl Fn() -> Mail) -> io::Result<()> {
        for shard in 0..self.commons.shards {
            self.post.send(ShardId(shard), mail())?;
        }
        Ok(())
    }
}

/// Each session to the shard where it lives.
fn at_home(commons: &Commons, sessions: Vec<SavedSession>) -> HashMap<ShardId, Vec<SavedSession>> {
    let mut homes: HashMap<ShardId, Vec<SavedSession>> = HashMap::new();
    for session in sessions {
        let home = commons.home_of(&session.session.client_id);
        homes.entry(home).or_default().push(session);
    }
    homes
}

/// A poller for each shard, and what wakes it.
fn pollers(shards: u16) -> io::Result<(Vec<Poll>, Vec<Waker>)> {
    let mut polls = Vec::new();
    let mut wakers = Vec::new();
    for _ in 0..shards {
        let poll = Poll::new()?;
        wakers.push(Waker::new(poll.registry(), MAIL)?);
        polls.push(poll);
    }
    Ok((polls, wakers))
}

/// Starts a thread for each shard, or none.
fn spawn_shards(
    starts: Vec<ShardStart>,
    supervisor: &Supervisor,
    post: &Post,
    crew: &mut Crew,
) -> io::Result<()> {
    let shards: Vec<ShardId> = starts.iter().map(|start| start.id).collect();
    for start in starts {
        let name = format!("shard-{}", start.id.0);
        match supervisor.spawn(name, move || start.run()) {
            Ok(thread) => crew.push(thread),
            Err(error) => {
                for shard in shards {
                    post.send(shard, Mail::Stop)?;
                }
                return Err(error);
            }
        }
    }
    Ok(())
}
