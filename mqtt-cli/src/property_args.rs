//! `-D COMMAND NAME VALUE`: properties of MQTT 5 as words.

use mqtt_codec::{PropertiesBuf, Property, PropertyId, PropertyPlace, TopicName};

use crate::number::atol;
use crate::refusal::Refusal;
use crate::topic_args::mqtt_text;
use crate::words::{Words, shown};

/// Bytes of the longest text or binary value (MQTT 5, 1.5.4 and 1.5.6).
const VALUE_BYTES_MAX: usize = 65_535;
/// The largest variable byte integer (MQTT 5, 1.5.5).
const VARIABLE_BYTE_INTEGER_MAX: i64 = 268_435_455;

/// The properties typed for the packets that a tool sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyArgs {
    /// For CONNECT.
    pub connect: PropertiesBuf,
    /// For every PUBLISH.
    pub publish: PropertiesBuf,
    /// For the will.
    pub will: PropertiesBuf,
    /// For every SUBSCRIBE.
    pub subscribe: PropertiesBuf,
    /// For every UNSUBSCRIBE.
    pub unsubscribe: PropertiesBuf,
    /// For DISCONNECT.
    pub disconnect: PropertiesBuf,
}

/// The words for the packets, with the place whose properties can be given.
const COMMANDS: &[(&str, PropertyPlace, bool)] = &[
    ("connect", PropertyPlace::Connect, true),
    ("publish", PropertyPlace::Publish, true),
    ("will", PropertyPlace::Will, true),
    ("subscribe", PropertyPlace::Subscribe, true),
    ("unsubscribe", PropertyPlace::Unsubscribe, true),
    ("disconnect", PropertyPlace::Disconnect, true),
    ("connack", PropertyPlace::Connack, false),
    ("puback", PropertyPlace::Acknowledgement, false),
    ("pubrec", PropertyPlace::Acknowledgement, false),
    ("pubrel", PropertyPlace::Acknowledgement, false),
    ("pubcomp", PropertyPlace::Acknowledgement, false),
    ("suback", PropertyPlace::Suback, false),
    ("unsuback", PropertyPlace::Suback, false),
    ("auth", PropertyPlace::Auth, false),
];

impl PropertyArgs {
    /// Takes three words, or four for a User Property, and keeps the property.
    ///
    /// # Errors
    /// Too few words, an unknown command or name, a property out of place, a value that the
    /// property cannot have. Unlike the original, a value that every server has to refuse (such as
    /// a Receive Maximum of 0) is refused here.
    pub fn take(&mut self, words: &mut Words<'_>) -> Result<(), Refusal> {
        let (Some(command), Some(name), Some(value)) =
            (words.next_word(), words.next_word(), words.next_word())
        else {
            return Err(too_few());
        };
        let (place, is_sent) = command_of(&command)?;
        let (command, name) = (shown(&command), shown(&name));
        let Some(id) = PropertyId::ALL
            .into_iter()
            .find(|id| name.eq_ignore_ascii_case(id.name()))
        else {
            let text = format!("Error: Invalid property name {name} given in --property argument.");
            return Err(Refusal::usage(text));
        };
        let refuse = |what| {
            let text =
                format!("Error: {name} property {what} for {command} in --property argument.");
            Err(Refusal::usage(text))
        };
        if !id.is_allowed_in(place) {
            return refuse("not allowed");
        }
        if !is_sent || (place, id) == (PropertyPlace::Publish, PropertyId::SubscriptionIdentifier) {
            return refuse("not supported");
        }
        if id == PropertyId::UserProperty {
            let (key, value) = (value, words.next_word().ok_or_else(too_few)?);
            let (key, value) = (text(&name, &key, 7)?, text(&name, &value, 7)?);
            self.block(place).push(Property::UserProperty(key, value));
        } else {
            self.block(place).push(property(id, &name, &value)?);
        }
        Ok(())
    }

