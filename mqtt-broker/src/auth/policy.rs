//! May this client do this to this topic? Asked for every message, so it allocates nothing.

/// What is to be done with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Be given a message that was published to this topic name.
    Read,
    /// Publish to this topic name.
    Write,
    /// Subscribe to this topic filter; of a shared subscription, the part after the group.
    Subscribe,
}

/// The rules for topics. So far those that no configuration lifts; the rules of an ACL file join
/// in here, after them.
#[derive(Debug, Clone, Default)]
pub struct Policy {}

impl Policy {
    /// Nothing but the rules that always hold.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a client of this client id and user name may. The broker's own connections and the
    /// bridges of its configuration are not asked about. Nobody
    ///
    /// * writes to `$SYS...`, but for the state of a bridge at the far end
    ///   (`$SYS/broker/connection/+/state`),
    /// * writes to or reads from `$share...` as a topic name,
    /// * writes to `$CONTROL...`: these are commands to the broker, and it has nobody yet who
    ///   carries any out. Passed on as messages they would tell subscribers what was tried.
    ///
    /// None of these asks who it is; the rules of an ACL file will.
    /// Subscribing is always allowed, as in Mosquitto: what may not be read is not delivered.
    pub fn may(
        &self,
        _client_id: &str,
        _user_name: Option<&str>,
        action: Action,
        topic: &str,
    ) -> bool {
        // Nearly all topics end here.
        if !topic.starts_with('$') {
            return true;
        }
        match action {
            Action::Subscribe => true,
            Action::Read => !topic.starts_with("$share"),
            Action::Write if topic.starts_with("$SYS") => is_bridge_state(topic),
            Action::Write => !topic.starts_with("$share") && !topic.starts_with("$CONTROL"),
        }
    }
}

/// `$SYS/broker/connection/+/state`
fn is_bridge_state(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS/broker/connection/")
        .and_then(|rest| rest.strip_suffix("/state"))
        .is_some_and(|level| !level.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_always_hold() {
        use Action::{Read, Subscribe, Write};
        for (action, topic, expected) in [
            (Write, "sport", true),
            (Read, "sport", true),
            (Subscribe, "sport/#", true),
            (Write, "sport/$SYS/x", true),
            (Write, "$SYS", false),
            (Write, "$SYS/broker/uptime", false),
            (Write, "$SYSTEM", false),
            (Read, "$SYS/broker/uptime", true),
            (Subscribe, "$SYS/#", true),
            (Write, "$SYS/broker/connection/home/state", true),
            (Write, "$SYS/broker/connection//state", true),
            (Write, "$SYS/broker/connection/state", false),
            (Write, "$SYS/broker/connection/a/b/state", false),
            (Write, "$SYS/broker/connection/home/states", false),
            (Write, "$share/group/sport", false),
            (Read, "$share/group/sport", false),
            (Subscribe, "$share/group/sport", true),
            (Write, "$CONTROL/dynamic-security/v1", false),
            (Read, "$CONTROL/dynamic-security/v1/response", true),
            (Subscribe, "$CONTROL/#", true),
            (Write, "$other", true),
            (Write, "$", true),
        ] {
            let found = Policy::new().may("c", Some("user"), action, topic);
            assert_eq!(found, expected, "{action:?} {topic}");
        }
    }
}
