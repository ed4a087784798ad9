//! `-L mqtt://[user[:password]@]host[:port]/topic`.

use crate::number::atoi;
use crate::refusal::Refusal;

/// What a URL says, as the bytes that stand in it: nothing is percent-decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) user_name: Option<&'a [u8]>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) host: &'a [u8],
    pub(crate) port: Option<i32>,
    pub(crate) topic: &'a [u8],
}

impl<'a> Url<'a> {
    /// Takes a URL apart. More than the original it knows IPv6 in brackets and, by splitting at
    /// the last `@`, passwords with an `@`; both only failed before.
    pub(crate) fn parse(word: &'a [u8]) -> Result<Self, Refusal> {
        let unsupported = || Refusal::usage("Error: Unsupported URL scheme.");
        let (scheme, rest) = split_at(word, b"://").ok_or_else(unsupported)?;
        if !scheme.eq_ignore_ascii_case(b"mqtt") {
            return Err(match scheme.to_ascii_lowercase().as_slice() {
                b"mqtts" => Refusal::not_yet("a URL with mqtts://"),
                b"ws" => Refusal::not_yet("a URL with ws://"),
                b"wss" => Refusal::not_yet("a URL with wss://"),
                _ => unsupported(),
            });
        }
        let Some((authority, topic)) = split_at(rest, b"/") else {
            let text = "Error: Invalid URL for -L argument specified - topic missing.";
            return Err(Refusal::usage(text));
        };
        let (user, host) = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => (
                authority.get(..at),
                authority.get(at + 1..).unwrap_or_default(),
            ),
            None => (None, authority),
        };
        let (user_name, password) = match user.map(|user| (user, split_at(user, b":"))) {
            Some((_, Some((name, password)))) => (Some(name), Some(password)),
            Some((name, None)) => (Some(name), None),
            None => (None, None),
        };
        let (host, port) = host_and_port(host);
        Ok(Self {
            user_name,
            password,
            host,
            port,
            topic,
        })
    }
}

fn host_and_port(text: &[u8]) -> (&[u8], Option<i32>) {
    if let Some((host, rest)) = text
        .strip_prefix(b"[")
        .and_then(|text| split_at(text, b"]"))
    {
        return (host, rest.strip_prefix(b":").map(atoi));
    }
    match split_at(text, b":") {
        Some((host, port)) => (host, Some(atoi(port))),
        None => (text, None),
    }
}

/// What stands before and behind the first `separator`.
fn split_at<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = text
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((text.get(..start)?, text.get(start + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_the_original_does() {
        for (url, user_name, password, host, port, topic) in [
            ("mqtt://h/t", None, None, "h", None, "t"),
            ("MQTT://h:12//a?x=1", None, None, "h", Some(12), "/a?x=1"),
            ("mqtt://u@h/", Some("u"), None, "h", None, ""),
            (
                "mqtt://u:p:q@h:x/t/u",
                Some("u"),
                Some("p:q"),
                "h",
                Some(0),
                "t/u",
            ),
            (
                "mqtt://u:p%40@h:/t",
                Some("u"),
                Some("p%40"),
                "h",
                Some(0),
                "t",
            ),
            ("mqtt://u:p@q@h/t", Some("u"), Some("p@q"), "h", None, "t"),
            ("mqtt://[::1]:1884/t", None, None, "::1", Some(1884), "t"),
            ("mqtt://[::1]/t", None, None, "::1", None, "t"),
        ] {
            let expected = Url {
                user_name: user_name.map(str::as_bytes),
                password: password.map(str::as_bytes),
                host: host.as_bytes(),
                port,
                topic: topic.as_bytes(),
            };
            assert_eq!(Url::parse(url.as_bytes()), Ok(expected), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, expected) in [
            (
                "http://h/t",
                Refusal::usage("Error: Unsupported URL scheme."),
            ),
            ("h/t", Refusal::usage("Error: Unsupported URL scheme.")),
            (
                "mqtt://h",
                Refusal::usage("Error: Invalid URL for -L argument specified - topic missing."),
            ),
            ("MQTTS://h/t", Refusal::not_yet("a URL with mqtts://")),
        ] {
            assert_eq!(Url::parse(url.as_bytes()), Err(expected), "{url}");
        }
    }
}
