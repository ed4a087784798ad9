//! Connections in memory: two pipes of bytes, each of which delays, splits wherever it likes, fills
//! up, stands still, and breaks with bytes lost.

use std::collections::VecDeque;

use super::sent::Sent;

/// Bytes that one pipe holds before its writer has to wait.
const PIPE_BYTES: usize = 4 * 1024;

/// Number of a link in [`Network`].
pub(crate) type LinkId = usize;

/// One way of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    bytes: Vec<u8>,
    /// Where in `bytes` the reader stands.
    start: usize,
    /// Up to where in `bytes` the reader may read.
    arrived: usize,
    /// Bytes that fit.
    capacity: usize,
    /// The writer will write nothing more.
    pub(crate) closed: bool,
    /// The reader finds the connection broken; what it has not read is lost.
    pub(crate) reset: bool,
    /// Nothing moves.
    pub(crate) stalled: bool,
    /// Bytes written since the beginning.
    pub(crate) written: u64,
    /// Bytes read since the beginning.
    pub(crate) read: u64,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            arrived: 0,
            capacity,
            closed: false,
            reset: false,
            stalled: false,
            written: 0,
            read: 0,
        }
    }

    /// Bytes that can be written now.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len() - self.start)
    }

    /// Takes what fits and says how much that was.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.written += taken as u64;
        taken
    }

    /// Bytes on their way.
    pub(crate) fn travelling(&self) -> usize {
        self.bytes.len() - self.arrived
    }

    /// Up to so many bytes arrive.
    pub(crate) fn arrive(&mut self, most: usize) -> usize {
        let moved = if self.stalled {
            0
        } else {
            self.travelling().min(most)
        };
        self.arrived += moved;
        moved
    }

    /// What can be read.
    pub(crate) fn readable(&self) -> &[u8] {
        if self.reset {
            &[]
        } else {
            &self.bytes[self.start..self.arrived]
        }
    }

    /// The reader has taken so many bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        self.read += count as u64;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            (self.start, self.arrived) = (0, 0);
        } else if self.start > PIPE_BYTES {
            self.bytes.drain(..self.start);
            self.arrived -= self.start;
            self.start = 0;
        }
    }

    /// Whether the reader finds the end, or a broken connection.
    pub(crate) fn is_at_end(&self) -> bool {
        self.reset || (self.closed && self.bytes.len() == self.start)
    }
}

/// A connection, as long as either end knows of it.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whose client.
    pub(crate) slot: usize,
    /// Towards the broker.
    pub(crate) up: Pipe,
    /// Towards the client.
    pub(crate) down: Pipe,
    /// The client still holds its end.
    pub(crate) client_holds: bool,
    /// The broker still holds its end, or has not accepted it yet.
    pub(crate) broker_holds: bool,
    /// Packets that the client wrote and the broker has not read, each with where it ends in `up`.
    pub(crate) sent: VecDeque<(u64, Sent)>,
    /// Where the last of all packets that were ever noted in `sent` ends.
    pub(crate) noted: u64,
}

/// All connections there ever were.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    /// Those that somebody still holds.
    pub(crate) live: Vec<LinkId>,
}

impl Network {
    /// A client opens a connection.
    pub(crate) fn open(&mut self, slot: usize, capacity: usize) -> LinkId {
        let id = self.links.len();
        self.links.push(Link {
            slot,
            up: Pipe::new(capacity.max(64)),
            down: Pipe::new(capacity),
            client_holds: true,
            broker_holds: true,
            sent: VecDeque::new(),
            noted: 0,
        });
        self.live.push(id);
        id
    }

    /// The client lets go of its end: says goodbye behind its last bytes, or just drops it.
    pub(crate) fn client_leaves(&mut self, id: LinkId, orderly: bool) {
        let link = &mut self.links[id];
        link.client_holds = false;
        link.up.closed = true;
        link.up.reset |= !orderly;
        // Nobody takes what the broker still says.
        link.down.stalled = true;
        self.forget_if_over(id);
    }

    /// The broker lets go of its end. What it wrote arrives, unless it just dropped it.
    pub(crate) fn broker_leaves(&mut self, id: LinkId, orderly: bool) {
        let link = &mut self.links[id];
        link.broker_holds = false;
        link.down.closed = true;
        link.down.reset |= !orderly;
        link.up.stalled = true;
        self.forget_if_over(id);
    }

    /// The network breaks a connection. Who finds out? An end that does not notices only when
    /// [`Self::discover`] says so, or never.
    pub(crate) fn cut(&mut self, id: LinkId, client_notices: bool, broker_notices: bool) {
        let link = &mut self.links[id];
        link.up.stalled = true;
        link.down.stalled = true;
        link.down.reset |= client_notices;
        link.up.reset |= broker_notices;
    }

    /// Both ends find out that the connection is broken.
    pub(crate) fn discover(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        link.down.reset = true;
        link.up.reset = true;
    }

    /// Frees what a connection holds once neither end knows of it.
    fn forget_if_over(&mut self, id: LinkId) {
        let link = &mut self.links[id];
        if !link.client_holds && !link.broker_holds {
            link.up.bytes = Vec::new();
            link.down.bytes = Vec::new();
            for pipe in [&mut link.up, &mut link.down] {
                (pipe.start, pipe.arrived) = (0, 0);
            }
            self.live.retain(|live| *live != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_keeps_order_and_its_bounds() {
        let mut pipe = Pipe::new(5);
        assert_eq!(pipe.write(b"abcdefg"), 5);
        assert_eq!(pipe.readable(), b"");
        assert_eq!((pipe.arrive(2), pipe.readable()), (2, &b"ab"[..]));
        pipe.consume(1);
        assert_eq!((pipe.room(), pipe.write(b"xyz")), (1, 1));
        pipe.closed = true;
        pipe.arrive(99);
        assert_eq!((pipe.readable(), pipe.is_at_end()), (&b"bcdex"[..], false));
        pipe.consume(5);
        assert!(pipe.is_at_end() && pipe.read == 6);
    }

    #[test]
    fn bytes_do_not_outlive_a_broken_connection() {
        let mut network = Network::default();
        let id = network.open(0, 100);
        network.links[id].up.write(b"lost");
        network.links[id].up.arrive(2);
        network.cut(id, false, true);
        assert!(network.links[id].up.is_at_end() && network.links[id].up.readable().is_empty());
        assert!(!network.links[id].down.is_at_end());
        network.client_leaves(id, false);
        network.broker_leaves(id, false);
        assert!(network.live.is_empty());
    }
}
