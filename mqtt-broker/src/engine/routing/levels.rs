//! A topic name or filter, level by level (MQTT 5, 4.7.1.1).

use mqtt_codec::{TopicFilter, TopicName};

/// Levels of a name or filter that are still to be gone through: none, or a text, which may be one
/// empty level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Levels<'a>(Option<&'a str>);

impl<'a> Levels<'a> {
    /// The levels of a text; an empty text is an empty level.
    pub(super) fn new(text: &'a str) -> Self {
        Self(Some(text))
    }

    /// The levels of a topic name.
    pub(super) fn of_name(name: TopicName<'a>) -> Self {
        Self::new(name.as_str())
    }

    /// The levels of a filter without the `#` at its end, and whether there was one.
    pub(super) fn of_filter(filter: TopicFilter<'a>) -> (Self, bool) {
        let text = filter.as_str();
        if text == "#" {
            return (Self(None), true);
        }
        match text.strip_suffix("/#") {
            Some(levels) => (Self::new(levels), true),
            None => (Self::new(text), false),
        }
    }

    /// Whether there are none.
    pub(super) fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// The levels as they are written; nothing if there are none.
    pub(super) fn as_str(self) -> &'a str {
        self.0.unwrap_or_default()
    }

    /// The first level, and those below it.
    pub(super) fn split_first(self) -> Option<(&'a str, Self)> {
        let text = self.0?;
        Some(match text.split_once('/') {
            Some((level, below)) => (level, Self::new(below)),
            None => (text, Self(None)),
        })
    }

    /// Without its first levels, which are `length` bytes.
    pub(super) fn skip(self, length: usize) -> Self {
        Self(self.0.and_then(|text| text.get(length + 1..)))
    }

    /// Whether it begins with these levels.
    pub(super) fn begins_with(self, levels: &str) -> bool {
        let rest = self.0.and_then(|text| text.strip_prefix(levels));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What follows these levels, if it begins with them.
    pub(super) fn after(self, levels: &str) -> Option<Self> {
        self.begins_with(levels).then(|| self.skip(levels.len()))
    }

    /// The levels at its front that are those of `other` too; at least the first has to be.
    pub(super) fn shared_with(self, other: &str) -> &'a str {
        let text = self.as_str();
        let both = text.split('/').zip(other.split('/'));
        let same = both.take_while(|(one, other)| one == other);
        let length: usize = same.map(|(level, _)| level.len() + 1).sum();
        text.get(..length.saturating_sub(1)).unwrap_or(text)
    }

    /// What of `name` lies below these levels of a filter, if they match.
    pub(super) fn matched_by(self, mut name: Levels<'_>) -> Option<Levels<'_>> {
        let mut filter = self;
        while let Some((level, below)) = filter.split_first() {
            let (named, rest) = name.split_first()?;
            if level != "+" && level != named {
                return None;
            }
            filter = below;
            name = rest;
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_level_is_a_level() {
        let none = Levels(None);
        assert_eq!(
            Levels::new("a/").split_first(),
            Some(("a", Levels::new("")))
        );
        assert_eq!(Levels::new("").split_first(), Some(("", none)));
        assert_eq!(none.split_first(), None);
        assert_eq!(Levels::new("/x").after(""), Some(Levels::new("x")));
        assert_eq!(Levels::new("a").after("a"), Some(none));
        assert_eq!(Levels::new("ab/c").after("a"), None);
        for (filter, levels, hash) in [
            ("#", None, true),
            ("/#", Some(""), true),
            ("/", Some("/"), false),
        ] {
            let filter = TopicFilter::parse(filter).unwrap();
            assert_eq!(Levels::of_filter(filter), (Levels(levels), hash));
        }
    }

    #[test]
    fn levels_are_shared_as_a_whole() {
        for (one, other, shared) in [
            ("a/b/c", "a/b/d", "a/b"),
            ("a/b", "a/b/d", "a/b"),
            ("a/bc", "a/b", "a"),
            ("/x", "/y", ""),
            ("//x", "//", "/"),
            ("a//", "a/", "a/"),
        ] {
            assert_eq!(Levels::new(one).shared_with(other), shared, "{one} {other}");
        }
    }

    #[test]
    fn a_name_goes_on_where_the_levels_of_a_filter_end() {
        let below = |filter, name| Levels::new(filter).matched_by(Levels::new(name));
        assert_eq!(below("a/+", "a/b/c"), Some(Levels::new("c")));
        assert_eq!(below("+", "a"), Some(Levels(None)));
        assert_eq!(below("+/+", "a"), None);
        assert_eq!(below("a", "ab"), None);
        assert_eq!(
            Levels(None).matched_by(Levels::new("")),
            Some(Levels::new(""))
        );
    }
}
