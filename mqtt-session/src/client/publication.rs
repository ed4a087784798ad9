//! A message to be published, as it is given and as it is kept.

use std::collections::VecDeque;

use bytes::Bytes;
use mqtt_codec::{Properties, QoS};

use super::event::PublishId;

/// A message to be published.
///
/// A Topic Alias among the properties asks for that alias: the first PUBLISH of a connection
/// carries it with the topic, later ones for the same topic carry it alone. Give the topic always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What; shared, not copied, while the message is kept.
    pub payload: Bytes,
    /// How hard to try.
    pub qos: QoS,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// 5.0 only; left out in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Publication<'a> {
    /// A message of QoS 0, not retained, without properties.
    #[must_use]
    pub fn new(topic: &'a str, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        }
    }

    /// The same with another QoS.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same, retained or not.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// The same with properties.
    #[must_use]
    pub fn properties(mut self, properties: Properties<'a>) -> Self {
        self.properties = properties;
        self
    }
}

/// A QoS 1 or 2 message until it is answered. The topic is whole, so that it can be sent again on
/// a connection that knows no aliases.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: PublishId,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    topic: Box<str>,
    properties: Box<[u8]>,
    payload: Bytes,
}

impl Kept {
    pub(super) fn new(id: PublishId, publication: &Publication<'_>) -> Self {
        Self {
            id,
            qos: publication.qos,
            retain: publication.retain,
            topic: publication.topic.into(),
            properties: publication.properties.as_bytes().into(),
            payload: publication.payload.clone(),
        }
    }

    pub(super) fn as_publication(&self) -> Publication<'_> {
        Publication {
            topic: &self.topic,
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            properties: Properties::trusted(&self.properties),
        }
    }

    fn len(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }
}

/// Messages that wait for the window or for a connection, first come, first sent.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: VecDeque<Kept>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, message: Kept) {
        self.bytes = self.bytes.saturating_add(message.len());
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Kept> {
        let message = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(message.len());
        Some(message)
    }

    /// Puts messages that were sent before in front of those that never were.
    pub(super) fn put_back(&mut self, messages: impl Iterator<Item = Kept>) {
        let mut messages: VecDeque<_> = messages.collect();
        self.bytes = messages
            .iter()
            .fold(self.bytes, |sum, message| sum.saturating_add(message.len()));
        messages.append(&mut self.messages);
        self.messages = messages;
    }
}
