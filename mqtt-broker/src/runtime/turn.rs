//! A turn of a shard: what is ready is read and decided on, then all that follows from it leaves at
//! once. The order is fixed: first what the poller brought, then mail, answers and time; at the end
//! letters are posted before sockets are flushed, so that an answer never overtakes its cause. The
//! work in a turn is bounded, so that nobody's answer waits for everybody's input.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Events;
use mqtt_session::time::Instant;
use nix::errno::Errno;

use super::accept::{Accepted, Acceptor};
use super::clock::Clock;
use super::mailbox::{Mail, Post, bit};
use super::observer::{PeerAddress, RuntimeEvent};
use super::shard_sink::ShardSink;
use super::sockets::{Arrival, Flushed, INTERNAL, ReadOnce, Stage};
use crate::engine::event::Cause;
use crate::engine::ids::{ConnectionId, ShardId};
use crate::engine::out_queue::SHARED_PAYLOAD_MIN;
use crate::engine::shard::{Peer, Shard};
use crate::engine::sink::Sink;

/// The read buffer that all connections of a shard share.
const BUFFER_BYTES: usize = 64 * 1024;
/// Reads of one connection in a turn.
const READS_MAX: usize = 4;
/// Bytes read in a turn.
const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of mail in a turn.
const MAIL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes appended to out queues in a turn, estimated: [`Turn::has_enough`].
const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// After so many bytes of input letters are posted, as their receiver bounds its work mail by mail.
const INPUT_PER_POST: usize = 64 * 1024;
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
            input: 0,
            input_posted: 0,
            mail: 0,
            written: 0,
            more_mail: false,
            rooms: Vec::new(),
            mails: VecDeque::new(),
            stopped: None,
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
        if self.post.may_read(&mut self.written) {
            self.read_ready()?;
        }
        self.take_mail()?;
        for (connection, verdict) in std::mem::take(&mut self.sink.verdicts) {
            self.shard
                .handle_verdict(self.sink.now, connection, verdict, &mut self.sink);
        }
        self.tick();
        for flushes in 1..=FLUSHES_MAX {
            self.post_letters()?;
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
        let waits_for_room = (!self.sink.ready.is_empty()).then_some(&mut self.written);
        self.post.prepare_to_sleep(self.sink.me, waits_for_room)
    }

    /// Says that it waits no more.
    pub(super) fn awake(&self) {
        self.post.awake(self.sink.me);
    }

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

    fn accept(&mut self) {
        if !self.acceptor.is_due(self.sink.now.instant) {
            return;
        }
        self.acceptor.accept(
            self.sink.now.instant,
            &*self.sink.observer,
            &mut self.accepted,
        );
        let mut accepted = std::mem::take(&mut self.accepted);
        for Accepted {
            socket,
            peer,
            listener,
            listener_port,
        } in accepted.drain(..)
        {
            self.totals.sockets_accepted += 1;
            let told = RuntimeEvent::NewConnection {
                peer: &peer,
                listener_port,
            };
            self.sink.observer.runtime_event(&told);
            match self.sink.sockets.insert(socket, peer, listener) {
                Ok(id) => {
                    let peer = Peer {
                        listener,
                        internal: false,
                    };
                    self.shard
                        .handle_opened(self.sink.now, id, peer, &mut self.sink);
                }
                Err(error) => {
                    self.sink.quota.leave(listener);
                    let told = RuntimeEvent::AcceptFailed { error: &error };
                    self.sink.observer.runtime_event(&told);
                }
            }
        }
        self.accepted = accepted;
    }

    /// Reads from all that are ready, until enough is read for one turn. Those that were not served
    /// come first in the next turn, then those with more to say.
    fn read_ready(&mut self) -> io::Result<()> {
        let mut ready = std::mem::replace(&mut self.sink.ready, std::mem::take(&mut self.ready));
        for id in ready.drain(..) {
            let Some(connection) = self.sink.sockets.get_mut(id) else {
                continue;
            };
            connection.listed = false;
            if self.has_enough() {
                self.sink.list(id);
            } else if self.read(id) {
                self.later.push(id);
            }
            if self.input - self.input_posted >= INPUT_PER_POST {
                self.input_posted = self.input;
                self.post_letters()?;
            }
        }
        for id in self.later.drain(..) {
            self.sink.list(id);
        }
        self.ready = ready;
        Ok(())
    }

    /// Whether out queues want to be flushed before more comes in: much was read, or little that
    /// goes to many. What was appended is known from above: no input is appended to a queue
    /// twice, and no append copies much more than the longest payload that is not shared.
    fn has_enough(&self) -> bool {
        let taken = self.input + self.mail;
        let appended = (taken.saturating_mul(self.sink.dirty.len()))
            .min(self.sink.appends.saturating_mul(SHARED_PAYLOAD_MIN));
        self.input >= INPUT_BYTES_MAX || appended >= OUTPUT_BYTES_MAX
    }

    /// Reads from one connection as often as is fair. Whether there may be more.
    fn read(&mut self, id: ConnectionId) -> bool {
        for _ in 0..READS_MAX {
            let Some(connection) = self.sink.sockets.get_mut(id) else {
                return false;
            };
            match connection.stage {
                Stage::Open if connection.paused || !connection.is_readable() => return false,
                Stage::Open => {}
                // What comes now is nobody's business until all is flushed.
                Stage::Closing => return false,
                Stage::Draining(_) => {
                    if connection.drain(&mut self.buffer) {
                        self.sink.drop_socket(id);
                    }
                    return false;
                }
            }
            match connection.read(&mut self.buffer) {
                ReadOnce::Bytes(count) => {
                    self.input += count;
                    self.totals.bytes_received += count as u64;
                    let bytes = self.buffer.get(..count).unwrap_or(&[]);
                    self.shard
                        .handle_bytes(self.sink.now, id, bytes, &mut self.sink);
                }
                ReadOnce::Nothing => {}
                ReadOnce::End => self.closed(id, Cause::ClosedByPeer),
                ReadOnce::Failed(error) => self.closed(id, cause_of(&error)),
            }
        }
        let connection = self.sink.sockets.get(id);
        connection.is_some_and(|connection| connection.is_readable() && !connection.paused)
    }

    /// A connection ended by itself.
    fn closed(&mut self, id: ConnectionId, cause: Cause) {
        self.shard
            .handle_closed(self.sink.now, id, cause, &mut self.sink);
        self.sink.drop_socket(id);
    }

    /// Handles mail, one at least, until there is enough for one turn.
    fn take_mail(&mut self) -> io::Result<()> {
        let mut more = true;
        if self.mails.is_empty() {
            more = self
                .post
                .take(self.sink.me, MAIL_BYTES_MAX, &mut self.mails)?;
        }
        while let Some((weight, mail)) = self.mails.pop_front() {
            self.mail += weight;
            self.handle_mail(mail);
            if self.has_enough() {
                break;
            }
        }
        self.more_mail = more || !self.mails.is_empty();
        Ok(())
    }

    fn handle_mail(&mut self, mail: Mail) {
        let now = self.sink.now;
        match mail {
            Mail::Letters(from, batch) => {
                self.shard.handle_batch(now, from, batch, &mut self.sink);
            }
            Mail::Arrival(arrival) => self.settle(*arrival),
            Mail::Adopt(socket) => self.adopt(socket),
            Mail::Verdict(connection, verdict) => {
                self.shard
                    .handle_verdict(now, connection, verdict, &mut self.sink);
            }
            Mail::Settings(settings) => {
                self.shard.handle_settings(now, settings, &mut self.sink);
            }
            Mail::Stop => self.stop(),
        }
    }

    /// A connection comes from another shard. What the kernel has for it, the poller tells anew.
    fn settle(&mut self, arrival: Arrival) {
        let listener = arrival.listener;
        if self.stopped.is_some() {
            self.sink.quota.leave(listener);
            return;
        }
        match self.sink.sockets.settle(arrival) {
            Ok((id, admitted)) => {
                self.sink.touch(id);
                self.shard
                    .handle_arrival(self.sink.now, id, admitted, &mut self.sink);
            }
            Err(error) => {
                self.sink.quota.leave(listener);
                let told = RuntimeEvent::ArrivalFailed {
                    shard: self.sink.me,
                    error: &error,
                };
                self.sink.observer.runtime_event(&told);
            }
        }
    }

    /// The broker itself connects.
    fn adopt(&mut self, socket: socket2::Socket) {
        if self.stopped.is_some() {
            return;
        }
        match self
            .sink
            .sockets
            .insert(socket, PeerAddress::Internal, INTERNAL)
        {
            Ok(id) => {
                let peer = Peer {
                    listener: 0,
                    internal: true,
                };
                self.shard
                    .handle_opened(self.sink.now, id, peer, &mut self.sink);
            }
            Err(error) => {
                let told = RuntimeEvent::ArrivalFailed {
                    shard: self.sink.me,
                    error: &error,
                };
                self.sink.observer.runtime_event(&told);
            }
        }
    }

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

    /// One batch for each shard there is something to say to, then those who move.
    fn post_letters(&mut self) -> io::Result<()> {
        if self.sink.written != 0 {
            for (outbox, to) in self.sink.outboxes.iter_mut().zip((0..).map(ShardId)) {
                if self.sink.written & bit(to) != 0 && !outbox.is_empty() {
                    let batch = std::mem::take(outbox);
                    self.post.send(to, Mail::Letters(self.sink.me, batch))?;
                }
            }
            self.written |= self.sink.written;
            self.sink.written = 0;
        }
        for (home, mail) in self.sink.departures.drain(..) {
            self.post.send(home, mail)?;
            self.written |= bit(home);
        }
        Ok(())
    }

    /// Offers each touched queue to its socket once.
    fn flush(&mut self) {
        let mut dirty = std::mem::replace(&mut self.sink.dirty, std::mem::take(&mut self.dirty));
        for id in dirty.drain(..) {
            let Some(connection) = self.sink.sockets.get_mut(id) else {
                continue;
            };
            connection.dirty = false;
            match connection.flush(&mut self.sink.buffers) {
                Flushed::Sent { bytes, again } => {
                    self.totals.bytes_sent += bytes as u64;
                    if connection.stage == Stage::Closing && connection.out.is_empty() {
                        self.say_goodbye(id);
                        continue;
                    }
                    if connection.out.take_room() {
                        self.rooms.push(id);
                    }
                    if again {
                        self.sink.touch(id);
                    }
                }
                Flushed::Failed(error) => self.broken(id, &error),
            }
        }
        self.dirty = dirty;
    }

    /// A socket takes nothing more for ever. What the peer sent before may still say why, a
    /// DISCONNECT say, so it is read to its end if it can be.
    fn broken(&mut self, id: ConnectionId, error: &io::Error) {
        let Some(connection) = self.sink.sockets.get_mut(id) else {
            return;
        };
        let reset = matches!(errno(error), Errno::EPIPE | Errno::ECONNRESET);
        if connection.stage != Stage::Open {
            self.sink.drop_socket(id);
        } else if reset && !connection.paused {
            connection.give_up_sending();
            self.sink.list(id);
        } else {
            self.closed(id, cause_of(error));
        }
    }

    /// The last byte has left: ends our side, and at best the connection.
    fn say_goodbye(&mut self, id: ConnectionId) {
        let Some(connection) = self.sink.sockets.get_mut(id) else {
            return;
        };
        if connection.shut().is_err() || connection.drain(&mut self.buffer) {
            self.sink.drop_socket(id);
        }
    }

    fn make_use_of_room(&mut self) {
        let mut rooms = std::mem::take(&mut self.rooms);
        for id in rooms.drain(..) {
            if self
                .sink
                .sockets
                .get(id)
                .is_some_and(|c| c.stage == Stage::Open)
            {
                self.shard.handle_room(self.sink.now, id, &mut self.sink);
            }
        }
        self.rooms = rooms;
    }

    fn stop(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(self.sink.now.instant);
        self.acceptor.close();
        self.shard.handle_stop(self.sink.now, &mut self.sink);
        let all: Vec<ConnectionId> = self.sink.sockets.ids().collect();
        for id in all {
            self.sink.close(id);
        }
    }

    fn next(&mut self) -> Next {
        let now = self.sink.now.instant;
        let mut stop_deadline = None;
        if let Some(stopped) = self.stopped {
            let flushed = self.sink.sockets.all_draining();
            let until = stopped + if flushed { STOP_GRACE } else { STOP_WITHIN };
            if self.sink.sockets.len() == 0 || now >= until {
                return Next::End;
            }
            stop_deadline = Some(until);
        }
        let may_read = !self.sink.ready.is_empty() && self.post.may_read(&mut self.written);
        let busy = may_read
            || self.more_mail
            || self.acceptor.is_ready()
            || !(self.sink.dirty.is_empty()
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

fn errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn cause_of(error: &io::Error) -> Cause {
    Cause::SocketError(error.raw_os_error().unwrap_or_default())
}
