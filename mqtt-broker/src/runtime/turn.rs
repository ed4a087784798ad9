//! A turn of a shard: what is ready is read and decided on, then all that follows from it leaves at
//! once. The order is fixed: first what the poller brought, then mail, answers and time; at the end
//! letters are posted before sockets are flushed, so that an answer never overtakes its cause. The
//! work in a turn is bounded, so that nobody's answer waits for everybody's input.

mod input;
mod output;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Events;
use mqtt_codec::ReasonCode;
use mqtt_session::time::Instant;

use super::accept::{Accepted, Acceptor};
use super::clock::Clock;
use super::mailbox::{Mail, Post};
use super::shard_sink::ShardSink;
use crate::engine::event::Cause;
use crate::engine::ids::ConnectionId;
use crate::engine::shard::{Peer, Shard};
use crate::engine::sink::Sink;
use crate::engine::store_op::SavedSession;
use crate::store::Store;

/// The read buffer that all connections of a shard share.
const BUFFER_BYTES: usize = 64 * 1024;
/// How often in a turn sockets are flushed: after the first time those go on that waited for room.
const FLUSHES_MAX: usize = 2;
/// Time for all connections to end when the broker stops.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// Of it, the time that peers have to close their end once everything was sent.
const STOP_GRACE: Duration = Duration::from_millis(100);

/// A shard with all it works on, between two waits.
pub(super) struct Turn {
    shard: Shard,
    sink: ShardSink,
    acceptor: Acceptor,
    post: Arc<Post>,
    clock: Clock,
    buffer: Box<[u8]>,
    /// How much of it is used for one read.
    read_bytes: usize,
    /// Bytes read in this turn.
    input: usize,
    /// Of these, how many had been read when letters were last posted.
    input_posted: usize,
    /// Bytes of mail handled in this turn.
    mail: usize,
    /// Mailboxes that were written to since this shard could last read, a bit each.
    written: u64,
    /// There is more mail than fitted into this turn.
    more_mail: bool,
    /// Connections that asked for room and have it.
    rooms: Vec<ConnectionId>,
    /// Mail that was taken out of the box and not handled yet.
    mails: VecDeque<(usize, Mail)>,
    stopped: Option<Instant>,
    /// The others know that it has.
    said_goodbye: bool,
    /// So have they, as far as this shard has seen.
    all_have_stopped: bool,
    totals: Totals,
    // Lists that are used again in each turn.
    ready: Vec<ConnectionId>,
    later: Vec<ConnectionId>,
    dirty: Vec<ConnectionId>,
    accepted: Vec<Accepted>,
}

/// What the runtime counts.
#[derive(Default)]
struct Totals {
    bytes_received: u64,
    bytes_sent: u64,
    sockets_accepted: u64,
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next turn, without waiting: work was left over.
    Turn,
    /// Wait for events or mail, or until then.
    Wait(Option<Instant>),
    /// Nothing: the shard has stopped.
    End,
}

impl Turn {
    /// Takes in what a former life of the broker kept, before any connection.
    pub(super) fn restore(&mut self, sessions: Vec<SavedSession>) {
        self.sink.now = self.clock.now();
        if let Some(store) = &self.sink.to_store.store {
            store.sleeps(self.sink.me, false);
        }
        for session in sessions {
            self.shard.restore(self.sink.now, session, &mut self.sink);
        }
    }

    /// A shard at its beginning.
    pub(super) fn new(
        shard: Shard,
        sink: ShardSink,
        acceptor: Acceptor,
        post: Arc<Post>,
        clock: Clock,
    ) -> Self {
        Self {
            shard,
            sink,
            acceptor,
            post,
            clock,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            read_bytes: BUFFER_BYTES,
            input: 0,
            input_posted: 0,
            mail: 0,
            written: 0,
            more_mail: false,
            rooms: Vec::new(),
            mails: VecDeque::new(),
            stopped: None,
            said_goodbye: false,
            all_have_stopped: false,
            totals: Totals::default(),
            ready: Vec::new(),
            later: Vec::new(),
            dirty: Vec::new(),
            accepted: Vec::new(),
        }
    }

    /// One turn, with what the poller brought.
    ///
    /// # Errors
    /// Those after which the shard cannot go on.
    pub(super) fn run(&mut self, events: &Events) -> io::Result<Next> {
        self.sink.now = self.clock.now();
        (self.input, self.input_posted, self.mail, self.sink.appends) = (0, 0, 0, 0);
        self.note(events);
        self.accept();
        self.take_durable();
        if self.post.may_read(&mut self.written) && !self.store_is_full() {
            self.read_ready()?;
        }
        self.take_mail()?;
        for (connection, verdict) in std::mem::take(&mut self.sink.verdicts) {
            self.shard
                .handle_verdict(self.sink.now, connection, verdict, &mut self.sink);
        }
        self.tick();
        for flushes in 1..=FLUSHES_MAX {
            self.submit();
            self.post_letters()?;
            if self.stopped.is_some() && !std::mem::replace(&mut self.said_goodbye, true) {
                self.post.has_stopped()?;
            }
            self.flush();
            if self.rooms.is_empty() || flushes == FLUSHES_MAX {
                break;
            }
            self.make_use_of_room();
        }
        let Totals {
            bytes_received,
            bytes_sent,
            sockets_accepted,
        } = self.totals;
        self.shard
            .end_turn(bytes_received, bytes_sent, sockets_accepted);
        Ok(self.next())
    }

