//! A property block under construction.

use alloc::vec::Vec;
use core::fmt;

use super::{Properties, Property};

/// Owned property block that grows property by property.
///
/// It does not check what belongs together; [`PropertyId::is_allowed_in`] tells what belongs where.
///
/// [`PropertyId::is_allowed_in`]: crate::PropertyId::is_allowed_in
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PropertiesBuf(Vec<u8>);

impl PropertiesBuf {
    /// An empty block; allocates with the first property.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Forgets all properties and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends a property.
    pub fn push(&mut self, property: Property<'_>) {
        self.0.reserve(property.encoded_len());
        property.encode(&mut self.0);
    }

    /// Appends all properties of another block.
    pub fn extend_from(&mut self, properties: Properties<'_>) {
        self.0.extend_from_slice(properties.as_bytes());
    }

    /// The block so far.
    #[must_use]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties::trusted(&self.0)
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for PropertiesBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_properties().fmt(f)
    }
}

impl<'a> Extend<Property<'a>> for PropertiesBuf {
    fn extend<I: IntoIterator<Item = Property<'a>>>(&mut self, properties: I) {
        for property in properties {
            self.push(property);
        }
    }
}

impl<'a> FromIterator<Property<'a>> for PropertiesBuf {
    fn from_iter<I: IntoIterator<Item = Property<'a>>>(properties: I) -> Self {
        let mut block = Self::new();
        block.extend(properties);
        block
    }
}
