//! One password hash: read, verify, make and write all known formats.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::argon2id::Argon2Cost;

/// Iterations that new `$7$` hashes get: 1000, as Mosquitto 2.1 writes (2.0 wrote 101).
pub const ITERATIONS_DEFAULT: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");

/// Most iterations that a `$7$` hash may ask for; some seconds of work for one login.
pub const ITERATIONS_MAX: u32 = 10_000_000;

/// Salt of `$6$` and `$7$` in bytes as Mosquitto 2.0 writes it; nothing else is readable there.
pub const SALT_BYTES_SHORT: usize = 12;

/// Salt of `$6$` and `$7$` in bytes as Mosquitto 2.1 writes it.
pub const SALT_BYTES_LONG: usize = 64;

/// Length of every digest written here, and of all of `$6$` and `$7$`.
const DIGEST_BYTES: usize = 64;

/// Longest salt or digest of an argon2id entry.
const ARGON2_FIELD_BYTES_MAX: usize = 1024;

/// Why a text is not a usable password hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// It does not begin with `$`, so it is a plain-text password.
    #[error("plain-text password")]
    PlainText,
    /// It begins with `$`, but with none of the known names.
    #[error("unknown kind of hash, only $6$, $7$ and $argon2id$ are known")]
    UnknownScheme,
    /// Fields between the `$` signs are missing or too many.
    #[error("hash has a missing or extra field")]
    FieldCount,
    /// The iterations of `$7$` are not a number from 1 to [`ITERATIONS_MAX`].
    #[error("iterations must be a number from 1 to {ITERATIONS_MAX}")]
    Iterations,
    /// The parameters of `$argon2id$` cannot be read, or mean nothing.
    #[error("argon2id parameters are not valid")]
    Argon2Parameters,
    /// The parameters would take more memory or time than a login may.
    #[error("argon2id parameters m={memory_kib},t={passes},p={lanes} are too dear")]
    Argon2TooDear {
        /// `m`, in KiB.
        memory_kib: u32,
        /// `t`.
        passes: u32,
        /// `p`.
        lanes: u32,
    },
    /// The salt is not base64.
    #[error("salt is not base64")]
    SaltEncoding,
    /// The salt has a length that the scheme does not have.
    #[error("salt of {bytes} bytes")]
    SaltLength {
        /// After decoding.
        bytes: usize,
    },
    /// The digest is not base64.
    #[error("digest is not base64")]
    DigestEncoding,
    /// The digest has a length that the scheme does not have.
    #[error("digest of {bytes} bytes")]
    DigestLength {
        /// After decoding.
        bytes: usize,
    },
    /// The memory that argon2id needs was not there.
    #[error("not enough memory to hash")]
    OutOfMemory,
}

/// How a password becomes a digest, with all that it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `$6$`: one round of SHA-512 over password and salt; cheap to guess, for brokers up to 1.6.
    Sha512,
    /// `$7$`: PBKDF2 with HMAC-SHA512.
    Sha512Pbkdf2 {
        /// At most [`ITERATIONS_MAX`].
        iterations: NonZeroU32,
    },
    /// `$argon2id$`, for brokers from 2.1 on.
    Argon2id(Argon2Cost),
}

/// `$7$1000$`: every broker since 2.0 reads it.
impl Default for Scheme {
    fn default() -> Self {
        Self::Sha512Pbkdf2 {
            iterations: ITERATIONS_DEFAULT,
        }
    }
}

impl Scheme {
    /// The name that option `-H` knows it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sha512 => "sha512",
            Self::Sha512Pbkdf2 { .. } => "sha512-pbkdf2",
            Self::Argon2id(_) => "argon2id",
        }
    }

    fn check_lengths(&self, salt: &[u8], digest: &[u8]) -> Result<(), HashError> {
        let (salt_fits, digest_fits) = match self {
            Self::Sha512 | Self::Sha512Pbkdf2 { .. } => (
                matches!(salt.len(), SALT_BYTES_SHORT | SALT_BYTES_LONG),
                digest.len() == DIGEST_BYTES,
            ),
            Self::Argon2id(_) => (
                (argon2::MIN_SALT_LEN..=ARGON2_FIELD_BYTES_MAX).contains(&salt.len()),
                (argon2::Params::MIN_OUTPUT_LEN..=ARGON2_FIELD_BYTES_MAX).contains(&digest.len()),
            ),
        };
        if !salt_fits {
            return Err(HashError::SaltLength { bytes: salt.len() });
        }
        if !digest_fits {
            return Err(HashError::DigestLength {
                bytes: digest.len(),
            });
        }
        Ok(())
    }

    fn digest(&self, password: &[u8], salt: &[u8], digest: &mut [u8]) -> Result<(), HashError> {
        match *self {
            Self::Sha512 => {
                let hashed = Sha512::new()
                    .chain_update(password)
                    .chain_update(salt)
                    .finalize();
                if digest.len() != hashed.len() {
                    return Err(HashError::DigestLength {
                        bytes: digest.len(),
                    });
                }
                digest.copy_from_slice(&hashed);
                Ok(())
            }
            Self::Sha512Pbkdf2 { iterations } => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations.get(), digest);
                Ok(())
            }
            Self::Argon2id(cost) => cost.digest(password, salt, digest),
        }
    }
}

