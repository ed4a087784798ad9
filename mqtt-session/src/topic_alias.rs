//! Topic aliases (MQTT 5, 3.3.2.3.4): one table for each direction, both of one connection.

use std::collections::BTreeMap;

use mqtt_codec::TopicName;

/// What the peer's aliases stand for. Memory: at most `maximum` topics, taken as they are set.
#[derive(Debug, Clone, Default)]
pub struct InboundAliases {
    maximum: u16,
    /// Alias n stands at n - 1.
    topics: Vec<Option<Box<str>>>,
}

/// An alias or a lack of one that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AliasError {
    /// 0, or above the maximum that we announced: DISCONNECT 0x94. \[MQTT-3.3.2-8\]
    #[error("topic alias {alias} is not between 1 and {maximum}")]
    Invalid {
        /// What came.
        alias: u16,
        /// What was announced; 0 means that no alias is accepted.
        maximum: u16,
    },
    /// An empty topic with an alias that was never set, or without one: DISCONNECT 0x82.
    #[error("the topic is empty and no topic alias stands for one")]
    Unknown,
}

impl AliasError {
    /// The code for the DISCONNECT.
    #[must_use]
    pub const fn reason_code(self) -> mqtt_codec::ReasonCode {
        match self {
            Self::Invalid { .. } => mqtt_codec::ReasonCode::TopicAliasInvalid,
            Self::Unknown => mqtt_codec::ReasonCode::ProtocolError,
        }
    }
}

impl InboundAliases {
    /// `maximum` is the Topic Alias Maximum that we announced. Allocates nothing.
    #[must_use]
    pub const fn new(maximum: u16) -> Self {
        Self {
            maximum,
            topics: Vec::new(),
        }
    }

    /// The topic that a PUBLISH means. Sets the alias if it comes with a topic, even if the caller
    /// then refuses the publication, for the next one relies on it.
    ///
    /// # Errors
    /// [`AliasError`], which ends the connection.
    pub fn resolve<'a>(
        &'a mut self,
        topic: Option<TopicName<'a>>,
        alias: Option<u16>,
    ) -> Result<TopicName<'a>, AliasError> {
        let Some(alias) = alias else {
            return topic.ok_or(AliasError::Unknown);
        };
        let index = match alias.checked_sub(1) {
            Some(index) if alias <= self.maximum => usize::from(index),
            _ => {
                return Err(AliasError::Invalid {
                    alias,
                    maximum: self.maximum,
                });
            }
        };
        let Some(topic) = topic else {
            let known = self.topics.get(index).and_then(Option::as_deref);
            return known.map(TopicName::trusted).ok_or(AliasError::Unknown);
        };
        if self.topics.len() <= index {
            self.topics.resize(index.saturating_add(1), None);
        }
        if let Some(known) = self.topics.get_mut(index)
            && known.as_deref() != Some(topic.as_str())
        {
            *known = Some(topic.as_str().into());
        }
        Ok(topic)
    }
}

/// The aliases that we give: first come, first served, never given anew. Assign at the moment of
/// writing; a message kept for sending again keeps its whole topic.
#[derive(Debug, Clone, Default)]
pub struct OutboundAliases {
    maximum: u16,
    aliases: BTreeMap<Box<str>, u16>,
}

/// How a topic is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alias {
    /// As it is; all aliases are given.
    None,
    /// The topic and the alias that shall stand for it from now on.
    New(u16),
    /// The alias and an empty topic.
    Known(u16),
}

impl OutboundAliases {
    /// `maximum` is the smaller of the peer's Topic Alias Maximum and our own wish. Allocates nothing.
    #[must_use]
    pub const fn new(maximum: u16) -> Self {
        Self {
            maximum,
            aliases: BTreeMap::new(),
        }
    }

    /// The alias for the topic of a PUBLISH that is written now.
    pub fn assign(&mut self, topic: &str) -> Alias {
        if self.maximum == 0 {
            return Alias::None;
        }
        if let Some(alias) = self.aliases.get(topic) {
            return Alias::Known(*alias);
        }
        match u16::try_from(self.aliases.len()) {
            Ok(given) if given < self.maximum => {
                let alias = given.saturating_add(1);
                self.aliases.insert(topic.into(), alias);
                Alias::New(alias)
            }
            _ => Alias::None,
        }
    }

    /// The PUBLISH that would have set an alias was not sent after all. Only the alias that
    /// [`Self::assign`] gave last can be taken back.
    pub fn undo(&mut self, alias: u16) {
        debug_assert_eq!(usize::from(alias), self.aliases.len(), "not the last alias");
        self.aliases.retain(|_, given| *given != alias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Option<TopicName<'_>> {
        Some(TopicName::parse(text).unwrap())
    }

    #[test]
    fn aliases_are_set_used_and_set_anew() {
        let mut aliases = InboundAliases::new(3);
        for (name, alias, expected) in [
            (topic("a"), None, Ok("a")),
            (topic("a"), Some(1), Ok("a")),
            (None, Some(1), Ok("a")),
            (topic("b"), Some(3), Ok("b")),
            (topic("c"), Some(1), Ok("c")),
            (None, Some(1), Ok("c")),
            (None, Some(3), Ok("b")),
            (None, Some(2), Err(AliasError::Unknown)),
            (None, None, Err(AliasError::Unknown)),
            (
                topic("d"),
                Some(0),
                Err(AliasError::Invalid {
                    alias: 0,
                    maximum: 3,
                }),
            ),
            (
                topic("d"),
                Some(4),
                Err(AliasError::Invalid {
                    alias: 4,
                    maximum: 3,
                }),
            ),
            (
                None,
                Some(u16::MAX),
                Err(AliasError::Invalid {
                    alias: u16::MAX,
                    maximum: 3,
                }),
            ),
        ] {
            assert_eq!(
                aliases.resolve(name, alias).map(|name| name.as_str()),
                expected,
                "{alias:?}"
            );
        }
    }

    #[test]
    fn without_an_announced_maximum_no_alias_is_accepted() {
        let error = InboundAliases::new(0)
            .resolve(topic("a"), Some(1))
            .unwrap_err();
        assert_eq!(
            error.reason_code(),
            mqtt_codec::ReasonCode::TopicAliasInvalid
        );
        assert_eq!(
            AliasError::Unknown.reason_code(),
            mqtt_codec::ReasonCode::ProtocolError
        );
    }

    #[test]
    fn we_give_aliases_until_the_peer_has_no_more() {
        let mut aliases = OutboundAliases::new(2);
        assert_eq!(aliases.assign("a"), Alias::New(1));
        assert_eq!(aliases.assign("a"), Alias::Known(1));
        assert_eq!(aliases.assign("b"), Alias::New(2));
        assert_eq!(aliases.assign("c"), Alias::None);
        assert_eq!(aliases.assign("b"), Alias::Known(2));
        assert_eq!(OutboundAliases::new(0).assign("a"), Alias::None);
    }

    #[test]
    fn an_alias_that_was_never_written_is_given_again() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.assign("a"), Alias::New(1));
        aliases.undo(1);
        assert_eq!(aliases.assign("b"), Alias::New(1));
        assert_eq!(aliases.assign("a"), Alias::None);
    }
}
