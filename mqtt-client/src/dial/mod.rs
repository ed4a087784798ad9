//! From an address to a byte stream: one attempt.

mod tcp;
#[cfg(unix)]
mod unix;

use crate::stream::Stream;
use crate::{Address, Error, Options};

/// Tries every address behind the name once, in order.
pub(crate) async fn dial(options: &Options) -> Result<Stream, Error> {
    let attempt = attempt(options);
    match options.dial_timeout {
        None => attempt.await,
        Some(patience) => tokio::time::timeout(patience, attempt)
            .await
            .unwrap_or(Err(Error::DialTimeout)),
    }
}

async fn attempt(options: &Options) -> Result<Stream, Error> {
    match &options.address {
        Address::Tcp { host, port } => {
            let bind_address = options.bind_address.as_deref();
            tcp::connect(host, *port, bind_address, options.no_delay)
                .await
                .map(Stream::Tcp)
        }
        #[cfg(unix)]
        Address::Unix(path) => unix::connect(path).await.map(Stream::Unix),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(Error::Unsupported {
            scheme: "unix".to_owned(),
        }),
        Address::Unsupported { scheme, .. } => Err(Error::Unsupported {
            scheme: scheme.clone(),
        }),
    }
}
