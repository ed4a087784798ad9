//! What Mosquitto's words are in ours: times, texts, options. Pure; what cannot be served is left out,
//! counted and named.

use std::borrow::Cow;
use std::time::Duration;

use mqtt_codec::TopicName;
use mqtt_codec::{Properties, PropertiesBuf, PropertyId, QoS, SubscriptionOptions, TopicFilter};
use mqtt_session::time::UnixTime;

use super::counts::Counts;
use super::snapshot::{Client, NEVER, StoredMessage, StoredWill, Subscription};
use crate::engine::envelope::{Message, MessageHead, MessageView};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{SavedSubscription, SavedWill, SessionNo, SessionOp, StoreOp};

/// Clients that were connected when Mosquitto ended have at least so long to come back before their
/// wills are published.
const WILL_DELAY_MIN: Duration = Duration::from_secs(5);
/// The largest Subscription Identifier (MQTT 5, 3.8.2.1.2).
const IDENTIFIER_MAX: u32 = 268_435_455;
/// Characters of a broken text that are shown.
const SHOWN_MAX: usize = 60;

/// When a session without a client began to be one, and how long it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) since: UnixTime,
    pub(super) expiry: SessionExpiry,
    pub(super) ends: Option<UnixTime>,
}

/// Whether this moment (Unix seconds, 0 is never) has passed.
pub(super) fn is_over(moment: i64, now: UnixTime) -> bool {
    moment != 0 && time(moment) <= now
}

fn time(seconds: i64) -> UnixTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UnixTime::from_millis(seconds.saturating_mul(1000))
}

/// How long a session goes on; `None` if it has ended.
pub(super) fn lifetime(client: &Client<'_>, now: UnixTime) -> Option<Lifetime> {
    // Every message counts as published now, and none of them before its receiver went away: it would
    // be taken for one that may have been sent.
    let before = UnixTime::from_millis(now.as_millis().saturating_sub(1));
    if client.expiry_interval == NEVER {
        return Some(Lifetime {
            since: before,
            expiry: SessionExpiry::Never,
            ends: None,
        });
    }
    let interval = Duration::from_secs(client.expiry_interval.into());
    let ends = match client.ends {
        0 => now.saturating_add(interval),
        ends => time(ends),
    };
    if ends <= now {
        return None;
    }
    let since = ends.saturating_since(UnixTime::default() + interval);
    let since = UnixTime::default().saturating_add(since).min(before);
    Some(Lifetime {
        since,
        expiry: SessionExpiry::After(ends.saturating_since(since)),
        ends: Some(ends),
    })
}

/// The client identifier, if it is one.
pub(super) fn client_id<'a>(client: &'a Client<'_>) -> Option<&'a str> {
    text(&client.id).filter(|id| !id.is_empty())
}

/// A topic name, if it is one.
pub(super) fn topic(bytes: &[u8]) -> Option<TopicName<'_>> {
    TopicName::parse(text(bytes)?).ok()
}

/// A text as MQTT has them, if it is one.
fn text(bytes: &[u8]) -> Option<&str> {
    let short = u16::try_from(bytes.len()).is_ok();
    std::str::from_utf8(bytes).ok().filter(|_| short)
}

/// A text that may be broken, for people.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.escape_debug().take(SHOWN_MAX).collect();
    format!("\"{shown}\"")
}

/// A message as ours; `None` if its topic is none.
pub(super) fn message(stored: &StoredMessage<'_>, retain: bool, now: UnixTime) -> Option<Message> {
    let properties = passed_on(Properties::trusted(&stored.properties));
    let view = MessageView {
        head: MessageHead {
            qos: stored.qos,
            retain,
            published: now,
            expires: (stored.expires != 0).then(|| time(stored.expires)),
        },
        publisher: text(&stored.source_id).unwrap_or_default(),
        topic: topic(&stored.topic)?,
        properties: Properties::trusted(&properties),
        payload: &stored.payload,
    };
    Some(Message::new(&view, &mut Vec::new()))
}

