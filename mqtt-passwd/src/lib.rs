//! Password files of MQTT brokers: `user:hash` lines, as Mosquitto 1.6 to 2.1 write them.
//!
//! [`PasswordHash`] knows the three encodings in use (`$6$`, `$7$` and `$argon2id$`), verifies in
//! constant time and writes new ones. [`PasswordFile`] is the strict reader for a broker: every
//! error of the file, each with its line. [`PasswordLines`] is the loss-free one for tools: what it
//! does not change, it gives back byte for byte.
//!
//! The crate opens no file, asks no terminal and draws no randomness: the caller brings text and
//! salt. The program `mqtt-passwd`, behind the feature `program`, does those three.
//!
//! ```
//! use mqtt_passwd::{PasswordFile, PasswordHash, Scheme};
//!
//! let salt = *b"twelve bytes"; // random in earnest
//! let hash = PasswordHash::create(Scheme::default(), b"correct horse", &salt)?;
//! let file = PasswordFile::parse(format!("# staff\nalice:{hash}\n")).expect("one good line");
//! let found = file.lookup("alice").expect("alice has a line");
//! assert!(found.verify(b"correct horse"));
//! assert!(!found.verify(b"wrong horse"));
//! # Ok::<(), mqtt_passwd::HashError>(())
//! ```

pub mod argon2id;
mod entry;
pub mod file;
pub mod hash;
pub mod lines;

pub use argon2id::{Argon2Cost, Argon2Version};
pub use file::{FileError, LineError, PasswordFile};
pub use hash::{HashError, ITERATIONS_DEFAULT, ITERATIONS_MAX, PasswordHash, Scheme};
pub use lines::{CorruptLine, PasswordLines, Written};