/// What a password file keeps of a password. `Display` writes the text after `user:`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: Scheme,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

impl PasswordHash {
    /// Reads the text after `user:`, without blanks around it.
    ///
    /// # Errors
    /// Everything that [`PasswordHash::verify`] could not work with, costs that no login should
    /// have included: a hash that was read can be verified.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let fields = text.strip_prefix('$').ok_or(HashError::PlainText)?;
        // One more than the longest form has, so that a seventh field is seen and refused.
        let fields: Vec<&str> = fields.splitn(6, '$').collect();
        let (scheme, salt, digest, engine) = match *fields.as_slice() {
            ["6", salt, digest] => (Scheme::Sha512, salt, digest, &STANDARD),
            ["7", iterations, salt, digest] => {
                let iterations = decimal(iterations)
                    .and_then(NonZeroU32::new)
                    .filter(|iterations| iterations.get() <= ITERATIONS_MAX)
                    .ok_or(HashError::Iterations)?;
                (Scheme::Sha512Pbkdf2 { iterations }, salt, digest, &STANDARD)
            }
            ["argon2id", version, parameters, salt, digest] => {
                let cost = Argon2Cost::parse(Some(version), parameters)?;
                (Scheme::Argon2id(cost), salt, digest, &STANDARD_NO_PAD)
            }
            ["argon2id", parameters, salt, digest] => {
                let cost = Argon2Cost::parse(None, parameters)?;
                (Scheme::Argon2id(cost), salt, digest, &STANDARD_NO_PAD)
            }
            ["6" | "7" | "argon2id", ..] => return Err(HashError::FieldCount),
            _ => return Err(HashError::UnknownScheme),
        };
        let salt = engine.decode(salt).map_err(|_| HashError::SaltEncoding)?;
        let digest = engine
            .decode(digest)
            .map_err(|_| HashError::DigestEncoding)?;
        scheme.check_lengths(&salt, &digest)?;
        Ok(Self {
            scheme,
            salt: salt.into(),
            digest: digest.into(),
        })
    }

    /// Hashes a new password with a salt that the caller drew at random.
    ///
    /// A password ends at its first NUL byte, here and in [`PasswordHash::verify`], as in
    /// Mosquitto.
    ///
    /// # Errors
    /// [`HashError::SaltLength`], unless the salt is 12 or 64 bytes (from 8 on for argon2id);
    /// [`HashError::Iterations`] above the limit; [`HashError::OutOfMemory`].
    pub fn create(scheme: Scheme, password: &[u8], salt: &[u8]) -> Result<Self, HashError> {
        if let Scheme::Sha512Pbkdf2 { iterations } = scheme
            && iterations.get() > ITERATIONS_MAX
        {
            return Err(HashError::Iterations);
        }
        let mut digest = vec![0; DIGEST_BYTES];
        scheme.check_lengths(salt, &digest)?;
        scheme.digest(until_nul(password), salt, &mut digest)?;
        Ok(Self {
            scheme,
            salt: salt.into(),
            digest: digest.into(),
        })
    }

    /// A hash of the same cost that no password is known to match, for user names that do not
    /// exist: verifying it takes as long, so that time does not tell which names do.
    pub fn decoy(&self) -> Self {
        Self {
            scheme: self.scheme,
            salt: vec![0; self.salt.len()].into(),
            digest: vec![0; self.digest.len()].into(),
        }
    }

    /// The decoy where there is no hash to imitate: of the default scheme.
    pub fn unmatched() -> Self {
        Self {
            scheme: Scheme::default(),
            salt: vec![0; SALT_BYTES_SHORT].into(),
            digest: vec![0; DIGEST_BYTES].into(),
        }
    }

    /// Whether this is the password. Takes as long as the scheme costs, and the same time for
    /// every wrong one; argon2id takes memory for its while, and without it the answer is no.
    pub fn verify(&self, password: &[u8]) -> bool {
        let mut digest = vec![0; self.digest.len()];
        self.scheme
            .digest(until_nul(password), &self.salt, &mut digest)
            .is_ok()
            && bool::from(digest.ct_eq(&self.digest))
    }

    /// How it was made, and what verifying it costs.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.scheme {
            Scheme::Sha512 => {
                f.write_str("$6")?;
                &STANDARD
            }
            Scheme::Sha512Pbkdf2 { iterations } => {
                write!(f, "$7${iterations}")?;
                &STANDARD
            }
            Scheme::Argon2id(cost) => {
                write!(f, "$argon2id${cost}")?;
                &STANDARD_NO_PAD
            }
        };
        write!(
            f,
            "${}${}",
            engine.encode(&self.salt),
            engine.encode(&self.digest)
        )
    }
}

