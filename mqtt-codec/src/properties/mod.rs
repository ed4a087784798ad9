//! Property blocks: checked once on reading, kept as the bytes they are (MQTT 5, 2.2.2).

mod buf;
mod check;
mod getters;
mod id;
mod property;

use core::fmt;

pub use buf::PropertiesBuf;
pub use id::{PropertyId, PropertyPlace};
pub use property::Property;

use crate::{
    Output,
    encode::put_variable_byte_integer,
    frame::{MAX_VARIABLE_BYTE_INTEGER, variable_byte_integer_len},
    primitives::Body,
};

/// The properties of a packet, as a view of their checked and encoded bytes (without the length).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// No property at all.
    pub const EMPTY: Properties<'static> = Properties(&[]);

    /// Takes a block that was checked before, when it was stored. The caller vouches for it;
    /// getters and iterators of a block that is broken after all end early.
    #[inline]
    #[must_use]
    pub const fn trusted(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The encoded block, without its length.
    #[inline]
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Every property in the order of the block.
    #[inline]
    #[must_use]
    pub const fn iter(self) -> PropertiesIter<'a> {
        PropertiesIter {
            body: Body::new(self.0),
        }
    }

    /// Bytes of the block and the length in front of it.
    #[inline]
    #[must_use]
    pub const fn encoded_len(self) -> usize {
        variable_byte_integer_len(self.block_len()) + self.0.len()
    }

    /// Appends the length and the block.
    #[inline]
    pub(crate) fn encode(self, out: &mut impl Output) {
        put_variable_byte_integer(self.block_len(), out);
        out.put(self.0);
    }

    /// Blocks over the protocol's maximum do not fit a packet, and no packet is written for them.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "compared with the maximum first"
    )]
    pub(crate) const fn block_len(self) -> u32 {
        if self.0.len() < MAX_VARIABLE_BYTE_INTEGER as usize {
            self.0.len() as u32
        } else {
            MAX_VARIABLE_BYTE_INTEGER
        }
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertiesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterator over the properties of a block.
#[derive(Clone, Debug)]
pub struct PropertiesIter<'a> {
    body: Body<'a>,
}

impl<'a> Iterator for PropertiesIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = PropertyId::from_u8(self.body.u8().ok()?)?;
        Property::read(id, &mut self.body).ok()
    }
}