/// What stands for a message that a client took over already.
pub(super) fn nothing(now: UnixTime) -> Message {
    let view = MessageView {
        head: MessageHead {
            qos: QoS::ExactlyOnce,
            published: now,
            ..MessageHead::default()
        },
        publisher: "",
        topic: TopicName::trusted("-"),
        properties: Properties::EMPTY,
        payload: b"",
    };
    Message::new(&view, &mut Vec::new())
}

/// The properties that go on to subscribers.
fn passed_on(properties: Properties<'_>) -> Cow<'_, [u8]> {
    let stays = |id| {
        !matches!(
            id,
            PropertyId::MessageExpiryInterval
                | PropertyId::TopicAlias
                | PropertyId::SubscriptionIdentifier
                | PropertyId::WillDelayInterval
        )
    };
    if properties.iter().all(|property| stays(property.id())) {
        return Cow::Borrowed(properties.as_bytes());
    }
    let staying = properties.iter().filter(|property| stays(property.id()));
    let staying: PropertiesBuf = staying.collect();
    Cow::Owned(staying.as_properties().as_bytes().to_vec())
}

/// What makes the session: itself with its will, and its subscriptions.
pub(super) fn session(
    session: SessionNo,
    client: &Client<'_>,
    now: UnixTime,
    counts: &mut Counts,
) -> Vec<StoreOp> {
    let id = client_id(client).unwrap_or_default();
    let user_name = text(&client.user_name).filter(|name| !name.is_empty());
    let saved_will = client.will.as_ref().and_then(|will| saved_will(will, now));
    if client.will.is_some() && saved_will.is_none() {
        counts.left_out.add(|| format!("the will of {id}"));
    }
    counts.sessions += 1;
    counts.wills += u64::from(saved_will.is_some());
    let lifetime = lifetime(client, now);
    let mut ops = vec![StoreOp::Session(Box::new(SessionOp {
        session,
        client_id: id.into(),
        user_name: user_name.map(Into::into),
        listener: 0,
        expiry: lifetime.map_or(SessionExpiry::Never, |lifetime| lifetime.expiry),
        will: saved_will,
    }))];
    for stored in &client.subscriptions {
        let Some(subscription) = subscription(stored) else {
            let filter = shown(&stored.filter);
            counts
                .left_out
                .add(|| format!("the subscription {filter} of {id}"));
            continue;
        };
        counts.subscriptions += 1;
        ops.push(StoreOp::Subscribe {
            session,
            subscription,
        });
    }
    ops
}

fn subscription(stored: &Subscription<'_>) -> Option<SavedSubscription> {
    let filter = text(&stored.filter)?;
    TopicFilter::parse(filter).ok()?;
    let known = stored.identifier <= IDENTIFIER_MAX;
    Some(SavedSubscription {
        filter: filter.into(),
        options: SubscriptionOptions::from_byte(stored.options).ok()?,
        identifier: if known { stored.identifier } else { 0 },
        replays: false,
    })
}

fn saved_will(will: &StoredWill<'_>, now: UnixTime) -> Option<SavedWill> {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Some(SavedWill {
        message: message(&will.message, will.message.retain, now)?,
        expiry: will.expiry_interval.map(seconds),
        delay: seconds(will.delay),
    })
}

/// The client is away: what makes the session one that goes on without it.
pub(super) fn away(session: SessionNo, client: &Client<'_>, now: UnixTime) -> StoreOp {
    let lifetime = lifetime(client, now);
    let ends = lifetime.and_then(|lifetime| lifetime.ends);
    let due = client.will.as_ref().map(|will| {
        let due = match will.due {
            0 => {
                let delay = Duration::from_secs(will.delay.into());
                now.saturating_add(delay.max(WILL_DELAY_MIN))
            }
            due => time(due),
        };
        ends.map_or(due, |ends| due.min(ends))
    });
    StoreOp::Away {
        session,
        since: lifetime.map_or(now, |lifetime| lifetime.since),
        expiry: lifetime.map_or(SessionExpiry::Never, |lifetime| lifetime.expiry),
        will_due: due,
    }
}
