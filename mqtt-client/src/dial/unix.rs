//! Unix-domain sockets.

use std::path::Path;

use tokio::net::UnixStream;

use crate::Error;

/// Connects to a socket in the file system.
pub(super) async fn connect(path: &Path) -> Result<UnixStream, Error> {
    UnixStream::connect(path).await.map_err(Error::Dial)
}
