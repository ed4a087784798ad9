//! What is counted. A shard counts in plain integers of its own and stores them here now and then;
//! whoever asks adds up all shards.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the figures once: a plain struct for the shard, an atomic one for readers.
macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The figures of a shard, or the sum of several.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally { $($(#[$doc])* pub $name: u64),+ }

        /// The figures of a shard as others may read them.
        #[derive(Debug, Default)]
        pub struct Counters { $($name: AtomicU64),+ }

        impl Counters {
            /// Makes the shard's own figures visible. Only the owning shard calls it.
            pub fn store(&self, tally: &Tally) {
                $(self.$name.store(tally.$name, Ordering::Relaxed);)+
            }

            /// The figures as last stored.
            #[must_use]
            pub fn load(&self) -> Tally {
                Tally { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }

        impl std::ops::AddAssign for Tally {
            fn add_assign(&mut self, other: Self) {
                $(self.$name = self.$name.wrapping_add(other.$name);)+
            }
        }
    };
}

figures! {
    /// Connections that are open, before their CONNECT too; those of the broker itself do not count.
    connections,
    /// Sessions with a connection.
    clients_connected,
    /// Sessions in all.
    clients_total,
    /// Sessions whose time was over.
    clients_expired,
    /// Messages waiting or in flight in sessions.
    messages_stored,
    /// Their payload bytes.
    messages_stored_bytes,
    /// Subscriptions that are not shared.
    subscriptions,
    /// Memberships in shared subscriptions.
    shared_subscriptions,
    /// MQTT packets of all types that came in.
    packets_received,
    /// MQTT packets of all types that went out.
    packets_sent,
    /// PUBLISH packets that came in.
    publishes_received,
    /// PUBLISH packets that went out.
    publishes_sent,
    /// Messages not delivered because a queue was full or its client too slow.
    publishes_dropped,
    /// Payload bytes of PUBLISH packets that came in.
    publish_bytes_received,
    /// Payload bytes of PUBLISH packets that went out.
    publish_bytes_sent,
    /// CONNECT packets.
    connects_received,
    /// Bytes read from sockets. The runtime counts these three.
    bytes_received,
    /// Bytes written to sockets.
    bytes_sent,
    /// Sockets accepted.
    sockets_accepted,
}