    /// Whether no property was given at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|(_, block)| block.is_empty())
    }

    /// The first packet in which a property stands twice that may stand once.
    #[must_use]
    pub fn duplicate(&self) -> Option<PropertyPlace> {
        let repeats = |block: &PropertiesBuf| {
            let ids: Vec<_> = block
                .as_properties()
                .iter()
                .map(|property| property.id())
                .collect();
            ids.iter().enumerate().any(|(index, id)| {
                *id != PropertyId::UserProperty
                    && ids.iter().skip(index + 1).any(|other| other == id)
            })
        };
        self.all()
            .into_iter()
            .find(|(_, block)| repeats(block))
            .map(|(place, _)| place)
    }

    const fn all(&self) -> [(PropertyPlace, &PropertiesBuf); 6] {
        [
            (PropertyPlace::Connect, &self.connect),
            (PropertyPlace::Publish, &self.publish),
            (PropertyPlace::Will, &self.will),
            (PropertyPlace::Subscribe, &self.subscribe),
            (PropertyPlace::Unsubscribe, &self.unsubscribe),
            (PropertyPlace::Disconnect, &self.disconnect),
        ]
    }

    const fn block(&mut self, place: PropertyPlace) -> &mut PropertiesBuf {
        match place {
            PropertyPlace::Connect => &mut self.connect,
            PropertyPlace::Will => &mut self.will,
            PropertyPlace::Subscribe => &mut self.subscribe,
            PropertyPlace::Unsubscribe => &mut self.unsubscribe,
            PropertyPlace::Disconnect => &mut self.disconnect,
            _ => &mut self.publish,
        }
    }
}

fn command_of(word: &[u8]) -> Result<(PropertyPlace, bool), Refusal> {
    COMMANDS
        .iter()
        .find(|(name, ..)| word.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, place, is_sent)| (*place, *is_sent))
        .ok_or_else(|| {
            let command = shown(word);
            let text = format!("Error: Invalid command {command} given in --property argument.");
            Refusal::usage(text)
        })
}

fn too_few() -> Refusal {
    Refusal::usage("Error: --property argument given but not enough arguments specified.")
}

/// The property of a value that is not a User Property's.
fn property<'a>(id: PropertyId, name: &str, value: &'a [u8]) -> Result<Property<'a>, Refusal> {
    let number = |range| number(name, value, range);
    let flag = || number((0, 1)).map(|number| number == 1);
    Ok(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag()?),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag()?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag()?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(narrow(number((1, 65_535))?)),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(narrow(number((0, 65_535))?)),
        PropertyId::TopicAlias => Property::TopicAlias(narrow(number((1, 65_535))?)),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number(U32)?),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number(U32)?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number(U32)?),
        PropertyId::MaximumPacketSize => {
            Property::MaximumPacketSize(number((1, i64::from(u32::MAX)))?)
        }
        PropertyId::SubscriptionIdentifier => {
            // The original takes any 32 bits for a number and then fails to add it.
            if (VARIABLE_BYTE_INTEGER_MAX + 1..=i64::from(u32::MAX)).contains(&atol(value)) {
                return Err(cannot_add(name, 4));
            }
            Property::SubscriptionIdentifier(number((1, VARIABLE_BYTE_INTEGER_MAX))?)
        }
        PropertyId::CorrelationData => Property::CorrelationData(binary(name, value)?),
        PropertyId::AuthenticationData => Property::AuthenticationData(binary(name, value)?),
        PropertyId::ContentType => Property::ContentType(text(name, value, 6)?),
        PropertyId::ResponseTopic => {
            let topic = text(name, value, 6)?;
            Property::ResponseTopic(
                TopicName::parse(topic)
                    .map_err(|_| cannot_add(name, 6))?
                    .as_str(),
            )
        }
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text(name, value, 6)?),
        PropertyId::ReasonString => Property::ReasonString(text(name, value, 6)?),
        PropertyId::ServerReference => Property::ServerReference(text(name, value, 6)?),
        // No packet that a client sends may carry the others, and the caller asked that first.
        _ => return Err(cannot_add(name, 0)),
    })
}

const U32: (i64, i64) = (0, u32::MAX as i64);

