//! What handles ask of the task.

use bytes::Bytes;
use mqtt_codec::{PacketId, Properties, PropertiesBuf, QoS, ReasonCode, SubscriptionOptions};
use mqtt_session::client::Publication;
use tokio::sync::{mpsc, oneshot};

use crate::{Acknowledgement, Answer, ClientError, Message};

/// Where an answer goes; who has stopped waiting does not mind.
pub(super) type Responder<T> = oneshot::Sender<Result<T, ClientError>>;

pub(super) enum Command {
    Publish(OwnedPublication, Responder<Acknowledgement>),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Acknowledge(PacketId, ReasonCode, Responder<()>),
    Disconnect(ReasonCode, PropertiesBuf, Responder<()>),
}

/// A SUBSCRIBE until it is answered, over as many connections as that takes.
pub(super) struct Subscribe {
    pub(super) filters: Vec<(String, SubscriptionOptions)>,
    pub(super) properties: PropertiesBuf,
    /// Where matching messages go, instead of to the common stream.
    pub(super) route: Option<mpsc::Sender<Message>>,
    /// None for what the task does by itself.
    pub(super) answer: Option<Responder<Answer>>,
}

/// An UNSUBSCRIBE until it is answered.
pub(super) struct Unsubscribe {
    pub(super) filters: Vec<String>,
    pub(super) properties: PropertiesBuf,
    pub(super) answer: Option<Responder<Answer>>,
}

pub(super) struct OwnedPublication {
    topic: String,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    properties: Box<[u8]>,
}

impl From<Publication<'_>> for OwnedPublication {
    fn from(publication: Publication<'_>) -> Self {
        Self {
            topic: publication.topic.to_owned(),
            payload: publication.payload,
            qos: publication.qos,
            retain: publication.retain,
            properties: publication.properties.as_bytes().into(),
        }
    }
}

impl OwnedPublication {
    pub(super) fn as_publication(&self) -> Publication<'_> {
        Publication {
            topic: &self.topic,
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            properties: Properties::trusted(&self.properties),
        }
    }
}
