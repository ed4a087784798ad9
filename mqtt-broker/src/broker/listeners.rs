//! Where the broker listens, and to how many: from the configuration to what the runtime is told.

use std::num::NonZeroU32;

use crate::config::{Address, Config, Listener, SocketDomain};
use crate::control::{InterfaceError, interface_hosts};
use crate::runtime::{Bind, ConnectionLimits, Family, ListenAddress};

/// Where the listeners listen. In local-only mode 127.0.0.1 and ::1 of a port are one: it is
/// enough to have either.
pub(super) fn listen_addresses(config: &Config) -> Result<Vec<ListenAddress>, InterfaceError> {
    let mut addresses: Vec<ListenAddress> = Vec::new();
    for (number, listener) in (0..).zip(&config.listeners) {
        for bind in binds(listener, config.local_only)? {
            let known = config.local_only && addresses.iter().any(|other| other.bind == bind);
            if !known {
                addresses.push(ListenAddress { number, bind });
            }
        }
    }
    Ok(addresses)
}

/// Several if it listens at the addresses of an interface.
fn binds(listener: &Listener, local_only: bool) -> Result<Vec<Bind>, InterfaceError> {
    let (port, host, socket_domain) = match &listener.address {
        Address::Unix(path) => return Ok(vec![Bind::Unix { path: path.clone() }]),
        Address::Tcp { port, .. } if local_only => {
            return Ok(vec![Bind::Loopback { port: port.get() }]);
        }
        Address::Tcp {
            port,
            host,
            socket_domain,
        } => (port.get(), host, socket_domain),
    };
    let family = match socket_domain {
        SocketDomain::Any => None,
        SocketDomain::Ipv4 => Some(Family::V4),
        SocketDomain::Ipv6 => Some(Family::V6),
    };
    let Some(interface) = &listener.bind_interface else {
        let host = host.as_deref().map(Into::into);
        return Ok(vec![Bind::Tcp { host, port, family }]);
    };
    let hosts = interface_hosts(interface, host.as_deref(), |address| match family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    })?;
    let bind = |host| Bind::Tcp {
        host: Some(host),
        port,
        family,
    };
    Ok(hosts.into_iter().map(bind).collect())
}

/// How many connections each listener may have, and all together.
pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let most = |listener: &Listener| listener.max_connections.map(NonZeroU32::get);
    ConnectionLimits {
        global: config.rules.global_max_connections.map(NonZeroU32::get),
        listeners: config.listeners.iter().map(most).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn in_local_only_mode_the_two_loopback_addresses_of_a_port_are_one_place() {
        let addresses = listen_addresses(&config("sys_interval 0\n")).unwrap();
        let [address] = addresses.as_slice() else {
            panic!("{addresses:?}")
        };
        assert_eq!(address.number, 0);
        assert_eq!(address.bind, Bind::Loopback { port: 1883 });
    }

    #[test]
    fn listeners_keep_their_numbers_families_and_limits() {
        let config = config(
            "global_max_connections 9\n\
             listener 1884 127.0.0.1\n\
             max_connections 3\n\
             listener 1885\n\
             socket_domain ipv6\n",
        );
        let addresses = listen_addresses(&config).unwrap();
        let numbers: Vec<u16> = addresses.iter().map(|address| address.number).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(
            addresses[0].bind,
            Bind::Tcp {
                host: Some("127.0.0.1".into()),
                port: 1884,
                family: None
            }
        );
        assert_eq!(
            addresses[1].bind,
            Bind::Tcp {
                host: None,
                port: 1885,
                family: Some(Family::V6)
            }
        );
        let limits = connection_limits(&config);
        assert_eq!(
            (limits.global, limits.listeners),
            (Some(9), vec![Some(3), None])
        );
    }
}