    /// Says that the shard is about to wait, unless it must not: see [`Post::prepare_to_sleep`].
    pub(super) fn prepare_to_sleep(&mut self) -> bool {
        let waits_for_disk = !self.sink.ready.is_empty() && self.store_is_full();
        let waits_for_room =
            (!self.sink.ready.is_empty() && !waits_for_disk).then_some(&mut self.written);
        if !self.post.prepare_to_sleep(self.sink.me, waits_for_room) {
            return false;
        }
        // The others set what they have to say and look whether somebody sleeps; this is the other
        // side.
        let to_store = &self.sink.to_store;
        let news = to_store.store.as_ref().is_some_and(|store| {
            store.durable(self.sink.me) > to_store.durable
                || store.has_no_room() != to_store.no_room
        });
        let news = news
            || (waits_for_disk && !self.store_is_full())
            || (self.stopped.is_some() && !self.all_have_stopped && self.post.all_have_stopped());
        if news {
            self.post.awake(self.sink.me);
        } else if let Some(store) = &self.sink.to_store.store {
            store.sleeps(self.sink.me, true);
        }
        !news
    }

    /// Says that it waits no more.
    pub(super) fn awake(&self) {
        if let Some(store) = &self.sink.to_store.store {
            store.sleeps(self.sink.me, false);
        }
        self.post.awake(self.sink.me);
    }

    /// What became durable lets out the answers that waited for it.
    fn take_durable(&mut self) {
        let to_store = &mut self.sink.to_store;
        let Some(store) = &to_store.store else { return };
        let no_room = store.has_no_room();
        let durable = store.durable(self.sink.me);
        if durable > to_store.durable {
            to_store.durable = durable;
            let pages = store.take_pages(self.sink.me);
            self.shard
                .handle_durable(self.sink.now, durable, &mut self.sink);
            for page in pages {
                self.shard.handle_page(self.sink.now, page, &mut self.sink);
            }
        }
        if std::mem::replace(&mut self.sink.to_store.no_room, no_room) != no_room {
            self.shard.handle_store_full(no_room, &mut self.sink);
        }
    }

    /// Whether so much waits for the disk that clients are not read from.
    fn store_is_full(&self) -> bool {
        let store = self.sink.to_store.store.as_ref();
        store.is_some_and(Store::is_full)
    }

    /// Notes what sockets are ready for.
    fn note(&mut self, events: &Events) {
        for event in events {
            if self.acceptor.note_ready(event.token()) {
                continue;
            }
            let Some((id, connection)) = self.sink.sockets.by_token(event.token()) else {
                continue;
            };
            let end = event.is_read_closed() || event.is_write_closed() || event.is_error();
            if connection.out.is_blocked() && (event.is_writable() || end) {
                connection.out.set_blocked(false);
                if !connection.dirty {
                    connection.dirty = true;
                    self.sink.dirty.push(id);
                }
            }
            if event.is_readable() || end {
                connection.note_readable(end);
                if !connection.listed && !connection.paused {
                    connection.listed = true;
                    self.sink.ready.push(id);
                }
            }
        }
    }

    /// A connection ended by itself.
    fn closed(&mut self, id: ConnectionId, cause: Cause) {
        self.shard
            .handle_closed(self.sink.now, id, cause, &mut self.sink);
        self.sink.drop_socket(id);
    }

    /// Lets the shard know that time has passed, if it waits for that.
    fn tick(&mut self) {
        let now = self.sink.now;
        if self
            .shard
            .next_deadline()
            .is_some_and(|due| due <= now.instant)
        {
            self.shard.handle_tick(now, &mut self.sink);
        }
        while let Some(id) = self.sink.linger.next_due(now.instant) {
            self.sink.drop_socket(id);
        }
    }

    /// Says goodbye to all. What comes after this finds the door shut.
    fn stop(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(self.sink.now.instant);
        self.acceptor.close();
        // After a failure, too: a DISCONNECT has no better word for it (0x88 is for CONNACK alone).
        let reason = ReasonCode::ServerShuttingDown;
        self.shard
            .handle_stop(self.sink.now, reason, &mut self.sink);
        let all: Vec<ConnectionId> = self.sink.sockets.ids().collect();
        for id in all {
            self.sink.close(id);
        }
    }

    /// What comes after this turn.
    fn next(&mut self) -> Next {
        let now = self.sink.now.instant;
        let mut stop_deadline = None;
        if let Some(stopped) = self.stopped {
            // The others' last letters are about wills, and may owe the store something.
            self.all_have_stopped = self.post.all_have_stopped();
            let last = self.all_have_stopped && self.post.is_empty(self.sink.me);
            let flushed = last && self.sink.sockets.all_draining();
            let until = stopped + if flushed { STOP_GRACE } else { STOP_WITHIN };
            if last && self.sink.sockets.len() == 0 || now >= until {
                return Next::End;
            }
            stop_deadline = Some(until);
        }
        let may_read = !self.sink.ready.is_empty()
            && !self.store_is_full()
            && self.post.may_read(&mut self.written);
        let busy = may_read
            || self.more_mail
            || self.acceptor.is_ready()
            || self.sink.written != 0
            || !(self.sink.dirty.is_empty()
                && self.sink.departures.is_empty()
                && self.sink.to_store.ops.is_empty()
                && self.rooms.is_empty()
                && self.sink.verdicts.is_empty());
        if busy {
            return Next::Turn;
        }
        let sockets = &self.sink.sockets;
        let linger = self
            .sink
            .linger
            .next_deadline(|id| sockets.get(id).is_none());
        let deadlines = [
            self.shard.next_deadline(),
            linger,
            self.acceptor.next_deadline(),
            stop_deadline,
        ];
        Next::Wait(deadlines.into_iter().flatten().min())
    }
}

fn cause_of(error: &io::Error) -> Cause {
    Cause::SocketError(error.raw_os_error().unwrap_or_default())
}
