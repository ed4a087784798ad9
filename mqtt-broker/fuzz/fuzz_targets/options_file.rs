//! Any bytes as an options file, and behind a NUL byte as words of a command line.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mqtt_cli::connection_args::ConnectionArgs;
use mqtt_cli::format::{Format, LocalTime, Printed};
use mqtt_cli::options_file::Environment;
use mqtt_cli::parse::parse;
use mqtt_cli::property_args::PropertyArgs;
use mqtt_cli::refusal::Refusal;
use mqtt_cli::table::{Kind, Row, Tool, ToolArgs, flag, value};
use mqtt_cli::topic_args::{topic_filter, topic_name};
use mqtt_codec::{Properties, QoS};

/// The parser reads the file itself, so there is one; this process writes it anew for each input.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("mqtt-options-file-{}", std::process::id());
    std::env::temp_dir().join(name)
});

/// A tool with a row of each kind.
#[derive(Default)]
struct Args {
    connection: ConnectionArgs,
    properties: PropertyArgs,
    debug: bool,
}

impl ToolArgs for Args {
    const TOOL: Tool = Tool {
        name: "mqtt-fuzz",
        original: "mosquitto_fuzz",
        summary: "takes anything.",
        usage: &[],
        notes: "",
        invalid_id: "Error: Invalid id.",
    };
    const ROWS: &'static [Row<Self>] = &[
        flag(&["-d", "--debug"], "", |args| {
            args.debug = true;
            Ok(())
        }),
        value(&["-t", "--topic"], ("TOPIC", "no topic"), "", |_, word| {
            topic_name(word, "-t").map(drop)
        }),
        value(&["-T"], ("FILTER", "no filter"), "", |_, word| {
            topic_filter(word, "filter", "-T").map(drop)
        }),
        value(&["-F"], ("FORMAT", "no format"), "", |_, word| {
            print(word);
            Ok(())
        }),
        Row {
            names: &["-D", "--property"],
            shown: "-D",
            kind: Kind::Words {
                words: "COMMAND NAME VALUE",
                set: |args, words| args.properties.take(words),
            },
            help: "",
        },
    ];

    fn connection(&mut self) -> &mut ConnectionArgs {
        &mut self.connection
    }

    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A line of a message stays in proportion to its format, whatever widths that asks for.
fn print(format: &[u8]) {
    let Ok(format) = Format::parse(format, true) else {
        return;
    };
    let message = Printed {
        topic: "sport/tennis",
        payload: b"{\"won\": [6, 1.5e3, null]}",
        qos: QoS::AtLeastOnce,
        retain: true,
        packet_id: 7,
        properties: Properties::EMPTY,
        clock: || LocalTime::from_unix(1_470_818_943, 786_368_637, 3_600),
    };
    format.render(&message, &mut Vec::new(), &mut |_| ());
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0);
    std::fs::write(&*FILE, parts.next().unwrap_or_default()).expect("a temporary file");
    let file = FILE.to_str().expect("temporary files have plain names");
    let mut words = vec![b"-o".to_vec(), file.as_bytes().to_vec()];
    // A second options file could be any file of the machine, pipes included.
    words.extend(parts.filter(|part| *part != b"-o").map(<[u8]>::to_vec));
    match parse::<Args>(words, &Environment::default()) {
        Ok(args) => {
            for block in [&args.properties.connect, &args.properties.publish] {
                let block = block.as_properties();
                let length: usize = block.iter().map(|property| property.encoded_len()).sum();
                assert_eq!(length, block.as_bytes().len());
            }
        }
        Err(refusal) => {
            let (mut out, mut error) = (Vec::new(), Vec::new());
            let _ = refusal.report::<Args>(false, &mut out, &mut error);
            assert!(
                !(out.is_empty() && error.is_empty()),
                "{refusal:?} says nothing"
            );
        }
    }
});
