//! The client over real sockets and pipes: against Mosquitto, and against servers that play a part.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against_mosquitto;
mod client;
mod connection;
mod dialling;
mod mosquitto;
mod part;
mod reconnecting;

use std::time::Duration;

use mqtt_client::{Address, Connection, Error, Event, Options, QoS, SubscriptionOptions};

/// Options for a connection whose address does not matter.
fn options() -> Options {
    Options::new(Address::tcp("localhost", 1883)).client_id("c")
}

fn with_qos(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

/// Waits for what must happen soon.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("it happens in time")
}

async fn next(connection: &mut Connection) -> Event {
    soon(connection.next_event())
        .await
        .expect("the connection stands")
}

/// The error that ends a connection; what comes before does not matter.
async fn end_of(connection: &mut Connection) -> Error {
    loop {
        if let Err(error) = soon(connection.next_event()).await {
            return error;
        }
    }
}
