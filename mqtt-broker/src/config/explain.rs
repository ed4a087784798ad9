//! What the rows say about an option, for people (`--explain`).

use std::fmt::Write as _;

use super::options::{self, ConfigOption, Needs, Reload, Repeat, Scope, Status};

/// All there is to know about an option, in a few lines; `None` if there is none of that name.
/// `all` stands for the [`listing`] of all options.
#[must_use]
pub fn explain(name: &str) -> Option<String> {
    if name == "all" {
        return Some(listing());
    }
    let row = options::find(name)?;
    let mut text = format!("{}: {}\n", names(row), row.help);
    let mut line = |label: &str, content: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {label:<8} {content}");
    };
    line("value", &row.allowed());
    line("default", row.default);
    line("stands", place(&row.scope));
    line("again", repeat(row.repeat));
    line("reload", reload(row.reload));
    tell_status(row.status, &mut line);
    Some(text)
}

/// The names of all options with their help lines, a line for each.
#[must_use]
pub fn listing() -> String {
    let mut text = String::new();
    for row in options::all() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<32} {}", names(row), row.help);
    }
    text
}

/// The name that an unknown one was probably meant to be.
#[must_use]
pub fn nearest_option(name: &str) -> Option<&'static str> {
    options::nearest(name)
}

fn names(row: &ConfigOption) -> String {
    let names: Vec<_> = row
        .names()
        .map(|name| {
            if name.ends_with('_') {
                format!("{name}NAME")
            } else {
                name.to_owned()
            }
        })
        .collect();
    names.join(", ")
}

fn place(scope: &Scope) -> &'static str {
    match scope {
        Scope::Broker(_) | Scope::Reader(..) => "anywhere",
        Scope::Security(_) => "anywhere; with per_listener_settings true, after its listener",
        Scope::Listener(Needs::OrDefault, _) => "after its listener, or for the default listener",
        Scope::Listener(Needs::Any, _) => "after its listener",
        Scope::Listener(Needs::Explicit, _) => "after its \"listener\" line",
        Scope::Bridge(_) => "after its \"connection\" line",
        Scope::Plugin(_) => "after the line of its plugin",
    }
}

fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Replaces => "the last line holds",
        Repeat::IsError => "a second line is an error",
        Repeat::Adds => "lines add up",
    }
}

fn reload(reload: Reload) -> &'static str {
    match reload {
        Reload::Applies => "applies a new value",
        Reload::AtStart => "keeps the value of the start",
    }
}

fn tell_status(status: Status, line: &mut dyn FnMut(&str, &str)) {
    match status {
        Status::Works => line("status", "works"),
        Status::Refuses(reason) => line(
            "status",
            &format!("keeps the broker from starting: {reason}"),
        ),
        Status::RefusesUnless(_, reason) => line(
            "status",
            &format!("with most values, keeps the broker from starting: {reason}"),
        ),
        Status::NoEffectYet(why) => line("status", &format!("no effect yet: {why}")),
        Status::NotNeeded(why) => line("status", &format!("no effect: {why}")),
        Status::Gone(text) => line("status", text),
        Status::AsItsOwner => line("status", "as what it belongs to"),
        Status::By(values) => {
            line("status", "works, but for these values");
            for (value, status) in values {
                tell_status(*status, &mut |_: &str, content: &str| line(value, content));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_explained_from_its_row() {
        let text = explain("maximum_qos").unwrap();
        assert_eq!(
            text,
            "max_qos, maximum_qos: Highest QoS of this listener.\n\
             \x20 value    a whole number from 0 to 2\n\
             \x20 default  2\n\
             \x20 stands   after its listener, or for the default listener\n\
             \x20 again    the last line holds\n\
             \x20 reload   applies a new value\n\
             \x20 status   works\n"
        );
        let text = explain("enable_proxy_protocol").unwrap();
        assert!(text.contains("keeps the broker from starting: "), "{text}");
        assert!(
            explain("plugin_opt_file")
                .unwrap()
                .starts_with("plugin_opt_NAME, auth_opt_NAME: ")
        );
        assert_eq!(explain("bogus"), None);
        assert_eq!(explain("all"), Some(listing()));
        assert_eq!(nearest_option("listner"), Some("listener"));
    }

    #[test]
    fn the_listing_names_every_option() {
        let text = listing();
        assert_eq!(text.lines().count(), options::all().count());
        assert!(text.contains("\nmax_qos, maximum_qos "), "{text}");
    }
}
