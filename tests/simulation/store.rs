//! A store in memory that takes its time: operations take effect late, become durable later, and what
//! was not is lost in a crash, up to any transaction.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mqtt_broker::engine::envelope::Message;
use mqtt_broker::engine::store_op::{
    MessageNo, Origin, PublishOp, Receipt, Row, SavedDelivery, SavedSession, SavedSubscription,
    SessionNo, SessionOp, StoreOp, Urgency,
};
use mqtt_codec::PacketId;
use mqtt_session::time::UnixTime;

use super::dice::Dice;

/// Time after which what nobody waits for is committed too.
pub(crate) const LAZY_MILLIS: u64 = 1_000;

/// Something that takes effect as a whole.
#[derive(Clone, Debug)]
enum Transaction {
    Op(StoreOp),
    /// A publish with the rows of all its parts.
    Publish(Box<PublishOp>, Vec<Row>),
}

/// A session on disk.
#[derive(Clone, Debug)]
struct Kept {
    op: SessionOp,
    away: Option<(UnixTime, Option<UnixTime>)>,
    subscriptions: BTreeMap<Arc<str>, SavedSubscription>,
    held: Vec<(PacketId, Message)>,
}

/// One receiver of a message on disk.
#[derive(Clone, Debug)]
struct Receiver {
    receipt: Receipt,
    released: bool,
}

/// What is on disk.
#[derive(Clone, Debug, Default)]
struct Tables {
    sessions: BTreeMap<SessionNo, Kept>,
    rows: BTreeMap<MessageNo, (Message, Vec<Receiver>)>,
    /// By topic; a topic that was cleared keeps its version.
    retained: BTreeMap<String, (u64, Option<Message>)>,
    last_message: u64,
    last_session: u32,
}

/// A publish whose parts are awaited.
#[derive(Debug, Default)]
struct Rendezvous {
    /// Parts that are owed, less those that came.
    outstanding: i64,
    rows: Vec<Row>,
    complete: bool,
    /// Its own and those of its parts that were not passed yet.
    waiting: usize,
}

/// An operation in the queue of its shard.
#[derive(Debug)]
struct Queued {
    place: u64,
    batch: u64,
    op: StoreOp,
}

/// The store of one world; it outlives the lives of its broker.
#[derive(Debug, Default)]
pub(crate) struct Store {
    disk: Tables,
    /// What took effect and is not on disk for certain.
    log: Vec<Transaction>,
    queues: Vec<VecDeque<Queued>>,
    submitted: Vec<u64>,
    durable: Vec<u64>,
    rendezvous: BTreeMap<MessageNo, Rendezvous>,
    place: u64,
    /// Since when something waits that nobody waits for, in milliseconds.
    pub(crate) uncommitted_since: Option<u64>,
    pub(crate) now: u64,
}

impl Store {
    /// A new life of the broker begins, with so many shards.
    pub(crate) fn begin(&mut self, shards: usize) {
        self.log.clear();
        self.queues = (0..shards).map(|_| VecDeque::new()).collect();
        self.submitted = vec![0; shards];
        self.durable = vec![0; shards];
        self.rendezvous.clear();
        self.uncommitted_since = None;
    }

    /// Takes a shard's batch.
    pub(crate) fn submit(&mut self, shard: usize, batch: u64, ops: Vec<(StoreOp, Urgency)>) {
        self.uncommitted_since.get_or_insert(self.now);
        self.submitted[shard] = batch;
        for (op, _) in ops {
            match &op {
                StoreOp::Publish(publish) => {
                    let meeting = self.rendezvous.entry(publish.number).or_default();
                    meeting.outstanding += i64::from(publish.awaits);
                    meeting.waiting += 1;
                }
                StoreOp::Part(part) => {
                    let meeting = self.rendezvous.entry(part.of).or_default();
                    meeting.outstanding += i64::from(part.awaits) - 1;
                    meeting.waiting += 1;
                    meeting.rows.extend(part.rows.iter().cloned());
                }
                _ => {}
            }
            self.place += 1;
            let place = self.place;
            self.queues[shard].push_back(Queued { place, batch, op });
        }
    }

    /// The last ticket of a shard that is durable.
    pub(crate) fn durable(&self, shard: usize) -> u64 {
        self.durable[shard]
    }

    /// Whether anything waits to take effect or to be committed.
    pub(crate) fn is_idle(&self) -> bool {
        self.uncommitted_since.is_none()
    }

    /// Has up to so many operations take effect, in the order in which they were submitted as far as
    /// those in front of them do not wait. Whether any did.
    pub(crate) fn apply(&mut self, most: usize) -> bool {
        for done in 0..most {
            let ready = (0..self.queues.len())
                .filter_map(|shard| {
                    let first = self.queues[shard].front()?;
                    self.may_apply(&first.op).then_some((first.place, shard))
                })
                .min();
            let Some((_, shard)) = ready else {
                return done > 0;
            };
            let queued = self.queues[shard].pop_front().expect("it is there");
            self.apply_one(queued.op);
        }
        true
    }

