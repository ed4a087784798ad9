//! Topic names and topic filters: checked once, matched level by level (MQTT 5, 4.7 and 4.8).

use core::fmt;

use crate::TopicError;

/// Bytes of the longest topic [MQTT-4.7.3-3].
const MAX_LEN: usize = 65_535;

/// Topic name that a message is published to: not empty, no wildcard, no NUL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks a text and takes it for a topic name.
    ///
    /// # Errors
    /// Empty, too long, a wildcard or a NUL in it.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        match text.len() {
            0 => return Err(TopicError::Empty),
            1..=MAX_LEN => {}
            _ => return Err(TopicError::TooLong),
        }
        if !has_special(text.as_bytes()) {
            return Ok(Self(text));
        }
        Err(if text.contains('\0') {
            TopicError::NulCharacter
        } else {
            TopicError::WildcardInName
        })
    }

    /// Takes a text that was checked before, when it was stored. The caller vouches for it.
    #[inline]
    #[must_use]
    pub fn trusted(text: &'a str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "not a topic name: {text:?}");
        Self(text)
    }

    /// The text itself.
    #[inline]
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether wildcards at the front of a filter pass the name by [MQTT-4.7.2-1].
    #[inline]
    #[must_use]
    pub fn starts_with_dollar(self) -> bool {
        self.0.as_bytes().first() == Some(&b'$')
    }

    /// The parts between the slashes, empty ones included.
    pub fn levels(self) -> core::str::Split<'a, char> {
        self.0.split('/')
    }
}

/// Topic filter of a subscription: wildcards only where they may stand, `$share` only when whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a text and takes it for a topic filter, shared or not.
    ///
    /// # Errors
    /// Empty, too long, a NUL in it, a wildcard out of place, an incomplete `$share/name/filter`.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        match text.len() {
            0 => return Err(TopicError::Empty),
            1..=MAX_LEN => {}
            _ => return Err(TopicError::TooLong),
        }
        let levels = if text == "$share" || text.starts_with(SHARE) {
            split_share(text).ok_or(TopicError::InvalidShare)?.1
        } else {
            text
        };
        if text.contains('\0') {
            return Err(TopicError::NulCharacter);
        }
        if !wildcards_fill_levels(levels) {
            return Err(TopicError::MisplacedWildcard);
        }
        Ok(Self(text))
    }

    /// Takes a text that was checked before, when it was stored. The caller vouches for it.
    #[inline]
    #[must_use]
    pub fn trusted(text: &'a str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "not a topic filter: {text:?}");
        Self(text)
    }

    /// The text itself, with `$share/name/` where it is shared.
    #[inline]
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether `+` or `#` stands in it; without one it matches its own text alone.
    #[inline]
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(|byte| byte == b'+' || byte == b'#')
    }

    /// Whether it is `$share/name/filter`; [`SharedFilter::parse`] takes it apart.
    #[inline]
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.0.starts_with(SHARE)
    }

    /// The parts between the slashes, empty ones included; `$share` and the name count as parts.
    pub fn levels(self) -> core::str::Split<'a, char> {
        self.0.split('/')
    }

    /// Whether a message published to that name is for a subscription with this filter.
    ///
    /// A shared filter matches by its filter part.
    #[must_use]
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        let filter = SharedFilter::parse(self).map_or(self.0, |shared| shared.filter.0);
        // [MQTT-4.7.2-1] a wildcard at the front passes names like `$SYS/...` by
        if topic.starts_with_dollar() && !filter.starts_with('$') {
            return false;
        }
        let mut names = topic.levels();
        for level in filter.split('/') {
            match (level, names.next()) {
                ("#", _) => return true, // [MQTT-4.7.1-2] the parent level too
                (_, None) => return false,
                ("+", Some(_)) => {}
                (level, Some(name)) if level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

/// The two parts of a shared subscription's filter (MQTT 5, 4.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedFilter<'a> {
    /// Name of the group; never empty, no `/`, `+` or `#` in it.
    pub share_name: &'a str,
    /// Filter that messages are matched with.
    pub filter: TopicFilter<'a>,
}

impl<'a> SharedFilter<'a> {
    /// Takes `$share/name/filter` apart; `None` for a filter that is not shared.
    #[inline]
    #[must_use]
    pub fn parse(filter: TopicFilter<'a>) -> Option<Self> {
        let (share_name, rest) = split_share(filter.0)?;
        Some(Self {
            share_name,
            filter: TopicFilter(rest),
        })
    }
}

/// What every shared filter begins with.
pub(crate) const SHARE: &str = "$share/";

/// Name and filter of a whole `$share/name/filter`.
fn split_share(text: &str) -> Option<(&str, &str)> {
    let (share_name, filter) = text.strip_prefix(SHARE)?.split_once('/')?;
    let named = !share_name.is_empty() && !share_name.contains(['+', '#']);
    (named && !filter.is_empty()).then_some((share_name, filter))
}

/// [MQTT-4.7.1-1] `#` fills the last level, [MQTT-4.7.1-2] `+` fills any.
fn wildcards_fill_levels(text: &str) -> bool {
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.contains(['+', '#']),
        };
        if !alone {
            return false;
        }
    }
    true
}

