//! Topics a person typed: the checks of the original tools, which are stricter than the standard.

use mqtt_codec::{TopicFilter, TopicName};

use crate::refusal::Refusal;

/// Slashes in a topic that the original tools and broker still accept.
const SLASHES_MAX: usize = 200;

/// Why a word is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Text,
    Topic,
}

/// Checks a topic to publish to, `option` (as the error shows it) says where it was given.
///
/// # Errors
/// Malformed UTF-8 or a control character; empty, a wildcard, too long or too many levels.
pub fn topic_name(word: &[u8], option: &str) -> Result<String, Refusal> {
    checked(word, |text| TopicName::parse(text).is_ok()).map_err(|fault| {
        let says = |text: &str| {
            format!("Error: Invalid publish topic '{text}', does it contain '+' or '#'?")
        };
        refusal(fault, word, option, says)
    })
}

/// Checks the topic of a will.
///
/// # Errors
/// As [`topic_name`].
pub fn will_topic(word: &[u8]) -> Result<String, Refusal> {
    checked(word, |text| TopicName::parse(text).is_ok()).map_err(|fault| {
        let says =
            |text: &str| format!("Error: Invalid will topic '{text}', does it contain '+' or '#'?");
        refusal(fault, word, "--will-topic", says)
    })
}

/// Checks a filter; `what` is "subscription", "filter" or "unsubscribe".
///
/// # Errors
/// Malformed UTF-8 or a control character; empty, a wildcard out of place, too long or too many
/// levels.
pub fn topic_filter(word: &[u8], what: &str, option: &str) -> Result<String, Refusal> {
    checked(word, |text| TopicFilter::parse(text).is_ok()).map_err(|fault| {
        let says = |text: &str| {
            format!("Error: Invalid {what} topic '{text}', are all '+' and '#' wildcards correct?")
        };
        refusal(fault, word, option, says)
    })
}

/// Text as the original tools accept it: UTF-8 without control characters, NUL or non-characters.
#[must_use]
pub fn mqtt_text(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word).ok()?;
    let sound = |sign: char| !sign.is_control() && !is_noncharacter(sign);
    text.chars().all(sound).then_some(text)
}

fn is_noncharacter(sign: char) -> bool {
    let number = u32::from(sign);
    (0xFDD0..=0xFDEF).contains(&number) || number & 0xFFFE == 0xFFFE
}

fn checked(word: &[u8], is_topic: impl Fn(&str) -> bool) -> Result<String, Fault> {
    // An empty word is sound text and no topic.
    let text = mqtt_text(word).ok_or(Fault::Text)?;
    let few_levels = text.bytes().filter(|byte| *byte == b'/').count() <= SLASHES_MAX;
    if few_levels && is_topic(text) {
        Ok(text.to_owned())
    } else {
        Err(Fault::Topic)
    }
}

fn refusal(fault: Fault, word: &[u8], option: &str, says: impl FnOnce(&str) -> String) -> Refusal {
    Refusal::usage(match fault {
        Fault::Text => format!("Error: Malformed UTF-8 in {option} argument."),
        Fault::Topic => says(&String::from_utf8_lossy(word)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_refused_with_the_texts_of_the_original() {
        let deep = "/".repeat(201);
        for (word, expected) in [
            (
                "a+",
                "Error: Invalid publish topic 'a+', does it contain '+' or '#'?".to_owned(),
            ),
            (
                "",
                "Error: Invalid publish topic '', does it contain '+' or '#'?".to_owned(),
            ),
            (
                &deep,
                format!("Error: Invalid publish topic '{deep}', does it contain '+' or '#'?"),
            ),
            (
                "a\u{1}",
                "Error: Malformed UTF-8 in -t argument.".to_owned(),
            ),
            (
                "a\u{fffe}",
                "Error: Malformed UTF-8 in -t argument.".to_owned(),
            ),
        ] {
            assert_eq!(
                topic_name(word.as_bytes(), "-t"),
                Err(Refusal::usage(expected)),
                "{word}"
            );
        }
        assert_eq!(
            topic_name("聊天/室".as_bytes(), "-t"),
            Ok("聊天/室".to_owned())
        );
        let bytes = b"\xff";
        let expected = "Error: Malformed UTF-8 in -L topic argument.".to_owned();
        assert_eq!(topic_name(bytes, "-L topic"), Err(Refusal::usage(expected)));
    }

    #[test]
    fn filters_are_refused_with_the_texts_of_the_original() {
        for (what, option) in [
            ("subscription", "-t"),
            ("filter", "-T"),
            ("unsubscribe", "-U"),
        ] {
            let text = format!(
                "Error: Invalid {what} topic '#/a', are all '+' and '#' wildcards correct?"
            );
            assert_eq!(
                topic_filter(b"#/a", what, option),
                Err(Refusal::usage(text))
            );
            assert!(topic_filter(b"$share/group/a/+/#", what, option).is_ok());
        }
    }
}
