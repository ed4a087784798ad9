//! The first half of a turn: connections are accepted, sockets read, mail is handled, all within
//! bounds.

use std::io;

use super::{Peer, Turn};
use crate::engine::event::Cause;
use crate::engine::ids::ConnectionId;
use crate::engine::out_queue::SHARED_PAYLOAD_MIN;
use crate::runtime::accept::Accepted;
use crate::runtime::mailbox::Mail;
use crate::runtime::observer::{PeerAddress, RuntimeEvent};
use crate::runtime::sockets::{Arrival, INTERNAL, ReadOnce, Stage};

/// Reads of one connection in a turn.
const READS_MAX: usize = 4;
/// Bytes read in a turn.
const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of mail in a turn.
const MAIL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes appended to out queues in a turn, estimated: [`Turn::says_much`].
const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes read at once while little input makes much output.
const READ_BYTES_MIN: usize = 8 * 1024;
/// After so many bytes of input letters are posted, as their receiver bounds its work mail by mail.
const INPUT_PER_POST: usize = 64 * 1024;

impl Turn {
    /// Accepts what waits, if accepting is due.
    pub(super) fn accept(&mut self) {
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
    pub(super) fn read_ready(&mut self) -> io::Result<()> {
        let mut ready = std::mem::replace(&mut self.sink.ready, std::mem::take(&mut self.ready));
        for id in ready.drain(..) {
            let Some(connection) = self.sink.sockets.get_mut(id) else {
                continue;
            };
            connection.listed = false;
            if self.has_read_enough() {
                self.sink.list(id);
            } else if self.read(id) {
                self.later.push(id);
            }
            if self.input - self.input_posted >= INPUT_PER_POST {
                self.input_posted = self.input;
                self.submit();
                self.post_letters()?;
            }
        }
        for id in self.later.drain(..) {
            self.sink.list(id);
        }
        self.ready = ready;
        self.read_bytes = if self.says_much() {
            READ_BYTES_MIN
        } else {
            (self.read_bytes * 2).min(self.buffer.len())
        };
        Ok(())
    }

    /// Whether out queues want to be flushed before more is read.
    fn has_read_enough(&self) -> bool {
        self.input >= INPUT_BYTES_MAX || self.says_much()
    }

    /// Whether what came in so far goes to so many that out queues want to be flushed. What was
    /// appended is known from above: as a rule no input is appended to a queue twice, and no append
    /// copies much more than the longest payload that is not shared.
    fn says_much(&self) -> bool {
        let taken = self.input + self.mail;
        let appended = (taken.saturating_mul(self.sink.dirty.len()))
            .min(self.sink.appends.saturating_mul(SHARED_PAYLOAD_MIN));
        appended >= OUTPUT_BYTES_MAX
    }

    /// Reads from one connection as often as is fair. Whether there may be more.
    fn read(&mut self, id: ConnectionId) -> bool {
        for reads in 0..READS_MAX {
            if reads > 0 && self.has_read_enough() {
                break;
            }
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
            let (buffer, _) = self.buffer.split_at_mut(self.read_bytes);
            match connection.read(buffer) {
                ReadOnce::Bytes(count) => {
                    self.input += count;
                    self.totals.bytes_received += count as u64;
                    let bytes = self.buffer.get(..count).unwrap_or(&[]);
                    self.shard
                        .handle_bytes(self.sink.now, id, bytes, &mut self.sink);
                }
                ReadOnce::Nothing => {}
                ReadOnce::End => self.closed(id, Cause::ClosedByPeer),
                ReadOnce::Failed(error) => self.closed(id, super::cause_of(&error)),
            }
        }
        let connection = self.sink.sockets.get(id);
        connection.is_some_and(|connection| connection.is_readable() && !connection.paused)
    }

    /// Handles mail, one at least, until there is enough for one turn.
    pub(super) fn take_mail(&mut self) -> io::Result<()> {
        let mut more = true;
        if self.mails.is_empty() {
            more = self
                .post
                .take(self.sink.me, MAIL_BYTES_MAX, &mut self.mails)?;
        }
        while let Some((weight, mail)) = self.mails.pop_front() {
            self.mail += weight;
            self.handle_mail(mail);
            if self.says_much() {
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
}