    fn may_apply(&self, op: &StoreOp) -> bool {
        match op {
            StoreOp::Publish(publish) => self.rendezvous[&publish.number].outstanding == 0,
            StoreOp::Part(part) => self.rendezvous[&part.of].complete,
            _ => true,
        }
    }

    fn apply_one(&mut self, op: StoreOp) {
        let number = match &op {
            StoreOp::Publish(publish) => publish.number,
            StoreOp::Part(part) => part.of,
            _ => return self.log.push(Transaction::Op(op)),
        };
        let meeting = self.rendezvous.get_mut(&number).expect("it was submitted");
        meeting.waiting -= 1;
        if let StoreOp::Publish(publish) = op {
            meeting.complete = true;
            let rows = std::mem::take(&mut meeting.rows);
            self.log.push(Transaction::Publish(publish, rows));
        }
        if meeting.waiting == 0 {
            self.rendezvous.remove(&number);
        }
    }

    /// Everything that took effect is on disk. Whether that is news.
    pub(crate) fn commit(&mut self) -> bool {
        let before = self.durable.clone();
        for transaction in self.log.drain(..) {
            self.disk.apply(transaction);
        }
        for (shard, queue) in self.queues.iter().enumerate() {
            self.durable[shard] = match queue.front() {
                Some(first) => first.batch - 1,
                None => self.submitted[shard],
            };
        }
        let waits = self.queues.iter().any(|queue| !queue.is_empty());
        self.uncommitted_since = waits.then_some(self.now);
        before != self.durable
    }

    /// The process ends here: of what was not announced any prefix is kept.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        let kept = dice.below(self.log.len() + 1);
        for transaction in self.log.drain(..).take(kept) {
            self.disk.apply(transaction);
        }
    }

    /// The highest numbers of a message, a session and a retained message.
    pub(crate) fn last_numbers(&self) -> (u64, u32, u64) {
        let versions = self.disk.retained.values().map(|(version, _)| *version);
        let version = versions.max().unwrap_or(0);
        (self.disk.last_message, self.disk.last_session, version)
    }

    /// The retained messages.
    pub(crate) fn retained(&self) -> impl Iterator<Item = Message> {
        let messages = self.disk.retained.values();
        messages.filter_map(|(_, message)| message.clone())
    }

    /// The sessions, each with its messages.
    pub(crate) fn sessions(&self) -> Vec<SavedSession> {
        let mut deliveries: BTreeMap<SessionNo, Vec<SavedDelivery>> = BTreeMap::new();
        for (number, (message, receivers)) in &self.disk.rows {
            for receiver in receivers {
                let saved = SavedDelivery {
                    number: *number,
                    message: (!receiver.released).then(|| message.clone()),
                    receipt: receiver.receipt.clone(),
                };
                let session = receiver.receipt.session;
                deliveries.entry(session).or_default().push(saved);
            }
        }
        let sessions = self
            .disk
            .sessions
            .iter()
            .map(|(number, kept)| SavedSession {
                session: kept.op.clone(),
                away: kept.away,
                subscriptions: kept.subscriptions.values().cloned().collect(),
                held: kept.held.clone(),
                deliveries: deliveries.remove(number).unwrap_or_default(),
            });
        sessions.collect()
    }

    /// What is left when all is over.
    pub(crate) fn leftovers(&self) -> Result<(), String> {
        if let Some((number, kept)) = self.disk.sessions.first_key_value() {
            let name = &kept.op.client_id;
            return Err(format!("the store still has {number:?} of {name}"));
        }
        if let Some((number, (_, receivers))) = self.disk.rows.first_key_value() {
            return Err(format!("the store still has {number:?} for {receivers:?}"));
        }
        if let Some(number) = self.rendezvous.keys().next() {
            return Err(format!("parts of {number:?} are still awaited"));
        }
        let mut retained = self.disk.retained.iter();
        match retained.find(|(_, (_, message))| message.is_some()) {
            Some((topic, _)) => Err(format!("the store still has a retained message of {topic}")),
            None => Ok(()),
        }
    }
}

impl Tables {
    fn apply(&mut self, transaction: Transaction) {
        match transaction {
            Transaction::Publish(publish, parts) => self.publish(*publish, parts),
            Transaction::Op(op) => self.change(op),
        }
    }

    fn publish(&mut self, publish: PublishOp, parts: Vec<Row>) {
        self.last_message = self.last_message.max(publish.number.0.get());
        for row in publish.rows.into_iter().chain(parts) {
            self.last_message = self.last_message.max(row.number.0.get());
            let receivers = row.receivers.into_iter().map(|receipt| Receiver {
                receipt,
                released: false,
            });
            let old = self
                .rows
                .insert(row.number, (row.message, receivers.collect()));
            assert!(old.is_none(), "a number of a message was given twice");
        }
        if let Some(retain) = publish.retain {
            let view = retain.message.view();
            let entry = self.retained.entry(view.topic.as_str().to_owned());
            let entry = entry.or_default();
            if entry.0 < retain.version {
                let kept = (!view.payload.is_empty()).then(|| retain.message.clone());
                *entry = (retain.version, kept);
            }
        }
        match publish.origin {
            Origin::Fresh => {}
            Origin::Released { session, packet_id } => {
                if let Some(kept) = self.sessions.get_mut(&session) {
                    kept.held.retain(|(id, _)| *id != packet_id);
                }
            }
            Origin::Will { session } => self.will_over(session),
            Origin::Moved { session, number } => self.remove(session, number),
        }
    }

