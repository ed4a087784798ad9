//! What the client may say, byte by byte, and what it refuses to say (all versions).

use mqtt_client::{
    Error, Options, Properties, PropertiesBuf, Property, Publication, QoS, ReasonCode,
    RequestError, SubscriptionOptions, Version, Will,
};

use crate::stage::{ACCEPTED, ACCEPTED_3, Stage};
use crate::v5::packets::{PUBREC, PUBREL, Publish, ack, block, packet, property, text};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Every will that differs in what the connect flags say of it, and none.
fn wills() -> Vec<Option<(QoS, bool)>> {
    let mut wills = vec![None];
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        wills.extend([Some((qos, false)), Some((qos, true))]);
    }
    wills
}

/// CONNECT with these fields and the client id `client`, as the standard has it.
fn connect(
    version: Version,
    will: Option<(QoS, bool)>,
    user_name: Option<&str>,
    password: Option<&str>,
) -> Vec<u8> {
    let (name, level) = match version {
        Version::V31 => ("MQIsdp", 3),
        Version::V311 => ("MQTT", 4),
        _ => ("MQTT", 5),
    };
    let no_properties = if level == 5 { block(&[]) } else { Vec::new() };
    // Clean Start.
    let mut flags = 0x02;
    let mut payload = text("client");
    if let Some((qos, retain)) = will {
        flags |= 0x04 | qos.as_u8() << 3 | u8::from(retain) << 5;
        payload.extend(&no_properties);
        payload.extend([text("state"), text("gone")].concat());
    }
    if let Some(user_name) = user_name {
        flags |= 0x80;
        payload.extend(text(user_name));
    }
    if let Some(password) = password {
        flags |= 0x40;
        payload.extend(text(password));
    }
    let header = [text(name), vec![level, flags, 0, 0], no_properties].concat();
    packet(0x10, &[&header, &payload])
}

/// Each field of the payload is there if its flag says so and absent otherwise, in the order of the
/// standard; the flags of a will are 0 without one.
/// [MQTT-3.1.2-9], [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.3-1] and others.
#[tokio::test]
async fn the_clients_connect_has_what_its_flags_say() {
    for version in VERSIONS {
        for will in wills() {
            for user_name in [None, Some("name")] {
                for password in [None, Some("word")] {
                    // 3.x does not allow it; what becomes of it then is another test's subject.
                    if password.is_some() && user_name.is_none() && version != Version::V5 {
                        continue;
                    }
                    let options = |mut options: Options| {
                        options = options.version(version);
                        if let Some((qos, retain)) = will {
                            options = options.will(Will {
                                qos,
                                retain,
                                ..Will::new("state", "gone")
                            });
                        }
                        if let Some(name) = user_name {
                            options = options.user_name(name);
                        }
                        match password {
                            Some(password) => options.password(password),
                            None => options,
                        }
                    };
                    let said = Stage::new(options).await.open().await;
                    assert_eq!(said, connect(version, will, user_name, password));
                }
            }
        }
    }
}

/// Demands that no CONNECT is made of these options.
async fn expect_no_connect(what: &str, options: impl FnOnce(Options) -> Options) {
    let mut stage = Stage::new(options).await;
    let refused = stage.dial().await;
    assert!(
        matches!(refused, Err(Error::InvalidOptions(_))),
        "{what}: {refused:?}"
    );
}

