//! What will be done: files read, conflicts refused.

use std::io::Read;
use std::time::Duration;

use mqtt_cli::RECEIVE_MAXIMUM;
use mqtt_cli::output::Output;
use mqtt_cli::refusal::Refusal;
use mqtt_cli::table::ToolArgs;
use mqtt_client::{Options, PropertiesBuf, QoS, Version};

use crate::args::Args;
use crate::payload::Payload;

/// All that a run needs.
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) version: Version,
    pub(crate) topic: String,
    pub(crate) payload: Payload,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) publish_properties: PropertiesBuf,
    pub(crate) disconnect_properties: PropertiesBuf,
    pub(crate) repeat: u32,
    pub(crate) repeat_delay: Duration,
    pub(crate) max_time: Option<Duration>,
    pub(crate) strict: bool,
    pub(crate) quiet: bool,
    /// Where the lines of `-d` go.
    pub(crate) output: Output,
}

impl Plan {
    /// Reads the message first, as the original does, then looks whether all is there.
    ///
    /// # Errors
    /// A message that cannot be read, no topic or no message, options that no CONNECT can carry.
    pub(crate) fn new(args: Args, input: &mut dyn Read) -> Result<Self, Refusal> {
        let payload = args
            .source
            .map(|source| Payload::read(source, input))
            .transpose()?;
        let (Some(topic), Some(payload)) = (args.topic, payload) else {
            let text = "Error: Both topic and message must be supplied.";
            return Err(Refusal::UsageWithPage(text.to_owned()));
        };
        let output = Output::default();
        let options = args
            .connection
            .options(&Args::TOOL, RECEIVE_MAXIMUM, &output)?;
        Ok(Self {
            options,
            version: args.connection.version,
            topic,
            payload,
            qos: args.connection.qos,
            retain: args.retain,
            publish_properties: args.connection.properties.publish,
            disconnect_properties: args.connection.properties.disconnect,
            repeat: args.repeat.unwrap_or(1),
            repeat_delay: args.repeat_delay,
            max_time: args.connection.max_time,
            strict: args.connection.strict,
            quiet: args.connection.quiet,
            output,
        })
    }
}

#[cfg(test)]
mod tests {
    use mqtt_cli::options_file::Environment;
    use mqtt_cli::parse::parse;

    use super::*;

    fn plan(line: &str) -> Result<Plan, Refusal> {
        let words = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        Plan::new(
            parse(words, &Environment::default()).unwrap(),
            &mut &b""[..],
        )
    }

    #[test]
    fn what_cannot_be_done_is_refused_before_anything_is_done() {
        let both = Refusal::UsageWithPage("Error: Both topic and message must be supplied.".into());
        for (line, refusal) in [
            ("-t a", both.clone()),
            ("-m a", both),
            (
                "-s",
                Refusal::setup("Error: Zero length input.\nError loading input from stdin."),
            ),
            ("-t a -n -i ", Refusal::setup("Error: Invalid id.")),
            ("-t a -n -V 5 -c -x 5", Refusal::setup("Error: Invalid id.")),
            (
                "-t a -n -P x",
                Refusal::setup("Error: Problem setting username and/or password."),
            ),
            (
                "-t a -n -p 8883",
                Refusal::not_yet("TLS, which port 8883 stands for unless --no-tls is given,"),
            ),
        ] {
            assert_eq!(plan(line).err(), Some(refusal), "{line}");
        }
        for line in [
            "-t a -n -P x -V 5",
            "-t a -n -p 8883 --no-tls",
            "-t a -n -V 31",
        ] {
            assert!(plan(line).is_ok(), "{line}");
        }
    }
}
