//! What a store of a simulated world has on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt_broker::engine::envelope::Message;
use mqtt_broker::engine::session::SessionExpiry;
use mqtt_broker::engine::store_op::{
    Backlog, MessageNo, Origin, Page, PublishOp, ReadOp, Receipt, Row, SavedDelivery, SavedSession,
    SavedSubscription, SessionNo, SessionOp, StoreOp,
};
use mqtt_codec::PacketId;
use mqtt_session::time::UnixTime;

/// Something that takes effect as a whole.
#[derive(Clone, Debug)]
pub(super) enum Transaction {
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

impl Receiver {
    /// Waits in the store alone: it is read when its client comes to it.
    fn is_cold(&self) -> bool {
        let group = self.receipt.extra.as_ref().and_then(|e| e.group.as_ref());
        !self.released && self.receipt.packet_id.is_none() && group.is_none()
    }
}

/// What is on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    sessions: BTreeMap<SessionNo, Kept>,
    rows: BTreeMap<MessageNo, (Message, Vec<Receiver>)>,
    /// By topic; a topic that was cleared keeps its version.
    retained: BTreeMap<String, (u64, Option<Message>)>,
    last_message: u64,
    last_session: u32,
}

impl Tables {
    /// The highest numbers of a message, a session and a retained message.
    pub(crate) fn last_numbers(&self) -> (u64, u32, u64) {
        let versions = self.retained.values().map(|(version, _)| *version);
        let version = versions.max().unwrap_or(0);
        (self.last_message, self.last_session, version)
    }

    /// The retained messages with their versions.
    pub(crate) fn retained(&self) -> Vec<(u64, Message)> {
        let messages = self.retained.values();
        let messages = messages.filter_map(|(version, message)| Some((*version, message.clone()?)));
        messages.collect()
    }

    /// The sessions, each with its messages.
    pub(crate) fn sessions(&self) -> Vec<SavedSession> {
        let mut deliveries: BTreeMap<SessionNo, Vec<SavedDelivery>> = BTreeMap::new();
        let mut backlogs: BTreeMap<SessionNo, Backlog> = BTreeMap::new();
        for (number, (message, receivers)) in &self.rows {
            for receiver in receivers {
                if receiver.is_cold() {
                    let backlog = backlogs.entry(receiver.receipt.session).or_default();
                    backlog.add(message.payload_len(), receiver.receipt.qos);
                    continue;
                }
                let saved = SavedDelivery {
                    number: *number,
                    message: (!receiver.released).then(|| message.clone()),
                    receipt: receiver.receipt.clone(),
                };
                let session = receiver.receipt.session;
                deliveries.entry(session).or_default().push(saved);
            }
        }
        let sessions = self.sessions.iter().map(|(number, kept)| SavedSession {
            session: kept.op.clone(),
            away: kept.away,
            subscriptions: kept.subscriptions.values().cloned().collect(),
            held: kept.held.clone(),
            deliveries: deliveries.remove(number).unwrap_or_default(),
            backlog: backlogs.remove(number).unwrap_or_default(),
        });
        sessions.collect()
    }

    /// What is left of sessions when all is over.
    pub(crate) fn leftovers(&self) -> Result<(), String> {
        if let Some((number, kept)) = self.sessions.first_key_value() {
            let name = &kept.op.client_id;
            return Err(format!("the store still has {number:?} of {name}"));
        }
        if let Some((number, (_, receivers))) = self.rows.first_key_value() {
            return Err(format!("the store still has {number:?} for {receivers:?}"));
        }
        Ok(())
    }

    /// The same of retained messages.
    pub(crate) fn retained_leftovers(&self) -> Result<(), String> {
        let mut retained = self.retained.iter();
        match retained.find(|(_, (_, message))| message.is_some()) {
            Some((topic, _)) => Err(format!("the store still has a retained message of {topic}")),
            None => Ok(()),
        }
    }

    pub(super) fn apply(&mut self, transaction: Transaction) {
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
            // A page is nobody's any more.
            StoreOp::Publish(_) | StoreOp::Part(_) | StoreOp::Read(_) => {}
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

    pub(super) fn read(&self, read: &ReadOp) -> Page {
        let mut page = Page {
            reader: read.reader.session,
            deliveries: Vec::new(),
            damaged: Backlog::default(),
            upto: None,
            last: true,
        };
        let mut bytes = 0;
        for (number, (message, receivers)) in &self.rows {
            let mut ours = receivers
                .iter()
                .filter(|receiver| receiver.receipt.session == read.session && receiver.is_cold());
            let asked = Some(*number) > read.after && Some(*number) <= read.upto;
            let Some(receiver) = ours.next().filter(|_| asked) else {
                continue;
            };
            bytes += message.bytes().len() as u64;
            page.deliveries.push(SavedDelivery {
                number: *number,
                message: Some(message.clone()),
                receipt: receiver.receipt.clone(),
            });
            page.upto = Some(*number);
            if bytes >= read.bytes || page.deliveries.len() >= read.messages as usize {
                page.last = false;
                break;
            }
        }
        page
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

    /// Sessions that were to end with their connections are not found by a start.
    pub(super) fn end_unkept(&mut self) {
        let ended = self.sessions.values();
        let ended = ended.filter(|kept| kept.op.expiry == SessionExpiry::AtClose);
        for session in ended.map(|kept| kept.op.session).collect::<Vec<_>>() {
            self.end(session);
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
