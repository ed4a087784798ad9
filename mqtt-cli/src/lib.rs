//! What the MQTT command-line tools share: options, options files, formats and exit codes.
//!
//! Flags, texts and exit codes follow the Mosquitto tools of 2.1, so that scripts move over
//! unchanged. A tool brings a struct of its own options with a table of rows
//! ([`table::ToolArgs`]); [`start::start`] does the rest. Nothing in here opens a connection.
//!
//! ```
//! use mqtt_cli::connection_args::ConnectionArgs;
//! use mqtt_cli::options_file::Environment;
//! use mqtt_cli::refusal::Refusal;
//! use mqtt_cli::table::{Row, Tool, ToolArgs, flag};
//!
//! #[derive(Default)]
//! struct Args {
//!     connection: ConnectionArgs,
//!     loud: bool,
//! }
//!
//! impl ToolArgs for Args {
//!     const TOOL: Tool = Tool {
//!         name: "mqtt-shout",
//!         original: "mosquitto_shout",
//!         summary: "an example.",
//!         usage: &["[--loud]"],
//!         notes: "",
//!         invalid_id: "Error: Invalid id.",
//!     };
//!     const ROWS: &'static [Row<Self>] = &[flag(&["--loud"], "be loud", |args| {
//!         args.loud = true;
//!         Ok(())
//!     })];
//!     fn connection(&mut self) -> &mut ConnectionArgs {
//!         &mut self.connection
//!     }
//!     fn check(&self) -> Result<(), Refusal> {
//!         Ok(())
//!     }
//! }
//!
//! let words = ["--loud", "-h", "broker"].map(|word| word.as_bytes().to_vec()).to_vec();
//! let args: Args = mqtt_cli::parse::parse(words, &Environment::default()).unwrap();
//! assert!(args.loud && args.connection.host == b"broker");
//! ```

pub mod connection_args;
mod connection_plan;
pub mod connection_rows;
pub mod debug;
pub mod exit;
pub mod format;
pub mod number;
pub mod options_file;
pub mod output;
pub mod pages;
pub mod parse;
pub mod property_args;
pub mod refusal;
pub mod start;
pub mod table;
pub mod topic_args;
mod url;
pub mod words;

pub use connection_plan::RECEIVE_MAXIMUM;