/// Strings that no packet may hold, a password without a user name in 3.x, a session without a name
/// there, properties where they may not stand: no CONNECT is made of them.
#[tokio::test]
async fn the_client_makes_no_connect_that_a_server_must_refuse() {
    let properties = |list: &[Property<'static>]| list.iter().copied().collect::<PropertiesBuf>();
    for version in VERSIONS {
        let with = |change: fn(Options) -> Options| {
            move |options: Options| change(options.version(version))
        };
        // [MQTT-1.5.3-2], in 5.0 [MQTT-1.5.4-2]
        expect_no_connect("client id", with(|it| it.client_id("a\0b"))).await;
        expect_no_connect("user name", with(|it| it.user_name("a\0b"))).await;
        for topic in ["", "a/#", "+", "a\0b"] {
            let will = Will::new(topic, "");
            expect_no_connect(topic, |it| it.version(version).will(will)).await;
        }
    }
    for version in [Version::V31, Version::V311] {
        // [MQTT-3.1.2-22]
        expect_no_connect("password", |it| it.version(version).password("x")).await;
        // [MQTT-3.1.3-7]
        let nameless = |it: Options| it.version(version).client_id("").clean_start(false);
        expect_no_connect("no client id", nameless).await;
    }
    for (what, wrong) in [
        ("not of CONNECT", vec![Property::TopicAlias(1)]),
        ("a zero", vec![Property::ReceiveMaximum(0)]),
        ("data alone", vec![Property::AuthenticationData(b"x")]),
        ("a NUL", vec![Property::UserProperty("a\0", "b")]),
        ("twice", vec![Property::SessionExpiryInterval(1); 2]),
    ] {
        let wrong = properties(&wrong);
        expect_no_connect(what, |it| it.connect_properties(wrong)).await;
    }
    for wrong in [Property::TopicAlias(1), Property::ResponseTopic("a/#")] {
        let will = Will {
            properties: properties(&[wrong]),
            ..Will::new("t", "")
        };
        expect_no_connect("will", |it| it.will(will)).await;
    }
}

/// [MQTT-3.3.4-6], [MQTT-3.8.3-2], [MQTT-3.8.3-4], [MQTT-3.10.3-2] and others: what a server must
/// refuse is not sent, the program hears why, and the connection goes on.
#[tokio::test]
async fn the_client_sends_no_packet_that_a_server_must_refuse() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    let client = &mut stage.client;
    for wrong in [
        Property::SubscriptionIdentifier(1),
        Property::TopicAlias(0),
        Property::ResponseTopic("a/+"),
        Property::SessionExpiryInterval(1),
    ] {
        let wrong: PropertiesBuf = [wrong].into_iter().collect();
        let message = Publication::new("t", "x").properties(wrong.as_properties());
        let refused = client.publish(message).expect_err("it is not sent");
        assert!(
            matches!(refused, RequestError::PropertiesInvalid(_)),
            "{wrong:?}: {refused}"
        );
    }
    for topic in ["", "#", "a/+", "a\0b"] {
        let refused = client.publish(Publication::new(topic, "x"));
        assert_eq!(refused, Err(RequestError::TopicInvalid), "{topic:?}");
    }
    let plain = SubscriptionOptions::default();
    for filter in ["", "a#", "#/a", "a+", "a\0b", "$share//a"] {
        let refused = client.subscribe(&[(filter, plain)], Properties::EMPTY);
        assert_eq!(refused, Err(RequestError::FilterInvalid), "{filter:?}");
        let refused = client.unsubscribe(&[filter], Properties::EMPTY);
        assert_eq!(refused, Err(RequestError::FilterInvalid), "{filter:?}");
    }
    let refused = client.subscribe(&[], Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::NoFilters));
    let refused = client.unsubscribe(&[], Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::NoFilters));
    let no_local = SubscriptionOptions {
        no_local: true,
        ..plain
    };
    let refused = client.subscribe(&[("$share/g/f", no_local)], Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::NoLocalOnShared));
    let zero: PropertiesBuf = [Property::SubscriptionIdentifier(0)].into_iter().collect();
    let refused = client.subscribe(&[("f", plain)], zero.as_properties());
    assert!(matches!(refused, Err(RequestError::PropertiesInvalid(_))));
    let refused = client.unsubscribe(&["f"], zero.as_properties());
    assert!(matches!(refused, Err(RequestError::PropertiesInvalid(_))));

    client
        .publish(Publication::new("t", "x"))
        .expect("the connection stands");
    stage.expect(Publish::new("t", "x").bytes()).await;
}

/// (5.0, 3.14.2.2) DISCONNECT prolongs no session that ends with its connection, and has no
/// property that is not its own. The connection stands until it is said rightly.
#[tokio::test]
async fn the_client_says_no_disconnect_that_a_server_must_refuse() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    for wrong in [
        Property::SessionExpiryInterval(60),
        Property::ServerReference("other"),
        Property::TopicAlias(1),
    ] {
        let wrong: PropertiesBuf = [wrong].into_iter().collect();
        let refused = stage
            .client
            .disconnect(ReasonCode::Success, wrong.as_properties())
            .await;
        assert!(
            matches!(refused, Err(Error::InvalidDisconnect(_))),
            "{wrong:?}: {refused:?}"
        );
    }
    stage
        .expect_disconnect(ReasonCode::DisconnectWithWill)
        .await;
}

/// [MQTT-3.14.4-2] Behind DISCONNECT nothing is said, also not what the program still asks for.
#[tokio::test]
async fn after_disconnect_the_client_says_nothing() {
    let mut stage = Stage::connected(|options| options, ACCEPTED).await;
    stage
        .expect_disconnect(ReasonCode::DisconnectWithWill)
        .await;
    let refused = stage.client.publish(Publication::new("t", "late"));
    assert_eq!(refused, Err(RequestError::NotConnected));
}

/// [MQTT-4.6.0-4] of 3.1.1: PUBRELs in the order of the PUBRECs, not of the messages.
#[tokio::test]
async fn the_clients_pubrels_keep_the_order_of_the_pubrecs() {
    let options = |options: Options| options.version(Version::V311);
    let mut stage = Stage::connected(options, ACCEPTED_3).await;
    for _ in 1..=4 {
        let message = Publication::new("t", "x").qos(QoS::ExactlyOnce);
        stage.client.publish(message).expect("it is taken");
        stage.hear().await;
    }
    let order = [3, 1, 4, 2];
    stage.say(order.map(|id| ack(PUBREC, id)).concat()).await;
    stage.expect(order.map(|id| ack(PUBREL, id)).concat()).await;
}

/// What the program announces stands in CONNECT of 5.0 as it was given, and in no CONNECT of 3.x.
#[tokio::test]
async fn the_clients_properties_are_those_of_the_program() {
    let expiry = property::session_expiry(60);
    for (version, has_them) in [(Version::V5, true), (Version::V311, false)] {
        let list: PropertiesBuf = [Property::SessionExpiryInterval(60)].into_iter().collect();
        let options = |it: Options| it.version(version).connect_properties(list);
        let said = Stage::new(options).await.open().await;
        let found = said.windows(expiry.len()).any(|part| part == expiry);
        assert_eq!(found, has_them, "{said:02x?}");
    }
}
