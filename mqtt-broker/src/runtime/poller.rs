//! A poller of many sockets that a tokio task can wait for. The host's own poller watches ours like
//! one more socket, so a shard also runs on somebody else's runtime.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mio::{Events, Registry};
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

/// Events taken at once.
const EVENTS_MAX: usize = 1024;

/// Waits for sockets and for one deadline.
pub(super) struct Poller {
    inner: AsyncFd<mio::Poll>,
    events: Events,
    /// One timer for all there is to wait for; it is set anew only when the deadline changes.
    sleep: Pin<Box<Sleep>>,
}

impl Poller {
    /// Takes over a poller. Needs the context of a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the runtime cannot watch it.
    pub(super) fn new(inner: mio::Poll) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor may change or end early; \
                      that of a poller stays the same for as long as it is owned, here by AsyncFd"
        )]
        let inner = AsyncFd::with_interest(inner, tokio::io::Interest::READABLE)?;
        Ok(Self {
            inner,
            events: Events::with_capacity(EVENTS_MAX),
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
        })
    }

    /// Where sockets are registered.
    pub(super) fn registry(&self) -> &Registry {
        self.inner.get_ref().registry()
    }

    /// What the last look or wait brought.
    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    /// Looks without waiting. Says whether anything was there.
    ///
    /// # Errors
    /// Those of the system, which nothing can mend.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        look(self.inner.get_mut(), &mut self.events)?;
        Ok(!self.events.is_empty())
    }

    /// Waits for events, or until the deadline; then there are none.
    ///
    /// # Errors
    /// Those of the system, which nothing can mend.
    pub(super) async fn wait(&mut self, until: Option<tokio::time::Instant>) -> io::Result<()> {
        if let Some(until) = until
            && self.sleep.deadline() != until
        {
            self.sleep.as_mut().reset(until);
        }
        poll_fn(|context| self.poll_events(context, until.is_some())).await
    }

    fn poll_events(&mut self, context: &mut Context<'_>, timed: bool) -> Poll<io::Result<()>> {
        loop {
            if let Poll::Ready(guard) = self.inner.poll_read_ready_mut(context) {
                let mut guard = guard?;
                look(guard.get_inner_mut(), &mut self.events)?;
                // Ours is edge-triggered as the host sees it: it tells again only of what came
                // after it was found empty.
                if self.events.iter().count() < EVENTS_MAX {
                    guard.clear_ready();
                }
                if self.events.is_empty() {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            if timed && self.sleep.as_mut().poll(context).is_ready() {
                self.events.clear();
                return Poll::Ready(Ok(()));
            }
            return Poll::Pending;
        }
    }
}

fn look(poll: &mut mio::Poll, events: &mut Events) -> io::Result<()> {
    loop {
        match poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
