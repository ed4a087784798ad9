//! TCP: look the name up, try its addresses in order.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::Error;

/// Connects to the first address that answers. Of several failures the first is told.
pub(super) async fn connect(
    host: &str,
    port: u16,
    bind_address: Option<&str>,
    no_delay: bool,
) -> Result<TcpStream, Error> {
    let addresses = look_up(host, port).await?;
    let local = match bind_address {
        Some(local) => look_up(local, 0).await?,
        None => Vec::new(),
    };
    let mut first_error = None;
    for address in addresses {
        let from = match bind_address {
            None => None,
            // An address of the other family cannot be a source for this one.
            Some(_) => match local
                .iter()
                .find(|local| local.is_ipv4() == address.is_ipv4())
            {
                Some(local) => Some(local.ip()),
                None => continue,
            },
        };
        match connect_one(address, from, no_delay).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(Error::Dial(
        first_error.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()),
    ))
}

async fn connect_one(
    to: SocketAddr,
    from: Option<IpAddr>,
    no_delay: bool,
) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(no_delay)?;
    Ok(stream)
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Lookup {
        host: host.to_owned(),
        source,
    };
    let found: Vec<_> = lookup_host((host, port)).await.map_err(failed)?.collect();
    if found.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(found)
}