    fn will_over(&mut self, session: SessionNo) {
        if let Some(kept) = self.sessions.get_mut(&session) {
            kept.op.will = None;
        }
    }

    /// A session is no longer one of a message's receivers.
    fn remove(&mut self, session: SessionNo, number: MessageNo) {
        if let Some((_, receivers)) = self.rows.get_mut(&number) {
            let found = receivers.iter().position(|r| r.receipt.session == session);
            if let Some(found) = found {
                receivers.remove(found);
            }
            if receivers.is_empty() {
                self.rows.remove(&number);
            }
        }
    }

    /// The receiver of a message that is in the state asked for.
    fn receiver(
        &mut self,
        session: SessionNo,
        number: MessageNo,
        fits: impl Fn(&Receiver) -> bool,
    ) -> Option<&mut Receiver> {
        let (_, receivers) = self.rows.get_mut(&number)?;
        let mut ours = receivers.iter_mut();
        ours.find(|receiver| receiver.receipt.session == session && fits(receiver))
    }

    fn change(&mut self, op: StoreOp) {
        match op {
            StoreOp::Publish(_) | StoreOp::Part(_) => {}
            StoreOp::Hold {
                session,
                packet_id,
                message,
            } => {
                if let Some(kept) = self.sessions.get_mut(&session) {
                    kept.held.push((packet_id, message));
                }
            }
            StoreOp::Acked { session, number } => self.remove(session, number),
            StoreOp::Sent {
                session,
                number,
                packet_id,
            } => {
                let waits = |receiver: &Receiver| receiver.receipt.packet_id.is_none();
                if let Some(receiver) = self.receiver(session, number, waits) {
                    receiver.receipt.packet_id = Some(packet_id);
                }
            }
            StoreOp::Released {
                session,
                number,
                packet_id,
            } => {
                let sent = |receiver: &Receiver| receiver.receipt.packet_id == Some(packet_id);
                if let Some(receiver) = self.receiver(session, number, sent) {
                    receiver.released = true;
                }
            }
            StoreOp::Completed { session, packet_id } => self.complete(session, packet_id),
            StoreOp::Session(op) => self.connect(*op),
            StoreOp::Away {
                session,
                since,
                expiry,
                will_due,
            } => {
                if let Some(kept) = self.sessions.get_mut(&session) {
                    kept.op.expiry = expiry;
                    kept.away = Some((since, will_due));
                    if will_due.is_none() {
                        kept.op.will = None;
                    }
                }
            }
            StoreOp::End { session } => self.end(session),
            StoreOp::Subscribe {
                session,
                subscription,
            } => self.subscribe(session, subscription),
            StoreOp::Replayed { session, filter } => {
                let kept = self.sessions.get_mut(&session);
                if let Some(found) = kept.and_then(|kept| kept.subscriptions.get_mut(&filter)) {
                    found.replays = false;
                }
            }
            StoreOp::Unsubscribe { session, filter } => {
                if let Some(kept) = self.sessions.get_mut(&session) {
                    kept.subscriptions.remove(&filter);
                }
            }
        }
    }

    fn subscribe(&mut self, session: SessionNo, subscription: SavedSubscription) {
        if let Some(kept) = self.sessions.get_mut(&session) {
            let filter = Arc::clone(&subscription.filter);
            kept.subscriptions.insert(filter, subscription);
        }
    }

    fn connect(&mut self, op: SessionOp) {
        self.last_session = self.last_session.max(op.session.0.get());
        if let Some(kept) = self.sessions.get_mut(&op.session) {
            kept.op = op;
            kept.away = None;
        } else {
            let kept = Kept {
                op,
                away: None,
                subscriptions: BTreeMap::new(),
                held: Vec::new(),
            };
            self.sessions.insert(kept.op.session, kept);
        }
    }

    fn complete(&mut self, session: SessionNo, packet_id: PacketId) {
        let found = self.rows.iter().find_map(|(number, (_, receivers))| {
            let same = |receiver: &Receiver| {
                receiver.released
                    && receiver.receipt.session == session
                    && receiver.receipt.packet_id == Some(packet_id)
            };
            let place = receivers.iter().position(same)?;
            Some((*number, place))
        });
        if let Some((number, place)) = found
            && let Some((_, receivers)) = self.rows.get_mut(&number)
        {
            receivers.remove(place);
            if receivers.is_empty() {
                self.rows.remove(&number);
            }
        }
    }

    fn end(&mut self, session: SessionNo) {
        self.sessions.remove(&session);
        self.rows.retain(|_, (_, receivers)| {
            receivers.retain(|receiver| receiver.receipt.session != session);
            !receivers.is_empty()
        });
    }
}
