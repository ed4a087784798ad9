//! The seam outwards: everything the engine asks of its surroundings. The runtime implements it over
//! sockets and threads, tests and the simulation over vectors.

use std::sync::Arc;

use mqtt_passwd::hash::PasswordHash;

use super::event::Event;
use super::ids::{ConnectionId, ShardId};
use super::letter::Batch;
use super::lobby::Admitted;
use super::out_queue::OutQueue;
use super::store_op::{StoreOp, Ticket, Urgency};

/// What a shard writes its decisions into. No method waits, and none calls back into the shard.
pub trait Sink {
    /// The queue of bytes towards a connection; whatever is appended leaves at the end of the turn.
    /// For a connection that is gone it is a queue that nobody reads.
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue;

    /// Ends a connection once its out queue is flushed. The shard has forgotten it already: nothing
    /// more about it comes in.
    fn close(&mut self, connection: ConnectionId);

    /// Stops or resumes reading from a connection.
    fn reading(&mut self, connection: ConnectionId, reading: Reading);

    /// Moves the socket to the shard at which its session lives, together with what was decided and
    /// read so far. There it comes in as `Shard::handle_arrival`, under a new id.
    fn hand_over(&mut self, connection: ConnectionId, home: ShardId, admitted: Box<Admitted>);

    /// What leaves for another shard as one batch at the end of the turn.
    fn outbox(&mut self, to: ShardId) -> &mut Batch;

    /// Has something kept, with the batch of this turn; never called unless `Settings::durable`. The
    /// ticket is that of the batch: once it is durable it comes in as `Shard::handle_durable`.
    fn persist(&mut self, op: StoreOp, urgency: Urgency) -> Ticket;

    /// Asks something that takes longer than a shard may wait. The answer comes in as
    /// `Shard::handle_verdict`, unless the connection ends before.
    fn ask(&mut self, connection: ConnectionId, question: Question);

    /// Tells observers what happened.
    fn tell(&mut self, event: Event<'_>);
}

/// Whether a connection is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Bytes stay in the kernel until reading is resumed.
    Paused,
    /// Bytes come in as usual.
    Resumed,
}

/// What a shard asks others to find out.
#[derive(Debug)]
pub enum Question {
    /// Whether the password belongs to the hash; hashing takes milliseconds.
    Password {
        /// What the password file says.
        hash: Arc<PasswordHash>,
        /// What the client says.
        password: Box<[u8]>,
    },
}

/// The answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client is who it claims to be.
    Allow,
    /// It is not.
    Deny,
    /// Too many questions wait for an answer; the client may try again later.
    Overloaded,
}
