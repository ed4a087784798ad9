//! The second half of a turn: all that follows leaves at once, letters before bytes.

use std::io;

use nix::errno::Errno;

use super::{Turn, cause_of};
use crate::engine::ids::{ConnectionId, ShardId};
use crate::runtime::mailbox::{Mail, bit};
use crate::runtime::sockets::{Flushed, Stage};

impl Turn {
    /// What is to be kept goes to the store before anybody hears of it.
    pub(super) fn submit(&mut self) {
        let to_store = &mut self.sink.to_store;
        let Some(store) = &to_store.store else { return };
        if !to_store.ops.is_empty() {
            to_store.submitted.0 += 1;
            let ops = std::mem::take(&mut to_store.ops);
            let awaited = std::mem::take(&mut to_store.awaited);
            store.note_time(self.sink.now.unix);
            store.submit(self.sink.me, to_store.submitted, ops, awaited);
        }
        store.note_turn(self.sink.me);
    }

    /// One batch for each shard there is something to say to, then those who move.
    pub(super) fn post_letters(&mut self) -> io::Result<()> {
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
    pub(super) fn flush(&mut self) {
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

    /// Has those go on that asked for room and have it.
    pub(super) fn make_use_of_room(&mut self) {
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
}

fn errno(error: &io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::UnknownErrno, Errno::from_raw)
}
