//! Rows of the options that say what is logged, and where.

use std::path::PathBuf;

use super::Scope::Broker;
use super::Setter::{Flag, Number, Special, Text, Word};
use super::Status::{By, NoEffectYet, NotNeeded};
use super::{ConfigOption, LONG, ignore, row};
use crate::config::draft::{Globals, LogDraft};
use crate::config::settings::LogTypes;
use crate::config::values::{Fault, Value};

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "connection_messages",
        Broker(Flag(|globals, value| {
            globals.log.connection_messages = value
        })),
        "true",
        "Connections and disconnections are logged.",
    ),
    row(
        "log_dest",
        Broker(Special(
            "stdout, stderr, syslog, topic, dlt, none or file PATH",
            log_dest,
        )),
        "stderr",
        "Where log lines go; several lines add up.",
    )
    .adds()
    .status(By(&[
        (
            "syslog",
            NoEffectYet(
                "this release does not log there; without another log_dest lines go \
                 to stderr",
            ),
        ),
        (
            "topic",
            NoEffectYet(
                "this release does not log there; without another log_dest lines go \
                 to stderr",
            ),
        ),
        (
            "dlt",
            NoEffectYet(
                "this release does not log there; without another log_dest lines go \
                 to stderr",
            ),
        ),
        (
            "android",
            NoEffectYet(
                "this release does not log there; without another log_dest lines go \
                 to stderr",
            ),
        ),
    ])),
    row(
        "log_facility",
        Broker(Number(0, 7, ignore)),
        "daemon",
        "Facility local0 to local7 of syslog.",
    )
    .status(NoEffectYet("this release does not log to syslog")),
    row(
        "log_timestamp",
        Broker(Flag(|globals, value| globals.log.timestamp = value)),
        "true",
        "Log lines begin with the time.",
    ),
    row(
        "log_timestamp_format",
        Broker(Text(LONG, |globals, format| {
            globals.log.timestamp_format = Some(format)
        })),
        "seconds since 1970",
        "strftime format of that time, such as %Y-%m-%dT%H:%M:%S.",
    )
    .once(),
    row(
        "log_type",
        Broker(Word(LOG_TYPES, |globals, word| {
            log_type(&mut globals.log, word)
        })),
        "error, warning, notice, information",
        "What is logged; several lines add up.",
    )
    .adds(),
    row(
        "websockets_log_level",
        Broker(Special("a whole number", |_, value, _| {
            value.number().map(drop)
        })),
        "0",
        "Log level of a library that Mosquitto no longer uses.",
    )
    .status(NotNeeded("there is no such library here")),
];

fn log_dest(globals: &mut Globals, value: &Value<'_>, _: &mut Vec<String>) -> Result<(), Fault> {
    let log = &mut globals.log;
    let word = value.text_word()?;
    let is_off = word == "none";
    match word {
        "stdout" => log.stdout = true,
        "stderr" => log.stderr = true,
        // Rows of the table say what becomes of these.
        "syslog" | "topic" | "dlt" | "android" => {}
        "none" => (log.stdout, log.stderr, log.file) = (false, false, None),
        "file" => {
            let line = value.text(LONG)?;
            let path = line.strip_prefix("file").unwrap_or_default().trim();
            if path.is_empty() {
                return Err(Fault::other(
                    "Empty \"log_dest file\" value in configuration",
                ));
            }
            if log.file.is_some() {
                return Err(Fault::other("Duplicate \"log_dest file\" value"));
            }
            log.file = Some(PathBuf::from(path));
        }
        other => return Err(value.invalid(other.as_bytes())),
    }
    log.is_off = is_off;
    Ok(())
}

const LOG_TYPES: &[&str] = &[
    "error",
    "warning",
    "notice",
    "information",
    "debug",
    "subscribe",
    "unsubscribe",
    "websockets",
    "internal",
    "none",
    "all",
];

fn log_type(log: &mut LogDraft, word: &str) {
    let added = match word {
        "error" => LogTypes::ERROR,
        "warning" => LogTypes::WARNING,
        "notice" => LogTypes::NOTICE,
        "information" => LogTypes::INFORMATION,
        "debug" => LogTypes::DEBUG,
        "subscribe" => LogTypes::SUBSCRIBE,
        "unsubscribe" => LogTypes::UNSUBSCRIBE,
        "websockets" => LogTypes::WEBSOCKETS,
        "internal" => LogTypes::INTERNAL,
        "all" => LogTypes::ALL,
        _ => LogTypes::NONE,
    };
    let before = if word == "none" {
        LogTypes::NONE
    } else {
        log.types.unwrap_or(LogTypes::NONE)
    };
    log.types = Some(before.with(added));
}
