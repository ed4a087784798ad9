//! What an argon2id entry says of its cost, within bounds that a login may cost.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::hash::{HashError, decimal};

/// Most memory that one verification may take, in KiB: 1 GiB.
pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// Most work that one verification may be, memory in KiB times passes: 4 GiB filled in all, some
/// seconds. RFC 9106 recommends 2 GiB once, or 64 MiB three times; 1 GiB four times fits.
pub const WORK_KIB_MAX: u64 = 4 * 1024 * 1024;

/// Most lanes; they are computed one after the other, so this bounds nothing but nonsense.
pub const LANES_MAX: u32 = 255;

/// Revision of the algorithm that made the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argon2Version {
    /// `v=16`, also meant when the entry names none.
    V16,
    /// `v=19`, what everybody writes today (RFC 9106).
    V19,
}

/// Parameters of argon2id, checked against the bounds of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    version: Argon2Version,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Cost {
    /// What Mosquitto 2.1 writes: 46 MiB, one pass, one lane.
    pub const MOSQUITTO: Self = Self {
        version: Argon2Version::V19,
        memory_kib: 47_104,
        passes: 1,
        lanes: 1,
    };

    /// Checks the parameters `m` (KiB), `t` and `p` of an entry.
    ///
    /// # Errors
    /// [`HashError::Argon2TooDear`] above [`MEMORY_KIB_MAX`], [`WORK_KIB_MAX`] or [`LANES_MAX`];
    /// [`HashError::Argon2Parameters`] for what the algorithm does not define: no pass, no lane,
    /// less than 8 KiB for each lane.
    pub fn new(
        version: Argon2Version,
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    ) -> Result<Self, HashError> {
        let work = u64::from(memory_kib).saturating_mul(u64::from(passes));
        if memory_kib > MEMORY_KIB_MAX || work > WORK_KIB_MAX || lanes > LANES_MAX {
            return Err(HashError::Argon2TooDear {
                memory_kib,
                passes,
                lanes,
            });
        }
        if passes == 0 || lanes == 0 || memory_kib < lanes.saturating_mul(8) {
            return Err(HashError::Argon2Parameters);
        }
        Ok(Self {
            version,
            memory_kib,
            passes,
            lanes,
        })
    }

    /// Reads the `v=` field, if there was one, and the `m=..,t=..,p=..` field of a PHC string.
    pub(crate) fn parse(version: Option<&str>, parameters: &str) -> Result<Self, HashError> {
        let version = match version {
            None | Some("v=16") => Argon2Version::V16,
            Some("v=19") => Argon2Version::V19,
            Some(_) => return Err(HashError::Argon2Parameters),
        };
        let (mut memory, mut passes, mut lanes) = (None, None, None);
        for parameter in parameters.split(',') {
            let (name, value) = parameter
                .split_once('=')
                .ok_or(HashError::Argon2Parameters)?;
            let place = match name {
                "m" => &mut memory,
                "t" => &mut passes,
                "p" => &mut lanes,
                _ => return Err(HashError::Argon2Parameters),
            };
            let value = decimal(value).ok_or(HashError::Argon2Parameters)?;
            if place.replace(value).is_some() {
                return Err(HashError::Argon2Parameters);
            }
        }
        match (memory, passes, lanes) {
            (Some(memory), Some(passes), Some(lanes)) => Self::new(version, memory, passes, lanes),
            _ => Err(HashError::Argon2Parameters),
        }
    }

    /// Fills `digest`, whose length is an input of the algorithm too.
    pub(crate) fn digest(
        self,
        password: &[u8],
        salt: &[u8],
        digest: &mut [u8],
    ) -> Result<(), HashError> {
        let version = match self.version {
            Argon2Version::V16 => Version::V0x10,
            Argon2Version::V19 => Version::V0x13,
        };
        Params::new(self.memory_kib, self.passes, self.lanes, Some(digest.len()))
            .and_then(|parameters| {
                Argon2::new(Algorithm::Argon2id, version, parameters)
                    .hash_password_into(password, salt, digest)
            })
            .map_err(|error| match error {
                argon2::Error::OutOfMemory => HashError::OutOfMemory,
                _ => HashError::Argon2Parameters,
            })
    }
}

/// The PHC fields between scheme and salt: `v=19$m=47104,t=1,p=1`.
impl std::fmt::Display for Argon2Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = match self.version {
            Argon2Version::V16 => 16,
            Argon2Version::V19 => 19,
        };
        let Self {
            memory_kib,
            passes,
            lanes,
            ..
        } = self;
        write!(f, "v={version}$m={memory_kib},t={passes},p={lanes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_any_order_and_only_once() {
        let cost = Argon2Cost::parse(Some("v=19"), "t=2,p=3,m=64").unwrap();
        assert_eq!(cost.to_string(), "v=19$m=64,t=2,p=3");
        for (version, parameters) in [
            (Some("v=19"), "m=64,t=2"),
            (Some("v=19"), "m=64,t=2,p=1,m=64"),
            (Some("v=19"), "m=64,t=2,p=1,k=5"),
            (Some("v=19"), "m=+64,t=2,p=1"),
            (Some("v=19"), "m=64,t=2,p="),
            (Some("v=19"), "m=7,t=1,p=1"),
            (Some("v=19"), "m=64,t=0,p=1"),
            (Some("v=19"), "m=64,t=1,p=0"),
            (Some("v=18"), "m=64,t=1,p=1"),
            (Some("v=19"), ""),
        ] {
            let found = Argon2Cost::parse(version, parameters);
            assert_eq!(
                found,
                Err(HashError::Argon2Parameters),
                "{version:?} {parameters}"
            );
        }
    }

    #[test]
    fn a_cost_that_would_stop_the_broker_is_refused() {
        for (memory, passes, lanes) in [
            (MEMORY_KIB_MAX + 1, 1, 1),
            (MEMORY_KIB_MAX, 5, 1),
            (u32::MAX, u32::MAX, 1),
            (8, u32::MAX, 1),
            (1 << 20, 1, 256),
        ] {
            let found = Argon2Cost::new(Argon2Version::V19, memory, passes, lanes);
            let expected = HashError::Argon2TooDear {
                memory_kib: memory,
                passes,
                lanes,
            };
            assert_eq!(found, Err(expected));
        }
        assert!(Argon2Cost::new(Argon2Version::V19, MEMORY_KIB_MAX, 4, 4).is_ok());
    }
}
