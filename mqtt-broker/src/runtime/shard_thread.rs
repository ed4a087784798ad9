//! A thread for each shard, and the one task that runs on it.

use std::io;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::task::yield_now;

use super::accept::Acceptor;
use super::clock::Clock;
use super::gate::Key;
use super::listen::Listeners;
use super::mailbox::Post;
use super::observer::Observer;
use super::poller::Poller;
use super::quota::Quota;
use super::shard_sink::ShardSink;
use super::sockets::Sockets;
use super::turn::{Next, Turn};
use super::verdicts::Oracle;
use crate::engine::commons::Commons;
use crate::engine::ids::ShardId;
use crate::engine::limits::Settings;
use crate::engine::shard::Shard;
use crate::engine::store_op::SavedSession;
use crate::store::Store;

/// After so many turns without a wait the host's own poller has its turn, as somebody else's tasks
/// may depend on it.
const TURNS_BEFORE_YIELD: u32 = 64;

/// Events in one turn from which on the next ones are worth looking for before waiting.
const EVENTS_UNDER_LOAD: usize = 4;

/// What all shards of a runtime begin with.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) post: Arc<Post>,
    pub(super) oracle: Oracle,
    pub(super) quota: Arc<Quota>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Clock,
    pub(super) commons: Arc<Commons>,
    pub(super) settings: Arc<Settings>,
    pub(super) store: Option<Store>,
}

/// All a shard needs to begin. It is made before the thread starts, so that whatever fails does so
/// before the broker says that it runs.
pub(super) struct ShardStart {
    pub(super) id: ShardId,
    poll: mio::Poll,
    acceptor: Acceptor,
    shared: Shared,
    sessions: Vec<SavedSession>,
    /// All shards are ready before any of them lets a client in.
    key: Key,
}

impl ShardStart {
    /// What a shard begins with; it listens from now on.
    ///
    /// # Errors
    /// If there are not enough descriptors.
    pub(super) fn new(
        id: ShardId,
        poll: mio::Poll,
        listeners: &Listeners,
        shared: Shared,
        sessions: Vec<SavedSession>,
        key: Key,
    ) -> io::Result<Self> {
        let acceptor = Acceptor::new(listeners, poll.registry(), Arc::clone(&shared.quota))?;
        Ok(Self {
            id,
            poll,
            acceptor,
            shared,
            sessions,
            key,
        })
    }

    /// Runs the shard on this thread until it is stopped.
    ///
    /// # Errors
    /// Those after which it cannot go on.
    pub(super) fn run(self) -> io::Result<()> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        runtime.block_on(self.drive())
    }

    /// Runs the shard as a task, on any single-threaded runtime, until it is stopped.
    ///
    /// # Errors
    /// Those after which it cannot go on.
    pub(super) async fn drive(self) -> io::Result<()> {
        let Self {
            id,
            poll,
            acceptor,
            shared,
            sessions,
            key,
        } = self;
        let Shared {
            post,
            oracle,
            quota,
            observer,
            clock,
            commons,
            settings,
            store,
        } = shared;
        let mut poller = Poller::new(poll)?;
        let sockets = Sockets::new(poller.registry().try_clone()?);
        let shards = post.shards();
        let mut sink = ShardSink::new(id, shards, clock.now(), sockets, oracle, quota, observer);
        sink.to_store.store = store;
        let shard = Shard::new(id, commons, settings);
        let mut turn = Turn::new(shard, sink, acceptor, post, clock);
        turn.restore(sessions);
        if !key.pass() {
            // Another shard has failed and says so.
            return Ok(());
        }
        let mut turns = 0_u32;
        loop {
            let next = turn.run(poller.events())?;
            turns = turns.wrapping_add(1);
            let until = match next {
                Next::End => return Ok(()),
                Next::Turn => {
                    poller.look()?;
                    if turns.is_multiple_of(TURNS_BEFORE_YIELD) {
                        yield_now().await;
                    }
                    continue;
                }
                Next::Wait(until) => until,
            };
            // Under load the next events are there already, and a look costs less than a wait.
            if poller.events().iter().count() >= EVENTS_UNDER_LOAD && poller.look()? {
                if turns.is_multiple_of(TURNS_BEFORE_YIELD) {
                    yield_now().await;
                }
                continue;
            }
            if turn.prepare_to_sleep() {
                poller.wait(until.map(|until| clock.at(until))).await?;
                turn.awake();
            } else {
                poller.look()?;
            }
        }
    }
}
