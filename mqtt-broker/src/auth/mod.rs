//! Who may come in, and who may do what there. Pure: files are read and passwords verified by
//! others, who bring the text in and take the hash away.
//!
//! The lobby asks [`Authenticator::decide`] once for each CONNECT; shards ask [`Policy::may`] for
//! each message. Both stand behind an `Arc` in the settings, and a reload brings new ones.

mod admission;
mod password_file;
mod policy;

pub use admission::{Admission, Authenticator, anonymous_allowed};
pub use password_file::{PasswordFile, PasswordFileError};
pub use policy::{Action, Policy};
