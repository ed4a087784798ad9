//! The thread that writes the store, and how others hear how the store is.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use mqtt_session::time::UnixTime;
use tokio::sync::watch;

use super::clock::Clock;
use super::mailbox::Post;
use super::observer::RuntimeEvent;
use super::threads::Supervisor;
use crate::store::database::Database;
use crate::store::{Health, Store};

/// A store that is written.
pub(super) struct StoreThread {
    pub(super) store: Store,
    pub(super) health: watch::Receiver<Health>,
    thread: JoinHandle<()>,
}

impl StoreThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no room for one more.
    pub(super) fn start(
        store: Store,
        database: Database,
        clock: Clock,
        post: &Arc<Post>,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let (writer, post) = (store.clone(), Arc::clone(post));
        let observer = Arc::clone(&supervisor.observer);
        let (say, health) = watch::channel(Health::Ok);
        let thread = supervisor.spawn("store".to_owned(), move || {
            let mut was_full = false;
            let written = writer.write(
                database,
                || clock.now().instant,
                |shard| {
                    let full = writer.has_no_room();
                    if std::mem::replace(&mut was_full, full) != full {
                        say.send_replace(if full { Health::Full } else { Health::Ok });
                    }
                    post.wake(shard)
                },
            );
            let operations = written.map_err(|failure| {
                // Before the broker begins to end because of it.
                say.send_replace(Health::Failed);
                io::Error::other(failure)
            })?;
            if operations > 0 {
                observer.runtime_event(&RuntimeEvent::LeftOut { operations });
            }
            Ok(())
        })?;
        Ok(Self {
            store,
            health,
            thread,
        })
    }

    /// Has everything written, and waits for the end of it.
    pub(super) fn end(self, now: UnixTime) {
        self.store.note_time(now);
        self.store.end();
        // Panics are caught inside and reported.
        let _ = self.thread.join();
    }
}
