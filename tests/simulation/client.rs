//! A simulated client: the real state machine of `mqtt-session`, and what a program does with it.

use std::collections::VecDeque;

use mqtt_codec::{PacketId, Publish, QoS, ReasonCode};
use mqtt_session::client::{ClientSession, Event, Failure, Taken};
use mqtt_session::time::Instant;

use super::dice::Dice;
use super::network::{LinkId, Network};
use super::payload;
use super::plan::{ClientPlan, Plan, Reads};
use super::sent;
use super::topics::{self, Topic};

/// What a client heard, in words of its own.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// CONNACK, with Session Present.
    Connected(bool),
    /// A message.
    Message(Message),
    /// The broker answered a message for good; by its number.
    Published(u32, ReasonCode),
    /// A message ended without an answer.
    Over(u32),
    /// SUBACK.
    Subscribed(PacketId, Vec<u8>),
    /// UNSUBACK.
    Unsubscribed(PacketId),
    /// The connection has failed.
    Failed(Failure),
}

/// A message as a client got it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Topic,
    /// None if it is empty.
    pub(crate) number: Option<u32>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
}

/// A client.
pub(crate) struct Actor {
    pub(crate) plan: ClientPlan,
    pub(crate) session: ClientSession,
    /// An earlier life's session is ended first, by a connection that does nothing else.
    cleaning: Option<ClientSession>,
    pub(crate) link: Option<LinkId>,
    /// Bytes that are no whole packet yet.
    cut: Vec<u8>,
    /// Messages to be acknowledged by hand.
    pub(crate) to_ack: VecDeque<PacketId>,
    /// The number of each message, by the number that the session gave it.
    numbers: Vec<u32>,
    /// The number of its will.
    pub(crate) will: Option<u32>,
    /// It gave CONNACK a first look: the session does what was left over.
    took_up: bool,
    /// Behaves well from now on.
    pub(crate) reformed: bool,
}

impl Actor {
    pub(crate) fn new(slot: usize, plan: ClientPlan, world: &Plan, will: Option<u32>) -> Self {
        let settings = plan.settings(slot, world, will);
        let cleaning = (!settings.clean_start).then(|| {
            let mut cleaning = settings.clone();
            cleaning.clean_start = true;
            cleaning.will = None;
            ClientSession::new(cleaning)
        });
        Self {
            session: ClientSession::new(settings),
            plan,
            cleaning,
            link: None,
            cut: Vec::new(),
            to_ack: VecDeque::new(),
            numbers: Vec::new(),
            will,
            took_up: false,
            reformed: false,
        }
    }

    /// Whether its connection is only there to end an earlier session.
    pub(crate) fn is_cleaning(&self) -> bool {
        self.cleaning.is_some()
    }

