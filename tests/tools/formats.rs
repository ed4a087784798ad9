//! `mqtt-sub -F`: every letter, width and precision against one message.

use mqtt_tests::{Broker, Tool};

const TOPIC: &str = "house/room";

/// A broker that keeps one message with every property a publisher may set.
fn broker_with(payload: &str) -> Broker {
    let broker = Broker::start("allow_anonymous true");
    let mut words = vec!["-q", "1", "-r", "-t", TOPIC, "-m", payload];
    for property in [
        &["payload-format-indicator", "1"][..],
        &["content-type", "text/plain"],
        &["response-topic", "reply/here"],
        &["correlation-data", "corr"],
        &["user-property", "k", "v"],
        &["user-property", "k2", "v2"],
    ] {
        words.extend(["-D", "publish"]);
        words.extend(property);
    }
    let _ = Tool::publish(&broker).args(words).run().succeeded();
    broker
}

fn printed(broker: &Broker, options: &[&str]) -> String {
    let words = ["-V", "5", "-q", "1", "-t", TOPIC, "-C", "1"];
    Tool::subscribe(broker)
        .args(words)
        .args(options)
        .run()
        .succeeded()
        .text()
}

#[test]
fn every_format_prints_what_the_manual_says() {
    let broker = broker_with("hello");
    let mut wrong = Vec::new();
    for (format, expected) in [
        ("%t", "house/room"),
        ("%p", "hello"),
        ("%l", "5"),
        ("%q", "1"),
        ("%r", "1"),
        ("%%", "%"),
        ("a%tb%pc", "ahouse/roombhelloc"),
        // widths and precisions of text
        ("%12t|", "  house/room|"),
        ("%-12t|", "house/room  |"),
        ("%.5t|", "house|"),
        ("%7.5t|", "  house|"),
        ("%12C|", "  text/plain|"),
        // numbers
        ("%4l|", "   5|"),
        ("%-4l|", "5   |"),
        ("%04l|", "0005|"),
        // a payload's width also cuts
        ("%3p|", "hel|"),
        ("%8p|", "   hello|"),
        ("%-8p|", "hello   |"),
        ("%08p|", "000hello|"),
        // hexadecimal
        ("%x", "68656c6c6f"),
        ("%X", "68656C6C6F"),
        ("%.2x", "68 65 6c 6c 6f"),
        ("%.2:x", "68:65:6c:6c:6f"),
        ("%.1x", "6 8 6 5 6 c 6 c 6 f"),
        ("%12x|", "  68656c6c6f|"),
        ("%012x|", "0068656c6c6f|"),
        ("%3x|", "68656c|"),
        ("%20.2:x", "  :  :  :  :  :68:65:6c:6c:6f"),
        // properties
        ("%C", "text/plain"),
        ("%R", "reply/here"),
        ("%D", "corr"),
        ("%P", "k:v k2:v2"),
        ("%F", "1"),
        ("%A|", "|"),
        ("%5A|", "     |"),
        ("%05A|", "00000|"),
        ("%E|", "|"),
        ("%S|", "|"),
        // escapes
        (r"a\tb\\c\n", "a\tb\\c\n"),
        ("@@", "@"),
    ] {
        let text = printed(&broker, &["-F", format]);
        if text != format!("{expected}\n") {
            wrong.push(format!("{format:?} printed {text:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn times_are_printed_in_their_shape() {
    let broker = broker_with("hello");
    for (format, shape) in [
        ("%U", "##########.#########"),
        ("%I", "####-##-##T##:##:##+0000"),
        ("@Y-@m-@d @H:@M:@S.@N", "####-##-## ##:##:##.#########"),
    ] {
        let text = printed(&broker, &["-F", format]);
        // The zone of the expected text is written out: the tools run in UTC here.
        let digits_hidden: String = match text.trim_end().split_once('+') {
            Some((time, zone)) => format!("{}+{zone}", hide_digits(time)),
            None => hide_digits(text.trim_end()),
        };
        assert_eq!(digits_hidden, shape, "{format} printed {text:?}");
    }
}

fn hide_digits(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c })
        .collect()
}

#[test]
fn a_message_that_expires_shows_what_is_left_of_its_time() {
    let broker = Broker::start("allow_anonymous true");
    let words = ["-t", TOPIC, "-m", "x", "-r", "-q", "1"];
    let expiry = ["-D", "publish", "message-expiry-interval", "3600"];
    let _ = Tool::publish(&broker)
        .args(words)
        .args(expiry)
        .run()
        .succeeded();
    let left: u32 = printed(&broker, &["-F", "%E"])
        .trim()
        .parse()
        .expect("a number");
    assert!(
        (3500..=3600).contains(&left),
        "{left} of 3600 seconds are left"
    );
}

#[test]
fn j_prints_a_message_as_one_line_of_json() {
    let broker = broker_with(r#"say "hi""#);
    let text = printed(&broker, &["-F", "%j"]);
    let (time, rest) = text
        .split_once(",\"topic\"")
        .expect("the topic after the time");
    assert!(
        time.starts_with(r#"{"tst":"20"#) && time.ends_with("+0000\""),
        "{text}"
    );
    let before_id = r#":"house/room","qos":1,"retain":true,"payloadlen":8,"mid":"#;
    assert!(rest.starts_with(before_id), "{text}");
    for property in [
        r#""payload-format-indicator":1"#,
        r#""content-type":"text/plain""#,
        r#""response-topic":"reply/here""#,
        r#""correlation-data":"corr""#,
        r#""user-properties":[{"k":"v"},{"k2":"v2"}]"#,
    ] {
        assert!(rest.contains(property), "{property} in {text}");
    }
    assert!(
        text.ends_with("},\"payload\":\"say \\\"hi\\\"\"}\n"),
        "{text}"
    );
}

#[test]
fn capital_j_prints_a_payload_of_json_as_json() {
    let broker = broker_with(r#"{"t": 21.50, "list": [1.0, true, null]}"#);
    let text = printed(&broker, &["-F", "%J"]);
    assert!(
        text.ends_with(",\"payload\":{\"t\":21.5,\"list\":[1,true,null]}}\n"),
        "{text}"
    );
    let broker = broker_with("no JSON");
    let words = ["-V", "5", "-t", TOPIC, "-C", "1", "-F", "%J"];
    let outcome = Tool::subscribe(&broker).args(words).run();
    let message = "Error: Message payload is not valid JSON on topic house/room.";
    assert_eq!(outcome.failed(0, message).text(), "\n");
}

#[test]
fn f_wins_over_v_and_capital_n_drops_the_newline() {
    let broker = broker_with("hello");
    assert_eq!(printed(&broker, &["-v", "-F", "%l", "-N"]), "5");
    assert_eq!(printed(&broker, &["-F", ""]), "\n");
}
