//! The packets: one file each, all versions in it, reading beside writing.

mod acks;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod ping;
mod publish;
mod suback;
mod subscribe;
mod unsubscribe;

pub use acks::Ack;
pub use auth::Auth;
pub use connack::Connack;
pub(crate) use connect::read_version;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use publish::Publish;
pub use suback::{Suback, Unsuback};
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeFilters, SubscribeFiltersBuf, SubscribeFiltersIter,
    SubscriptionOptions,
};
pub use unsubscribe::{
    Unsubscribe, UnsubscribeFilters, UnsubscribeFiltersBuf, UnsubscribeFiltersIter,
};

use crate::{
    DecodeErrorKind as Kind, FixedHeader, Output, PacketType, Sender, Version, primitives::Body,
};

/// Any packet, borrowed from the buffer it was decoded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client asks for a connection.
    Connect(Connect<'a>),
    /// The server answers CONNECT.
    Connack(Connack<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// Answer to a QoS 1 message.
    Puback(Ack<'a>),
    /// First answer to a QoS 2 message.
    Pubrec(Ack<'a>),
    /// Answer to PUBREC.
    Pubrel(Ack<'a>),
    /// Answer to PUBREL.
    Pubcomp(Ack<'a>),
    /// A client asks for messages.
    Subscribe(Subscribe<'a>),
    /// The server answers SUBSCRIBE.
    Suback(Suback<'a>),
    /// A client wants messages no longer.
    Unsubscribe(Unsubscribe<'a>),
    /// The server answers UNSUBSCRIBE.
    Unsuback(Unsuback<'a>),
    /// A sign of life of a client.
    Pingreq,
    /// The server answers PINGREQ.
    Pingresp,
    /// The last packet of a connection.
    Disconnect(Disconnect<'a>),
    /// A step of enhanced authentication.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Type of the packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Bytes of the whole packet in that version, exactly what [`Packet::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(connect) => connect.encoded_len(),
            Self::Connack(connack) => connack.encoded_len(version),
            Self::Publish(publish) => publish.encoded_len(version),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => {
                ack.encoded_len(version)
            }
            Self::Subscribe(subscribe) => subscribe.encoded_len(version),
            Self::Suback(suback) => suback.encoded_len(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encoded_len(version),
            Self::Unsuback(unsuback) => unsuback.encoded_len(version),
            Self::Pingreq | Self::Pingresp => ping::LEN,
            Self::Disconnect(disconnect) => disconnect.encoded_len(version),
            Self::Auth(auth) => auth.encoded_len(version),
        }
    }

    /// Appends the packet as that version writes it: 3.x has no properties and no reason codes,
    /// so they are left out, and no AUTH, for which nothing is appended. CONNECT goes by its own
    /// version.
    ///
    /// A packet over 268 435 460 bytes cannot be written in any version, and is not.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        // Apart from the other packets PUBLISH takes 7 ns, among them 14.
        if let Self::Publish(publish) = self {
            publish.encode(version, out);
        } else {
            self.encode_other(version, out);
        }
    }

    #[inline(never)]
    fn encode_other(&self, version: Version, out: &mut impl Output) {
        match self {
            Self::Puback(ack) => ack.encode(PacketType::Puback, version, out),
            Self::Pubrec(ack) => ack.encode(PacketType::Pubrec, version, out),
            Self::Pubrel(ack) => ack.encode(PacketType::Pubrel, version, out),
            Self::Pubcomp(ack) => ack.encode(PacketType::Pubcomp, version, out),
            Self::Connect(connect) => connect.encode(out),
            Self::Connack(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::Suback(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::Unsuback(unsuback) => unsuback.encode(version, out),
            Self::Pingreq => ping::encode(PacketType::Pingreq, out),
            Self::Pingresp => ping::encode(PacketType::Pingresp, out),
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
            Self::Auth(auth) => auth.encode(version, out),
        }
    }

    /// Reads the body that belongs to a header. On an error the body stands at the fault.
    #[inline(always)]
    pub(crate) fn read(
        header: &FixedHeader,
        body: &mut Body<'a>,
        version: Version,
        sender: Sender,
    ) -> Result<Self, Kind> {
        match header.packet_type {
            PacketType::Publish => {
                Publish::read(header.flags, body, version, sender).map(Self::Publish)
            }
            PacketType::Puback => {
                Ack::read(PacketType::Puback, body, version, sender).map(Self::Puback)
            }
            PacketType::Pubrec => {
                Ack::read(PacketType::Pubrec, body, version, sender).map(Self::Pubrec)
            }
            PacketType::Pubrel => {
                Ack::read(PacketType::Pubrel, body, version, sender).map(Self::Pubrel)
            }
            PacketType::Pubcomp => {
                Ack::read(PacketType::Pubcomp, body, version, sender).map(Self::Pubcomp)
            }
            _ => Self::read_rare(header, body, version, sender),
        }
    }

    /// The packets that come once or now and then.
    fn read_rare(
        header: &FixedHeader,
        body: &mut Body<'a>,
        version: Version,
        sender: Sender,
    ) -> Result<Self, Kind> {
        match header.packet_type {
            PacketType::Connect => Connect::read(header, body)
                .map(Self::Connect)
                .map_err(|(kind, _)| kind),
            PacketType::Connack => Connack::read(body, version).map(Self::Connack),
            PacketType::Subscribe => Subscribe::read(body, version).map(Self::Subscribe),
            PacketType::Suback => Suback::read(body, version).map(Self::Suback),
            PacketType::Unsubscribe => Unsubscribe::read(body, version).map(Self::Unsubscribe),
            PacketType::Unsuback => Unsuback::read(body, version).map(Self::Unsuback),
            PacketType::Pingreq => body.finish().map(|()| Self::Pingreq),
            PacketType::Pingresp => body.finish().map(|()| Self::Pingresp),
            PacketType::Disconnect => Disconnect::read(body, version, sender).map(Self::Disconnect),
            PacketType::Auth => Auth::read(body, sender).map(Self::Auth),
            // Read by the caller, without a detour.
            PacketType::Publish
            | PacketType::Puback
            | PacketType::Pubrec
            | PacketType::Pubrel
            | PacketType::Pubcomp => Err(Kind::InvalidPacketType),
        }
    }
}
