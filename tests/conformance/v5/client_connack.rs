//! What the client makes of CONNACK (5.0, 3.2).

use super::packets::property;
use crate::stage::{ACCEPTED, Stage, accepted_with};

/// Every property of CONNACK that may stand there once, each with a legal value.
fn once_only() -> [Vec<u8>; 16] {
    [
        property::session_expiry(60),
        property::receive_maximum(10),
        vec![0x24, 1],
        vec![0x25, 1],
        property::maximum_packet_size(1000),
        property::string(0x12, "assigned"),
        property::topic_alias_maximum(5),
        property::reason_string("because"),
        vec![0x28, 1],
        vec![0x29, 1],
        vec![0x2a, 1],
        vec![0x13, 0, 60],
        property::string(0x1a, "response"),
        property::string(0x1c, "server"),
        property::authentication_method("M"),
        property::authentication_data(b"data"),
    ]
}

/// [U-3.2.2.3-a] A property of CONNACK twice is a Protocol Error; a User Property is not.
#[tokio::test]
async fn v5_u_3_2_2_3_a() {
    let mut stage = Stage::new(|options| options).await;
    for property in once_only() {
        let connack = accepted_with(&property.repeat(2));
        stage.expect_bad_connack(&connack, 0x82).await;
    }
    let twice = property::user_property("a", "b").repeat(2);
    stage.connect(accepted_with(&twice)).await;
    // Once each is well; the method, and data for it, only where CONNECT named one.
    let all = once_only()[..14].concat();
    stage.connect(accepted_with(&all)).await;
}

/// [U-3.2.2.3-b] Values that CONNACK may not have: Protocol Error.
#[tokio::test]
async fn v5_u_3_2_2_3_b() {
    let mut stage = Stage::new(|options| options).await;
    for wrong in [
        property::receive_maximum(0),
        property::maximum_packet_size(0),
        vec![0x24, 2],
        vec![0x24, 0xff],
        vec![0x25, 2],
        vec![0x28, 2],
        vec![0x29, 2],
        vec![0x2a, 0xff],
    ] {
        let connack = accepted_with(&wrong);
        stage.expect_bad_connack(&connack, 0x82).await;
    }
    stage.connect(ACCEPTED).await;
}
