//! What a shard wants of the world around it, and the sockets as it sees them.

use std::collections::HashMap;

use mqtt_broker::engine::event::Event;
use mqtt_broker::engine::ids::{ConnectionId, ShardId};
use mqtt_broker::engine::letter::Batch;
use mqtt_broker::engine::lobby::Admitted;
use mqtt_broker::engine::out_queue::OutQueue;
use mqtt_broker::engine::sink::{Question, Reading, Sink};
use mqtt_broker::engine::store_op::{StoreOp, Ticket, Urgency};

use crate::network::Mail;

#[derive(Default)]
pub struct ShardSink {
    pub sockets: HashMap<ConnectionId, Socket>,
    pub nowhere: OutQueue,
    pub outboxes: Vec<Batch>,
    pub departures: Vec<(ShardId, Mail)>,
    pub questions: Vec<(ConnectionId, Question)>,
    pub ops: Vec<StoreOp>,
    pub ticket: Ticket,
    pub durable: bool,
}

#[derive(Default)]
pub struct Socket {
    pub out: OutQueue,
    /// What waited when it was found that the socket takes nothing: all that one turn brought may.
    pub blocked_at: usize,
    pub paused: bool,
    pub closing: bool,
}

impl Sink for ShardSink {
    fn out(&mut self, to: ConnectionId) -> &mut OutQueue {
        match self.sockets.get_mut(&to) {
            Some(socket) if !socket.closing => &mut socket.out,
            _ => {
                self.nowhere = OutQueue::default();
                &mut self.nowhere
            }
        }
    }
    fn close(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.closing = true;
        }
    }
    fn reading(&mut self, connection: ConnectionId, reading: Reading) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.paused = reading == Reading::Paused;
        }
    }
    fn hand_over(&mut self, connection: ConnectionId, home: ShardId, admitted: Box<Admitted>) {
        let socket = self
            .sockets
            .remove(&connection)
            .expect("only who is here can move");
        let arrival = Mail::Arrival(connection.index, socket.out, admitted);
        self.departures.push((home, arrival));
    }
    fn outbox(&mut self, to: ShardId) -> &mut Batch {
        &mut self.outboxes[to.index()]
    }
    fn persist(&mut self, op: StoreOp, _: Urgency) -> Ticket {
        assert!(self.durable, "nothing is to be kept: {op:?}");
        self.ops.push(op);
        self.ticket
    }
    fn ask(&mut self, connection: ConnectionId, question: Question) {
        self.questions.push((connection, question));
    }
    fn tell(&mut self, _: Event<'_>) {}
}