    /// Whether the broker has accepted its present connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.cleaning.is_none() && self.session.connected().is_some()
    }

    fn current(&mut self) -> &mut ClientSession {
        self.cleaning.as_mut().unwrap_or(&mut self.session)
    }

    /// A connection stands.
    pub(crate) fn open(&mut self, now: u64, link: LinkId) {
        self.link = Some(link);
        self.cut.clear();
        self.to_ack.clear();
        self.took_up = false;
        self.current()
            .handle_opened(Instant::from_millis(now))
            .expect("the settings make a valid CONNECT");
    }

    /// The connection is gone.
    pub(crate) fn closed(&mut self) -> Option<LinkId> {
        self.current().handle_closed();
        self.to_ack.clear();
        self.link.take()
    }

    /// The earlier life's session is over.
    pub(crate) fn cleaned(&mut self) {
        self.cleaning = None;
    }

    /// Remembers which message the session calls by its next number.
    pub(crate) fn note(&mut self, id: u64, number: u32) {
        debug_assert_eq!(id, self.numbers.len() as u64 + 1, "they count up from 1");
        self.numbers.push(number);
    }

    fn number_of(&self, id: u64) -> u32 {
        let place = usize::try_from(id).expect("few messages") - 1;
        self.numbers[place]
    }

    /// Reads some of what arrived. Whether anything was read.
    pub(crate) fn read(
        &mut self,
        now: u64,
        network: &mut Network,
        dice: &mut Dice,
        heard: &mut Vec<Heard>,
        see: &mut dyn FnMut(&[u8]),
    ) -> bool {
        let Some(id) = self.link else { return false };
        let down = &mut network.links[id].down;
        let arrived = down.readable();
        let most = match self.plan.reads {
            _ if self.reformed || !self.is_connected() => usize::MAX,
            Reads::Well => usize::MAX,
            Reads::Slowly => dice.below(40),
            Reads::Never => 0,
        };
        let count = arrived.len().min(most);
        if count == 0 {
            return false;
        }
        let mut bytes = std::mem::take(&mut self.cut);
        bytes.extend_from_slice(&arrived[..count]);
        down.consume(count);
        let mut at = 0;
        while at < bytes.len() {
            match self.take(now, &bytes[at..], heard) {
                Some(0) => break,
                Some(consumed) => {
                    see(&bytes[at..at + consumed]);
                    at += consumed;
                }
                None => {
                    see(&bytes[at..]);
                    at = bytes.len();
                }
            }
        }
        bytes.drain(..at);
        self.cut = bytes;
        self.outcomes(heard);
        true
    }

    /// Takes one packet: its length, 0 if it is not whole, none if the connection has failed.
    fn take(&mut self, now: u64, bytes: &[u8], heard: &mut Vec<Heard>) -> Option<usize> {
        let by_hand = self.plan.by_hand;
        let now = Instant::from_millis(now);
        let current = self.cleaning.as_mut().unwrap_or(&mut self.session);
        match current.handle_bytes(now, bytes) {
            Ok(Taken::Incomplete(_)) => Some(0),
            Ok(Taken::Packet { consumed, event }) => {
                let what = match event {
                    Some(Event::Message(publish)) => {
                        let message = message(&publish);
                        if by_hand && let Some(packet_id) = message.packet_id {
                            self.to_ack.push_back(packet_id);
                        }
                        Some(Heard::Message(message))
                    }
                    Some(Event::Published { id, reason, .. }) => {
                        let number = self.number_of(id.get());
                        Some(Heard::Published(number, reason))
                    }
                    Some(Event::Subscribed {
                        packet_id, reasons, ..
                    }) => Some(Heard::Subscribed(packet_id, reasons.to_vec())),
                    Some(Event::Unsubscribed { packet_id, .. }) => {
                        Some(Heard::Unsubscribed(packet_id))
                    }
                    Some(Event::Connected) => {
                        let present = current.connected().is_some_and(|it| it.session_present);
                        Some(Heard::Connected(present))
                    }
                    _ => None,
                };
                heard.extend(what);
                Some(consumed)
            }
            Err(failure) => {
                heard.push(Heard::Failed(failure));
                None
            }
        }
    }

    /// Bytes to be written.
    pub(crate) fn output(&self) -> &[u8] {
        self.cleaning.as_ref().unwrap_or(&self.session).output()
    }

    /// Hears of messages that are over.
    pub(crate) fn outcomes(&mut self, heard: &mut Vec<Heard>) {
        while let Some(outcome) = self.session.next_outcome() {
            heard.push(Heard::Over(self.number_of(outcome.id.get())));
        }
    }

    /// Does what time asks for, and answers what it has put off.
    pub(crate) fn tick(&mut self, now: u64, dice: &mut Dice, heard: &mut Vec<Heard>) {
        let instant = Instant::from_millis(now);
        let answers = if self.reformed {
            usize::MAX
        } else {
            dice.below(4)
        };
        for _ in 0..answers {
            let Some(packet_id) = self.to_ack.pop_front() else {
                break;
            };
            self.session
                .acknowledge(instant, packet_id, ReasonCode::Success)
                .expect("it is owed an answer");
        }
        let quiet = self.plan.silent && !self.reformed && self.took_up;
        if self.is_connected() {
            self.took_up = true;
        }
        if !quiet && let Err(failure) = self.current().handle_tick(instant) {
            heard.push(Heard::Failed(failure));
        }
        self.outcomes(heard);
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if self.plan.silent && !self.reformed {
            return None;
        }
        let current = self.cleaning.as_ref().unwrap_or(&self.session);
        current.next_deadline().map(Instant::as_millis)
    }

    /// Writes what is to be written, as far as there is room. Whether anything was.
    pub(crate) fn write(
        &mut self,
        now: u64,
        network: &mut Network,
        heard: &mut Vec<Heard>,
        see: &mut dyn FnMut(&[u8]),
    ) -> bool {
        let Some(id) = self.link else { return false };
        let version = self.plan.version;
        let link = &mut network.links[id];
        let mut wrote = false;
        loop {
            let current = self.cleaning.as_mut().unwrap_or(&mut self.session);
            let output = current.output();
            let count = link.up.write(output);
            if count == 0 {
                break;
            }
            // Packets whose first byte leaves now: the rest of each follows in its time.
            let from = link.up.written - count as u64;
            let mut end = link.noted;
            let mut ahead = usize::try_from(end.saturating_sub(from)).expect("a packet's length");
            while ahead < count {
                let (length, what) = sent::first(&output[ahead..], version);
                see(&output[ahead..ahead + length]);
                ahead += length;
                end = from + ahead as u64;
                link.sent.push_back((end, what));
                link.noted = end;
            }
            current.handle_written(Instant::from_millis(now), count);
            wrote = true;
        }
        self.outcomes(heard);
        wrote
    }
}

fn message(publish: &Publish<'_>) -> Message {
    let topic = publish.topic.expect("the session has put it in its place");
    Message {
        topic: topics::number_of(topic.as_str()).unwrap_or(Topic::MAX),
        number: payload::number(publish.payload),
        payload: publish.payload.to_vec(),
        qos: publish.qos,
        retain: publish.retain,
        dup: publish.dup,
        packet_id: publish.packet_id,
    }
}
