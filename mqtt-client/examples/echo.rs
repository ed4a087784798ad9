//! Publishes a message to itself and prints it: `cargo run --example echo -- mqtt://localhost`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use mqtt_client::{Client, Options, Properties, Publication, QoS, ReasonCode, SubscriptionOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "mqtt://localhost".to_owned());
    let (client, mut messages) = Client::connect(Options::new(address.parse()?)).await?;
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        ..Default::default()
    };
    let answer = client
        .subscribe(&[("example/echo", options)], Properties::EMPTY)
        .await?;
    println!("granted: {:?}", answer.reasons);
    let publication = Publication::new("example/echo", "hello").qos(QoS::AtLeastOnce);
    let acknowledged = client.publish(publication).await?;
    println!("acknowledged: {}", acknowledged.reason.name());
    if let Some(message) = messages.next().await {
        println!(
            "{}: {}",
            message.topic(),
            String::from_utf8_lossy(message.payload())
        );
    }
    client
        .disconnect(ReasonCode::Success, Properties::EMPTY)
        .await?;
    Ok(())
}
