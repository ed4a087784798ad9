//! The one pass that decides whether a property block is legal where it stands.

use super::{Properties, Property, PropertyId, PropertyPlace};
use crate::{DecodeErrorKind as Kind, Sender, primitives::Body};

/// Which properties a block holds, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen(u64);

impl Seen {
    #[inline(always)]
    pub(crate) const fn has(self, id: PropertyId) -> bool {
        self.0 & (1 << id.as_u8()) != 0
    }

    /// Notes a property and tells whether it was there before.
    #[inline(always)]
    const fn note(&mut self, id: PropertyId) -> bool {
        let known = self.has(id);
        self.0 |= 1 << id.as_u8();
        known
    }
}

impl<'a> Body<'a> {
    /// Reads a length and the properties it bounds, and checks every one of them.
    #[inline(always)]
    pub(crate) fn properties(
        &mut self,
        place: PropertyPlace,
        sender: Sender,
    ) -> Result<(Properties<'a>, Seen), Kind> {
        let len = self.variable_byte_integer()?;
        if len == 0 {
            return Ok((Properties::EMPTY, Seen::default()));
        }
        let start = *self;
        let block = self.take(len as usize)?;
        let mut inner = Body::new(block);
        match check(&mut inner, place, sender) {
            Ok(seen) => Ok((Properties(block), seen)),
            Err(kind) => {
                self.stand_at(start.rest(), block.len() - inner.len());
                Err(kind)
            }
        }
    }
}

fn check(body: &mut Body<'_>, place: PropertyPlace, sender: Sender) -> Result<Seen, Kind> {
    let mut seen = Seen::default();
    while !body.is_empty() {
        let start = *body;
        if let Err(kind) = check_next(body, &mut seen, place, sender) {
            // The property is at fault, not the byte of its value.
            *body = start;
            return Err(kind);
        }
    }
    if seen.has(PropertyId::AuthenticationData) && !seen.has(PropertyId::AuthenticationMethod) {
        return Err(Kind::AuthenticationMethodMissing);
    }
    Ok(seen)
}

#[inline(always)]
fn check_next(
    body: &mut Body<'_>,
    seen: &mut Seen,
    place: PropertyPlace,
    sender: Sender,
) -> Result<(), Kind> {
    let id = PropertyId::from_u8(body.u8()?).ok_or(Kind::UnknownProperty)?;
    if !id.is_allowed_in(place) {
        return Err(Kind::MisplacedProperty);
    }
    if !may_send(id, place, sender) {
        return Err(Kind::PropertyFromWrongSender);
    }
    if seen.note(id) && !id.may_repeat_in(place) {
        return Err(Kind::DuplicateProperty);
    }
    Property::read(id, body).map(drop)
}

/// The three properties whose packet goes both ways while they do not [MQTT-3.3.4-6]
/// [MQTT-3.14.2-2].
#[inline(always)]
const fn may_send(id: PropertyId, place: PropertyPlace, sender: Sender) -> bool {
    match (place, id) {
        (PropertyPlace::Publish, PropertyId::SubscriptionIdentifier)
        | (PropertyPlace::Disconnect, PropertyId::ServerReference) => {
            matches!(sender, Sender::Server)
        }
        (PropertyPlace::Disconnect, PropertyId::SessionExpiryInterval) => {
            matches!(sender, Sender::Client)
        }
        _ => true,
    }
}
