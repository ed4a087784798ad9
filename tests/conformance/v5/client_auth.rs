//! Enhanced authentication on the client's side (5.0, 4.12).

use mqtt_client::{Error, Event, Options, PropertiesBuf, Property, Publication, QoS, ReasonCode};
use mqtt_client::{Properties, RequestError, SubscriptionOptions};

use super::packets::{Publish, block, disconnect, packet, property};
use crate::stage::{ACCEPTED, Stage, accepted_with};

/// What the client says with its AUTH.
fn said(data: &'static [u8]) -> PropertiesBuf {
    [
        Property::AuthenticationMethod("M"),
        Property::AuthenticationData(data),
    ]
    .into_iter()
    .collect()
}

/// Options that name the method M.
fn with_method(options: Options) -> Options {
    options.connect_properties(said(b"first"))
}

/// AUTH with a method and data.
fn auth(code: u8, method: &str, data: &[u8]) -> Vec<u8> {
    let method = property::authentication_method(method);
    let properties = [method, property::authentication_data(data)].concat();
    packet(0xf0, &[&[code], &block(&properties)])
}

/// CONNACK that accepts with the method M.
fn accepted() -> Vec<u8> {
    accepted_with(&property::authentication_method("M"))
}

/// Demands that the next event is AUTH with this code.
async fn expect_auth(stage: &mut Stage, code: ReasonCode) {
    let event = stage.event().await;
    assert!(
        matches!(event, Event::Authenticate { reason, .. } if reason == code),
        "{event:?}"
    );
}

/// The client says AUTH with the method M, and the server hears it.
async fn say(stage: &mut Stage, reason: ReasonCode, data: &'static [u8]) {
    let sent = stage
        .client
        .authenticate(reason, said(data).as_properties());
    sent.expect("it is sent");
    stage.expect(auth(reason.as_u8(), "M", data)).await;
}

/// [MQTT-3.1.2-30] Before CONNACK a client with a method says AUTH and nothing else.
#[tokio::test]
async fn v5_3_1_2_30() {
    let mut stage = Stage::new(with_method).await;
    let connect = stage.open().await;
    let named = property::authentication_method("M");
    assert!(connect.windows(named.len()).any(|part| part == named));
    let message = Publication::new("t", "waits").qos(QoS::AtLeastOnce);
    stage.client.publish(message).expect("it waits");
    let filters = [("f", SubscriptionOptions::default())];
    let refused = stage.client.subscribe(&filters, Properties::EMPTY);
    assert_eq!(refused, Err(RequestError::NotConnected));
    stage.say(auth(0x18, "M", b"challenge")).await;
    expect_auth(&mut stage, ReasonCode::ContinueAuthentication).await;
    say(&mut stage, ReasonCode::ContinueAuthentication, b"answer").await;
    stage.say(accepted()).await;
    stage
        .expect(Publish::new("t", "waits").qos(1, 1).bytes())
        .await;
}

/// [MQTT-4.12.0-5] All AUTH packets, and the CONNACK that accepts, name the method of CONNECT. What
/// names another one is not sent, and not accepted from the server.
#[tokio::test]
async fn v5_4_12_0_5() {
    let mut stage = Stage::new(with_method).await;
    let other = accepted_with(&property::authentication_method("other"));
    for connack in [accepted_with(&[]), other] {
        stage.expect_bad_connack(&connack, 0x82).await;
    }
    let wrong = auth(0x18, "other", b"challenge");
    stage.expect_bad_connack(&wrong, 0x82).await;
    stage.connect(accepted()).await;
    stage.say(wrong).await;
    stage.expect_refusal(0x82).await;
}

