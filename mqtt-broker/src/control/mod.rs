//! What the outside does to a running broker: signals, reload, the life of its process.

mod durability;
mod interface;
mod opening;
mod password_files;
mod pid_file;
mod place;
mod privileges;
mod process;
mod reload;
mod settings;
mod signals;
mod store_check;
mod store_command;

pub use durability::{Keep, Places, Plan};
pub use interface::{InterfaceError, interface_hosts};
pub use opening::{Opened, Unusable, open as open_store};
pub use password_files::{PasswordFileFailure, PasswordFiles};
pub use pid_file::PidFile;
pub use privileges::{PrivilegesError, drop_privileges, user_words};
pub use process::{UmaskError, Watchdog, daemonise, set_umask, tell_ready};
pub use reload::{Reread, reread};
pub use settings::engine_settings;
pub use signals::{Signal, Signals};
pub use store_check::StoreCheck;
pub use store_command::{StoreCommandError, StoreTool};
