//! What will be done: conflicts refused, options made.

use std::path::PathBuf;
use std::time::Duration;

use mqtt_cli::RECEIVE_MAXIMUM;
use mqtt_cli::format::Format;
use mqtt_cli::output::Output;
use mqtt_cli::refusal::Refusal;
use mqtt_cli::table::ToolArgs;
use mqtt_client::{Options, PropertiesBuf, RetainHandling, SubscriptionOptions, Version};

use crate::args::Args;
use crate::filter::Filter;
use crate::output::{Printer, Style};

/// All that a run needs.
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) version: Version,
    pub(crate) filters: Vec<String>,
    pub(crate) subscription: SubscriptionOptions,
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) subscribe_properties: PropertiesBuf,
    pub(crate) unsubscribe_properties: PropertiesBuf,
    pub(crate) disconnect_properties: PropertiesBuf,
    pub(crate) filter: Filter,
    pub(crate) printer: Printer,
    pub(crate) exit_after_suback: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_time: Option<Duration>,
    /// Whether CONNACK has to come in time, since a time was given.
    pub(crate) gives_up_first_connection: bool,
    pub(crate) message_rate: bool,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
    pub(crate) strict: bool,
    /// Where messages and the lines of `-d` go.
    pub(crate) output: Output,
}

impl Plan {
    /// Turns the words into what will be done.
    ///
    /// # Errors
    /// Options that no CONNECT can carry.
    pub(crate) fn new(mut args: Args) -> Result<Self, Refusal> {
        let output = Output::default();
        // Not more than wanted is to leave the broker's queue.
        let receive_maximum = args
            .count
            .and_then(|count| u16::try_from(count).ok())
            .map_or(RECEIVE_MAXIMUM, |count| count.min(RECEIVE_MAXIMUM));
        let options = args
            .connection
            .options(&Args::TOOL, receive_maximum, &output)?;
        let filter = Filter::new(&mut args);
        let printer = printer(&args)?;
        let properties = args.connection.properties;
        Ok(Self {
            options,
            version: args.connection.version,
            filters: args.filters,
            subscription: SubscriptionOptions {
                qos: args.connection.qos,
                no_local: false,
                retain_as_published: args.retain_as_published,
                retain_handling: args.retain_handling.unwrap_or(RetainHandling::Always),
            },
            unsubscribe: args.unsubscribe,
            subscribe_properties: properties.subscribe,
            unsubscribe_properties: properties.unsubscribe,
            disconnect_properties: properties.disconnect,
            filter,
            printer,
            exit_after_suback: args.exit_after_suback,
            timeout: args.timeout,
            max_time: args.connection.max_time,
            gives_up_first_connection: args.connection.connect_timeout.is_some(),
            message_rate: args.message_rate,
            ready_file: args.ready_file,
            debug: args.connection.debug,
            quiet: args.connection.quiet,
            strict: args.connection.strict,
            output,
        })
    }
}

fn printer(args: &Args) -> Result<Printer, Refusal> {
    let style = match &args.format {
        Some(format) => Style::Format(
            Format::parse(format, args.pretty)
                .map_err(|error| Refusal::usage(error.to_string()))?,
        ),
        None if args.verbose => Style::Verbose,
        None => Style::Payload,
    };
    let watched_host = (args.watch && !args.message_rate).then(|| args.connection.host_shown());
    Ok(Printer::new(style, !args.no_line_end, watched_host))
}
