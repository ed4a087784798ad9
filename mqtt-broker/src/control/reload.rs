//! HUP: everything is read again, and taken over whole or not at all.

use super::password_files::PasswordFiles;
use super::settings::engine_settings;
use crate::config::{self, Config, Files};
use crate::engine::limits::Settings;
use crate::observe::{Level, Log};

/// What a reload found, fit to be taken over.
#[derive(Debug)]
pub struct Reread {
    /// The new configuration.
    pub config: Config,
    /// What the engine is to be told.
    pub settings: Settings,
}

/// Reads the configuration and the password files again.
///
/// If anything is wrong with any of them it says so and returns nothing: what is in force stays,
/// the old passwords too. (The original ends when a password file is broken. A typing error should
/// not disconnect everybody.)
pub fn reread(old: &Config, files: &dyn Files, allow_symlinks: bool, log: &Log) -> Option<Reread> {
    let reloaded = match config::reload(old, files) {
        Ok(reloaded) => reloaded,
        Err(errors) => {
            for line in errors.to_string().lines() {
                log.tell(Level::Error, format_args!("Error: {line}"));
            }
            keeps_the_old(log);
            return None;
        }
    };
    for notice in &reloaded.notices {
        log.tell(Level::from(notice.level), format_args!("{}", notice.text));
    }
    match engine_settings(
        &reloaded.config,
        &mut PasswordFiles::new(log, allow_symlinks),
    ) {
        Ok(settings) => Some(Reread {
            config: reloaded.config,
            settings,
        }),
        Err(failure) => {
            failure.tell(log);
            keeps_the_old(log);
            None
        }
    }
}

fn keeps_the_old(log: &Log) {
    log.tell(
        Level::Error,
        format_args!(
            "Error: The configuration was not reloaded. What was in force stays in force."
        ),
    );
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::super::settings::tests::{OneFile, config};
    use super::*;
    use crate::observe::Levels;
    use crate::observe::testing::{keeping, kept};

    fn write_users(path: &Path, users: &[&str]) {
        let hash = mqtt_passwd::PasswordHash::create(mqtt_passwd::Scheme::Sha512, b"x", &[1; 12]);
        let hash = hash.unwrap();
        let text: String = users
            .iter()
            .map(|user| format!("{user}:{hash}\n"))
            .collect();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn reload(old: &Config, text: &str) -> (Option<Reread>, Vec<String>) {
        let log = keeping(Levels::DEFAULT, true);
        let reread = reread(old, &OneFile(text.to_owned()), false, &log);
        (reread, kept(&log))
    }

    #[test]
    fn new_options_and_new_users_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        write_users(&path, &["ann"]);
        let text = format!("listener 1883\npassword_file {}\n", path.display());
        let old = config(&text);
        write_users(&path, &["bob"]);
        let (reread, lines) = reload(&old, &format!("{text}max_keepalive 9\n"));
        let reread = reread.unwrap_or_else(|| panic!("{lines:?}"));
        assert_eq!(
            reread.settings.max_keepalive.map(|seconds| seconds.get()),
            Some(9)
        );
        let users = reread.settings.listeners[0]
            .authenticator
            .password_file
            .as_ref()
            .unwrap();
        assert!(users.lookup("bob").is_some() && users.lookup("ann").is_none());
    }

    #[test]
    fn a_broken_configuration_or_password_file_changes_nothing_and_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        write_users(&path, &["ann"]);
        let text = format!("listener 1883\npassword_file {}\n", path.display());
        let old = config(&text);

        let (reread, lines) = reload(&old, &format!("{text}max_keepalve 9\nport x\n"));
        assert!(reread.is_none());
        assert!(lines[0].starts_with("Error: broker.conf:3: "), "{lines:?}");
        assert!(
            lines
                .last()
                .unwrap()
                .ends_with("What was in force stays in force.")
        );

        fs::write(&path, "ann:plain\n").unwrap();
        let (reread, lines) = reload(&old, &text);
        assert!(reread.is_none());
        assert!(
            lines[0].contains("/pw:1: Unable to decode line in password file"),
            "{lines:?}"
        );
        assert!(
            lines
                .last()
                .unwrap()
                .ends_with("What was in force stays in force.")
        );
    }
}
