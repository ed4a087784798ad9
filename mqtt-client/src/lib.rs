//! An asynchronous MQTT client for 3.1, 3.1.1 and 5.0, on tokio.
//!
//! It has two floors. [`Client`] is for programs: answers are awaited, messages are a stream, lost
//! connections come back by themselves. [`Connection`] is for those who want every event in its
//! order and decide themselves when to connect: the command-line tools stand on it, and so does
//! [`Client`]. Both run over TCP, Unix-domain sockets, or a stream that is brought along; what the
//! protocol demands is decided below, in `mqtt_session`.
//!
//! Nothing grows without bound: a full queue answers [`RequestError::QueueFull`] or makes the caller
//! wait, and a program that does not take its messages stops the reading from the server.
//! It does not speak TLS or WebSocket yet, and keeps no session on disk.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mqtt_client::{Client, Options, Properties, Publication, QoS, SubscriptionOptions};
//!
//! let options = Options::new("mqtt://localhost".parse()?).client_id("example");
//! let (client, mut messages) = Client::connect(options).await?;
//! client.subscribe(&[("news/#", SubscriptionOptions::default())], Properties::EMPTY).await?;
//! client.publish(Publication::new("news/today", "rain").qos(QoS::AtLeastOnce)).await?;
//! while let Some(message) = messages.next().await {
//!     println!("{}: {} bytes", message.topic(), message.payload().len());
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod connection;
mod delivery;
mod dial;
mod driver;
mod error;
mod event;
mod goodbye;
mod message;
mod options;
mod stream;

pub use address::{Address, AddressError};
pub use bytes::Bytes;
pub use client::{Client, Messages, Receipt, State, Subscription};
pub use connection::Connection;
pub use error::{ClientError, Error, Refusal, RequestError};
pub use event::{Acknowledgement, Answer, Connected, Event, PublishId, Published};
pub use message::Message;
pub use mqtt_codec::{
    Packet, PacketId, Properties, PropertiesBuf, Property, QoS, ReasonCode, RetainHandling,
    SubscriptionOptions, TopicFilter, TopicName, Version,
};
pub use mqtt_session::client::Publication;
pub use options::{Acknowledge, DeliverQos2, Direction, Options, Reconnect, Will};
