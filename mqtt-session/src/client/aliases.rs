//! Which topic alias a client's PUBLISH carries.

use std::collections::BTreeMap;

use mqtt_codec::{Properties, PropertiesBuf, Property};

use crate::topic_alias::{Alias, OutboundAliases};

/// Aliases of one connection: given by ourselves, or asked for by the program. Never both, for
/// their numbers would collide; ours win.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// What the server accepts.
    maximum: u16,
    automatic: Option<OutboundAliases>,
    asked_for: BTreeMap<u16, Box<str>>,
    /// Properties as they are sent, when they differ from those given.
    changed: PropertiesBuf,
}

/// How a topic and its properties are written.
pub(super) struct Written<'a> {
    /// Whether the alias alone stands for the topic.
    pub(super) topic_is_known: bool,
    pub(super) properties: Properties<'a>,
}

impl Aliases {
    pub(super) fn new(server_maximum: u16, automatic_maximum: u16) -> Self {
        let automatic = server_maximum.min(automatic_maximum);
        Self {
            maximum: server_maximum,
            automatic: (automatic > 0).then(|| OutboundAliases::new(automatic)),
            asked_for: BTreeMap::new(),
            changed: PropertiesBuf::new(),
        }
    }

    /// Decides for a PUBLISH that is sent now.
    pub(super) fn assign<'a>(&'a mut self, topic: &str, properties: Properties<'a>) -> Written<'a> {
        let wanted = properties.topic_alias();
        if let Some(automatic) = &mut self.automatic {
            let (alias, topic_is_known) = match automatic.assign(topic) {
                Alias::None => (None, false),
                Alias::New(alias) => (Some(alias), false),
                Alias::Known(alias) => (Some(alias), true),
            };
            if wanted != alias {
                return Written {
                    topic_is_known,
                    properties: self.replace(properties, alias),
                };
            }
            return Written {
                topic_is_known,
                properties,
            };
        }
        let Some(alias) = wanted else {
            return Written {
                topic_is_known: false,
                properties,
            };
        };
        if alias == 0 || alias > self.maximum {
            return self.leave_out(properties);
        }
        let topic_is_known = self
            .asked_for
            .get(&alias)
            .is_some_and(|known| **known == *topic);
        if !topic_is_known {
            self.asked_for.insert(alias, topic.into());
        }
        Written {
            topic_is_known,
            properties,
        }
    }

    /// Decides for a PUBLISH that is to have no alias, whatever the program asked for.
    pub(super) fn leave_out<'a>(&'a mut self, properties: Properties<'a>) -> Written<'a> {
        let properties = match properties.topic_alias() {
            Some(_) => self.replace(properties, None),
            None => properties,
        };
        Written {
            topic_is_known: false,
            properties,
        }
    }

    /// The properties with another alias, or none.
    fn replace(&mut self, properties: Properties<'_>, alias: Option<u16>) -> Properties<'_> {
        self.changed.clear();
        let others = properties
            .iter()
            .filter(|other| !matches!(other, Property::TopicAlias(_)));
        self.changed.extend(others);
        if let Some(alias) = alias {
            self.changed.push(Property::TopicAlias(alias));
        }
        self.changed.as_properties()
    }
}
