//! Any bytes as what several clients do to a broker of one to three shards: packets, raw bytes,
//! connections cut and sockets that take nothing, time, reloads, letters and the store's word that
//! come late. The broker never panics, answers in packets that its clients can read and want, and
//! forgets all of them in the end.
#![no_main]

mod client;
mod ends;
#[path = "../input.rs"]
mod input;
mod network;
mod packets;
mod sink;
mod store;
#[path = "../../../../tests/simulation/store/tables.rs"]
#[expect(
    dead_code,
    reason = "the simulation's tables: nothing starts again here"
)]
mod tables;

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mqtt_broker::auth::{Authenticator, PasswordFile};
use mqtt_broker::engine::commons::counters::Tally;
use mqtt_broker::engine::limits::{ListenerSettings, PageSize, Settings, Versions};
use mqtt_broker::engine::shard::Peer;
use mqtt_codec::{QoS, TopicName};
use mqtt_passwd::{PasswordHash, Scheme};

use input::Input;
use network::Network;

const CLIENTS: usize = 6;

/// More than these say nothing new, and take time.
const EVENTS_MAX: usize = 400;

/// Longest time that a session is kept.
const EXPIRATION: Duration = Duration::from_secs(1000);

/// One user, `ann`, whose hash is the cheapest there is.
static USERS: LazyLock<Arc<PasswordFile>> = LazyLock::new(|| {
    let hash = PasswordHash::create(Scheme::Sha512, b"secret", &[3; 12]).expect("a fine salt");
    Arc::new(PasswordFile::parse("users", format!("ann:{hash}\n")).expect("one good line"))
});

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let choices = input.byte();
    let shards = u16::from(choices % 3) + 1;
    let is_durable = choices & 16 != 0;
    // Everything arrives at once, or when the input says so.
    let is_prompt = choices & 32 != 0;
    let settings = settings(&mut input, is_durable);
    let mut network = Network::new(shards, CLIENTS, &settings);
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        event(&mut network, &mut input, is_durable);
        if is_prompt {
            network.settle();
        }
    }
    for client in 0..CLIENTS {
        network.block(client, false);
        network.close(client);
    }
    for _ in 0..4 {
        network.settle();
        network.pass(EXPIRATION);
    }
    network.settle();
    nothing_is_left(&network);
});

fn event(network: &mut Network, input: &mut Input<'_>, is_durable: bool) {
    let what = input.byte();
    let client = usize::from(what >> 4) % CLIENTS;
    match what % 16 {
        0 | 1 => {
            let peer = Peer {
                listener: u16::from(what % 16),
                internal: client == CLIENTS - 1,
            };
            if network.open(client, peer) && input.once_in(2) {
                let mut bytes = Vec::new();
                packets::connect(input, &mut bytes);
                network.send(client, &bytes);
            }
        }
        2 => network.send(client, input.bytes()),
        3..=7 => {
            let mut bytes = Vec::new();
            let version = network.ends[client].client.version();
            packets::any(input, version, &mut bytes);
            network.send(client, &bytes);
        }
        8 | 9 => {
            for _ in 0..=input.below(8) {
                let Some(bytes) = network.ends[client].client.answer() else {
                    break;
                };
                network.send(client, &bytes);
            }
        }
        10 => network.close(client),
        11 => network.block(client, input.once_in(2)),
        12 => {
            let millis = u64::from(input.byte()) << input.below(12);
            network.pass(Duration::from_millis(millis));
        }
        13 if what >> 4 == 15 => {
            let settings = settings(input, is_durable);
            network.reload(&settings);
        }
        13 => {
            network.step(input.byte().into());
        }
        14 => {
            network.end_turn(client % network.shards());
        }
        _ => network.settle(),
    }
}

fn settings(input: &mut Input<'_>, durable: bool) -> Arc<Settings> {
    let choices = input.byte();
    let limits = input.byte();
    let open = ListenerSettings {
        allow_anonymous: true,
        max_topic_alias_broker: 2,
        max_qos: if choices & 1 != 0 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        },
        versions: Versions {
            v31: choices & 2 == 0,
            ..Versions::ALL
        },
        use_username_as_clientid: choices & 128 != 0,
        ..ListenerSettings::default()
    };
    let checked = ListenerSettings {
        authenticator: Arc::new(Authenticator {
            password_file: Some(Arc::clone(&USERS)),
        }),
        allow_anonymous: choices & 4 != 0,
        clientid_prefixes: (choices & 8 != 0).then(|| "t".into()),
        ..ListenerSettings::default()
    };
    Arc::new(Settings {
        listeners: vec![open, checked],
        max_inflight_messages: NonZeroU16::new(u16::from(limits % 7) + 1).expect("at least 1"),
        max_inflight_bytes: (limits & 8 != 0).then_some(10_000),
        max_queued_messages: (limits & 16 != 0).then_some(3),
        max_queued_messages_connected: (limits & 32 != 0).then_some(5),
        max_queued_bytes: (limits & 64 != 0).then_some(20_000),
        max_packet_size: NonZeroU32::new(70_000).expect("not 0"),
        message_size_limit: (limits & 128 != 0).then_some(1000),
        persistent_client_expiration: Some(EXPIRATION),
        queue_qos0_messages: choices & 16 != 0,
        upgrade_outgoing_qos: choices & 32 != 0,
        allow_duplicate_messages: choices & 64 != 0,
        global_max_clients: (choices & 96 == 96).then_some(3),
        subscriptions_max: 6,
        page: page(1),
        page_connected: page(2),
        page_read: page(u32::from(limits % 3) + 1),
        retain_expiry_interval: (choices & 32 == 0).then_some(Duration::from_secs(60)),
        trace: choices & 65 == 65,
        durable,
        ..Settings::default()
    })
}

/// Queues come to be too long for memory soon.
fn page(messages: u32) -> PageSize {
    PageSize {
        messages,
        bytes: 1000,
    }
}

fn nothing_is_left(network: &Network) {
    let mut sum = Tally::default();
    for counters in &network.commons.counters {
        sum += counters.load();
    }
    let left = [
        sum.connections,
        sum.clients_connected,
        sum.clients_total,
        sum.messages_stored,
        sum.messages_stored_bytes,
        sum.subscriptions,
        sum.shared_subscriptions,
    ];
    assert_eq!(left, [0; 7], "{sum:?}");
    for topic in packets::TOPICS {
        let topic = TopicName::parse(topic).expect("all of them are topic names");
        let (wanted, _) = network.commons.interest.shards_for(topic);
        assert!(wanted.by.is_empty(), "{topic:?} is still wanted");
    }
    assert_eq!(network.is_store_at_rest(), Ok(()));
}
