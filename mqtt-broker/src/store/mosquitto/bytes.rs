//! The bytes of a file, taken from the front: every read is bounded, and every failure says where.

use super::read::ReadError;

/// What is left of a piece of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    /// Where `rest` begins in the file.
    offset: usize,
    /// What is being read, for people.
    what: &'static str,
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(file: &'a [u8], what: &'static str) -> Self {
        Self {
            rest: file,
            offset: 0,
            what,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// An error at this place.
    pub(super) fn error(&self, problem: &'static str) -> ReadError {
        ReadError::Damaged {
            what: self.what,
            offset: self.offset,
            problem,
        }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.error("ends too early"));
        };
        self.rest = rest;
        self.offset += len;
        Ok(taken)
    }

    /// The next so many bytes, as a piece of their own.
    pub(super) fn piece(&mut self, len: usize, what: &'static str) -> Result<Self, ReadError> {
        let offset = self.offset;
        let rest = self.take(len)?;
        Ok(Self { rest, offset, what })
    }

    /// Everything that is left.
    pub(super) fn all(&mut self) -> &'a [u8] {
        self.offset += self.rest.len();
        std::mem::take(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error("ends too early"));
        };
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A length of four bytes.
    pub(super) fn length(&mut self) -> Result<usize, ReadError> {
        let length = self.u32()?;
        usize::try_from(length).map_err(|_| self.error("is too long"))
    }

    /// Eight bytes in the order of the machine that wrote them: little endian on all that matter.
    pub(super) fn u64_of_host(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64_of_host(&mut self) -> Result<i64, ReadError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length of two bytes, and so many bytes.
    pub(super) fn text(&mut self) -> Result<&'a [u8], ReadError> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// A variable byte integer (MQTT 5, 1.5.5).
    pub(super) fn variable(&mut self) -> Result<u32, ReadError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("has a length that is too long"))
    }
}
