//! The addresses of a network interface, for `bind_interface`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};

/// An interface cannot be bound to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// There is none of that name, or it has no address of the family.
    #[error("the network interface \"{name}\" does not exist or has no usable address")]
    Unknown {
        /// As in `bind_interface`.
        name: String,
    },
    /// The host of the listener is not one of its addresses.
    #[error("\"{host}\" is not an address of the network interface \"{name}\"")]
    Elsewhere {
        /// As in `bind_interface`.
        name: String,
        /// As in `listener`.
        host: String,
    },
    /// The system does not say which there are.
    #[error("the network interfaces cannot be listed: {}", .0.desc())]
    System(Errno),
}

/// The addresses of the interface, whose name is compared without regard to case, as hosts to
/// listen at. If the listener has a host, it is that alone, and must be an address of the interface.
///
/// # Errors
/// See [`InterfaceError`].
pub fn interface_hosts(
    name: &str,
    host: Option<&str>,
    wanted: impl Fn(IpAddr) -> bool,
) -> Result<Vec<Box<str>>, InterfaceError> {
    let all = getifaddrs().map_err(InterfaceError::System)?;
    let own: BTreeSet<SocketAddr> = all
        .filter(|interface| interface.interface_name.eq_ignore_ascii_case(name))
        .filter_map(|interface| address(&interface))
        .filter(|address| wanted(address.ip()))
        .collect();
    if own.is_empty() {
        return Err(InterfaceError::Unknown {
            name: name.to_owned(),
        });
    }
    let Some(host) = host else {
        return Ok(own.iter().map(as_host).collect());
    };
    let is_there = host
        .parse()
        .is_ok_and(|ip: IpAddr| own.iter().any(|own| own.ip() == ip));
    if !is_there {
        return Err(InterfaceError::Elsewhere {
            name: name.to_owned(),
            host: host.to_owned(),
        });
    }
    Ok(vec![host.into()])
}

fn address(interface: &InterfaceAddress) -> Option<SocketAddr> {
    let storage = interface.address?;
    let v4 = storage
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}

/// A link-local address is complete only with the number of its interface.
fn as_host(address: &SocketAddr) -> Box<str> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()).into(),
        other => other.ip().to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of the loopback interface differs between systems.
    fn loopback() -> String {
        getifaddrs()
            .unwrap()
            .find(|interface| address(interface).is_some_and(|own| own.ip().is_loopback()))
            .unwrap()
            .interface_name
    }

    #[test]
    fn the_loopback_interface_has_loopback_addresses_whatever_the_case_of_its_name() {
        let name = loopback();
        for name in [name.to_uppercase(), name] {
            let hosts = interface_hosts(&name, None, |ip| ip.is_ipv4()).unwrap();
            assert!(hosts.contains(&"127.0.0.1".into()), "{hosts:?}");
            assert!(interface_hosts(&name, Some("127.0.0.1"), |_| true).is_ok());
        }
    }

    #[test]
    fn unknown_interfaces_and_addresses_of_others_are_refused() {
        let name = "no-such-interface".to_owned();
        assert_eq!(
            interface_hosts(&name, None, |_| true),
            Err(InterfaceError::Unknown { name })
        );
        let (name, host) = (loopback(), "192.0.2.1".to_owned());
        assert_eq!(
            interface_hosts(&name, Some(&host), |_| true),
            Err(InterfaceError::Elsewhere { name, host })
        );
    }

    #[test]
    fn a_link_local_address_names_its_interface() {
        assert_eq!(&*as_host(&"[fe80::1%3]:0".parse().unwrap()), "fe80::1%3");
        assert_eq!(&*as_host(&"[::1]:0".parse().unwrap()), "::1");
        assert_eq!(&*as_host(&"10.0.0.1:0".parse().unwrap()), "10.0.0.1");
    }
}
