//! An asynchronous MQTT client for 3.1, 3.1.1 and 5.0, on tokio.

mod address;
mod client;
mod delivery;
mod dial;
mod driver;
mod error;
mod event;
mod message;
mod options;
mod stream;

pub use address::{Address, AddressError};
pub use bytes::Bytes;
pub use client::{Client, Messages, Receipt, State, Subscription};
pub use driver::Connection;
pub use error::{ClientError, Error, Refusal, RequestError};
pub use event::{Acknowledgement, Answer, Connected, Event, PublishId, Published};
pub use message::Message;
pub use mqtt_codec::{
    Packet, PacketId, Properties, PropertiesBuf, Property, QoS, ReasonCode, RetainHandling,
    SubscriptionOptions, TopicFilter, TopicName, Version,
};
pub use mqtt_session::client::Publication;
pub use options::{Acknowledge, DeliverQos2, Direction, Options, Reconnect, Will};