fn number(name: &str, value: &[u8], (least, most): (i64, i64)) -> Result<u32, Refusal> {
    let number = atol(value);
    u32::try_from(number)
        .ok()
        .filter(|_| (least..=most).contains(&number))
        .ok_or_else(|| {
            let text =
                format!("Error: Property value ({number}) out of range for property {name}.");
            Refusal::usage(text)
        })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "its range was checked by the caller"
)]
const fn narrow(number: u32) -> u16 {
    number as u16
}

fn binary<'a>(name: &str, value: &'a [u8]) -> Result<&'a [u8], Refusal> {
    if value.len() > VALUE_BYTES_MAX {
        let text = format!("Error: Property value too long for property {name}.");
        return Err(Refusal::usage(text));
    }
    Ok(value)
}

fn text<'a>(name: &str, value: &'a [u8], type_number: u8) -> Result<&'a str, Refusal> {
    mqtt_text(binary(name, value)?).ok_or_else(|| cannot_add(name, type_number))
}

/// The original shows its own number for the property's type, and no colon.
fn cannot_add(name: &str, type_number: u8) -> Refusal {
    Refusal::usage(format!("Error adding property {name} {type_number}"))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn take(args: &mut PropertyArgs, line: &str) -> Result<(), Refusal> {
        let mut words: VecDeque<_> = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        args.take(&mut Words::new(&mut words))
    }

    #[test]
    fn properties_go_to_the_packet_that_was_named() {
        let mut args = PropertyArgs::default();
        assert!(args.is_empty());
        for line in [
            "PUBLISH Content-Type text/plain",
            "publish user-property a 1",
            "publish user-property a 2",
            "will will-delay-interval 4294967295",
            "subscribe subscription-identifier 268435455",
            "disconnect session-expiry-interval 10x",
        ] {
            assert_eq!(take(&mut args, line), Ok(()), "{line}");
        }
        let publish: Vec<_> = args.publish.as_properties().iter().collect();
        assert_eq!(
            publish,
            [
                Property::ContentType("text/plain"),
                Property::UserProperty("a", "1"),
                Property::UserProperty("a", "2")
            ]
        );
        assert_eq!(
            args.disconnect.as_properties().session_expiry_interval(),
            Some(10)
        );
        assert_eq!(args.duplicate(), None);
        assert_eq!(take(&mut args, "publish content-type x"), Ok(()));
        assert_eq!(args.duplicate(), Some(PropertyPlace::Publish));
    }

    #[test]
    fn mistakes_are_answered_with_the_texts_of_the_original() {
        const TOO_FEW: &str =
            "Error: --property argument given but not enough arguments specified.";
        for (line, text) in [
            ("publish", TOO_FEW),
            ("publish content-type", TOO_FEW),
            ("publish user-property a", TOO_FEW),
            (
                "foo bar 1",
                "Error: Invalid command foo given in --property argument.",
            ),
            (
                "publish bar 1",
                "Error: Invalid property name bar given in --property argument.",
            ),
            (
                "publish receive-maximum 1",
                "Error: receive-maximum property not allowed for publish in --property argument.",
            ),
            (
                "puback user-property a b",
                "Error: user-property property not supported for puback in --property argument.",
            ),
            (
                "publish subscription-identifier 1",
                "Error: subscription-identifier property not supported for publish in --property argument.",
            ),
            (
                "publish payload-format-indicator 300",
                "Error: Property value (300) out of range for property payload-format-indicator.",
            ),
            (
                "connect receive-maximum 0",
                "Error: Property value (0) out of range for property receive-maximum.",
            ),
            (
                "connect maximum-packet-size -1",
                "Error: Property value (-1) out of range for property maximum-packet-size.",
            ),
            (
                "subscribe subscription-identifier 268435456",
                "Error adding property subscription-identifier 4",
            ),
            (
                "publish content-type \u{1}",
                "Error adding property content-type 6",
            ),
            (
                "publish user-property \u{1} a",
                "Error adding property user-property 7",
            ),
        ] {
            let result = take(&mut PropertyArgs::default(), line);
            assert_eq!(result, Err(Refusal::usage(text)), "{line}");
        }
    }
}
