//! UNSUBSCRIBE: filters that are wanted no longer (MQTT 5, 3.10).

use alloc::vec::Vec;
use core::fmt;

use crate::{
    DecodeErrorKind as Kind, Output, PacketId, PacketType, Properties, PropertyPlace, Sender,
    Version,
    encode::{packet_len, put_header, put_string},
    primitives::Body,
};

/// A client wants messages no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Identifier that UNSUBACK repeats.
    pub packet_id: PacketId,
    /// User properties; none in 3.x.
    pub properties: Properties<'a>,
    /// At least one filter [MQTT-3.10.3-2].
    pub filters: UnsubscribeFilters<'a>,
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn read(body: &mut Body<'a>, version: Version) -> Result<Self, Kind> {
        let packet_id = body.packet_id()?;
        let properties = if version.is_v5() {
            body.properties(PropertyPlace::Unsubscribe, Sender::Client)?
                .0
        } else {
            Properties::EMPTY
        };
        let filters = UnsubscribeFilters::read(body)?;
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
        if put_header(PacketType::Unsubscribe, self.remaining(version), out).is_none() {
            return;
        }
        out.put(&self.packet_id.get().to_be_bytes());
        if version.is_v5() {
            self.properties.encode(out);
        }
        out.put(self.filters.bytes);
    }
}

/// The filters of an UNSUBSCRIBE, as a view of their encoded list.
///
/// The text is UTF-8 without NUL, but not yet a valid filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeFilters<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl<'a> UnsubscribeFilters<'a> {
    fn read(body: &mut Body<'a>) -> Result<Self, Kind> {
        let bytes = body.rest();
        let mut len = 0;
        while !body.is_empty() {
            body.string()?;
            len += 1;
        }
        if len == 0 {
            return Err(Kind::NoTopicFilter);
        }
        Ok(Self { bytes, len })
    }

    /// Filters in the order of the packet, which is the order of UNSUBACK.
    #[must_use]
    pub const fn iter(self) -> UnsubscribeFiltersIter<'a> {
        UnsubscribeFiltersIter {
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

impl fmt::Debug for UnsubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for UnsubscribeFilters<'a> {
    type Item = &'a str;
    type IntoIter = UnsubscribeFiltersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterator over the filters of an UNSUBSCRIBE.
#[derive(Clone, Debug)]
pub struct UnsubscribeFiltersIter<'a> {
    body: Body<'a>,
}

impl<'a> Iterator for UnsubscribeFiltersIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        self.body.string().ok()
    }
}

/// The filters of an UNSUBSCRIBE under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsubscribeFiltersBuf {
    bytes: Vec<u8>,
    len: usize,
}

impl UnsubscribeFiltersBuf {
    /// An empty list; allocates with the first filter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            len: 0,
        }
    }

    /// Appends a filter. Over 65 535 bytes it is cut; `TopicFilter::parse` refuses such a one.
    pub fn push(&mut self, filter: &str) {
        put_string(filter, &mut self.bytes);
        self.len += 1;
    }

    /// The list so far.
    #[must_use]
    pub fn as_filters(&self) -> UnsubscribeFilters<'_> {
        UnsubscribeFilters {
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
