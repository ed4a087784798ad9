//! Prints what is published, event by event, and goes on when the connection is lost:
//! `cargo run --example watch -- mqtt://localhost '#'`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows what it does"
)]

use std::time::Duration;

use mqtt_client::{Connection, Error, Event, Options, Properties, SubscriptionOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let address = words
        .next()
        .unwrap_or_else(|| "mqtt://localhost".to_owned());
    let filter = words.next().unwrap_or_else(|| "#".to_owned());
    let mut connection = Connection::new(Options::new(address.parse()?));
    connection.dial().await?;
    loop {
        let error = watch(&mut connection, &filter).await;
        if error.is_permanent() {
            return Err(error.into());
        }
        eprintln!("{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Err(error) = connection.dial().await {
            eprintln!("{error}");
        }
    }
}

/// Prints messages until the connection ends; why, is returned.
async fn watch(connection: &mut Connection, filter: &str) -> Error {
    loop {
        match connection.next_event().await {
            Ok(Event::Connected(_)) => {
                let filters = [(filter, SubscriptionOptions::default())];
                if let Err(error) = connection.subscribe(&filters, Properties::EMPTY) {
                    eprintln!("cannot subscribe: {error}");
                }
            }
            Ok(Event::Message(message)) => {
                println!(
                    "{}: {}",
                    message.topic(),
                    String::from_utf8_lossy(message.payload())
                );
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}
