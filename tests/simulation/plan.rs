//! What a seed makes of a world: its broker, and each life of each of its clients.

use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mqtt_broker::auth::{Authenticator, PasswordFile};
use mqtt_broker::engine::limits::{ListenerSettings, PageSize, Settings};
use mqtt_codec::{Property, QoS, Version};
use mqtt_passwd::{PasswordHash, Scheme};
use mqtt_session::client::{self, Acknowledge, Will};

use super::dice::Dice;
use super::payload;
use super::topics::{CLIENTS_MAX, FILTERS, FIRST_SHARED, Filter, TOPICS, WILL_TOPIC};

/// The client that sees all wills. Nothing bad happens to it but that the broker crashes.
pub(crate) const WATCHER: usize = 0;

/// The password of every client.
pub(crate) const PASSWORD: &str = "open sesame";

/// How many groups there are.
pub(crate) const GROUPS: usize = FILTERS.len() - FIRST_SHARED;

/// What holds for a whole world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) shards: u16,
    /// The broker has a store, and crashes.
    pub(crate) durable: bool,
    pub(crate) clients: usize,
    /// Clients that are members of a group and of nothing else, and of which.
    pub(crate) members: [Option<Filter>; CLIENTS_MAX],
    /// What the members of each group ask for.
    pub(crate) group_qos: [QoS; GROUPS],
    pub(crate) max_inflight: NonZeroU16,
    /// `max_queued_messages`, whether the client is connected or not.
    pub(crate) max_queued: Option<u32>,
    pub(crate) queue_qos0: bool,
    pub(crate) upgrade_qos: bool,
    pub(crate) duplicates: bool,
    /// `message_size_limit`.
    pub(crate) size_limit: Option<u32>,
    /// Clients need a password, and reloads change it.
    pub(crate) passwords: bool,
    /// Bytes that a connection holds in each direction.
    pub(crate) pipe_bytes: usize,
    /// Mails after which a mailbox is full.
    pub(crate) mails_max: usize,
    /// In so many of a hundred steps something breaks.
    pub(crate) trouble: usize,
    /// Messages of a queue that are in memory while others are only in the store, and their bytes.
    pub(crate) page: (u32, u64),
}

/// How long a client's session is to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// As long as its connection.
    Connection,
    /// So many seconds longer.
    Seconds(u32),
    /// For ever.
    Always,
}

impl Lasts {
    /// Whether it outlives its connection.
    pub(crate) fn is_kept(self) -> bool {
        self != Self::Connection
    }

    /// Milliseconds for which it outlives it; none if for ever.
    pub(crate) fn millis(self) -> Option<u64> {
        match self {
            Self::Connection => Some(0),
            Self::Seconds(seconds) => Some(u64::from(seconds) * 1000),
            Self::Always => None,
        }
    }
}

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// As a client should.
    Well,
    /// A few bytes now and then.
    Slowly,
    /// Nothing behind its CONNACK.
    Never,
}

/// A will.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WillPlan {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) delay_seconds: u32,
}

/// One life of a client: it begins without a session, and keeps its settings.
#[derive(Clone, Debug)]
pub(crate) struct ClientPlan {
    pub(crate) version: Version,
    pub(crate) lasts: Lasts,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) own_aliases: u16,
    pub(crate) keep_alive: u16,
    /// Pings nobody.
    pub(crate) silent: bool,
    pub(crate) by_hand: bool,
    pub(crate) reads: Reads,
    pub(crate) will: Option<WillPlan>,
}

impl Plan {
    /// Draws it; the broker has a store whatever is drawn if it has to.
    pub(crate) fn draw(dice: &mut Dice, has_store: bool) -> Self {
        let shards = *dice.pick(&[1, 2, 2, 3, 4]);
        let first_group = dice.below(GROUPS);
        let mut members = [None; CLIENTS_MAX];
        for member in members.iter_mut().skip(1) {
            let group = if dice.chance(70) {
                first_group
            } else {
                dice.below(GROUPS)
            };
            *member = dice
                .chance(30)
                .then(|| Filter::try_from(FIRST_SHARED + group).expect("few"));
        }
        let mut group_qos = [QoS::AtLeastOnce; GROUPS];
        for qos in &mut group_qos {
            *qos = *dice.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce]);
        }
        let mut plan = Self {
            page: (100, 64 * 1024),
            members,
            group_qos,
            shards,
            durable: dice.chance(50) || has_store,
            clients: 3 + dice.below(CLIENTS_MAX - 4),
            max_inflight: NonZeroU16::new(*dice.pick(&[1, 2, 3, 20, 20])).expect("not 0"),
            max_queued: dice.chance(15).then(|| *dice.pick(&[1, 2, 4, 8])),
            queue_qos0: dice.chance(20),
            upgrade_qos: dice.chance(8),
            duplicates: dice.chance(8),
            size_limit: dice.chance(10).then_some(600),
            passwords: dice.chance(15),
            pipe_bytes: *dice.pick(&[100, 300, 1500, 8_000, 40_000]),
            mails_max: *dice.pick(&[2, 4, 1_000_000, 1_000_000]),
            trouble: *dice.pick(&[0, 1, 3, 6]),
        };
        if plan.durable {
            plan.page = (
                *dice.pick(&[1, 1, 2, 3, 5]),
                *dice.pick(&[1, 200, 64 * 1024]),
            );
        }
        plan
    }

    /// What the broker is told; with `other_password` it lets nobody in.
    pub(crate) fn settings(&self, other_password: bool) -> Arc<Settings> {
        let password_file = self.passwords.then(|| password_file(other_password));
        let listener = ListenerSettings {
            allow_anonymous: !self.passwords,
            authenticator: Arc::new(Authenticator { password_file }),
            ..ListenerSettings::default()
        };
        Arc::new(Settings {
            listeners: vec![listener],
            max_inflight_messages: self.max_inflight,
            max_queued_messages: self.max_queued,
            max_queued_messages_connected: self.max_queued,
            page: PageSize {
                messages: self.page.0,
                bytes: self.page.1,
            },
            page_connected: PageSize {
                messages: self.page.0 * 4,
                bytes: self.page.1 * 20,
            },
            page_read: PageSize {
                messages: self.page.0 * 2,
                bytes: self.page.1 * 5,
            },
            page_memory: if self.clients.is_multiple_of(2) {
                5_000
            } else {
                0
            },
            queue_qos0_messages: self.queue_qos0,
            upgrade_outgoing_qos: self.upgrade_qos,
            allow_duplicate_messages: self.duplicates,
            message_size_limit: self.size_limit,
            connect_timeout: Duration::from_secs(30),
            retain_expiry_interval: Some(Duration::from_secs(20)),
            durable: self.durable,
            ..Settings::default()
        })
    }
}

