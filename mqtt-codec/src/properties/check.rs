//! The one pass that decides whether a property block is legal where it stands.

use super::{Properties, Property, PropertyId, PropertyPlace};
use crate::{DecodeErrorKind as Kind, Sender, primitives::Body};

/// Which properties a block holds, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen(u64);

impl Seen {
    #[inline(always)]
    pub(crate) const fn has(self, id: PropertyId) -> bool {
        self.0 & bit(id) != 0
    }
}

/// The table of properties for one place and one side, a bit for each property.
///
/// Asking the table property by property instead made the pass a fifth slower.
#[derive(Clone, Copy)]
struct Rules {
    allowed: u64,
    /// Those of them that may stand once only.
    once: u64,
}

impl Rules {
    const fn of(place: PropertyPlace, sender: Sender) -> Self {
        let mut rules = Self {
            allowed: 0,
            once: 0,
        };
        let mut rest = PropertyId::ALL.as_slice();
        while let [id, tail @ ..] = rest {
            if id.is_allowed_in(place) && may_send(*id, place, sender) {
                rules.allowed |= bit(*id);
                if !id.may_repeat_in(place) {
                    rules.once |= bit(*id);
                }
            }
            rest = tail;
        }
        rules
    }

    /// Rules of a place: computed when the crate is compiled, looked up when it runs.
    #[inline(always)]
    const fn look_up(place: PropertyPlace, sender: Sender) -> &'static Self {
        macro_rules! table {
            ($($place:ident),*) => {
                match (place, sender) {
                    $((PropertyPlace::$place, Sender::Client) =>
                        const { &Self::of(PropertyPlace::$place, Sender::Client) },
                    (PropertyPlace::$place, Sender::Server) =>
                        const { &Self::of(PropertyPlace::$place, Sender::Server) },)*
                }
            };
        }
        table!(
            Connect,
            Connack,
            Publish,
            Will,
            Acknowledgement,
            Subscribe,
            Suback,
            Unsubscribe,
            Disconnect,
            Auth
        )
    }
}

/// All numbers of properties are below 64.
#[inline(always)]
const fn bit(id: PropertyId) -> u64 {
    1 << id.as_u8()
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
        match check(&mut inner, Rules::look_up(place, sender), place, sender) {
            Ok(seen) => Ok((Properties(block), seen)),
            Err(kind) => {
                self.stand_at(start.rest(), block.len() - inner.len());
                Err(kind)
            }
        }
    }
}

impl Properties<'_> {
    /// Whether a packet of this sender may have this block in this place: for a program's own, before
    /// it is sent. A block that was read has passed the same check.
    ///
    /// # Errors
    /// The rule that the receiver would see broken (MQTT 5, 2.2.2.2 and the properties' own sections).
    pub fn check(self, place: PropertyPlace, sender: Sender) -> Result<(), Kind> {
        let rules = Rules::look_up(place, sender);
        check(&mut Body::new(self.as_bytes()), rules, place, sender).map(|_| ())
    }
}

#[inline(never)]
fn check(
    body: &mut Body<'_>,
    rules: &Rules,
    place: PropertyPlace,
    sender: Sender,
) -> Result<Seen, Kind> {
    let mut seen = Seen::default();
    while !body.is_empty() {
        let start = *body;
        if let Err(kind) = check_next(body, &mut seen, rules) {
            // The property is at fault, not the byte of its value.
            *body = start;
            return Err(kind.unwrap_or_else(|| refusal(start, place, sender)));
        }
    }
    if seen.has(PropertyId::AuthenticationData) && !seen.has(PropertyId::AuthenticationMethod) {
        return Err(Kind::AuthenticationMethodMissing);
    }
    Ok(seen)
}

/// Reads one property; `None` as the fault stands for one that the rules do not allow there.
#[inline(always)]
fn check_next(body: &mut Body<'_>, seen: &mut Seen, rules: &Rules) -> Result<(), Option<Kind>> {
    let id = PropertyId::from_u8(body.u8()?).ok_or(None)?;
    if rules.allowed & bit(id) == 0 {
        return Err(None);
    }
    if seen.0 & rules.once & bit(id) != 0 {
        return Err(Some(Kind::DuplicateProperty));
    }
    seen.0 |= bit(id);
    Property::read(id, body)?;
    Ok(())
}

/// Why the property in front may not stand there.
#[cold]
fn refusal(mut body: Body<'_>, place: PropertyPlace, sender: Sender) -> Kind {
    match body.u8().map(PropertyId::from_u8) {
        Ok(Some(id)) if !id.is_allowed_in(place) => Kind::MisplacedProperty,
        Ok(Some(id)) if !may_send(id, place, sender) => Kind::PropertyFromWrongSender,
        _ => Kind::UnknownProperty,
    }
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
