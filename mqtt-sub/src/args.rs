//! The options that only `mqtt-sub` has.

use std::path::PathBuf;
use std::time::Duration;

use mqtt_cli::connection_args::ConnectionArgs;
use mqtt_cli::number::{atof, atoi};
use mqtt_cli::pages;
use mqtt_cli::refusal::Refusal;
use mqtt_cli::table::{Row, Tool, ToolArgs, flag, page, value};
use mqtt_cli::topic_args::topic_filter;
use mqtt_cli::words::{path, shown};
use mqtt_client::RetainHandling;

/// The original prints a tenth of what it was asked for, so that its users ask for ten times it.
const CHANCE_MAX: f64 = 1_000.0;

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) connection: ConnectionArgs,
    pub(crate) filters: Vec<String>,
    pub(crate) filters_out: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) count: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) exit_after_suback: bool,
    pub(crate) no_retained: bool,
    pub(crate) retained_only: bool,
    pub(crate) remove_retained: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: Option<RetainHandling>,
    /// Percent of the messages to print.
    pub(crate) chance: Option<f64>,
    pub(crate) verbose: bool,
    pub(crate) no_line_end: bool,
    pub(crate) format: Option<Vec<u8>>,
    pub(crate) pretty: bool,
    pub(crate) watch: bool,
    pub(crate) message_rate: bool,
    pub(crate) ready_file: Option<PathBuf>,
}

impl ToolArgs for Args {
    const TOOL: Tool = Tool {
        name: "mqtt-sub",
        original: "mosquitto_sub",
        summary: "a simple mqtt client that subscribes to topics and prints all messages it receives.",
        usage: &[
            "[-h HOST] [-p PORT] {-t FILTER... | -U FILTER...} [OPTIONS]",
            "-L mqtt://[USER[:PASSWORD]@]HOST[:PORT]/FILTER [OPTIONS]",
            "--help | --version",
        ],
        notes: "\
Format of -F: %t topic, %p payload, %x %X payload in hexadecimal, %f %d payload as 4 or 8 bytes of
a binary number, %l length, %q QoS, %r retain, %m packet identifier, %A topic alias, %C content
type, %D correlation data, %E message expiry, %F payload format, %P user properties, %R response
topic, %S subscription identifier, %I and %U time, %j JSON, %J JSON with the payload as JSON,
@X what strftime makes of %X, @N nanoseconds, \\\\ \\0 \\a \\e \\n \\r \\t \\v.

Other than the original: --random-filter 100 prints everything; --remove-retained ends with -C and
--retained-only once the broker has confirmed; %j of a payload that is no text adds the member
payload_base64 and stays valid JSON.
",
        invalid_id: "Error: Invalid id and/or clean_session.",
    };

    const ROWS: &'static [Row<Self>] = ROWS;

    fn connection(&mut self) -> &mut ConnectionArgs {
        &mut self.connection
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.filters.is_empty() && self.unsubscribe.is_empty() {
            return Err(Refusal::usage(
                "Error: You must specify a topic to subscribe to (-t) or unsubscribe from (-U).",
            ));
        }
        if self.no_retained && self.retained_only {
            return Err(Refusal::usage(
                "Error: Combining '-R' and '--retained-only' makes no sense.",
            ));
        }
        Ok(())
    }
}

