//! What shards, hashing threads and the broker itself send to a shard. Mails come out in the order in
//! which their sender put them in.
//!
//! No mail is ever dropped. Instead, whoever finds a mailbox full reads nothing more from its own
//! connections until that mailbox is nearly empty; it goes on emptying its own mailbox and flushing,
//! so two shards that are full toward each other both go on. Letters can beget letters (a message for
//! a shared subscription goes by its home), so a shard that reads nothing can still fill another: from
//! [`FLOOD_BYTES`] on all shards stop reading, whoever wrote.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::sockets::Arrival;
use crate::engine::ids::{ConnectionId, SHARDS_MAX, ShardId};
use crate::engine::letter::Batch;
use crate::engine::limits::Settings;
use crate::engine::sink::Verdict;

/// A mailbox that holds this much is full.
pub(super) const FULL_BYTES: usize = 4 * 1024 * 1024;
/// A mailbox that holds this much stops the whole broker from reading.
pub(super) const FLOOD_BYTES: usize = 16 * 1024 * 1024;
/// A full mailbox has room again once it holds no more than this.
pub(super) const ROOM_BYTES: usize = 1024 * 1024;

/// What a mail without contents of its own counts for.
const MAIL_BYTES: usize = 64;

/// Something for a shard.
#[derive(Debug)]
pub(super) enum Mail {
    /// Letters of another shard's turn.
    Letters(ShardId, Batch),
    /// A connection moves here.
    Arrival(Box<Arrival>),
    /// One of the broker's own connections.
    Adopt(socket2::Socket),
    /// The answer to a question that this shard asked.
    Verdict(ConnectionId, Verdict),
    /// New settings.
    Settings(Arc<Settings>),
    /// Say goodbye, and end.
    Stop,
}

impl Mail {
    fn weight(&self) -> usize {
        MAIL_BYTES
            + match self {
                Self::Letters(_, batch) => batch.weight(),
                Self::Arrival(arrival) => arrival.weight(),
                _ => 0,
            }
    }
}

/// The mailboxes of all shards.
#[derive(Debug)]
pub(super) struct Post {
    inboxes: Vec<Inbox>,
    /// Shards whose mailbox is full, a bit each.
    full: AtomicU64,
    /// Shards whose mailbox stops everybody.
    flooded: AtomicU64,
    /// How many shards have said goodbye.
    stopped: AtomicUsize,
}