/// [MQTT-4.12.0-7] A client that named no method in CONNECT sends no AUTH, though its program wants
/// to. [MQTT-4.12.0-3] One that did sends none of a server's.
#[tokio::test]
async fn without_a_method_the_client_sends_no_auth() {
    let properties = said(b"x");
    for (is_named, reason) in [
        (false, ReasonCode::Reauthenticate),
        (false, ReasonCode::ContinueAuthentication),
        (true, ReasonCode::Success),
    ] {
        let mut stage = if is_named {
            Stage::connected(with_method, accepted()).await
        } else {
            Stage::connected(|options| options, ACCEPTED).await
        };
        let client = &mut stage.client;
        let refused = client.authenticate(reason, properties.as_properties());
        let refused = refused.expect_err("it is not sent");
        assert!(matches!(refused, RequestError::AuthenticationInvalid(_)));
        stage.expect_disconnect(ReasonCode::UnspecifiedError).await;
    }
}

/// [MQTT-4.12.1-1] An authentication is repeated with the first method.
#[tokio::test]
async fn v5_4_12_1_1() {
    let mut stage = Stage::connected(with_method, accepted()).await;
    let other: PropertiesBuf = [Property::AuthenticationMethod("other")]
        .into_iter()
        .collect();
    for wrong in [Properties::EMPTY, other.as_properties()] {
        let refused = stage.client.authenticate(ReasonCode::Reauthenticate, wrong);
        let refused = refused.expect_err("it is not sent");
        assert!(matches!(refused, RequestError::AuthenticationInvalid(_)));
    }
    say(&mut stage, ReasonCode::Reauthenticate, b"again").await;
    stage.say(auth(0x00, "M", b"")).await;
    expect_auth(&mut stage, ReasonCode::Success).await;
}

/// [MQTT-4.12.1-2] An authentication that is repeated and fails ends the connection, whichever side
/// finds it to fail.
#[tokio::test]
async fn v5_4_12_1_2() {
    for server_fails in [true, false] {
        let mut stage = Stage::connected(with_method, accepted()).await;
        say(&mut stage, ReasonCode::Reauthenticate, b"again").await;
        if server_fails {
            stage.say(disconnect(0x87, &[])).await;
            let error = stage.expect_end([]).await;
            assert!(
                matches!(error, Error::Disconnected { reason, .. } if reason == ReasonCode::NotAuthorized),
                "{error:?}"
            );
        } else {
            stage.say(auth(0x18, "M", b"not what was agreed")).await;
            expect_auth(&mut stage, ReasonCode::ContinueAuthentication).await;
            stage.expect_disconnect(ReasonCode::UnspecifiedError).await;
        }
    }
}

/// AUTH with a Reason String and a User Property too many for the server's Maximum Packet Size.
async fn sent_within(limit: u32) -> Vec<u8> {
    let method = property::authentication_method("M");
    let limited = [method, property::maximum_packet_size(limit)].concat();
    let mut stage = Stage::connected(with_method, accepted_with(&limited)).await;
    let properties: PropertiesBuf = [
        Property::AuthenticationMethod("M"),
        Property::ReasonString("because"),
        Property::UserProperty("name", "value"),
    ]
    .into_iter()
    .collect();
    stage
        .client
        .authenticate(ReasonCode::Reauthenticate, properties.as_properties())
        .expect("it is sent");
    stage.hear().await
}

/// [MQTT-3.15.2-2] A Reason String is left out of AUTH where the packet would be too large.
#[tokio::test]
async fn v5_3_15_2_2() {
    let user = property::user_property("name", "value");
    let properties = [property::authentication_method("M"), user].concat();
    let expected = packet(0xf0, &[&[0x19], &block(&properties)]);
    let limit = u32::try_from(expected.len()).expect("a short packet");
    assert_eq!(sent_within(limit).await, expected);
    let all = expected.len() + property::reason_string("because").len();
    let limit = u32::try_from(all).expect("a short packet");
    assert_eq!(
        sent_within(limit).await.len(),
        all,
        "what fits is not left out"
    );
}

/// [MQTT-3.15.2-3] So are User Properties.
#[tokio::test]
async fn v5_3_15_2_3() {
    let properties = property::authentication_method("M");
    let expected = packet(0xf0, &[&[0x19], &block(&properties)]);
    let limit = u32::try_from(expected.len()).expect("a short packet");
    assert_eq!(sent_within(limit).await, expected);
}
