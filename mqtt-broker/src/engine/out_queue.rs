//! What waits for a socket: bytes in a pooled buffer, and payloads that many queues share.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use super::envelope::Message;

/// A queue this long whose socket takes nothing is full: QoS 0 is dropped, QoS 1 and 2 wait as
/// pointers in their session.
pub const FULL_BYTES: usize = 256 * 1024;

/// Payloads from this size on are shared instead of copied (measured: below it the copy wins).
pub const SHARED_PAYLOAD_MIN: usize = 4 * 1024;

/// Buffers larger than this are freed instead of pooled.
const POOLED_BYTES_MAX: usize = 64 * 1024;

/// Sent bytes that a buffer may hold on to, unless they are less than half of it.
const SENT_BYTES_MAX: usize = 64 * 1024;

/// Bytes on their way to one connection. Empty, it is one word.
#[derive(Debug, Default)]
pub struct OutQueue {
    pending: Option<Box<Pending>>,
    /// The socket took less than it was offered.
    blocked: bool,
    /// The shard wants to hear when there is room.
    room_wanted: bool,
}

/// The buffers of a queue that is not empty.
#[derive(Debug, Default)]
pub struct Pending {
    /// In order, before `tail`. Empty unless payloads are shared.
    segments: VecDeque<Segment>,
    /// What is appended to.
    tail: Vec<u8>,
    /// How much of the first segment, or of `tail` if there is none, was sent.
    sent: usize,
    /// Unsent bytes in all.
    len: usize,
}

#[derive(Debug)]
enum Segment {
    Bytes(Vec<u8>),
    Shared(Message, Range<usize>),
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Shared(message, range) => message.bytes().get(range.clone()).unwrap_or(&[]),
        }
    }
}

impl OutQueue {
    /// Unsent bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.len)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the socket takes nothing and enough waits: see [`FULL_BYTES`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.blocked && self.len() >= FULL_BYTES
    }

    /// Whether the socket takes nothing at present.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Appends whatever `write` appends to a buffer, and returns what `write` returns.
    pub fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let pending = self.pending.get_or_insert_default();
        let before = pending.tail.len();
        let result = write(&mut pending.tail);
        pending.len += pending.tail.len().saturating_sub(before);
        result
    }

    /// Appends a range of a message's bytes without copying them.
    pub fn append_shared(&mut self, message: Message, range: Range<usize>) {
        let pending = self.pending.get_or_insert_default();
        if !pending.tail.is_empty() {
            let head = std::mem::take(&mut pending.tail);
            pending.segments.push_back(Segment::Bytes(head));
        }
        pending.len += range.len();
        pending.segments.push_back(Segment::Shared(message, range));
    }

    /// Has `Shard::handle_room` called after the next flush that leaves the queue less than half
    /// full.
    pub fn ask_for_room(&mut self) {
        self.room_wanted = true;
    }

    // ---- the runtime's side ----

    /// Gives an empty queue a buffer that was used before.
    pub fn lend(&mut self, pool: &mut Vec<Box<Pending>>) {
        if self.pending.is_none() {
            self.pending = pool.pop();
        }
    }

    /// Notes whether the socket took all it was offered.
    pub fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// Whether room was asked for and is there; asking is done with then.
    pub fn take_room(&mut self) -> bool {
        let room = self.room_wanted && self.len() < FULL_BYTES / 2;
        if room {
            self.room_wanted = false;
        }
        room
    }

    /// The bytes to send if they lie in one piece, as they nearly always do.
    #[must_use]
    pub fn as_single(&self) -> Option<&[u8]> {
        let pending = self.pending.as_ref()?;
        if pending.segments.is_empty() {
            pending.tail.get(pending.sent..)
        } else {
            None
        }
    }

    /// Fills `slices` with what is to be sent, in order, and returns how many were filled.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(pending) = &self.pending else {
            return 0;
        };
        let tail = std::iter::once(pending.tail.as_slice());
        let parts = pending.segments.iter().map(Segment::as_slice).chain(tail);
        let mut filled = 0;
        let mut skip = pending.sent;
        for (part, slice) in parts.filter(|part| !part.is_empty()).zip(slices) {
            *slice = IoSlice::new(part.get(skip..).unwrap_or(&[]));
            skip = 0;
            filled += 1;
        }
        filled
    }

    /// Forgets the first `sent` bytes; an emptied buffer goes back to the pool.
    pub fn consume(&mut self, sent: usize, pool: &mut Vec<Box<Pending>>) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        pending.len = pending.len.saturating_sub(sent);
        pending.sent += sent;
        while let Some(first) = pending.segments.front() {
            let length = first.as_slice().len();
            if pending.sent < length {
                return;
            }
            pending.sent -= length;
            pending.segments.pop_front();
        }
        if pending.sent >= pending.tail.len() {
            pending.tail.clear();
            pending.sent = 0;
            if let Some(emptied) = self.pending.take()
                && emptied.tail.capacity() <= POOLED_BYTES_MAX
                && pool.len() < 256
            {
                pool.push(emptied);
            }
        } else if pending.sent >= SENT_BYTES_MAX && pending.sent >= pending.tail.len() / 2 {
            // A reader that is never quite caught up with would keep all it ever got.
            pending.tail.drain(..pending.sent);
            pending.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::envelope::{MessageHead, tests::message};

    fn sent(queue: &mut OutQueue, at_once: usize) -> Vec<u8> {
        let mut pool = Vec::new();
        let mut all = Vec::new();
        while !queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = queue.fill(&mut slices);
            let joined: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            let taken = joined.len().min(at_once);
            all.extend_from_slice(&joined[..taken]);
            queue.consume(taken, &mut pool);
        }
        all
    }

    #[test]
    fn bytes_and_shared_payloads_leave_in_order_however_little_the_socket_takes() {
        let payload = b"0123456789".repeat(100);
        let shared = message(MessageHead::default(), "t", &payload);
        for at_once in [1, 7, 1000, 100_000] {
            let mut queue = OutQueue::default();
            queue.append(|out| out.extend_from_slice(b"head"));
            queue.append_shared(shared.clone(), shared.payload_range());
            queue.append(|out| out.extend_from_slice(b"tail"));
            assert_eq!(queue.len(), 1008);
            let expected = [b"head".as_slice(), &payload, b"tail"].concat();
            assert_eq!(sent(&mut queue, at_once), expected, "{at_once} at once");
            assert!(queue.is_empty() && queue.as_single().is_none());
        }
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_keep_what_was_sent() {
        let mut queue = OutQueue::default();
        let mut next = 0_u8;
        queue.append(|out| out.resize(100_000, 255));
        for _ in 0..10_000 {
            queue.append(|out| out.extend(std::iter::repeat_n(next, 1_000)));
            queue.consume(1_000, &mut Vec::new());
            next = (next + 1) % 200;
        }
        assert_eq!(queue.len(), 100_000);
        assert!(queue.pending.as_ref().unwrap().tail.capacity() < 500_000);
        let rest = sent(&mut queue, 1_000);
        let expected: Vec<u8> = (100..200).flat_map(|number| [number; 1_000]).collect();
        assert!(rest == expected);
    }

    #[test]
    fn a_queue_is_full_only_while_its_socket_takes_nothing() {
        let mut queue = OutQueue::default();
        queue.append(|out| out.resize(FULL_BYTES, 0));
        assert!(!queue.is_full());
        queue.set_blocked(true);
        assert!(queue.is_full());
        queue.ask_for_room();
        assert!(!queue.take_room());
        queue.consume(FULL_BYTES, &mut Vec::new());
        assert!(queue.take_room() && !queue.take_room());
    }
}
