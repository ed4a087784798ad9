//! The options that only `mqtt-pub` has.

use std::time::Duration;

use mqtt_cli::connection_args::ConnectionArgs;
use mqtt_cli::number::{atof, atoi};
use mqtt_cli::pages;
use mqtt_cli::refusal::Refusal;
use mqtt_cli::table::{Row, Tool, ToolArgs, flag, page, value};
use mqtt_cli::topic_args::topic_name;
use mqtt_cli::words::path;

use crate::payload::{MESSAGE_BYTES_MAX, Source};

/// What was typed.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) connection: ConnectionArgs,
    pub(crate) topic: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) retain: bool,
    pub(crate) repeat: Option<u32>,
    pub(crate) repeat_delay: Duration,
}

impl Args {
    fn set_source(&mut self, source: Source) -> Result<(), Refusal> {
        if self.source.replace(source).is_some() {
            return Err(Refusal::usage(
                "Error: Only one type of message can be sent at once.",
            ));
        }
        Ok(())
    }
}

impl ToolArgs for Args {
    const TOOL: Tool = Tool {
        name: "mqtt-pub",
        original: "mosquitto_pub",
        summary: "a simple mqtt client that publishes messages on a single topic and exits.",
        usage: &[
            "[-h HOST] [-p PORT] -t TOPIC {-m TEXT | -f FILE | -s | -l | -n} [OPTIONS]",
            "-L mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC {-m TEXT | ... } [OPTIONS]",
            "--help | --version",
        ],
        notes: "\
Other than the original: -f takes pipes, and - for standard input; -l waits at its end until
every message is acknowledged, also over lost connections.
",
        invalid_id: "Error: Invalid id.",
    };