const ROWS: &[Row<Args>] = &[
    value(
        &["-t", "--topic"],
        ("FILTER", "no topic"),
        "subscribe to this; may be repeated",
        |args, word| {
            args.filters.push(topic_filter(word, "subscription", "-t")?);
            Ok(())
        },
    ),
    value(
        &["-L", "--url"],
        ("URL", "no URL"),
        "user, password, host, port and filter in one; nothing in it is percent-decoded",
        |args, word| {
            let filter = args.connection.take_url(word)?;
            args.filters
                .push(topic_filter(filter, "subscription", "-L topic")?);
            Ok(())
        },
    ),
    value(
        &["-T", "--filter-out"],
        ("FILTER", "no topic filter"),
        "drop messages that match this; may be repeated",
        |args, word| {
            args.filters_out.push(topic_filter(word, "filter", "-T")?);
            Ok(())
        },
    ),
    value(
        &["-U", "--unsubscribe"],
        ("FILTER", "no unsubscribe topic"),
        "end this subscription of a session that was kept; may be repeated",
        |args, word| {
            args.unsubscribe
                .push(topic_filter(word, "unsubscribe", "-U")?);
            Ok(())
        },
    ),
    value(
        &["-C"],
        ("NUMBER", "no count"),
        "end after so many messages",
        |args, word| {
            let number = atoi(word);
            let text = || Refusal::usage(format!("Error: Invalid message count \"{number}\"."));
            args.count = Some(
                u32::try_from(number)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or_else(text)?,
            );
            Ok(())
        },
    ),
    value(
        &["-W"],
        ("SECONDS", "no timeout"),
        "end after this time with exit code 27; 255 if the broker has not accepted us by then",
        |args, word| {
            let number = atoi(word);
            let text = || Refusal::usage(format!("Error: Invalid timeout \"{number}\"."));
            let seconds = u64::try_from(number).ok().filter(|seconds| *seconds > 0);
            args.timeout = Some(Duration::from_secs(seconds.ok_or_else(text)?));
            Ok(())
        },
    ),
    flag(
        &["-E"],
        "end when the broker has answered the subscription",
        |args| {
            args.exit_after_suback = true;
            Ok(())
        },
    ),
    flag(&["-R"], "no retained messages", |args| {
        args.no_retained = true;
        // The original asks a broker of MQTT 5 not to send any. An order of the two options that
        // makes it ask for nonsense is not copied.
        args.retain_handling = Some(RetainHandling::Never);
        Ok(())
    }),
    flag(
        &["--retained-only"],
        "retained messages only; the first other one is the end",
        |args| {
            args.retained_only = true;
            Ok(())
        },
    ),
    flag(
        &["--remove-retained"],
        "clear every retained message that is received",
        |args| {
            args.remove_retained = true;
            Ok(())
        },
    ),
    flag(
        &["--retain-as-published"],
        "keep the retain flag as it was published (MQTT 5)",
        |args| {
            args.retain_as_published = true;
            Ok(())
        },
    ),
    value(
        &["--retain-handling"],
        ("WHEN", "no option"),
        "retained messages: always (default), new (new subscriptions only), never (MQTT 5)",
        |args, word| {
            args.retain_handling = Some(match shown(word).as_str() {
                "always" => RetainHandling::Always,
                "new" => RetainHandling::IfNew,
                "never" => RetainHandling::Never,
                word => {
                    let text = format!("Error: Unknown value '{word}' for --retain-handling.");
                    return Err(Refusal::usage(text));
                }
            });
            Ok(())
        },
    ),
    value(
        &["--random-filter"],
        ("PERCENT", "no chance"),
        "print only so many of a hundred messages, by chance; 100 is all",
        |args, word| {
            let chance = atof(word);
            if !(0.1..=CHANCE_MAX).contains(&chance) {
                return Err(Refusal::usage(
                    "Error: --random-filter chance must be between 0.1-100.0",
                ));
            }
            args.chance = Some(chance);
            Ok(())
        },
    ),
    flag(&["-v", "--verbose"], "print topic and payload", |args| {
        args.verbose = true;
        Ok(())
    }),
    flag(&["-N"], "no line end after a message", |args| {
        args.no_line_end = true;
        Ok(())
    }),
    value(
        &["-F"],
        ("FORMAT", "no format"),
        "print messages like this, see below",
        |args, word| {
            args.format = Some(word.to_vec());
            // The rest of the words may set --pretty, but what is wrong is told here and now.
            mqtt_cli::format::Format::parse(word, false)
                .map(drop)
                .map_err(|error| Refusal::usage(error.to_string()))
        },
    ),
    flag(&["--pretty"], "indent the JSON of %j and %J", |args| {
        args.pretty = true;
        Ok(())
    }),
    flag(
        &["-w", "--watch"],
        "a fixed line of the screen for each topic",
        |args| {
            args.watch = true;
            Ok(())
        },
    ),
    flag(
        &["--message-rate"],
        "print nothing but the number of messages of each second",
        |args| {
            args.message_rate = true;
            Ok(())
        },
    ),
    value(
        &["--ready-file"],
        ("FILE", "no file"),
        "write this file once the broker has answered the subscription",
        |args, word| {
            args.ready_file = Some(path(word));
            Ok(())
        },
    ),
    page(
        &["--help"],
        "print this page; exit code 1",
        pages::help::<Args>,
    ),
    page(
        &["--version"],
        "print the version; exit code 1",
        pages::version::<Args>,
    ),
];

