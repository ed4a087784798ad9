//! Many subscriptions, long ones, deep ones, and a message that matches many.

use mqtt_broker::engine::limits::Settings;
use mqtt_codec::{PropertiesBuf, QoS};

use crate::LONGEST;
use crate::broker::Broker;
use crate::packets::{publish, subscribe, unsubscribe};
use crate::proportion::{SLACK, assert_proportional};
use crate::support::counting::cost_of;
use crate::support::sockets::open_settings;

#[test]
fn thousands_of_filters_in_one_packet() {
    let cost = |count| {
        let names: Vec<String> = (0..count).map(|n| format!("some/+/level/{n:05}")).collect();
        let names = || names.iter().map(String::as_str);
        let mut broker = Broker::new();
        broker.join(0);
        let (on, off) = (subscribe(names()), unsubscribe(names()));
        let subscribed = cost_of(|| broker.send(0, &on));
        assert!(broker.sockets.take(0).len() > count, "a code for each");
        let unsubscribed = cost_of(|| broker.send(0, &off));
        assert!(broker.sockets.take(0).len() > count, "a code for each");
        (subscribed, unsubscribed)
    };
    let (few, many) = (cost(5000), cost(20_000));
    assert_proportional("SUBSCRIBE", few.0, many.0);
    assert_proportional("UNSUBSCRIBE", few.1, many.1);
    // Tables keep their room; what the filters themselves took is given back.
    assert!(-many.1.kept > many.0.kept / 2, "{many:?}");
}

#[test]
fn filters_of_many_levels_cost_what_their_bytes_cost() {
    let levels = open_settings().topic_slashes_max;
    let plus = "+/".repeat(levels - 1);
    // They part at the first level, or at the last, or each at another.
    let shapes: [&dyn Fn(usize) -> String; 3] = [
        &|n| format!("{n}/{plus}x"),
        &|n| format!("{plus}{n}/x"),
        &|n| format!("{}{n}/{}", &plus[..2 * (n % 150)], "#"),
    ];
    for shape in shapes {
        let filters: Vec<String> = (0..600).map(shape).collect();
        let bytes: usize = filters.iter().map(String::len).sum();
        let on = subscribe(filters.iter().map(String::as_str));
        let off = unsubscribe(filters.iter().map(String::as_str));
        let mut broker = Broker::new();
        broker.join(0);
        let on = cost_of(|| broker.send(0, &on));
        assert!(broker.sockets.take(0)[6..].iter().all(|code| *code == 0));
        let most = 3 * bytes + 400 * filters.len() + SLACK;
        assert!(on.kept <= most.cast_signed(), "{bytes}: {on:?}");
        let off = cost_of(|| broker.send(0, &off));
        assert!(-off.kept > on.kept / 2, "{on:?} {off:?}");
    }
}

#[test]
fn filters_of_one_client_have_an_end_in_bytes_too() {
    let most = 200_000;
    let mut broker = Broker::with(Settings {
        filter_bytes_max: most,
        ..open_settings()
    });
    broker.join(0);
    let long = |n: u8| char::from(b'a' + n).to_string().repeat(LONGEST);
    let mut answer = Vec::new();
    for n in 0..3 {
        answer = broker.ask(0, &subscribe([long(n).as_str()]));
        assert_eq!(*answer.last().unwrap(), 0, "{n}: {answer:02x?}");
    }
    let bytes = subscribe([long(3).as_str()]);
    let cost = cost_of(|| answer = broker.ask(0, &bytes));
    assert_eq!(*answer.last().unwrap(), 0x97, "{answer:02x?}");
    assert!(cost.bytes < SLACK, "{cost:?}");
    // One that it has may be replaced, and there is room for a short one.
    for filter in [long(0).as_str(), "short"] {
        answer = broker.ask(0, &subscribe([filter]));
        assert_eq!(*answer.last().unwrap(), 0, "{answer:02x?}");
    }
}

#[test]
fn a_message_that_matches_in_many_ways_finds_each_subscription_once() {
    let cost = |levels: u32| {
        let filters: Vec<String> = (0..1_u32 << levels)
            .map(|bits| {
                let level = |n| if bits >> n & 1 == 0 { "+" } else { "a" };
                (0..levels).map(level).collect::<Vec<_>>().join("/")
            })
            .collect();
        let mut broker = Broker::new();
        broker.join(0);
        broker.join(1);
        broker.ask(1, &subscribe(filters.iter().map(String::as_str)));
        let topic = vec!["a"; levels as usize].join("/");
        let message = publish(&topic, QoS::AtMostOnce, b"", &PropertiesBuf::new());
        let cost = cost_of(|| broker.send(0, &message));
        let received = broker.sockets.take(1).len();
        assert!(received >= message.len(), "it was delivered");
        assert!(received <= filters.len() * message.len(), "{received}");
        cost
    };
    assert_proportional("matches", cost(8), cost(10));
}