/// The scheme alone: what helps in guessing a password has no place in a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// Mosquitto hands passwords on as C strings, so its hashes end there.
fn until_nul(password: &[u8]) -> &[u8] {
    password.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Digits alone: no sign, no blanks.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (hash, password): the first four written by mosquitto_passwd 2.0.11, the others by the
    /// reference implementation of argon2.
    const VECTORS: &[(&str, &str)] = &[
        (
            "$7$101$3n11a2hwtiSeNdvj$TLk92zsr35Qu6N5rZu/jdD9D5PXLJNx1HDwbgfao4QnUp9leSF9r1LHS1hHGgn03uwsXT18OjR+TqyuI1CY1kg==",
            "wonder land",
        ),
        (
            "$7$101$0t1jJVrtcLQPIcjn$JqCsEXY8WOqAuAtdWpGyabJhqTWOnuPwKQ6/IliR+UVv6X2dxArthS3Y+x1ZmxyywCeCNcB2P+VtUfsuKprnsw==",
            "pässwörd",
        ),
        (
            "$6$9wSYBMJenJimx4BG$4/lpojmn73YB42Irg0aAojwiA72tKR3eFFfo/i5jVI5l1wLlJ2IGmyQCgDJ+6jQQvvgpN741BK1+cXWk9CB/Fg==",
            "sha",
        ),
        (
            "$7$101$7O5zjQVLLo5Dg9o5$INRvvKxAfDtS4deZ9Z2qidlJRDfPZAOp2PD+Ulfwni2Utw4qSHvFh8Tjx86H3soDnzGYWo3CNkQV4QR7Vm7bqg==",
            "",
        ),
        (
            "$argon2id$v=19$m=47104,t=1,p=1$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$Ypz2bRFO5HKxeUPpHJuAgeoYhjJdlP/90i4ooFAWJoLhEskloo4iC616HJdYHM6LT+OLGkbk1C4ZOpHB712RuQ",
            "wonder land",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$k6HiJZRu2fwi+l1JN65MZIozQHyUfvu3",
            "päss",
        ),
        (
            "$argon2id$v=19$m=64,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$8laoUgLKxHQlKX3Bt4TH1WQD7LbwskKb2I+X1oXUs+4",
            "x",
        ),
    ];

    fn salt() -> [u8; SALT_BYTES_SHORT] {
        *b"0123456789ab"
    }

    #[test]
    fn hashes_of_other_programs_verify_and_are_written_back_unchanged() {
        for (text, password) in VECTORS {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify(password.as_bytes()), "{text}");
            assert!(!hash.verify(format!("{password}x").as_bytes()), "{text}");
            assert_eq!(&hash.to_string(), text);
        }
    }

    #[test]
    fn new_hashes_verify_after_a_round_trip() {
        let cheap = Argon2Cost::parse(Some("v=16"), "m=64,t=1,p=1").unwrap();
        for scheme in [Scheme::Sha512, Scheme::default(), Scheme::Argon2id(cheap)] {
            for salt in [&salt()[..], &[7; SALT_BYTES_LONG]] {
                let hash = PasswordHash::create(scheme, b"secret", salt).unwrap();
                let read = PasswordHash::parse(&hash.to_string()).unwrap();
                assert_eq!(read, hash);
                assert!(read.verify(b"secret"));
                assert!(!read.verify(b"Secret"));
            }
        }
    }

    #[test]
    fn an_argon2id_hash_without_a_version_is_of_version_16() {
        let cheap = Argon2Cost::parse(Some("v=16"), "m=64,t=1,p=1").unwrap();
        let hash = PasswordHash::create(Scheme::Argon2id(cheap), b"x", &salt()).unwrap();
        let short = hash.to_string().replace("$v=16", "");
        assert_eq!(PasswordHash::parse(&short), Ok(hash));
    }

    #[test]
    fn a_password_ends_at_its_first_nul_byte() {
        let hash = PasswordHash::create(Scheme::Sha512, b"secret", &salt()).unwrap();
        assert!(hash.verify(b"secret\0and more"));
        assert!(!hash.verify(b"\0secret"));
        assert_eq!(
            PasswordHash::create(Scheme::Sha512, b"secret\0x", &salt()),
            Ok(hash)
        );
    }

    #[test]
    fn a_decoy_costs_the_same_and_matches_nothing() {
        let hash = PasswordHash::create(Scheme::default(), b"secret", &salt()).unwrap();
        let decoy = hash.decoy();
        assert_eq!(decoy.scheme(), hash.scheme());
        for decoy in [decoy, PasswordHash::unmatched()] {
            assert!(!decoy.verify(b"secret"));
            assert!(!decoy.verify(b""));
        }
    }

    #[test]
    fn what_is_not_a_hash_is_refused_with_its_reason() {
        let salt_12 = STANDARD.encode([1; 12]);
        let digest = STANDARD.encode([2; 64]);
        let argon = "$argon2id$v=19$m=64,t=1,p=1";
        for (text, expected) in [
            (String::new(), HashError::PlainText),
            ("secret".into(), HashError::PlainText),
            ("$".into(), HashError::UnknownScheme),
            ("$1$abc$def".into(), HashError::UnknownScheme),
            (
                "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAA".into(),
                HashError::UnknownScheme,
            ),
            ("$6".into(), HashError::FieldCount),
            (format!("$6${salt_12}"), HashError::FieldCount),
            (format!("$6${salt_12}${digest}$x"), HashError::FieldCount),
            (format!("$7${salt_12}${digest}"), HashError::FieldCount),
            (format!("$7$0${salt_12}${digest}"), HashError::Iterations),
            (format!("$7$-1${salt_12}${digest}"), HashError::Iterations),
            (format!("$7$+1${salt_12}${digest}"), HashError::Iterations),
            (format!("$7$$${digest}"), HashError::Iterations),
            (
                format!("$7$10000001${salt_12}${digest}"),
                HashError::Iterations,
            ),
            (
                format!("$7$99999999999${salt_12}${digest}"),
                HashError::Iterations,
            ),
            (format!("$6$!{salt_12}${digest}"), HashError::SaltEncoding),
            (format!("$6$${digest}"), HashError::SaltLength { bytes: 0 }),
            (
                format!("$6$AAAA${digest}"),
                HashError::SaltLength { bytes: 3 },
            ),
            (format!("$6${salt_12}$äöü"), HashError::DigestEncoding),
            (
                format!("$6${salt_12}$AAAA"),
                HashError::DigestLength { bytes: 3 },
            ),
            (format!("{argon}$c2FsdHNhbHQ"), HashError::Argon2Parameters),
            (
                format!("{argon}$c2FsdHNhbHQ$AAAAAAAA$x"),
                HashError::FieldCount,
            ),
            (
                format!("{argon}$c2FsdHNhbHQ=$AAAAAAAA"),
                HashError::SaltEncoding,
            ),
            (
                format!("{argon}$AAAA$AAAAAAAA"),
                HashError::SaltLength { bytes: 3 },
            ),
            (
                format!("{argon}$c2FsdHNhbHQ$AAAA"),
                HashError::DigestLength { bytes: 3 },
            ),
            ("$argon2id$".into(), HashError::FieldCount),
        ] {
            assert_eq!(PasswordHash::parse(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn no_cut_of_a_hash_is_a_hash_and_none_panics() {
        for (text, _) in VECTORS.iter().take(4) {
            for end in 0..text.len() {
                assert!(
                    PasswordHash::parse(&text[..end]).is_err(),
                    "{end} of {text}"
                );
            }
        }
        for (text, _) in VECTORS {
            for end in 0..text.len() {
                let _ = PasswordHash::parse(&text[..end]);
            }
        }
    }

    #[test]
    fn wrong_salts_and_iterations_are_not_made() {
        let too_many = Scheme::Sha512Pbkdf2 {
            iterations: NonZeroU32::MAX,
        };
        assert_eq!(
            PasswordHash::create(too_many, b"x", &salt()),
            Err(HashError::Iterations)
        );
        let found = PasswordHash::create(Scheme::Sha512, b"x", b"short");
        assert_eq!(found, Err(HashError::SaltLength { bytes: 5 }));
    }

    #[test]
    fn debug_output_holds_no_digest() {
        let hash = PasswordHash::create(Scheme::default(), b"secret", &salt()).unwrap();
        let shown = format!("{hash:?}");
        assert_eq!(
            shown,
            "PasswordHash { scheme: Sha512Pbkdf2 { iterations: 1000 }, .. }"
        );
    }
}