#[cfg(test)]
mod tests {
    use mqtt_cli::options_file::Environment;
    use mqtt_cli::parse::parse;

    use super::*;

    fn args(line: &str) -> Result<Args, Refusal> {
        let words = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        parse(words, &Environment::default())
    }

    #[test]
    fn topics_add_up_whatever_option_they_come_from() {
        let args = args("-t a -L mqtt://h/b/# -t c -T x -T y -U u").unwrap();
        assert_eq!(args.filters, ["a", "b/#", "c"]);
        assert_eq!(args.filters_out, ["x", "y"]);
        assert_eq!(args.unsubscribe, ["u"]);
    }

    #[test]
    fn values_are_kept() {
        let args =
            args("-t a -C 3x -W 5 -R --retain-handling new --random-filter 50.5 -Nvw").unwrap();
        assert_eq!(
            (args.count, args.timeout),
            (Some(3), Some(Duration::from_secs(5)))
        );
        assert_eq!(args.retain_handling, Some(RetainHandling::IfNew));
        assert_eq!(args.chance, Some(50.5));
        assert!(args.no_line_end && args.verbose && args.watch && args.no_retained);
    }

    #[test]
    fn mistakes_are_answered_with_the_texts_of_the_original() {
        const NO_TOPIC: &str =
            "Error: You must specify a topic to subscribe to (-t) or unsubscribe from (-U).";
        for (line, text) in [
            ("-t", "Error: -t argument given but no topic specified."),
            ("-W", "Error: -W argument given but no timeout specified."),
            ("-C", "Error: -C argument given but no count specified."),
            ("-F", "Error: -F argument given but no format specified."),
            (
                "-U",
                "Error: -U argument given but no unsubscribe topic specified.",
            ),
            (
                "-T",
                "Error: -T argument given but no topic filter specified.",
            ),
            (
                "--retain-handling",
                "Error: --retain-handling argument given but no option specified.",
            ),
            (
                "--random-filter",
                "Error: --random-filter argument given but no chance specified.",
            ),
            ("-C 0", "Error: Invalid message count \"0\"."),
            ("-W 0", "Error: Invalid timeout \"0\"."),
            ("-W -3", "Error: Invalid timeout \"-3\"."),
            (
                "-t a+",
                "Error: Invalid subscription topic 'a+', are all '+' and '#' wildcards correct?",
            ),
            (
                "-T a+",
                "Error: Invalid filter topic 'a+', are all '+' and '#' wildcards correct?",
            ),
            (
                "-U a+",
                "Error: Invalid unsubscribe topic 'a+', are all '+' and '#' wildcards correct?",
            ),
            (
                "--random-filter 0",
                "Error: --random-filter chance must be between 0.1-100.0",
            ),
            (
                "--random-filter 1001",
                "Error: --random-filter chance must be between 0.1-100.0",
            ),
            (
                "--retain-handling x",
                "Error: Unknown value 'x' for --retain-handling.",
            ),
            ("-F %", "Error: Incomplete format specifier."),
            ("-F %y", "Error: Invalid format specifier 'y'."),
            ("-F \\q", "Error: Invalid escape specifier 'q'."),
            ("-i x", NO_TOPIC),
            ("-T x", NO_TOPIC),
            (
                "-t a -R --retained-only",
                "Error: Combining '-R' and '--retained-only' makes no sense.",
            ),
            ("-m x", "Error: Unknown option '-m'."),
            ("-r", "Error: Unknown option '-r'."),
        ] {
            assert_eq!(args(line).unwrap_err(), Refusal::usage(text), "{line}");
        }
    }

    #[test]
    fn the_help_has_a_line_for_each_option() {
        let help = pages::help::<Args>();
        for row in ROWS {
            assert!(
                help.contains(&format!("\n {}", row.names.join(", "))),
                "{:?}",
                row.names
            );
        }
        assert!(help.contains("100 is all"));
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}
