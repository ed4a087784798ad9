//! Packets of MQTT 3.1, 3.1.1 and 5.0: bytes to packets and back.
//!
//! Decoding borrows: text, properties and payload are views of the caller's buffer, checked once
//! and completely. Encoding appends to whatever [`Output`] the caller has. Nothing here does I/O,
//! reads a clock, keeps state between packets or allocates; what a packet means to a session is
//! for others to say. Three things that bytes alone cannot tell are left to them: whether a topic
//! alias is known, whether an empty client identifier is accepted, and whether the text of a
//! subscription is a [`TopicFilter`].
//!
//! ```
//! use mqtt_codec::{Decoded, Limits, Packet, Sender, Version, decode};
//!
//! let bytes = b"\x30\x08\x00\x03a/b\x00hi";
//! let decoded = decode(bytes, Version::V5, Sender::Client, &Limits::default())?;
//! let Decoded::Packet { packet: Packet::Publish(publish), consumed: 10 } = decoded else {
//!     panic!("the bytes are one whole PUBLISH");
//! };
//! assert_eq!((publish.topic.map(|topic| topic.as_str()), publish.payload), (Some("a/b"), &b"hi"[..]));
//! let mut out = Vec::new();
//! publish.encode(Version::V311, &mut out);
//! assert_eq!(out, b"\x30\x07\x00\x03a/bhi");
//! # Ok::<(), mqtt_codec::DecodeError>(())
//! ```
//!
//! # Features
//! - `std` (default): implements [`std::error::Error`], nothing else.
//! - `bytes` (default): encodes into any [`bytes::BufMut`], and brings `Frame`, an owned packet
//!   that shares its buffer. Without it output goes into `Vec<u8>`.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod decode;
mod encode;
mod error;
mod frame;
#[cfg(feature = "bytes")]
mod owned;
mod packet;
mod packet_id;
mod primitives;
mod properties;
mod qos;
mod reason;
mod topic;
mod version;

pub use decode::{decode, decode_connect};
pub use encode::Output;
pub use error::{ConnectAnswer, ConnectError, DecodeError, DecodeErrorKind, TopicError};
pub use frame::{
    Decoded, FixedHeader, Limits, MAX_PACKET_SIZE, MAX_VARIABLE_BYTE_INTEGER, PacketType, Sender,
    peek_header,
};
#[cfg(feature = "bytes")]
pub use owned::Frame;
pub use packet::{
    Ack, Auth, Connack, Connect, Disconnect, Packet, Publish, RetainHandling, Suback, Subscribe,
    SubscribeFilters, SubscribeFiltersBuf, SubscribeFiltersIter, SubscriptionOptions, Unsuback,
    Unsubscribe, UnsubscribeFilters, UnsubscribeFiltersBuf, UnsubscribeFiltersIter, Will,
};
pub use packet_id::PacketId;
pub use properties::{
    Properties, PropertiesBuf, PropertiesIter, Property, PropertyId, PropertyPlace,
};
pub use qos::QoS;
pub use reason::ReasonCode;
pub use topic::{SharedFilter, TopicFilter, TopicName};
pub use version::Version;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
