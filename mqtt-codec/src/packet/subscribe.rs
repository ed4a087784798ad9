//! SUBSCRIBE: filters and how each wants its messages (MQTT 5, 3.8).

use alloc::vec::Vec;
use core::fmt;

use crate::{
    DecodeErrorKind as Kind, Output, PacketId, PacketType, Properties, PropertyPlace, QoS, Sender,
    Version,
    encode::{packet_len, put_header, put_string},
    primitives::Body,
    topic::SHARE,
};

/// A client asks for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Identifier that SUBACK repeats.
    pub packet_id: PacketId,
    /// Subscription identifier and user properties; none in 3.x.
    pub properties: Properties<'a>,
    /// At least one filter [MQTT-3.8.3-2].
    pub filters: SubscribeFilters<'a>,
}

/// What is done with retained messages when a subscription is made (MQTT 5, 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// They are sent with every SUBSCRIBE. The only way in 3.x.
    #[default]
    Always = 0,
    /// They are sent if the subscription did not exist.
    IfNew = 1,
    /// They are not sent.
    Never = 2,
}

/// How a subscription wants its messages (MQTT 5, 3.8.3.1). In 3.x only the QoS is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// Highest QoS to deliver with.
    pub qos: QoS,
    /// Leave out what this very client publishes; not with shared subscriptions.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// Which retained messages to send now.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// Options of a byte from the wire of 5.0.
    ///
    /// # Errors
    /// Reserved bits, QoS 3, Retain Handling 3.
    #[inline]
    pub const fn from_byte(byte: u8) -> Result<Self, Kind> {
        if byte & 0b1100_0000 != 0 {
            return Err(Kind::ReservedSubscriptionOptions); // [MQTT-3.8.3-5]
        }
        let Some(qos) = QoS::from_u8(byte & 0b11) else {
            return Err(Kind::InvalidSubscriptionQos);
        };
        let retain_handling = match (byte >> 4) & 0b11 {
            0 => RetainHandling::Always,
            1 => RetainHandling::IfNew,
            2 => RetainHandling::Never,
            _ => return Err(Kind::InvalidRetainHandling),
        };
        Ok(Self {
            qos,
            no_local: byte & 0b0100 != 0,
            retain_as_published: byte & 0b1000 != 0,
            retain_handling,
        })
    }

    /// The byte on the wire of 5.0.
    #[must_use]
    pub const fn as_byte(self) -> u8 {
        let no_local = if self.no_local { 0b0100 } else { 0 };
        let retain_as_published = if self.retain_as_published { 0b1000 } else { 0 };
        self.qos.as_u8() | no_local | retain_as_published | ((self.retain_handling as u8) << 4)
    }
}

impl<'a> Subscribe<'a> {
    pub(super) fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let packet_id = body.packet_id()?;
        let properties = if version.is_v5() {
            body.properties(PropertyPlace::Subscribe, Sender::Client)?.0
        } else {
            Properties::EMPTY
        };
        let filters = SubscribeFilters::read(body, version)?;
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// Bytes of the whole packet.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        packet_len(self.remaining(version))
    }

    fn remaining(&self, version: Version) -> usize {
        let properties = if version.is_v5() {
            self.properties.encoded_len()
        } else {
            0
        };
        2 + properties + self.filters.bytes.len()
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut impl Output) {
        if put_header(PacketType::Subscribe, self.remaining(version), out).is_none() {
            return;
        }
        out.put(&self.packet_id.get().to_be_bytes());
        if version.is_v5() {
            self.properties.encode(out);
            out.put(self.filters.bytes);
        } else {
            for (filter, options) in self.filters.iter() {
                put_string(filter, out);
                out.put(&[options.qos.as_u8()]);
            }
        }
    }
}

/// The filters of a SUBSCRIBE, as a view of their encoded list.
///
/// The text is UTF-8 without NUL, but not yet a valid filter: 5.0 answers a bad one in SUBACK, so
/// whoever handles the packet calls `TopicFilter::parse`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubscribeFilters<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl<'a> SubscribeFilters<'a> {
    fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let bytes = body.rest();
        let mut len = 0;
        while !body.is_empty() {
            let filter = body.string()?;
            let start = *body;
            if let Err(kind) = check_options(filter, body.u8()?, version) {
                *body = start;
                return Err(kind);
            }
            len += 1;
        }
        if len == 0 {
            return Err(Kind::NoTopicFilter);
        }
        Ok(Self { bytes, len })
    }

    /// Filters and options in the order of the packet, which is the order of SUBACK.
    #[must_use]
    pub const fn iter(self) -> SubscribeFiltersIter<'a> {
        SubscribeFiltersIter {
            body: Body::new(self.bytes),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are none, as no decoded packet has.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

#[inline(always)]
fn check_options(filter: &str, byte: u8, version: Version) -> Result<(), Kind> {
    if !version.is_v5() && byte & 0b1111_1100 != 0 {
        return Err(Kind::ReservedSubscriptionOptions);
    }
    let options = SubscriptionOptions::from_byte(byte)?;
    if options.no_local && filter.starts_with(SHARE) {
        return Err(Kind::NoLocalOnSharedSubscription); // [MQTT-3.8.3-4]
    }
    Ok(())
}

impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for SubscribeFilters<'a> {
    type Item = (&'a str, SubscriptionOptions);
    type IntoIter = SubscribeFiltersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterator over the filters of a SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct SubscribeFiltersIter<'a> {
    body: Body<'a>,
}

impl<'a> Iterator for SubscribeFiltersIter<'a> {
    type Item = (&'a str, SubscriptionOptions);

    fn next(&mut self) -> Option<Self::Item> {
        let filter = self.body.string().ok()?;
        Some((
            filter,
            SubscriptionOptions::from_byte(self.body.u8().ok()?).ok()?,
        ))
    }
}

/// The filters of a SUBSCRIBE under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeFiltersBuf {
    bytes: Vec<u8>,
    len: usize,
}

impl SubscribeFiltersBuf {
    /// An empty list; allocates with the first filter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            len: 0,
        }
    }

    /// Appends a filter. Over 65 535 bytes it is cut; `TopicFilter::parse` refuses such a one.
    pub fn push(&mut self, filter: &str, options: SubscriptionOptions) {
        put_string(filter, &mut self.bytes);
        self.bytes.push(options.as_byte());
        self.len += 1;
    }

    /// The list so far.
    #[must_use]
    pub fn as_filters(&self) -> SubscribeFilters<'_> {
        SubscribeFilters {
            bytes: &self.bytes,
            len: self.len,
        }
    }

    /// Forgets all filters and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    /// How many were pushed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
