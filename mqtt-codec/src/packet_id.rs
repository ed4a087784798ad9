//! The number that ties an acknowledgement to what it acknowledges.

use core::{fmt, num::NonZeroU16};

/// Packet Identifier (MQTT 5, 2.2.1): 1 to 65 535, zero is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The lowest identifier, a fair place to start counting.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The highest identifier; the next after it is [`PacketId::MIN`].
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// Identifier of this number, `None` for zero [MQTT-2.2.1-3].
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 65 535 is followed by 1.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(number) => Self(number),
            None => Self::MIN,
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_packet_id_and_counting_skips_it() {
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::new(7).unwrap().next().get(), 8);
        assert_eq!(PacketId::MAX.next(), PacketId::MIN);
    }
}