    const ROWS: &'static [Row<Self>] = &[
        value(
            &["-t", "--topic"],
            ("TOPIC", "no topic"),
            "topic to publish to",
            |args, word| {
                args.topic = Some(topic_name(word, "-t")?);
                Ok(())
            },
        ),
        value(
            &["-L", "--url"],
            ("URL", "no URL"),
            "user, password, host, port and topic in one; nothing in it is percent-decoded",
            |args, word| {
                let topic = args.connection.take_url(word)?;
                args.topic = Some(topic_name(topic, "-L topic")?);
                Ok(())
            },
        ),
        value(
            &["-m", "--message"],
            ("TEXT", "no message"),
            "this is the message",
            |args, word| {
                if word.len() > MESSAGE_BYTES_MAX {
                    return Err(Refusal::usage(
                        "Error: Message length must be less than 268435455 bytes.",
                    ));
                }
                args.set_source(Source::Text(word.to_vec()))
            },
        ),
        value(
            &["-f", "--file"],
            ("FILE", "no file"),
            "what is in the file is the message; - is standard input",
            |args, word| args.set_source(Source::File(path(word))),
        ),
        flag(
            &["-s", "--stdin-file"],
            "what comes from standard input is one message",
            |args| args.set_source(Source::Input),
        ),
        flag(
            &["-l", "--stdin-line"],
            "each line from standard input is a message, an empty line an empty one",
            |args| args.set_source(Source::Lines),
        ),
        flag(
            &["-n", "--null-message"],
            "the message is empty; with -r it clears a retained message",
            |args| args.set_source(Source::Text(Vec::new())),
        ),
        flag(
            &["-r", "--retain"],
            "the broker shall keep the message",
            |args| {
                args.retain = true;
                Ok(())
            },
        ),
        value(
            &["--repeat"],
            ("NUMBER", "no count"),
            "publish so many times (default 1); not with -l",
            |args, word| {
                let number = u32::try_from(atoi(word)).ok().filter(|number| *number > 0);
                let text = "Error: --repeat argument must be >0.";
                args.repeat = Some(number.ok_or_else(|| Refusal::usage(text))?);
                Ok(())
            },
        ),
        value(
            &["--repeat-delay"],
            ("SECONDS", "no time"),
            "time from the end of a message to the next one (default 0)",
            |args, word| {
                let delay = Duration::try_from_secs_f64(atof(word));
                let text = "Error: --repeat-delay argument must be >=0.0.";
                args.repeat_delay = delay.map_err(|_| Refusal::usage(text))?;
                Ok(())
            },
        ),
        page(
            &["--help"],
            "print this page; exit code 1",
            pages::help::<Self>,
        ),
        page(
            &["--version"],
            "print the version; exit code 1",
            pages::version::<Self>,
        ),
    ];

    fn connection(&mut self) -> &mut ConnectionArgs {
        &mut self.connection
    }

    /// Nothing: that topic and message are there is asked after the message was read.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mqtt_cli::options_file::Environment;
    use mqtt_cli::parse::parse;
    use mqtt_client::{QoS, Version};

    use super::*;

    fn args(line: &str) -> Result<Args, Refusal> {
        // Two blanks in a row are an empty word.
        let words = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        parse(words, &Environment::default())
    }

    #[test]
    fn words_are_taken_as_the_original_takes_them() {
        let args_of = |line: &str| args(line).unwrap();
        assert_eq!(args_of("-m -5").source, Some(Source::Text(b"-5".to_vec())));
        assert_eq!(args_of("-t a -t b").topic.as_deref(), Some("b"));
        assert_eq!(args_of("-p abc").connection.port, Some(0));
        assert_eq!(args_of("-q 1x").connection.qos, QoS::AtLeastOnce);
        assert_eq!(args_of("-x 0x10 -V 311").connection.version, Version::V311);
        assert_eq!(
            args_of("-x ∞ -i me").connection.session_expiry_interval,
            Some(u32::MAX)
        );
        assert_eq!(
            args_of("-D publish topic-alias 4").connection.version,
            Version::V5
        );
        let by_url = args_of("-L mqtt://me:secret@there:12/a/b -p 13");
        assert_eq!(by_url.topic.as_deref(), Some("a/b"));
        assert_eq!(by_url.connection.host, b"there");
        assert_eq!(by_url.connection.port, Some(13));
        assert_eq!(by_url.connection.password.as_deref(), Some(&b"secret"[..]));
    }

    #[test]
    fn habits_of_getopt_are_taken_where_they_were_errors_before() {
        let args = args("-drt a --port=1884 --message=x=y").unwrap();
        assert!(args.connection.debug && args.retain);
        assert_eq!(args.topic.as_deref(), Some("a"));
        assert_eq!(args.connection.port, Some(1884));
        assert_eq!(args.source, Some(Source::Text(b"x=y".to_vec())));
    }

    const MISTAKES: &[(&str, &str)] = &[
        ("-t", "Error: -t argument given but no topic specified."),
        (
            "--topic",
            "Error: -t argument given but no topic specified.",
        ),
        (
            "-V",
            "Error: --protocol-version argument given but no version specified.",
        ),
        (
            "-M",
            "Error: -M argument given but max_inflight not specified.",
        ),
        (
            "-x",
            "Error: -x argument given but no session expiry interval specified.",
        ),
        ("-k", "Error: -k argument given but no keepalive specified."),
        ("-A", "Error: -A argument given but no address specified."),
        ("-u", "Error: -u argument given but no username specified."),
        ("-P", "Error: -P argument given but no password specified."),
        ("-f", "Error: -f argument given but no file specified."),
        ("-m", "Error: -m argument given but no message specified."),
        ("-L", "Error: -L argument given but no URL specified."),
        (
            "--unix",
            "Error: --unix argument given but no socket path specified.",
        ),
        (
            "--repeat",
            "Error: --repeat argument given but no count specified.",
        ),
        (
            "--repeat-delay",
            "Error: --repeat-delay argument given but no time specified.",
        ),
        (
            "--will-topic",
            "Error: --will-topic argument given but no will topic specified.",
        ),
        (
            "--cafile",
            "Error: --cafile argument given but no file specified.",
        ),
        (
            "-m x -o",
            "Error: -o argument given but no options file specified.",
        ),
        ("-C 1", "Error: Unknown option '-C'."),
        ("-p1883", "Error: Unknown option '-p1883'."),
        ("-help", "Error: Unknown option '-help'."),
        ("-m=x", "Error: Unknown option '-m=x'."),
        ("--", "Error: Unknown option '--'."),
        ("stray", "Error: Unknown option 'stray'."),
        (
            "-i a -I b",
            "Error: -i and -I argument cannot be used together.",
        ),
        (
            "-I a -i b",
            "Error: -i and -I argument cannot be used together.",
        ),
        (
            "-n -m x",
            "Error: Only one type of message can be sent at once.",
        ),
        (
            "-m x -m y",
            "Error: Only one type of message can be sent at once.",
        ),
        ("-p 70000", "Error: Invalid port given: 70000"),
        ("-p -1", "Error: Invalid port given: -1"),
        ("-q 3", "Error: Invalid QoS given: 3"),
        (
            "-k 4",
            "Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.",
        ),
        (
            "-M 0",
            "Error: Maximum inflight messages must be greater than 0.",
        ),
        ("-V 7", "Error: Invalid protocol version argument given."),
        ("-x abc", "Error: session-expiry-interval not a number."),
        ("-x -2", "Error: session-expiry-interval out of range."),
        (
            "-x 4294967296",
            "Error: session-expiry-interval out of range.",
        ),
        ("--repeat 0", "Error: --repeat argument must be >0."),
        (
            "--repeat-delay -1",
            "Error: --repeat-delay argument must be >=0.0.",
        ),
        (
            "-t a+",
            "Error: Invalid publish topic 'a+', does it contain '+' or '#'?",
        ),
        ("-L foo://x/", "Error: Unsupported URL scheme."),
        (
            "-L mqtt://x",
            "Error: Invalid URL for -L argument specified - topic missing.",
        ),
        (
            "-L mqtt://x/",
            "Error: Invalid publish topic '', does it contain '+' or '#'?",
        ),
        (
            "--will-topic a+",
            "Error: Invalid will topic 'a+', does it contain '+' or '#'?",
        ),
        ("--will-qos 3", "Error: Invalid will QoS 3."),
        (
            "--will-payload x --will-retain",
            "Error: Will payload given, but no will topic given.",
        ),
        (
            "--will-retain",
            "Error: Will retain given, but no will topic given.",
        ),
        (
            "-c",
            "Error: You must provide a client id if you are using the -c option.",
        ),
        (
            "-c -I x",
            "Error: You must provide a client id if you are using the -c option.",
        ),
        (
            "-c -V 5",
            "Error: You must provide a client id if you are using an infinite session expiry interval.",
        ),
        (
            "-x -1",
            "Error: You must provide a client id if you are using an infinite session expiry interval.",
        ),
        (
            "-x 5 -D connect session-expiry-interval 5",
            "Unable to connect (Duplicate property in property list).",
        ),
        (
            "-D publish topic-alias 1 -D publish topic-alias 1",
            "Error in PUBLISH properties: Duplicate property in property list",
        ),
        (
            "-D connect receive-maximum 1 -V 311",
            "Unable to connect (This feature is not supported).",
        ),
    ];

    #[test]
    fn mistakes_are_answered_with_the_texts_of_the_original() {
        for (line, text) in MISTAKES {
            assert_eq!(args(line).unwrap_err(), Refusal::usage(*text), "{line}");
        }
    }

    #[test]
    fn tls_and_its_like_are_refused_and_never_ignored() {
        for (line, option) in [
            ("--cafile x", "--cafile"),
            ("--insecure", "--insecure"),
            ("--ws", "--ws"),
            ("--proxy socks5h://x", "--proxy"),
            ("-S", "-S"),
            ("-L mqtts://h/t", "a URL with mqtts://"),
        ] {
            assert_eq!(args(line).unwrap_err(), Refusal::not_yet(option), "{line}");
        }
    }

    #[test]
    fn pages_end_the_parsing() {
        assert!(matches!(args("--help --nonsense"), Err(Refusal::Page(_))));
        let Err(Refusal::Page(version)) = args("--version") else {
            panic!()
        };
        assert!(version.starts_with("mqtt-pub version "));
        assert!(version.contains(" running on "));
        assert!(matches!(args("--nonsense --help"), Err(Refusal::Usage(_))));
    }

    #[test]
    fn the_help_has_a_line_for_each_option() {
        let help = pages::help::<Args>();
        for row in Args::ROWS {
            assert!(
                help.contains(&format!("\n {}", row.names.join(", "))),
                "{:?}",
                row.names
            );
        }
        assert!(help.starts_with("mqtt-pub is "));
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }

    #[test]
    fn an_options_file_comes_first_and_the_command_line_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mosquitto_pub");
        std::fs::write(&file, "# mine\n-h there\n  -m two words \n-r\n").unwrap();
        let environment = Environment {
            config_home: Some(folder.path().into()),
            home: None,
        };
        let words = |line: &str| {
            line.split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect()
        };
        let args: Args = parse(words("-h here -t a"), &environment).unwrap();
        assert_eq!(args.connection.host, b"here");
        assert_eq!(args.source, Some(Source::Text(b"two words ".to_vec())));
        assert!(args.retain);
        let refused = parse::<Args>(words("-m x"), &environment).unwrap_err();
        assert_eq!(
            refused,
            Refusal::usage("Error: Only one type of message can be sent at once.")
        );
        std::fs::write(&file, "-D publish content-type x\n").unwrap();
        let refused = parse::<Args>(words("-m x"), &environment).unwrap_err();
        assert_eq!(
            refused,
            Refusal::usage("Error: --property argument given but not enough arguments specified.")
        );
    }
}
