//! The standard's data types as `nom` parsers over a body whose end is known (MQTT 5, 1.5).

use nom::{
    IResult,
    bytes::complete::take,
    error::{ErrorKind, ParseError},
    number::complete::{be_u8, be_u16, be_u32},
};

use crate::{
    DecodeErrorKind as Kind, PacketId, Properties, PropertyPlace, ReasonCode, Sender, TopicName,
    reason::ReasonSet, topic::has_special,
};

/// The error inside `nom`: one byte, and no trace of where; [`Body`] knows that.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Kind);

impl<'a> ParseError<&'a [u8]> for Fault {
    /// The parsers of `nom` used here fail for one reason only: the input ends.
    #[inline(always)]
    fn from_error_kind(_: &'a [u8], _: ErrorKind) -> Self {
        Self(Kind::Truncated)
    }

    #[inline(always)]
    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// What a parser of this crate returns.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// What is left to read of a packet. When a read fails, it still stands at the field at fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline(always)]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Stands at the place where an inner body of `len` bytes more up to here failed.
    #[cold]
    pub(crate) fn stand_at(&mut self, before: &'a [u8], offset: usize) {
        self.rest = before.get(offset..).unwrap_or_default();
    }

    /// Runs a parser and moves on behind what it read.
    #[inline(always)]
    fn read<T>(&mut self, parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>) -> Result<T, Kind> {
        match parser(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(nom::Err::Error(Fault(kind)) | nom::Err::Failure(Fault(kind))) => Err(kind),
            // Complete parsers do not ask for more.
            Err(nom::Err::Incomplete(_)) => Err(Kind::Truncated),
        }
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self) -> Result<u8, Kind> {
        self.read(be_u8)
    }

    #[inline(always)]
    pub(crate) fn u16(&mut self) -> Result<u16, Kind> {
        self.read(be_u16)
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> Result<u32, Kind> {
        self.read(be_u32)
    }

    #[inline(always)]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Kind> {
        self.read(packet_id)
    }

    #[inline(always)]
    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, Kind> {
        self.read(variable_byte_integer)
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Kind> {
        self.read(|input| take(len)(input))
    }

    /// Binary data (MQTT 5, 1.5.6), or a string that is checked elsewhere.
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Kind> {
        self.read(binary)
    }

    /// A UTF-8 encoded string (MQTT 5, 1.5.4).
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<&'a str, Kind> {
        self.read(string)
    }

    /// A topic name, `None` if it is empty: whether that is allowed depends on the packet.
    #[inline(always)]
    pub(crate) fn topic_name(&mut self) -> Result<Option<TopicName<'a>>, Kind> {
        let start = *self;
        let bytes = self.binary()?;
        // One look at every byte for NUL and wildcards together; which it was is asked later.
        match core::str::from_utf8(bytes) {
            Ok("") => Ok(None),
            Ok(text) if !has_special(bytes) => Ok(Some(TopicName::trusted(text))),
            faulty => {
                *self = start;
                Err(topic_fault(faulty.ok()))
            }
        }
    }

    /// A reason code out of those the packet may carry.
    #[inline(always)]
    pub(crate) fn reason(&mut self, allowed: ReasonSet) -> Result<ReasonCode, Kind> {
        match self.rest.first() {
            Some(&code) if !allowed.contains(code) => Err(Kind::InvalidReasonCode),
            _ => ReasonCode::from_u8(self.u8()?).ok_or(Kind::InvalidReasonCode),
        }
    }

    /// All bytes that are left, at least one, each a reason code the packet may carry.
    pub(crate) fn reasons(&mut self, allowed: ReasonSet) -> Result<&'a [u8], Kind> {
        let reasons = self.rest;
        if reasons.is_empty() {
            return Err(Kind::Truncated);
        }
        while let Some(&code) = self.rest.first() {
            if !allowed.contains(code) {
                return Err(Kind::InvalidReasonCode);
            }
            self.u8()?;
        }
        Ok(reasons)
    }

    /// The properties of a packet that may end before them (MQTT 5, 3.4.2.2.1).
    #[inline(always)]
    pub(crate) fn optional_properties(
        &mut self,
        place: PropertyPlace,
        sender: Sender,
    ) -> Result<Properties<'a>, Kind> {
        if self.is_empty() {
            return Ok(Properties::EMPTY);
        }
        self.properties(place, sender)
            .map(|(properties, _)| properties)
    }

    /// The end of a packet: nothing may be left.
    #[inline(always)]
    pub(crate) fn finish(&self) -> Result<(), Kind> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Kind::TrailingBytes)
        }
    }
}

#[inline(always)]
fn fail<T>(kind: Kind) -> Result<T, nom::Err<Fault>> {
    Err(nom::Err::Failure(Fault(kind)))
}

#[inline(always)]
fn packet_id(input: &[u8]) -> Parsed<'_, PacketId> {
    let (rest, number) = be_u16(input)?;
    match PacketId::new(number) {
        Some(id) => Ok((rest, id)),
        None => fail(Kind::InvalidPacketId), // [MQTT-2.2.1-3]
    }
}

#[inline(always)]
fn binary(input: &[u8]) -> Parsed<'_, &[u8]> {
    // `length_data` says the same, but is not always inlined.
    let (rest, len) = be_u16(input)?;
    take(len)(rest)
}

#[inline(always)]
fn string(input: &[u8]) -> Parsed<'_, &str> {
    let (rest, bytes) = binary(input)?;
    match text(bytes) {
        Ok(text) => Ok((rest, text)),
        Err(kind) => fail(kind),
    }
}

/// A variable byte integer inside a packet, in its shortest form (MQTT 5, 1.5.5).
#[inline(always)]
fn variable_byte_integer(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, byte) = be_u8(input)?;
    if byte < 0x80 {
        return Ok((rest, u32::from(byte)));
    }
    long_variable_byte_integer(input)
}

fn long_variable_byte_integer(input: &[u8]) -> Parsed<'_, u32> {
    let mut rest = input;
    let mut number = 0;
    for place in 0..4 {
        let (tail, byte) = be_u8(rest)?;
        rest = tail;
        number |= u32::from(byte & 0x7F) << (7 * place);
        match byte {
            // [MQTT-1.5.5-1]
            0 if place > 0 => return fail(Kind::OverlongVariableByteInteger),
            0..=0x7F => return Ok((rest, number)),
            _ => {}
        }
    }
    fail(Kind::InvalidVariableByteInteger)
}

/// Bytes as text: well formed UTF-8 without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2].
#[inline(always)]
fn text(bytes: &[u8]) -> Result<&str, Kind> {
    match core::str::from_utf8(bytes) {
        Ok(text) if !has_nul(bytes) => Ok(text),
        Ok(_) => Err(Kind::NulCharacter),
        Err(_) => Err(Kind::InvalidUtf8),
    }
}

#[cold]
fn topic_fault(text: Option<&str>) -> Kind {
    match text {
        None => Kind::InvalidUtf8,
        Some(text) if text.contains('\0') => Kind::NulCharacter,
        Some(_) => Kind::InvalidTopicName, // [MQTT-3.3.2-2]
    }
}

/// Whether one of the bytes is NUL. Without an early end, so that it runs many bytes at a time.
#[inline(always)]
fn has_nul(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | (byte == 0))
}
