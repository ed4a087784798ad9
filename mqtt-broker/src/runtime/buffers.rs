//! Buffers that connections borrow while they have something to send, so that an idle one owns none.

use crate::engine::out_queue::{OutQueue, Pending};

/// The buffers of a shard that nobody uses at present. How many and how large ones are kept is
/// `OutQueue`'s to say.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    #[expect(
        clippy::vec_box,
        reason = "a queue holds the box: what is pooled is the box itself"
    )]
    pool: Vec<Box<Pending>>,
}

impl Buffers {
    /// Gives an empty queue a buffer.
    pub(super) fn lend(&mut self, queue: &mut OutQueue) {
        queue.lend(&mut self.pool);
    }

    /// Forgets the first `sent` bytes of a queue; an emptied buffer comes back.
    pub(super) fn consume(&mut self, queue: &mut OutQueue, sent: usize) {
        queue.consume(sent, &mut self.pool);
    }
}