/// Whether a byte is one that no topic name holds: NUL or a wildcard. Without an early end, so
/// that it runs many bytes at a time.
#[inline(always)]
pub(crate) fn has_special(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| {
        found | matches!(byte, 0 | b'+' | b'#')
    })
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::parse(filter)
            .unwrap()
            .matches(TopicName::parse(topic).unwrap())
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/ranking",
                true,
            ),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
                true,
            ),
            ("sport/#", "sport", true),
            ("sport/#", "sport/", true),
            ("sport/#", "sports", false),
            ("#", "/", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("a//b", "a//b", true),
            ("a/+/b", "a//b", true),
            ("a/b", "a/B", false),
            ("a/b", "a/b/", false),
            ("+/b/#", "a/b/c/d", true),
            // [MQTT-4.7.2-1]
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/#", "$SYS", true),
            ("$SYS/+/x", "$SYS/a/x", true),
            ("+/$a", "b/$a", true),
            // The filter part is what matches, and the rule for `$` holds for it too.
            ("$share/g/a/+", "a/b", true),
            ("$share/g/a/+", "$share/g/a/b", false),
            ("$share/g/#", "$SYS/uptime", false),
            ("$share/g//finance", "/finance", true),
            ("$sharex/g", "$sharex/g", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
        }
    }

    #[test]
    fn malformed_filters_are_told_apart() {
        for (text, expected) in [
            ("", Some(TopicError::Empty)),
            ("a\0b", Some(TopicError::NulCharacter)),
            ("sport/tennis#", Some(TopicError::MisplacedWildcard)), // [MQTT-4.7.1-1]
            ("sport/#/ranking", Some(TopicError::MisplacedWildcard)),
            ("sport+", Some(TopicError::MisplacedWildcard)), // [MQTT-4.7.1-2]
            ("a/+b/c", Some(TopicError::MisplacedWildcard)),
            ("##", Some(TopicError::MisplacedWildcard)),
            ("$share", Some(TopicError::InvalidShare)),
            ("$share/", Some(TopicError::InvalidShare)),
            ("$share/g", Some(TopicError::InvalidShare)),
            ("$share/g/", Some(TopicError::InvalidShare)),
            ("$share//x", Some(TopicError::InvalidShare)),
            ("$share/+/x", Some(TopicError::InvalidShare)),
            ("$share/g#/x", Some(TopicError::InvalidShare)),
            ("$share/g/x#", Some(TopicError::MisplacedWildcard)),
            ("$share/g//finance", None),
            ("$shared", None),
            ("#", None),
            ("+", None),
            ("+/tennis/#", None),
            ("//", None),
            (" ", None),
        ] {
            assert_eq!(TopicFilter::parse(text).err(), expected, "{text:?}");
        }
        assert_eq!(
            TopicFilter::parse(&"a".repeat(65_536)),
            Err(TopicError::TooLong)
        );
        assert!(TopicFilter::parse(&"/".repeat(65_535)).is_ok());
    }

    #[test]
    fn topic_names_have_neither_wildcards_nor_nul() {
        for (text, expected) in [
            ("", Some(TopicError::Empty)),
            ("a/+", Some(TopicError::WildcardInName)),
            ("a#", Some(TopicError::WildcardInName)),
            ("a\0", Some(TopicError::NulCharacter)),
            ("/", None),
            ("$SYS/a", None),
            ("\u{1}\u{feff}", None),
        ] {
            assert_eq!(TopicName::parse(text).err(), expected, "{text:?}");
        }
        assert_eq!(
            TopicName::parse(&"a".repeat(65_536)),
            Err(TopicError::TooLong)
        );
    }

    #[test]
    fn a_shared_filter_comes_apart() {
        let filter = TopicFilter::parse("$share/group/a/#").unwrap();
        let shared = SharedFilter::parse(filter).unwrap();
        assert_eq!(
            (shared.share_name, shared.filter.as_str()),
            ("group", "a/#")
        );
        assert!(filter.is_shared() && filter.has_wildcard());
        assert_eq!(
            SharedFilter::parse(TopicFilter::parse("a/b").unwrap()),
            None
        );
    }

    /// The rules of 4.7 word by word, a level at a time.
    fn naive(filter: &[&str], topic: &[&str]) -> bool {
        match (filter.split_first(), topic.split_first()) {
            (Some((&"#", _)), _) => true,
            (Some((&"+", filter)), Some((_, topic))) => naive(filter, topic),
            (Some((level, filter)), Some((name, topic))) => level == name && naive(filter, topic),
            (None, None) => true,
            _ => false,
        }
    }

    fn joined(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(levels), 1..6).prop_map(|it| it.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn matching_agrees_with_the_naive_matcher(
            filter in joined(&["", "a", "b", "+", "+", "#", "$s"]),
            topic in joined(&["", "a", "b", "$s"]),
        ) {
            let (Ok(filter), Ok(topic)) = (TopicFilter::parse(&filter), TopicName::parse(&topic))
            else {
                return Ok(());
            };
            let filter_levels: Vec<&str> = filter.levels().collect();
            let topic_levels: Vec<&str> = topic.levels().collect();
            let leading = matches!(filter_levels[0], "+" | "#");
            let expected =
                naive(&filter_levels, &topic_levels) && !(leading && topic.starts_with_dollar());
            prop_assert_eq!(filter.matches(topic), expected);
            let shared = alloc::format!("$share/g/{filter}");
            prop_assert_eq!(TopicFilter::parse(&shared).unwrap().matches(topic), expected);
        }

        #[test]
        fn any_text_is_judged_and_never_panics(text in any::<String>()) {
            if TopicName::parse(&text).is_ok() && !text.starts_with("$share") {
                prop_assert!(matches(&text, &text) || text.starts_with('$'));
            }
            if let Ok(filter) = TopicFilter::parse(&text) {
                prop_assert_eq!(filter.is_shared(), SharedFilter::parse(filter).is_some());
            }
        }
    }
}