#[derive(Debug)]
struct Inbox {
    queue: Mutex<Queue>,
    /// The shard waits, or is about to: see [`Post::prepare_to_sleep`].
    sleeping: AtomicBool,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Queue {
    /// With what each counts for.
    mails: VecDeque<(usize, Mail)>,
    bytes: usize,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole between any two of its statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the shard if it sleeps.
    fn wake(&self) -> io::Result<()> {
        if self.sleeping.swap(false, SeqCst) {
            self.waker.wake()
        } else {
            Ok(())
        }
    }
}

impl Post {
    /// Mailboxes for as many shards as there are wakers.
    pub(super) fn new(wakers: impl IntoIterator<Item = Waker>) -> Self {
        let inbox = |waker| Inbox {
            queue: Mutex::default(),
            sleeping: AtomicBool::new(false),
            waker,
        };
        Self {
            inboxes: wakers
                .into_iter()
                .map(inbox)
                .take(usize::from(SHARDS_MAX))
                .collect(),
            full: AtomicU64::new(0),
            flooded: AtomicU64::new(0),
            stopped: AtomicUsize::new(0),
        }
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// Puts a mail into a shard's mailbox, and wakes it if it sleeps.
    ///
    /// # Errors
    /// If the system does not let it be woken, which nothing can mend.
    ///
    /// # Panics
    /// If there is no such shard.
    pub(super) fn send(&self, to: ShardId, mail: Mail) -> io::Result<()> {
        let inbox = self
            .inboxes
            .get(to.index())
            .expect("mail is for a shard of this broker");
        let weight = mail.weight();
        let mut queue = inbox.lock();
        queue.bytes += weight;
        queue.mails.push_back((weight, mail));
        // Under the lock, as is their end: so they always tell the truth about the queue.
        if queue.bytes >= FULL_BYTES {
            self.full.fetch_or(bit(to), SeqCst);
        }
        if queue.bytes >= FLOOD_BYTES {
            self.flooded.fetch_or(bit(to), SeqCst);
        }
        drop(queue);
        inbox.wake()
    }

    /// Moves mails for `me` into `mails`, oldest first, each with the bytes it counts for, until they
    /// make up `budget` bytes. Says whether there are more.
    ///
    /// # Errors
    /// If the system does not let those be woken who waited for room here.
    pub(super) fn take(
        &self,
        me: ShardId,
        budget: usize,
        mails: &mut VecDeque<(usize, Mail)>,
    ) -> io::Result<bool> {
        let Some(inbox) = self.inboxes.get(me.index()) else {
            return Ok(false);
        };
        let mut queue = inbox.lock();
        let mut taken = 0;
        while taken < budget
            && let Some((weight, mail)) = queue.mails.pop_front()
        {
            taken += weight;
            mails.push_back((weight, mail));
        }
        queue.bytes = queue.bytes.saturating_sub(taken);
        let more = !queue.mails.is_empty();
        let room = queue.bytes <= ROOM_BYTES && self.full.load(SeqCst) & bit(me) != 0;
        if room {
            self.full.fetch_and(!bit(me), SeqCst);
            self.flooded.fetch_and(!bit(me), SeqCst);
        }
        drop(queue);
        if room {
            for other in self
                .inboxes
                .iter()
                .filter(|other| !std::ptr::eq(*other, inbox))
            {
                other.wake()?;
            }
        }
        Ok(more)
    }

    /// Whether a shard that has written to `written` (a bit each) since it last could read may read
    /// from its connections now. Bits of mailboxes that have room are taken out of `written`.
    pub(super) fn may_read(&self, written: &mut u64) -> bool {
        *written &= self.full.load(SeqCst);
        *written == 0 && self.flooded.load(SeqCst) == 0
    }

    /// A shard has said goodbye to its clients, and posted what follows from that. The last one wakes
    /// the others, who wait for it.
    ///
    /// # Errors
    /// If the system does not let them be woken.
    pub(super) fn has_stopped(&self) -> io::Result<()> {
        if self.stopped.fetch_add(1, SeqCst) + 1 == self.shards() {
            for inbox in &self.inboxes {
                inbox.wake()?;
            }
        }
        Ok(())
    }

    /// Whether all shards have said goodbye.
    pub(super) fn all_have_stopped(&self) -> bool {
        self.stopped.load(SeqCst) == self.shards()
    }

    /// Whether a shard has read all its mail.
    pub(super) fn is_empty(&self, shard: ShardId) -> bool {
        let inbox = self.inboxes.get(shard.index());
        inbox.is_none_or(|inbox| inbox.lock().mails.is_empty())
    }

    /// Wakes a shard if it sleeps.
    ///
    /// # Errors
    /// If the system does not let it be woken, which nothing can mend.
    pub(super) fn wake(&self, shard: ShardId) -> io::Result<()> {
        let inbox = self.inboxes.get(shard.index());
        inbox.map_or(Ok(()), Inbox::wake)
    }

    /// Says that `me` is about to wait until it is woken; not if there is mail already, or room in
    /// the mailboxes that it waits for to be able to read, if it does: then it must not wait, and
    /// the answer is no. Once it is done with waiting it calls [`Self::awake`].
    ///
    /// The sleeper sets the flag and then looks; the sender puts in and then looks at the flag. So
    /// one of both sees the other.
    pub(super) fn prepare_to_sleep(&self, me: ShardId, waits_for_room: Option<&mut u64>) -> bool {
        let Some(inbox) = self.inboxes.get(me.index()) else {
            return true;
        };
        inbox.sleeping.store(true, SeqCst);
        let room = waits_for_room.is_some_and(|written| self.may_read(written));
        if !room && inbox.lock().mails.is_empty() {
            return true;
        }
        inbox.sleeping.store(false, SeqCst);
        false
    }

    /// Takes back [`Self::prepare_to_sleep`].
    pub(super) fn awake(&self, me: ShardId) {
        if let Some(inbox) = self.inboxes.get(me.index()) {
            inbox.sleeping.store(false, SeqCst);
        }
    }
}

/// The shard's bit in a set.
pub(super) fn bit(shard: ShardId) -> u64 {
    1 << (shard.0 % SHARDS_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;
    use crate::engine::envelope::{MessageHead, MessageView};
    use crate::engine::letter::{Letter, next_block};
    use mqtt_codec::{Properties, TopicName};

    fn post(shards: usize) -> (Post, Vec<Poll>) {
        let polls: Vec<Poll> = (0..shards).map(|_| Poll::new().unwrap()).collect();
        let wakers = polls
            .iter()
            .map(|poll| Waker::new(poll.registry(), Token(0)).unwrap());
        (Post::new(wakers), polls)
    }

    /// A letter whose payload is a number, followed by as many bytes as asked for.
    fn letters(from: ShardId, number: u64, padding: usize) -> Mail {
        let mut payload = number.to_le_bytes().to_vec();
        payload.resize(8 + padding, 0);
        let mut batch = Batch::default();
        let view = MessageView {
            head: MessageHead::default(),
            publisher: "",
            topic: TopicName::parse("t").unwrap(),
            properties: Properties::EMPTY,
            payload: &payload,
        };
        batch.push_publish(&view, None);
        Mail::Letters(from, batch)
    }

    fn number_in((_, mail): (usize, Mail)) -> (ShardId, u64) {
        let Mail::Letters(from, batch) = mail else {
            panic!("only letters were sent")
        };
        let (letters, blocks) = batch.into_parts();
        assert!(matches!(letters[..], [Letter::Publish { .. }]));
        let block = next_block(&mut blocks.as_slice()).unwrap();
        let payload = crate::engine::envelope::parse(block.bytes).unwrap().payload;
        (from, u64::from_le_bytes(payload[..8].try_into().unwrap()))
    }

    /// Waits for a mail as a shard does, with a time-out that says that a wake-up was lost.
    fn wait(post: &Post, me: ShardId, room: Option<&mut u64>, poll: &mut Poll) {
        if post.prepare_to_sleep(me, room) {
            let mut events = Events::with_capacity(4);
            let timeout = Some(Duration::from_secs(20));
            while events.is_empty() {
                poll.poll(&mut events, timeout).unwrap();
                assert!(!events.is_empty(), "nobody woke the sleeper");
            }
        }
        post.awake(me);
    }

    #[test]
    fn no_wake_up_is_lost_and_each_senders_order_is_kept() {
        const SENDERS: u16 = 3;
        const EACH: u64 = 20_000;
        let (post, mut polls) = post(1);
        std::thread::scope(|scope| {
            for sender in 1..=SENDERS {
                let post = &post;
                scope.spawn(move || {
                    for number in 0..EACH {
                        post.send(ShardId(0), letters(ShardId(sender), number, 0))
                            .unwrap();
                        if number % 64 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            let mut next = [0; SENDERS as usize + 1];
            let mut mails = VecDeque::new();
            while next.iter().sum::<u64>() < EACH * u64::from(SENDERS) {
                if !post.take(ShardId(0), 10_000, &mut mails).unwrap() && mails.is_empty() {
                    wait(&post, ShardId(0), None, &mut polls[0]);
                }
                for (from, number) in mails.drain(..).map(number_in) {
                    assert_eq!(next[from.index()], number);
                    next[from.index()] += 1;
                }
            }
        });
    }

    #[test]
    fn two_shards_that_are_full_toward_each_other_both_go_on() {
        const EACH: u64 = 300;
        let (post, polls) = post(2);
        std::thread::scope(|scope| {
            for (me, mut poll) in (0..).zip(polls) {
                let (post, me, other) = (&post, ShardId(me), ShardId(1 - me));
                scope.spawn(move || {
                    let (mut sent, mut received, mut written) = (0, 0, 0);
                    let mut mails = VecDeque::new();
                    while sent < EACH || received < EACH {
                        if sent < EACH && post.may_read(&mut written) {
                            post.send(other, letters(me, sent, 500_000)).unwrap();
                            written |= bit(other);
                            sent += 1;
                            // Sends much and takes little, so that both get full.
                            if sent % 16 != 0 {
                                continue;
                            }
                        }
                        let held = post.inboxes[me.index()].lock().bytes;
                        assert!(held <= FULL_BYTES + 600_000, "{held} bytes");
                        if !post.take(me, 1, &mut mails).unwrap() && mails.is_empty() {
                            let room = (sent < EACH).then_some(&mut written);
                            wait(post, me, room, &mut poll);
                        }
                        for (from, number) in mails.drain(..).map(number_in) {
                            assert_eq!((from, number), (other, received));
                            received += 1;
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_flooded_mailbox_stops_those_too_who_wrote_nothing_until_it_is_nearly_empty() {
        let (post, _polls) = post(3);
        let (mut writer, mut other) = (bit(ShardId(1)), 0);
        for number in 0..8 {
            post.send(ShardId(1), letters(ShardId(0), number, 1_000_000))
                .unwrap();
        }
        assert!(!post.may_read(&mut writer) && post.may_read(&mut other));
        for number in 8..17 {
            post.send(ShardId(1), letters(ShardId(0), number, 1_000_000))
                .unwrap();
        }
        assert!(!post.may_read(&mut writer) && !post.may_read(&mut other));
        let mut mails = VecDeque::new();
        while post.inboxes[1].lock().bytes > ROOM_BYTES {
            assert!(!post.may_read(&mut writer) && !post.may_read(&mut other));
            post.take(ShardId(1), 1, &mut mails).unwrap();
        }
        assert!(post.may_read(&mut writer) && post.may_read(&mut other));
        assert_eq!(writer, 0);
    }
}