/// Two files for all worlds: hashing costs more than a step.
fn password_file(other: bool) -> Arc<PasswordFile> {
    static FILES: OnceLock<[Arc<PasswordFile>; 2]> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        [PASSWORD, "changed"].map(|password| {
            let hash = PasswordHash::create(Scheme::Sha512, password.as_bytes(), &[1; 12]);
            let line = format!("user:{}\n", hash.expect("a plain password"));
            Arc::new(PasswordFile::parse("passwords", line).expect("a good line"))
        })
    });
    Arc::clone(&files[usize::from(other)])
}

impl ClientPlan {
    pub(crate) fn draw(dice: &mut Dice, durable: bool) -> Self {
        let version = *dice.pick(&[
            Version::V5,
            Version::V5,
            Version::V5,
            Version::V311,
            Version::V311,
            Version::V31,
        ]);
        let v5 = version.is_v5();
        let lasts = match dice.below(10) {
            0..3 => Lasts::Connection,
            // 3.1 does not tell its clients whether the broker still has their session.
            _ if version == Version::V31 && durable => Lasts::Connection,
            3..6 if v5 => Lasts::Seconds(*dice.pick(&[1, 2, 5, 20])),
            _ => Lasts::Always,
        };
        let keep_alive = *dice.pick(&[0, 0, 0, 5, 9]);
        Self {
            version,
            lasts,
            receive_maximum: (v5 && dice.chance(50)).then(|| *dice.pick(&[1, 2, 3, 100])),
            maximum_packet_size: (v5 && dice.chance(25)).then(|| *dice.pick(&[200, 2_000])),
            topic_alias_maximum: if v5 { *dice.pick(&[0, 1, 3]) } else { 0 },
            own_aliases: *dice.pick(&[0, 0, 2]),
            keep_alive,
            silent: keep_alive > 0 && dice.chance(20),
            by_hand: dice.chance(40),
            reads: *dice.pick(&[
                Reads::Well,
                Reads::Well,
                Reads::Well,
                Reads::Well,
                Reads::Well,
                Reads::Slowly,
                Reads::Never,
            ]),
            will: dice.chance(40).then(|| WillPlan {
                qos: *dice.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
                retain: dice.chance(30),
                delay_seconds: if v5 { *dice.pick(&[0, 0, 1, 3, 10]) } else { 0 },
            }),
        }
    }

    /// Of the client that sees all wills.
    pub(crate) fn watcher() -> Self {
        Self {
            version: Version::V5,
            lasts: Lasts::Always,
            receive_maximum: Some(u16::MAX),
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            own_aliases: 0,
            keep_alive: 0,
            silent: false,
            by_hand: false,
            reads: Reads::Well,
            will: None,
        }
    }

    /// What the client is told. `will` is the number of its will.
    pub(crate) fn settings(&self, slot: usize, plan: &Plan, will: Option<u32>) -> client::Settings {
        let mut settings = client::Settings::new(self.version);
        settings.client_id = format!("c{slot}");
        settings.clean_start = self.version.is_v5() || !self.lasts.is_kept();
        settings.resume = true;
        settings.keep_alive = self.keep_alive;
        if plan.passwords {
            settings.user_name = Some("user".to_owned());
            settings.password = Some(PASSWORD.into());
        }
        if self.by_hand {
            settings.acknowledge = Acknowledge::ByHand;
        }
        settings.automatic_topic_aliases = self.own_aliases;
        settings.will = self.will.zip(will).map(|(will, number)| {
            let mut message = Will::new(TOPICS[WILL_TOPIC + slot], payload::of(number, 0));
            message.qos = will.qos;
            message.retain = will.retain;
            if will.delay_seconds > 0 {
                let delay = Property::WillDelayInterval(will.delay_seconds);
                message.properties.push(delay);
            }
            message
        });
        let properties = &mut settings.connect_properties;
        match self.lasts {
            _ if !self.version.is_v5() => {}
            Lasts::Connection => {}
            Lasts::Seconds(seconds) => properties.push(Property::SessionExpiryInterval(seconds)),
            Lasts::Always => properties.push(Property::SessionExpiryInterval(u32::MAX)),
        }
        if let Some(most) = self.receive_maximum {
            properties.push(Property::ReceiveMaximum(most));
        }
        if let Some(most) = self.maximum_packet_size {
            properties.push(Property::MaximumPacketSize(most));
        }
        if self.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(self.topic_alias_maximum));
        }
        settings
    }
}
